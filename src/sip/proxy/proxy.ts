import { OptionError, SipError } from '../../runtime/errors.ts'
import { SipParseError } from '../message/errors.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { randomToken } from '../transaction/branch.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import type { Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import { branchOf, Fingerprint } from './fingerprint.ts'
import { FlowTable } from './flow-table.ts'
import { copyFor, withoutTopVia } from './forwarding.ts'
import type { ForwardFacts } from './forwarding.ts'
import { OwnAddresses } from './own-addresses.ts'
import { ProxiedRequest } from './proxied-request.ts'
import type { ProxiedHost } from './proxied-request.ts'
import { preprocess } from './routes.ts'
import type { Preprocessed, RouteFacts } from './routes.ts'
import { emptyProxyStats } from './types.ts'
import type {
  ProxyBasics,
  ProxyLimits,
  ProxyOptions,
  ProxyStats,
  RouteDecision,
  ProxyTarget,
} from './types.ts'
import { validate } from './validation.ts'
import type { ValidationRules } from './validation.ts'

export const defaultProxyLimits: ProxyLimits = { contexts: 65_536, branches: 32 }

/** Seconds that a caller is told to wait when the proxy is full. */
const retryAfterSeconds = 10
/** RFC 3261 §16.6 11: larger than three minutes. */
const defaultTimerC = 185_000

/**
 * A stateful proxy (RFC 3261 §16, RFC 6026) on top of a transaction layer, which it takes over: it checks requests, asks the routing
 * function where they go, forks, chooses the best response, passes CANCEL and ACK on.
 */
export class Proxy {
  readonly #options: ProxyOptions
  readonly #transport: TransportLayer
  readonly #host: ProxiedHost
  readonly #limits: ProxyLimits
  readonly #routing: RouteFacts
  readonly #rules: ValidationRules
  readonly #requests = new Set<ProxiedRequest>()
  readonly #stats: ProxyStats = emptyProxyStats()

  /** @throws OptionError */
  constructor(options: ProxyOptions) {
    const { transactions, transport, runtime, timerC = defaultTimerC, redirections = 0 } = options
    this.#options = options
    this.#transport = transport
    this.#limits = { ...defaultProxyLimits, ...options.limits }
    for (const [name, value] of Object.entries({ ...this.#limits, timerC })) {
      if (!(value >= 1)) throw new OptionError(name, `${value} is not a number of at least 1`)
    }
    const { routing, rules, forwarding } = parts(options, true)
    this.#routing = routing
    this.#rules = rules
    this.#host = {
      transactions,
      clock: runtime.clock,
      random: runtime.random,
      forwarding,
      timerC,
      redirections,
      limits: this.#limits,
      stats: this.#stats,
      forwardLate: response => this.#sendStateless(response),
      ended: request => this.#requests.delete(request),
    }
    transactions.onRequest = transaction => this.receive(transaction)
    transactions.onAck = (ack, flow) => this.receiveAck(ack, flow)
    transactions.onStrayResponse = response => this.receiveStrayResponse(response)
  }

  /** A snapshot of the counters. */
  stats(): ProxyStats {
    return { ...this.#stats, contexts: this.#requests.size }
  }

  /** Requests under way. */
  get size(): number {
    return this.#requests.size
  }

  /** Cancels what is pending: every caller gets its answer, 487 mostly. What comes later is still served. */
  cancelAll(): void {
    for (const request of this.#requests) request.cancel()
  }

  /** What `transactions.onRequest` is set to. */
  receive(transaction: ServerTransaction): void {
    const { request: received } = transaction
    if (this.#requests.size >= this.#limits.contexts) {
      this.#stats.refused++
      transaction.reply(503, { headers: [['Retry-After', String(retryAfterSeconds)]] })
      return
    }
    const refusal = validate(received, this.#rules)
    if (refusal !== undefined) {
      const { statusCode, headers } = refusal
      if (statusCode === 482) this.#stats.loops++
      this.#stats.answered++
      transaction.reply(statusCode, { headers })
      return
    }
    this.#stats.requests++
    const preprocessed = preprocess(received, transaction.flow, this.#routing)
    const proxied = new ProxiedRequest(
      this.#host,
      transaction,
      this.#routing.fingerprint.loop(received, true),
    )
    this.#requests.add(proxied)
    const target = ownTarget(preprocessed, this.#routing)
    if (target !== undefined) answering(proxied, () => proxied.forward(preprocessed, [target], false))
    else this.#route(transaction, preprocessed, proxied)
  }

  /** What `transactions.onAck` is set to: an ACK for a 2xx goes on without state (RFC 3261 §16.2, §16.11). */
  receiveAck(ack: SipRequest, flow: Flow): void {
    this.#stats.acks++
    if (validate(ack, this.#rules) !== undefined) {
      this.#stats.undeliverable++
      return
    }
    const preprocessed = preprocess(ack, flow, this.#routing)
    const send = (target: ProxyTarget | undefined): void => {
      try {
        if (target === undefined) this.#stats.undeliverable++
        else this.#sendAck(target, preprocessed, flow, this.#routing.fingerprint.loop(ack, true))
      } catch (error) {
        this.#lost(error)
      }
    }
    const own = ownTarget(preprocessed, this.#routing)
    if (own !== undefined) {
      send(own)
      return
    }
    this.#decide(
      { request: preprocessed.request, flow, transaction: undefined },
      decision =>
        send(decision !== undefined && 'targets' in decision ? decision.targets.flat()[0] : undefined),
      () => send(undefined),
    )
  }

  /** What `transactions.onStrayResponse` is set to: without a context, it goes where its Via says (§16.7 1). */
  receiveStrayResponse(response: SipResponse): void {
    this.#stats.strayResponses++
    const rest = withoutTopVia(response)
    if (rest === undefined) this.#stats.undeliverable++
    else this.#sendStateless(rest)
  }

  #route(transaction: ServerTransaction, preprocessed: Preprocessed, proxied: ProxiedRequest): void {
    const { recordRoute = true } = this.#options
    this.#decide(
      { request: preprocessed.request, flow: transaction.flow, transaction },
      decision => {
        if (decision === undefined) proxied.leave()
        else if (proxied.ended) return
        else if ('targets' in decision) {
          const { targets, recordRoute: stay = recordRoute } = decision
          answering(proxied, () => proxied.forward(preprocessed, targets, stay))
        } else {
          const { statusCode, reasonPhrase, headers } = decision
          proxied.answer(statusCode, { reasonPhrase, headers })
        }
      },
      error => refuse(proxied, error),
    )
  }

  /** Asks the routing function; one of the two is called once, at once if it answers at once. */
  #decide(
    incoming: Parameters<ProxyBasics['route']>[0],
    decided: (decision: RouteDecision) => void,
    failed: (error: unknown) => void,
  ): void {
    const fail = (error: unknown): void => {
      this.#stats.routeErrors++
      this.#options.onError?.(error)
      failed(error)
    }
    let decision: RouteDecision | Promise<RouteDecision>
    try {
      decision = this.#options.route(incoming)
    } catch (error) {
      fail(error)
      return
    }
    if (decision !== undefined && 'then' in decision) {
      decision
        .then(decided, fail)
        .catch((error: unknown) => this.#transport.noteFault(error, incoming.request))
    } else decided(decision)
  }

  #sendAck(target: ProxyTarget, preprocessed: Preprocessed, flow: Flow, loop: string): void {
    const { request, destination } = copyFor(target, preprocessed, flow, 1, this.#host.forwarding)
    const branch = branchOf(randomToken(this.#host.random), loop)
    const sent = this.#transport.sendRequest(request, { branch, destination })
    if ('then' in sent) sent.catch((error: unknown) => this.#lost(error))
  }

  #sendStateless(response: SipResponse): void {
    try {
      const sent = this.#transport.forwardResponse(response)
      if ('then' in sent) sent.catch((error: unknown) => this.#lost(error))
    } catch (error) {
      this.#lost(error)
    }
  }

  #lost(error: unknown): void {
    this.#stats.undeliverable++
    if (!(error instanceof SipError)) this.#transport.noteFault(error)
  }
}

/** Whatever a request has in it, it gets an answer, and its context ends. */
function answering(proxied: ProxiedRequest, forward: () => void): void {
  try {
    forward()
  } catch (error) {
    if (!(error instanceof SipError)) throw error
    refuse(proxied, error)
  }
}

function refuse(proxied: ProxiedRequest, error: unknown): void {
  if (error instanceof SipParseError) {
    proxied.answer(error.statusCode, { reasonPhrase: error.reasonPhrase })
  } else {
    proxied.answer(500)
  }
}

/**
 * Where a request goes of itself, because it follows the route set of a call that came through here; `undefined` for one that is to be routed. A
 * Request-URI of our own (a GRUU, RFC 5627 §5.1) is to be looked up even then.
 */
export function ownTarget(
  { request, routed, flow }: Preprocessed,
  { own }: RouteFacts,
): ProxyTarget | undefined {
  if (!routed || (!request.headers.has('Route') && own.includes(request.uri))) return undefined
  return { uri: request.requestUri, ...(flow !== undefined && { flow }) }
}

/** What stateful and stateless proxies are made of. */
export function parts(
  options: ProxyBasics,
  stateful: boolean,
): { routing: RouteFacts; rules: ValidationRules; forwarding: ForwardFacts } {
  const { transport, runtime, names = [], extensions = [], secret, recordRoute = true } = options
  if (secret !== undefined && secret.length < 16) {
    throw new OptionError('secret', `${secret.length} octets can be guessed: give at least 16`)
  }
  const key = secret ?? runtime.random.bytes(32)
  const fingerprint = new Fingerprint(key, stateful ? runtime.random.bytes(32) : key)
  const flows = stateful ? new FlowTable() : undefined
  return {
    routing: { own: new OwnAddresses(transport, runtime.network, names), fingerprint, flows },
    rules: {
      fingerprint,
      extensions: new Set(extensions.map(name => name.toLowerCase())),
      withCredentials: stateful,
    },
    forwarding: { transport, fingerprint, flows, recordRoute },
  }
}
