/** Options and values of `UserAgentCore`. */
import type { Runtime } from '../../runtime/runtime.ts'
import type { Credentials, DigestClient } from '../auth/client.ts'
import type { TimerValues } from '../transaction/timers.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import type { SessionTimerOptions } from './session-timer.ts'
import type { Reliability } from './reliable-provisional.ts'
import type { HeaderList, IncomingRequest, RespondOptions, SessionBody } from './session-types.ts'

export interface CoreLimits {
  /** INVITE sessions at once, both directions; one more is answered 503 with Retry-After. Default 10,000. */
  readonly dialogs: number
  /** 2xx responses whose ACK is kept for repeating, 64*T1 each (RFC 3261 §13.2.2.4). The oldest goes first. Default 20,000. */
  readonly acks: number
}

export interface UserAgentCoreOptions {
  readonly transactions: TransactionLayer
  readonly transport: TransportLayer
  readonly runtime: Pick<Runtime, 'clock' | 'random'>
  /** User-Agent in requests, Server in responses. Default: neither. */
  readonly userAgent?: string
  /** The Allow header. Default `defaultAllow`. */
  readonly allow?: readonly string[]
  /** Option tags in Supported, and those a peer may require. Default none. */
  readonly supported?: readonly string[]
  /** Reliable provisional responses (RFC 3262), in both directions. Default `supported`: with those who can. */
  readonly reliableProvisionals?: Reliability
  /** Media types of bodies in INVITE and UPDATE. Default `application/sdp`. */
  readonly accept?: readonly string[]
  /** Session timers (RFC 4028). Default off. */
  readonly sessionTimer?: SessionTimerOptions | 'off'
  /** For challenges to sessions and requests that bring none of their own. Default: challenges are passed on as responses. */
  readonly credentials?: Credentials
  /** Retry-After of 503 while overloaded or closing, seconds. Default 10. */
  readonly retryAfterSeconds?: number
  readonly limits?: Partial<CoreLimits>
  /** T1 and T2 for repeating 2xx; give the transaction layer's. */
  readonly timers?: Partial<TimerValues>
}

/** A status to refuse with before any session is made. */
export interface Refusal extends RespondOptions {
  readonly statusCode: number
}

export interface RequestOptions {
  readonly method: string
  /** The Request-URI. */
  readonly target: string
  /** From, as a name-addr or a URI, without tag. */
  readonly from: string
  /** To, when it differs from the target. */
  readonly to?: string
  /** Contact as a name-addr or URI; absent: none. */
  readonly contact?: string
  readonly headers?: HeaderList
  readonly body?: SessionBody
  readonly credentials?: Credentials
  /** A client that remembers nonces across requests (registrations); it takes the place of `credentials`. */
  readonly digest?: DigestClient
  readonly route?: readonly string[]
  readonly destination?: Destination
  /** For requests that belong together (registration refreshes): the same Call-ID with a rising CSeq. */
  readonly callId?: string
  readonly cseq?: number
}

/** A request outside any dialog, other than INVITE, ACK and CANCEL. */
export interface OutOfDialogRequest extends IncomingRequest {
  readonly flow: Flow
  /** The tag of To in the response: ours, if it makes a dialog. */
  readonly localTag: string
}

/** What `offhook:sip:dialog` publishes. */
export interface DialogEvent {
  readonly core: object
  /** Clock milliseconds. */
  readonly at: number
  readonly kind: 'state' | 'handler-error' | 'dropped'
  readonly role?: 'client' | 'server'
  readonly callId?: string
  readonly localTag?: string
  readonly remoteTag?: string | undefined
  /** Of the session machine, finer than `SessionState`. */
  readonly from?: string
  readonly to?: string
  readonly event?: string
  readonly error?: unknown
}
