import { resolve } from 'node:path'
import type { Agent } from '../agent/agent.ts'
import type { Routing, RoutingOptions } from '../agent/routing/options.ts'
import { routeCalls } from '../agent/routing/route-calls.ts'
import type { Call } from '../call/call.ts'
import { createEndpoint } from '../call/endpoint.ts'
import type { Endpoint } from '../call/endpoint.ts'
import { callChannel } from '../call/diagnostics.ts'
import { streamChannel } from '../call/stream-events.ts'
import type { RecordingFormat } from '../media/audio/recording-format.ts'
import { SipError } from '../runtime/errors.ts'
import { createNodeRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { HttpListener } from '../runtime/web.ts'
import type { AdmissionPolicy } from '../sip/auth/admission.ts'
import { restartFields } from './changes.ts'
import type { ServeEvent } from './events.ts'
import { CallFiles, makeFolder } from './files.ts'
import { listenHealth } from './health.ts'
import type { Readiness } from './health.ts'
import { CallCounts, writeMetrics } from './metrics.ts'
import type { ServePlan } from './plan.ts'
import { ConfigError } from './problems.ts'
import { Redactor } from './secrets.ts'
import { listenStreams } from './streams.ts'
import type { ServedStreams } from './streams.ts'
import { TrunkTable } from './trunk-table.ts'
import { listenTwilioRest } from './twilio-rest.ts'
import type { ServedTwilioRest } from './twilio-rest.ts'

export interface ServeOptions {
  /** Where the network and the time come from. Default: this machine. */
  readonly runtime?: Partial<Runtime>
  readonly onEvent?: (event: ServeEvent) => void
}

const defaults = { drainMs: 30_000, healthHost: '127.0.0.1', giveUpMs: 2_000 }

/** Takes calls as the configuration says, from now on. @throws OptionError; SipError SIP_TRANSPORT an address is taken */
export async function startServer(plan: ServePlan, options: ServeOptions = {}): Promise<Server> {
  const runtime: Runtime = { ...createNodeRuntime(), ...options.runtime }
  let server: Server | undefined
  // Reloads put other trunks in force: who is let in is looked up for each request.
  const admission: AdmissionPolicy = (...request) => server?.plan.admission(...request)
  const endpoint = await createEndpoint({ ...plan.endpoint, admission, runtime })
  try {
    server = new Server(endpoint, runtime, plan, options.onEvent ?? (() => {}))
    await server.open()
    return server
  } catch (error) {
    await Promise.all([server?.closeListeners(), endpoint.close()])
    throw error
  }
}

/** Calls, trunks, agents and files of one configuration at a time. `startServer` makes it. */
export class Server {
  readonly endpoint: Endpoint
  readonly #runtime: Runtime
  readonly #started: ServePlan
  readonly #trunks: TrunkTable
  readonly #counts: CallCounts
  readonly #files: CallFiles
  readonly #redactor = new Redactor()
  readonly #onEvent: (event: ServeEvent) => void
  readonly #recordings = new WeakSet<Call>()
  readonly #reloads = { applied: 0, refused: 0 }
  readonly #stopListening: () => void
  #plan: ServePlan
  #routing: Routing | undefined
  #health: HttpListener | undefined
  #twilioRest: ServedTwilioRest | undefined
  #streams: ServedStreams | undefined
  /** Of the configuration in force, by name. */
  #agents: Readonly<Record<string, Agent>> = {}
  readonly #agentNamed = (name: string): Agent => this.#agents[name]!
  #reloading: Promise<unknown> = Promise.resolve()
  #drained: Promise<void> | undefined
  #refusedBefore: number | undefined

  /** @internal */
  constructor(endpoint: Endpoint, runtime: Runtime, plan: ServePlan, onEvent: (event: ServeEvent) => void) {
    this.endpoint = endpoint
    this.#runtime = runtime
    this.#started = plan
    this.#plan = plan
    this.#onEvent = onEvent
    this.#redactor.addAll(plan.redactor)
    const { traces } = plan.config
    this.#files = new CallFiles(endpoint, {
      traces: traces && { ...traces, folder: resolve(plan.folder, traces.folder) },
      redactor: this.#redactor,
      onRecord: record => this.#tell({ event: 'ended', ...record }),
      onFailure: message => this.#tell({ event: 'error', message }),
    })
    this.#counts = new CallCounts(endpoint)
    this.#trunks = new TrunkTable(endpoint, event => this.#tell(event))
    endpoint.on('error', ({ message }) => this.#tell({ event: 'error', message }))
    const subscriptions = [
      callChannel.subscribe(event => {
        if (event.endpoint !== endpoint || event.kind !== 'began' || event.call.direction !== 'inbound')
          return
        const { id, callId, remote, local } = event.call
        this.#tell({ event: 'call', id, callId, from: remote.uriText, to: local.uriText })
      }),
      streamChannel.subscribe(event => {
        if (event.endpoint !== endpoint || event.kind !== 'began') return
        const { call: id, callId, from, to } = event
        this.#tell({ event: 'call', id, callId, from, to })
      }),
    ]
    this.#stopListening = () => {
      for (const unsubscribe of subscriptions) unsubscribe()
    }
  }

  /** @internal */
  async open(): Promise<void> {
    const { health, recording, twilioRest } = this.#plan.config
    if (recording !== undefined) makeFolder('recording.folder', resolve(this.#plan.folder, recording.folder))
    if (health !== undefined) {
      const { host = defaults.healthHost, port } = health
      const { network } = this.#runtime
      this.#health = await listenHealth(
        network,
        { host, port },
        {
          readiness: () => this.readiness(),
          metrics: () => this.metrics(),
        },
      )
    }
    if (twilioRest !== undefined)
      this.#twilioRest = await listenTwilioRest(twilioRest, {
        endpoint: this.endpoint,
        runtime: this.#runtime,
        tls: this.#plan.restTls,
        trunk: () => this.#trunks.byName.get(this.#plan.config.twilioRest?.trunk ?? ''),
        country: this.#plan.config.defaultCountry,
        onError: message => this.#tell({ event: 'error', message }),
      })
    await this.#trunks.apply(this.#plan)
    this.#agents = this.#agentsOf(this.#plan)
    const { config, streams } = this.#plan
    if (streams !== undefined)
      this.#streams = await listenStreams(streams, this.#agentNamed, {
        endpoint: this.endpoint,
        runtime: this.#runtime,
        maxDurationMs: config.limits?.maxDurationMs,
        onError: message => this.#tell({ event: 'error', message }),
      })
    this.#routing = routeCalls(this.endpoint, this.#routingOf(this.#plan))
    this.#tell({
      event: 'listening',
      listen: this.endpoint.listening,
      ...(this.healthUrl === undefined ? {} : { health: this.healthUrl }),
      ...(this.#streams === undefined ? {} : { streams: this.#streams.url }),
      ...(this.#twilioRest === undefined ? {} : { twilioRest: this.#twilioRest.url }),
    })
  }

  /** @internal */
  async closeListeners(): Promise<void> {
    await Promise.all([this.#health?.close(), this.#twilioRest?.close(), this.#streams?.close()])
  }

  /** The configuration in force. */
  get plan(): ServePlan {
    return this.#plan
  }

  /** `http://127.0.0.1:9090`, where the configuration has it. */
  get healthUrl(): string | undefined {
    if (this.#health === undefined) return undefined
    const { address, port, family } = this.#health.local
    return `http://${family === 6 ? `[${address}]` : address}:${port}`
  }

  /** Without the secrets of this configuration, and of those before it. */
  redact(text: string): string {
    return this.#redactor.text(text)
  }

  readiness(): Readiness {
    const reasons =
      this.#drained !== undefined
        ? ['it is being drained']
        : this.#routing === undefined
          ? ['it is starting']
          : this.#trunks.reasons(this.#plan.config.health?.trunks ?? 'any')
    return { ready: reasons.length === 0, reasons }
  }

  /** In the text format of Prometheus. */
  metrics(): string {
    const { calls } = this.endpoint
    const inbound = calls.filter(({ direction }) => direction === 'inbound').length
    const endpoint = this.endpoint.stats()
    return writeMetrics({
      counts: this.#counts,
      endpoint,
      calls: { inbound: inbound + (this.#streams?.stats.calls ?? 0), outbound: calls.length - inbound },
      streamsRefused: this.#streams?.stats.refused ?? {},
      refusedDraining: this.#refusedBefore === undefined ? 0 : endpoint.refused - this.#refusedBefore,
      trunks: this.#trunks.stats(),
      ready: this.readiness().ready,
      draining: this.#drained !== undefined,
      reloads: this.#reloads,
      residentBytes: process.memoryUsage.rss(),
    })
  }

  /**
   * Puts another configuration in force: its routes, agents, trunks and recording hold for calls from now on, those under way go on as they are. What is bound to
   * sockets stays as it was; the event `reloaded` names it. One after the other. @throws SipError SIP_STATE it is being drained
   */
  reload(load: () => Promise<ServePlan>): Promise<boolean> {
    const reloaded = this.#reloading.then(() => this.#reload(load))
    this.#reloading = reloaded.catch(() => {})
    return reloaded
  }

  async #reload(load: () => Promise<ServePlan>): Promise<boolean> {
    if (this.#drained !== undefined)
      throw new SipError('SIP_STATE', 'it is being drained and takes no other configuration')
    let plan: ServePlan
    try {
      plan = await load()
      const { recording } = plan.config
      if (recording !== undefined) makeFolder('recording.folder', resolve(plan.folder, recording.folder))
    } catch (error) {
      this.#reloads.refused += 1
      const problems =
        error instanceof ConfigError
          ? error.problems
          : [{ file: this.#plan.file, field: '', message: (error as Error).message }]
      this.#tell({ event: 'reload-refused', problems })
      return false
    }
    this.#redactor.addAll(plan.redactor)
    const trunks = await this.#trunks.apply(plan)
    this.#plan = plan
    this.#agents = this.#agentsOf(plan)
    this.#streams?.replace(plan.streams, this.#agentNamed)
    this.#routing?.replace(this.#routingOf(plan))
    this.#reloads.applied += 1
    const needRestart = restartFields(this.#started, plan)
    this.#tell({ event: 'reloaded', trunks, agents: plan.agents.size, needRestart })
    return true
  }

  /** Takes no new calls, lets those under way end, hangs them up after `drain.limitMs`, and closes everything. Idempotent. */
  drain(limitMs: number = this.#plan.config.drain?.limitMs ?? defaults.drainMs): Promise<void> {
    this.#drained ??= this.#drain(limitMs)
    return this.#drained
  }

  async #drain(limitMs: number): Promise<void> {
    const { endpoint } = this
    this.#refusedBefore = endpoint.stats().refused
    const calls = endpoint.calls.length + (this.#streams?.stats.calls ?? 0)
    this.#tell({ event: 'draining', calls, limitMs })
    const streamed = this.#streams?.drain(limitMs)
    const closed = endpoint.close({ graceMs: limitMs, giveUpMs: defaults.giveUpMs })
    this.#trunks.close()
    this.#routing?.drain()
    await Promise.all([closed, streamed])
    this.#stopListening()
    this.#files.close()
    this.#counts.close()
    await this.closeListeners()
    if (this.#files.failedWrites > 0)
      this.#tell({
        event: 'error',
        message: `${this.#files.failedWrites} files or lines could not be written`,
      })
    this.#tell({ event: 'stopped' })
  }

  #routingOf(plan: ServePlan): RoutingOptions {
    const { defaultCountry, environment, environmentHeader } = plan.config
    return {
      routes: plan.routes.routes,
      agents: this.#agents,
      trunks: this.#trunks.byName,
      ...(defaultCountry === undefined ? {} : { defaultCountry }),
      ...(environment === undefined ? {} : { environment }),
      ...(environmentHeader === undefined ? {} : { environmentHeader }),
      onError: ({ message }, { id }) => this.#tell({ event: 'error', message: `call ${id}: ${message}` }),
    }
  }

  /** The agents of a configuration, each recording its calls where that is asked for. */
  #agentsOf(plan: ServePlan): Readonly<Record<string, Agent>> {
    const { recording } = plan.config
    const agents: Record<string, Agent> = {}
    const agentNamed = (name: string): Agent => agents[name]!
    const host = { ...this.#runtime, ...(this.#twilioRest && { twilioRest: this.#twilioRest }) }
    for (const [name, make] of plan.agents) {
      const agent = make(host, agentNamed)
      const recorded = recording !== undefined && (recording.agents?.includes(name) ?? true)
      agents[name] = recorded
        ? this.#recorded(agent, resolve(plan.folder, recording.folder), recording.format ?? 'pcm')
        : agent
    }
    return agents
  }

  #recorded(agent: Agent, folder: string, format: RecordingFormat): Agent {
    return {
      run: async session => {
        const call = this.endpoint.calls.find(({ id }) => id === session.id)
        // An agent that falls back on another goes on with the same recording.
        if (call !== undefined && !this.#recordings.has(call)) {
          this.#recordings.add(call)
          const file = resolve(folder, `${call.id}.${format === 'opus' ? 'opus' : 'wav'}`)
          await call.record(file, { format }).catch((error: unknown) =>
            this.#tell({
              event: 'error',
              message: `call ${call.id} is not recorded: ${error instanceof Error ? error.message : String(error)}`,
            }),
          )
        }
        await agent.run(session)
      },
    }
  }

  #tell(event: ServeEvent): void {
    this.#onEvent(this.#redactor.value(event))
  }
}
