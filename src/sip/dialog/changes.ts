import type { SipRequest, SipResponse } from '../message/message.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import type { DigestClient } from '../auth/client.ts'
import type { Flow } from '../transport/flow.ts'
import type { Dialog } from './dialog.ts'
import type { NegotiationState, OfferState, PendingInvite } from './offer-answer.ts'
import type { SessionHost } from './session-host.ts'
import type { SessionRefresh } from './session-refresh.ts'
import type { HeaderList, RespondOptions, SessionBody, SessionHandlers } from './session-types.ts'

/** The offer and the INVITE that may be open in a session; the changes below take turns by it. */
export class Negotiation implements NegotiationState {
  offer: OfferState = 'stable'
  invite: PendingInvite = 'none'
}

/** What re-INVITE and UPDATE, in and out, need of the session they change. */
export interface ChangingSession {
  readonly host: SessionHost
  readonly role: 'client' | 'server'
  readonly handlers: SessionHandlers
  readonly negotiation: Negotiation
  readonly digest: DigestClient | undefined
  readonly flow: Flow | undefined
  /** Undefined: session timers are off. */
  readonly timer: SessionRefresh | undefined
  /** True while the session is confirmed or will be: its end stops every change. */
  readonly alive: boolean
  /** Contact, User-Agent or Server, Allow and Supported. */
  targetHeaders(kind: 'request' | 'response'): HeaderList
  respond(transaction: ServerTransaction, statusCode: number, options?: RespondOptions): void
  successResponse(request: SipRequest, body: SessionBody | undefined): SipResponse
  /** Keeps to the connection a message of the dialog used. */
  useFlow(flow: Flow | undefined): void
  /** An UPDATE brought offer and answer in that dialog to an end; `theirs` is the peer's description. */
  agreed(dialog: Dialog, theirs: SessionBody): void
  /** 64*T1 without ACK for a 2xx. */
  notAcknowledged(): void
  /** 481, 408 or no answer to a request of ours. */
  lost(error: unknown): void
  /** An owner's callback threw where that has no other outcome. */
  reportError(error: unknown): void
}
