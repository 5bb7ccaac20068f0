import { createHmac } from 'node:crypto'
import { OptionError } from '../../runtime/errors.ts'
import { SignatureError } from './signature-error.ts'
import { headerOf, neededHeader, sameSecret } from './signed-request.ts'
import type { SignedHeaders } from './signed-request.ts'

export interface PlivoRequest {
  /** Of the account, or of the main account for `X-Plivo-Signature-Ma-V3`. */
  readonly authToken: string
  /** `GET` (also for the upgrade to a WebSocket) or `POST`. */
  readonly method: string
  /** As Plivo was told it, with the query. */
  readonly url: string
  readonly headers: SignedHeaders
  /** The form, as it came. Default: none. */
  readonly body?: string | Uint8Array
}

const SCHEME = 'plivo'

/**
 * Checks `X-Plivo-Signature-V3` (or `-Ma-V3`) against its nonce: HMAC-SHA256 of the URL with its query in order, the fields of a form
 * and the nonce. @throws SignatureError @throws OptionError `authToken`, `url`
 */
export function verifyPlivoSignature(request: PlivoRequest): void {
  const { authToken, method, url, headers, body = '' } = request
  const nonce = neededHeader(SCHEME, headers, 'x-plivo-signature-v3-nonce')
  const main = headerOf(headers, 'x-plivo-signature-ma-v3')
  const own =
    main === undefined
      ? neededHeader(SCHEME, headers, 'x-plivo-signature-v3')
      : headerOf(headers, 'x-plivo-signature-v3')
  const given = [own, main].flatMap(value => value?.split(',').map(one => one.trim()) ?? [])
  const expected = plivoSignature({ authToken, method, url, nonce, body })
  if (given.filter(signature => sameSecret(signature, expected)).length === 0) {
    throw new SignatureError(
      SCHEME,
      'wrong',
      'it does not fit: check the auth token, and that the URL is the one Plivo was given, to the letter',
    )
  }
}

/** What `X-Plivo-Signature-V3` has to be. @throws OptionError `authToken`, `url` */
export function plivoSignature(request: {
  readonly authToken: string
  readonly method: string
  readonly url: string
  readonly nonce: string
  readonly body?: string | Uint8Array
}): string {
  const { authToken, method, url, nonce, body = '' } = request
  if (authToken === '') throw new OptionError('authToken', 'it is empty; give that of the account')
  if (!URL.canParse(url)) throw new OptionError('url', 'not usable: give the URL that Plivo was given')
  const [place = '', ...queries] = url.split('#')[0]?.split('?') ?? []
  const query = [...new URLSearchParams(queries.join('?'))]
  const form = [...new URLSearchParams(Buffer.from(body).toString('utf8'))]
  const isPost = method.toUpperCase() === 'POST'
  const inUrl = inOrder(isPost ? query : [...query, ...form])
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  const fields = isPost
    ? inOrder(form)
        .map(([name, value]) => name + value)
        .join('')
    : ''
  const text =
    place +
    (inUrl === '' && fields === '' ? '' : `?${inUrl}`) +
    (inUrl !== '' && fields !== '' ? '.' : '') +
    fields
  return createHmac('sha256', authToken).update(`${text}.${nonce}`).digest('base64')
}

type Field = readonly [name: string, value: string]

/** By name, then by value. */
function inOrder(fields: readonly Field[]): readonly Field[] {
  return fields.toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
