import { hasLineBreak, skip, TOKEN } from './chars.ts'
import { SipParseError, SipSerialiseError } from './errors.ts'
import { Params, plainParamsAt, scanParams } from './params.ts'
import type { ParamsInit, ParamValue } from './params.ts'
import { quote, quoteEnd, Scanner, unquote } from './scanner.ts'
import { parseUri } from './uri.ts'
import type { Uri } from './uri.ts'

export interface NameAddrInit {
  displayName?: string | undefined
  uri: Uri | string
  params?: ParamsInit | undefined
}

/** `name-addr` or `addr-spec` with header parameters: From, To, Contact, Route and their kin. Immutable. */
export class NameAddr {
  /** Without quotes and escapes; absent when there is none. */
  readonly displayName: string | undefined
  /** The URI as written. */
  readonly uriText: string
  readonly params: Params
  #uri: Uri | undefined
  readonly #uriOffset: number

  constructor(init: NameAddrInit, uriOffset = 0) {
    this.displayName = init.displayName
    this.#uri = typeof init.uri === 'string' ? undefined : init.uri
    this.uriText = typeof init.uri === 'string' ? init.uri : init.uri.toString()
    this.params = init.params instanceof Params ? init.params : Params.of(init.params ?? [])
    this.#uriOffset = uriOffset
  }

  /** @throws SipParseError */
  static parse(this: void, text: string): NameAddr {
    const plain = plainNameAddr(text)
    if (plain !== undefined) return plain
    const scanner = new Scanner(text)
    const value = scanNameAddr(scanner)
    scanner.finish()
    return value
  }

  /**
   * The URI taken apart, on first use.
   * @throws SipParseError where it breaks the grammar of its scheme
   */
  get uri(): Uri {
    if (this.#uri !== undefined) return this.#uri
    try {
      return (this.#uri = parseUri(this.uriText))
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error
      throw error.with({ offset: error.offset + this.#uriOffset })
    }
  }

  /** @throws SipParseError as reading `uri` would */
  checkUri(): void {
    this.#uri = this.uri
  }

  get tag(): string | undefined {
    return this.params.value('tag')
  }

  with(change: Partial<NameAddrInit>): NameAddr {
    return new NameAddr({
      displayName: 'displayName' in change ? change.displayName : this.displayName,
      uri: change.uri ?? this.#uri ?? this.uriText,
      params: 'params' in change ? change.params : this.params,
    })
  }

  withParam(name: string, value: ParamValue): NameAddr {
    return this.with({ params: this.params.with(name, value) })
  }

  withoutParam(name: string): NameAddr {
    return this.params.has(name) ? this.with({ params: this.params.without(name) }) : this
  }

  /** Always with angle brackets, so that nothing can be taken for a parameter of the URI or of the header. */
  toString(): string {
    const { displayName } = this
    if (hasLineBreak(this.uriText) || this.uriText.includes('>')) {
      throw new SipSerialiseError('uri', 'it has a character that would end the header')
    }
    const name = displayName === undefined || displayName === '' ? '' : `${quote(displayName)} `
    return `${name}<${this.uriText}>${this.params.toString()}`
  }
}

/** `<uri>` or `"name" <uri>`, with or without plain parameters: nearly every address. */
function plainNameAddr(text: string): NameAddr | undefined {
  let open = 0
  let displayName: string | undefined
  if (text.charCodeAt(0) === 34) {
    const close = quoteEnd(text, 0, text.length)
    if (close < 0) return undefined
    displayName = unquote(text.slice(0, close))
    open = text.charCodeAt(close) === 32 ? close + 1 : close
  }
  if (text.charCodeAt(open) !== 60) return undefined
  const close = text.indexOf('>', open)
  const params = close <= open + 1 ? undefined : plainParamsAt(text, close + 1)
  if (params === undefined) return undefined
  return new NameAddr({ displayName, uri: text.slice(open + 1, close), params }, open + 1)
}

/** Reads `( name-addr / addr-spec ) *( SEMI generic-param )`. */
export function scanNameAddr(scanner: Scanner): NameAddr {
  const { text, end } = scanner
  scanner.space()
  const start = scanner.at
  let displayName: string | undefined
  if (scanner.peek() === 34) {
    displayName = unquote(scanner.rawQuoted())
    scanner.space()
    if (scanner.peek() !== 60) throw scanner.fail('expected "<" after the display name')
  } else if (scanner.peek() !== 60) {
    const open = tokensBefore(text, start, end)
    if (open < 0) return scanAddrSpec(scanner)
    displayName = text.slice(start, open).trimEnd()
    scanner.at = open
  }
  const uriStart = scanner.at + 1
  const close = text.indexOf('>', uriStart)
  if (close < 0 || close >= end) throw scanner.fail('"<" without ">"')
  if (close === uriStart) throw scanner.fail('there is no URI between "<" and ">"')
  scanner.at = close + 1
  const params = scanParams(scanner)
  return new NameAddr({ displayName, uri: text.slice(uriStart, close), params }, uriStart)
}

/** Where `<` stands if only tokens and spaces come before it: an unquoted display name; otherwise -1. */
function tokensBefore(text: string, from: number, end: number): number {
  let at = from
  for (;;) {
    at = skip(text, at, end, TOKEN)
    const code = at < end ? text.charCodeAt(at) : -1
    if (code === 60) return at
    if (code !== 32 && code !== 9 && code < 128) return -1
    at++
  }
}

/**
 * A URI without angle brackets ends at the first semicolon, and may have neither comma nor question mark
 * (RFC 3261 §20, RFC 4475 3.1.2.13).
 */
function scanAddrSpec(scanner: Scanner): NameAddr {
  const { text, end } = scanner
  const start = scanner.at
  let at = start
  while (at < end) {
    const code = text.charCodeAt(at)
    if (code === 59 || code === 32 || code === 9) break
    if (code === 44 || code === 63 || code === 60 || code === 62 || code === 34) {
      throw scanner.fail('a URI with this character must be put in angle brackets', at)
    }
    at++
  }
  if (at === start) throw scanner.fail('expected a URI')
  scanner.at = at
  const params = scanParams(scanner)
  return new NameAddr({ uri: text.slice(start, at), params }, start)
}
