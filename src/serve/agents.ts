import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Agent } from '../agent/agent.ts'
import { demoMenu } from '../agent/demo-menu.ts'
import { echoAgent } from '../agent/echo.ts'
import { openAiAgent } from '../agent/openai/agent.ts'
import { streamAgent } from '../agent/streams/client.ts'
import type { StreamAgentOptions } from '../agent/streams/options.ts'
import { OptionError } from '../runtime/errors.ts'
import type { Runtime, TlsOptions } from '../runtime/runtime.ts'
import type {
  AgentConfig,
  BuiltInAgentConfig,
  ModuleAgentConfig,
  OpenAiAgentConfig,
  StreamAgentConfig,
  TlsFiles,
} from './config.ts'
import { importDefault } from './modules.ts'
import { checkShape, noting, suggestion } from './problems.ts'
import type { FieldPath, FoundProblem } from './problems.ts'
import type { ServedTwilioRest } from './twilio-rest.ts'
import { agentSchemas, isAgent } from './schema.ts'

/** Where an agent runs. */
export interface AgentHost extends Pick<Runtime, 'clock' | 'network'> {
  /** For bots of Twilio's dialect. */
  readonly twilioRest?: Pick<ServedTwilioRest, 'accountSid' | 'track'>
}

/** Makes the agent once it is known where it runs; `agentNamed` finds those it names. */
export type AgentMaker = (host: AgentHost, agentNamed: (name: string) => Agent) => Agent

const builtIn: Readonly<Record<BuiltInAgentConfig['builtIn'], () => Agent | Promise<Agent>>> = {
  echo: echoAgent,
  menu: demoMenu,
}

/** Every agent of a configuration, checked and loaded. */
export async function planAgents(
  given: Readonly<Record<string, unknown>>,
  folder: string,
  problems: FoundProblem[],
): Promise<ReadonlyMap<string, AgentMaker>> {
  const makers = new Map<string, AgentMaker>()
  const engines = new Map<string, StreamAgentConfig | OpenAiAgentConfig>()
  for (const [name, value] of Object.entries(given)) {
    const path = ['agents', name]
    const config = kindOf(value, path, problems)
    if (config === undefined) continue
    const maker = await planAgent(config, folder, path, problems)
    if (maker !== undefined) makers.set(name, maker)
    if ('url' in config || 'openai' in config) engines.set(name, config)
  }
  for (const [name, config] of engines) checkReferences(name, config, given, engines, problems)
  return makers
}

