import { SipParseError } from './errors.ts'
import { canonicalName, idOf } from './names.ts'
import { splitList } from './scanner.ts'

/**
 * What one header means: how its value is read and written. Use it with `message.get(definition)` and
 * `message.set(definition, value)`.
 */
export interface HeaderDefinition<T> {
  readonly id: number
  readonly name: string
  /** Whether several header lines make one value. */
  readonly list: boolean
  /** @throws SipParseError with the offset in `text` */
  parse(text: string): T
  /** One string for each header line to write. */
  write(value: T): readonly string[]
  /** Joins the values of several lines; lists only. */
  join(values: readonly T[]): T
}

function idFor(name: string): number {
  const id = idOf(name)
  if (id === 0) throw new Error(`${name} is missing from the table of header names`)
  return id
}

/** A header that may stand once. */
export function single<T>(
  name: string,
  parse: (text: string) => T,
  write: (value: T) => string = String,
): HeaderDefinition<T> {
  const id = idFor(name)
  return {
    id,
    name: canonicalName(id) as string,
    list: false,
    parse,
    write: value => [write(value)],
    join: values => values[0] as T,
  }
}

export interface ListOptions {
  /** An empty value is an error: the grammar asks for one element at least. */
  nonEmpty?: boolean
  /** Each element gets a header line of its own. */
  lines?: boolean
}

/** A header whose value is a comma-separated list, on one line or several (RFC 3261 §7.3.1). */
export function list<T>(
  name: string,
  parse: (element: string) => T,
  write: (element: T) => string = String,
  options: ListOptions = {},
): HeaderDefinition<readonly T[]> {
  const id = idFor(name)
  return {
    id,
    name: canonicalName(id) as string,
    list: true,
    parse(text) {
      if (text !== '' && !text.includes(',')) return [parse(text)]
      const parts = splitList(text)
      if (parts.length === 0 && options.nonEmpty === true) throw new SipParseError('the value is empty')
      return parts.map(parse)
    },
    write: values => {
      const elements = values.map(write)
      return options.lines === true || elements.length === 0 ? elements : [elements.join(', ')]
    },
    join: values =>
      values.length === 1 ? (values[0] as readonly T[]) : values.flat<readonly (readonly T[])[]>(1),
  }
}
