import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'
import { OptionError } from '../runtime/errors.ts'

type OptionsConfig = NonNullable<ParseArgsConfig['options']>

interface ParsedArgs {
  readonly positionals: readonly string[]
  text(name: string): string | undefined
  texts(name: string): readonly string[]
  flag(name: string): boolean
  number(name: string): number | undefined
}

/** `node:util` parseArgs with errors that name the option. @throws OptionError */
export function readArgs(args: readonly string[], options: OptionsConfig): ParsedArgs {
  let parsed: ReturnType<typeof parseArgs>
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
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
    number: name => {
      const value = text(name)
      if (value === undefined) return undefined
      const number = Number(value)
      if (!(number >= 0)) throw new OptionError(`--${name}`, `"${value}" is not a number of 0 or more`)
      return number
    },
  }
}
