import type { Agent } from '../../../src/agent/agent.ts'
import { runAgent } from '../../../src/agent/agent.ts'
import { streamAgent } from '../../../src/agent/streams/client.ts'
import type { StreamMessage } from '../../../src/agent/streams/dialect.ts'
import { dialects } from '../../../src/agent/streams/dialects.ts'
import { AudioDecoder, encodeAudio } from '../../../src/agent/streams/audio-format.ts'
import type { StreamFormat } from '../../../src/agent/streams/dialect.ts'
import type { StreamAgentOptions } from '../../../src/agent/streams/options.ts'
import type { SipError } from '../../../src/runtime/errors.ts'
import type { HttpRequest, WebSocketConnection } from '../../../src/runtime/web.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab, LabEndpointOptions } from '../../../src/testing/lab.ts'
import type { ScriptedCaller } from '../../../src/testing/caller.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import type { CallRecord } from '../../../src/trace/call-record.ts'

export type Message = Readonly<Record<string, unknown>>

/** What the platform of a bot sees: every message as it came, with its time. */
export class ScriptedBot {
  readonly request: HttpRequest
  /** Text, parsed. */
  readonly messages: Message[] = []
  /** Of binary messages. */
  readonly lengths: number[] = []
  /** All audio heard, at the rate of its format. */
  readonly heard: number[] = []
  /** When each text message came, ms. */
  readonly times: number[] = []
  closed: { readonly code: number; readonly reason: string } | undefined
  readonly #connection: WebSocketConnection
  readonly #lab: Lab
  readonly #world: WorldOptions
  readonly #decoder: AudioDecoder
  readonly #waiting: { readonly is: (message: Message) => boolean; readonly found: () => void }[] = []

  constructor(lab: Lab, world: WorldOptions, request: HttpRequest, connection: WebSocketConnection) {
    this.request = request
    this.#lab = lab
    this.#world = world
    this.#connection = connection
    this.#decoder = new AudioDecoder(world.format ?? formatsOf(world)[0])
    connection.onMessage = data => this.#receive(data)
    connection.onClose = (code, reason) => {
      this.closed = { code, reason }
    }
  }

  send(message: StreamMessage): void {
    const { streamId } = this
    const data = dialects[this.#world.dialect].bot.write(message, {
      streamId,
      callId: '',
      accountId: '',
      sequence: 0,
      format: formatsOf(this.#world)[1],
      wallTime: 0,
    })
    if (data !== undefined) this.#connection.send(data)
  }

  raw(data: string | Uint8Array): void {
    this.#connection.send(data)
  }

