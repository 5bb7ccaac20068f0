import { OptionError, SipError } from '../../runtime/errors.ts'
import type { SocketAddress } from '../../runtime/runtime.ts'
import { requireAddress, socketAddress } from './addresses.ts'
import {
  type DatagramFate,
  type Fabric,
  type Gateway,
  type Interface,
  Realm,
  type Station,
} from './fabric.ts'
import { SimulatedHost } from './host.ts'
import type { SimulatedListener } from './tcp.ts'
import type { SimulatedUdpSocket } from './udp.ts'

/** The four behaviours of RFC 3489 §5, by which people still name them. */
export type NatKind = 'full-cone' | 'restricted' | 'port-restricted' | 'symmetric'

export interface NatOptions {
  readonly publicAddress: string
  /** Default `port-restricted`, what most home routers do. */
  readonly kind?: NatKind
  /** A UDP binding is forgotten after so long without a datagram from inside, milliseconds. Default 30,000. */
  readonly bindingTimeoutMs?: number
  /** Whether datagrams from outside keep a binding alive as well (RFC 4787 §4.3). Default false. */
  readonly refreshOnInbound?: boolean
  /** Whether two hosts behind it reach each other at its public address (RFC 4787 §6). Default false. */
  readonly hairpinning?: boolean
  /** UDP bindings at a time; the oldest gives way. Default 4096. */
  readonly maxBindings?: number
}

export interface NatForward {
  readonly publicPort: number
  readonly address: string
  readonly port: number
}

/** What a NAT did to UDP bindings and datagrams. */
export interface NatCounters {
  created: number
  expired: number
  /** Bindings that gave way to newer ones. */
  evicted: number
  /** Datagrams from outside that no binding or no filter let in. */
  filtered: number
}

interface Binding {
  readonly key: string
  readonly inside: Station
  readonly insidePort: number
  readonly outside: SocketAddress
  /** Whom datagrams are let in from; undefined: from all. Oldest first. */
  readonly peers: Set<string> | undefined
  expiresAt: number
}

const FIRST_PORT = 1024
const PORT_COUNT = 65_536 - FIRST_PORT
const MAX_PEERS = 1024

/** How each kind tells bindings apart and what it lets in. */
const KINDS: Record<
  NatKind,
  { perPeer: boolean; filter: (address: string, port: number) => string | undefined }
> = {
  'full-cone': { perPeer: false, filter: () => undefined },
  restricted: { perPeer: false, filter: address => address },
  'port-restricted': { perPeer: false, filter: peerKey },
  symmetric: { perPeer: true, filter: peerKey },
}

function peerKey(address: string, port: number): string {
  return `${address} ${port}`
}

/** A network address translator: hosts behind it have private addresses, and peers see only its public one. */
export class SimulatedNat implements Gateway, Station {
  readonly publicAddress: string
  readonly kind: NatKind
  readonly outer: Realm
  readonly counters: NatCounters = { created: 0, expired: 0, evicted: 0, filtered: 0 }
  readonly #fabric: Fabric
  readonly #inner: Realm
  readonly #timeoutMs: number
  readonly #refreshOnInbound: boolean
  readonly #hairpinning: boolean
  readonly #maxBindings: number
  /** Oldest first. */
  readonly #byKey = new Map<string, Binding>()
  readonly #byPort = new Map<number, Binding>()
  readonly #forwards = new Map<number, NatForward>()

  constructor(fabric: Fabric, outer: Realm, options: NatOptions) {
    this.#fabric = fabric
    this.outer = outer
    this.publicAddress = requireAddress('publicAddress', options.publicAddress)
    this.kind = options.kind ?? 'port-restricted'
    this.#timeoutMs = options.bindingTimeoutMs ?? 30_000
    this.#refreshOnInbound = options.refreshOnInbound ?? false
    this.#hairpinning = options.hairpinning ?? false
    this.#maxBindings = options.maxBindings ?? 4096
    if (!(this.kind in KINDS)) {
      throw new OptionError('kind', `'${this.kind}' is no kind of NAT: give ${Object.keys(KINDS).join(', ')}`)
    }
    if (outer.stations.has(this.publicAddress)) {
      throw new OptionError(
        'publicAddress',
        `${this.publicAddress} is taken: give the NAT an address of its own`,
      )
    }
    this.#inner = new Realm(this)
    outer.stations.set(this.publicAddress, this)
  }

  get address(): string {
    return this.publicAddress
  }

  get isDown(): boolean {
    return false
  }

  /** A host behind this NAT. */
  host(address: string | readonly string[]): SimulatedHost {
    return hostIn(this.#fabric, this.#inner, address)
  }

  /** A NAT behind this one, as a carrier's before a home router. */
  nat(options: NatOptions): SimulatedNat {
    return new SimulatedNat(this.#fabric, this.#inner, options)
  }

  /** Sends what comes to a public port, by UDP and TCP, to a host behind this NAT. */
  forward(forward: NatForward): void {
    this.#forwards.set(forward.publicPort, {
      ...forward,
      address: requireAddress('address', forward.address),
    })
  }

  /** Forgets every UDP binding, as after a restart: the next datagram from inside gets a new public port. */
  forgetBindings(): void {
    this.#byKey.clear()
    this.#byPort.clear()
  }

