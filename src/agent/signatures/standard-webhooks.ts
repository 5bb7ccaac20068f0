import { createHmac } from 'node:crypto'
import { OptionError } from '../../runtime/errors.ts'
import { SignatureError } from './signature-error.ts'
import { checkAge, neededHeader, sameSecret } from './signed-request.ts'
import type { SignedHeaders } from './signed-request.ts'

export interface StandardWebhook {
  /** `whsec_…` or the base64 behind it; several while one replaces another. */
  readonly secret: string | readonly string[]
  readonly headers: SignedHeaders
  /** As it came, before any parsing. */
  readonly body: string | Uint8Array
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  /** How old, or how far ahead, the timestamp may be. Default 300,000. */
  readonly toleranceMs?: number
}

/** Of one message among all of the sender: the same id again is the same message sent again. */
export interface VerifiedWebhook {
  readonly id: string
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number
}

export interface StandardWebhookHeaders {
  readonly 'webhook-id': string
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

const SCHEME = 'standard-webhooks'
const MAX_SIGNATURES = 16

/**
 * Checks a webhook that was signed as Standard Webhooks says (`webhook-id`, `webhook-timestamp`, `webhook-signature`), the manner
 * of OpenAI. One `v1` signature that fits is enough. @throws SignatureError @throws OptionError `secret`
 */
export function verifyStandardWebhook(webhook: StandardWebhook): VerifiedWebhook {
  const { secret, headers, body, now, toleranceMs } = webhook
  const keys = (typeof secret === 'string' ? [secret] : secret).map(keyOf)
  if (keys.length === 0)
    throw new OptionError('secret', 'none given; take it from the settings of the webhook')
  const id = neededHeader(SCHEME, headers, 'webhook-id')
  const timestamp = neededHeader(SCHEME, headers, 'webhook-timestamp')
  const given = neededHeader(SCHEME, headers, 'webhook-signature')
  const signatures = given.split(' ', MAX_SIGNATURES).flatMap(signature => {
    const [version, ...rest] = signature.split(',')
    return version === 'v1' ? [rest.join(',')] : []
  })
  if (signatures.length === 0) {
    throw new SignatureError(SCHEME, 'malformed', 'webhook-signature has none of version v1')
  }
  checkAge(SCHEME, timestamp, now, toleranceMs)
  const fits = keys
    .map(key => signatureOf(key, id, timestamp, body))
    .some(expected => signatures.some(signature => sameSecret(signature, expected)))
  if (!fits) {
    throw new SignatureError(
      SCHEME,
      'wrong',
      'it does not fit: check the secret, and that the body is as it came',
    )
  }
  return { id, timestamp: Number(timestamp) * 1000 }
}

/** The headers for a webhook of ours. `now` in milliseconds since the Unix epoch. @throws OptionError `secret` or `id` */
export function signStandardWebhook(webhook: {
  readonly secret: string
  readonly id: string
  readonly body: string | Uint8Array
  readonly now: number
}): StandardWebhookHeaders {
  const { secret, id, body, now } = webhook
  // The full stop parts what is signed.
  if (!/^[\x21-\x7e]{1,256}$/.test(id) || id.includes('.')) {
    throw new OptionError('id', 'give 1 to 256 visible ASCII characters without a full stop')
  }
  const timestamp = String(Math.floor(now / 1000))
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signatureOf(keyOf(secret), id, timestamp, body)}`,
  }
}

function signatureOf(key: Uint8Array, id: string, timestamp: string, body: string | Uint8Array): string {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
}

function keyOf(secret: string): Uint8Array {
  const base64 = secret.startsWith('whsec_') ? secret.slice(6) : secret
  const key = Buffer.from(base64, 'base64')
  if (key.length === 0 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(base64)) {
    throw new OptionError(
      'secret',
      'not usable: give whsec_ and base64, as the settings of the webhook show it',
    )
  }
  return key
}
