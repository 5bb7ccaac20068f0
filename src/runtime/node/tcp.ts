import { connect, createServer, type Server, type Socket } from 'node:net'
import type {
  ConnectOptions,
  PeerCertificate,
  SocketAddress,
  StreamConnection,
  StreamListener,
} from '../runtime.ts'
import { hostPort, transportError } from '../transport-error.ts'

/** Dead peers are noticed by the system even when nobody speaks; SIP's own keep-alives come on top. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 60_000, noDelay: true } as const

export const LISTEN_BACKLOG = 511

export function listenTcp(address: string, port: number): Promise<StreamListener> {
  const server = createServer(KEEP_ALIVE)
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(transportError(`listen tcp ${hostPort(address, port)}`, cause))
    server.once('error', fail)
    server.listen({ host: address, port, ipv6Only: true, exclusive: true, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', fail)
      resolve(new NodeListener(server))
    })
  })
}

export function connectTcp({ host, port, signal }: ConnectOptions): Promise<StreamConnection> {
  return whenConnected(
    `tcp ${hostPort(host, port)}`,
    () => connect({ host, port, ...KEEP_ALIVE }),
    'connect',
    signal,
    socket => new NodeConnection(socket),
  )
}

/** What becomes of a socket that is being connected: a connection with that event, an error, or nothing once `signal` aborts. */
export function whenConnected<S extends Socket>(
  what: string,
  open: () => S,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal | undefined,
  toConnection: (socket: S) => StreamConnection,
): Promise<StreamConnection> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const socket = open()
    const finish = (): void => {
      socket.off('error', fail)
      socket.off(event, succeed)
      signal?.removeEventListener('abort', abort)
    }
    const fail = (cause: Error): void => {
      finish()
      reject(transportError(`connect ${what}`, cause))
    }
    const succeed = (): void => {
      finish()
      resolve(toConnection(socket))
    }
    const abort = (): void => {
      finish()
      socket.on('error', () => {})
      socket.destroy()
      reject(signal?.reason)
    }
    socket.once('error', fail)
    socket.once(event, succeed)
    signal?.addEventListener('abort', abort)
  })
}

/** Of a TCP or a TLS server. */
export class NodeListener implements StreamListener {
  readonly local: SocketAddress
  onConnection: ((connection: StreamConnection) => void) | undefined
  onError: ((error: Error) => void) | undefined
  readonly #server: Server

  constructor(server: Server, toConnection?: (socket: Socket) => StreamConnection) {
    const bound = server.address() as { address: string; port: number }
    this.local = socketAddress(bound.address, bound.port)
    this.#server = server
    server.on(toConnection === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      // A peer may be gone before it was accepted.
      if (socket.remoteAddress === undefined) socket.destroy()
      else if (this.onConnection === undefined) socket.destroy()
      else this.onConnection(toConnection?.(socket) ?? new NodeConnection(socket))
    })
    server.on('error', error => this.onError?.(error))
  }

  close(): Promise<void> {
    // The callback of `close` waits for every connection to end; the port is free at once.
    if (this.#server.listening) this.#server.close()
    return Promise.resolve()
  }
}

export class NodeConnection implements StreamConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly peer: PeerCertificate | undefined
  onData: ((data: Uint8Array) => void) | undefined
  onClose: ((error?: Error) => void) | undefined
  readonly #socket: Socket
  #error: Error | undefined

  constructor(socket: Socket, peer?: PeerCertificate) {
    this.#socket = socket
    this.peer = peer
    this.local = socketAddress(socket.localAddress ?? '', socket.localPort ?? 0)
    this.remote = socketAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)
    socket.on('data', (data: Uint8Array) => this.onData?.(data))
    socket.on('error', error => {
      this.#error = error
    })
    socket.on('close', () => this.onClose?.(this.#error))
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  write(data: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(data)
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

export function socketAddress(address: string, port: number): SocketAddress {
  return { address, port, family: address.includes(':') ? 6 : 4 }
}
