import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { OptionError } from './errors.ts'
import { NodeClock } from './node/clock.ts'
import { listenHttp } from './node/http.ts'
import { NodeRandom } from './node/random.ts'
import { NodeResolver } from './node/resolver.ts'
import { connectTcp, listenTcp } from './node/tcp.ts'
import { connectTls, listenTls } from './node/tls.ts'
import { bindUdp } from './node/udp.ts'
import { openWebSocket } from './node/web-socket.ts'
import { connectWebSocket, listenWebSocket } from './node/ws.ts'
import type {
  BindOptions,
  ConnectOptions,
  Network,
  Resolver,
  Runtime,
  SocketAddress,
  StreamConnection,
  StreamListener,
  TlsClientOptions,
  TlsOptions,
  UdpSocket,
  WebSocketClientOptions,
} from './runtime.ts'
import { transportError } from './transport-error.ts'
import type { HttpListener, ListenHttpOptions, OpenWebSocketOptions, WebSocketConnection } from './web.ts'

/** The real time, sockets, names and randomness of this machine. */
export function createNodeRuntime(): Runtime {
  const resolver = new NodeResolver()
  return { clock: new NodeClock(), network: new NodeNetwork(resolver), random: new NodeRandom(), resolver }
}

class NodeNetwork implements Network {
  readonly #resolver: Resolver

  constructor(resolver: Resolver) {
    this.#resolver = resolver
  }

  async bindUdp(options: BindOptions): Promise<UdpSocket> {
    const { address, family } = await this.#numeric('bind udp', options)
    return bindUdp(address, family, options)
  }

  async listenTcp(options: BindOptions): Promise<StreamListener> {
    const { address } = await this.#numeric('listen tcp', options)
    return listenTcp(address, options.port)
  }

  async connectTcp(options: ConnectOptions): Promise<StreamConnection> {
    checkPort(options.port)
    return connectTcp(options)
  }

  async listenTls(options: BindOptions & { readonly tls: TlsOptions }): Promise<StreamListener> {
    const { address } = await this.#numeric('listen tls', options)
    return listenTls(address, options.port, options.tls)
  }

  async connectTls(options: ConnectOptions & TlsClientOptions): Promise<StreamConnection> {
    checkPort(options.port)
    return connectTls(options)
  }

  async listenWebSocket(options: BindOptions & { readonly tls?: TlsOptions }): Promise<StreamListener> {
    const { address } = await this.#numeric('listen ws', options)
    return listenWebSocket(address, options.port, options.tls)
  }

  async connectWebSocket(options: ConnectOptions & WebSocketClientOptions): Promise<StreamConnection> {
    checkPort(options.port)
    return connectWebSocket(options)
  }

  async openWebSocket(options: OpenWebSocketOptions): Promise<WebSocketConnection> {
    return openWebSocket(options)
  }

  async listenHttp(options: ListenHttpOptions): Promise<HttpListener> {
    const { address } = await this.#numeric('listen http', options)
    return listenHttp(address, options)
  }

  interfaces(): readonly SocketAddress[] {
    const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
    return all
      .toSorted((a, b) => rank(a) - rank(b))
      .map(({ address }) => ({ address, port: 0, family: address.includes(':') ? 6 : 4 }))
  }

  async #numeric(what: string, { host, port }: BindOptions): Promise<{ address: string; family: 4 | 6 }> {
    checkPort(port)
    const family = isIP(host)
    if (family === 4 || family === 6) return { address: host, family }
    const [first] = await this.#resolver.address(host)
    if (first === undefined) {
      throw transportError(
        `${what} ${host}:${port}`,
        Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }),
      )
    }
    return first
  }
}

/** What a peer can reach first. */
function rank({ internal, address }: { internal: boolean; address: string }): number {
  if (internal) return 2
  return address.startsWith('fe80:') ? 1 : 0
}

function checkPort(port: number): void {
  if (!(Number.isInteger(port) && port >= 0 && port < 65_536)) {
    throw new OptionError('port', `${port} is not a port: give 0 … 65535, 0 for any`)
  }
}
