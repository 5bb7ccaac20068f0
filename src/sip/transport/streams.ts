import { OptionError } from '../../runtime/errors.ts'
import type {
  BindOptions,
  Network,
  StreamConnection,
  StreamListener,
  TlsOptions,
} from '../../runtime/runtime.ts'
import type { Target } from './locate.ts'
import type { TransportName } from './transports.ts'

/** TLS of this layer: the keys, and what to expect of servers. */
export interface TransportTlsOptions extends TlsOptions {
  /** The name to send in SNI and to expect in the certificate of every server, instead of the domain it was found for. */
  readonly servername?: string
}

/** How a stream transport listens and connects. */
interface StreamKind {
  listen(network: Network, where: BindOptions, tls: TransportTlsOptions): Promise<StreamListener>
  connect(network: Network, to: StreamTarget, tls: TransportTlsOptions): Promise<StreamConnection>
}

interface StreamTarget extends BindOptions {
  readonly signal: AbortSignal
  /** The name to expect. */
  readonly serverName: string
}

const kinds: Readonly<Record<Exclude<TransportName, 'udp'>, StreamKind>> = {
  tcp: {
    listen: (network, where) => network.listenTcp(where),
    connect: (network, { host, port, signal }) => network.connectTcp({ host, port, signal }),
  },
  tls: {
    listen: (network, where, tls) => network.listenTls({ ...where, tls }),
    connect: (network, to, tls) => network.connectTls({ ...to, tls }),
  },
  ws: {
    listen: (network, where) => network.listenWebSocket(where),
    connect: (network, to) => network.connectWebSocket(to),
  },
  wss: {
    listen: (network, where, tls) => network.listenWebSocket({ ...where, tls }),
    connect: (network, to, tls) => network.connectWebSocket({ ...to, tls }),
  },
}

export function listenStream(
  network: Network,
  transport: TransportName,
  where: BindOptions,
  tls: TransportTlsOptions,
): Promise<StreamListener> {
  return kindOf(transport).listen(network, where, tls)
}

export function connectStream(
  network: Network,
  { transport, address, port, host }: Target,
  tls: TransportTlsOptions,
  signal: AbortSignal,
): Promise<StreamConnection> {
  const to = { host: address, port, signal, serverName: tls.servername ?? host }
  return kindOf(transport).connect(network, to, tls)
}

function kindOf(transport: TransportName): StreamKind {
  if (transport === 'udp') throw new OptionError('transport', 'udp has no connections')
  return kinds[transport]
}
