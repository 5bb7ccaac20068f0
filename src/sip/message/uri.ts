import { ALPHA, hasLineBreak, is, PASSWORD, SCHEME, skip, URI_HEADER, URI_PARAM, USER } from './chars.ts'
import type { CharClass } from './chars.ts'
import { SipParseError, SipSerialiseError } from './errors.ts'
import { escape, escapedOctet, normaliseEscapes, unescape } from './escapes.ts'
import { canonicalHost, scanHostPort, stripBrackets, writeHostPort } from './host.ts'
import { Params } from './params.ts'
import type { ParamsInit, ParamValue } from './params.ts'
import { TelUri, telFromSubscriber } from './tel-uri.ts'

/** A URI of a scheme this library does not take apart: kept as written, compared octet by octet. */
export class OtherUri {
  readonly kind = 'other' as const
  /** Lower case, without the colon. */
  readonly scheme: string
  readonly #text: string

  constructor(scheme: string, text: string) {
    this.scheme = scheme
    this.#text = text
  }

  equals(other: Uri): boolean {
    return other.kind === 'other' && other.toString() === this.#text
  }

  toString(): string {
    return this.#text
  }
}

export type Uri = SipUri | TelUri | OtherUri

export interface SipUriInit {
  scheme?: 'sip' | 'sips' | undefined
  /** Unescaped. */
  user?: string | undefined
  password?: string | undefined
  /** An IPv6 address with or without brackets. */
  host: string
  port?: number | undefined
  params?: ParamsInit | undefined
  /** Unescaped names and values. */
  headers?: Iterable<readonly [string, string]> | undefined
}

interface WireParts {
  rawUser: string | undefined
  rawPassword: string | undefined
  params: Params
  rawHeaders: string
  /** The whole URI, if it was parsed. */
  text: string | undefined
}

/** Parameters that make two URIs differ when only one has them (RFC 3261 §19.1.4, transport by its examples). */
const telling = ['user', 'ttl', 'method', 'maddr', 'transport']

/** A SIP or SIPS URI (RFC 3261 §19.1), immutable. A parsed one is written out exactly as it came. */
export class SipUri {
  readonly kind = 'sip' as const
  readonly scheme: 'sip' | 'sips'
  /** The user part as written, escapes and telephone-subscriber parameters included. */
  readonly rawUser: string | undefined
  readonly rawPassword: string | undefined
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number | undefined
  readonly params: Params
  /** What follows the `?`, as written; empty when there is none. */
  readonly rawHeaders: string
  readonly #text: string | undefined

  /** `wire` is for parts in wire form already, as the parser and `with` have them. */
  constructor(init: SipUriInit, wire?: WireParts) {
    this.scheme = init.scheme ?? 'sip'
    this.host = stripBrackets(init.host)
    this.port = init.port
    if (wire !== undefined) {
      this.rawUser = wire.rawUser
      this.rawPassword = wire.rawPassword
      this.params = wire.params
      this.rawHeaders = wire.rawHeaders
      this.#text = wire.text
      return
    }
    this.rawUser = escaped(init.user, USER)
    this.rawPassword = escaped(init.password, PASSWORD)
    this.params = Params.ofUri(init.params ?? [])
    this.rawHeaders = writeHeaders(init.headers ?? [])
    this.#text = undefined
    checkHost(this)
  }

  get user(): string | undefined {
    return this.rawUser === undefined ? undefined : unescape(this.rawUser)
  }

  get password(): string | undefined {
    return this.rawPassword === undefined ? undefined : unescape(this.rawPassword)
  }

  /** The headers a request to this URI should carry, unescaped (RFC 3261 §19.1.1). */
  get headers(): readonly (readonly [string, string])[] {
    if (this.rawHeaders === '') return []
    return this.rawHeaders.split('&').map(pair => {
      const equals = pair.indexOf('=')
      return equals < 0
        ? [unescape(pair), '']
        : [unescape(pair.slice(0, equals)), unescape(pair.slice(equals + 1))]
    })
  }

  /** The `transport` parameter in lower case. */
  get transport(): string | undefined {
    return this.params.value('transport')?.toLowerCase()
  }

  /** Whether the `lr` parameter is there: the element is a loose router (RFC 3261 §16.12). */
  get looseRouting(): boolean {
    return this.params.has('lr')
  }

