/** What the owner of an INVITE session sees of it: values in, values out, and the callbacks between. */
import type { SipError } from '../../runtime/errors.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import type { Credentials } from '../auth/client.ts'
import type { Dialog } from './dialog.ts'
import type { RedirectOptions } from './redirect.ts'
import type { SessionTimerOptions } from './session-timer.ts'

/** Header fields the owner adds, in order. CR, LF and NUL in a value are refused when the message is made. */
export type HeaderList = Iterable<readonly [name: string, value: string]>

/** An offer or an answer (or any other body). The session never looks inside. */
export interface SessionBody {
  /** For example `application/sdp`. */
  readonly contentType: string
  readonly body: Uint8Array
}

/** States of a dialog as RFC 4235 §3.7.1 names them, so that records, dialog-info and this agree. */
export type SessionState = 'trying' | 'proceeding' | 'early' | 'confirmed' | 'terminated'

/** One value of a Reason header (RFC 3326). */
export interface SessionReason {
  /** `SIP`, `Q.850`, … */
  readonly protocol: string
  readonly cause: number | undefined
  readonly text: string | undefined
}

/** How a session ended. A value, never an exception. */
export interface SessionEnd {
  /** Who or what ended it. */
  readonly by: 'local' | 'remote' | 'timeout' | 'transport' | 'error'
  /**
   * - `bye`: a BYE was sent or received
   * - `cancelled`: given up before it was answered
   * - `refused`: a final response of 300 or above
   * - `no-response`: the INVITE ran into Timer B (or was never taken by the transport)
   * - `no-ack`: our 2xx was not acknowledged for 64*T1 (RFC 3261 §13.3.1.4), or a reliable provisional response not by PRACK (RFC 3262 §3)
   * - `dialog-lost`: a request inside the dialog was answered 481 or 408, or not at all (RFC 5057)
   * - `failed`: the offer/answer exchange could not be completed
   * - `closed`: the core was closed
   */
  readonly cause:
    | 'bye'
    | 'cancelled'
    | 'refused'
    | 'no-response'
    | 'no-ack'
    | 'dialog-lost'
    | 'failed'
    | 'closed'
  /** The final status of an INVITE that was never answered, sent or received. */
  readonly statusCode: number | undefined
  /** The response that ended it: a refusal received, for example. */
  readonly response: SipResponse | undefined
  /** The BYE or CANCEL that ended it, when the peer sent one. */
  readonly request: SipRequest | undefined
  /** From the peer's Reason header fields, or what we sent ourselves. */
  readonly reasons: readonly SessionReason[]
  readonly error: SipError | undefined
}

/** Where an offer came from, for owners that treat the first one differently. */
export interface OfferContext {
  /** The request or response that carries it, or is to carry it. */
  readonly message: SipRequest | SipResponse
  /** `initial` belongs to the first INVITE, `reinvite` and `update` (a PRACK's, too) to later ones. */
  readonly phase: 'initial' | 'reinvite' | 'update'
}

/** Where an answer came from that came before the 2xx. */
export interface EarlyContext {
  readonly message: SipResponse
  /** The peer's To tag: one per branch of a fork. */
  readonly dialogTag: string
  /** It came reliably, and is the answer; else a preview of it (RFC 3262 §5). */
  readonly reliable: boolean
}

/** A provisional response above 100, or a fork that has just appeared. */
export interface SessionProgress {
  readonly response: SipResponse
  readonly statusCode: number
  readonly reasonPhrase: string
  /** A preview of the answer (or, when we sent no offer, an offer that waits for PRACK or the 2xx). */
  readonly body: SessionBody | undefined
  /** The peer's To tag: one per branch of a fork; undefined when the peer left it out. */
  readonly dialogTag: string | undefined
  /** True on the first response of that branch. */
  readonly newDialog: boolean
}

/** A request that waits for a response. Answering twice is ignored. */
export interface IncomingRequest {
  readonly request: SipRequest
  readonly responded: boolean
  respond(statusCode: number, options?: RespondOptions): void
}

export interface RespondOptions {
  readonly reasonPhrase?: string
  readonly headers?: HeaderList
  readonly body?: SessionBody
}

/**
 * Callbacks of a session's owner. All are optional; what a missing one means stands beside it. An error thrown by a
 * callback that has an outcome (offers and answers) becomes that outcome; thrown by any other it is published on
 * `offhook:sip:dialog` and goes no further.
 */
