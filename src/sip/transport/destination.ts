import type { BoundAddress, Flow } from './flow.ts'
import type { Target } from './locate.ts'
import type { TransportName } from './transports.ts'

/** The next hop of a request, before names are looked up (RFC 3261 §8.1.2, RFC 3263 §4). */
export interface Destination {
  /** Default: what NAPTR and SRV records say; for a numeric host or a port `udp`, for `sips` TLS (RFC 3263 §4.1). */
  readonly transport?: TransportName
  /** Name or numeric address; IPv6 with or without brackets. */
  readonly host: string
  /** Default: what SRV records say, and else that of the transport. With a port there is no look-up but of addresses. */
  readonly port?: number
  /** Only by TLS: the URI was a `sips` one. */
  readonly secure?: boolean
  /** The domain a certificate must name, where that is not `host`. */
  readonly domain?: string
  /** Tried before the other addresses of the host, where it is one of them and has not failed lately. */
  readonly first?: Pick<Target, 'transport' | 'address' | 'port'>
  /** One of the addresses found for the host: nothing else is tried. */
  readonly target?: Target
  /** Send over this flow while it is open, and to the host and port otherwise. */
  readonly flow?: Flow
  /** Send from this listen address, where it fits the transport and family. */
  readonly bound?: BoundAddress
}
