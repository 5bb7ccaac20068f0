import { callChannel } from '../call/diagnostics.ts'
import type { CallDiagnostics } from '../call/diagnostics.ts'
import type { EndpointStats } from '../call/endpoint-types.ts'
import { engineChannel } from '../call/engine-events.ts'
import type { EngineEvent } from '../call/engine-events.ts'
import { streamChannel } from '../call/stream-events.ts'
import type { StreamEvent } from '../call/stream-events.ts'
import type { TrunkStats } from '../call/trunks/carrier-trunk.ts'

/** What is counted as calls come and go; bounded, for labels come from the configuration, from statuses and from causes. */
export class CallCounts {
  readonly #endpoint: object
  readonly #subscriptions: readonly (() => void)[]
  readonly #up = new Set<string>()
  readonly taken: Record<'inbound' | 'outbound', number> = { inbound: 0, outbound: 0 }
  /** Calls to us that were refused after they were let in, by status. */
  readonly refused: Map<number, number> = new Map()
  /** Calls that were answered, by how they ended. */
  readonly ended: Map<string, number> = new Map()
  /** By kind of engine. */
  readonly engineFailures: Map<string, number> = new Map()

  constructor(endpoint: object) {
    this.#endpoint = endpoint
    this.#subscriptions = [
      callChannel.subscribe(event => this.#call(event)),
      engineChannel.subscribe(event => this.#engine(event)),
      streamChannel.subscribe(event => this.#stream(event)),
    ]
  }

  close(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe()
  }

  #call(event: CallDiagnostics): void {
    if (event.endpoint !== this.#endpoint) return
    const { call } = event
    if (event.kind === 'began') this.#up.add(call.id)
    if (event.kind === 'state' && event.state === 'confirmed') this.taken[call.direction] += 1
    if (event.kind !== 'ended') return
    this.#up.delete(call.id)
    const { cause, statusCode } = event.ended
    if (statusCode === undefined || statusCode < 300) count(this.ended, cause)
    else if (call.direction === 'inbound') count(this.refused, statusCode)
  }

  /** They are answered when they come. */
  #stream(event: StreamEvent): void {
    if (event.endpoint !== this.#endpoint) return
    if (event.kind === 'began') {
      this.#up.add(event.call)
      this.taken.inbound += 1
    }
    if (event.kind !== 'ended') return
    this.#up.delete(event.call)
    count(this.ended, event.ended.cause)
  }

  #engine({ kind, call, engine }: EngineEvent): void {
    if (kind === 'failed' && this.#up.has(call)) count(this.engineFailures, engine)
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

export interface MetricsState {
  readonly counts: CallCounts
  readonly endpoint: EndpointStats
  /** Calls up, by direction. */
  readonly calls: Readonly<Record<'inbound' | 'outbound', number>>
  /** By reason. */
  readonly streamsRefused: Readonly<Record<string, number>>
  /** Of `endpoint.refused`: those during the drain. */
  readonly refusedDraining: number
  readonly trunks: ReadonlyMap<string, TrunkStats>
  readonly ready: boolean
  readonly draining: boolean
  readonly reloads: Readonly<Record<'applied' | 'refused', number>>
  readonly residentBytes: number
}

type Labels = Readonly<Record<string, string>>
type Sample = readonly [labels: Labels, value: number]

interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  readonly samples: (state: MetricsState) => readonly Sample[]
}

const trunkSamples = (
  { trunks }: MetricsState,
  values: (stats: TrunkStats) => readonly Sample[],
): readonly Sample[] =>
  [...trunks].flatMap(([trunk, stats]) =>
    values(stats).map(([labels, value]): Sample => [{ trunk, ...labels }, value]),
  )

const byKey = (label: string, counts: ReadonlyMap<string | number, number>): readonly Sample[] =>
  [...counts].map(([key, value]): Sample => [{ [label]: String(key) }, value])

/** All there are, in the order they are written. docs/serve.md lists them. */
export const metrics: readonly Metric[] = [
  {
    name: 'offhook_ready',
    type: 'gauge',
    help: '1 when calls are taken.',
    samples: ({ ready }) => [[{}, ready ? 1 : 0]],
  },
  {
    name: 'offhook_draining',
    type: 'gauge',
    help: '1 from the beginning of the drain.',
    samples: ({ draining }) => [[{}, draining ? 1 : 0]],
  },
  {
    name: 'offhook_calls',
    type: 'gauge',
    help: 'Calls under way, those that ring too.',
    samples: ({ calls }) => Object.entries(calls).map(([direction, value]) => [{ direction }, value]),
  },
  {
    name: 'offhook_calls_taken_total',
    type: 'counter',
    help: 'Calls that were answered.',
    samples: ({ counts }) => Object.entries(counts.taken).map(([direction, value]) => [{ direction }, value]),
  },
  {
    name: 'offhook_calls_refused_total',
    type: 'counter',
    help: 'Calls to us that were refused: by a limit or a drain, for nobody knew the caller, or with a status.',
    samples: ({ counts, endpoint, refusedDraining }) => [
      [{ reason: 'limit' }, endpoint.refused - refusedDraining],
      [{ reason: 'draining' }, refusedDraining],
      [{ reason: 'unknown-caller' }, (endpoint.admission?.refused ?? 0) + (endpoint.admission?.dropped ?? 0)],
      ...byKey('reason', counts.refused),
    ],
  },
  {
    name: 'offhook_streams_refused_total',
    type: 'counter',
    help: 'WebSockets of carriers that were not let in.',
    samples: ({ streamsRefused }) =>
      Object.entries(streamsRefused).map(([reason, value]) => [{ reason }, value]),
  },
  {
    name: 'offhook_calls_ended_total',
    type: 'counter',
    help: 'Calls that were not refused, by how they ended.',
    samples: ({ counts }) => byKey('cause', counts.ended),
  },
  {
    name: 'offhook_engine_failures_total',
    type: 'counter',
    help: 'Conversation engines that could not be reached, stayed silent or broke.',
    samples: ({ counts }) => byKey('engine', counts.engineFailures),
  },
  {
    name: 'offhook_trunk_up',
    type: 'gauge',
    help: '1 when the trunk answers, 0 when it does not; absent while nobody knows.',
    samples: state =>
      trunkSamples(state, stats => (stats.state === 'unknown' ? [] : [[{}, stats.state === 'up' ? 1 : 0]])),
  },
  {
    name: 'offhook_trunk_calls',
    type: 'gauge',
    help: 'Calls under way by the trunk.',
    samples: state =>
      trunkSamples(state, ({ calls: { inbound, outbound } }) => [
        [{ direction: 'inbound' }, inbound],
        [{ direction: 'outbound' }, outbound],
      ]),
  },
  {
    name: 'offhook_trunk_calls_refused_total',
    type: 'counter',
    help: 'Calls by the trunk beyond its maxCalls.',
    samples: state =>
      trunkSamples(state, ({ calls: { refusedInbound, refusedOutbound } }) => [
        [{ direction: 'inbound' }, refusedInbound],
        [{ direction: 'outbound' }, refusedOutbound],
      ]),
  },
  {
    name: 'offhook_trunk_answered_total',
    type: 'counter',
    help: 'Calls made by the trunk that were answered.',
    samples: state => trunkSamples(state, ({ answered }) => [[{}, answered]]),
  },
  {
    name: 'offhook_trunk_failed_total',
    type: 'counter',
    help: 'Calls that no edge of the trunk took.',
    samples: state => trunkSamples(state, ({ failed }) => [[{}, failed]]),
  },
  {
    name: 'offhook_reloads_total',
    type: 'counter',
    help: 'Configurations that were read anew.',
    samples: ({ reloads }) => Object.entries(reloads).map(([result, value]) => [{ result }, value]),
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Memory of the process.',
    samples: ({ residentBytes }) => [[{}, residentBytes]],
  },
]

/** The text format of Prometheus, version 0.0.4. */
export function writeMetrics(state: MetricsState): string {
  let text = ''
  for (const { name, type, help, samples } of metrics) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    for (const [labels, value] of samples(state)) text += `${name}${writeLabels(labels)} ${value}\n`
  }
  return text
}

function writeLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)
}
