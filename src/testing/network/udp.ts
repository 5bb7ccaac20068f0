import type { SocketAddress, UdpSocket } from '../../runtime/runtime.ts'
import { canonicalAddress, socketAddress, systemError } from './addresses.ts'
import type { DatagramFate, Fabric, Route, Station } from './fabric.ts'
import type { SimulatedHost } from './host.ts'
import { LOST, OVERFLOWED, PARTITIONED } from './link.ts'

/** The most that UDP over IPv4 carries. */
const MAX_DATAGRAM_BYTES = 65_507

const DROPPED: Record<number, DatagramFate> = {
  [LOST]: 'lost',
  [OVERFLOWED]: 'overflowed',
  [PARTITIONED]: 'partitioned',
}

export class SimulatedUdpSocket implements UdpSocket {
  readonly local: SocketAddress
  onMessage: ((data: Uint8Array, remote: SocketAddress) => void) | undefined
  onError: ((error: Error) => void) | undefined
  readonly #fabric: Fabric
  readonly #host: SimulatedHost
  readonly #wildcard: boolean
  readonly #reportSendErrors: boolean
  #closed = false

  constructor(
    fabric: Fabric,
    host: SimulatedHost,
    local: SocketAddress,
    wildcard: boolean,
    reportSendErrors: boolean,
  ) {
    this.#fabric = fabric
    this.#host = host
    this.local = local
    this.#wildcard = wildcard
    this.#reportSendErrors = reportSendErrors
  }

  send(data: Uint8Array, port: number, address: string): void {
    if (this.#closed) return
    const host = this.#host
    const to = host.knows(address) ? address : (canonicalAddress(address) ?? address)
    const inside = host.sender(to, this.#wildcard ? undefined : this.local.address)
    if (!(port > 0 && port < 65_536)) return this.fail('ERR_SOCKET_BAD_PORT', address, port)
    if (inside === undefined || data.length > MAX_DATAGRAM_BYTES) {
      if (this.#reportSendErrors) this.fail(inside === undefined ? 'ENETUNREACH' : 'EMSGSIZE', address, port)
      return
    }
    const route = inside.route(to)
    let from = this.#wildcard ? host.sourceAddress(inside, this.local.port) : this.local
    if (route !== undefined) {
      for (const gateway of route.gateways) from = gateway.translateUdp(from, inside, to, port)
    }
    const datagram = new Datagram(this.#fabric, this, data, from, to, port, false)
    if (host.isDown) datagram.end('partitioned')
    else if (route === undefined) datagram.end('unreachable')
    else datagram.leave(route)
  }

  /** Reports an error as the system would: in a later turn. */
  fail(code: string, address: string, port: number): void {
    this.#fabric.clock.setTimer(this.#fabric.clock.now(), () => {
      if (!this.#closed) this.onError?.(systemError(code, 'send', address, port))
    })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#host.releaseUdp(this)
  }
}

/** A datagram under way. */
class Datagram {
  readonly #fabric: Fabric
  readonly #socket: SimulatedUdpSocket
  readonly #data: Uint8Array
  readonly #from: SocketAddress
  readonly #address: string
  readonly #port: number
  readonly #copy: boolean
  readonly #sentAt: number

  constructor(
    fabric: Fabric,
    socket: SimulatedUdpSocket,
    data: Uint8Array,
    from: SocketAddress,
    address: string,
    port: number,
    copy: boolean,
  ) {
    this.#fabric = fabric
    this.#socket = socket
    // A copy, from the shared pool as node:dgram gives it: neither side can change what the other holds.
    this.#data = Buffer.from(data)
    this.#from = from
    this.#address = address
    this.#port = port
    this.#copy = copy
    this.#sentAt = fabric.clock.now()
    fabric.counters.sent++
  }

  leave({ link, station }: Route): void {
    const fabric = this.#fabric
    if (fabric.inFlight >= fabric.options.maxInFlight) return this.end('overflowed')
    const at = link.arrival(this.#sentAt, this.#data.length)
    if (at < 0) return this.end(DROPPED[at]!)
    if (link.heldBack) fabric.counters.reordered++
    const { copyAt } = link
    this.#fly(at, station, link.conditions.delayMs)
    if (copyAt < 0) return
    fabric.counters.duplicated++
    const copy = new Datagram(fabric, this.#socket, this.#data, this.#from, this.#address, this.#port, true)
    copy.#fly(copyAt, station, link.conditions.delayMs)
  }

  #fly(at: number, station: Station, backMs: number): void {
    this.#fabric.inFlight++
    this.#fabric.clock.setTimer(at, () => {
      this.#fabric.inFlight--
      const found = station.isDown ? 'partitioned' : station.find(this.#port, this.#from)
      if (typeof found !== 'string') {
        // The listeners' copy comes first: what they see is in order, and the receiver may change its own.
        this.end('delivered')
        found.onMessage?.(this.#data, this.#from)
        return
      }
      this.end(found)
      if (found === 'unreachable' && this.#fabric.options.icmp) this.#refuse(backMs)
    })
  }

  /** The ICMP answer to a datagram for a port that nobody bound. */
  #refuse(backMs: number): void {
    const { clock } = this.#fabric
    clock.setTimer(clock.now() + backMs, () => this.#socket.fail('ECONNREFUSED', this.#address, this.#port))
  }

  end(fate: DatagramFate): void {
    const fabric = this.#fabric
    fabric.counters[fate]++
    if (fabric.listeners.size === 0) return
    const event = {
      sentAtMs: this.#sentAt,
      atMs: fabric.clock.now(),
      from: this.#from,
      to: socketAddress(this.#address, this.#port),
      data: new Uint8Array(this.#data),
      fate,
      copy: this.#copy,
    }
    for (const listener of fabric.listeners) listener(event)
  }
}
