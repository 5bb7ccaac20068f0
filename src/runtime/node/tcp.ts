import { connect, createServer, type Server, type Socket } from 'node:net'
import type { BindOptions, SocketAddress, StreamConnection, StreamListener } from '../runtime.ts'
import { hostPort, transportError } from '../transport-error.ts'

/** Dead peers are noticed by the system even when nobody speaks; SIP's own keep-alives come on top. */
const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 60_000, noDelay: true } as const

const LISTEN_BACKLOG = 511

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

export function connectTcp({
  host,
  port,
  signal,
}: BindOptions & { readonly signal?: AbortSignal }): Promise<StreamConnection> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const socket = connect({ host, port, ...KEEP_ALIVE })
    const finish = (): void => {
      socket.off('error', fail)
      socket.off('connect', succeed)
      signal?.removeEventListener('abort', abort)
    }
    const fail = (cause: Error): void => {
      finish()
      reject(transportError(`connect tcp ${hostPort(host, port)}`, cause))
    }
    const succeed = (): void => {
      finish()
      resolve(new NodeConnection(socket))
    }
    const abort = (): void => {
      finish()
      socket.on('error', () => {})
      socket.destroy()
      reject(signal?.reason)
    }
    socket.once('error', fail)
    socket.once('connect', succeed)
    signal?.addEventListener('abort', abort)
  })
}

class NodeListener implements StreamListener {
  readonly local: SocketAddress
  onConnection: ((connection: StreamConnection) => void) | undefined
  onError: ((error: Error) => void) | undefined
  readonly #server: Server

  constructor(server: Server) {
    const bound = server.address() as { address: string; port: number }
    this.local = socketAddress(bound.address, bound.port)
    this.#server = server
    server.on('connection', socket => {
      // A peer may be gone before it was accepted.
      if (socket.remoteAddress === undefined) socket.destroy()
      else if (this.onConnection === undefined) socket.destroy()
      else this.onConnection(new NodeConnection(socket))
    })
    server.on('error', error => this.onError?.(error))
  }

  close(): Promise<void> {
    // The callback of `close` waits for every connection to end; the port is free at once.
    if (this.#server.listening) this.#server.close()
    return Promise.resolve()
  }
}

class NodeConnection implements StreamConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  onData: ((data: Uint8Array) => void) | undefined
  onClose: ((error?: Error) => void) | undefined
  readonly #socket: Socket
  #error: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
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

function socketAddress(address: string, port: number): SocketAddress {
  return { address, port, family: address.includes(':') ? 6 : 4 }
}
