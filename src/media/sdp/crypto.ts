/** `a=crypto` of RFC 4568: what one line says, and how ours are written. */

/** A suite we have, as the caller describes it: descriptions know suites by nothing but their names and lengths. */
export interface CryptoSuite {
  /** As RFC 4568 §6.2 or its successors register it; we write it so. */
  readonly name: string
  /** Other names peers are known to use. */
  readonly aliases?: readonly string[]
  /** Of the master key. */
  readonly keyOctets: number
  /** Of the master salt. */
  readonly saltOctets: number
}

/** A master key as a line carries it. Binary; never to be shown or logged. */
export interface CryptoKey {
  readonly key: Uint8Array
  readonly salt: Uint8Array
  /** How many packets it may protect, when the line says so. */
  readonly lifetime?: number
  /** Master key identifier, as many octets as packets carry. */
  readonly mki?: Uint8Array
}

/** One `a=crypto` that can be used. */
export interface CryptoLine {
  /** Decimal digits, to be repeated in the answer. */
  readonly tag: string
  readonly suite: CryptoSuite
  /** The suite's name as the line has it. */
  readonly suiteName: string
  /** At least one; with more than one, each has its identifier. */
  readonly keys: readonly CryptoKey[]
}

/** Why a line is not used. It says nothing about the rest of the description. */
export type CryptoProblem =
  | 'malformed'
  | 'unknown suite'
  | 'unknown key method'
  | 'key of the wrong length'
  | 'unusable lifetime'
  | 'unusable master key identifier'
  | 'unsupported session parameter'
  | 'repeated tag'

/** What other lines of the same media section took already. */
type Tags = Set<string>

/**
 * Reads the value of one `a=crypto` line (RFC 4568 §9). Names are compared without regard to case, and the padding of Base64 may
 * be missing, as both occur.
 */
export function readCrypto(
  value: string,
  suites: readonly CryptoSuite[],
  taken: Tags = new Set(),
): CryptoLine | CryptoProblem {
  const [tagText, suiteName, keyText, ...parameters] = value.trim().split(/\s+/)
  if (tagText === undefined || suiteName === undefined || keyText === undefined) return 'malformed'
  if (!/^\d{1,9}$/.test(tagText)) return 'malformed'
  const number = String(Number(tagText))
  if (taken.has(number)) return 'repeated tag'
  taken.add(number)
  const suite = suites.find(candidate => isNamed(candidate, suiteName))
  if (suite === undefined) return 'unknown suite'
  if (!parameters.every(isHarmless)) return 'unsupported session parameter'
  const keys = readKeys(keyText, suite)
  return typeof keys === 'string' ? keys : { tag: tagText, suite, suiteName, keys }
}

/** The lines that can be used, in order. */
export function usableCrypto(values: readonly string[], suites: readonly CryptoSuite[]): CryptoLine[] {
  const taken: Tags = new Set()
  return values
    .slice(0, maxLines)
    .map(value => readCrypto(value, suites, taken))
    .filter(line => typeof line !== 'string')
}

/** Key and salt in one, as they are drawn: the value of a line of ours, without lifetime and MKI, which not everybody takes. */
export function writeCrypto(tag: string, suiteName: string, material: Uint8Array): string {
  return `${tag} ${suiteName} inline:${Buffer.from(material).toString('base64')}`
}

/** The two parts of an inline key (RFC 4568 §6.1). */
export function splitKey(material: Uint8Array, suite: CryptoSuite): CryptoKey {
  return { key: material.slice(0, suite.keyOctets), salt: material.slice(suite.keyOctets) }
}

export function sameKey(a: CryptoKey, b: CryptoKey): boolean {
  return Buffer.compare(a.key, b.key) === 0 && Buffer.compare(a.salt, b.salt) === 0
}

function isNamed(suite: CryptoSuite, name: string): boolean {
  const wanted = name.toUpperCase()
  return suite.name === wanted || (suite.aliases?.includes(wanted) ?? false)
}

/** Far more than there are suites. */
const maxLines = 32
/** A key each; nobody needs more than the one in use and the next. */
const maxKeys = 8

