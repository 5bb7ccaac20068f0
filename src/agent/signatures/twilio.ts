import { createHash, createHmac } from 'node:crypto'
import { parse, stringify } from 'node:querystring'
import { OptionError } from '../../runtime/errors.ts'
import { SignatureError } from './signature-error.ts'
import { headerOf, neededHeader, sameSecret } from './signed-request.ts'
import type { SignedHeaders } from './signed-request.ts'

/** The fields of a form; a name may stand several times. */
export type FormFields = URLSearchParams | Readonly<Record<string, string | readonly string[]>>

export interface TwilioRequest {
  /** Of the account; several while one replaces another. */
  readonly authToken: string | readonly string[]
  /** As Twilio was told it, `https:` or `wss:`, with the query; behind a proxy not what the request line says. */
  readonly url: string
  readonly headers: SignedHeaders
  /** As it came. A form is signed field by field, anything else by `bodySHA256` in the URL. */
  readonly body?: string | Uint8Array
}

const SCHEME = 'twilio'

/**
 * Checks `X-Twilio-Signature`: HMAC-SHA1 of the URL and of the fields of the form in order of their names, by the auth token.
 * With and without port, for what Twilio signs depends on it. @throws SignatureError @throws OptionError `authToken`, `url`
 */
export function verifyTwilioSignature(request: TwilioRequest): void {
  const { authToken, url, headers, body = '' } = request
  const tokens = typeof authToken === 'string' ? [authToken] : authToken
  if (tokens.length === 0 || tokens.includes(''))
    throw new OptionError('authToken', 'it is empty; give that of the account')
  const given = neededHeader(SCHEME, headers, 'x-twilio-signature')
  const hash = parsedUrl(url).searchParams.get('bodySHA256')
  const isForm =
    headerOf(headers, 'content-type')?.toLowerCase().startsWith('application/x-www-form-urlencoded') === true
  // Else whoever has seen one signature of the URL could put any body behind it.
  if (!isForm && hash === null && body.length > 0) {
    throw new SignatureError(
      SCHEME,
      'malformed',
      'the body is not signed: it is no form by its Content-Type, and the URL has no bodySHA256',
    )
  }
  const fields = new URLSearchParams(isForm && hash === null ? textOf(body) : '')
  // Every candidate is tried, so that the time does not tell which one fitted.
  const fits = tokens
    .flatMap(token => urlsOf(url).map(candidate => twilioSignature(token, candidate, fields)))
    .filter(expected => sameSecret(given, expected))
  if (fits.length === 0) {
    throw new SignatureError(
      SCHEME,
      'wrong',
      'it does not fit: check the auth token, and that the URL is the one Twilio was given, to the letter',
    )
  }
  if (hash !== null && !sameSecret(hash.toLowerCase(), createHash('sha256').update(body).digest('hex'))) {
    throw new SignatureError(SCHEME, 'wrong', 'the body is not that of bodySHA256: give it as it came')
  }
}

/** What `X-Twilio-Signature` has to be for a request to that URL, with those fields in its form. */
export function twilioSignature(authToken: string, url: string, fields: FormFields = {}): string {
  const values = new Map<string, Set<string>>()
  for (const [name, value] of entriesOf(fields)) {
    const known = values.get(name)
    if (known === undefined) values.set(name, new Set([value]))
    else known.add(value)
  }
  const text = [...values.keys()]
    .toSorted(byCodeUnits)
    .flatMap(name => [...(values.get(name) ?? [])].toSorted(byCodeUnits).map(value => name + value))
  return createHmac('sha1', authToken)
    .update(url + text.join(''))
    .digest('base64')
}

/** What it has to be for a WebSocket: of the URL alone. */
export function twilioStreamSignature(authToken: string, url: string): string {
  return twilioSignature(authToken, url)
}

/** The URL as it may have been signed: as it is, with and without port, and as parsers write it. */
function urlsOf(url: string): readonly string[] {
  const parsed = parsedUrl(url)
  const secure = parsed.protocol === 'https:' || parsed.protocol === 'wss:'
  const normal = parsed.toString()
  const query = normal.indexOf('?')
  const escaped =
    query < 0 ? normal : `${normal.slice(0, query)}?${stringify(parse(normal.slice(query + 1)))}`
  const all = [url, normal, escaped].flatMap(one => [
    one,
    withPort(one, ''),
    withPort(one, secure ? ':443' : ':80'),
  ])
  // The upgrade of a stream whose URL has no path is signed with one.
  const slashed = parsed.protocol.startsWith('ws') && parsed.search === '' ? all.map(one => `${one}/`) : []
  return [...new Set([...all, ...slashed])]
}

/** A port that is in the URL stays unless `port` is empty. */
function withPort(url: string, port: string): string {
  const found =
    /^(?<before>[a-z][\w+.-]*:\/\/(?:[^/?#@]*@)?(?:\[[^\]]*\]|[^:/?#]*))(?<port>:\d*)?(?<after>.*)$/is.exec(
      url,
    )
  if (found?.groups === undefined) return url
  const { before = '', port: own = '', after = '' } = found.groups
  return before + (port === '' ? '' : own || port) + after
}

function parsedUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^(?:https?|wss?):$/.test(parsed.protocol)) {
    throw new OptionError('url', 'not usable: give the https: or wss: URL that Twilio was given')
  }
  return parsed
}

function entriesOf(fields: FormFields): readonly (readonly [string, string])[] {
  if (fields instanceof URLSearchParams) return [...fields]
  return Object.entries(fields).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map(one => [name, one] as const),
  )
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function textOf(body: string | Uint8Array): string {
  return typeof body === 'string' ? body : Buffer.from(body).toString('utf8')
}
