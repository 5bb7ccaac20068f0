/** Values of the identity headers, read for `CallIdentity`. */
import type { IdentityValue } from '../sip/message/headers/identity.ts'
import type { Parameterised } from '../sip/message/headers/parts.ts'
import type { NameAddr } from '../sip/message/name-addr.ts'
import type { Uri } from '../sip/message/uri.ts'

/** One value of Diversion (RFC 5806). */
export interface DivertedFrom {
  readonly address: NameAddr
  readonly number: string | undefined
  /** `user-busy`, `no-answer`, `unconditional` ..., lower case. */
  readonly reason: string | undefined
  /** How many diversions it stands for. */
  readonly counter: number | undefined
  /** The diverting user does not want to be shown. */
  readonly restricted: boolean
}

/** One value of History-Info (RFC 7044). */
export interface HistoryEntry {
  readonly address: NameAddr
  readonly number: string | undefined
  /** `1.2`; empty when the sender left it out. */
  readonly index: string
  /** Why the request left that target: `cause` of its URI (RFC 4458), or of the Reason in it. */
  readonly cause: number | undefined
}

/** One value of User-to-User (RFC 7433). */
export interface UserToUserData {
  readonly data: Uint8Array
  /** As the header has it; `hex` when it names none (RFC 7433 §4.1). */
  readonly encoding: string
  readonly purpose: string | undefined
  readonly content: string | undefined
}

/** One PASSporT (RFC 8225), read and not verified. */
export interface Passport {
  readonly token: string
  /** Where the certificate is. */
  readonly info: string | undefined
  readonly alg: string | undefined
  /** `shaken`, `div` ... */
  readonly ppt: string | undefined
  /** Undefined in the compact form, and where it is no JSON object. */
  readonly header: Readonly<Record<string, unknown>> | undefined
  readonly payload: Readonly<Record<string, unknown>> | undefined
  /** SHAKEN: how sure the first carrier is of the number (RFC 8588 §4): A full, B partial, C gateway. */
  readonly attestation: 'A' | 'B' | 'C' | undefined
  /** When it was signed, seconds since 1970. */
  readonly issuedAt: number | undefined
}

/** The result of a carrier's verification (3GPP TS 24.229 §7.2A.20). */
export interface Verstat {
  readonly result: 'passed' | 'failed' | 'none'
  /** Where the carrier says it: `TN-Validation-Passed-A`. */
  readonly attestation: 'A' | 'B' | 'C' | undefined
  /** As it came. */
  readonly value: string
}

/** The telephone number an address stands for, without separators; a user part counts when it looks like one. */
export function numberOf(address: NameAddr): string | undefined {
  let uri: Uri
  try {
    ;({ uri } = address)
  } catch {
    return undefined
  }
  const written = uri.kind === 'tel' ? uri.number : uri.kind === 'sip' ? uri.user : undefined
  const number = written?.replace(/;.*$/s, '').replaceAll(/[-.()]/g, '')
  return number !== undefined && /^\+?[0-9]{2,32}$/.test(number) ? number : undefined
}

export function causeOf(address: NameAddr): number | undefined {
  try {
    const { uri } = address
    if (uri.kind !== 'sip') return undefined
    const direct = uri.params.value('cause')
    const reason = uri.headers.find(([name]) => name.toLowerCase() === 'reason')?.[1]
    const cause = direct ?? /;\s*cause\s*=\s*(\d{1,3})/i.exec(reason ?? '')?.[1]
    return cause !== undefined && /^\d{1,3}$/.test(cause) ? Number(cause) : undefined
  } catch {
    return undefined
  }
}

/** 1, 1.1, 1.2, 1.10, 2 (RFC 7044 §5.1). */
export function byIndex(one: HistoryEntry, other: HistoryEntry): number {
  const [a, b] = [one.index.split('.'), other.index.split('.')]
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = Number(a[at] ?? -1) - Number(b[at] ?? -1)
    if (difference !== 0 && !Number.isNaN(difference)) return difference
  }
  return 0
}

/** Undefined for hex digits that are none. */
export function userToUserOf({ value: written, params }: Parameterised): UserToUserData | undefined {
  const value = written.startsWith('"') ? written.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : written
  const encoding = (params.value('encoding') ?? 'hex').toLowerCase()
  if (encoding === 'hex' && (value.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(value))) return undefined
  return {
    data: Buffer.from(value, encoding === 'hex' ? 'hex' : 'utf8'),
    encoding,
    purpose: params.value('purpose'),
    content: params.value('content'),
  }
}

export function passportOf(value: IdentityValue): Passport {
  const [header, payload] = value.token.split('.').map(jsonOf)
  const attest = payload?.['attest']
  const iat = payload?.['iat']
  const ppt = value.ppt ?? header?.['ppt']
  return {
    token: value.token,
    info: value.info,
    alg: value.alg ?? (typeof header?.['alg'] === 'string' ? header['alg'] : undefined),
    ppt: typeof ppt === 'string' ? ppt : undefined,
    header,
    payload,
    attestation: attest === 'A' || attest === 'B' || attest === 'C' ? attest : undefined,
    issuedAt: typeof iat === 'number' ? iat : undefined,
  }
}

function jsonOf(part: string): Readonly<Record<string, unknown>> | undefined {
  if (part === '') return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

export function verstatOf(value: string | undefined): Verstat | undefined {
  const match = /^(?:(TN-Validation-Passed|TN-Validation-Failed)(?:-([ABC]))?|(No-TN-Validation))$/i.exec(
    value ?? '',
  )
  if (match === null || value === undefined) return undefined
  const result = match[3] !== undefined ? 'none' : /passed/i.test(match[1] ?? '') ? 'passed' : 'failed'
  return { result, attestation: match[2]?.toUpperCase() as 'A' | 'B' | 'C' | undefined, value }
}
