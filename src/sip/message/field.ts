import { hasLineBreak, isToken } from './chars.ts'
import type { HeaderDefinition } from './definition.ts'
import { SipParseError, SipSerialiseError } from './errors.ts'
import { NameAddr } from './name-addr.ts'
import { idOf } from './names.ts'
import type { Section } from './section.ts'

/** One header line, received (offsets into a section) or made here (name and value). */
export class HeaderField {
  /** Of the table of names; 0 for an unknown header. */
  readonly id: number
  readonly section: Section | undefined
  readonly start: number
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
    valueStart: number,
    end: number,
    folded: boolean,
    name?: string,
    value?: string,
  ) {
    this.id = id
    this.section = section
    this.start = start
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
    return new HeaderField(id, undefined, 0, 0, 0, false, name, value.trim())
  }

  /** As written. */
  get name(): string {
    if (this.#name === undefined) {
      const { octets } = this.section as Section
      this.#name = octets.slice(this.start, octets.indexOf(':', this.start)).trimEnd()
    }
    return this.#name
  }

  /** Unfolded, without the space around it. */
  get value(): string {
    if (this.#value === undefined) {
      const section = this.section as Section
      this.#value = this.folded
        ? unfold(section.textAt(this.valueStart, this.end))
        : section.textAt(this.valueStart, section.trimmedEnd(this.valueStart, this.end))
    }
    return this.#value
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

  /** The value without a stray CR that nobody refused: the next hop may see a line end in it. */
  get cleanValue(): string {
    return this.value.replace(/[\r\n]/g, ' ')
  }
}

/** Joins continuation lines with one space (RFC 3261 §7.3.1). */
function unfold(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join(' ')
}

const foldedBit = 128
const idBits = 127
/** Stands for a line that is no header line: nobody finds it. */
const noHeader = 127

/** A header line in one number: where it starts, whether it is folded, and its id in 24, 1 and 7 bits. */
export function lineMark(id: number, folded: boolean, start: number): number {
  return start * 256 + (folded ? foldedBit + id : id)
}

export function faultyMark(start: number): number {
  return start * 256 + noHeader
}

/**
 * The received lines before anybody asks for one: a number each. Most lines of most messages are never looked at, and
 * objects for them are what parsing would spend most of its time on.
 */
export class FieldIndex {
  readonly section: Section
  /** A line ends where the next one starts. */
  readonly #lines: readonly number[]
  /** Where the last line ends. */
  readonly #end: number
  /** With holes: nobody asks for most lines. */
  readonly #made: (HeaderField | undefined)[] = []

  constructor(section: Section, lines: readonly number[], end: number) {
    this.section = section
    this.#lines = lines
    this.#end = end
  }

  get size(): number {
    return this.#lines.length
  }

  /** Adds up the lines of each header, by id. */
  countLines(counts: Uint16Array): void {
    for (const mark of this.#lines) counts[mark & idBits] = (counts[mark & idBits] as number) + 1
  }

  /** The place of the next line with that id, from `from` on; -1 if there is none. */
  find(id: number, from = 0): number {
    const lines = this.#lines
    for (let place = from; place < lines.length; place++) {
      if (((lines[place] as number) & idBits) === id) return place
    }
    return -1
  }

  at(place: number): HeaderField {
    const made = this.#made[place]
    if (made !== undefined) return made
    const mark = this.#lines[place] as number
    const start = mark >>> 8
    const end = place + 1 < this.#lines.length ? (this.#lines[place + 1] as number) >>> 8 : this.#end
    const valueStart = this.section.skipSpace(this.section.octets.indexOf(':', start) + 1)
    const folded = (mark & foldedBit) !== 0
    const field = new HeaderField(mark & idBits, this.section, start, valueStart, end, folded)
    this.#made[place] = field
    return field
  }

  all(): HeaderField[] {
    const fields: HeaderField[] = []
    for (let place = 0; place < this.#lines.length; place++) {
      if (((this.#lines[place] as number) & idBits) !== noHeader) fields.push(this.at(place))
    }
    return fields
  }
}
