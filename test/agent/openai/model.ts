import { runAgent } from '../../../src/agent/agent.ts'
import { openAiAgent } from '../../../src/agent/openai/agent.ts'
import type { OpenAiAgentOptions } from '../../../src/agent/openai/options.ts'
import { encodeAudio } from '../../../src/agent/streams/audio-format.ts'
import { base64Of, objectFrom } from '../../../src/agent/streams/json.ts'
import type { JsonObject } from '../../../src/agent/streams/json.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import type { SipError } from '../../../src/runtime/errors.ts'
import type { HttpRequest, WebSocketConnection } from '../../../src/runtime/web.ts'
import type { ScriptedCaller } from '../../../src/testing/caller.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab, LabEndpointOptions } from '../../../src/testing/lab.ts'
import type { CallRecord } from '../../../src/trace/call-record.ts'

/** One connection of OpenAI's side: what came, and what a test has it say. */
export class ScriptedModel {
  readonly request: HttpRequest
  /** All but audio, with the time each came at. */
  readonly events: (JsonObject & { readonly at: number })[] = []
  /** Audio as it came. */
  readonly heard: number[] = []
  closed: { readonly code: number; readonly reason: string } | undefined
  readonly #connection: WebSocketConnection
  readonly #lab: Lab

  constructor(lab: Lab, request: HttpRequest, connection: WebSocketConnection, ready: boolean) {
    this.#lab = lab
    this.request = request
    this.#connection = connection
    connection.onClose = (code, reason) => (this.closed = { code, reason })
    connection.onMessage = data => {
      const event = objectFrom(String(data)) ?? {}
      const audio = event['audio']
      if (typeof audio === 'string') this.heard.push(...Buffer.from(audio, 'base64'))
      else this.events.push({ ...event, at: lab.clock.now() })
      if (!ready) return
      if (event['type'] === 'session.update') this.send({ type: 'session.updated', session: {} })
      if (event['type'] === 'session.start') this.send({ type: 'session.started', session: { id: 'live_1' } })
    }
  }

  send(event: JsonObject): void {
    this.#connection.send(JSON.stringify(event))
  }

  raw(data: string | Uint8Array): void {
    this.#connection.send(data)
  }

  close(code?: number, reason?: string): void {
    this.#connection.close(code, reason)
  }

  destroy(): void {
    this.#connection.destroy()
  }

  begin(id: string): void {
    this.send({ type: 'response.created', response: { id } })
  }

  /** A tone in G.711 as fast as the line takes it; an item of its own. */
  say(hz: number, durationMs: number, itemId = 'item_1', responseId = 'resp_1', chunkMs = 100): void {
    const samples = tone({ sampleRate: 8000, hz, durationMs })
    for (let at = 0; at < samples.length; at += chunkMs * 8) {
      const audio = encodeAudio(
        { encoding: 'PCMU', sampleRate: 8000 },
        samples.subarray(at, at + chunkMs * 8),
      )
      this.audio(base64Of(audio), itemId, responseId)
    }
  }

  audio(delta: string, itemId = 'item_1', responseId = 'resp_1'): void {
    const common = { response_id: responseId, item_id: itemId, content_index: 0 }
    this.send({ type: 'response.output_audio.delta', ...common, delta })
  }

  said(itemId = 'item_1'): void {
    this.send({ type: 'response.output_audio.done', item_id: itemId, content_index: 0 })
  }

  over(id: string, more: JsonObject = { status: 'completed' }): void {
    this.send({ type: 'response.done', response: { id, ...more } })
  }

  call(name: string, input: unknown, callId = 'call_1'): void {
    this.send({
      type: 'response.output_item.done',
      item: {
        type: 'function_call',
        status: 'completed',
        call_id: callId,
        name,
        arguments: typeof input === 'string' ? input : JSON.stringify(input),
      },
    })
  }

  all(type: string): readonly JsonObject[] {
    return this.events.filter(event => event['type'] === type)
  }

  async until(type: string, count = 1, withinMs = 10_000): Promise<JsonObject> {
    for (let waited = 0; waited < withinMs; waited += 10) {
      const found = this.all(type)[count - 1]
      if (found !== undefined) return found
      await this.#lab.clock.sleep(10)
    }
    throw new Error(`no ${type} came: ${this.events.map(({ type }) => String(type)).join(', ')}`)
  }
}

export interface ModelWorld extends Partial<OpenAiAgentOptions> {
  readonly endpoint?: LabEndpointOptions
  readonly caller?: LabEndpointOptions
  /** Refuses upgrades with it from that connection on (0 is the first). */
  readonly refuse?: { readonly status: number; readonly from: number }
  /** Does not confirm sessions. */
  readonly mute?: boolean
  /** No agent session is waited for. */
  readonly nobody?: boolean
}

export interface ModelOutcome {
  readonly models: readonly ScriptedModel[]
  readonly record: CallRecord
  readonly errors: readonly SipError[]
}

/** A caller on a phone, and a model behind the agent. `script` plays both; the call is hung up at its end. */
export async function callModel(
  world: ModelWorld,
  script: (
    caller: ScriptedCaller,
    model: ScriptedModel,
    lab: Lab,
    models: readonly ScriptedModel[],
  ) => Promise<void>,
): Promise<ModelOutcome> {
  const { endpoint: endpointOptions, caller: callerOptions, refuse, mute, nobody, ...options } = world
  const lab = createLab({ network: { delayMs: 5 } })
  lab.resolver.setAddresses('model.lab', ['10.9.0.1'])
  const models: ScriptedModel[] = []
  let upgrades = 0
  await lab.network.host('10.9.0.1').listenHttp({
    host: '10.9.0.1',
    port: 80,
    onRequest: () => Promise.resolve({ status: 404 }),
    onUpgrade: request => {
      upgrades += 1
      if (refuse !== undefined && upgrades > refuse.from) return { status: refuse.status }
      return {
        accept: connection => {
          models.push(new ScriptedModel(lab, request, connection, mute !== true))
        },
      }
    },
  })
  const endpoint = await lab.endpoint('agent.lab', endpointOptions)
  const errors: SipError[] = []
  endpoint.on('error', error => errors.push(error))
  const runtime = { clock: lab.clock, network: lab.network.host('10.9.0.2') }
  const agent = openAiAgent({
    apiKey: 'sk-test',
    dialect: 'realtime',
    model: 'gpt-realtime',
    url: 'ws://model.lab/v1/realtime?model=gpt-realtime',
    ...options,
    runtime,
  })
  void runAgent(endpoint, agent)
  const caller = lab.caller(callerOptions)
  await lab.run(async () => {
    await caller.call('sip:+15550199@agent.lab')
    if (nobody !== true) while (!models.some(({ events }) => events.length > 0)) await lab.clock.sleep(10)
    await lab.clock.sleep(30)
    await script(caller, models[0] as ScriptedModel, lab, models)
  })
  const record = lab.records.find(({ direction }) => direction === 'inbound')
  if (record === undefined) throw new Error('no call ended')
  return { models, record, errors }
}
