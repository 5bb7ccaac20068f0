import type { Agent } from '../agent/agent.ts'
import { plivoControl, telnyxControl, twilioControl } from '../agent/stream-server/control.ts'
import type { CarrierControl } from '../agent/stream-server/control.ts'
import { checkedServerOptions } from '../agent/stream-server/options.ts'
import type { StreamPath, StreamServerOptions } from '../agent/stream-server/options.ts'
import { streamServer } from '../agent/stream-server/server.ts'
import type { StreamServer } from '../agent/stream-server/server.ts'
import type { DialectName } from '../agent/streams/dialect.ts'
import { sleep } from '../call/sleep.ts'
import { OptionError } from '../runtime/errors.ts'
import type { Runtime, TlsOptions } from '../runtime/runtime.ts'
import { readTls } from './agents.ts'
import type { ServeConfig } from './config.ts'
import { checkShape, noting, pathOf, suggestion } from './problems.ts'
import type { FieldPath, FoundProblem } from './problems.ts'
import type { StreamControlConfig, StreamPathConfig } from './streams-config.ts'
import { controlSchemas } from './streams-schema.ts'

/** The streams of a configuration, checked. */
export interface PlannedStreams {
  readonly listen: { readonly host: string; readonly port: number; readonly tls?: TlsOptions }
  readonly publicUrl: string | undefined
  readonly limits: NonNullable<StreamServerOptions['limits']>
  /** With the name of the agent alone: agents are made once it is known where they run. */
  readonly paths: readonly (Omit<StreamPath, 'agent'> & { readonly agentName: string })[]
}

const defaultHost = '127.0.0.1'

/** Makes what ends and transfers calls over a carrier's HTTP interface. */
const controls: Readonly<Partial<Record<DialectName, (config: never) => CarrierControl>>> = {
  twilio: twilioControl,
  telnyx: telnyxControl,
  plivo: plivoControl,
}

/** Undefined without a section, and when something is wrong; `problems` has it. */
export function planStreams(
  { streams, agents = {}, limits = {} }: ServeConfig,
  folder: string,
  problems: FoundProblem[],
): PlannedStreams | undefined {
  if (streams === undefined) return undefined
  const { host = defaultHost, port, tls, publicUrl, paths } = streams
  const { maxCalls = limits.calls, startTimeoutMs, idleTimeoutMs } = streams
  const before = problems.length
  if (tls !== undefined && (tls.cert === undefined || tls.key === undefined))
    problems.push({ path: ['streams', 'tls'], message: 'give both cert and key, PEM files' })
  const read = tls && noting(problems, ['streams'], () => readTls(tls, folder))
  const plan: PlannedStreams = {
    listen: { host, port, ...(read !== undefined && { tls: read }) },
    publicUrl,
    limits: {
      ...(maxCalls !== undefined && { maxCalls }),
      ...(startTimeoutMs !== undefined && { startTimeoutMs }),
      ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    },
    paths: Object.entries(paths).map(([path, config]) =>
      planPath(path, config, Object.keys(agents), problems),
    ),
  }
  if (problems.length === before) checkOptions(plan, problems)
  return problems.length === before ? plan : undefined
}

function planPath(
  path: string,
  { agent, control, ...rest }: StreamPathConfig,
  names: readonly string[],
  problems: FoundProblem[],
): PlannedStreams['paths'][number] {
  const at = ['streams', 'paths', path]
  const agentName = agent ?? (names.length === 1 ? names[0]! : '')
  if (!names.includes(agentName))
    problems.push({
      path: [...at, 'agent'],
      message: `${agent === undefined ? 'say who gets the calls' : `there is no agent "${agent}"`}; ${suggestion(agentName, names)}`,
    })
  const made = control && planControl(rest.dialect, control, [...at, 'control'], problems)
  return { ...rest, path, agentName, ...(made !== undefined && { control: made }) }
}

function planControl(
  dialect: DialectName,
  control: StreamControlConfig,
  path: FieldPath,
  problems: FoundProblem[],
): CarrierControl | undefined {
  const [schema, make] = [controlSchemas[dialect], controls[dialect]]
  if (schema === undefined || make === undefined) {
    problems.push({
      path,
      message: `${dialect} has none that a file can describe; take it out, or write a program (streamServer)`,
    })
    return undefined
  }
  const checked = checkShape(schema, control, path, problems)
  return checked && noting(problems, path, () => make(checked as never))
}