  /** A copy with those parts in place of its own; `undefined` removes a part. */
  with(change: { [K in keyof SipUriInit]?: SipUriInit[K] | undefined }): SipUri {
    const init: SipUriInit = {
      scheme: change.scheme ?? this.scheme,
      host: change.host ?? this.host,
      port: 'port' in change ? change.port : this.port,
    }
    const uri = new SipUri(init, {
      rawUser: 'user' in change ? escaped(change.user, USER) : this.rawUser,
      rawPassword: 'password' in change ? escaped(change.password, PASSWORD) : this.rawPassword,
      params: 'params' in change ? Params.ofUri(change.params ?? []) : this.params,
      rawHeaders: 'headers' in change ? writeHeaders(change.headers ?? []) : this.rawHeaders,
      text: undefined,
    })
    checkHost(uri)
    return uri
  }

  withParam(name: string, value: ParamValue): SipUri {
    return this.with({ params: this.params.with(name, value) })
  }

  withoutParam(name: string): SipUri {
    return this.params.has(name) ? this.with({ params: this.params.without(name) }) : this
  }

  /** RFC 3261 §19.1.4. Not transitive, as the RFC has it. */
  equals(other: Uri): boolean {
    if (other.kind !== 'sip') return false
    return (
      this.scheme === other.scheme &&
      canonical(this.rawUser, USER) === canonical(other.rawUser, USER) &&
      canonical(this.rawPassword, PASSWORD) === canonical(other.rawPassword, PASSWORD) &&
      canonicalHost(this.host) === canonicalHost(other.host) &&
      this.port === other.port &&
      sameParams(this.params, other.params) &&
      sameHeaders(this, other)
    )
  }

  /** The number in the user part as a tel URI (RFC 3261 §19.1.6), if it is one. */
  toTel(): TelUri | undefined {
    return this.rawUser === undefined ? undefined : telFromSubscriber(unescape(this.rawUser))
  }

  toString(): string {
    if (this.#text !== undefined) return this.#text
    let text = `${this.scheme}:`
    if (this.rawUser !== undefined) {
      text += this.rawUser
      if (this.rawPassword !== undefined) text += `:${this.rawPassword}`
      text += '@'
    }
    text += writeHostPort(this.host, this.port) + this.params.toString()
    return this.rawHeaders === '' ? text : `${text}?${this.rawHeaders}`
  }
}

function escaped(text: string | undefined, members: CharClass): string | undefined {
  return text === undefined ? undefined : escape(text, members)
}

function writeHeaders(headers: Iterable<readonly [string, string]>): string {
  return Array.from(headers, pair => pair.map(part => escape(part, URI_HEADER)).join('=')).join('&')
}

function checkHost(uri: SipUri): void {
  if (uri.host === '' || hasLineBreak(uri.host) || /[\s@;?<>"/]/.test(uri.host)) {
    throw new SipSerialiseError('host', `"${uri.host}" is not a host`)
  }
}

function canonical(raw: string | undefined, members: CharClass): string | undefined {
  return raw === undefined ? undefined : normaliseEscapes(raw, members)
}

function sameParams(one: Params, other: Params): boolean {
  for (const name of telling) if (one.has(name) !== other.has(name)) return false
  for (const [name, value] of one) {
    const match = other.get(name)
    if (match !== undefined && fold(match) !== fold(value)) return false
  }
  return true
}

function fold(value: ParamValue): ParamValue {
  return value === true ? true : value.toLowerCase()
}

function sameHeaders(one: SipUri, other: SipUri): boolean {
  if (one.rawHeaders === other.rawHeaders) return true
  const forms = (uri: SipUri): string =>
    uri.headers
      .map(([name, value]) => `${name.toLowerCase()}\0${value}`)
      .toSorted()
      .join('\n')
  return forms(one) === forms(other)
}

/**
 * Parses a URI of any scheme.
 * @throws SipParseError where the text is no URI, or breaks the grammar of its scheme
 */
export function parseUri(text: string): Uri {
  const colon = text.indexOf(':')
  const end = skipScheme(text)
  if (colon < 1 || end !== colon) throw new SipParseError('not a URI: it has no scheme')
  const scheme = text.slice(0, colon).toLowerCase()
  if (scheme === 'sip' || scheme === 'sips') return parseSip(scheme, text, colon + 1)
  if (scheme === 'tel') return TelUri.parse(text)
  for (let at = colon + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code <= 32 || code === 127 || code === 60 || code === 62 || code === 34) {
      throw new SipParseError('a character that no URI may have', { offset: at })
    }
  }
  return new OtherUri(scheme, text)
}

function skipScheme(text: string): number {
  return is(text.charCodeAt(0), ALPHA) ? skip(text, 1, text.length, SCHEME) : 0
}

function parseSip(scheme: 'sip' | 'sips', text: string, from: number): SipUri {
  let rawUser: string | undefined
  let rawPassword: string | undefined
  let at = from
  const separator = text.indexOf('@', from)
  if (separator >= 0) {
    const colon = text.indexOf(':', from)
    const userEnd = colon >= 0 && colon < separator ? colon : separator
    if (userEnd === from) throw new SipParseError('the user part is empty', { offset: from })
    checkUser(text, from, userEnd)
    rawUser = text.slice(from, userEnd)
    if (userEnd < separator) {
      checkUser(text, userEnd + 1, separator)
      rawPassword = text.slice(userEnd + 1, separator)
    }
    at = separator + 1
  }
  const { host, port, end } = scanHostPort(text, at, text.length, false)
  const flat: ParamValue[] = []
  at = end
  while (text.charCodeAt(at) === 59) at = scanUriParam(text, at + 1, flat)
  let rawHeaders = ''
  if (text.charCodeAt(at) === 63) {
    rawHeaders = text.slice(at + 1)
    at = checkHeaders(text, at + 1)
  }
  if (at < text.length)
    throw new SipParseError('a character that a SIP URI may not have here', { offset: at })
  return new SipUri(
    { scheme, host, port },
    { rawUser, rawPassword, params: Params.rawUri(flat), rawHeaders, text },
  )
}

/**
 * Peers in the field put `#` and other visible characters into user parts unescaped; they do no harm and are let
 * through. What would move the borders of the URI is refused.
 */
function checkUser(text: string, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    if (code <= 32 || code >= 127 || code === 60 || code === 62 || code === 34) {
      throw new SipParseError('a character that a user part may not have', { offset: at })
    }
    if (code === 37 && escapedOctet(text, at) < 0) {
      throw new SipParseError('"%" without two hex digits', { offset: at })
    }
  }
}

