import type { Clock, Random, Resolver, SocketAddress } from '../../runtime/runtime.ts'
import { type ConditionsScope, type NetworkConditions, settleConditions } from './conditions.ts'
import { Link } from './link.ts'
import type { SimulatedListener } from './tcp.ts'
import type { SimulatedUdpSocket } from './udp.ts'

/** What became of a datagram. */
export type DatagramFate =
  /** Handed to a socket. */
  | 'delivered'
  /** The link lost it. */
  | 'lost'
  /** Dropped in the queue before a link of limited bandwidth, or because too many were under way. */
  | 'overflowed'
  /** The two hosts are cut off from each other, or one is down. */
  | 'partitioned'
  /** No such host, or nobody bound the port. */
  | 'unreachable'
  /** A NAT had no binding for it, or its filter refused it. */
  | 'filtered'

/** One datagram, or one copy of it, when its fate is known. */
export interface DatagramEvent {
  /** When it was sent, and when its fate was known; milliseconds of the clock. */
  readonly sentAtMs: number
  readonly atMs: number
  /** Sender as the receiver sees it: behind a NAT, the NAT's public address. */
  readonly from: SocketAddress
  /** The address it was sent to. */
  readonly to: SocketAddress
  readonly data: Uint8Array
  readonly fate: DatagramFate
  /** This is the second copy, made by the network. */
  readonly copy: boolean
}

/** Datagrams by fate, and what the network did to them. Copies count as sent and by their own fate. */
export interface NetworkCounters {
  sent: number
  delivered: number
  lost: number
  overflowed: number
  partitioned: number
  unreachable: number
  filtered: number
  duplicated: number
  reordered: number
  /** TCP connections that ended because too many octets were under way. */
  streamsOverflowed: number
}

export interface FabricOptions {
  readonly clock: Clock
  readonly random: Random
  readonly resolver: Resolver | undefined
  readonly icmp: boolean
  readonly maxInFlight: number
  readonly maxStreamBytes: number
  readonly tcpTimeoutMs: number
}

/** An address at which datagrams and connections arrive: a host's, or the public side of a NAT. */
export interface Station {
  readonly address: string
  /** The socket that a datagram goes to, or why it goes nowhere. */
  find(port: number, from: SocketAddress): SimulatedUdpSocket | DatagramFate
  /** Where a TCP connection to `port` ends up; undefined when it is refused. */
  listener(port: number): SimulatedListener | undefined
  readonly isDown: boolean
}

/** A NAT as seen from inside: it gives a source address of its outer side. */
export interface Gateway {
  readonly outer: Realm
  readonly publicAddress: string
  translateUdp(source: SocketAddress, inside: Interface, address: string, port: number): SocketAddress
  translateTcp(source: SocketAddress): SocketAddress
}

/** Addresses that reach each other directly. Everything else goes through the gateway, if there is one. */
export class Realm {
  readonly stations: Map<string, Station> = new Map()
  readonly gateway: Gateway | undefined

  constructor(gateway?: Gateway) {
    this.gateway = gateway
  }
}

/** How datagrams from one interface get to one address. */
export interface Route {
  readonly link: Link
  /** From the inside out. */
  readonly gateways: readonly Gateway[]
  readonly station: Station
}

/** One address of one host, with what is bound to it. */
export interface Interface extends Station {
  readonly family: 4 | 6
  readonly udp: Map<number, SimulatedUdpSocket>
  readonly tcp: Map<number, SimulatedListener>
  route(address: string): Route | undefined
}

interface Scoped {
  readonly scope: ConditionsScope
  readonly conditions: NetworkConditions
}

/** What all hosts of one simulated network share: time, chance, links, conditions, counters. */
export class Fabric {
  readonly options: FabricOptions
  readonly clock: Clock
  readonly random: Random
  readonly counters: NetworkCounters = {
    sent: 0,
    delivered: 0,
    lost: 0,
    overflowed: 0,
    partitioned: 0,
    unreachable: 0,
    filtered: 0,
    duplicated: 0,
    reordered: 0,
    streamsOverflowed: 0,
  }
  readonly listeners: Set<(event: DatagramEvent) => void> = new Set()
  inFlight = 0

  readonly #links: Link[] = []
  #scoped: Scoped[] = []
  readonly #cuts = new Set<string>()

  constructor(options: FabricOptions) {
    this.options = options
    this.clock = options.clock
    this.random = options.random
  }

  link(from: readonly string[], to: string): Link {
    const link = new Link(from, to, this.random)
    this.#refresh(link)
    this.#links.push(link)
    return link
  }

  /** Replaces what was set for the same scope. */
  setConditions(conditions: NetworkConditions, scope: ConditionsScope): void {
    this.#scoped = this.#scoped.filter(({ scope: { from, to } }) => from !== scope.from || to !== scope.to)
    this.#scoped.push({ scope, conditions })
    for (const link of this.#links) this.#refresh(link)
  }

  cut(a: string, b: string): void {
    this.#cuts.add(`${a} ${b}`).add(`${b} ${a}`)
    for (const link of this.#links) this.#refresh(link)
  }

  mend(a: string, b: string): void {
    this.#cuts.delete(`${a} ${b}`)
    this.#cuts.delete(`${b} ${a}`)
    for (const link of this.#links) this.#refresh(link)
  }

  mendAll(): void {
    this.#cuts.clear()
    for (const link of this.#links) this.#refresh(link)
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from} ${to}`)
  }

  #refresh(link: Link): void {
    const rank = ({ from, to }: ConditionsScope): number => {
      if (to !== undefined && to !== link.to) return -1
      const place = from === undefined ? link.from.length : link.from.indexOf(from)
      // Both beat from, from beats to, to beats neither; and the sender's own address beats that of its NAT.
      if (place < 0) return -1
      return (
        (from === undefined ? 0 : 2 * link.from.length - place) + (to === undefined ? 0 : link.from.length)
      )
    }
    link.conditions = settleConditions(
      this.#scoped
        .map(({ scope, conditions }) => ({ rank: rank(scope), conditions }))
        .filter(({ rank }) => rank >= 0)
        .toSorted((a, b) => a.rank - b.rank)
        .map(({ conditions }) => conditions),
    )
    link.partitioned = link.from.some(address => this.isCut(address, link.to))
  }
}
