import type { BoundAddress, Flow } from './flow.ts'
import type { TransportName } from './transports.ts'

/** The next hop of a request, before names are looked up (RFC 3261 §8.1.2, RFC 3263 §4). */
export interface Destination {
  /** Default `udp` (RFC 3263 §4.1 without NAPTR and SRV). */
  readonly transport?: TransportName
  /** Name or numeric address; IPv6 with or without brackets. */
  readonly host: string
  /** Default: that of the transport. */
  readonly port?: number
  /** Send over this flow while it is open, and to the host and port otherwise. */
  readonly flow?: Flow
  /** Send from this listen address, where it fits the transport and family. */
  readonly bound?: BoundAddress
}