/** Skips characters of the class, well-formed escapes, and `also`. */
function skipEscaped(text: string, from: number, members: CharClass, also: number): number {
  let at = from
  for (;;) {
    at = skip(text, at, text.length, members)
    const code = text.charCodeAt(at)
    if (code === 37 && escapedOctet(text, at) >= 0) at += 3
    else if (code === also) at++
    else return at
  }
}

function scanUriParam(text: string, from: number, flat: ParamValue[]): number {
  const nameEnd = skipEscaped(text, from, URI_PARAM, -1)
  if (nameEnd === from) throw new SipParseError('expected a URI parameter', { offset: from })
  // `%6C%72` is `lr`: names are looked up in one spelling.
  flat.push(normaliseEscapes(text.slice(from, nameEnd), URI_PARAM))
  if (text.charCodeAt(nameEnd) !== 61) {
    flat.push(true)
    return nameEnd
  }
  const valueEnd = skipEscaped(text, nameEnd + 1, URI_PARAM, 61)
  if (valueEnd === nameEnd + 1) throw new SipParseError('the URI parameter is empty', { offset: valueEnd })
  flat.push(text.slice(nameEnd + 1, valueEnd))
  return valueEnd
}

function checkHeaders(text: string, from: number): number {
  let at = from
  for (;;) {
    const nameEnd = skipEscaped(text, at, URI_HEADER, -1)
    if (nameEnd === at) throw new SipParseError('expected a header name in the URI', { offset: at })
    if (text.charCodeAt(nameEnd) !== 61) throw new SipParseError('expected "="', { offset: nameEnd })
    at = skipEscaped(text, nameEnd + 1, URI_HEADER, -1)
    if (text.charCodeAt(at) !== 38) return at
    at++
  }
}

/** The SIP URI that names a telephone number at `host`, with `user=phone` (RFC 3261 §19.1.6). */
export function telToSip(tel: TelUri, host: string, port?: number): SipUri {
  const params = [...tel.params]
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1))
  const user = tel.number.toLowerCase() + Params.ofUri(params).toString().toLowerCase()
  return new SipUri({ user, host, port, params: { user: 'phone' } })
}

/** `isub` and `ext` go first, the others in alphabetical order. */
function rank(name: string): number {
  return name === 'isub' ? 0 : name === 'ext' ? 1 : 2
}
