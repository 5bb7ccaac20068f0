import { SipError } from '../../runtime/errors.ts'
import type { Clock, Random, Timer } from '../../runtime/runtime.ts'
import { SipParseError } from '../message/errors.ts'
import type { SipResponse } from '../message/message.ts'
import { randomToken } from '../transaction/branch.ts'
import { requestWithFailover } from '../transaction/failover.ts'
import type { ClientRequest } from '../transaction/failover.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import { byPreference } from './by-preference.ts'
import { branchOf } from './fingerprint.ts'
import { breadthOf, copyFor, responseFor } from './forwarding.ts'
import type { ForwardFacts } from './forwarding.ts'
import { newContext, step } from './response-context.ts'
import type { ContextAction, ContextEvent, ContextState, ContextTimer } from './response-context.ts'
import type { Preprocessed } from './routes.ts'
import type { ProxyLimits, ProxyStats, ProxyTarget } from './types.ts'

/** What a request under way needs from its proxy. */
export interface ProxiedHost {
  readonly transactions: TransactionLayer
  readonly clock: Clock
  readonly random: Random
  readonly forwarding: ForwardFacts
  readonly timerC: number
  readonly redirections: number
  readonly limits: ProxyLimits
  readonly stats: ProxyStats
  /** Sends a response upstream without a transaction. */
  forwardLate(response: SipResponse): void
  ended(request: ProxiedRequest): void
}

interface Branch {
  readonly target: ProxyTarget
  client: ClientRequest | undefined
  readonly timers: Map<ContextTimer, Timer>
}

/** One request on its way through the proxy: carries out what its response context asks for. */
export class ProxiedRequest {
  readonly #host: ProxiedHost
  readonly #transaction: ServerTransaction
  readonly #loop: string
  readonly #branches: Branch[] = []
  readonly #events: ContextEvent<SipResponse, ProxyTarget>[] = []
  /** What was tried or is waiting: a target set has nothing twice (RFC 3261 §16.5). */
  readonly #seen = new Set<string>()
  #preprocessed: Preprocessed | undefined
  #state: ContextState<SipResponse, ProxyTarget>
  #recordRoute = true
  #redirections = 0
  #busy = false

  constructor(host: ProxiedHost, transaction: ServerTransaction, loop: string) {
    this.#host = host
    this.#transaction = transaction
    this.#loop = loop
    this.#state = newContext(transaction.request.method)
    // From now on, though the routing function may still be thinking.
    transaction.onCancel = () => this.cancel()
  }

  /** The caller has given up, or nobody is left to answer to (RFC 3261 §16.10). */
  cancel(): void {
    this.#dispatch({ on: 'cancel' })
  }

  /** Sends the request to these targets. */
  forward(
    preprocessed: Preprocessed,
    targets: readonly (ProxyTarget | readonly ProxyTarget[])[],
    recordRoute: boolean,
  ): void {
    this.#preprocessed = preprocessed
    this.#recordRoute = recordRoute
    const breadth = breadthOf(preprocessed.request)
    const groups = targets.map(group => this.#admit(asList(group)))
    if (groups.every(({ length }) => length === 0)) this.answer(480)
    else if (breadth < 1) this.answer(440)
    else this.#dispatch({ on: 'targets', groups: groups.flatMap(group => inSlices(group, breadth)) })
  }

  /** Answers without forwarding; the request may have been cancelled and answered meanwhile. */
  answer(statusCode: number, init: Parameters<ServerTransaction['reply']>[1] = {}): void {
    if (!this.#state.ended) {
      this.#host.stats.answered++
      this.#upstream(() => this.#transaction.reply(statusCode, init))
    }
    this.leave()
  }

  /** Somebody else answers the transaction. */
  leave(): void {
    if (this.#state.ended) return
    this.#state = { ...this.#state, ended: true }
    this.#host.ended(this)
  }

  get ended(): boolean {
    return this.#state.ended
  }

  #admit(targets: readonly ProxyTarget[]): ProxyTarget[] {
    const admitted: ProxyTarget[] = []
    for (const target of targets) {
      const key = `${String(target.uri)} ${target.flow?.id ?? ''} ${(target.route ?? []).join()}`
      if (this.#seen.has(key)) continue
      if (this.#seen.size >= this.#host.limits.branches) {
        this.#host.stats.targetsDropped++
        continue
      }
      this.#seen.add(key)
      admitted.push(target)
    }
    return admitted
  }

  /** One at a time: what an action sets off comes after the actions of its step. */
  #dispatch(event: ContextEvent<SipResponse, ProxyTarget>): void {
    this.#events.push(event)
    if (this.#busy) return
    this.#busy = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        const { state, actions } = step(this.#state, next)
        this.#state = state
        for (const action of actions) this.#perform(action)
      }
    } finally {
      this.#busy = false
    }
  }

