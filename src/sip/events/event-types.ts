/** What owners of subscriptions see, on both sides. */
import type { SipError } from '../../runtime/errors.ts'
import type { Clock, Random } from '../../runtime/runtime.ts'
import type { Credentials, DigestClient } from '../auth/client.ts'
import type { HeaderList, SessionBody } from '../dialog/session-types.ts'
import type { SipRequest } from '../message/message.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import type { Destination } from '../transport/destination.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import type { NotifierEndCause } from './notifier-machine.ts'
import type { SubscriptionEndCause } from './subscriber-machine.ts'
import type { StateNews, TerminationReason } from './subscription-state.ts'

/** What RFC 6665 §5.4 asks an event package to say. */
export interface EventPackage {
  /** As in the Event header. */
  readonly name: string
  /** Media types of its bodies, the default first. */
  readonly contentTypes: readonly string[]
  /** When a SUBSCRIBE says none, seconds. */
  readonly defaultExpiresSeconds: number
  /** Whether one SUBSCRIBE may make several subscriptions (RFC 6665 §5.4.9). */
  readonly forks: boolean
}

export interface EventHost {
  readonly transactions: TransactionLayer
  readonly transport: Pick<TransportLayer, 'contactFor'>
  readonly runtime: { readonly clock: Clock; readonly random: Random }
  /** User-Agent and the like, in every request and response. */
  readonly identity?: HeaderList
  /** For challenges to a SUBSCRIBE that brings none of its own, and to NOTIFYs. */
  readonly credentials?: Credentials
}

export interface EventLimits {
  /** Subscriptions we made, each branch of a fork counted; one more throws, one more branch is answered 481. Default 10,000. */
  readonly subscribing: number
  /** Subscriptions we notify; one more is answered 503 with Retry-After. Default 10,000. */
  readonly notifying: number
}

export interface EventOptions extends EventHost {
  /** What may be subscribed to here; others are answered 489. Default none. */
  readonly packages?: readonly EventPackage[]
  /** Less is answered 423, where RFC 6665 §4.2.1.1 allows that. Seconds, default 60. */
  readonly minExpiresSeconds?: number
  /** More is granted as this. Seconds, default 3600. */
  readonly maxExpiresSeconds?: number
  /** Retry-After of 503, seconds. Default 30. */
  readonly retryAfterSeconds?: number
  /** Milliseconds, as in the transaction layer; Timer N is 64 of them. Default 500. */
  readonly t1?: number
  readonly limits?: Partial<EventLimits>
}

/** `subscribing` and `notifying` are gauges, the others count since the start. */
export interface EventStats {
  readonly subscribing: number
  readonly notifying: number
  /** SUBSCRIBEs answered 503 for `limits.notifying`. */
  readonly refused: number
  /** Branches of forks answered 481 for `limits.subscribing`, or because one SUBSCRIBE had 32 already. */
  readonly forksRefused: number
  /** NOTIFYs of no subscription of ours, answered 481. */
  readonly strayNotifies: number
  /** Errors thrown by owners' callbacks. */
  readonly handlerErrors: number
}

export interface SubscribeOptions {
  readonly package: EventPackage
  /** The Request-URI. */
  readonly target: string
  /** From, as a name-addr or a URI. */
  readonly from: string
  readonly to?: string
  /** Parameters of the Event header, `id` for example. */
  readonly eventParams?: Readonly<Record<string, string>>
  /** Asked for. Default the package's; 0 fetches the state once (RFC 6665 §4.4.3). */
  readonly expiresSeconds?: number
  /** Default the package's media types. */
  readonly accept?: readonly string[]
  /** Subscribe anew where RFC 6665 §4.1.3 advises it. Default true. */
  readonly resubscribe?: boolean
  readonly headers?: HeaderList
  /** A filter, for packages that have one. */
  readonly body?: SessionBody
  readonly credentials?: Credentials
  readonly digest?: DigestClient
  readonly route?: readonly string[]
  readonly destination?: Destination
  readonly handlers?: SubscriptionHandlers
}

export interface Notification {
  readonly request: SipRequest
  readonly state: StateNews
  readonly body: SessionBody | undefined
}

export interface SubscriptionEnd {
  readonly cause: SubscriptionEndCause
  /** Of a NOTIFY that ended it. */
  readonly reason: string | undefined
  /** Of the SUBSCRIBE, when that ended it. */
  readonly statusCode: number | undefined
  /** With 489: what the notifier knows (RFC 6665 §7.3.2). */
  readonly allowEvents: readonly string[]
  readonly error: SipError | undefined
}

/** A missing one means that nobody minds. What they throw is counted in `handlerErrors`. */
export interface SubscriptionHandlers {
  onNotify?(notification: Notification): void
  /** It ended and is made anew in `retryInMs`. */
  onInterrupted?(end: SubscriptionEnd, retryInMs: number): void
  /** The last callback. */
  onEnd?(end: SubscriptionEnd): void
}

/** How a body is asked for. */
export interface RenderContext {
  /** The whole state, not only what has changed. */
  readonly full: boolean
  /** NOTIFYs with a body so far, from 0: the `version` of RFC 4235 and others. */
  readonly version: number
}

export interface AcceptOptions {
  /** Default `active`. `pending` tells nothing until `authorise`. */
  readonly state?: 'pending' | 'active'
  /** The body of each NOTIFY of an active subscription; undefined: none. */
  readonly render?: (context: RenderContext) => SessionBody | undefined
  /** Shortens what is granted. */
  readonly maxExpiresSeconds?: number
  readonly onEnd?: (cause: NotifierEndCause) => void
}

export interface TerminateOptions {
  /** Default `noresource`. */
  readonly reason?: TerminationReason
  readonly retryAfterSeconds?: number
}
