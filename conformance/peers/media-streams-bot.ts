/** A voice bot for Twilio Media Streams: a plain `ws` server and JSON, nothing of ours but the tables of G.711. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import twilio from 'twilio'
import { type WebSocket, WebSocketServer } from 'ws'
import { PCMU } from '../../src/media/codec/g711.ts'
import { sine } from '../audio.ts'

/** One message of Twilio's, as it came. */
export interface StreamMessage {
  readonly event: string
  readonly sequenceNumber?: string
  readonly streamSid?: string
  readonly [field: string]: unknown
}

/** What the bot does with a call; it goes on beside the messages that come. */
export type BotPart = (call: BotCall) => void | Promise<void>

export class MediaStreamsBot {
  readonly calls: BotCall[] = []
  readonly #server: Server
  readonly #sockets: WebSocketServer
  readonly #waiting = new Set<() => void>()

  private constructor(server: Server, sockets: WebSocketServer) {
    this.#server = server
    this.#sockets = sockets
  }

  /** With a token it turns away upgrades that the package `twilio` finds not to be signed with it. */
  static async start(part: BotPart, authToken?: string): Promise<MediaStreamsBot> {
    const server = createServer()
    const sockets = new WebSocketServer({ noServer: true })
    const bot = new MediaStreamsBot(server, sockets)
    server.on('upgrade', (request: IncomingMessage, socket, head) => {
      if (authToken !== undefined && !isSigned(request, authToken, bot.url)) {
        socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
        return
      }
      sockets.handleUpgrade(request, socket, head, connection => bot.#begin(connection, part))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return bot
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/media`
  }

  /** The one with that number, once its `start` has come. */
  async call(number = 0, withinMs = 8000): Promise<BotCall> {
    await wait(this.#waiting, withinMs, `call ${number + 1} at the bot`, () => this.calls.length > number)
    const call = this.calls[number]!
    await call.message('start')
    return call
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate()
    this.#sockets.close()
    this.#server.close()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  #begin(connection: WebSocket, part: BotPart): void {
    const call = new BotCall(connection)
    this.calls.push(call)
    for (const wake of this.#waiting) wake()
    // What did not come because the call was over, the check misses where it looks for it.
    call
      .message('start')
      .then(() => part(call))
      .catch(() => {})
  }
}

/** One call as the bot has it. */
export class BotCall {
  /** All but audio, in order. */
  readonly messages: StreamMessage[] = []
  /** What is not as Twilio has it. */
  readonly faults: string[] = []
  closed: number | undefined
  readonly #socket: WebSocket
  readonly #heard: Float64Array[] = []
  readonly #decoder = PCMU.decoder()
  readonly #waiting = new Set<() => void>()
  #streamSid = ''
  #sequence = 0
  #chunk = 0

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', data => this.#receive(JSON.parse((data as Buffer).toString()) as StreamMessage))
    socket.on('close', code => {
      this.closed = code
      this.#wake()
    })
    socket.on('error', () => {})
  }

  /** 8 kHz, from -1 to 1. */
  get heard(): Float64Array {
    return Float64Array.from(this.#heard.flatMap(piece => [...piece]))
  }

  get events(): readonly string[] {
    return this.messages.map(({ event }) => event)
  }

  get marks(): readonly string[] {
    return this.#names('mark', 'name')
  }

  get keys(): readonly string[] {
    return this.#names('dtmf', 'digit')
  }

  /** A tone, as fast as the socket takes it, in messages of that many octets. */
  say(hz: number, seconds: number, octets = 160): void {
    const ulaw = tone(hz, seconds)
    for (let at = 0; at < ulaw.length; at += octets) this.sendAudio(ulaw.subarray(at, at + octets))
  }

  sendAudio(ulaw: Uint8Array): void {
    this.#send({ event: 'media', media: { payload: Buffer.from(ulaw).toString('base64') } })
  }

  mark(name: string): void {
    this.#send({ event: 'mark', mark: { name } })
  }

  clear(): void {
    this.#send({ event: 'clear' })
  }

  close(code = 1000): void {
    this.#socket.close(code)
  }

  /** Gone, as when its process is killed. */
  kill(): void {
    this.#socket.terminate()
  }

  /** The first with that event, and that value below it: `message('mark', 'bye')`. */
  async message(event: string, value?: string, withinMs = 8000): Promise<StreamMessage> {
    const found = (): StreamMessage | undefined =>
      this.messages.find(
        message =>
          message.event === event && (value === undefined || JSON.stringify(message).includes(`:"${value}"`)),
      )
    const what = `${event}${value === undefined ? '' : ` ${value}`} at the bot, which got ${this.events.join(' ')}`
    await wait(this.#waiting, withinMs, what, () => found() !== undefined || this.closed !== undefined)
    const message = found()
    if (message === undefined) throw new Error(`The connection was closed with ${this.closed} before ${what}`)
    return message
  }

  /** Until the connection is closed. */
  async end(withinMs = 8000): Promise<void> {
    await wait(this.#waiting, withinMs, 'end of the connection to the bot', () => this.closed !== undefined)
  }

  #receive(message: StreamMessage): void {
    const { event, sequenceNumber, streamSid } = message
    if (event !== 'connected') {
      this.#sequence += 1
      if (sequenceNumber !== String(this.#sequence))
        this.faults.push(`${event} has the number ${sequenceNumber}, not "${this.#sequence}"`)
      if (event === 'start') this.#streamSid = streamSid ?? ''
      if (streamSid !== this.#streamSid || !/^MZ[0-9a-f]{32}$/.test(this.#streamSid))
        this.faults.push(`${event} has the stream ${streamSid}`)
    }
    if (event === 'media') this.#hear(message)
    else this.messages.push(message)
    this.#wake()
  }

  #hear({ media }: StreamMessage): void {
    const { payload, chunk, timestamp, track } = media as Record<string, unknown>
    const octets = Buffer.from(String(payload), 'base64')
    this.#chunk += 1
    if (octets.length !== 160 || chunk !== String(this.#chunk) || track !== 'inbound')
      this.faults.push(`audio of ${octets.length} octets, chunk ${String(chunk)}, track ${String(track)}`)
    if (typeof timestamp !== 'string') this.faults.push(`the timestamp ${String(timestamp)} is no string`)
    const samples = new Int16Array(octets.length)
    this.#decoder.decode(octets, samples)
    this.#heard.push(Float64Array.from(samples, sample => sample / 32_768))
  }

  #names(event: string, field: string): readonly string[] {
    return this.messages.flatMap(message =>
      message.event === event ? String((message[event] as Record<string, unknown>)[field]) : [],
    )
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify({ streamSid: this.#streamSid, ...message }))
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }
}

/** In μ-law, 8 kHz. */
export function tone(hz: number, seconds: number): Uint8Array {
  const samples = sine(hz, seconds)
  const ulaw = new Uint8Array(samples.length)
  PCMU.encoder().encode(samples, ulaw)
  return ulaw
}

function isSigned({ headers }: IncomingMessage, authToken: string, url: string): boolean {
  return twilio.validateRequest(authToken, String(headers['x-twilio-signature']), url, {})
}

async function wait(
  waiting: Set<() => void>,
  withinMs: number,
  what: string,
  done: () => boolean,
): Promise<void> {
  if (done()) return
  await new Promise<void>((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      waiting.delete(look)
      settle()
    }
    const look = (): void => {
      if (done()) finish(resolve)
    }
    const timer = setTimeout(
      () => finish(() => reject(new Error(`No ${what} within ${withinMs} ms`))),
      withinMs,
    )
    waiting.add(look)
  })
}