function readKeys(text: string, suite: CryptoSuite): CryptoKey[] | CryptoProblem {
  const keys: CryptoKey[] = []
  const parts = text.split(';')
  if (parts.length > maxKeys) return 'malformed'
  for (const part of parts) {
    const colon = part.indexOf(':')
    if (colon < 0) return 'malformed'
    if (part.slice(0, colon).toLowerCase() !== 'inline') return 'unknown key method'
    const key = readInline(part.slice(colon + 1), suite)
    if (typeof key === 'string') return key
    keys.push(key)
  }
  // Without identifiers nobody could tell which of them a packet was protected with (RFC 4568 §6.1).
  const lengths = new Set(keys.map(key => key.mki?.length ?? 0))
  if (keys.length > 1 && (lengths.size > 1 || lengths.has(0))) return 'unusable master key identifier'
  return keys
}

/** `key||salt|lifetime|mki:length`, the latter two optional and told apart by the colon. */
function readInline(text: string, suite: CryptoSuite): CryptoKey | CryptoProblem {
  const [encoded, ...fields] = text.split('|')
  const material = decode(encoded ?? '')
  if (material === undefined) return 'malformed'
  if (material.length !== suite.keyOctets + suite.saltOctets) return 'key of the wrong length'
  const mkiText = fields.at(-1)?.includes(':') === true ? fields.pop() : undefined
  const lifetimeText = fields.shift()
  if (fields.length > 0) return 'malformed'
  const lifetime = lifetimeText === undefined ? undefined : readLifetime(lifetimeText)
  if (lifetime === 'unusable') return 'unusable lifetime'
  const mki = mkiText === undefined ? undefined : readMki(mkiText)
  if (mki === 'unusable') return 'unusable master key identifier'
  return {
    ...splitKey(material, suite),
    ...(lifetime !== undefined && { lifetime }),
    ...(mki !== undefined && { mki }),
  }
}

function decode(text: string): Uint8Array | undefined {
  const bare = text.replace(/={1,2}$/, '')
  // Four characters carry three octets: a rest of one character carries none.
  if (!/^[A-Za-z0-9+/]+$/.test(bare) || bare.length % 4 === 1) return undefined
  return new Uint8Array(Buffer.from(bare, 'base64'))
}

/** No suite may protect more packets with one key (RFC 3711 §9.2, RFC 6188 §3, RFC 7714 §14). */
const maxLifetime = 2 ** 48

/** `2^20` or `1048576`; empty where only the MKI was given. */
function readLifetime(text: string): number | 'unusable' | undefined {
  if (text === '') return undefined
  const parts = /^(?:2\^(\d{1,2})|(\d{1,15}))$/.exec(text)
  if (!parts) return 'unusable'
  const lifetime = parts[1] === undefined ? Number(parts[2]) : 2 ** Number(parts[1])
  return lifetime >= 1 && lifetime <= maxLifetime ? lifetime : 'unusable'
}

/** `1:4`: a number, and how many octets of a packet it fills (RFC 4568 §6.1). */
function readMki(text: string): Uint8Array | 'unusable' {
  const parts = /^(\d{1,39}):(\d{1,3})$/.exec(text)
  const length = Number(parts?.[2])
  if (!parts || !(length >= 1 && length <= 128)) return 'unusable'
  const mki = new Uint8Array(length)
  let value = BigInt(parts[1]!)
  for (let i = length - 1; i >= 0; i -= 1) {
    mki[i] = Number(value & 0xffn)
    value >>= 8n
  }
  return value === 0n ? mki : 'unusable'
}

/**
 * Session parameters (RFC 4568 §6.3) that change nothing for us: the defaults spelled out, a hint about the replay window, and
 * those whose dash says that they may be ignored. All others (no encryption, no authentication, keys derived again and
 * again, FEC) would change what packets look like.
 */
function isHarmless(parameter: string): boolean {
  return /^(?:-.+|kdr=0|wsh=\d{1,5})$/i.test(parameter)
}
