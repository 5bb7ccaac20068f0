/** Transports by the name that `;transport=` and listen addresses use. */
export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

/** What the layers above need to know about a transport. */
export interface TransportKind {
  readonly name: TransportName
  /** As written in Via (RFC 3261 §20.42). */
  readonly viaName: string
  /** Reliable transports need no retransmission by transactions (RFC 3261 §17). */
  readonly reliable: boolean
  /** What arrives is cut into messages already: by datagrams, or by WebSocket (RFC 7118 §5). */
  readonly wholeMessages: boolean
  /** Encrypted hop by hop: usable for `sips:`. */
  readonly secure: boolean
  /** Used where neither URI nor Via carries a port (RFC 3261 §18.2.2, §19.1.2). */
  readonly defaultPort: number
}

export const transports: Readonly<Record<TransportName, TransportKind>> = {
  udp: {
    name: 'udp',
    viaName: 'UDP',
    reliable: false,
    wholeMessages: true,
    secure: false,
    defaultPort: 5060,
  },
  tcp: {
    name: 'tcp',
    viaName: 'TCP',
    reliable: true,
    wholeMessages: false,
    secure: false,
    defaultPort: 5060,
  },
  tls: { name: 'tls', viaName: 'TLS', reliable: true, wholeMessages: false, secure: true, defaultPort: 5061 },
  // RFC 7118 §5.2, §10: the ports of HTTP.
  ws: { name: 'ws', viaName: 'WS', reliable: true, wholeMessages: true, secure: false, defaultPort: 80 },
  wss: { name: 'wss', viaName: 'WSS', reliable: true, wholeMessages: true, secure: true, defaultPort: 443 },
}

/** As in the `transport` parameter of a URI: `ws` means `wss` in `sips` (RFC 7118 §5.1), and `tls` has been taken as a name for what `tcp` is there. */
export function parameterOf(transport: TransportName, secure: boolean): string | undefined {
  if (transport === 'wss') return 'ws'
  return transport === 'udp' || (secure && transport === 'tls') ? undefined : transport
}

/** The entry for a `transport` parameter or Via transport in any case; `undefined` for one that is not built in. */
export function transportNamed(name: string): TransportKind | undefined {
  const lower = name.toLowerCase()
  return Object.hasOwn(transports, lower) ? transports[lower as TransportName] : undefined
}
