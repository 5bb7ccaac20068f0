import type { Network } from '../../runtime/runtime.ts'
import { canonicalHost } from '../message/host.ts'
import type { Uri } from '../message/uri.ts'
import { isWildcard } from '../transport/addresses.ts'
import type { BoundAddress, Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import { transportNamed, transports } from '../transport/transports.ts'

/** Which URIs mean this proxy: what it listens on, what it advertises, and the names it was given. */
export class OwnAddresses {
  readonly #transport: TransportLayer
  readonly #network: Pick<Network, 'interfaces'>
  readonly #names: ReadonlySet<string>

  constructor(transport: TransportLayer, network: Pick<Network, 'interfaces'>, names: readonly string[]) {
    this.#transport = transport
    this.#network = network
    this.#names = new Set(names.map(name => canonicalHost(name)))
  }

  /** Whether a Route or Request-URI points here (RFC 3261 §16.4). `flow`: what the request came by. */
  includes(uri: Uri, flow?: Flow): boolean {
    if (uri.kind !== 'sip') return false
    return this.#isHere(uri.params.value('maddr') ?? uri.host, uri.port, flow)
  }

  /** The listen address that a Record-Route URI of ours names. */
  boundFor(uri: Uri): BoundAddress | undefined {
    if (uri.kind !== 'sip') return undefined
    const transport = transportNamed(uri.transport ?? (uri.scheme === 'sips' ? 'tls' : 'udp'))?.name
    const name = canonicalHost(uri.host)
    return this.#transport.bound.find(
      bound => bound.transport === transport && this.#matches(bound, name, uri.port),
    )
  }

  #isHere(host: string, port: number | undefined, flow: Flow | undefined): boolean {
    const name = canonicalHost(host)
    const { bound } = this.#transport
    if (this.#names.has(name) && (port === undefined || bound.some(({ local }) => local.port === port)))
      return true
    if (bound.some(candidate => this.#matches(candidate, name, port))) return true
    // A connection knows our address even where every interface is bound.
    return flow !== undefined && canonicalHost(flow.local.address) === name && this.#isPort(port, flow.bound)
  }

  #isPort(port: number | undefined, bound: BoundAddress | undefined): boolean {
    return bound !== undefined && (port ?? transports[bound.transport].defaultPort) === bound.local.port
  }

  #matches(bound: BoundAddress, name: string, port: number | undefined): boolean {
    const asked = port ?? transports[bound.transport].defaultPort
    const { advertise, local } = bound
    if (advertise !== undefined && canonicalHost(advertise.host) === name) {
      return asked === (advertise.port ?? local.port)
    }
    if (asked !== local.port) return false
    if (!isWildcard(local.address)) return canonicalHost(local.address) === name
    return this.#network.interfaces().some(({ address }) => canonicalHost(address) === name)
  }
}
