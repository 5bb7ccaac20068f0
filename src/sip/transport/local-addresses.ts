import type { Clock, Network, SocketAddress } from '../../runtime/runtime.ts'
import { stripBrackets, writeHostPort } from '../message/host.ts'
import type { Via } from '../message/via.ts'
import { familyOf, interfaceTowards, isLoopback, isWildcard } from './addresses.ts'
import type { Destination } from './destination.ts'
import { SipTransportError } from './errors.ts'
import type { Advertised, BoundAddress, Flow } from './flow.ts'
import type { TransportName } from './transports.ts'

/** How long the list of interfaces is believed, in ms: reading it is a system call that costs more than a message. */
const interfacesFreshMs = 10_000
/** Remembered answers for wildcard addresses; all forgotten together when full. */
const rememberedRemotes = 1024
/** Remembered sent-by values of ours; a sane layer has a handful. */
const rememberedSentBys = 4096

export interface HostPort {
  /** IPv6 without brackets. */
  readonly host: string
  /** Undefined where nobody can connect to: a WebSocket client. */
  readonly port: number | undefined
}

/** Where the peer can reach us, and by what. */
export interface ContactAddress extends HostPort {
  readonly transport: TransportName
}

/** Which of our addresses to use, and what to call it towards a peer. */
export class LocalAddresses {
  readonly bound: readonly BoundAddress[]
  readonly #network: Network
  readonly #clock: Clock
  readonly #towards = new Map<string, string | undefined>()
  readonly #sentBys = new Set<string>()
  readonly #advertise: Advertised | undefined
  readonly #nowhere: () => string
  #interfaces: readonly SocketAddress[] = []
  #readAt = -Infinity

  constructor(
    bound: readonly BoundAddress[],
    network: Network,
    clock: Clock,
    advertise: Advertised | undefined,
    nowhere: () => string,
  ) {
    this.#nowhere = nowhere
    this.bound = bound
    this.#advertise = advertise
    this.#network = network
    this.#clock = clock
  }

  /** The listen address to send from: `preferred` where it fits, else loopback for loopback and the first that fits. */
  choose(
    transport: TransportName,
    family: 4 | 6,
    remote: string,
    preferred?: BoundAddress,
  ): BoundAddress | undefined {
    const fits = (candidate: BoundAddress): boolean =>
      candidate.transport === transport && candidate.local.family === family
    if (preferred !== undefined && this.bound.includes(preferred) && fits(preferred)) return preferred
    const loopback = isLoopback(remote)
    let second: BoundAddress | undefined
    for (const candidate of this.bound) {
      if (!fits(candidate)) continue
      const { address } = candidate.local
      if (isWildcard(address) || isLoopback(address) === loopback) return candidate
      second ??= candidate
    }
    return second
  }

  /** What goes into Via and Contact for a listen address. */
  nameOf(bound: BoundAddress, remote: string | undefined): HostPort {
    const { local, advertise } = bound
    if (advertise !== undefined) return { host: advertise.host, port: advertise.port ?? local.port }
    if (!isWildcard(local.address)) return { host: local.address, port: local.port }
    return { host: this.#interface(remote, local.family) ?? local.address, port: local.port }
  }

  /** On a connection, our address is known even when every interface is bound. */
  nameOnFlow(flow: Flow): HostPort {
    const { bound, local } = flow
    if (bound === undefined && isWebSocket(flow.transport)) return { host: this.#nowhere(), port: undefined }
    if (bound === undefined) return { host: this.#advertise?.host ?? local.address, port: local.port }
    if (!flow.reliable || bound.advertise !== undefined) return this.nameOf(bound, flow.remote.address)
    return { host: local.address, port: bound.local.port }
  }

  /** For Contact. A connection without a listener of its transport is no use to a peer: another address is. */
  contactFor(target: Flow | Destination): ContactAddress {
    if (!('send' in target)) return this.#contactTowards(target)
    const { bound, transport, remote } = target
    if (bound === undefined && !isWebSocket(transport)) {
      return this.#contactTowards({ transport, host: remote.address })
    }
    return { ...this.nameOnFlow(target), transport }
  }

  /** The host others know us by, where something else than SIP is to reach us: a WebSocket client has an address for that, too. */
  hostFor(target: Flow | Destination): string {
    const { host } = this.contactFor(target)
    if (host !== this.#nowhere()) return host
    if (this.#advertise !== undefined) return this.#advertise.host
    if ('send' in target) return target.local.address
    const remote = target.host.toLowerCase() === 'localhost' ? '127.0.0.1' : stripBrackets(target.host)
    const family = familyOf(remote)
    return this.#interface(family === 0 ? undefined : remote, family === 6 ? 6 : 4) ?? host
  }

  #contactTowards(destination: Destination): ContactAddress {
    const { host, secure, transport = secure === true ? 'tls' : 'udp', flow, bound } = destination
    if (flow !== undefined && !flow.closed && flow.bound !== undefined) return this.contactFor(flow)
    const numeric = stripBrackets(host)
    const literal = familyOf(numeric)
    const named = host.toLowerCase() === 'localhost' ? '127.0.0.1' : undefined
    const remote = literal === 0 ? named : numeric
    for (const family of literal === 0 ? ([4, 6] as const) : [literal]) {
      const chosen =
        this.choose(transport, family, remote ?? '', bound) ?? this.#another(transport, family, remote ?? '')
      if (chosen !== undefined) return { ...this.nameOf(chosen, remote), transport: chosen.transport }
    }
    if (isWebSocket(transport)) return { host: this.#nowhere(), port: undefined, transport }
    throw new SipTransportError('no-route', `no listen address fits ${host}: listen on one of its family`, {
      transport,
      target: host,
    })
  }

  /** A WebSocket client is reached by its connection alone; for the others any address is better than none. */
  #another(transport: TransportName, family: 4 | 6, remote: string): BoundAddress | undefined {
    if (isWebSocket(transport)) return undefined
    for (const name of ['tcp', 'udp'] as const) {
      const chosen = name === transport ? undefined : this.choose(name, family, remote)
      if (chosen !== undefined) return chosen
    }
    return undefined
  }

  /** Keeps a name in mind that goes into a Via of ours. */
  used(name: HostPort): HostPort {
    if (this.#sentBys.size < rememberedSentBys) {
      this.#sentBys.add(writeHostPort(stripBrackets(name.host).toLowerCase(), name.port))
    }
    return name
  }

  /** Whether a response's top Via is one we have put there (RFC 3261 §18.1.2). */
  isOurs(via: Via): boolean {
    return this.#sentBys.has(via.sentBy)
  }

  #interface(remote: string | undefined, family: 4 | 6): string | undefined {
    const now = this.#clock.now()
    if (now - this.#readAt > interfacesFreshMs || this.#towards.size >= rememberedRemotes) {
      this.#interfaces = this.#network.interfaces()
      this.#readAt = now
      this.#towards.clear()
    }
    const key = `${family}${remote ?? ''}`
    if (!this.#towards.has(key)) this.#towards.set(key, interfaceTowards(this.#interfaces, remote, family))
    return this.#towards.get(key)
  }
}

function isWebSocket(transport: TransportName): boolean {
  return transport === 'ws' || transport === 'wss'
}
