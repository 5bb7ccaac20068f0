import type { SipError } from '../runtime/errors.ts'
import type { AdmissionStats } from '../sip/dialog/admission-gate.ts'
import type { TransportStats } from '../sip/transport/stats.ts'

export interface EndpointEvents extends Record<string, unknown[]> {
  /** A handler threw after its call was over, for example: what no single call can report. */
  error: [error: SipError]
}

export interface EndpointStats {
  /** Calls under way. */
  readonly calls: number
  /** Incoming calls refused with 503, for `limits.calls`, a drain or a close. */
  readonly refused: number
  /** Requests answered 503 because 1,000 waited for their handlers (`requests`, `call.onRequest`). */
  readonly requestsRefused: number
  /** REFERs answered 503 because 100 transfers waited for a decision. */
  readonly transfersRefused: number
  readonly transport: TransportStats
  /** Who was let in, and who not; absent without `admission`. */
  readonly admission?: AdmissionStats
}

export interface CloseOptions {
  /** Lets calls go on for so long before they are hung up, in milliseconds. Default 0. */
  readonly graceMs?: number
  /** How long to wait for answers to our BYE and CANCEL. Default 5,000. */
  readonly giveUpMs?: number
}
