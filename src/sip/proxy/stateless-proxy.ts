import { SipError } from '../../runtime/errors.ts'
import { createResponse } from '../message/build.ts'
import { SipParseError } from '../message/errors.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import { branchOf } from './fingerprint.ts'
import { copyFor, withoutTopVia } from './forwarding.ts'
import type { ForwardFacts } from './forwarding.ts'
import { ownTarget, parts } from './proxy.ts'
import { preprocess } from './routes.ts'
import type { RouteFacts } from './routes.ts'
import { emptyProxyStats } from './types.ts'
import type { ProxyAnswer, ProxyBasics, ProxyStats, RouteDecision, RoutableRequest } from './types.ts'
import { validate } from './validation.ts'
import type { ValidationRules } from './validation.ts'

/** It must give the same for every copy of a request, CANCEL and ACK included (RFC 3261 §16.11): by a hash over the callee, say. */
export type StatelessRouteFunction = (incoming: RoutableRequest) => Exclude<RouteDecision, undefined>

export interface StatelessProxyOptions extends Omit<ProxyBasics, 'route'> {
  readonly route: StatelessRouteFunction
}

/**
 * A stateless proxy (RFC 3261 §16.11) straight on a transport layer, which it takes over: remembers nothing, so it never repeats a message,
 * never forks, and its branches are computed from the request. The first target counts.
 */
export class StatelessProxy {
  readonly #options: StatelessProxyOptions
  readonly #transport: TransportLayer
  readonly #routing: RouteFacts
  readonly #rules: ValidationRules
  readonly #forwarding: ForwardFacts
  readonly #stats: ProxyStats = emptyProxyStats()

  /** @throws OptionError */
  constructor(options: StatelessProxyOptions) {
    const { routing, rules, forwarding } = parts(options, false)
    this.#options = options
    this.#transport = options.transport
    this.#routing = routing
    this.#rules = rules
    this.#forwarding = forwarding
    options.transport.onRequest = (request, flow) => this.receive(request, flow)
    options.transport.onResponse = response => this.receiveResponse(response)
  }

  /** A snapshot of the counters. */
  stats(): ProxyStats {
    return { ...this.#stats }
  }

  /** What `transport.onRequest` is set to. */
  receive(request: SipRequest, flow: Flow): void {
    this.#stats.requests++
    const refusal = validate(request, this.#rules)
    if (refusal !== undefined) {
      if (refusal.statusCode === 482) this.#stats.loops++
      this.#answer(request, flow, refusal)
      return
    }
    const preprocessed = preprocess(request, flow, this.#routing)
    if (flow.reliable) noteConnection(preprocessed.request, flow)
    try {
      const own = ownTarget(preprocessed, this.#routing)
      const decision: Exclude<RouteDecision, undefined> =
        own === undefined
          ? this.#options.route({ request: preprocessed.request, flow, transaction: undefined })
          : { targets: [own] }
      const target = 'targets' in decision ? decision.targets.flat()[0] : undefined
      if (target === undefined) {
        this.#answer(request, flow, 'targets' in decision ? { statusCode: 480 } : decision)
        return
      }
      const { recordRoute } = decision as { recordRoute?: boolean }
      const facts = { ...this.#forwarding, recordRoute: recordRoute ?? this.#forwarding.recordRoute }
      const { request: copy, destination } = copyFor(target, preprocessed, flow, 1, facts)
      const sent = this.#transport.sendRequest(copy, { branch: this.#branchFor(request), destination })
      this.#stats.forwarded++
      if ('then' in sent) sent.catch((error: unknown) => this.#lost(error))
    } catch (error) {
      if (error instanceof SipParseError) {
        this.#answer(request, flow, { statusCode: error.statusCode, reasonPhrase: error.reasonPhrase })
        return
      }
      if (error instanceof SipError) {
        this.#lost(error)
        return
      }
      this.#stats.routeErrors++
      this.#options.onError?.(error)
      this.#answer(request, flow, { statusCode: 500 })
    }
  }

  /** What `transport.onResponse` is set to. */
  receiveResponse(response: SipResponse): void {
    this.#stats.strayResponses++
    const rest = withoutTopVia(response)
    if (rest === undefined) {
      this.#stats.undeliverable++
      return
    }
    try {
      const sent = this.#transport.forwardResponse(rest)
      if ('then' in sent) sent.catch((error: unknown) => this.#lost(error))
    } catch (error) {
      this.#lost(error)
    }
  }

  /** The same for every copy of a request and for its CANCEL and the ACK of its failure (RFC 3261 §16.11). */
  #branchFor(request: SipRequest): string {
    const { fingerprint } = this.#routing
    const { via, callId, cseq, from } = request
    const unique = via.hasRfc3261Branch
      ? [via.sentBy, via.branch ?? '']
      : [via.toString(), callId, String(cseq.sequence), from.tag ?? '', request.requestUri]
    return branchOf(fingerprint.of('branch', unique), fingerprint.loop(request, false))
  }

  #answer(request: SipRequest, flow: Flow, { statusCode, reasonPhrase, headers }: ProxyAnswer): void {
    if (request.method === 'ACK') return
    this.#stats.answered++
    try {
      const toTag = this.#routing.fingerprint.of('tag', [request.callId, request.via.branch ?? ''])
      const response = createResponse(request, statusCode, { reasonPhrase, headers, toTag })
      const sent = this.#transport.sendResponse(response, flow)
      if ('then' in sent) sent.catch((error: unknown) => this.#lost(error))
    } catch (error) {
      this.#lost(error)
    }
  }

  #lost(error: unknown): void {
    if (!(error instanceof SipError)) throw error
    this.#stats.undeliverable++
  }
}

/** The way back over a connection is found by its remote port, which the Via does not tell unless somebody writes it there. */
function noteConnection(request: SipRequest, { remote }: Flow): void {
  const noted = request.via.withParam('received', remote.address).withParam('rport', String(remote.port))
  request.replaceVia(noted)
}
