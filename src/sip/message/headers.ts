import type { HeaderDefinition } from './definition.ts'
import { SipParseError } from './errors.ts'
import { HeaderField } from './field.ts'
import type { FieldIndex } from './field.ts'
import { idOf } from './names.ts'

const none: readonly HeaderField[] = []

/**
 * The header lines of one message in their order. Names are found in any case and in their compact form; values
 * are text, unfolded; a line that nobody changes is sent on as it was received. Setting a value that contains CR,
 * LF or NUL throws `SipSerialiseError`.
 */
export class Headers {
  /** Received lines, until something is changed or all are asked for. */
  #index: FieldIndex | undefined
  #made: HeaderField[]
  #lists: Map<HeaderDefinition<unknown>, unknown> | undefined

  constructor(fields: HeaderField[] = [], index?: FieldIndex) {
    this.#index = index
    this.#made = fields
    this.#lists = undefined
  }

  static from(pairs: Iterable<readonly [string, string]>): Headers {
    return new Headers(Array.from(pairs, ([name, value]) => HeaderField.create(name, value)))
  }

  /** Header lines, for the serialiser and for copying lines untouched from one message to another. */
  get fields(): readonly HeaderField[] {
    return this.#fields
  }

  get #fields(): HeaderField[] {
    if (this.#index !== undefined) {
      this.#made = this.#index.all()
      this.#index = undefined
    }
    return this.#made
  }

  set #fields(fields: HeaderField[]) {
    this.#index = undefined
    this.#made = fields
  }

  get size(): number {
    return this.#index?.size ?? this.#made.length
  }

  /** The fields of one header, in order. */
  fieldsOf(name: string): HeaderField[] {
    const id = idOf(name)
    const lower = id === 0 ? name.toLowerCase() : ''
    return this.#fields.filter(field => field.matches(id, lower))
  }

  /** The first value of that header. */
  get(name: string): string | undefined {
    const id = idOf(name)
    return id === 0 ? this.#fields[this.#indexOf(name)]?.value : this.#next(id, 0)?.value
  }

  /** The values of all lines with that header; lists are not taken apart. */
  getAll(name: string): string[] {
    return this.fieldsOf(name).map(field => field.value)
  }

  has(name: string): boolean {
    return this.#indexOf(name) >= 0
  }

  /** Replaces every line of that header; the first keeps its place. */
  set(name: string, value: string | readonly string[]): void {
    const values = typeof value === 'string' ? [value] : value
    this.#replace(
      name,
      values.map(one => HeaderField.create(name, one)),
    )
  }

  append(name: string, value: string): void {
    this.#insert(this.#fields.length, HeaderField.create(name, value))
  }

  /** Puts the line in front of the first one with that header (of all others if there is none). */
  prepend(name: string, value: string): void {
    this.#insert(Math.max(0, this.#indexOf(name)), HeaderField.create(name, value))
  }

  /** Copies a line untouched, as it was received. */
  appendField(field: HeaderField): void {
    this.#insert(this.#fields.length, field)
  }

  delete(name: string): boolean {
    const before = this.#fields.length
    this.#replace(name, [])
    return this.#fields.length < before
  }

  /** Takes away the first line of that header and returns its value. */
  removeFirst(name: string): string | undefined {
    const index = this.#indexOf(name)
    if (index < 0) return undefined
    this.#lists = undefined
    return this.#fields.splice(index, 1)[0]?.value
  }

  clone(): Headers {
    return new Headers([...this.#fields])
  }

  /**
   * The value as the definition reads it, `undefined` if the header is absent.
   * @throws SipParseError with the header and the offset
   */
  read<T>(definition: HeaderDefinition<T>): T | undefined {
    return definition.list ? this.#readList(definition) : this.first(definition)
  }

  /** What the definition makes of the first line with that header. */
  first<T>(definition: HeaderDefinition<T>): T | undefined {
    return this.#next(definition.id, 0)?.parse(definition)
  }

  /** Writes into `counts`, which has room for every id, how many lines there are of each header. */
  countLines(counts: Uint16Array): void {
    counts.fill(0)
    if (this.#index !== undefined) this.#index.countLines(counts)
    else for (const { id } of this.#made) counts[id] = (counts[id] as number) + 1
  }

  /** The lines of one header, in order. */
  linesOf(definition: { readonly id: number }): readonly HeaderField[] {
    return this.#all(definition.id)
  }

  /**
   * Checks that the lines end as lines should.
   * @throws SipParseError where a CR stands without LF
   */
  checkLineBreaks(): void {
    const section = this.#index?.section ?? this.#made.find(field => field.section !== undefined)?.section
    if (section?.breaks === 'stray') throw new SipParseError('CR without LF in a header')
  }

  #next(id: number, from: number): HeaderField | undefined {
    const index = this.#index
    if (index !== undefined) {
      const place = index.find(id, from)
      return place < 0 ? undefined : index.at(place)
    }
    const fields = this.#made
    for (let i = from; i < fields.length; i++) if ((fields[i] as HeaderField).id === id) return fields[i]
    return undefined
  }

  /** The lines with that id. */
  #all(id: number): readonly HeaderField[] {
    const index = this.#index
    if (index === undefined) return this.#made.filter(field => field.id === id)
    let place = index.find(id)
    if (place < 0) return none
    const found = [index.at(place)]
    while ((place = index.find(id, place + 1)) >= 0) found.push(index.at(place))
    return found
  }

  #readList<T>(definition: HeaderDefinition<T>): T | undefined {
    const known = this.#lists?.get(definition)
    if (known !== undefined) return known as T
    const { id } = definition
    const index = this.#index
    if (index !== undefined) {
      // One line is what most messages have of most lists.
      const place = index.find(id)
      if (place < 0) return undefined
      if (index.find(id, place + 1) < 0) return index.at(place).parse(definition)
    }
    const fields = this.#all(id)
    if (fields.length < 2) return fields[0]?.parse(definition)
    const value = definition.join(fields.map(field => field.parse(definition)))
    this.#lists ??= new Map()
    this.#lists.set(definition, value)
    return value
  }

  /** Replaces every line of the header by what the definition writes; `undefined` takes the header away. */
  write<T>(definition: HeaderDefinition<T>, value: T | undefined): void {
    const lines = value === undefined ? [] : definition.write(value)
    this.#replace(
      definition.name,
      lines.map(line => HeaderField.create(definition.name, line)),
    )
  }

  /** Replaces the first line with that header, or puts the new one first. */
  replaceFirst(name: string, values: readonly string[]): void {
    const index = this.#indexOf(name)
    const fields = values.map(value => HeaderField.create(name, value))
    this.#lists = undefined
    this.#fields.splice(Math.max(0, index), index < 0 ? 0 : 1, ...fields)
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (const field of this.#fields) yield [field.name, field.value]
  }

  #indexOf(name: string): number {
    const id = idOf(name)
    const lower = id === 0 ? name.toLowerCase() : ''
    return this.#fields.findIndex(field => field.matches(id, lower))
  }

  #insert(index: number, field: HeaderField): void {
    this.#lists = undefined
    this.#fields.splice(index, 0, field)
  }

  #replace(name: string, fields: readonly HeaderField[]): void {
    const id = idOf(name)
    const lower = id === 0 ? name.toLowerCase() : ''
    const kept: HeaderField[] = []
    let placed = false
    for (const field of this.#fields) {
      if (!field.matches(id, lower)) kept.push(field)
      else if (!placed) {
        kept.push(...fields)
        placed = true
      }
    }
    if (!placed) kept.push(...fields)
    this.#lists = undefined
    this.#fields = kept
  }
}
