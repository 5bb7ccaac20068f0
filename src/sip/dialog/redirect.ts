/** Following 3xx responses (RFC 3261 §8.1.3.4): which address comes next, and when to stop. No I/O. */
import { OptionError } from '../../runtime/errors.ts'
import { hasLineBreak, isToken } from '../message/chars.ts'
import type { SipResponse } from '../message/message.ts'
import { canonicalName, idOf } from '../message/names.ts'
import type { NameAddr } from '../message/name-addr.ts'
import type { SipUri, Uri } from '../message/uri.ts'
import { asRequestUri } from './route-set.ts'

export interface RedirectOptions {
  /** How many further addresses one call may try, whoever named them. */
  readonly max: number
  /** Only addresses at the host that was called first. Default false. */
  readonly sameHostOnly?: boolean
}

/** One attempt at another address. */
export interface RedirectTarget {
  /** The Request-URI, without headers and method. */
  readonly target: string
  /** Header fields its Contact asked for (RFC 3261 §19.1.5). */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** 305: the Route by which the same Request-URI is tried again. */
  readonly route: string | undefined
}

/** Addresses kept at most; a response may list thousands. */
const MAX_TARGETS = 64

/** Headers a Contact must not set (RFC 3261 §19.1.5): they would speak for us, or break the request. */
const forbidden: ReadonlySet<string> = new Set([
  'Via',
  'From',
  'To',
  'Call-ID',
  'CSeq',
  'Max-Forwards',
  'Contact',
  'Route',
  'Record-Route',
  'Authorization',
  'Proxy-Authorization',
  'Content-Length',
  'Content-Type',
  'Content-Encoding',
  'Content-Disposition',
  'Supported',
  'Require',
  'Allow',
  'Session-Expires',
  'Min-SE',
  'P-Asserted-Identity',
  'P-Preferred-Identity',
  'Remote-Party-ID',
  'Identity',
  'Replaces',
  'Join',
])

/** The addresses of a 3xx, best first (q, then as written); unreadable ones are left out. */
export function redirectTargets(response: SipResponse): readonly string[] {
  return contactsOf(response).map(({ uriText }) => uriText)
}

function contactsOf(response: SipResponse): readonly NameAddr[] {
  if (response.statusCode < 300 || response.statusCode > 399) return []
  try {
    const { contacts } = response
    if (contacts === '*') return []
    return contacts
      .slice(0, MAX_TARGETS)
      .filter(isReadable)
      .map((contact, index) => ({ contact, index, q: qOf(contact) }))
      .toSorted((a, b) => b.q - a.q || a.index - b.index)
      .map(({ contact }) => contact)
  } catch {
    return []
  }
}

function isReadable(contact: NameAddr): boolean {
  try {
    void contact.uri
    return true
  } catch {
    return false
  }
}

/** RFC 3261 §20.10: 0 to 1, and 1 where there is none or nonsense. */
function qOf(contact: NameAddr): number {
  const text = contact.params.value('q')
  if (text === undefined || !/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text)) return 1
  return Number(text)
}

/** @throws OptionError naming the field */
export function checkRedirects(options: RedirectOptions | undefined): void {
  if (options === undefined) return
  if (!Number.isInteger(options.max) || options.max < 0 || options.max > MAX_TARGETS) {
    throw new OptionError(
      'followRedirects.max',
      `${options.max} is not a limit; give a whole number from 0 to ${MAX_TARGETS}`,
    )
  }
}

/** The addresses of one call: those tried, those still to try. */
export class Redirects {
  readonly #options: RedirectOptions
  readonly #original: string
  readonly #host: string | undefined
  /** A call to sips: must not become one in the clear (RFC 3261 §26.2.2). */
  readonly #secure: boolean
  readonly #tried = new Set<string>()
  #waiting: RedirectTarget[] = []
  #followed = 0

  /** `original` is the Request-URI of the first attempt. */
  constructor(options: RedirectOptions, original: Uri) {
    this.#options = options
    this.#original = original.toString()
    this.#host = original.kind === 'sip' ? original.host.toLowerCase() : undefined
    this.#secure = original.kind === 'sip' && original.scheme === 'sips'
    this.#tried.add(keyOf(this.#original, undefined))
  }

  /** Addresses tried beyond the first. */
  get followed(): number {
    return this.#followed
  }

  /**
   * Takes a final response and gives the next address, or undefined: the response stands. A 3xx adds its addresses in front of those left over
   * (they are the newer word), another refusal moves on to the next of them, a 6xx ends the search (§8.1.3.4, §16.7).
   */
  next(response: SipResponse): RedirectTarget | undefined {
    const { statusCode } = response
    if (statusCode >= 600) this.#waiting = []
    else if (statusCode >= 300 && statusCode < 400) this.#add(response)
    return this.take()
  }

  /** The next address after one that did not answer at all. */
  take(): RedirectTarget | undefined {
    while (this.#followed < this.#options.max) {
      const target = this.#waiting.shift()
      if (target === undefined) return undefined
      const key = keyOf(target.target, target.route)
      if (this.#tried.has(key)) continue
      this.#tried.add(key)
      this.#followed++
      return target
    }
    return undefined
  }

  #add(response: SipResponse): void {
    const useProxy = response.statusCode === 305
    const found = contactsOf(response).flatMap(contact => this.#targetOf(contact, useProxy) ?? [])
    this.#waiting = [...found, ...this.#waiting].slice(0, MAX_TARGETS)
  }

  #targetOf({ uri }: NameAddr, useProxy: boolean): RedirectTarget | undefined {
    if (uri.kind !== 'sip') return undefined // nothing else can be called
    if (this.#secure && uri.scheme !== 'sips') return undefined
    if (this.#options.sameHostOnly === true && uri.host.toLowerCase() !== this.#host) return undefined
    const method = uri.params.value('method')
    if (method !== undefined && method.toUpperCase() !== 'INVITE') return undefined
    if (useProxy) {
      // §21.3.4: this one request again, by way of that proxy.
      return {
        target: this.#original,
        headers: [],
        route: `<${asRequestUri(uri).withParam('lr', true).toString()}>`,
      }
    }
    return { target: asRequestUri(uri).toString(), headers: headersOf(uri), route: undefined }
  }
}

function keyOf(target: string, route: string | undefined): string {
  return `${target}\n${route ?? ''}`
}

/** What a Contact's URI asks to be set, less what is ours to say; a line break in a value would be a second header. */
function headersOf(uri: SipUri): readonly (readonly [string, string])[] {
  return uri.headers.filter(([name, value]) => {
    if (!isToken(name) || name.toLowerCase() === 'body' || hasLineBreak(value)) return false
    const canonical = canonicalName(idOf(name))
    return canonical === undefined || !forbidden.has(canonical)
  })
}
