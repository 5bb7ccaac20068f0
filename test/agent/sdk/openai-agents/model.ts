import type { RealtimeSession } from '@openai/agents-realtime'
import { RealtimeAgent } from '@openai/agents-realtime'
import { runAgent } from '../../../../src/agent/agent.ts'
import { openAiAgentsAgent } from '../../../../src/agent/sdk/openai-agents/agent.ts'
import type { OpenAiAgentsOptions } from '../../../../src/agent/sdk/openai-agents/agent.ts'
import type { PhoneTransport } from '../../../../src/agent/sdk/openai-agents/phone-transport.ts'
import { AudioDecoder, encodeAudio } from '../../../../src/agent/streams/audio-format.ts'
import type { StreamFormat } from '../../../../src/agent/streams/dialect.ts'
import { goertzelDbfs } from '../../../../src/media/audio/goertzel.ts'
import type { SipError } from '../../../../src/runtime/errors.ts'
import type { HttpRequest, WebSocketConnection } from '../../../../src/runtime/web.ts'
import type { ScriptedCaller } from '../../../../src/testing/caller.ts'
import { createLab } from '../../../../src/testing/lab.ts'
import type { Lab, LabEndpointOptions } from '../../../../src/testing/lab.ts'
import type { CallRecord } from '../../../../src/trace/call-record.ts'

export type Event = Readonly<Record<string, unknown>> & { readonly type: string }

const pcmu: StreamFormat = { encoding: 'PCMU', sampleRate: 8000 }
const formats: Readonly<Record<string, StreamFormat>> = {
  'audio/pcmu': pcmu,
  'audio/pcma': { encoding: 'PCMA', sampleRate: 8000 },
  'audio/pcm': { encoding: 'L16', sampleRate: 24_000 },
}