/** What the server of streams itself finds wrong; its list is ours by path. */
function checkOptions(plan: PlannedStreams, problems: FoundProblem[]): void {
  try {
    checkedServerOptions({
      listen: plan.listen,
      agent: { run: async () => {} },
      ...optionsOf(plan, () => ({ run: async () => {} })),
    })
  } catch (error) {
    if (!(error instanceof OptionError)) throw error
    const [first = '', index, field, ...rest] = pathOf(error.field)
    const message = error.message.slice(error.field.length + 2)
    const path = typeof index === 'number' ? plan.paths[index]?.path : undefined
    const inPath = field === 'path' || field === undefined ? [] : [field, ...rest]
    problems.push({
      path:
        path === undefined
          ? ['streams', first === 'streams' ? 'paths' : first]
          : ['streams', 'paths', path, ...inPath],
      message,
    })
  }
}

function optionsOf(
  { paths, publicUrl, limits }: PlannedStreams,
  agentNamed: (name: string) => Agent,
): Pick<StreamServerOptions, 'streams' | 'publicUrl' | 'limits'> {
  return {
    ...(publicUrl !== undefined && { publicUrl }),
    limits,
    streams: paths.map(({ agentName, ...path }) => ({ ...path, agent: agentNamed(agentName) })),
  }
}

/** What the server lends. */
export interface StreamsHost {
  /** Whose traces get the records. */
  readonly endpoint: NonNullable<StreamServerOptions['endpoint']>
  readonly runtime: Pick<Runtime, 'clock' | 'network' | 'random'>
  /** Of each call. */
  readonly maxDurationMs: number | undefined
  readonly onError: (message: string) => void
}

/** The carriers' WebSockets of one server, listening. */
export interface ServedStreams {
  /** `wss://0.0.0.0:8080`; the paths go behind it. */
  readonly url: string
  readonly stats: StreamServer['stats']
  /** Puts other paths and agents in force for streams from now on; without a plan none is taken. */
  replace(plan: PlannedStreams | undefined, agentNamed: (name: string) => Agent): void
  /** Takes no more, waits for those under way, and hangs them up after `limitMs`. */
  drain(limitMs: number): Promise<void>
  close(): Promise<void>
}

/** @throws OptionError; SipError SIP_TRANSPORT the port is taken */
export async function listenStreams(
  plan: PlannedStreams,
  agentNamed: (name: string) => Agent,
  { endpoint, runtime, maxDurationMs, onError }: StreamsHost,
): Promise<ServedStreams> {
  const { clock } = runtime
  const limited = (named: (name: string) => Agent) => (name: string) =>
    maxDurationMs === undefined ? named(name) : hungUpAfter(named(name), clock, maxDurationMs)
  const server = await streamServer({
    ...optionsOf(plan, limited(agentNamed)),
    listen: plan.listen,
    agent: { run: async () => {} },
    endpoint,
    runtime,
    onError: ({ message }, call) => onError(call === undefined ? message : `call ${call.id}: ${message}`),
    onRefused: ({ path, why, detail }) => {
      // Who looks for other paths is no carrier.
      if (why !== 'path') onError(`a stream to ${path} was refused (${why}): ${detail}`)
    },
  }).catch((error: unknown) => {
    if (!(error instanceof OptionError)) throw error
    const { field, message } = error
    throw new OptionError(`streams.${field}`, message.slice(field.length + 2), { cause: error })
  })
  const { address, port, family } = server.local
  return {
    url: `${plan.listen.tls === undefined ? 'ws' : 'wss'}://${family === 6 ? `[${address}]` : address}:${port}`,
    get stats() {
      return server.stats
    },
    replace: (next, named) =>
      server.replace(next === undefined ? { streams: [] } : optionsOf(next, limited(named))),
    drain: async limitMs => {
      const waiting = new AbortController()
      const late = sleep(clock, limitMs, waiting.signal).catch(() => {})
      await Promise.race([server.drain(), late])
      waiting.abort()
      await server.close()
    },
    close: () => server.close(),
  }
}

/** What the endpoint does for calls by SIP. */
function hungUpAfter(agent: Agent, clock: Runtime['clock'], limitMs: number): Agent {
  return {
    run: async session => {
      const timer = clock.setTimer(clock.now() + limitMs, () => void session.hangup())
      void session.ended.then(() => timer.cancel())
      await agent.run(session)
    },
  }
}
