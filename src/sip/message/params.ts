import { skip, TOKEN, URI_PARAM, VALUE } from './chars.ts'
import { escape, unescape } from './escapes.ts'
import { quote, unquote } from './scanner.ts'
import type { Scanner } from './scanner.ts'

export type ParamValue = string | true

/** How parameters of one kind are written: header parameters quote, URI parameters escape with `%`. */
interface ParamStyle {
  encode(value: string): string
  decode(raw: string): string
}

const headerStyle: ParamStyle = {
  encode: value =>
    value !== '' && skip(value, 0, value.length, VALUE) === value.length ? value : quote(value),
  decode: unquote,
}

const uriStyle: ParamStyle = {
  encode: value => escape(value, URI_PARAM),
  decode: unescape,
}

export type ParamsInit = Params | Iterable<readonly [string, ParamValue]> | Record<string, ParamValue>

/**
 * Parameters in their order, immutable; names are compared without case (RFC 3261 §7.3.1), values are given in
 * their meaning (unquoted, unescaped) and kept as they were written. A name that occurs twice is kept twice and
 * the first one counts.
 */
export class Params {
  /** name, raw value, name, raw value ... or the text that has them, until somebody asks. */
  #parts: readonly ParamValue[] | undefined
  readonly #text: string
  readonly #style: ParamStyle

  private constructor(parts: readonly ParamValue[] | undefined, style: ParamStyle, text = '') {
    this.#parts = parts
    this.#text = text
    this.#style = style
  }

  get #flat(): readonly ParamValue[] {
    return (this.#parts ??= splitPlain(this.#text))
  }

  static readonly empty: Params = new Params([], headerStyle)
  static readonly emptyUri: Params = new Params([], uriStyle)

  /** Header parameters from names and meanings. */
  static of(init: ParamsInit): Params {
    return init instanceof Params ? init : Params.empty.withAll(init)
  }

  /** URI parameters from names and meanings. */
  static ofUri(init: ParamsInit): Params {
    return init instanceof Params && init.#style === uriStyle ? init : Params.emptyUri.withAll(init)
  }

  /** Header parameters already in wire form: name, raw value, name ... */
  static raw(flat: readonly ParamValue[]): Params {
    return flat.length === 0 ? Params.empty : new Params(flat, headerStyle)
  }

  /** Header parameters from `;name=value;flag` that is known to have neither quotes nor space in it. */
  static plain(text: string): Params {
    return new Params(undefined, headerStyle, text)
  }

  /** URI parameters already in wire form. */
  static rawUri(flat: readonly ParamValue[]): Params {
    return flat.length === 0 ? Params.emptyUri : new Params(flat, uriStyle)
  }

  get size(): number {
    return this.#flat.length / 2
  }

