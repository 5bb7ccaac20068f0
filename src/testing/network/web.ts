import type { SocketAddress, StreamConnection } from '../../runtime/runtime.ts'
import { UpgradeRefusedError, webLimits } from '../../runtime/web.ts'
import type {
  HttpListener,
  HttpRequest,
  HttpResponse,
  ListenHttpOptions,
  WebSocketConnection,
} from '../../runtime/web.ts'

/** Kinds of frames. A frame is its kind, the length of its payload in four octets, and the payload. */
const REQUEST = 1
const RESPONSE = 2
const TEXT = 3
const BINARY = 4
const PING = 5
const PONG = 6
const CLOSE = 7
const HEAD_BYTES = 5

/** What a client says first, and what the server says to it; the body follows in the same payload. */
interface RequestHead {
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [string, string])[]
  readonly upgrade: boolean
}

interface ResponseHead {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly protocol: string
}

/** Frames over a simulated connection; they wait until somebody takes them. */
class Frames {
  readonly connection: StreamConnection
  onFrame: ((kind: number, payload: Buffer) => void) | undefined
  onEnd: ((error?: Error) => void) | undefined
  #held: Buffer = Buffer.alloc(0)

  constructor(connection: StreamConnection) {
    this.connection = connection
    connection.onData = data => {
      this.#held = Buffer.concat([this.#held, data])
      this.drain()
    }
    connection.onClose = error => this.onEnd?.(error)
  }

  write(kind: number, payload: Uint8Array): void {
    const frame = Buffer.alloc(HEAD_BYTES + payload.length)
    frame.writeUInt8(kind, 0)
    frame.writeUInt32BE(payload.length, 1)
    frame.set(payload, HEAD_BYTES)
    this.connection.write(frame)
  }

  drain(): void {
    while (this.onFrame !== undefined && this.#held.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + this.#held.readUInt32BE(1)
      if (this.#held.length < end) return
      const kind = this.#held.readUInt8(0)
      const payload = this.#held.subarray(HEAD_BYTES, end)
      this.#held = this.#held.subarray(end)
      this.onFrame(kind, payload)
    }
  }
}

export class SimulatedWeb implements WebSocketConnection {
  readonly protocol: string
  onClose: ((code: number, reason: string) => void) | undefined
  readonly #frames: Frames
  readonly #maxMessageBytes: number
  #onMessage: ((data: string | Uint8Array) => void) | undefined
  #onPong: (() => void) | undefined
  #closing = false
  #told: { readonly code: number; readonly reason: string } | undefined

  constructor(frames: Frames, protocol: string, maxMessageBytes: number) {
    this.protocol = protocol
    this.#frames = frames
    this.#maxMessageBytes = maxMessageBytes
    frames.onFrame = undefined
    frames.onEnd = () => {
      this.#listen()
      this.#closing = true
      this.onClose?.(this.#told?.code ?? 1006, this.#told?.reason ?? '')
    }
  }

  get remote(): SocketAddress {
    return this.#frames.connection.remote
  }

  get bufferedBytes(): number {
    return this.#frames.connection.bufferedBytes
  }

  get onMessage(): ((data: string | Uint8Array) => void) | undefined {
    return this.#onMessage
  }

  set onMessage(listener: ((data: string | Uint8Array) => void) | undefined) {
    this.#onMessage = listener
    if (listener !== undefined) this.#listen()
  }

  send(data: string | Uint8Array): void {
    if (this.#closing) return
    if (typeof data === 'string') this.#frames.write(TEXT, Buffer.from(data))
    else this.#frames.write(BINARY, data)
  }

  ping(onPong: () => void): void {
    this.#onPong = onPong
    if (!this.#closing) this.#frames.write(PING, new Uint8Array())
  }

  close(code: number = 1000, reason: string = ''): void {
    if (this.#closing) return
    this.#closing = true
    this.#sendClose(code, reason)
    this.#listen()
  }

  destroy(): void {
    this.#closing = true
    this.#frames.connection.destroy()
  }

  #listen(): void {
    this.#frames.onFrame = (kind, payload) => this.#receive(kind, payload)
    this.#frames.drain()
  }

  #receive(kind: number, payload: Buffer): void {
    if (kind === PING) this.#frames.write(PONG, payload)
    else if (kind === PONG) this.#onPong?.()
    else if (kind === CLOSE) this.#peerCloses(payload)
    else if (this.#told !== undefined) return
    else if (payload.length > this.#maxMessageBytes) this.close(1009)
    else this.#onMessage?.(kind === TEXT ? payload.toString() : Uint8Array.from(payload))
  }

  #sendClose(code: number, reason: string): void {
    const text = Buffer.from(reason).subarray(0, 123)
    this.#frames.write(CLOSE, Buffer.concat([Buffer.from([code >> 8, code & 255]), text]))
  }

  #peerCloses(payload: Buffer): void {
    this.#told = { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() }
    if (!this.#closing) this.#sendClose(this.#told.code, this.#told.reason)
    this.#closing = true
    this.#frames.connection.end()
  }
}

/** The other side of a request that is about to be made. */
export interface Exchange {
  readonly place: string
  readonly head: RequestHead
  readonly body: Uint8Array
  readonly signal: AbortSignal | undefined
}

/** Asks, and gives the answer with the connection it came on. */
async function ask(
  connection: StreamConnection,
  { place, head, body, signal }: Exchange,
): Promise<{ readonly frames: Frames; readonly head: ResponseHead; readonly body: Buffer }> {
  const frames = new Frames(connection)
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      connection.destroy()
      reject(signal?.reason)
    }
    if (signal?.aborted === true) {
      abort()
      return
    }
    signal?.addEventListener('abort', abort)
    frames.onEnd = error => {
      signal?.removeEventListener('abort', abort)
      reject(new UpgradeRefusedError(place, 0, error?.message ?? 'closed without an answer'))
    }
    frames.onFrame = (_kind, payload) => {
      signal?.removeEventListener('abort', abort)
      frames.onFrame = undefined
      frames.onEnd = undefined
      const [answer, rest] = unpack<ResponseHead>(payload)
      resolve({ frames, head: answer, body: rest })
    }
    frames.write(REQUEST, pack(head, body))
  })
}

export async function askForWebSocket(
  connection: StreamConnection,
  exchange: Exchange,
  maxMessageBytes: number,
): Promise<WebSocketConnection> {
  const { frames, head, body } = await ask(connection, exchange)
  if (head.status === 101) return new SimulatedWeb(frames, head.protocol, maxMessageBytes)
  connection.destroy()
  throw new UpgradeRefusedError(exchange.place, head.status, body.toString())
}

export async function askForResponse(connection: StreamConnection, exchange: Exchange): Promise<Response> {
  const { head, body } = await ask(connection, exchange)
  connection.destroy()
  const empty = [204, 205, 304].includes(head.status)
  return new Response(empty ? null : Uint8Array.from(body), {
    status: head.status,
    headers: head.headers.map(([name, value]): [string, string] => [name, value]),
  })
}

/** A server for the connections that a listener hands over. */
export class SimulatedHttpServer implements HttpListener {
  readonly local: SocketAddress
  onError: ((error: Error) => void) | undefined
  readonly #options: ListenHttpOptions
  readonly #end: () => Promise<void>
  #connections = 0

