/** What a schema says of itself: its fields, for suggestions and for the page that lists them. */
import type { z } from 'zod'

/** The parts of a zod definition that lead further down. */
interface Definition {
  readonly type: string
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly out?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly element?: z.ZodType
  readonly valueType?: z.ZodType
  readonly getter?: () => z.ZodType
}

/** The names of the fields at a path; none where any name may stand, or nothing is known. */
export function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let here: readonly z.ZodType[] = unwrapped(schema)
  for (const step of path) here = here.flatMap(each => below(each, step)).flatMap(each => unwrapped(each))
  return here.flatMap(each => Object.keys(definition(each).shape ?? {}))
}

/** Every field, written as documentation does: `trunks.NAME.credentials.username`. What may hold itself is not looked into. */
export function fieldsOf(schema: z.ZodType, prefix = ''): readonly string[] {
  const found = new Set<string>()
  const note = (inner: z.ZodType, field: string): void => {
    for (const each of fieldsOf(inner, field)) found.add(each)
  }
  for (const each of unwrapped(schema, false)) {
    const { shape = {}, element, valueType } = definition(each)
    for (const [name, inner] of Object.entries(shape)) {
      const field = prefix === '' ? name : `${prefix}.${name}`
      found.add(field)
      note(inner, field)
    }
    if (valueType !== undefined) note(valueType, `${prefix}.NAME`)
    if (element !== undefined) note(element, `${prefix}[]`)
  }
  return [...found]
}

function below(schema: z.ZodType, step: PropertyKey): readonly z.ZodType[] {
  const { shape, element, valueType } = definition(schema)
  const next = typeof step === 'number' ? element : (shape?.[String(step)] ?? valueType)
  return next === undefined ? [] : [next]
}

/** Without what makes it optional or reads it differently; each choice of a union by itself. */
function unwrapped(schema: z.ZodType, deep = true): readonly z.ZodType[] {
  const { type, innerType, out, options, getter } = definition(schema)
  if (options !== undefined) return options.flatMap(each => unwrapped(each, deep))
  if (innerType !== undefined) return unwrapped(innerType, deep)
  if (deep && getter !== undefined) return unwrapped(getter(), deep)
  return type === 'pipe' && out !== undefined ? unwrapped(out, deep) : [schema]
}

function definition(schema: z.ZodType): Definition {
  const found: unknown = schema._zod.def
  return found as Definition
}
