import { createHash } from 'node:crypto'
import { quote } from '../message/scanner.ts'
import type { DigestChallenge } from './challenge.ts'

/** A hash that Digest may name, and how far we trust it. */
export interface DigestAlgorithm {
  /** As it is written in `algorithm=`. */
  readonly name: string
  /** What OpenSSL calls it. */
  readonly hash: string
  /** `-sess`: the password hash is bound to the first nonce pair (RFC 7616 §3.4.2). */
  readonly session: boolean
  /** Higher is stronger: the client takes the strongest the server lists. */
  readonly strength: number
}

/**
 * RFC 7616 §3.3 and RFC 8760 §2.2. Of one hash the plain form ranks first: `-sess` adds no strength to a single answer and is the
 * less travelled road in servers.
 */
export const DIGEST_ALGORITHMS: readonly DigestAlgorithm[] = [
  { name: 'SHA-512-256', hash: 'sha512-256', session: false, strength: 6 },
  { name: 'SHA-512-256-sess', hash: 'sha512-256', session: true, strength: 5 },
  { name: 'SHA-256', hash: 'sha256', session: false, strength: 4 },
  { name: 'SHA-256-sess', hash: 'sha256', session: true, strength: 3 },
  { name: 'MD5', hash: 'md5', session: false, strength: 2 },
  { name: 'MD5-sess', hash: 'md5', session: true, strength: 1 },
]

/** The algorithm of that name in any case, or undefined when we do not know it. */
export function digestAlgorithm(name: string): DigestAlgorithm | undefined {
  const wanted = name.toLowerCase()
  return DIGEST_ALGORITHMS.find(algorithm => algorithm.name.toLowerCase() === wanted)
}

export interface DigestInput {
  readonly challenge: DigestChallenge
  readonly username: string
  readonly password: string
  readonly method: string
  /** The Request-URI, octet for octet as it goes out (RFC 3261 §22.4). */
  readonly uri: string
  readonly body?: Uint8Array
  /** How often this nonce has been used, this time included. */
  readonly nonceCount: number
  readonly cnonce: string
  /**
   * For `-sess`: the nonce and cnonce of the first request of the session (RFC 7616 §3.4.2). Absent: those above.
   */
  readonly sessionKey?: { readonly nonce: string; readonly cnonce: string }
}

export interface DigestAnswer {
  readonly response: string
  /** The quality of protection used; undefined for the RFC 2069 form. */
  readonly qop: 'auth' | 'auth-int' | undefined
}

/** `auth` before `auth-int`: bodies are rewritten on the way by many SBCs. Undefined when only unknown ones were offered. */
export function chooseQop(challenge: DigestChallenge): 'auth' | 'auth-int' | 'none' | undefined {
  if (challenge.qop.length === 0) return 'none'
  if (challenge.qop.includes('auth')) return 'auth'
  if (challenge.qop.includes('auth-int')) return 'auth-int'
  return undefined
}

/** The request-digest of RFC 7616 §3.4.1. The challenge's algorithm and qop must be ones we know. */
export function digestResponse(input: DigestInput): DigestAnswer {
  const { challenge, username, password } = input
  const algorithm = digestAlgorithm(challenge.algorithm)
  const chosen = chooseQop(challenge)
  if (algorithm === undefined || chosen === undefined) {
    throw new TypeError(`Digest with algorithm ${challenge.algorithm} and qop ${challenge.qop.join(',')}`)
  }
  let ha1 = passwordHash(algorithm, username, challenge.realm, password)
  if (algorithm.session) {
    const key = input.sessionKey ?? { nonce: challenge.nonce, cnonce: input.cnonce }
    ha1 = hex(algorithm.hash, `${ha1}:${key.nonce}:${key.cnonce}`)
  }
  const qop = chosen === 'none' ? undefined : chosen
  const nc = nonceCountText(input.nonceCount)
  return { response: requestDigest(algorithm, ha1, { ...input, nonce: challenge.nonce, nc, qop }), qop }
}

/** H(A1) of RFC 7616 §3.4.2, without `-sess`: what a server may keep in place of the password. Lower-case hex. */
export function passwordHash(
  algorithm: DigestAlgorithm,
  username: string,
  realm: string,
  password: string,
): string {
  return hex(algorithm.hash, `${username}:${realm}:${password}`)
}

/** RFC 7616 §3.4.1, the same for who asks and who answers. */
export function requestDigest(
  algorithm: DigestAlgorithm,
  ha1: string,
  input: Pick<DigestInput, 'method' | 'uri' | 'body' | 'cnonce'> & {
    readonly nonce: string
    readonly nc: string
    readonly qop: 'auth' | 'auth-int' | undefined
  },
): string {
  const hash = (data: string | Uint8Array): string => hex(algorithm.hash, data)
  const { qop, nonce, nc, cnonce } = input
  const a2 = `${input.method}:${input.uri}`
  const ha2 = hash(qop === 'auth-int' ? `${a2}:${hash(input.body ?? new Uint8Array())}` : a2)
  return hash(qop === undefined ? `${ha1}:${nonce}:${ha2}` : `${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${ha2}`)
}

/** The value of `Authorization` or `Proxy-Authorization` (RFC 3261 §22.4, RFC 7616 §3.4). */
export function digestCredentials(input: DigestInput): string {
  const { challenge } = input
  const algorithm = digestAlgorithm(challenge.algorithm)
  const { response, qop } = digestResponse(input)
  // RFC 7616 §3.4.4: the name itself does not travel when the server understands its hash.
  const username =
    challenge.userhash && algorithm !== undefined
      ? hex(algorithm.hash, `${input.username}:${challenge.realm}`)
      : input.username
  const parts = [
    `username=${quote(username)}`,
    `realm=${quote(challenge.realm)}`,
    `nonce=${quote(challenge.nonce)}`,
    `uri=${quote(input.uri)}`,
    `response="${response}"`,
    `algorithm=${challenge.algorithm}`,
  ]
  if (qop === undefined) {
    // A -sess server cannot check the answer without the cnonce, even where it offered no qop.
    if (algorithm?.session === true) parts.push(`cnonce=${quote(input.cnonce)}`)
  } else {
    parts.push(`cnonce=${quote(input.cnonce)}`, `qop=${qop}`, `nc=${nonceCountText(input.nonceCount)}`)
  }
  if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`)
  if (challenge.userhash) parts.push('userhash=true')
  return `Digest ${parts.join(', ')}`
}

function nonceCountText(count: number): string {
  return count.toString(16).padStart(8, '0')
}

function hex(algorithm: string, data: string | Uint8Array): string {
  return createHash(algorithm).update(data).digest('hex')
}
