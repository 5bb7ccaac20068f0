import type { SocketAddress, UdpSocket } from '../../runtime/runtime.ts'
import { canonicalAddress, familyOf, systemError } from './addresses.ts'
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
  #closed = false

  constructor(fabric: Fabric, host: SimulatedHost, local: SocketAddress, wildcard: boolean) {
    this.#fabric = fabric
    this.#host = host
    this.local = local
    this.#wildcard = wildcard
  }

  send(data: Uint8Array, port: number, address: string): void {
    if (this.#closed) return
    const host = this.#host
    const inside = host.sender(address, this.#wildcard ? undefined : this.local.address)
    let route = inside?.route(address)
    if (route === undefined) {
      const canonical = canonicalAddress(address)
      if (inside !== undefined && canonical !== undefined && canonical !== address)
        route = inside.route(canonical)
    }
    if (inside === undefined || data.length > MAX_DATAGRAM_BYTES || !(port > 0 && port < 65_536)) {
      const code =
        inside === undefined ? 'ENETUNREACH' : data.length > MAX_DATAGRAM_BYTES ? 'EMSGSIZE' : 'EINVAL'
      this.fail(code, address, port)
      return
    }
    let from = this.#wildcard ? host.sourceAddress(inside, this.local.port) : this.local
    if (route !== undefined) {
      for (const gateway of route.gateways) from = gateway.translateUdp(from, inside, address, port)
    }
    sendDatagram(this.#fabric, this, host.isDown, route, Buffer.from(data), from, port, address)
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

function sendDatagram(
  fabric: Fabric,
  socket: SimulatedUdpSocket,
  down: boolean,
  route: Route | undefined,
  data: Uint8Array,
  from: SocketAddress,
  port: number,
  address: string,
): void {
  const now = fabric.clock.now()
  const end = (fate: DatagramFate, copy: boolean): void => {
    fabric.counters[fate]++
    if (fabric.listeners.size === 0) return
    const to = { address, port, family: familyOf(address) }
    const event = { sentAtMs: now, atMs: fabric.clock.now(), from, to, data, fate, copy }
    for (const listener of fabric.listeners) listener(event)
  }
  fabric.counters.sent++
  if (down) return end('partitioned', false)
  if (route === undefined) return end('unreachable', false)
  if (fabric.inFlight >= fabric.options.maxInFlight) return end('overflowed', false)
  const { link, station } = route
  const at = link.arrival(now, data.length)
  if (at < 0) return end(DROPPED[at]!, false)
  const { copyAt } = link
  if (link.heldBack) fabric.counters.reordered++
  fabric.inFlight++
  fabric.clock.setTimer(at, () => {
    fabric.inFlight--
    const fate = arrive(station, data, port, from)
    end(fate, false)
    if (fate === 'unreachable' && fabric.options.icmp)
      refuse(fabric, socket, link.conditions.delayMs, address, port)
  })
  if (copyAt < 0) return
  fabric.counters.sent++
  fabric.counters.duplicated++
  fabric.inFlight++
  const second = Buffer.from(data)
  fabric.clock.setTimer(copyAt, () => {
    fabric.inFlight--
    end(arrive(station, second, port, from), true)
  })
}

function arrive(station: Station, data: Uint8Array, port: number, from: SocketAddress): DatagramFate {
  return station.isDown ? 'partitioned' : station.receive(data, port, from)
}

/** The ICMP answer to a datagram for a port that nobody bound. */
function refuse(
  fabric: Fabric,
  socket: SimulatedUdpSocket,
  delayMs: number,
  address: string,
  port: number,
): void {
  fabric.clock.setTimer(fabric.clock.now() + delayMs, () => socket.fail('ECONNREFUSED', address, port))
}

/** Hands a datagram to a bound socket. */
export function deliver(
  socket: SimulatedUdpSocket | undefined,
  data: Uint8Array,
  from: SocketAddress,
): DatagramFate {
  if (socket === undefined) return 'unreachable'
  socket.onMessage?.(data, from)
  return 'delivered'
}
