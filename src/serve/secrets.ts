import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { FieldPath, FoundProblem } from './problems.ts'
import { writePath } from './problems.ts'

/** Fields that are said aloud anyway, so that what comes into them from the environment is no secret. */
const openFields: ReadonlySet<string> = new Set([
  'endpoint.listen',
  'endpoint.publicAddress',
  'endpoint.rtp.minPort',
  'endpoint.rtp.maxPort',
  'environment',
  'recording.folder',
  'traces.folder',
  'health.host',
  'health.port',
])

const hidden = '***'

/** Takes secrets out of everything that is said. */
export class Redactor {
  readonly #secrets = new Set<string>()
  #pattern: RegExp | undefined

  /** Also as it stands in URLs and in JSON. */
  add(secret: string): void {
    for (const form of [
      secret,
      encodeURIComponent(secret),
      encodeURI(secret),
      JSON.stringify(secret).slice(1, -1),
    ])
      if (form !== '') this.#secrets.add(form)
    this.#pattern = new RegExp(
      [...this.#secrets]
        .toSorted((a, b) => b.length - a.length)
        .map(patternOf)
        .join('|'),
      'g',
    )
  }

  /** What another has learned. */
  addAll(other: Redactor): void {
    for (const secret of other.#secrets) this.add(secret)
  }

  text(text: string): string {
    return this.#pattern === undefined ? text : text.replaceAll(this.#pattern, hidden)
  }

  /** Plain data, however deep. */
  value<T>(value: T): T {
    if (this.#pattern === undefined) return value
    if (typeof value === 'string') return this.text(value) as T
    if (Array.isArray(value)) return value.map(each => this.value<unknown>(each)) as T
    if (typeof value !== 'object' || value === null) return value
    if (value instanceof Error) return this.text(value.message) as T
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [this.text(name), this.value<unknown>(inner)]),
    ) as T
  }
}

/** A short one only where it stands alone, or half of all words would be gone. */
function patternOf(secret: string): string {
  const escaped = secret.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)
  return secret.length < 6 ? String.raw`(?<!\w)${escaped}(?!\w)` : escaped
}

export interface SecretPlaces {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where relative paths begin. */
  readonly folder: string
  readonly redactor: Redactor
  readonly problems: FoundProblem[]
}

/** A copy with each `${env:NAME}` and `${file:PATH}` of its texts filled in; `$${` stands for `${` itself. */
export function fillIn(value: unknown, places: SecretPlaces, path: FieldPath = []): unknown {
  if (typeof value === 'string') return fillText(value, places, path)
  if (Array.isArray(value)) return value.map((each, index) => fillIn(each, places, [...path, index]))
  if (!isPlain(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([name, inner]) => [name, fillIn(inner, places, [...path, name])]),
  )
}

function fillText(text: string, places: SecretPlaces, path: FieldPath): string {
  return text.replaceAll(/\$\$\{|\$\{([^}]*)\}/g, (match, inside: string | undefined) => {
    if (inside === undefined) return '${'
    const found = lookUp(inside, places)
    if ('secret' in found) {
      if (!openFields.has(writePath(path).replace(/\[\d+\]$/, ''))) places.redactor.add(found.secret)
      return found.secret
    }
    places.problems.push({ path, message: found.message })
    // So that the rest of the field is not found fault with as well.
    return match
  })
}

function lookUp(
  what: string,
  { env, folder }: SecretPlaces,
): { readonly secret: string } | { readonly message: string } {
  const [, kind, name = ''] = /^(\w+):(.+)$/s.exec(what) ?? []
  if (kind === 'env') {
    const secret = env[name]
    if (secret === undefined || secret === '')
      return {
        message: `the environment variable ${name} is ${secret === undefined ? 'not set' : 'empty'}; set it where offhook is started`,
      }
    return { secret }
  }
  if (kind === 'file') {
    const file = isAbsolute(name) ? name : join(folder, name)
    try {
      const secret = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
      return secret === '' ? { message: `the file ${name} is empty` } : { secret }
    } catch (error) {
      return {
        message: `the file ${name} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
      }
    }
  }
  return {
    message: `\${${kind ?? '…'}} is not known; write \${env:NAME} or \${file:PATH}, and $\${ for the characters themselves`,
  }
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