  /** Says it as fast as the line takes it, in chunks of so many milliseconds. */
  say(samples: Int16Array, chunkMs = 20): void {
    const format = formatsOf(this.#world)[1]
    const step = Math.round((format.sampleRate * chunkMs) / 1000)
    for (let at = 0; at < samples.length; at += step)
      this.send({ kind: 'media', audio: encodeAudio(format, samples.subarray(at, at + step)) })
  }

  /** A tone at half of full scale, in the bot's own rate. */
  tone(hz: number, durationMs: number, chunkMs = 20): void {
    const { sampleRate } = formatsOf(this.#world)[1]
    const samples = Int16Array.from({ length: (sampleRate * durationMs) / 1000 }, (_, i) =>
      Math.round(16_384 * Math.sin((2 * Math.PI * hz * i) / sampleRate)),
    )
    this.say(samples, chunkMs)
  }

  mark(name: string): void {
    this.send({ kind: 'mark', name })
  }

  clear(): void {
    this.send({ kind: 'clear' })
  }

  close(code?: number, reason?: string): void {
    this.#connection.close(code, reason)
  }

  destroy(): void {
    this.#connection.destroy()
  }

  waitFor(is: (message: Message) => boolean): Promise<void> {
    if (this.messages.some(is)) return Promise.resolve()
    return new Promise(found => this.#waiting.push({ is, found }))
  }

  /** Names of the events so far but audio, in order. */
  get events(): string[] {
    return this.messages.map(nameOf).filter(name => name !== 'media')
  }

  get marks(): string[] {
    const codec = dialects[this.#world.dialect].carrier
    return this.messages.flatMap(message => {
      const read = codec.parse(JSON.stringify(message))
      return read.kind === 'mark' ? [`${read.name}${read.reached === false ? ' cleared' : ''}`] : []
    })
  }

  get streamId(): string {
    const start = this.messages.find(message => 'start' in message || message['type'] === 'start')
    const inner = (start?.['start'] ?? start ?? {}) as Message
    const id = inner['streamSid'] ?? inner['streamId'] ?? start?.['stream_id'] ?? ''
    return typeof id === 'string' ? id : ''
  }

  /** Level of a tone in the last 200 ms heard. */
  level(hz: number): number {
    const { sampleRate } = this.#world.format ?? formatsOf(this.#world)[0]
    return goertzelDbfs(Int16Array.from(this.heard.slice(-sampleRate / 5)), sampleRate, hz)
  }

  #receive(data: string | Uint8Array): void {
    const message = dialects[this.#world.dialect].carrier.parse(data)
    if (message.kind === 'media') this.heard.push(...this.#decoder.decode(message.audio))
    if (typeof data !== 'string') {
      this.lengths.push(data.length)
      return
    }
    const json = JSON.parse(data) as Message
    this.messages.push(json)
    this.times.push(this.#lab.clock.now())
    for (const waiting of this.#waiting) if (waiting.is(json)) waiting.found()
  }
}

export function nameOf(message: Message): string {
  const name = message['event'] ?? message['type'] ?? Object.keys(message)[0]
  return typeof name === 'string' ? name : ''
}

function formatsOf({ dialect, format }: WorldOptions): [toBot: StreamFormat, fromBot: StreamFormat] {
  const { formats, botFormat } = dialects[dialect]
  const toBot = format ?? formats[0] ?? { encoding: 'PCMU', sampleRate: 8000 }
  return [toBot, botFormat ?? toBot]
}

export interface WorldOptions extends Omit<StreamAgentOptions, 'url' | 'runtime'> {
  readonly url?: StreamAgentOptions['url']
  readonly endpoint?: LabEndpointOptions
  readonly caller?: LabEndpointOptions
  /** Refuses the upgrade with it. */
  readonly refuse?: number
  /** Never answers the upgrade. */
  readonly hang?: boolean
  /** In place of one made from these options. */
  readonly agent?: (runtime: NonNullable<StreamAgentOptions['runtime']>) => Agent | Promise<Agent>
  /** The bot is at `wss://bot.example` and whatever path. */
  readonly secure?: boolean
  readonly onConnected?: (bot: ScriptedBot) => void
  /** What runs in place of the stream agent alone. */
  readonly wrap?: (agent: Agent) => Agent
}

export interface Outcome {
  readonly bots: readonly ScriptedBot[]
  readonly record: CallRecord
  readonly ladder: string
  readonly errors: readonly SipError[]
  readonly lab: Lab
}

export const botUrl = 'ws://bot.lab/stream?x=1'

/**
 * A caller calls an endpoint whose agent is a bot behind a WebSocket. `script` plays the caller and, once it is connected, the bot; the call is
 * hung up at its end.
 */
export async function callBot(
  options: WorldOptions,
  script: (caller: ScriptedCaller, bot: ScriptedBot, lab: Lab) => Promise<void>,
): Promise<Outcome> {
  const { endpoint: endpointOptions, caller: callerOptions, refuse, hang, ...more } = options
  const { wrap, onConnected, agent: makeAgent, secure = false, ...agentOptions } = more
  const lab = createLab({ network: { delayMs: 5 } })
  lab.resolver.setAddresses('bot.lab', ['10.9.0.1'])
  const bots: ScriptedBot[] = []
  let connected: ((bot: ScriptedBot) => void) | undefined
  const first = new Promise<ScriptedBot>(resolve => (connected = resolve))
  lab.resolver.setAddresses('bot.example', ['10.9.0.1'])
  const botHost = lab.network.host('10.9.0.1')
  botHost.certificate = { dnsNames: ['bot.example'] }
  await botHost.listenHttp({
    host: '10.9.0.1',
    port: secure ? 443 : 80,
    ...(secure && { tls: {} }),
    onRequest: () => Promise.resolve({ status: 404 }),
    onUpgrade: async request => {
      if (hang === true) await new Promise(() => {})
      if (refuse !== undefined) return { status: refuse }
      return {
        accept: connection => {
          const bot = new ScriptedBot(lab, options, request, connection)
          bots.push(bot)
          onConnected?.(bot)
          // Bots speak once they know their stream.
          void bot
            .waitFor(
              message =>
                'start' in message ||
                'content-type' in message ||
                'sampleRate' in message ||
                message['type'] === 'start',
            )
            .then(() => connected?.(bot))
        },
      }
    },
  })
  const endpoint = await lab.endpoint('agent.lab', endpointOptions)
  const errors: SipError[] = []
  endpoint.on('error', error => errors.push(error))
  const runtime = { clock: lab.clock, network: lab.network.host('10.9.0.2') }
  const agent = (await makeAgent?.(runtime)) ?? streamAgent({ url: botUrl, ...agentOptions, runtime })
  void runAgent(endpoint, wrap?.(agent) ?? agent)
  const caller = lab.caller(callerOptions)
  await lab.run(async () => {
    await caller.call('sip:+15550199@agent.lab')
    const nobody = refuse !== undefined || hang === true || bots.length > 0
    const bot = nobody ? (bots[0] as ScriptedBot) : await Promise.race([first, lab.clock.sleep(20_000)])
    await script(caller, bot as ScriptedBot, lab)
  })
  const record = lab.records.find(({ direction }) => direction === 'inbound')
  if (record === undefined) throw new Error('no call ended')
  return { bots, record, ladder: lab.ladder(record.id) ?? '', errors, lab }
}
