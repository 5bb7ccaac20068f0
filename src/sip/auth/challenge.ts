/** Reading `WWW-Authenticate` and `Proxy-Authenticate` values (RFC 3261 §25.1, RFC 7616 §3.3), leniently. */

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
  readonly charset?: string
  readonly userhash: boolean
  readonly domain?: string
}

/** The scheme in lower case and its parameters, names in lower case, quotes and escapes removed. */
export interface AuthValue {
  readonly scheme: string
  readonly params: ReadonlyMap<string, string>
}

const SPACE = /[ \t\r\n]/
const TOKEN_END = /[ \t\r\n,=]/

/**
 * Splits a challenge or credentials value. Tolerates what real servers send: any case of the scheme, spaces round
 * `=`, unquoted values that should be quoted, empty list elements. Returns undefined when there is no scheme.
 */
export function parseAuthValue(value: string): AuthValue | undefined {
  const start = /^\s*([^\s,=]+)\s+/.exec(value)
  if (start === null) return undefined
  const params = new Map<string, string>()
  let at = start[0].length
  while (at < value.length) {
    while (at < value.length && (SPACE.test(value[at]!) || value[at] === ',')) at++
    const nameStart = at
    while (at < value.length && !TOKEN_END.test(value[at]!)) at++
    const name = value.slice(nameStart, at).toLowerCase()
    while (at < value.length && SPACE.test(value[at]!)) at++
    if (value[at] !== '=') {
      // A word without a value: nothing Digest defines, so it is passed over.
      if (at === nameStart) at++
      continue
    }
    at++
    while (at < value.length && SPACE.test(value[at]!)) at++
    let text = ''
    if (value[at] === '"') {
      at++
      while (at < value.length && value[at] !== '"') {
        if (value[at] === '\\' && at + 1 < value.length) at++
        text += value[at]
        at++
      }
      at++
    } else {
      const valueStart = at
      while (at < value.length && value[at] !== ',' && !SPACE.test(value[at]!)) at++
      text = value.slice(valueStart, at)
    }
    // The first of a repeated parameter counts, so that an appended one cannot change what was read before it.
    if (name !== '' && !params.has(name)) params.set(name, text)
  }
  return { scheme: start[1]!.toLowerCase(), params }
}

/**
 * The Digest challenge in one header value, or undefined when the scheme is another or realm or nonce is missing
 * (RFC 7616 §3.3: both are required, so nothing could be answered).
 */
export function parseDigestChallenge(value: string, proxy: boolean): DigestChallenge | undefined {
  const parsed = parseAuthValue(value)
  if (parsed?.scheme !== 'digest') return undefined
  const { params } = parsed
  const realm = params.get('realm')
  const nonce = params.get('nonce')
  if (realm === undefined || nonce === undefined) return undefined
  const opaque = params.get('opaque')
  const charset = params.get('charset')
  const domain = params.get('domain')
  return {
    proxy,
    realm,
    nonce,
    algorithm: params.get('algorithm') ?? 'MD5',
    qop: (params.get('qop') ?? '')
      .toLowerCase()
      .split(',')
      .map(word => word.trim())
      .filter(word => word !== ''),
    stale: params.get('stale')?.toLowerCase() === 'true',
    userhash: params.get('userhash')?.toLowerCase() === 'true',
    ...(opaque === undefined ? {} : { opaque }),
    ...(charset === undefined ? {} : { charset }),
    ...(domain === undefined ? {} : { domain }),
  }
}

/** A quoted-string (RFC 3261 §25.1): quotes and backslashes escaped. */
export function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}
