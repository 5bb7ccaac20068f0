import { ProxyAuthenticate, WwwAuthenticate } from '../message/headers/security.ts'
import type { AuthValue } from '../message/headers/security.ts'
import type { SipResponse } from '../message/message.ts'

/** One Digest challenge as a server sent it. */
export interface DigestChallenge {
  /** True when it came in `Proxy-Authenticate` (407): it is answered in `Proxy-Authorization`. */
  readonly proxy: boolean
  readonly realm: string
  readonly nonce: string
  readonly opaque?: string
  /** As written; `MD5` when the server named none (RFC 7616 §3.3). */
  readonly algorithm: string
  /** Lower case; empty when the server sent none (the RFC 2069 form). */
  readonly qop: readonly string[]
  readonly stale: boolean
  /** The server takes the hash of the user name in its place (RFC 7616 §3.4.4). */
  readonly userhash: boolean
}

/**
 * A Digest challenge, or undefined when the scheme is another or realm or nonce is missing: both are required (RFC 7616 §3.3),
 * so nothing could be answered.
 */
export function digestChallenge(value: AuthValue, proxy: boolean): DigestChallenge | undefined {
  if (value.scheme.toLowerCase() !== 'digest') return undefined
  const { params } = value
  const realm = params.value('realm')
  const nonce = params.value('nonce')
  if (realm === undefined || nonce === undefined) return undefined
  const opaque = params.value('opaque')
  return {
    proxy,
    realm,
    nonce,
    algorithm: params.value('algorithm') ?? 'MD5',
    qop: (params.value('qop') ?? '')
      .toLowerCase()
      .split(',')
      .map(word => word.trim())
      .filter(word => word !== ''),
    stale: params.value('stale')?.toLowerCase() === 'true',
    userhash: params.value('userhash')?.toLowerCase() === 'true',
    ...(opaque === undefined ? {} : { opaque }),
  }
}

/** Challenges looked at in one response. */
const MAX_CHALLENGES = 32

/** The Digest challenges of a 401 or 407, in order, proxies last. A field that cannot be read does not hide the others. */
export function digestChallenges(response: SipResponse): DigestChallenge[] {
  const found: DigestChallenge[] = []
  for (const definition of [WwwAuthenticate, ProxyAuthenticate]) {
    for (const field of response.headers.fieldsOf(definition.name)) {
      let values: readonly AuthValue[]
      try {
        values = field.parse(definition)
      } catch {
        continue
      }
      for (const value of values) {
        if (found.length >= MAX_CHALLENGES) return found
        const challenge = digestChallenge(value, definition === ProxyAuthenticate)
        if (challenge !== undefined) found.push(challenge)
      }
    }
  }
  return found
}
