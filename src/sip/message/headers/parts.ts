import { skip, TOKEN, VALUE, WORD } from '../chars.ts'
import { SipParseError, SipSerialiseError } from '../errors.ts'
import { Params, scanParam, scanParams } from '../params.ts'
import type { ParamsInit, ParamValue } from '../params.ts'
import { Scanner } from '../scanner.ts'

/** A value with parameters behind it, the shape of most headers. */
export interface Parameterised<T = string> {
  value: T
  params: Params
}

export function parameterised<T>(value: T, params: ParamsInit = []): Parameterised<T> {
  return { value, params: Params.of(params) }
}

/** Reads the whole text with one reader, and refuses what it leaves over. */
export function whole<T>(read: (scanner: Scanner) => T): (text: string) => T {
  return text => {
    const scanner = new Scanner(text)
    scanner.space()
    const value = read(scanner)
    scanner.finish()
    return value
  }
}

/** The reader's value and the parameters behind it. */
export function withParams<T>(read: (scanner: Scanner) => T): (text: string) => Parameterised<T> {
  return whole(scanner => ({ value: read(scanner), params: scanParams(scanner) }))
}

export function writeParameterised<T>(value: Parameterised<T>): string {
  return `${String(value.value)}${value.params.toString()}`
}

export function readToken(scanner: Scanner): string {
  return scanner.token()
}

/** Any run of characters a word or a host may have: call ids, event tags, pvalues. */
export function readWord(scanner: Scanner): string {
  return scanner.run(WORD, 'a word')
}

export function readValue(scanner: Scanner): string {
  return scanner.peek() === 34 ? scanner.quoted() : scanner.run(VALUE, 'a value')
}

export const parseToken: (text: string) => string = whole(readToken)
export const parseWord: (text: string) => string = whole(readWord)

export function integer(what: string, max?: number): (text: string) => number {
  return whole(scanner => scanner.integer(what, max))
}

/** Text that is taken as it is. */
export function text(value: string): string {
  return value
}

/** `*( name [ = value ] )` separated by commas, as digest headers have them. */
export function scanCommaParams(scanner: Scanner): Params {
  const flat: ParamValue[] = []
  for (;;) {
    scanner.space()
    scanParam(scanner, flat)
    if (!scanner.take(44)) return Params.raw(flat)
  }
}

/** `<` absoluteURI `>` with parameters; a URI without the brackets is let through up to the first semicolon. */
export function readBracketedUri(scanner: Scanner): string {
  const { text, at, end } = scanner
  if (scanner.peek() === 60) {
    const close = text.indexOf('>', at)
    if (close < 0 || close >= end) throw scanner.fail('"<" without ">"')
    if (close === at + 1) throw scanner.fail('there is no URI between "<" and ">"')
    scanner.at = close + 1
    return text.slice(at + 1, close)
  }
  const semicolon = text.indexOf(';', at)
  const to = semicolon < 0 || semicolon > end ? end : semicolon
  const uri = text.slice(at, to).trimEnd()
  if (uri === '') throw scanner.fail('expected a URI')
  scanner.at = to
  return uri
}

export function writeBracketedUri(value: Parameterised): string {
  if (value.value.includes('>')) throw new SipSerialiseError('uri', 'it contains ">"')
  return `<${value.value}>${value.params.toString()}`
}

/** `q` as a number; 1 where it is absent or unreadable. */
export function quality(params: Params): number {
  const value = Number(params.value('q') ?? 1)
  return value >= 0 && value <= 1 ? value : 1
}

export function expectToken(value: string): string {
  if (value === '' || skip(value, 0, value.length, TOKEN) !== value.length) {
    throw new SipParseError('expected a token')
  }
  return value
}
