import { isAscii } from 'node:buffer'
import { hasLineBreak, isToken } from './chars.ts'
import type { HeaderDefinition } from './definition.ts'
import { SipParseError, SipSerialiseError } from './errors.ts'
import { NameAddr } from './name-addr.ts'
import { canonicalName, idOf } from './names.ts'

/** How the lines of a received section end. */
export type LineBreaks = 'crlf' | 'lf' | 'stray'

/** The octets of one received header section, turned into text once, when the first value is asked for. */
export class Section {
  readonly #bytes: Buffer
  readonly #start: number
  #end: number
  #text: string | undefined
  #ascii = true
  #breaks: LineBreaks | undefined

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = start
  }

  /** Says where the section ends. */
  close(end: number): void {
    this.#end = end
    this.#text = undefined
  }

  /** One character an octet, so that offsets hold; `textAt` gives what it means. */
  get octets(): string {
    if (this.#text === undefined) {
      // One native pass over the whole section costs less than one for each value.
      this.#text = this.#bytes.toString('latin1', 0, this.#end)
      this.#ascii = isAscii(this.#bytes)
    }
    return this.#text
  }

  textAt(from: number, to: number): string {
    const text = this.octets.slice(from, to)
    return this.#ascii ? text : fromOctets(text)
  }

  /** Only a section of `crlf` may be sent on as it is; in a `stray` one a CR stands without LF (or LF within a line). */
  get breaks(): LineBreaks {
    return (this.#breaks ??= this.#lookAtBreaks())
  }

  #lookAtBreaks(): LineBreaks {
    const bytes = this.#bytes
    let breaks: LineBreaks = 'crlf'
    for (let at = this.#start; at < this.#end; at++) {
      const code = bytes[at] as number
      if (code > 13) continue
      if (code === 13) {
        if (bytes[at + 1] !== 10) return 'stray'
        at++
      } else if (code === 10) breaks = 'lf'
    }
    return breaks
  }
}

/** UTF-8 text from a string of octets. */
export function fromOctets(octets: string): string {
  for (let at = 0; at < octets.length; at++) {
    if (octets.charCodeAt(at) > 127) return Buffer.from(octets, 'latin1').toString('utf8')
  }
  return octets
}

/** A string of octets from text: what `latin1Write` needs to put UTF-8 on the wire. */
export function toOctets(text: string): string {
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) > 127) return Buffer.from(text, 'utf8').toString('latin1')
  }
  return text
}

/** One header line, received (offsets into a section) or made here (name and value). */
export class HeaderField {
  /** Of the table of names; 0 for an unknown header. */
  readonly id: number
  readonly section: Section | undefined
  readonly start: number
  readonly nameEnd: number
  /** Where the value starts, on this line or a continuation. */
  readonly valueStart: number
  /** Behind the line's CRLF. */
  readonly end: number
  readonly folded: boolean
  #name: string | undefined
  #value: string | undefined
  #definition: HeaderDefinition<unknown> | undefined
  #parsed: unknown

  constructor(
    id: number,
    section: Section | undefined,
    start: number,
    nameEnd: number,
    valueStart: number,
    end: number,
    folded: boolean,
    name?: string,
    value?: string,
  ) {
    this.id = id
    this.section = section
    this.start = start
    this.nameEnd = nameEnd
    this.valueStart = valueStart
    this.end = end
    this.folded = folded
    this.#name = name
    this.#value = value
    this.#definition = undefined
    this.#parsed = undefined
  }

  /** @throws SipSerialiseError for what would break the message apart */
  static create(name: string, value: string): HeaderField {
    if (!isToken(name)) throw new SipSerialiseError(name, 'not a header name')
    if (hasLineBreak(value)) throw new SipSerialiseError(name, 'the value contains CR, LF or NUL')
    return HeaderField.trusted(name, value)
  }

  /** For values made from received ones: no line breaks are in those. */
  static trusted(name: string, value: string): HeaderField {
    const id = idOf(name)
    return new HeaderField(id, undefined, 0, 0, 0, 0, false, name, value.trim())
  }

  /** As written. */
  get name(): string {
    return (this.#name ??= (this.section as Section).octets.slice(this.start, this.nameEnd))
  }

  /** Unfolded, without the space around it. */
  get value(): string {
    if (this.#value === undefined) {
      const section = this.section as Section
      this.#value = this.folded
        ? unfold(section.textAt(this.valueStart, this.end))
        : section.textAt(this.valueStart, this.#valueEnd())
    }
    return this.#value
  }

  #valueEnd(): number {
    const { octets } = this.section as Section
    let { end } = this
    while (end > this.valueStart && isBlank(octets.charCodeAt(end - 1))) end--
    return end
  }

  /** What the definition makes of the value, kept for the next time. */
  parse<T>(definition: HeaderDefinition<T>): T {
    if (this.#definition === definition) return this.#parsed as T
    try {
      this.remember(definition, definition.parse(this.value))
    } catch (error) {
      throw this.#locate(error, definition.name)
    }
    return this.#parsed as T
  }

  checkUris(definition: HeaderDefinition<NameAddr | readonly NameAddr[] | '*'>): void {
    const value = this.parse(definition)
    if (value === '*') return
    try {
      if (value instanceof NameAddr) value.checkUri()
      else for (const address of value) address.checkUri()
    } catch (error) {
      throw this.#locate(error, definition.name)
    }
  }

  /** Turns an offset in the value into one in the message (the start of the value, if it was folded). */
  #locate(error: unknown, header: string): unknown {
    if (!(error instanceof SipParseError)) return error
    const offset = this.valueStart + (this.folded ? 0 : error.offset)
    return error.with({ offset, header })
  }

  remember<T>(definition: HeaderDefinition<T>, value: T): void {
    this.#definition = definition
    this.#parsed = value
  }

  matches(id: number, lowerName: string): boolean {
    return id !== 0 ? this.id === id : this.id === 0 && this.name.toLowerCase() === lowerName
  }

  /** The line as octets, without its CRLF. */
  get line(): string {
    return `${this.name}: ${toOctets(this.value)}`
  }

  /** The name to use when this line is replaced: as it was written, or the usual spelling. */
  get canonicalName(): string {
    return canonicalName(this.id) ?? this.name
  }
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9 || code === 13 || code === 10
}

/** Joins continuation lines with one space (RFC 3261 §7.3.1). */
function unfold(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join(' ')
}
