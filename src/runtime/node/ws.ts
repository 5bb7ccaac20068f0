import { isUtf8 } from 'node:buffer'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import type { ClientOptions } from 'ws'
import type {
  ConnectOptions,
  PeerCertificate,
  SocketAddress,
  StreamConnection,
  StreamListener,
  TlsOptions,
  WebSocketClientOptions,
} from '../runtime.ts'
import { hostPort, transportError } from '../transport-error.ts'
import { KEEP_ALIVE, socketAddress } from './tcp.ts'
import { clientOptions, listening, peerOf, serverOptions } from './tls.ts'

/** RFC 7118 §4.1. */
const SUBPROTOCOL = 'sip'

/** A SIP message may be 64 KiB; beyond this the connection is closed with 1009. */
const MAX_PAYLOAD = 128 * 1024

export function listenWebSocket(
  address: string,
  port: number,
  tls: TlsOptions | undefined,
): Promise<StreamListener> {
  const server =
    tls === undefined
      ? createServer(KEEP_ALIVE)
      : createSecureServer({ ...serverOptions(tls), keepAlive: true, noDelay: true })
  server.on('request', (_request, response) => {
    response.writeHead(426, { Upgrade: 'websocket', Connection: 'close' }).end('SIP over WebSocket only\n')
  })
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_PAYLOAD,
    handleProtocols: () => SUBPROTOCOL,
  })
  return listening(server, tls === undefined ? 'ws' : 'wss', address, port, () => {
    const bound = server.address() as { address: string; port: number }
    const listener: StreamListener = {
      local: socketAddress(bound.address, bound.port),
      onConnection: undefined,
      onError: undefined,
      close: () => {
        // As with TCP: connections that are up stay up, and the port is free at once.
        if (server.listening) server.close()
        server.closeIdleConnections()
        return Promise.resolve()
      },
    }
    server.on('error', error => listener.onError?.(error))
    server.on('clientError', (error, socket) => {
      listener.onError?.(error)
      socket.destroy()
    })
    if (tls !== undefined) server.on('tlsClientError', error => listener.onError?.(error as Error))
    server.on('upgrade', (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
      const socket = duplex as Socket
      if (!offersSip(request)) {
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
        return
      }
      sockets.handleUpgrade(request, socket, head, webSocket => {
        const connection = new WebSocketConnection(webSocket, socket)
        if (listener.onConnection === undefined) connection.destroy()
        else listener.onConnection(connection)
      })
    })
    return listener
  })
}

function offersSip({ headers }: IncomingMessage): boolean {
  const offered = headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some(name => name.trim() === SUBPROTOCOL)
}

export function connectWebSocket({
  host,
  port,
  signal,
  tls,
  serverName,
  path = '/',
}: ConnectOptions & WebSocketClientOptions): Promise<StreamConnection> {
  const scheme = tls === undefined ? 'ws' : 'wss'
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const options: ClientOptions = {
      maxPayload: MAX_PAYLOAD,
      perMessageDeflate: false,
      headers: { Host: hostPort(serverName, port) },
      ...(tls !== undefined && (clientOptions(tls, serverName) as unknown as ClientOptions)),
    }
    const webSocket = new WebSocket(`${scheme}://${hostPort(host, port)}${path}`, SUBPROTOCOL, options)
    let socket: Socket | undefined
    const abort = (): void => {
      webSocket.terminate()
      reject(signal?.reason)
    }
    const fail = (cause: Error): void => {
      signal?.removeEventListener('abort', abort)
      reject(transportError(`connect ${scheme} ${hostPort(host, port)}`, cause))
    }
    webSocket.on('error', fail)
    webSocket.once('upgrade', response => (socket = response.socket))
    webSocket.once('open', () => {
      signal?.removeEventListener('abort', abort)
      webSocket.off('error', fail)
      if (socket !== undefined) resolve(new WebSocketConnection(webSocket, socket))
    })
    signal?.addEventListener('abort', abort)
  })
}

class WebSocketConnection implements StreamConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly peer: PeerCertificate | undefined
  onData: ((data: Uint8Array) => void) | undefined
  onClose: ((error?: Error) => void) | undefined
  readonly #webSocket: WebSocket
  #error: Error | undefined
  #onPong: (() => void) | undefined

  constructor(webSocket: WebSocket, socket: Socket) {
    this.#webSocket = webSocket
    this.local = socketAddress(socket.localAddress ?? '', socket.localPort ?? 0)
    this.remote = socketAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)
    this.peer = peerOf(socket)
    // `binaryType` is left at its default: each message is one Buffer, text or binary.
    webSocket.on('message', data => this.onData?.(data as Buffer))
    webSocket.on('pong', () => this.#onPong?.())
    webSocket.on('error', error => {
      this.#error = error
    })
    webSocket.on('close', () => this.onClose?.(this.#error))
  }

  get bufferedBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  write(data: Uint8Array): void {
    // Browsers expect text; a body that is no UTF-8 can only be binary (RFC 6455 §5.6).
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.send(data, { binary: !isUtf8(data) })
  }

  ping(onPong: () => void): void {
    this.#onPong = onPong
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.ping()
  }

  end(): void {
    this.#webSocket.close(1000)
  }

  destroy(): void {
    this.#webSocket.terminate()
  }
}
