import { OptionError } from '../../runtime/errors.ts'

/**
 * How numbers go out.
 * - `e164`: +15550100
 * - `digits`: 15550100
 * - `national`: as dialled within the country; what that is, `national` of the settings says
 * - `as-given`: untouched: extensions and dial plans of a PBX
 */
export type NumberFormat = 'e164' | 'digits' | 'national' | 'as-given'

export interface NumberSettings {
  /** Default: what the carrier wants. */
  readonly format?: NumberFormat
  /**
   * Makes `+` and country code out of what is not written so: `(020) 7946 0018`. No table of the world's numbers is built in: give that of a library
   * (docs/trunks.md has the lines for libphonenumber-js). It returns undefined for what is no number.
   */
  readonly normalise?: (number: string) => string | undefined
  /** Makes the national form out of a number with `+`. Needed for the format `national`. */
  readonly national?: (e164: string) => string | undefined
}

/** ITU-T E.164 §6: 15 digits at most, no country code begins with 0. */
const e164 = /^\+[1-9]\d{1,14}$/
const separators = /[\s().\-/\u00A0\u2010-\u2015]/g

/**
 * A number the way the carrier wants it. It is personal data and stays out of the message.
 * @throws OptionError naming the field
 */
export function formatNumber(number: string, settings: NumberSettings, field: string): string {
  const { format = 'e164', normalise, national } = settings
  if (format === 'as-given') {
    if (!/^[\w+*#.!~'()-]+$/.test(number))
      throw new OptionError(field, 'give a number, an extension or a SIP URI, without spaces')
    return number
  }
  const bare = number.replaceAll(separators, '')
  const full = e164.test(bare) ? bare : normalise?.(number)
  if (full === undefined || !e164.test(full)) {
    throw new OptionError(
      field,
      normalise === undefined
        ? 'write it with + and country code, +15550100 for example, or give numbers.normalise that does it'
        : 'numbers.normalise made no number with + and country code of it; check what was dialled',
    )
  }
  if (format === 'e164') return full
  if (format === 'digits') return full.slice(1)
  if (national === undefined)
    throw new OptionError('numbers.national', 'the format national needs a function that makes it; give one')
  const text = national(full)?.replaceAll(separators, '')
  if (text === undefined || !/^\d{1,15}$/.test(text))
    throw new OptionError('numbers.national', 'it made no digits of the number')
  return text
}

/** `#` opens nothing in a SIP URI, and is not allowed in its user part (RFC 3261 §25.1). */
export function escapeUser(number: string): string {
  return number.replaceAll('#', '%23')
}
