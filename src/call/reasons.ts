/** Why a call is refused, as a status, a Q.850 cause, or both. */
import { OptionError } from '../runtime/errors.ts'
import { checkedReasons } from '../sip/dialog/checked.ts'
import { isCause, statusOfCause } from '../sip/dialog/q850.ts'
import type { HeaderList, RejectOptions as SessionRejectOptions } from '../sip/dialog/session-types.ts'
import type { Reason } from './call-ended.ts'

export interface CauseRefusal {
  /** 1 to 127, ITU-T Q.850: 17 is busy, 1 an unknown number, 34 no line. */
  readonly q850: number
  readonly text?: string
}

/** Status and Reason of a refusal. @throws OptionError a cause out of range */
export function asRefusal(
  refusal: number | CauseRefusal,
  reason: Reason | undefined,
): { readonly statusCode: number; readonly reason: Reason | undefined } {
  if (typeof refusal === 'number') return { statusCode: refusal, reason }
  const { q850, text } = refusal
  if (!isCause(q850)) throw new OptionError('q850', `${String(q850)} is not a Q.850 cause; give 1 to 127`)
  return {
    statusCode: statusOfCause(q850),
    reason: reason ?? { protocol: 'Q.850', cause: q850, ...(text === undefined ? {} : { text }) },
  }
}

/** The status that says the same: of a Q.850 cause by RFC 3398 §7.2.4.1, of a SIP reason itself, else 480. */
export function statusOfReason({ protocol, cause }: Reason): number {
  const name = protocol.toUpperCase()
  if (name === 'Q.850' && isCause(cause)) return statusOfCause(cause)
  return name === 'SIP' && Number.isInteger(cause) && cause >= 400 && cause <= 699 ? cause : 480
}

/** What the session is told to send with the refusal. @throws OptionError a reason that cannot be written */
export function withReason(
  { reasonPhrase, headers = [] }: { readonly reasonPhrase?: string; readonly headers?: HeaderList },
  reason: Reason | undefined,
): SessionRejectOptions {
  const fields = reason === undefined ? [] : checkedReasons([{ ...reason, text: reason.text }])
  return { ...(reasonPhrase === undefined ? {} : { reasonPhrase }), headers: [...fields, ...headers] }
}