  #perform(action: ContextAction<SipResponse, ProxyTarget>): void {
    switch (action.do) {
      case 'send':
        this.#send(action.branch, action.target, action.width)
        break
      case 'cancel':
        this.#branches[action.branch]?.client?.cancel()
        break
      case 'arm':
        this.#arm(action.branch, action.timer)
        break
      case 'disarm':
        this.#disarm(action.branch, action.timer)
        break
      case 'forward':
        this.#upstream(() =>
          this.#transaction.respond(
            responseFor(this.#transaction.request, action.response, action.challenges),
          ),
        )
        break
      case 'forward late':
        this.#host.forwardLate(responseFor(this.#transaction.request, action.response, []))
        break
      case 'reply':
        this.#host.stats.answered++
        this.#upstream(() => this.#transaction.reply(action.statusCode))
        break
      case 'end':
        this.#host.ended(this)
        break
    }
  }

  /** A routing function that gives what cannot be written, or has answered itself, must neither end the process nor leave the caller waiting. */
  #upstream(respond: () => void): void {
    try {
      respond()
    } catch (error) {
      if (!(error instanceof SipError)) throw error
      this.#host.stats.undeliverable++
      if ((this.#transaction.response?.statusCode ?? 0) < 200) this.#transaction.reply(500)
    }
  }

  #send(index: number, target: ProxyTarget, width: number): void {
    const { transactions, random, forwarding, stats } = this.#host
    const branch: Branch = { target, client: undefined, timers: new Map() }
    this.#branches[index] = branch
    try {
      if (this.#preprocessed === undefined) return
      const { request, destination } = copyFor(target, this.#preprocessed, this.#transaction.flow, width, {
        ...forwarding,
        recordRoute: this.#recordRoute,
      })
      // §16.6 7: the servers of a domain are tried as RFC 3263 §4.3 says.
      const client = requestWithFailover(transactions, request, {
        destination,
        newBranch: () => branchOf(randomToken(random), this.#loop),
      })
      branch.client = client
      stats.forwarded++
      client.onResponse = response => this.#receive(index, response)
      client.onTimeout = () => this.#dispatch({ on: 'timeout', branch: index })
      client.onTransportError = () => this.#dispatch({ on: 'failure', branch: index })
      client.onTerminated = () => this.#dispatch({ on: 'terminated', branch: index })
    } catch (error) {
      if (!(error instanceof SipError)) throw error
      this.#dispatch({ on: 'failure', branch: index })
    }
  }

  #receive(branch: number, response: SipResponse): void {
    const { statusCode } = response
    const redirects =
      statusCode >= 300 && statusCode < 400 && this.#redirections < this.#host.redirections
        ? this.#redirectsOf(response)
        : []
    if (redirects.length > 0) this.#redirections++
    this.#dispatch({ on: 'response', branch, statusCode, response, redirects })
  }

  /** The best of the Contacts of a 3xx; of several with one preference, all at once (RFC 3261 §16.5). */
  #redirectsOf(response: SipResponse): ProxyTarget[] {
    try {
      const { contacts } = response
      if (contacts === '*') return []
      const targets = contacts
        .filter(({ uri }) => uri.kind === 'sip')
        .map(({ uri, params }) => ({ uri, q: Number(params.value('q') ?? 1) }))
      return this.#admit(byPreference(targets)[0] ?? [])
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error
      return []
    }
  }

  #arm(index: number, name: ContextTimer): void {
    this.#disarm(index, name)
    const branch = this.#branches[index]
    const ms = name === 'C' ? this.#host.timerC : branch?.target.answerMs
    if (branch === undefined || ms === undefined) return
    const { clock } = this.#host
    const timer = clock.setTimer(clock.now() + ms, () => {
      branch.timers.delete(name)
      this.#dispatch({ on: 'timer', timer: name, branch: index })
    })
    branch.timers.set(name, timer)
  }

  #disarm(index: number, name: ContextTimer): void {
    const timers = this.#branches[index]?.timers
    timers?.get(name)?.cancel()
    timers?.delete(name)
  }
}

function asList(targets: ProxyTarget | readonly ProxyTarget[]): readonly ProxyTarget[] {
  return Array.isArray(targets) ? (targets as readonly ProxyTarget[]) : [targets as ProxyTarget]
}

/** As many at once as Max-Breadth lets out, the others after them (RFC 5393 §5.3.3.1). */
function inSlices(targets: readonly ProxyTarget[], size: number): ProxyTarget[][] {
  const slices: ProxyTarget[][] = []
  for (let from = 0; from < targets.length; from += size) slices.push(targets.slice(from, from + size))
  return slices
}
