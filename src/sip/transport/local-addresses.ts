import type { Clock, Network, SocketAddress } from '../../runtime/runtime.ts'
import { interfaceTowards, isLoopback, isWildcard } from './addresses.ts'
import type { BoundAddress } from './flow.ts'
import type { TransportName } from './transports.ts'

/** How long the list of interfaces is believed, in ms: reading it is a system call that costs more than a message. */
const interfacesFreshMs = 10_000
/** Remembered answers for wildcard addresses; all forgotten together when full. */
const rememberedRemotes = 1024

export interface HostPort {
  /** IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/** Which of our addresses to use, and what to call it towards a peer. */
export class LocalAddresses {
  readonly bound: readonly BoundAddress[]
  readonly #network: Network
  readonly #clock: Clock
  readonly #towards = new Map<string, string | undefined>()
  #interfaces: readonly SocketAddress[] = []
  #readAt = -Infinity

  constructor(bound: readonly BoundAddress[], network: Network, clock: Clock) {
    this.bound = bound
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
