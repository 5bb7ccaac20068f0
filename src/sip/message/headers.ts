import type { HeaderDefinition } from './definition.ts'
import { HeaderField } from './field.ts'
import type { NameAddr } from './name-addr.ts'
import { idOf } from './names.ts'

/**
 * The header lines of one message in their order. Names are found in any case and in their compact form; values
 * are text, unfolded; a line that nobody changes is sent on as it was received. Setting a value that contains CR,
 * LF or NUL throws `SipSerialiseError`.
 */
export class Headers {
  #fields: HeaderField[]
  #lists: Map<HeaderDefinition<unknown>, unknown> | undefined

  constructor(fields: HeaderField[] = []) {
    this.#fields = fields
    this.#lists = undefined
  }

  static from(pairs: Iterable<readonly [string, string]>): Headers {
    return new Headers(Array.from(pairs, ([name, value]) => HeaderField.create(name, value)))
  }

  /** Header lines, for the serialiser and for copying lines untouched from one message to another. */
  get fields(): readonly HeaderField[] {
    return this.#fields
  }

  get size(): number {
    return this.#fields.length
  }

  /** The fields of one header, in order. */
  fieldsOf(name: string): HeaderField[] {
    const id = idOf(name)
    const lower = id === 0 ? name.toLowerCase() : ''
    return this.#fields.filter(field => field.matches(id, lower))
  }

  /** The first value of that header. */
  get(name: string): string | undefined {
    return this.#fields[this.#indexOf(name)]?.value
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
    const { id } = definition
    const fields = this.#fields
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as HeaderField
      if (field.id === id) return field.parse(definition)
    }
    return undefined
  }

  /** How many lines have that header. */
  count(definition: { readonly id: number }): number {
    let count = 0
    for (const field of this.#fields) if (field.id === definition.id) count++
    return count
  }

  /**
   * Takes the URIs of an address header apart, so that reading them later cannot throw.
   * @throws SipParseError with the header and the offset
   */
  checkUris(definition: HeaderDefinition<NameAddr | readonly NameAddr[] | '*'>): void {
    for (const field of this.#fields) if (field.id === definition.id) field.checkUris(definition)
  }

  #readList<T>(definition: HeaderDefinition<T>): T | undefined {
    const known = this.#lists?.get(definition)
    if (known !== undefined) return known as T
    const values: T[] = []
    for (const field of this.#fields) if (field.id === definition.id) values.push(field.parse(definition))
    if (values.length === 0) return undefined
    const value = values.length === 1 ? (values[0] as T) : definition.join(values)
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
