import { OptionError } from '../../runtime/errors.ts'
import type { CryptoCapability } from '../sdp/capabilities.ts'
import type { CryptoSuite } from '../sdp/crypto.ts'
import { srtpProfiles } from '../srtp/profiles.ts'

/**
 * SRTP with keys in the session description (SDES, RFC 4568). `off`: neither offered nor taken. `optional`: offered, and calls without it are
 * taken, too. `required`: calls without it are refused.
 */
export type SrtpMode = 'off' | 'optional' | 'required'

export interface SrtpOptions {
  /** Default `required`: who names suites wants them. */
  readonly mode?: SrtpMode
  /**
   * Suites to offer and to take, by their SDES names, in order of preference. Default: `AES_CM_128_HMAC_SHA1_80` and
   * `AES_CM_128_HMAC_SHA1_32` are offered, all are taken.
   */
  readonly suites?: readonly string[]
}

/** What everybody has; each further line makes an INVITE over UDP about 90 octets longer. */
const offeredByDefault: ReadonlySet<string> = new Set(['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32'])

const modes: ReadonlySet<unknown> = new Set<SrtpMode>(['off', 'optional', 'required'])

/** What descriptions are made with; `undefined` is off. @throws OptionError naming the field */
export function resolveSrtp(
  value: SrtpMode | SrtpOptions | undefined,
  field = 'srtp',
): CryptoCapability | undefined {
  if (value === undefined) return undefined
  const options: SrtpOptions = typeof value === 'string' ? { mode: value } : value
  const { mode = 'required', suites } = options
  if (!modes.has(mode)) {
    const name = typeof value === 'string' ? field : `${field}.mode`
    throw new OptionError(name, `${mode} is none of off, optional, required`)
  }
  const chosen = suites?.map((name, index) => suiteNamed(name, `${field}.suites[${index}]`))
  if (chosen?.length === 0) throw new OptionError(`${field}.suites`, 'it is empty; name at least one suite')
  if (mode === 'off') return undefined
  return chosen === undefined
    ? { mode, suites: allSuites, offered: defaultOffer }
    : { mode, suites: [...new Set(chosen)] }
}

const allSuites: readonly CryptoSuite[] = Object.values(srtpProfiles)

const defaultOffer = allSuites.filter(suite => offeredByDefault.has(suite.name))

function suiteNamed(name: string, field: string): CryptoSuite {
  const suite = allSuites.find(known => known.name === name.toUpperCase())
  if (suite !== undefined) return suite
  const known = allSuites.map(candidate => candidate.name).join(', ')
  throw new OptionError(field, `"${name}" is not a suite Offhook has; it has ${known}`)
}