  #find(name: string): number {
    const flat = this.#flat
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return i
    const lower = name.toLowerCase()
    for (let i = 0; i < flat.length; i += 2) if ((flat[i] as string).toLowerCase() === lower) return i
    return -1
  }

  /** The meaning of the first parameter of that name; `true` for one without a value. */
  get(name: string): ParamValue | undefined {
    if (this.#parts === undefined) {
      const value = findPlain(this.#text, name)
      if (value !== undefined) return value
    }
    const at = this.#find(name)
    if (at < 0) return undefined
    const raw = this.#flat[at + 1] as ParamValue
    return raw === true ? true : this.#style.decode(raw)
  }

  /** As `get`, but `undefined` for a parameter without a value. */
  value(name: string): string | undefined {
    const value = this.get(name)
    return value === true ? undefined : value
  }

  has(name: string): boolean {
    return this.#find(name) >= 0
  }

  /** A copy with that parameter replaced in its place, or added at the end. */
  with(name: string, value: ParamValue): Params {
    const raw: ParamValue = value === true ? true : this.#style.encode(value)
    const at = this.#find(name)
    const flat: readonly ParamValue[] =
      at < 0 ? [...this.#flat, name, raw] : this.#flat.map((item, index) => (index === at + 1 ? raw : item))
    return new Params(flat, this.#style)
  }

  withAll(init: ParamsInit): Params {
    const pairs =
      Symbol.iterator in init ? (init as Iterable<readonly [string, ParamValue]>) : Object.entries(init)
    return Array.from(pairs).reduce<Params>((params, [name, value]) => params.with(name, value), this)
  }

  /** A copy with no parameter of that name. */
  without(name: string): Params {
    if (!this.has(name)) return this
    const lower = name.toLowerCase()
    const flat: ParamValue[] = []
    for (let i = 0; i < this.#flat.length; i += 2) {
      const item = this.#flat[i] as string
      if (item.toLowerCase() !== lower) flat.push(item, this.#flat[i + 1] as ParamValue)
    }
    return new Params(flat, this.#style)
  }

  *[Symbol.iterator](): IterableIterator<[string, ParamValue]> {
    for (let i = 0; i < this.#flat.length; i += 2) {
      const raw = this.#flat[i + 1] as ParamValue
      yield [this.#flat[i] as string, raw === true ? true : this.#style.decode(raw)]
    }
  }

  /** `;name=value;flag`, or an empty string. */
  toString(): string {
    return this.#parts === undefined ? this.#text : this.join(';', true)
  }

  join(separator: string, leading = false): string {
    const flat = this.#flat
    let text = ''
    for (let i = 0; i < flat.length; i += 2) {
      if (leading || i > 0) text += separator
      text += flat[i + 1] === true ? (flat[i] as string) : `${flat[i] as string}=${flat[i + 1] as string}`
    }
    return text
  }
}

/**
 * The value of a parameter that stands in the text just as it is asked for, before any other place where its name
 * occurs; `undefined` says that the text must be taken apart.
 */
function findPlain(text: string, name: string): string | undefined {
  const at = text.indexOf(name)
  const end = at + name.length
  if (at < 1 || text.charCodeAt(at - 1) !== 59 || text.charCodeAt(end) !== 61) return undefined
  const semicolon = text.indexOf(';', end)
  return text.slice(end + 1, semicolon < 0 ? text.length : semicolon)
}

function splitPlain(text: string): ParamValue[] {
  const parts: ParamValue[] = []
  let at = 1
  while (at <= text.length) {
    const semicolon = text.indexOf(';', at)
    const end = semicolon < 0 ? text.length : semicolon
    const equals = text.indexOf('=', at)
    if (equals < 0 || equals > end) parts.push(text.slice(at, end), true)
    else parts.push(text.slice(at, equals), text.slice(equals + 1, end))
    at = end + 1
  }
  return parts
}

/** Nearly all parameters: no space, no quotes. One pass tells; they are taken apart when somebody asks for one. */
const plainParams = new RegExp(`(?:;[${TOKEN.source}]+(?:=[${VALUE.source}]+)?)+$`, 'y')

/** Parameters from there to the end of the text, if they have neither space nor quotes. */
export function plainParamsAt(text: string, at: number): Params | undefined {
  if (at === text.length) return Params.empty
  plainParams.lastIndex = at
  return plainParams.test(text) ? Params.plain(text.slice(at)) : undefined
}

/** `*( SEMI generic-param )` from the scanner's position on (RFC 3261 §25.1). */
export function scanParams(scanner: Scanner): Params {
  const { text, at, end } = scanner
  if (at >= end) return Params.empty
  const plain = end === text.length ? plainParamsAt(text, at) : undefined
  if (plain !== undefined) {
    scanner.at = end
    return plain
  }
  const flat: ParamValue[] = []
  scanner.space()
  while (scanner.peek() === 59) {
    scanner.at++
    scanner.space()
    scanParam(scanner, flat)
    scanner.space()
  }
  return Params.raw(flat)
}

export function scanParam(scanner: Scanner, flat: ParamValue[]): void {
  const { text, end } = scanner
  const from = scanner.at
  const nameEnd = skip(text, from, end, TOKEN)
  if (nameEnd === from) throw scanner.fail('expected a parameter name')
  scanner.at = nameEnd
  let next = nameEnd < end ? text.charCodeAt(nameEnd) : -1
  if (next === 32 || next === 9) {
    scanner.space()
    next = scanner.peek()
  }
  flat.push(text.slice(from, nameEnd))
  if (next !== 61) {
    flat.push(true)
    return
  }
  scanner.at++
  scanner.space()
  if (scanner.peek() === 34) flat.push(scanner.rawQuoted())
  else flat.push(scanner.run(VALUE, 'a parameter value'))
}
