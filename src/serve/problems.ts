import type { z } from 'zod'
import { OptionError, SipError } from '../runtime/errors.ts'
import { namesAt } from './schema-walk.ts'

export type FieldPath = readonly PropertyKey[]

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  readonly file: string
  /** From 1; absent in modules, which say it by the field alone. */
  readonly line?: number
  readonly column?: number
  /** `trunks.carrier.credentials.password`; empty for the file as a whole. */
  readonly field: string
  /** What is wrong, and what to do; never the value of a secret. */
  readonly message: string
}

/** A problem whose place is still to be found. */
export interface FoundProblem {
  readonly path: FieldPath
  readonly message: string
  /** The last step is the name of a field that is too much. */
  readonly atKey?: boolean
}

/** The configuration cannot be used. */
export class ConfigError extends SipError {
  override readonly name: string = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super('SIP_OPTION', problems.map(writeProblem).join('\n'))
    this.problems = problems
  }
}

/** `serve.yaml:12:5: trunks.carrier.preset: …` */
export function writeProblem({ file, line, column, field, message }: ConfigProblem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`
  return `${place}: ${field === '' ? '' : `${field}: `}${message}`
}

/** `routes[0].to.agent` */
export function writePath(path: FieldPath): string {
  return path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${quoted(String(step))}`,
    )
    .join('')
}

function quoted(step: string): string {
  return /^[\w-]+$/.test(step) ? step : JSON.stringify(step)
}

/** The path an `OptionError` names, below where its options stood. */
export function pathOf(field: string): FieldPath {
  return [...field.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([step, index]) =>
    index === undefined ? step : Number(index),
  )
}

/**
 * What `work` gives; undefined when it threw an `OptionError`, which is noted as a problem below `path`. `names` has what its fields are
 * called here.
 */
export function noting<T>(
  problems: FoundProblem[],
  path: FieldPath,
  work: () => T,
  names: Readonly<Record<string, FieldPath>> = {},
): T | undefined {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof OptionError)) throw error
    const [first, ...rest] = pathOf(error.field)
    problems.push({
      path: [...path, ...(names[String(first)] ?? (first === undefined ? [] : [first])), ...rest],
      message: error.message.slice(error.field.length + 2),
    })
    return undefined
  }
}

/** The value, or what is wrong with it, in words. */
export function checkShape<T>(
  schema: z.ZodType<T>,
  value: unknown,
  path: FieldPath,
  problems: FoundProblem[],
): T | undefined {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  for (const issue of result.error.issues) problems.push(...described(issue, value, path, schema))
  return undefined
}

type Issue = z.core.$ZodIssue

function described(issue: Issue, value: unknown, above: FieldPath, schema: z.ZodType): FoundProblem[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    const known = namesAt(schema, issue.path)
    return issue.keys.map(key => ({
      path: [...path, key],
      message: `there is no such field here; ${suggestion(key, known)}`,
      atKey: true,
    }))
  }
  const given = valueAt(value, issue.path)
  if (issue.code === 'invalid_union') {
    const branch = chosenBranch(issue.errors)
    if (branch !== undefined && given !== undefined)
      return branch.flatMap(inner =>
        described({ ...inner, path: [...issue.path, ...inner.path] }, value, above, schema),
      )
    const wanted = issue.errors.flat().map(inner => expectation(inner))
    return [{ path, message: `${kindOf(given)}; give ${[...new Set(wanted)].join(' or ')}` }]
  }
  if (given === undefined) return [{ path, message: `it is missing; give ${expectation(issue)}` }]
  if (issue.code === 'custom') return [{ path, message: issue.message }]
  return [{ path, message: `${kindOf(given, issue)}; give ${expectation(issue)}` }]
}

/** The choice that fits best, among those of the same kind as the value: what the writer meant. */
function chosenBranch(errors: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return errors
    .filter(issues => issues.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'))
    .toSorted((a, b) => a.length - b.length)[0]
}

const types: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'fields of its own',
  record: 'names with fields of their own',
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return types[issue.expected] ?? issue.expected
    case 'invalid_value':
      return `${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`
    case 'too_small':
      return issue.origin === 'number' ? `${issue.minimum} or more` : 'at least one'
    case 'too_big':
      return `${issue.maximum} at most`
    case 'invalid_format':
      return formats[String(issue.path.at(-1))] ?? `a text of the form ${issue.pattern ?? issue.format}`
    default:
      return issue.message
  }
}

const formats: Readonly<Record<string, string>> = {
  url: 'ws:// or wss:// and the rest of the address',
  defaultCountry: 'two capital letters, as DE',
}

/** What is there instead, without the value itself: it may be a secret. */
function kindOf(given: unknown, issue?: Issue): string {
  if (given === undefined) return 'it is missing'
  if (given === null) return 'it is empty'
  if (issue?.code === 'invalid_value') return 'it is none of those known'
  if (issue?.code === 'too_small') return issue.origin === 'number' ? 'it is too small' : 'it is empty'
  if (issue?.code === 'too_big') return 'it is too much'
  if (issue?.code === 'invalid_format') return 'it is not written as it must be'
  if (typeof given === 'number' && issue?.code === 'invalid_type' && issue.expected === 'string')
    return 'it is read as a number: put it into quotes'
  if (Array.isArray(given)) return 'it is a list'
  return (
    { string: 'it is a text', number: 'it is a number', boolean: 'it is true or false' }[
      typeof given as 'string'
    ] ?? 'it has fields of its own'
  )
}

function valueAt(value: unknown, path: FieldPath): unknown {
  let here = value
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined
    here = (here as Record<PropertyKey, unknown>)[step]
  }
  return here
}

/** `did you mean listen?`, or all there are. */
export function suggestion(name: string, known: readonly string[]): string {
  const [best] = known
    .map(each => ({ each, distance: distanceOf(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, distance }) => distance <= Math.max(2, each.length / 3))
    .toSorted((a, b) => a.distance - b.distance)
  if (best !== undefined) return `did you mean ${best.each}?`
  return known.length === 0 ? 'take it out' : `there are ${known.join(', ')}`
}

/** Levenshtein: letters to add, take out or change. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let index = 0; index < a.length; index += 1) {
    const next = [index + 1]
    for (let at = 0; at < b.length; at += 1)
      next.push(Math.min(next[at]! + 1, row[at + 1]! + 1, row[at]! + (a[index] === b[at] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