/** The Realtime API of one session, told what to say line by line. */
export class ScriptedModel {
  readonly request: HttpRequest
  /** What came, but audio, in order. */
  readonly events: Event[] = []
  /** What the model hears, in octets as they came. */
  readonly octets: number[] = []
  readonly heard: number[] = []
  /** Of the session's config. */
  format: StreamFormat = pcmu
  /** Of every message after the first with audio in it; before it none may come. */
  audioBeforeConfig = false
  closed: number | undefined
  readonly #connection: WebSocketConnection
  readonly #waiting: { readonly type: string; readonly found: (event: Event) => void }[] = []
  #decoder = new AudioDecoder(pcmu)
  #configured = false
  config: SessionConfig = {}
  #onConfigured: (() => void) | undefined
  /** Settles when the session's config has come. */
  readonly configured: Promise<void> = new Promise(resolve => (this.#onConfigured = resolve))
  #count = 0

  constructor(request: HttpRequest, connection: WebSocketConnection) {
    this.request = request
    this.#connection = connection
    connection.onMessage = data => this.#receive(JSON.parse(String(data)) as Event)
    connection.onClose = code => (this.closed = code)
    this.send({ type: 'session.created', session: { type: 'realtime', tracing: null } })
  }

  send(event: Event): void {
    this.#count += 1
    this.#connection.send(JSON.stringify({ event_id: `event_${this.#count}`, ...event }))
  }

  raw(text: string): void {
    this.#connection.send(text)
  }

  begins(responseId: string): void {
    this.send({ type: 'response.created', response: { id: responseId, object: 'realtime.response' } })
  }

  /** A tone of that item, as fast as the line takes it. */
  tone(responseId: string, itemId: string, hz: number, durationMs: number): void {
    const { sampleRate } = this.format
    const samples = Int16Array.from({ length: (sampleRate * durationMs) / 1000 }, (_, i) =>
      Math.round(16_384 * Math.sin((2 * Math.PI * hz * i) / sampleRate)),
    )
    // Chunks of an odd length: no part of what follows may count on them.
    for (let at = 0; at < samples.length; at += 1111) {
      const audio = encodeAudio(this.format, samples.subarray(at, at + 1111))
      this.send({
        type: 'response.output_audio.delta',
        response_id: responseId,
        item_id: itemId,
        output_index: 0,
        content_index: 0,
        delta: Buffer.from(audio).toString('base64'),
      })
    }
  }

  itemDone(responseId: string, itemId: string): void {
    this.send({
      type: 'response.output_audio.done',
      response_id: responseId,
      item_id: itemId,
      output_index: 0,
      content_index: 0,
    })
  }

  done(responseId: string, output: readonly object[] = []): void {
    this.send({ type: 'response.done', response: { id: responseId, status: 'completed', output } })
  }

  /** A whole response of one item. */
  says(responseId: string, itemId: string, hz: number, durationMs: number): void {
    this.begins(responseId)
    this.tone(responseId, itemId, hz, durationMs)
    this.itemDone(responseId, itemId)
    this.done(responseId)
  }

  /** A whole response that calls a tool. */
  calls(responseId: string, name: string, input: object): void {
    this.begins(responseId)
    const item = {
      id: `item_${responseId}`,
      type: 'function_call',
      status: 'completed',
      call_id: `call_${responseId}`,
      name,
      arguments: JSON.stringify(input),
    }
    this.send({ type: 'response.output_item.done', response_id: responseId, output_index: 0, item })
    this.done(responseId, [item])
  }

  hearsSpeech(): void {
    this.send({ type: 'input_audio_buffer.speech_started', item_id: 'user_1', audio_start_ms: 0 })
  }

  close(code?: number, reason?: string): void {
    this.#connection.close(code, reason)
  }

  destroy(): void {
    this.#connection.destroy()
  }

  /** The next of that type that comes, or the first that came already. */
  waitFor(type: string): Promise<Event> {
    const found = this.events.find(event => event.type === type)
    return found === undefined
      ? new Promise(resolve => this.#waiting.push({ type, found: resolve }))
      : Promise.resolve(found)
  }

  all(type: string): Event[] {
    return this.events.filter(event => event.type === type)
  }

  /** Level of a tone in the last 200 ms heard, dBFS. */
  level(hz: number): number {
    const { sampleRate } = this.format
    return goertzelDbfs(Int16Array.from(this.heard.slice(-sampleRate / 5)), sampleRate, hz)
  }

  #receive(event: Event): void {
    if (event.type === 'input_audio_buffer.append') {
      if (!this.#configured) this.audioBeforeConfig = true
      const audio = Buffer.from(String(event['audio']), 'base64')
      this.octets.push(...audio)
      this.heard.push(...this.#decoder.decode(audio))
      return
    }
    this.events.push(event)
    if (event.type === 'session.update') this.#configure(event['session'] as SessionConfig)
    for (const waiting of this.#waiting) if (waiting.type === event.type) waiting.found(event)
  }

  #configure(session: SessionConfig): void {
    const type = session.audio?.input?.format?.type
    // The other update is of tracing alone.
    if (type === undefined) return
    this.#configured = true
    this.config = session
    this.#onConfigured?.()
    this.format = formats[type] ?? pcmu
    this.#decoder = new AudioDecoder(this.format)
    const { input } = session.audio ?? {}
    const turn_detection = { interrupt_response: true, create_response: true, ...input?.turn_detection }
    const audio = { ...session.audio, input: { ...input, turn_detection } }
    this.send({ type: 'session.updated', session: { ...session, audio } })
  }
}

interface SessionConfig {
  readonly tools?: readonly { readonly name: string }[]
  readonly audio?: {
    readonly output?: object
    readonly input?: { readonly format?: { readonly type?: string }; readonly turn_detection?: object }
  }
}

export interface ModelWorld extends Partial<OpenAiAgentsOptions> {
  readonly endpoint?: LabEndpointOptions
  readonly caller?: LabEndpointOptions
  /** Refuses the upgrade with it. */
  readonly refuse?: number
  /** Never answers the upgrade. */
  readonly hang?: boolean
}

export interface Talk {
  readonly caller: ScriptedCaller
  readonly model: ScriptedModel
  readonly lab: Lab
  readonly session: RealtimeSession
  readonly phone: PhoneTransport
}

export interface Outcome {
  readonly record: CallRecord
  readonly model: ScriptedModel | undefined
  readonly errors: readonly SipError[]
  readonly lab: Lab
}

export const modelUrl = 'ws://model.lab/v1/realtime?model=test'

/** A caller calls an endpoint whose agent is a `RealtimeAgent`; `script` plays the caller and the model. */
export async function callAgent(
  options: ModelWorld,
  script: (talk: Talk) => Promise<void>,
): Promise<Outcome> {
  const {
    endpoint: endpointOptions,
    caller: callerOptions,
    refuse,
    hang,
    onSession,
    ...agentOptions
  } = options
  const lab = createLab({ network: { delayMs: 5 } })
  lab.resolver.setAddresses('model.lab', ['10.9.0.1'])
  const host = lab.network.host('10.9.0.1')
  let model: ScriptedModel | undefined
  await host.listenHttp({
    host: '10.9.0.1',
    port: 80,
    onRequest: () => Promise.resolve({ status: 404 }),
    onUpgrade: async request => {
      if (hang === true) await new Promise(() => {})
      if (refuse !== undefined) return { status: refuse }
      return { accept: connection => (model = new ScriptedModel(request, connection)) }
    },
  })
  const endpoint = await lab.endpoint('agent.lab', endpointOptions)
  const errors: SipError[] = []
  endpoint.on('error', error => errors.push(error))
  let connected: ((talk: Pick<Talk, 'session' | 'phone'>) => void) | undefined
  const up = new Promise<Pick<Talk, 'session' | 'phone'>>(resolve => (connected = resolve))
  const agent = openAiAgentsAgent({
    url: modelUrl,
    apiKey: 'key',
    agent: () => new RealtimeAgent({ name: 'Desk', instructions: 'Be brief.' }),
    ...agentOptions,
    onSession: (session, phone) => {
      onSession?.(session, phone)
      connected?.({ session, phone })
    },
    runtime: { clock: lab.clock, network: lab.network.host('10.9.0.2') },
  })
  void runAgent(endpoint, agent)
  const caller = lab.caller(callerOptions)
  await lab.run(async () => {
    await caller.call('sip:+15550199@agent.lab')
    const nobody = refuse !== undefined || hang === true
    const talk = nobody ? ({} as Talk) : await Promise.race([up, lab.clock.sleep(20_000)])
    if (!nobody) await model?.configured
    await script({ ...(talk as Talk), caller, lab, model: model as ScriptedModel })
  })
  const record = lab.records.find(({ direction }) => direction === 'inbound')
  if (record === undefined) throw new Error('no call ended')
  return { record, model, errors, lab }
}
