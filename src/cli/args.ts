import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'
import { OptionError } from '../runtime/errors.ts'

type OptionsConfig = NonNullable<ParseArgsConfig['options']>

interface ParsedArgs {
  readonly positionals: readonly string[]
  text(name: string): string | undefined
  texts(name: string): readonly string[]
  flag(name: string): boolean
  /** @throws OptionError when it is not a number of 0 or more, and at most `max` */
  number(name: string, max?: number): number | undefined
}

/**
 * `node:util` parseArgs with errors that name the option. Words that belong to no option are refused unless the command takes them.
 * @throws OptionError
 */
export function readArgs(
  args: readonly string[],
  options: OptionsConfig,
  { allowPositionals = false }: { readonly allowPositionals?: boolean } = {},
): ParsedArgs {
  let parsed: ReturnType<typeof parseArgs>
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals, strict: true })
  } catch (error) {
    throw new OptionError('arguments', `${(error as Error).message} (offhook --help lists them)`, {
      cause: error,
    })
  }
  const values = parsed.values as Record<string, string | boolean | (string | boolean)[] | undefined>
  const text = (name: string): string | undefined => {
    const value = values[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    positionals: parsed.positionals,
    text,
    texts: name => {
      const value = values[name]
      return Array.isArray(value) ? value.map(String) : []
    },
    flag: name => values[name] === true,
    number: (name, max = Number.MAX_SAFE_INTEGER) => {
      const value = text(name)
      if (value === undefined) return undefined
      const number = value.trim() === '' ? Number.NaN : Number(value)
      if (!(number >= 0)) throw new OptionError(`--${name}`, `"${value}" is not a number of 0 or more`)
      if (number > max) throw new OptionError(`--${name}`, `${value} is more than ${max}`)
      return number
    },
  }
}
