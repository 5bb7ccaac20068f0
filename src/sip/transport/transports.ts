/** Transports by the name that `;transport=` and listen addresses use. */
export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

/** What the layers above need to know about a transport. */
export interface TransportKind {
  readonly name: TransportName
  /** As written in Via (RFC 3261 §20.42). */
  readonly viaName: string
  /** Reliable transports need no retransmission by transactions (RFC 3261 §17). */
  readonly reliable: boolean
  /** Encrypted hop by hop: usable for `sips:`. */
  readonly secure: boolean
  /** Used where neither URI nor Via carries a port (RFC 3261 §18.2.2, §19.1.2). */
  readonly defaultPort: number
}

export const transports: Readonly<Record<TransportName, TransportKind>> = {
  udp: { name: 'udp', viaName: 'UDP', reliable: false, secure: false, defaultPort: 5060 },
  tcp: { name: 'tcp', viaName: 'TCP', reliable: true, secure: false, defaultPort: 5060 },
  tls: { name: 'tls', viaName: 'TLS', reliable: true, secure: true, defaultPort: 5061 },
  // RFC 7118 §5.2, §10: the ports of HTTP.
  ws: { name: 'ws', viaName: 'WS', reliable: true, secure: false, defaultPort: 80 },
  wss: { name: 'wss', viaName: 'WSS', reliable: true, secure: true, defaultPort: 443 },
}

/** The entry for a `transport` parameter or Via transport in any case; `undefined` for one that is not built in. */
export function transportNamed(name: string): TransportKind | undefined {
  const lower = name.toLowerCase()
  return Object.hasOwn(transports, lower) ? transports[lower as TransportName] : undefined
}
