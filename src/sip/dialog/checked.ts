import { OptionError } from '../../runtime/errors.ts'
import { hasLineBreak, isToken } from '../message/chars.ts'
import { HeaderField } from '../message/field.ts'
import { reasonValue } from './reason.ts'
import type { HeaderList, SessionReason } from './session-types.ts'

/**
 * What an owner passes in, checked as it will be when it is written: a mistake has to show where it was made, for once a session has moved on
 * there is nobody left to tell, and nothing goes out.
 */

type Pairs = readonly (readonly [name: string, value: string])[]

const none: Pairs = []

/**
 * The header fields, in an array: they may be asked for more than once.
 * @throws SipSerialiseError naming the header
 */
export function checkedHeaders(headers: HeaderList | undefined): Pairs {
  if (headers === undefined) return none
  const pairs = [...headers]
  for (const [name, value] of pairs) HeaderField.create(name, value)
  return pairs
}

/** @throws OptionError */
export function checkLine(field: string, text: string | undefined): void {
  if (text !== undefined && hasLineBreak(text)) {
    throw new OptionError(field, 'it contains CR, LF or NUL; give one line of text')
  }
}

/**
 * Reason header fields.
 * @throws OptionError naming the reason
 */
export function checkedReasons(reasons: readonly (SessionReason | string)[]): Pairs {
  return reasons.map((reason, index) => {
    const field = `reasons[${index}]`
    if (typeof reason === 'string') checkLine(field, reason)
    else {
      if (!isToken(reason.protocol)) {
        throw new OptionError(
          `${field}.protocol`,
          `${JSON.stringify(reason.protocol)} is not a token; give SIP or Q.850`,
        )
      }
      checkLine(`${field}.text`, reason.text)
    }
    return ['Reason', reasonValue(reason)] as const
  })
}
