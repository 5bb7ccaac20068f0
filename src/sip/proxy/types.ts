import type { Runtime } from '../../runtime/runtime.ts'
import type { NameAddr } from '../message/name-addr.ts'
import type { SipRequest } from '../message/message.ts'
import type { Uri } from '../message/uri.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'

/** One place a request is sent on to (RFC 3261 §16.5). */
export interface ProxyTarget {
  /** Becomes the Request-URI. What may not stand there (headers, `method`) is taken off (§19.1.1). */
  readonly uri: string | Uri
  /** Put before what is left of Route: the Path of a binding (RFC 3327), or the way through another proxy. */
  readonly route?: readonly (string | NameAddr)[]
  /** Where to send it. Default: the first Route, or the URI (§16.6 7). */
  readonly destination?: Destination
  /** Send over this flow while it is open: the connection a client behind a NAT keeps (RFC 5626 §5.3). */
  readonly flow?: Flow
  /** Preference, 0 to 1, for `byPreference`. Default 1. */
  readonly q?: number
  /** INVITE: give up after so many milliseconds without an answer, ringing or not. Default: as long as Timer C lets it. */
  readonly answerMs?: number
  /** Header fields added to what this target gets. */
  readonly headers?: Iterable<readonly [name: string, value: string]>
}

/** A response in place of forwarding. */
export interface ProxyAnswer {
  readonly statusCode: number
  readonly reasonPhrase?: string
  readonly headers?: Iterable<readonly [name: string, value: string]>
}

export interface ProxyForward {
  /** Tried one after another until one answers; those in an inner list at the same time. None: 480. */
  readonly targets: readonly (ProxyTarget | readonly ProxyTarget[])[]
  /** Whether to stay in the path of the dialog. Default: as the proxy's option. */
  readonly recordRoute?: boolean
}

/** `undefined`: the function has answered the transaction, or will. */
export type RouteDecision = ProxyForward | ProxyAnswer | undefined

/** A request to be routed. */
export interface RoutableRequest {
  /** A copy, with Route and Request-URI as §16.4 leaves them. What is changed in it goes to every target. */
  readonly request: SipRequest
  /** What it came in by. */
  readonly flow: Flow
  /** To answer by, at once or later. Absent for an ACK, which has no answer, and in a stateless proxy. */
  readonly transaction: ServerTransaction | undefined
}

export type RouteFunction = (incoming: RoutableRequest) => RouteDecision | Promise<RouteDecision>

/** Bounds; what goes beyond is refused and counted in `ProxyStats`. */
export interface ProxyLimits {
  /** Requests under way; further ones get 503. Default 65536. */
  readonly contexts: number
  /** Targets of one request, redirections included. Default 32. */
  readonly branches: number
}

export interface ProxyBasics {
  readonly transport: TransportLayer
  readonly runtime: Pick<Runtime, 'clock' | 'network' | 'random'>
  /**
   * Decides where a request goes. It is not asked for requests within dialogs that bear a Record-Route of this proxy: they follow their
   * route set.
   */
  readonly route: RouteFunction
  /** Host names, besides the listen addresses, by which Route headers and URIs mean this proxy. */
  readonly names?: readonly string[]
  /** Put a Record-Route into requests that make dialogs. Default true. */
  readonly recordRoute?: boolean
  /** Extensions of Proxy-Require that the routing function knows to honour; others get 420. Default none. */
  readonly extensions?: readonly string[]
  /**
   * At least 16 octets that Record-Route and branches are signed with. Give the same to all that share a name, and after a restart, or calls that
   * are up are routed anew. Default: random.
   */
  readonly secret?: Uint8Array
  /** What the routing function threw; the request was answered 500. */
  readonly onError?: (error: unknown) => void
}

export interface ProxyOptions extends ProxyBasics {
  readonly transactions: TransactionLayer
  /** How many redirections (3xx) of one request are followed. Default 0: they go back to the caller. */
  readonly redirections?: number
  /** Timer C: longest time without news from a target that was sent an INVITE, milliseconds. Default 185000; above 180000 by §16.6 11. */
  readonly timerC?: number
  readonly limits?: Partial<ProxyLimits>
}

/** Counters since the proxy was made; `contexts` is a gauge. */
export interface ProxyStats {
  contexts: number
  /** Requests taken for forwarding. */
  requests: number
  /** Branches started. */
  forwarded: number
  /** Answered here: by the checks of §16.3, by the routing function, or for want of an answer. */
  answered: number
  loops: number
  acks: number
  /** Responses sent on without a context. */
  strayResponses: number
  /** 503 for `limits.contexts`. */
  refused: number
  /** Targets left out for `limits.branches`. */
  targetsDropped: number
  /** Messages that could not be sent on and have no answer: ACKs and responses. */
  undeliverable: number
  /** Times the routing function threw. */
  routeErrors: number
}

export function emptyProxyStats(): ProxyStats {
  return {
    contexts: 0,
    requests: 0,
    forwarded: 0,
    answered: 0,
    loops: 0,
    acks: 0,
    strayResponses: 0,
    refused: 0,
    targetsDropped: 0,
    undeliverable: 0,
    routeErrors: 0,
  }
}
