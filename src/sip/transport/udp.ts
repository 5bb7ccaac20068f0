import type { SocketAddress, UdpSocket } from '../../runtime/runtime.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { SipTransportError } from './errors.ts'
import type { BoundAddress, Flow } from './flow.ts'
import { noteSent } from './wire.ts'
import type { Wire } from './wire.ts'

const nothing = (): void => {}

/** One bound datagram socket. */
export class UdpPort {
  readonly bound: BoundAddress
  readonly wire: Wire
  readonly #socket: UdpSocket
  closed = false
  /** Most datagrams come from the peer of the one before: nothing is made anew for those. */
  #lastFlow: UdpFlow | undefined

  constructor(socket: UdpSocket, bound: BoundAddress, wire: Wire) {
    this.#socket = socket
    this.bound = bound
    this.wire = wire
    socket.onError = () => {
      wire.stats.socketErrors++
    }
  }

  /** Every datagram that may hold SIP; keep-alives (only CR, LF or NUL, RFC 5626 §3.5) are counted and dropped. */
  listen(receive: (bytes: Uint8Array, flow: Flow) => void): void {
    this.#socket.onMessage = (bytes, remote) => {
      if (isKeepAlive(bytes)) this.wire.stats.dropped.keepAlive++
      else receive(bytes, this.#flowFrom(remote))
    }
  }

  #flowFrom(remote: SocketAddress): UdpFlow {
    const last = this.#lastFlow
    if (last !== undefined && last.remote.port === remote.port && last.remote.address === remote.address) {
      return last
    }
    return (this.#lastFlow = new UdpFlow(this, remote))
  }

  send(bytes: Uint8Array, remote: SocketAddress): void {
    this.#socket.send(bytes, remote.port, remote.address)
  }

  close(): void {
    this.closed = true
    this.#socket.onMessage = undefined
    this.#socket.close()
  }
}

/** A socket and a remote address: made for nearly every datagram, so it holds nothing and starts nothing. */
export class UdpFlow implements Flow {
  readonly transport = 'udp' as const
  readonly reliable = false
  readonly secure = false
  readonly remote: SocketAddress
  readonly port: UdpPort

  constructor(port: UdpPort, remote: SocketAddress) {
    this.port = port
    this.remote = remote
  }

  get id(): string {
    const { local } = this
    return `udp|${local.address}|${local.port}|${this.remote.address}|${this.remote.port}`
  }

  get local(): SocketAddress {
    return this.port.bound.local
  }

  get bound(): BoundAddress {
    return this.port.bound
  }

  get closed(): boolean {
    return this.port.closed
  }

  send(bytes: Uint8Array, message?: SipRequest | SipResponse): void {
    const { port, remote } = this
    if (port.closed) {
      throw new SipTransportError('shutdown', 'the transport layer is closed: make a new one', {
        transport: 'udp',
      })
    }
    try {
      port.send(bytes, remote)
    } catch (cause) {
      throw new SipTransportError('closed', 'the system did not take the datagram: see cause', {
        cause,
        transport: 'udp',
        target: `${remote.address}:${remote.port}`,
      })
    }
    noteSent(port.wire, this, bytes, message)
  }

  hold(): () => void {
    return nothing
  }

  onClose(): () => void {
    return nothing
  }
}

const shortestMessage = 16

function isKeepAlive(bytes: Uint8Array): boolean {
  if (bytes.length >= shortestMessage) return false
  for (const byte of bytes) if (byte !== 13 && byte !== 10 && byte !== 0) return false
  return true
}
