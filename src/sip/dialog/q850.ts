/** Q.850 causes and SIP statuses (RFC 3398), and what of both a Reason header tells (RFC 3326, RFC 6432). */
import type { SessionReason } from './session-types.ts'

/** ISUP cause to the status that refuses an INVITE, RFC 3398 §7.2.4.1. 16 is no failure: before the answer there is no status for it. */
export const statusByCause: Readonly<Record<number, number>> = {
  1: 404, // unallocated number
  2: 404, // no route to network
  3: 404, // no route to destination
  17: 486, // user busy
  18: 408, // no user responding
  19: 480, // no answer from the user
  20: 480, // subscriber absent
  21: 403, // call rejected
  22: 410, // number changed, without diagnostic
  23: 410, // redirection to new destination
  26: 404, // non-selected user clearing
  27: 502, // destination out of order
  28: 484, // address incomplete
  29: 501, // facility rejected
  31: 480, // normal, unspecified
  34: 503, // no circuit available
  38: 503, // network out of order
  41: 503, // temporary failure
  42: 503, // switching equipment congestion
  47: 503, // resource unavailable
  55: 403, // incoming calls barred within CUG
  57: 403, // bearer capability not authorised
  58: 503, // bearer capability not presently available
  65: 488, // bearer capability not implemented
  70: 488, // only restricted digital information available
  79: 501, // service or option not implemented
  87: 403, // user not member of CUG
  88: 503, // incompatible destination
  102: 504, // recovery on timer expiry
  111: 500, // protocol error
  127: 500, // interworking, unspecified
}

/** SIP status to ISUP cause, RFC 3398 §8.2.6.1. 487 has none; 488 and 606 depend on their Warning there, here they are 31. */
export const causeByStatus: Readonly<Record<number, number>> = {
  400: 41,
  401: 21,
  402: 21,
  403: 21,
  404: 1,
  405: 63,
  406: 79,
  407: 21,
  408: 102,
  410: 22,
  413: 127,
  414: 127,
  415: 79,
  416: 127,
  420: 127,
  421: 127,
  423: 127,
  480: 18,
  481: 41,
  482: 25,
  483: 25,
  484: 28,
  485: 1,
  486: 17,
  488: 31,
  500: 41,
  501: 79,
  502: 38,
  503: 41,
  504: 102,
  505: 127,
  513: 127,
  600: 17,
  603: 21,
  604: 1,
  606: 31,
}

/** Normal call clearing. */
const CLEARING = 16
/** RFC 3398 §7.2.4.1: the status of a cause that is not in the table. */
const OTHER_CAUSE = 500
/** Interworking, unspecified. */
const INTERWORKING = 127

/** A Q.850 cause is seven bits. */
export function isCause(cause: unknown): cause is number {
  return typeof cause === 'number' && Number.isInteger(cause) && cause >= 1 && cause <= 127
}

/**
 * The status that refuses a call for that Q.850 cause (RFC 3398 §7.2.4.1): 500 for one without a row; 480 for 16, which is how a call nobody
 * took is cleared.
 */
export function statusOfCause(cause: number): number {
  return cause === CLEARING ? 480 : (statusByCause[cause] ?? OTHER_CAUSE)
}

/** The Q.850 cause of a final status of 400 or above (RFC 3398 §8.2.6.1); undefined for 487 and for what is no refusal. */
export function causeOfStatus(statusCode: number): number | undefined {
  if (statusCode === 487 || statusCode < 400 || statusCode > 699) return undefined
  return causeByStatus[statusCode] ?? INTERWORKING
}

/**
 * The Q.850 cause in Reason values: one said as such, else the one a SIP reason stands for (RFC 3326 §2; 200 is a call answered elsewhere:
 * non-selected user clearing).
 */
export function causeOfReasons(reasons: readonly SessionReason[]): number | undefined {
  const said = reasons.find(({ protocol, cause }) => protocol.toUpperCase() === 'Q.850' && isCause(cause))
  if (said !== undefined) return said.cause
  const sip = reasons.find(
    ({ protocol, cause }) => protocol.toUpperCase() === 'SIP' && cause !== undefined,
  )?.cause
  if (sip === undefined) return undefined
  return sip === 200 ? 26 : causeOfStatus(sip)
}