  /** UDP bindings that have not expired. */
  get bindings(): number {
    const now = this.#fabric.clock.now()
    let count = 0
    for (const { expiresAt } of this.#byKey.values()) if (expiresAt > now) count++
    return count
  }

  translateUdp(source: SocketAddress, inside: Interface, address: string, port: number): SocketAddress {
    const now = this.#fabric.clock.now()
    const { perPeer, filter } = KINDS[this.kind]
    const sourceKey = peerKey(source.address, source.port)
    const key = perPeer ? `${sourceKey} ${peerKey(address, port)}` : sourceKey
    let binding = this.#byKey.get(key)
    if (binding !== undefined && binding.expiresAt <= now) {
      this.counters.expired++
      this.#remove(binding)
      binding = undefined
    }
    binding ??= this.#create(key, source, inside)
    binding.expiresAt = now + this.#timeoutMs
    const peer = filter(address, port)
    if (peer !== undefined && binding.peers !== undefined && !binding.peers.has(peer)) {
      if (binding.peers.size >= MAX_PEERS) binding.peers.delete(first(binding.peers)!)
      binding.peers.add(peer)
    }
    return binding.outside
  }

  translateTcp(_source: SocketAddress): SocketAddress {
    return socketAddress(this.publicAddress, FIRST_PORT + (this.#fabric.random.uint32() % PORT_COUNT))
  }

  find(port: number, from: SocketAddress): SimulatedUdpSocket | DatagramFate {
    const found = this.#letIn(port, from)
    if (found === 'filtered') this.counters.filtered++
    return found
  }

  listener(port: number): SimulatedListener | undefined {
    const forward = this.#forwards.get(port)
    return forward && this.#inner.stations.get(forward.address)?.listener(forward.port)
  }

  #letIn(port: number, from: SocketAddress): SimulatedUdpSocket | DatagramFate {
    const forward = this.#forwards.get(port)
    if (forward !== undefined)
      return this.#pass(this.#inner.stations.get(forward.address), forward.port, from)
    const now = this.#fabric.clock.now()
    const binding = this.#byPort.get(port)
    if (binding === undefined || binding.expiresAt <= now) return 'filtered'
    if (from.address === this.publicAddress && !this.#hairpinning) return 'filtered'
    const peer = KINDS[this.kind].filter(from.address, from.port)
    if (peer !== undefined && binding.peers?.has(peer) !== true) return 'filtered'
    if (this.#refreshOnInbound) binding.expiresAt = now + this.#timeoutMs
    return this.#pass(binding.inside, binding.insidePort, from)
  }

  #pass(station: Station | undefined, port: number, from: SocketAddress): SimulatedUdpSocket | DatagramFate {
    if (station === undefined) return 'unreachable'
    if (station.isDown || this.#fabric.isCut(from.address, station.address)) return 'partitioned'
    return station.find(port, from)
  }

  #create(key: string, source: SocketAddress, inside: Interface): Binding {
    if (this.#byKey.size >= this.#maxBindings) {
      this.counters.evicted++
      this.#remove(first(this.#byKey.values())!)
    }
    this.counters.created++
    // Behind a second NAT the way in leads through that one, under the port it chose.
    const station = this.#inner.stations.get(source.address)
    const binding: Binding = {
      key,
      inside: station ?? inside,
      insidePort: source.port,
      outside: socketAddress(this.publicAddress, this.#freePort()),
      peers: this.kind === 'full-cone' ? undefined : new Set(),
      expiresAt: 0,
    }
    this.#byKey.set(key, binding)
    this.#byPort.set(binding.outside.port, binding)
    return binding
  }

  #remove(binding: Binding): void {
    this.#byKey.delete(binding.key)
    if (this.#byPort.get(binding.outside.port) === binding) this.#byPort.delete(binding.outside.port)
  }

  #freePort(): number {
    const start = this.#fabric.random.uint32() % PORT_COUNT
    for (let step = 0; step < PORT_COUNT; step++) {
      const port = FIRST_PORT + ((start + step) % PORT_COUNT)
      if (!this.#byPort.has(port) && !this.#forwards.has(port)) return port
    }
    throw new SipError('SIP_LIMIT', `every port of ${this.publicAddress} is bound: lower maxBindings`)
  }
}

function first<T>(values: Iterable<T>): T | undefined {
  for (const value of values) return value
  return undefined
}

/** The host with these addresses, made when there is none. */
export function hostIn(fabric: Fabric, realm: Realm, address: string | readonly string[]): SimulatedHost {
  const addresses = (typeof address === 'string' ? [address] : address).map(one =>
    requireAddress('address', one),
  )
  if (addresses.length === 0) throw new OptionError('address', 'give the host at least one address')
  const stations = addresses.map(one => realm.stations.get(one))
  const known = stations.find(station => station !== undefined)
  if (known === undefined) return new SimulatedHost(fabric, realm, addresses)
  const host = (known as Partial<{ host: unknown }>).host
  if (host instanceof SimulatedHost && host.addresses.join() === addresses.join()) return host
  throw new OptionError(
    'address',
    `${known.address} belongs to another host: give each host addresses of its own`,
  )
}
