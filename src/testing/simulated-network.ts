import type { Clock, Random, Resolver, Runtime } from '../runtime/runtime.ts'
import { requireAddress } from './network/addresses.ts'
import { checkConditions, type ConditionsScope, type NetworkConditions } from './network/conditions.ts'
import { type DatagramEvent, Fabric, type NetworkCounters, Realm } from './network/fabric.ts'
import type { SimulatedHost } from './network/host.ts'
import { hostIn, type NatOptions, SimulatedNat } from './network/nat.ts'
import { SimulatedResolver } from './simulated-resolver.ts'

export interface SimulatedNetworkOptions {
  readonly clock: Clock
  /** Decides every loss, delay and port: the same seed gives the same trace. */
  readonly random: Random
  /** For all datagrams, until `setConditions` says otherwise. Default: a perfect network. */
  readonly conditions?: NetworkConditions
  /** Names that hosts may bind or connect to. Without it only numbers and `localhost`. */
  readonly resolver?: Resolver
  /** Whether a datagram to a port that nobody bound makes `onError` of its sender report it. Default false. */
  readonly icmp?: boolean
  /** Datagrams under way at a time; more are dropped and counted. Default 100,000. */
  readonly maxInFlight?: number
  /** Octets under way on one TCP connection in one direction; more break it. Default 16 MiB. */
  readonly maxStreamBytes?: number
  /** How long TCP tries to connect or to send before it gives up, milliseconds. Default 120,000. */
  readonly tcpTimeoutMs?: number
}

/**
 * An internet in memory, on the time of one clock and the chance of one `Random`.
 *
 * Every host is a `Network`, to be put into a `Runtime`. Nothing is delivered within `send`: even on a perfect
 * network a datagram arrives with the next timer. A datagram costs one timer.
 */
export class SimulatedNetwork {
  readonly #fabric: Fabric
  readonly #realm = new Realm()

  constructor(options: SimulatedNetworkOptions) {
    this.#fabric = new Fabric({
      clock: options.clock,
      random: options.random,
      resolver: options.resolver,
      icmp: options.icmp ?? false,
      maxInFlight: options.maxInFlight ?? 100_000,
      maxStreamBytes: options.maxStreamBytes ?? 16 * 1024 * 1024,
      tcpTimeoutMs: options.tcpTimeoutMs ?? 120_000,
    })
    if (options.conditions !== undefined) this.setConditions(options.conditions)
  }

  /**
   * The host with these addresses (IPv4, IPv6 or both); made when there is none.
   * @throws {OptionError} an address is not numeric or belongs to another host
   */
  host(address: string | readonly string[]): SimulatedHost {
    return hostIn(this.#fabric, this.#realm, address)
  }

  /** A NAT; `nat.host(address)` makes hosts behind it. @throws {OptionError} */
  nat(options: NatOptions): SimulatedNat {
    return new SimulatedNat(this.#fabric, this.#realm, options)
  }

  /**
   * Sets the conditions of a scope, in place of what was set for the same scope; datagrams under way keep theirs.
   * A field is taken from the most specific scope that names it: both addresses, then `from`, then `to`, then all.
   * @throws {OptionError} a field is out of range
   */
  setConditions(conditions: NetworkConditions, scope: ConditionsScope = {}): void {
    checkConditions(conditions)
    const { from, to } = scope
    this.#fabric.setConditions(conditions, {
      ...(from !== undefined && { from: requireAddress('from', from) }),
      ...(to !== undefined && { to: requireAddress('to', to) }),
    })
  }

  /** Cuts two addresses off from each other: datagrams vanish, TCP waits and in the end gives up. */
  partition(a: string, b: string): void {
    this.#fabric.cut(requireAddress('a', a), requireAddress('b', b))
  }

  /** Ends one partition, or all of them. */
  heal(a?: string, b?: string): void {
    if (a === undefined || b === undefined) this.#fabric.mendAll()
    else this.#fabric.mend(requireAddress('a', a), requireAddress('b', b))
  }

  /** Calls `listener` for every datagram when its fate is known. Returns the function that ends it. */
  onDatagram(listener: (event: DatagramEvent) => void): () => void {
    this.#fabric.listeners.add(listener)
    return () => {
      this.#fabric.listeners.delete(listener)
    }
  }

  get counters(): Readonly<NetworkCounters> {
    return this.#fabric.counters
  }

  /** Datagrams under way. */
  get inFlight(): number {
    return this.#fabric.inFlight
  }
}

/** Puts a `Runtime` together for one host: its own randomness, everybody's clock. */
export function createSimulatedRuntime(parts: {
  readonly clock: Clock
  readonly network: SimulatedHost
  readonly random: Random
  /** Default: one that knows no names. */
  readonly resolver?: Resolver
}): Runtime {
  const { clock, network, random, resolver = new SimulatedResolver() } = parts
  return { clock, network, random, resolver }
}
