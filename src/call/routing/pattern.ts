import { OptionError } from '../../runtime/errors.ts'
import type { Pattern } from './types.ts'

/** A longer text fits nothing: expressions are somebody's, and their time grows with the text. */
const MAX_TEXT = 256

/** @throws OptionError naming `field` */
export function matcherOf(pattern: Pattern | readonly Pattern[], field: string): (text: string) => boolean {
  const list = Array.isArray(pattern) ? (pattern as readonly Pattern[]) : [pattern as Pattern]
  if (list.length === 0)
    throw new OptionError(field, 'the list is empty and fits nothing; leave the field out')
  const expressions = list.map((one, index) =>
    expressionOf(one, list.length > 1 ? `${field}[${index}]` : field),
  )
  return text => text.length <= MAX_TEXT && expressions.some(expression => expression.test(text))
}

function expressionOf(pattern: Pattern, field: string): RegExp {
  // Stateful flags would make every other call miss.
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''))
  if (typeof pattern !== 'string') throw new OptionError(field, 'give text with * and ?, or an expression')
  const between = /^\/(.+)\/([imsu]*)$/s.exec(pattern)
  if (between !== null) {
    try {
      return new RegExp(between[1] as string, between[2])
    } catch (error) {
      throw new OptionError(field, `no regular expression: ${(error as Error).message}`)
    }
  }
  const source = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
  return new RegExp(`^${source.replaceAll(/\*+/g, '.*').replaceAll('?', '.')}$`, 'is')
}

/** Whether it fits every text. */
export function fitsAll(pattern: Pattern | readonly Pattern[]): boolean {
  const list = Array.isArray(pattern) ? (pattern as readonly Pattern[]) : [pattern as Pattern]
  return list.some(one => typeof one === 'string' && /^\*+$/.test(one))
}
