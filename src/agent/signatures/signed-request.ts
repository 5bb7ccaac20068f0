import { timingSafeEqual } from 'node:crypto'
import { SignatureError } from './signature-error.ts'
import type { SignatureScheme } from './signature-error.ts'

/** Headers as servers hand them over: of `fetch`, a map with names in small letters, or an object with names in any. */
export type SignedHeaders =
  | { get(name: string): string | null | undefined }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** What is taken when the caller does not say otherwise: five minutes, as the carriers advise. */
export const DEFAULT_TOLERANCE_MS = 300_000

/** `undefined` when it is not there, or empty. `name` in small letters. */
export function headerOf(headers: SignedHeaders, name: string): string | undefined {
  if (typeof headers['get'] === 'function') {
    const value: unknown = headers.get(name)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  for (const [key, value] of Object.entries(headers)) {
    if (key.toLowerCase() !== name) continue
    const text = Array.isArray(value) ? value.join(',') : value
    return typeof text === 'string' && text !== '' ? text : undefined
  }
  return undefined
}

/** @throws SignatureError `missing` */
export function neededHeader(scheme: SignatureScheme, headers: SignedHeaders, name: string): string {
  const value = headerOf(headers, name)
  if (value === undefined) {
    throw new SignatureError(
      scheme,
      'missing',
      `no ${name} header: the request was not signed, or a proxy removed it`,
    )
  }
  return value
}

/** Takes the same time wherever the two differ; that their lengths do is no secret. */
export function sameSecret(a: string | Uint8Array, b: string | Uint8Array): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)]
  return one.length === other.length && timingSafeEqual(one, other)
}

/** Seconds since the epoch, as a header has them, against `now` and the tolerance in milliseconds. @throws SignatureError */
export function checkAge(
  scheme: SignatureScheme,
  timestamp: string,
  now: number,
  toleranceMs: number = DEFAULT_TOLERANCE_MS,
): void {
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new SignatureError(scheme, 'malformed', 'the timestamp is no number of seconds')
  }
  const ageMs = now - Number(timestamp) * 1000
  if (ageMs > toleranceMs) {
    throw new SignatureError(
      scheme,
      'expired',
      `${told(ageMs)} old, ${told(toleranceMs)} are allowed: sent again by somebody, or check the clock`,
    )
  }
  if (ageMs < -toleranceMs) {
    throw new SignatureError(
      scheme,
      'future',
      `${told(-ageMs)} ahead of our clock, ${told(toleranceMs)} are allowed: check the clock`,
    )
  }
}

function told(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