export interface SessionHandlers {
  /**
   * The peer offers; return the answer. Throw an error to refuse: its `statusCode` is sent (500 when it has none; 488 says
   * that the offer is at fault, RFC 3261 §14.2), and its `warning` as a Warning value. Missing: 488.
   */
  onOffer?(offer: SessionBody, context: OfferContext): SessionBody | Promise<SessionBody>
  /**
   * The peer sent an INVITE without an offer inside the dialog: return ours (RFC 3261 §14.2). Missing: 488.
   */
  onOfferRequest?(context: OfferContext): SessionBody | Promise<SessionBody>
  /**
   * The peer answers our offer. Throw to refuse: an initial session is then ended with BYE, a changed one falls back to what it was
   * (the owner keeps the old media).
   */
  onAnswer?(answer: SessionBody, context: OfferContext): void | Promise<void>
  /**
   * Client only: an answer to the offer in our INVITE before the 2xx (early media): for each branch of a fork when it brings its first, so that the
   * newest counts. Return true when it was applied: one that came reliably is then not given to `onAnswer` again when that branch wins.
   */
  onEarlyAnswer?(answer: SessionBody, context: EarlyContext): boolean
  /**
   * An offer of ours came to nothing: refused, crossed by one of the peer's (491), answered with what cannot be used, or not at all. Take it
   * back; what was agreed before holds. Called before `reinvite` rejects or tries again.
   */
  onOfferLapsed?(): void
  /**
   * Client only: the INVITE was refused for its offer (488, or 606, RFC 3261 §21.6.4). Return another offer to be sent in a new INVITE at once, or
   * undefined to leave it at that.
   */
  onOfferRefused?(response: SipResponse): SessionBody | undefined
  /** Client only: each 100. Some server has taken the INVITE, and says nothing more for now. */
  onTrying?(): void
  /** Client only: each provisional response above 100. */
  onProgress?(progress: SessionProgress): void
  /** Client: the 2xx of the dialog that won (before its ACK is built). Server: our 2xx has been sent. */
  onAccepted?(message: SipResponse): void
  /** Client: the ACK has been sent. Server: the ACK has arrived. Offer and answer are complete. */
  onConfirmed?(): void
  /** Any other request in the dialog: INFO, MESSAGE, NOTIFY, REFER, OPTIONS … Return true when it is, or will be, answered by the owner. */
  onRequest?(incoming: IncomingRequest): boolean
  /** The state changed. Called before `onEnd` for `terminated`. */
  onStateChange?(state: SessionState): void
  /** Called exactly once. */
  onEnd?(end: SessionEnd): void
}

export interface HangupOptions {
  /** Reason values to send with BYE or CANCEL (RFC 3326), each as written on the wire or in parts. */
  readonly reasons?: readonly (string | SessionReason)[]
  readonly headers?: HeaderList
}

export interface RequestInDialogOptions {
  /** For a challenge to this request. Default: the session's. */
  readonly credentials?: Credentials
  readonly headers?: HeaderList
  readonly body?: SessionBody
}

export interface ReinviteOptions {
  /**
   * A function is asked for every attempt, once the INVITE may be sent: after a 491 the peer's change may have come first, and what was offered
   * before it is out of date. A body is sent again as it is. Absent: an INVITE without an offer; the peer offers in its 2xx and `onOffer` answers
   * in the ACK.
   */
  readonly offer?: SessionBody | (() => SessionBody | Promise<SessionBody>)
  readonly headers?: HeaderList
}

/** What both kinds of session can do. */
export interface InviteSession {
  readonly role: 'client' | 'server'
  readonly handlers: SessionHandlers
  readonly state: SessionState
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string | undefined
  /** The dialog, once there is one; of a forked INVITE the one that was answered. */
  readonly dialog: Pick<Dialog, 'remoteTarget'> | undefined
  /** The INVITE that began it (for a client: the latest attempt). */
  readonly invite: SipRequest
  /** Settles once, never rejects. */
  readonly ended: Promise<SessionEnd>
  /** Settles, never rejects, when nothing is left to send: the BYE has been answered or given up. Not before `ended`. */
  readonly settled: Promise<void>
  /** What the latest message of the dialog came in or went out by; undefined before there was one. */
  readonly flow: Flow | undefined
  /** How it ended; undefined while it has not. */
  readonly end: SessionEnd | undefined
  /**
   * Ends the session in whatever way its state asks for: CANCEL, a refusal (480 unless set), or BYE. Wishes that cannot be carried out yet
   * (before a provisional response, before the ACK) are remembered. May be called any number of times.
   * @throws OptionError, SipSerialiseError a reason or header that cannot be written; nothing has changed then
   */
  hangup(options?: HangupOptions): void
  /**
   * Changes the session (RFC 3261 §14.1). Waits for the ACK of an answered call. Resolves with the peer's 2xx after `onAnswer` (or `onOffer`)
   * ran; 491 is tried again after the waits of §14.1, 401 and 407 are answered.
   * @throws SipSerialiseError headers that cannot be written
   * @throws SipResponseError the peer refused; the session stays as it was
   * @throws SipError SIP_STATE not confirmed, another change is under way, or the session ended meanwhile
   */
  reinvite(options?: ReinviteOptions): Promise<SipResponse>
  /**
   * Changes the session by UPDATE (RFC 3311): before the answer, too, once offer and answer of the INVITE are complete by reliable provisional
   * responses. Else as `reinvite`; without an offer the target is refreshed.
   */
  update(options?: ReinviteOptions): Promise<SipResponse>
  /**
   * Sends a request in the dialog and gives its final response, whatever its status. 401 and 407 are answered.
   * @throws SipTimeoutError, SipTransportError the dialog ends with it
   * @throws SipError SIP_STATE when there is no dialog
   */
  request(method: string, options?: RequestInDialogOptions): Promise<SipResponse>
}

