import { createHash, createHmac } from 'node:crypto'
import { OptionError } from '../../runtime/errors.ts'
import { SignatureError } from './signature-error.ts'
import { DEFAULT_TOLERANCE_MS, checkAge, neededHeader, sameSecret } from './signed-request.ts'
import type { SignedHeaders } from './signed-request.ts'

export interface VonageRequest {
  /** The signature secret of the account; several while one replaces another. */
  readonly secret: string | readonly string[]
  /** `Authorization: Bearer …`. */
  readonly headers: SignedHeaders
  /**
   * As it came, checked against `payload_hash`; for a GET the JSON of its query. Without it, as on the upgrade to a WebSocket,
   * only the token is checked.
   */
  readonly body?: string | Uint8Array
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  /** How old a token without `exp` may be, and how wrong the clocks. Default 300,000. */
  readonly toleranceMs?: number
  /** Default `Vonage`. */
  readonly issuer?: string
  /** Refuses tokens of another account. Default: any that the secret fits. */
  readonly apiKey?: string
  /** Refuses tokens of another application. Default: any. */
  readonly applicationId?: string
}

export type VonageClaims = Readonly<Record<string, unknown>>

const SCHEME = 'vonage'
const MAX_TOKEN = 8192

/**
 * Checks the JWT (RFC 7519, HS256) with which Vonage signs webhooks and the upgrade to a WebSocket, and returns its claims.
 * @throws SignatureError @throws OptionError `secret`
 */
export function verifyVonageToken(request: VonageRequest): VonageClaims {
  const { headers, body, now, toleranceMs = DEFAULT_TOLERANCE_MS, issuer = 'Vonage' } = request
  const secrets = typeof request.secret === 'string' ? [request.secret] : request.secret
  if (secrets.length === 0 || secrets.includes('')) {
    throw new OptionError('secret', 'it is empty; give the signature secret of the account')
  }
  const [, token = ''] = /^Bearer +([\w.-]+)$/i.exec(neededHeader(SCHEME, headers, 'authorization')) ?? []
  const [head, payload, signature, more] = token.split('.')
  if (
    head === undefined ||
    payload === undefined ||
    signature === undefined ||
    more !== undefined ||
    token.length > MAX_TOKEN
  ) {
    throw new SignatureError(SCHEME, 'malformed', 'the Authorization header is no "Bearer" with a JWT')
  }
  // Never what the token asks for: "none" is an algorithm too (RFC 8725 §3.1).
  if (objectIn(head)['alg'] !== 'HS256') {
    throw new SignatureError(SCHEME, 'malformed', 'the token is not signed by HS256')
  }
  const fits = secrets.filter(secret => sameSecret(signature, signatureOf(secret, head, payload)))
  if (fits.length === 0) {
    throw new SignatureError(SCHEME, 'wrong', 'the token does not fit: check the signature secret')
  }
  const claims = objectIn(payload)
  checkTimes(claims, now, toleranceMs)
  expect(claims, 'iss', issuer)
  if (request.apiKey !== undefined) expect(claims, 'api_key', request.apiKey)
  if (request.applicationId !== undefined) expect(claims, 'application_id', request.applicationId)
  if (body !== undefined) checkBody(claims, body)
  return claims
}

/** A token as Vonage makes them, for the `Authorization: Bearer` header. `now` and `lifetimeMs` in milliseconds. */
export function signVonageToken(token: {
  readonly secret: string
  readonly now: number
  readonly body?: string | Uint8Array
  /** Sets `exp`. Default: none. */
  readonly lifetimeMs?: number
  /** `api_key`, `application_id`, `jti` … */
  readonly claims?: VonageClaims
}): string {
  const { secret, now, body, lifetimeMs, claims } = token
  const iat = Math.floor(now / 1000)
  const head = base64url({ alg: 'HS256', typ: 'JWT' })
  const payload = base64url({
    iat,
    iss: 'Vonage',
    ...(body !== undefined && { payload_hash: hashOf(body) }),
    ...(lifetimeMs !== undefined && { exp: iat + Math.floor(lifetimeMs / 1000) }),
    ...claims,
  })
  return `${head}.${payload}.${signatureOf(secret, head, payload)}`
}

function checkTimes(claims: VonageClaims, now: number, toleranceMs: number): void {
  const { iat, exp, nbf } = claims
  const times = [iat, exp, nbf].filter(time => time !== undefined)
  if (
    (iat === undefined && exp === undefined) ||
    !times.every(time => typeof time === 'number' && time >= 0)
  ) {
    throw new SignatureError(
      SCHEME,
      'claims',
      'the token does not say in numbers when it was made (iat) or ends (exp)',
    )
  }
  if (typeof exp === 'number' && now > exp * 1000) {
    throw new SignatureError(
      SCHEME,
      'expired',
      'the token is over (exp): sent again by somebody, or check the clock',
    )
  }
  if (typeof nbf === 'number' && now + toleranceMs < nbf * 1000) {
    throw new SignatureError(SCHEME, 'future', 'the token is not valid yet (nbf): check the clock')
  }
  // One that says itself how long it lives may be older than the tolerance, but not from the future.
  if (typeof iat !== 'number' || (typeof exp === 'number' && iat * 1000 <= now)) return
  checkAge(SCHEME, String(Math.trunc(iat)), now, toleranceMs)
}

function checkBody(claims: VonageClaims, body: string | Uint8Array): void {
  const hash = claims['payload_hash']
  if (typeof hash !== 'string') {
    throw new SignatureError(SCHEME, 'claims', 'the token has no payload_hash: it says nothing of the body')
  }
  if (!sameSecret(hash.toLowerCase(), hashOf(body))) {
    throw new SignatureError(SCHEME, 'wrong', 'the body is not that of payload_hash: give it as it came')
  }
}

function expect(claims: VonageClaims, name: string, value: string): void {
  const given = claims[name]
  if (typeof given !== 'string' || !sameSecret(given, value)) {
    throw new SignatureError(SCHEME, 'claims', `the token's ${name} is not ${JSON.stringify(value)}`)
  }
}

function objectIn(part: string): VonageClaims {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as VonageClaims
  } catch {
    // Told below.
  }
  throw new SignatureError(SCHEME, 'malformed', 'a part of the token is no JSON object')
}

function signatureOf(secret: string, head: string, payload: string): string {
  return createHmac('sha256', secret).update(`${head}.${payload}`).digest('base64url')
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function hashOf(body: string | Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}
