import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { BindOptions, SocketAddress, UdpSocket } from '../runtime.ts'
import { hostPort, transportError } from '../transport-error.ts'

/** Enough for a burst of some hundred SIP messages while the process is busy. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024

/** What `node:dgram` calls to turn a host into an address: ours are numeric, and a look-up per datagram is dear. */
type Lookup = NonNullable<Parameters<typeof createSocket>[0] & object>['lookup']

const numeric = ((
  host: string,
  family: number,
  done: (error: null, address: string, family: number) => void,
) => {
  done(null, host, family)
}) as unknown as NonNullable<Lookup>

/** Binds a socket to a numeric address. */
export function bindUdp(
  address: string,
  family: 4 | 6,
  { port, receiveBufferBytes = RECEIVE_BUFFER_BYTES, reportSendErrors = false }: BindOptions,
): Promise<UdpSocket> {
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    ipv6Only: family === 6,
    lookup: numeric,
  })
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      socket.close()
      reject(transportError(`bind udp ${hostPort(address, port)}`, cause))
    }
    socket.once('error', fail)
    // `exclusive`: a worker of node:cluster has its own socket or an error, never a share of somebody else's datagrams.
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', fail)
      growReceiveBuffer(socket, receiveBufferBytes)
      resolve(new NodeUdpSocket(socket, family, reportSendErrors))
    })
  })
}

/** Best effort: the system caps what it grants (`net.core.rmem_max` on Linux). */
function growReceiveBuffer(socket: Socket, bytes: number): void {
  try {
    if (socket.getRecvBufferSize() < bytes) socket.setRecvBufferSize(bytes)
  } catch {
    // The buffer stays as the system made it.
  }
}

class NodeUdpSocket implements UdpSocket {
  readonly local: SocketAddress
  onMessage: ((data: Uint8Array, remote: SocketAddress) => void) | undefined
  onError: ((error: Error) => void) | undefined
  readonly #socket: Socket
  readonly #family: 4 | 6
  readonly #sent: ((error: Error | null) => void) | undefined
  #lastRemote: SocketAddress | undefined
  #closed = false

  constructor(socket: Socket, family: 4 | 6, reportSendErrors: boolean) {
    const { address, port } = socket.address()
    this.local = { address, port, family }
    this.#socket = socket
    this.#family = family
    // One function for all datagrams. Without it Node keeps send errors to itself, and saves a tick for each.
    if (reportSendErrors) this.#sent = error => error && this.#fail(error)
    socket.on('message', (data, remote) => this.#receive(data, remote))
    socket.on('error', error => this.#fail(error))
  }

  send(data: Uint8Array, port: number, address: string): void {
    if (this.#closed) return
    try {
      this.#socket.send(data, port, address, this.#sent)
    } catch (error) {
      // A port or an address that cannot be; never synchronous, as with what the network answers.
      setImmediate(() => this.#fail(error as Error))
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.close()
  }

  #receive(data: Buffer, remote: RemoteInfo): void {
    if (this.#closed) return
    const { address, port } = remote
    // Most sockets hear one peer for long: the same value again costs no object.
    if (port !== this.#lastRemote?.port || address !== this.#lastRemote.address) {
      this.#lastRemote = { address, port, family: this.#family }
    }
    this.onMessage?.(data, this.#lastRemote)
  }

  #fail(error: Error): void {
    if (!this.#closed) this.onError?.(error)
  }
}