  constructor(local: SocketAddress, options: ListenHttpOptions, end: () => Promise<void>) {
    this.local = local
    this.#options = options
    this.#end = end
  }

  close(): Promise<void> {
    return this.#end()
  }

  take(connection: StreamConnection): void {
    if (this.#connections >= (this.#options.maxConnections ?? webLimits.maxConnections)) {
      connection.destroy()
      return
    }
    this.#connections += 1
    const frames = new Frames(connection)
    // The end of the connection is counted here, whoever listens to the frames later.
    const { onClose } = connection
    connection.onClose = error => {
      this.#connections -= 1
      onClose?.(error)
    }
    frames.onFrame = (_kind, payload) => {
      frames.onFrame = undefined
      const [head, body] = unpack<RequestHead>(payload)
      this.#answer(frames, head, body).catch((error: unknown) => {
        this.onError?.(error instanceof Error ? error : new Error(String(error)))
        respond(frames, { status: 500 })
      })
    }
  }

  async #answer(frames: Frames, head: RequestHead, body: Buffer): Promise<void> {
    const { onRequest, onUpgrade, maxBodyBytes = webLimits.maxBodyBytes } = this.#options
    const request: HttpRequest = {
      method: head.method,
      url: head.url,
      headers: new Map(head.headers),
      body: Uint8Array.from(body),
      remote: frames.connection.remote,
      secure: this.#options.tls !== undefined,
    }
    if (body.length > maxBodyBytes) return respond(frames, { status: 413 })
    if (!head.upgrade) return respond(frames, await onRequest(request))
    const answer = (await onUpgrade?.(request)) ?? { status: 426 }
    if ('status' in answer) return respond(frames, answer)
    const offered = (request.headers.get('sec-websocket-protocol') ?? '').split(',').map(name => name.trim())
    const protocol = offered.includes(answer.protocol ?? '') ? (answer.protocol ?? '') : ''
    frames.write(RESPONSE, pack({ status: 101, headers: [], protocol }, new Uint8Array()))
    answer.accept(
      new SimulatedWeb(frames, protocol, this.#options.maxMessageBytes ?? webLimits.maxMessageBytes),
    )
  }
}

function respond(frames: Frames, { status, headers = {}, body = '' }: HttpResponse): void {
  frames.write(RESPONSE, pack({ status, headers: Object.entries(headers), protocol: '' }, Buffer.from(body)))
  frames.connection.end()
}

function pack(head: RequestHead | ResponseHead, body: Uint8Array): Buffer {
  const text = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text, body])
}

function unpack<Head>(payload: Buffer): [Head, Buffer] {
  const end = 4 + payload.readUInt32BE(0)
  return [JSON.parse(payload.subarray(4, end).toString()) as Head, payload.subarray(end)]
}
