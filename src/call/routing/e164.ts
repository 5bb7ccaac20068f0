import type { CountryCode } from 'libphonenumber-js'
import { isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js'
import { OptionError } from '../../runtime/errors.ts'

/** ITU-T E.164 §6: 15 digits at most, no country code begins with 0. */
const e164 = /^\+[1-9]\d{1,14}$/
/** `+44 (0)20 …`: the zero is for those who dial within the country. */
const trunkZero = /^(\s*\+[\d\s.-]{1,6})\(0\)/
const separators = /[\s().\-/\u00A0\u2010-\u2015]/g

/** Makes numbers with `+` and country code of how people and carriers write them; undefined for what is no number: short codes, extensions, names. */
export type ToE164 = (text: string) => string | undefined

/**
 * By the numbering plans of the world (libphonenumber). `country` (ISO 3166-1: `DE`) is where numbers without a country code are dialled from; without it
 * only those with one are known. @throws OptionError `country`
 */
export function toE164(country?: string): ToE164 {
  if (country !== undefined && !isSupportedCountry(country))
    throw new OptionError(
      'country',
      `${country} is no country; give the two capitals of ISO 3166-1, GB for example`,
    )
  return text => {
    const bare = text.replace(trunkZero, '$1').replaceAll(separators, '')
    if (e164.test(bare)) return bare
    if (!/^\+?\d{3,20}$/.test(bare)) return undefined
    const national = country === undefined ? undefined : valid(bare, country)
    // Many carriers leave out the plus.
    return national ?? (/^[1-9]\d{9,14}$/.test(bare) ? valid(`+${bare}`) : undefined)
  }
}

/** The form that is dialled within the number's own country, digits only: `020 7946 0018` as `02079460018`. For `numbers.national` of a trunk. */
export function toNational(number: string): string | undefined {
  return parsePhoneNumberFromString(number)?.formatNational().replaceAll(/\D/g, '')
}

function valid(text: string, country?: CountryCode): string | undefined {
  const found = parsePhoneNumberFromString(text, country === undefined ? {} : { defaultCountry: country })
  return found?.isValid() === true ? found.number : undefined
}
