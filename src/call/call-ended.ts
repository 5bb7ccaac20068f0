import type { SipErrorCode } from '../runtime/errors.ts'
import { SipError } from '../runtime/errors.ts'
import { causeOfReasons, causeOfStatus } from '../sip/dialog/q850.ts'
import { redirectTargets } from '../sip/dialog/redirect.ts'
import { SessionExpiredError } from '../sip/dialog/session-refresh.ts'
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
   * - `session-expired`: nobody refreshed the session in time (RFC 4028)
   * - `no-answer`: it rang until `ringTimeoutMs`
   * - `max-duration`: `maxDurationMs` has passed
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
    | 'session-expired'
    | 'no-answer'
    | 'max-duration'
    | 'media-timeout'
    | 'failed'
    | 'closed'
  /** The final status of an INVITE that was never answered. */
  readonly statusCode?: number
  readonly reasonPhrase?: string
  /** The first Reason header value sent or received with the BYE, the CANCEL or the refusal (RFC 3326, RFC 6432). */
  readonly reason?: Reason
  /**
   * The Q.850 cause: as a Reason header said it, else what the status stands for (RFC 3398 §8.2.6.1), else what the end as such does (16: normal
   * call clearing).
   */
  readonly q850: number
  /** The addresses of a 3xx that was not followed, or not any further, best first. */
  readonly targets?: readonly string[]
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
  const cause = override.cause ?? causeOf(end)
  const targets = end.response === undefined ? [] : redirectTargets(end.response)
  return {
    by: end.by,
    cause,
    q850: causeOfReasons(end.reasons) ?? causeOfStatus(end.statusCode ?? 0) ?? causeByEnd[cause],
    ...(targets.length === 0 ? {} : { targets }),
    ...(end.statusCode === undefined ? {} : { statusCode: end.statusCode }),
    ...(end.response === undefined ? {} : { reasonPhrase: end.response.reasonPhrase }),
    ...(reason === undefined ? {} : { reason }),
    durationMs,
    ...override,
    ...(error === undefined ? {} : { error }),
  }
}

function causeOf(end: SessionEnd): CallEnded['cause'] {
  if (end.error instanceof SessionExpiredError) return 'session-expired'
  return end.cause === 'bye' ? 'hangup' : end.cause
}

/** Q.850 causes of ends that no header and no status explains. */
const causeByEnd: Readonly<Record<CallEnded['cause'], number>> = {
  hangup: 16, // normal call clearing
  cancelled: 16,
  refused: 31, // normal, unspecified: a 3xx
  'no-response': 102, // recovery on timer expiry
  'no-ack': 102,
  'dialog-lost': 41, // temporary failure
  'session-expired': 102,
  'no-answer': 19, // no answer from the user
  'max-duration': 16,
  'media-timeout': 41,
  failed: 41,
  closed: 16,
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

/** The end of a call that no message ends. */
export function endWithoutSession(by: SessionEnd['by']): SessionEnd {
  return {
    by,
    cause: 'closed',
    statusCode: undefined,
    response: undefined,
    request: undefined,
    reasons: [],
    error: undefined,
  }
}
