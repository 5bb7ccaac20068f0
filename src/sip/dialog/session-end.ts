import { SipError } from '../../runtime/errors.ts'
import { SipResponse } from '../message/message.ts'
import { SipResponseError } from './errors.ts'
import { SessionExpiredError } from './session-refresh.ts'
import type { SessionEnd, SessionReason } from './session-types.ts'

/** The parts of a `SessionEnd` that are not empty. */
export type EndParts = Pick<SessionEnd, 'by' | 'cause'> & Partial<SessionEnd>

/** With the parts that were not given as what `SessionEnd` says of them. */
export function completeEnd(parts: EndParts): SessionEnd {
  return {
    statusCode: undefined,
    response: undefined,
    request: undefined,
    reasons: [],
    error: undefined,
    ...parts,
  }
}

export const noAckReasons: readonly SessionReason[] = [
  { protocol: 'SIP', cause: 408, text: 'No ACK received' },
]
const expiredReasons: readonly SessionReason[] = [
  { protocol: 'SIP', cause: 408, text: 'Session timer expired' },
]
export const failedReasons: readonly SessionReason[] = [
  { protocol: 'SIP', cause: 488, text: 'No agreement on media' },
]

/** What a lost dialog ended by: a 481 or 408 in it, or no answer at all. */
export function lostParts(by: unknown): EndParts {
  if (by instanceof SipResponse) {
    return { by: 'remote', cause: 'dialog-lost', statusCode: by.statusCode, response: by }
  }
  if (by instanceof SipResponseError) {
    return { by: 'remote', cause: 'dialog-lost', statusCode: by.statusCode, response: by.response, error: by }
  }
  const error = asSipError(by)
  if (error instanceof SessionExpiredError) {
    return { by: 'timeout', cause: 'dialog-lost', reasons: expiredReasons, error }
  }
  return { by: error?.code === 'SIP_TRANSPORT' ? 'transport' : 'timeout', cause: 'dialog-lost', error }
}

/** Whether the request got no response at all: that ends the dialog too (RFC 3261 §12.2.1.2). */
export function isUnanswered(error: unknown): boolean {
  return error instanceof SipError && (error.code === 'SIP_TIMEOUT' || error.code === 'SIP_TRANSPORT')
}

export function asSipError(error: unknown): SipError | undefined {
  if (error === undefined || error instanceof SipError) return error
  return new SipError('SIP_STATE', 'a handler of the session failed: see cause', { cause: error })
}
