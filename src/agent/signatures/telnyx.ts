import { createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { OptionError } from '../../runtime/errors.ts'
import { SignatureError } from './signature-error.ts'
import { checkAge, neededHeader } from './signed-request.ts'
import type { SignedHeaders } from './signed-request.ts'

export interface TelnyxRequest {
  /** Of the account, as its portal shows it: 32 octets in base64; or PEM. */
  readonly publicKey: string
  readonly headers: SignedHeaders
  /** As it came, before any parsing. */
  readonly body: string | Uint8Array
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  /** How old, or how far ahead, the timestamp may be. Default 300,000. */
  readonly toleranceMs?: number
}

const SCHEME = 'telnyx'

/** What stands before an Ed25519 key in the form that keys are exchanged in (RFC 8410 §4). */
const KEY_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

/** Checks `telnyx-signature-ed25519` of `telnyx-timestamp`, `|` and the body (RFC 8032). @throws SignatureError @throws OptionError `publicKey` */
export function verifyTelnyxSignature({ publicKey, headers, body, now, toleranceMs }: TelnyxRequest): void {
  const key = keyOf(publicKey)
  const given = neededHeader(SCHEME, headers, 'telnyx-signature-ed25519')
  const timestamp = neededHeader(SCHEME, headers, 'telnyx-timestamp')
  const signature = Buffer.from(given, 'base64')
  if (signature.length !== 64) {
    throw new SignatureError(SCHEME, 'malformed', 'telnyx-signature-ed25519 is not 64 octets in base64')
  }
  checkAge(SCHEME, timestamp, now, toleranceMs)
  if (!verify(null, signedText(timestamp, body), key, signature)) {
    throw new SignatureError(
      SCHEME,
      'wrong',
      'it does not fit: check the public key, and that the body is as it came',
    )
  }
}

/** The headers for a webhook as Telnyx sends it. `now` in milliseconds since the Unix epoch. */
export function signTelnyxWebhook(webhook: {
  readonly privateKey: KeyObject
  readonly body: string | Uint8Array
  readonly now: number
}): { readonly 'telnyx-signature-ed25519': string; readonly 'telnyx-timestamp': string } {
  const { privateKey, body, now } = webhook
  const timestamp = String(Math.floor(now / 1000))
  const signature = sign(null, signedText(timestamp, body), privateKey)
  return { 'telnyx-signature-ed25519': signature.toString('base64'), 'telnyx-timestamp': timestamp }
}

function signedText(timestamp: string, body: string | Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${timestamp}|`), Buffer.from(body)])
}

function keyOf(publicKey: string): KeyObject {
  try {
    if (publicKey.includes('-----BEGIN')) {
      const key = createPublicKey(publicKey)
      // Of another kind it would be taken for another algorithm (RFC 8725 §3.1).
      if (key.asymmetricKeyType === 'ed25519') return key
    }
    const octets = Buffer.from(publicKey, 'base64')
    if (octets.length === 32) {
      return createPublicKey({ key: Buffer.concat([KEY_HEAD, octets]), format: 'der', type: 'spki' })
    }
  } catch (cause) {
    throw new OptionError('publicKey', 'not usable: give the Ed25519 key of the account, in base64 or PEM', {
      cause,
    })
  }
  throw new OptionError('publicKey', 'not usable: give the 32 octets in base64 that the portal shows')
}
