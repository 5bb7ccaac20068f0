import { readFileSync } from 'node:fs'
import { dirname, extname, resolve } from 'node:path'
import { OptionError } from '../runtime/errors.ts'
import { realWork } from '../runtime/real-work.ts'
import { checkAgentShapes } from './agents.ts'
import { readDocument } from './document.ts'
import type { ConfigDocument } from './document.ts'
import { importDefault } from './modules.ts'
import { makePlan } from './plan.ts'
import type { ServePlan } from './plan.ts'
import { checkShape, ConfigError, writePath } from './problems.ts'
import type { ConfigProblem, FoundProblem } from './problems.ts'
import { configSchema } from './schema.ts'
import { fillIn, Redactor } from './secrets.ts'

export interface LoadOptions {
  /** Where `${env:NAME}` looks. Default: that of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

const moduleEndings: ReadonlySet<string> = new Set(['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'])
const documentEndings: ReadonlySet<string> = new Set(['.yaml', '.yml', '.json'])

/**
 * Reads a configuration, checks all of it, and loads its agents. Relative paths in it begin at its folder.
 * @throws ConfigError with everything that is wrong, and where
 */
export async function loadConfig(file: string, { env = process.env }: LoadOptions = {}): Promise<ServePlan> {
  const document = await readConfig(file)
  const redactor = new Redactor()
  const problems: FoundProblem[] = []
  const folder = dirname(resolve(file))
  const value = fillIn(document.value, { env, folder, redactor, problems })
  const shapeProblems: FoundProblem[] = []
  const config = checkShape(configSchema, value, [], shapeProblems)
  if (config === undefined) checkAgentShapes((value as { agents?: unknown } | null)?.agents, shapeProblems)
  // What is said of a field already is not said twice.
  for (const problem of shapeProblems)
    if (!problems.some(({ path }) => writePath(path) === writePath(problem.path))) problems.push(problem)
  const plan = config === undefined ? undefined : await makePlan(config, { file, folder, redactor, problems })
  if (plan === undefined || problems.length > 0)
    throw new ConfigError(
      problems.map(problem => placed(problem, file, document, redactor)).toSorted(inOrder),
    )
  return plan
}

function placed(
  { path, message, atKey }: FoundProblem,
  file: string,
  document: ConfigDocument,
  redactor: Redactor,
): ConfigProblem {
  const position = document.positionOf(path, atKey)
  return { file, ...position, field: redactor.text(writePath(path)), message: redactor.text(message) }
}

function inOrder(a: ConfigProblem, b: ConfigProblem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
}

async function readConfig(file: string): Promise<ConfigDocument> {
  const ending = extname(file).toLowerCase()
  if (moduleEndings.has(ending)) return readModule(file)
  if (!documentEndings.has(ending))
    throw new ConfigError([
      {
        file,
        field: '',
        message: `its name must end in ${[...documentEndings, ...moduleEndings].join(', ')}`,
      },
    ])
  try {
    return readDocument(readFileSync(file, 'utf8'), file)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(error)
    throw new ConfigError([{ file, field: '', message: `${reason}; give the path of the configuration` }])
  }
}

async function readModule(file: string): Promise<ConfigDocument> {
  const value = await importDefault(file).catch((error: unknown) => {
    throw new ConfigError([
      { file, field: '', message: error instanceof OptionError ? error.message.slice(6) : String(error) },
    ])
  })
  const made: unknown = typeof value === 'function' ? await realWork(callOf(value as () => unknown)) : value
  if (typeof made !== 'object' || made === null)
    throw new ConfigError([
      { file, field: '', message: 'it must export default the configuration, or a function that gives it' },
    ])
  return { value: made, positionOf: () => undefined }
}

async function callOf(make: () => unknown): Promise<unknown> {
  return make()
}
