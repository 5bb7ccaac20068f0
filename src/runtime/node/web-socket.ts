import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { ClientOptions, RawData } from 'ws'
import type { SocketAddress } from '../runtime.ts'
import { transportError } from '../transport-error.ts'
import { checkedHeaders, webSocketTarget } from '../web-url.ts'
import { UpgradeRefusedError, webLimits } from '../web.ts'
import type { OpenWebSocketOptions, WebSocketConnection } from '../web.ts'
import { socketAddress } from './tcp.ts'
import { secureContext } from './tls.ts'

export function openWebSocket({
  url,
  headers = {},
  protocols = [],
  tls,
  signal,
  maxMessageBytes = webLimits.maxMessageBytes,
}: OpenWebSocketOptions): Promise<WebSocketConnection> {
  const { place } = webSocketTarget(url)
  const options: ClientOptions = {
    headers: checkedHeaders(headers),
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handshakeTimeout: webLimits.requestTimeoutMs,
    ...(tls !== undefined &&
      ({
        secureContext: secureContext(tls),
        rejectUnauthorized: tls.verify !== false,
        ...(tls.verify === false && { checkServerIdentity: () => undefined }),
      } as unknown as ClientOptions)),
  }
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const webSocket = new WebSocket(url, [...protocols], options)
    let socket: Socket | undefined
    const settle = (): void => signal?.removeEventListener('abort', abort)
    const abort = (): void => {
      webSocket.terminate()
      reject(signal?.reason)
    }
    const fail = (cause: Error): void => {
      settle()
      reject(transportError(`open ${place}`, cause))
    }
    webSocket.on('error', fail)
    webSocket.once('unexpected-response', (request, response: IncomingMessage) => {
      settle()
      let body = ''
      const refuse = (): void => {
        reject(new UpgradeRefusedError(place, response.statusCode ?? 0, body))
        request.destroy()
      }
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
        if (body.length >= 1024) refuse()
      })
      response.on('error', refuse)
      response.on('end', refuse)
      response.setTimeout(webLimits.requestTimeoutMs, refuse)
    })
    webSocket.once('upgrade', response => (socket = response.socket))
    webSocket.once('open', () => {
      settle()
      webSocket.off('error', fail)
      socket?.setNoDelay(true)
      resolve(new NodeWebSocket(webSocket, socket))
    })
    signal?.addEventListener('abort', abort)
  })
}

/** A WebSocket that is open. */
export class NodeWebSocket implements WebSocketConnection {
  readonly remote: SocketAddress
  onClose: ((code: number, reason: string) => void) | undefined
  readonly #webSocket: WebSocket
  #onMessage: ((data: string | Uint8Array) => void) | undefined
  #onPong: (() => void) | undefined

  constructor(webSocket: WebSocket, socket: Socket | undefined) {
    this.#webSocket = webSocket
    this.remote = socketAddress(socket?.remoteAddress ?? '', socket?.remotePort ?? 0)
    // What comes before somebody listens stays with the system.
    webSocket.pause()
    webSocket.on('message', (data: RawData, isBinary: boolean) => {
      const bytes = data as Buffer
      this.#onMessage?.(isBinary ? bytes : bytes.toString('utf8'))
    })
    webSocket.on('pong', () => this.#onPong?.())
    // The close that follows tells.
    webSocket.on('error', () => {})
    webSocket.on('close', (code, reason) => this.onClose?.(code, reason.toString('utf8')))
  }

  get protocol(): string {
    return this.#webSocket.protocol
  }

  get onMessage(): ((data: string | Uint8Array) => void) | undefined {
    return this.#onMessage
  }

  set onMessage(listener: ((data: string | Uint8Array) => void) | undefined) {
    this.#onMessage = listener
    if (listener !== undefined) this.#webSocket.resume()
  }

  get bufferedBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  send(data: string | Uint8Array): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.send(data)
  }

  ping(onPong: () => void): void {
    this.#onPong = onPong
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.ping()
  }

  close(code: number = 1000, reason: string = ''): void {
    // A close frame has room for 123 octets of reason (RFC 6455 §5.5).
    this.#webSocket.close(code, Buffer.from(reason).subarray(0, 123))
    // Else the answer to it would wait too.
    this.#webSocket.resume()
  }

  destroy(): void {
    this.#webSocket.terminate()
  }
}
