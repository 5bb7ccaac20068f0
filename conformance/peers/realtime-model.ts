/**
 * A model behind the WebSocket of OpenAI's Realtime API, as far as bots need one that hears, speaks and calls tools. What it does is told by what
 * the user says in text: the keys that a caller has pressed.
 */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { until } from '../within.ts'

export const modelHz = 440
export const goodbyeHz = 600

type Event = Readonly<Record<string, unknown>> & { readonly type: string }

export class RealtimeModel {
  readonly url: string
  /** A conversation for each connection. */
  readonly conversations: Conversation[] = []
  readonly #server: Server
  readonly #sockets: WebSocketServer

  private constructor(server: Server, sockets: WebSocketServer) {
    this.#server = server
    this.#sockets = sockets
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/realtime?model=gpt-realtime`
    sockets.on('connection', (socket, request) => {
      this.conversations.push(new Conversation(socket, request.headers.authorization ?? ''))
    })
  }

  static async start(): Promise<RealtimeModel> {
    const server = createServer()
    const sockets = new WebSocketServer({ server })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new RealtimeModel(server, sockets)
  }

  /** The conversation of the only call, once there is one. */
  async conversation(withinMs = 5000): Promise<Conversation> {
    await until(() => this.conversations.length > 0, 'the model is dialled', withinMs)
    return this.conversations[0] as Conversation
  }

  async stop(): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate()
    this.#sockets.close()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

export class Conversation {
  readonly authorization: string
  /** What came, but audio. */
  readonly events: Event[] = []
  /** What it hears, samples from -1 to 1 at 8 kHz. */
  readonly heard: number[] = []
  /** Of the config. */
  format = ''
  closed = false
  readonly #socket: WebSocket
  #count = 0
  #said: string | undefined
  #greeted = false

  constructor(socket: WebSocket, authorization: string) {
    this.#socket = socket
    this.authorization = authorization
    socket.on('message', (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Event))
    socket.on('close', () => (this.closed = true))
    this.#send({ type: 'session.created', session: { type: 'realtime', tracing: null } })
  }

  all(type: string): readonly Event[] {
    return this.events.filter(event => event.type === type)
  }

  /** The first event of that type. */
  async event(type: string, withinMs = 8000): Promise<Event> {
    await until(() => this.all(type).length > 0, `${type} comes`, withinMs)
    return this.all(type)[0] as Event
  }

  async end(withinMs = 8000): Promise<void> {
    await until(() => this.closed, 'the session ends', withinMs)
  }

  #send(event: Event): void {
    this.#count += 1
    this.#socket.send(JSON.stringify({ event_id: `event_${this.#count}`, ...event }))
  }

  #receive(event: Event): void {
    if (event.type === 'input_audio_buffer.append') {
      for (const octet of Buffer.from(String(event['audio']), 'base64')) this.heard.push(fromMuLaw(octet))
      return
    }
    this.events.push(event)
    const item = event['item'] as { type?: string; content?: { text?: string }[] } | undefined
    switch (event.type) {
      case 'session.update':
        return this.#configure(event['session'] as SessionConfig)
      case 'conversation.item.create':
        if (item?.type === 'message') this.#said = item.content?.[0]?.text ?? ''
        // As if its ear had heard the caller.
        if (this.#said === '1')
          this.#send({ type: 'input_audio_buffer.speech_started', item_id: 'user', audio_start_ms: 0 })
        return
      case 'conversation.item.truncate':
        return this.#send({ ...event, type: 'conversation.item.truncated', event_id: undefined })
      case 'response.create':
        return this.#respond()
    }
  }

  #configure(session: SessionConfig): void {
    const { input } = session.audio ?? {}
    if (input?.format?.type === undefined) return
    this.format = input.format.type
    const turn_detection = { ...input.turn_detection, interrupt_response: true }
    this.#send({
      type: 'session.updated',
      session: { ...session, audio: { ...session.audio, input: { ...input, turn_detection } } },
    })
  }

  #respond(): void {
    // An interruption needs no words, what a tool has given neither.
    const said = this.#said ?? (this.#greeted ? '' : 'hello')
    this.#said = undefined
    this.#greeted = true
    const id = `resp_${this.#count}`
    this.#send({ type: 'response.created', response: { id, object: 'realtime.response' } })
    if (said === 'hello') this.#speak(id, modelHz, 8)
    if (said === '2') this.#call(id, 'transfer_call', { destination: 'desk' })
    if (said === '#') {
      this.#speak(id, goodbyeHz, 0.6)
      this.#call(id, 'hang_up', {})
    }
    this.#send({ type: 'response.done', response: { id, status: 'completed', output: [] } })
  }

  /** All of it within a moment, as models do. */
  #speak(id: string, hz: number, seconds: number): void {
    const audio = Buffer.from(
      Float64Array.from({ length: 8000 * seconds }, (_, at) =>
        toMuLaw(8192 * Math.sin((2 * Math.PI * hz * at) / 8000)),
      ),
    )
    const common = { response_id: id, item_id: `item_${id}`, output_index: 0, content_index: 0 }
    for (let at = 0; at < audio.length; at += 2000) {
      const delta = audio.subarray(at, at + 2000).toString('base64')
      this.#send({ type: 'response.output_audio.delta', ...common, delta })
    }
    this.#send({ type: 'response.output_audio.done', ...common })
  }

  #call(id: string, name: string, input: object): void {
    this.#send({
      type: 'response.output_item.done',
      response_id: id,
      output_index: 1,
      item: {
        id: `call_${id}`,
        type: 'function_call',
        status: 'completed',
        call_id: `call_${id}`,
        name,
        arguments: JSON.stringify(input),
      },
    })
  }
}

interface SessionConfig {
  readonly audio?: {
    readonly input?: { readonly format?: { readonly type?: string }; readonly turn_detection?: object }
  }
}

/** ITU-T G.711, without any of our own code. */
function fromMuLaw(octet: number): number {
  const code = ~octet & 0xff
  const magnitude = (((code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4)
  return ((code & 0x80) === 0 ? magnitude - 0x84 : 0x84 - magnitude) / 32_768
}

function toMuLaw(sample: number): number {
  const magnitude = Math.min(32_635, Math.abs(Math.round(sample))) + 0x84
  const exponent = Math.max(0, Math.floor(Math.log2(magnitude)) - 7)
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f
  return ~((sample < 0 ? 0x80 : 0) | (exponent << 4) | mantissa) & 0xff
}