export interface InviteOptions {
  /** The Request-URI, for example `sip:+15550100@trunk.example`. */
  readonly target: string
  /** From, as a name-addr or a URI, without tag. */
  readonly from: string
  /** To, when it differs from the target. */
  readonly to?: string
  /** Contact as a name-addr or a URI. Default: the transport's address for that destination, with the user of From. */
  readonly contact?: string
  readonly headers?: HeaderList
  /** The offer. Absent: the peer offers in its 2xx and `onOffer` answers in the ACK. */
  readonly offer?: SessionBody
  readonly credentials?: Credentials
  /** Route values to start with (outbound proxy), each a name-addr. */
  readonly route?: readonly string[]
  /** Overrides where the request goes (not what it says). */
  readonly destination?: Destination
  readonly callId?: string
  readonly handlers?: SessionHandlers
  /** In place of the core's; where the core's is off it is off for all. */
  readonly sessionTimer?: SessionTimerOptions | 'off'
  /** Default: a 3xx ends the session. */
  readonly followRedirects?: RedirectOptions
}

export interface RingOptions {
  /** 101 to 199; default 180, or 183 with a body. */
  readonly statusCode?: number
  readonly reasonPhrase?: string
  readonly headers?: HeaderList
  /**
   * The answer, for early media; repeated in the 2xx unless that brings its own or it went reliably. When the INVITE brought no offer: ours, which only
   * goes reliably, and `onAnswer` gets the answer of the PRACK.
   */
  readonly body?: SessionBody
  /** To be acknowledged by PRACK (RFC 3262). Default: with a body, when the caller can; always when one side requires it. */
  readonly reliable?: boolean
}

export interface AnswerOptions {
  /** The answer to `session.offer`; when there was none, our offer, and the peer's answer comes with `onAnswer`. */
  readonly body?: SessionBody
  readonly statusCode?: number
  readonly headers?: HeaderList
  readonly contact?: string
}

export interface RejectOptions {
  readonly reasonPhrase?: string
  readonly headers?: HeaderList
  readonly body?: SessionBody
}

/** An INVITE we sent. */
export interface InviteClientSession extends InviteSession {
  readonly role: 'client'
}

/**
 * An INVITE we received. Every answering method is ignored once the INVITE has its final response. What cannot be written (CR, LF or NUL, a
 * status out of range) throws `OptionError` or `SipSerialiseError`, and the call is as it was.
 */
export interface InviteServerSession extends InviteSession {
  readonly role: 'server'
  /** Set by whoever takes the call. */
  handlers: SessionHandlers
  /** What the INVITE offered; undefined: late offer, ours goes into the 2xx. */
  readonly offer: SessionBody | undefined
  /** True once a final response went out, or waits for a PRACK, or the INVITE was cancelled. */
  readonly answered: boolean
  /** Whether provisional responses can be sent reliably (RFC 3262). */
  readonly canRingReliably: boolean
  /** @throws SipError SIP_STATE an offer of ours that cannot be sent reliably */
  ring(options?: RingOptions): void
  /** Sends the 2xx and repeats it until the ACK comes (RFC 3261 §13.3.1.4). Returns false when it was too late (cancelled, answered). */
  answer(options?: AnswerOptions): boolean
  /** A final status of 400 or above. Returns false when it was too late. */
  reject(statusCode: number, options?: RejectOptions): boolean
  /** 302, or 301 when permanent; targets are URIs or name-addrs. Returns false when it was too late. */
  redirect(
    targets: readonly string[],
    options?: { readonly permanent?: boolean; readonly headers?: HeaderList },
  ): boolean
}