/** Their shapes alone, where the rest of the file is too bad for more. */
export function checkAgentShapes(given: unknown, problems: FoundProblem[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return
  for (const [name, value] of Object.entries(given)) kindOf(value, ['agents', name], problems)
}

function kindOf(value: unknown, path: FieldPath, problems: FoundProblem[]): AgentConfig | undefined {
  const kinds = Object.keys(agentSchemas)
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : []
  const kind = names.find(name => kinds.includes(name))
  if (kind !== undefined)
    return checkShape(agentSchemas[kind]!, value, path, problems) as AgentConfig | undefined
  const meant = names.map(name => suggestion(name, kinds)).find(text => text.startsWith('did'))
  problems.push({
    path,
    message: `what kind of agent it is, one of ${kinds.join(', ')} says; ${meant ?? 'give one of them'}`,
  })
  return undefined
}

async function planAgent(
  config: AgentConfig,
  folder: string,
  path: FieldPath,
  problems: FoundProblem[],
): Promise<AgentMaker | undefined> {
  if ('builtIn' in config) {
    const agent = await builtIn[config.builtIn]()
    return () => agent
  }
  if ('module' in config) {
    const agent = await loadModule(config, folder, [...path, 'module'], problems)
    return agent && (() => agent)
  }
  return 'openai' in config ? planOpenAi(config, path, problems) : planStream(config, folder, path, problems)
}

async function loadModule(
  { module }: ModuleAgentConfig,
  folder: string,
  path: FieldPath,
  problems: FoundProblem[],
): Promise<Agent | undefined> {
  if (typeof module !== 'string') return module
  try {
    const loaded = await importDefault(resolve(folder, module))
    const agent: unknown = typeof loaded === 'function' ? await (loaded as () => unknown)() : loaded
    if (isAgent(agent)) return agent as Agent
    problems.push({
      path,
      message: `${module} must export default an agent, that is an object with run(session), or a function that returns one`,
    })
  } catch (error) {
    const said = error instanceof OptionError ? error.message.slice(error.field.length + 2) : String(error)
    problems.push({ path, message: `${module}: ${said}` })
  }
  return undefined
}

function planStream(
  { onEngineEnd, fallback, tls, ...rest }: StreamAgentConfig,
  folder: string,
  path: FieldPath,
  problems: FoundProblem[],
): AgentMaker | undefined {
  const ends = {
    ...(fallback === undefined ? {} : { fallback }),
    ...(onEngineEnd === undefined ? {} : { onEngineEnd }),
  }
  return noting(problems, path, () => {
    const options: StreamAgentOptions = {
      ...rest,
      ...(tls === undefined ? {} : { tls: readTls(tls, folder) }),
    }
    streamAgent(options)
    return (runtime, agentNamed) => {
      const rest = options.dialect === 'twilio' ? runtime.twilioRest : undefined
      const made = { ...options, runtime, ...endsOf(ends, agentNamed) }
      if (rest === undefined) return streamAgent(made)
      return rest.track(streamAgent({ ...made, ids: { accountId: rest.accountSid } }))
    }
  })
}

function planOpenAi(
  { openai, ...ends }: OpenAiAgentConfig,
  path: FieldPath,
  problems: FoundProblem[],
): AgentMaker | undefined {
  return noting(problems, [...path, 'openai'], () => {
    openAiAgent(openai)
    return (runtime, agentNamed) => openAiAgent({ ...openai, runtime, ...endsOf(ends, agentNamed) })
  })
}

/** What becomes of a call that its engine leaves. */
function endsOf(
  { fallback, onEngineEnd }: Pick<OpenAiAgentConfig, 'fallback' | 'onEngineEnd'>,
  agentNamed: (name: string) => Agent,
): Pick<StreamAgentOptions, 'fallback' | 'onEngineEnd'> {
  return {
    ...(fallback === undefined ? {} : { fallback: named(fallback, agentNamed) }),
    ...(onEngineEnd === undefined ? {} : { onEngineEnd: endOf(onEngineEnd, agentNamed) }),
  }
}

function endOf(onEngineEnd: string, agentNamed: (name: string) => Agent): 'hangup' | 'finish' | Agent {
  return onEngineEnd === 'hangup' || onEngineEnd === 'finish' ? onEngineEnd : named(onEngineEnd, agentNamed)
}

/** Found when it is needed: it may be made later. */
function named(name: string, agentNamed: (name: string) => Agent): Agent {
  return { run: session => agentNamed(name).run(session) }
}

/** Of names that are not there, and of engines that hand a call round in a circle. */
function checkReferences(
  name: string,
  { fallback, onEngineEnd }: StreamAgentConfig | OpenAiAgentConfig,
  given: Readonly<Record<string, unknown>>,
  engines: ReadonlyMap<string, StreamAgentConfig | OpenAiAgentConfig>,
  problems: FoundProblem[],
): void {
  const names = Object.keys(given)
  const references = { fallback, onEngineEnd }
  for (const [field, other] of Object.entries(references)) {
    if (other === undefined || (field === 'onEngineEnd' && (other === 'hangup' || other === 'finish')))
      continue
    if (!names.includes(other))
      problems.push({
        path: ['agents', name, field],
        message: `there is no agent "${other}"; ${suggestion(other, names)}`,
      })
  }
  const passed = new Set([name])
  for (let next = fallback; next !== undefined; next = engines.get(next)?.fallback) {
    if (passed.has(next)) {
      problems.push({
        path: ['agents', name, 'fallback'],
        message: 'it leads back to where the call has been; end the chain with an agent that needs no engine',
      })
      return
    }
    passed.add(next)
  }
}

/** @throws OptionError naming the field whose file cannot be read */
export function readTls(
  { cert, key, ca, ...rest }: TlsFiles,
  folder: string,
  field = 'tls',
): TlsOptions & TlsFiles {
  const read = (name: string, file: string | undefined): Record<string, string> => {
    if (file === undefined) return {}
    try {
      return { [name]: readFileSync(resolve(folder, file), 'utf8') }
    } catch (error) {
      throw new OptionError(
        `${field}.${name}`,
        `the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'}); give a PEM file, its path relative to this one`,
      )
    }
  }
  return { ...rest, ...read('cert', cert), ...read('key', key), ...read('ca', ca) }
}
