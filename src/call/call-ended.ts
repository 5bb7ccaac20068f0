import type { SipErrorCode } from '../runtime/errors.ts'
import { SipError } from '../runtime/errors.ts'
import type { SessionEnd, SessionReason } from '../sip/dialog/session-types.ts'

/** One value of a Reason header (RFC 3326). */
export interface Reason {
  readonly protocol: 'SIP' | 'Q.850' | (string & {})
  readonly cause: number
  readonly text?: string
}

/** How a call ended: a value, never an exception. */
export interface CallEnded {
  /** `timeout` covers a peer that fell silent, in signalling or in media. */
  readonly by: 'local' | 'remote' | 'timeout' | 'transport' | 'error'
  /**
   * - `hangup`: somebody hung up a call that was up
   * - `cancelled`: given up by the caller before it was answered
   * - `refused`: answered with a final response of 300 or above (`statusCode`)
   * - `no-response`: nobody reacted to the INVITE
   * - `no-ack`: the caller never confirmed our answer (RFC 3261 §13.3.1.4)
   * - `dialog-lost`: the peer no longer knows the call (RFC 5057)
   * - `media-timeout`: no RTP while there should have been some
   * - `failed`: offer and answer did not fit, or the handler threw
   * - `closed`: the endpoint was closed
   */
  readonly cause:
    | 'hangup'
    | 'cancelled'
    | 'refused'
    | 'no-response'
    | 'no-ack'
    | 'dialog-lost'
    | 'media-timeout'
    | 'failed'
    | 'closed'
  /** The final status of an INVITE that was never answered. */
  readonly statusCode?: number
  readonly reasonPhrase?: string
  /** The first Reason header value sent or received with the BYE or CANCEL. */
  readonly reason?: Reason
  /** From the answer to the end; 0 when it was never answered. */
  readonly durationMs: number
  readonly error?: SipError
}

/** The reason `call.signal` aborts with; `ended` says how the call ended. */
export class CallEndedError extends SipError {
  override readonly name: string = 'CallEndedError'
  readonly ended: CallEnded

  constructor(ended: CallEnded) {
    super('SIP_CALL_ENDED' satisfies SipErrorCode, `the call is over (${ended.cause}, by ${ended.by})`)
    this.ended = ended
  }
}

/** What the end of a signalling session means to the phone on top of it. */
export function callEndedOf(
  end: SessionEnd,
  durationMs: number,
  override: Partial<CallEnded> = {},
): CallEnded {
  const reason = firstReason(end.reasons)
  const error = override.error ?? end.error
  return {
    by: end.by,
    cause: end.cause === 'bye' ? 'hangup' : end.cause,
    ...(end.statusCode === undefined ? {} : { statusCode: end.statusCode }),
    ...(end.response === undefined ? {} : { reasonPhrase: end.response.reasonPhrase }),
    ...(reason === undefined ? {} : { reason }),
    durationMs,
    ...override,
    ...(error === undefined ? {} : { error }),
  }
}

function firstReason(reasons: readonly SessionReason[]): Reason | undefined {
  const first = reasons.find(reason => reason.cause !== undefined)
  if (first?.cause === undefined) return undefined
  return {
    protocol: first.protocol,
    cause: first.cause,
    ...(first.text === undefined ? {} : { text: first.text }),
  }
}
