import { realWork } from '../../runtime/real-work.ts'
import { OptionError, SipError } from '../../runtime/errors.ts'
import type {
  BindOptions,
  ConnectOptions,
  Network,
  SocketAddress,
  StreamConnection,
  StreamListener,
  TlsClientOptions,
  TlsOptions,
  UdpSocket,
  WebSocketClientOptions,
} from '../../runtime/runtime.ts'
import { checkedHeaders, webSocketTarget } from '../../runtime/web-url.ts'
import { webLimits } from '../../runtime/web.ts'
import type {
  HttpListener,
  ListenHttpOptions,
  OpenWebSocketOptions,
  WebSocketConnection,
} from '../../runtime/web.ts'
import { hostPort, transportError } from '../../runtime/transport-error.ts'
import { canonicalAddress, familyOf, LOOPBACK, socketAddress, systemError, WILDCARD } from './addresses.ts'
import type { DatagramFate, Fabric, Interface, Realm, Route } from './fabric.ts'
import { Link } from './link.ts'
import { plain, type Session, type SessionKind, type SimulatedCertificate } from './session.ts'
import { connect, type SimulatedConnection, SimulatedListener, unreachable } from './tcp.ts'
import { SimulatedUdpSocket } from './udp.ts'
import { askForResponse, askForWebSocket, SimulatedHttpServer } from './web.ts'

const EPHEMERAL = { first: 49_152, count: 16_384 } as const

/** Routes that one address remembers: more only when a test has as many hosts. */
const MAX_ROUTES = 65_536

/** One machine of the simulated network: the `Network` of a `Runtime`. */
export class SimulatedHost implements Network {
  /** The addresses it was made with, in canonical spelling. */
  readonly addresses: readonly string[]
  readonly realm: Realm
  /** What it shows in TLS handshakes, in place of `tls.cert`; set it before the handshake. */
  certificate: SimulatedCertificate | undefined
  readonly #fabric: Fabric
  readonly #interfaces = new Map<string, HostInterface>()
  readonly #connections = new Set<SimulatedConnection>()
  #isDown = false

  constructor(fabric: Fabric, realm: Realm, addresses: readonly string[]) {
    this.#fabric = fabric
    this.realm = realm
    this.addresses = addresses
    for (const address of addresses) {
      const card = new HostInterface(fabric, this, address)
      this.#interfaces.set(address, card)
      realm.stations.set(address, card)
    }
    for (const address of [LOOPBACK[4], LOOPBACK[6]]) {
      this.#interfaces.set(address, new HostInterface(fabric, this, address))
    }
  }

  get isDown(): boolean {
    return this.#isDown
  }

  /** Pulls the plug: datagrams to and from this host vanish, its TCP connections are reset at both ends. */
  down(): void {
    if (this.#isDown) return
    for (const connection of this.#connections) connection.reset()
    this.#isDown = true
  }

  /** Plugs it in again: its sockets work as before. */
  up(): void {
    this.#isDown = false
  }

  async bindUdp(options: BindOptions): Promise<UdpSocket> {
    const { address, wildcard } = await this.#bindAddress(options)
    const cards = this.#cards(address, wildcard)
    const port = this.#choosePort(options, port => cards.every(card => !card.udp.has(port)))
    const socket = new SimulatedUdpSocket(
      this.#fabric,
      this,
      socketAddress(address, port),
      wildcard,
      options.reportSendErrors ?? false,
    )
    for (const card of cards) card.udp.set(port, socket)
    return socket
  }

  listenTcp(options: BindOptions): Promise<StreamListener> {
    return this.#listen(options, plain)
  }

  async listenTls(options: BindOptions & { readonly tls: TlsOptions }): Promise<StreamListener> {
    return this.#listen(options, this.#session('tls', options.tls))
  }

  async listenWebSocket(options: BindOptions & { readonly tls?: TlsOptions }): Promise<StreamListener> {
    const { tls } = options
    return this.#listen(options, this.#session(tls === undefined ? 'ws' : 'wss', tls))
  }

  #session(kind: SessionKind, tls: TlsOptions | undefined): Session {
    return { kind, tls, certificate: this.certificate }
  }

  async #listen(options: BindOptions, session: Session): Promise<StreamListener> {
    const { address, wildcard } = await this.#bindAddress(options)
    const cards = this.#cards(address, wildcard)
    const port = this.#choosePort(options, port => cards.every(card => !card.tcp.has(port)))
    const listener = new SimulatedListener(this, socketAddress(address, port), session)
    for (const card of cards) card.tcp.set(port, listener)
    return listener
  }

  connectTcp(options: ConnectOptions): Promise<StreamConnection> {
    return this.#connect(options, plain)
  }

  connectTls(options: ConnectOptions & TlsClientOptions): Promise<StreamConnection> {
    return this.#connect(options, this.#session('tls', options.tls))
  }

  connectWebSocket(options: ConnectOptions & WebSocketClientOptions): Promise<StreamConnection> {
    const { tls } = options
    return this.#connect(options, this.#session(tls === undefined ? 'ws' : 'wss', tls))
  }

  async openWebSocket(options: OpenWebSocketOptions): Promise<WebSocketConnection> {
    const { headers = {}, protocols = [], maxMessageBytes = webLimits.maxMessageBytes, signal } = options
    const { secure, host, port, path, place } = webSocketTarget(options.url)
    const offered = protocols.length === 0 ? {} : { 'Sec-WebSocket-Protocol': protocols.join(', ') }
    const head = {
      method: 'GET',
      url: path,
      headers: lowerCased({ Host: hostPort(host, port), ...offered, ...checkedHeaders(headers) }),
      upgrade: true,
    }
    const session = this.#session(secure ? 'https' : 'http', secure ? (options.tls ?? {}) : undefined)
    const connection = await this.#connect({ host, port, ...(signal !== undefined && { signal }) }, session)
    return askForWebSocket(connection, { place, head, body: new Uint8Array(), signal }, maxMessageBytes)
  }

  async listenHttp(options: ListenHttpOptions): Promise<HttpListener> {
    const { tls } = options
    const listener = await this.#listen(options, this.#session(tls === undefined ? 'http' : 'https', tls))
    const server = new SimulatedHttpServer(listener.local, options, () => listener.close())
    listener.onConnection = connection => server.take(connection)
    return server
  }

  /** As the global one, on this network; bound, to be given as an option. */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    const url = new URL(request.url)
    const secure = url.protocol === 'https:'
    const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const body = new Uint8Array(await realWork(request.arrayBuffer()))
    const head = {
      method: request.method,
      url: url.pathname + url.search,
      headers: lowerCased({ host: hostPort(host, port), ...Object.fromEntries(request.headers) }),
      upgrade: false,
    }
    const connection = await this.#connect(
      { host, port, signal: request.signal },
      this.#session(secure ? 'https' : 'http', secure ? {} : undefined),
    )
    return askForResponse(connection, { place: url.host, head, body, signal: request.signal })
  }

  async #connect(options: ConnectOptions, session: Session): Promise<StreamConnection> {
    options.signal?.throwIfAborted()
    const address = await this.#numeric(options.host)
    options.signal?.throwIfAborted()
    const inside = this.sender(address, undefined)
    const route = inside?.route(address)
    if (inside === undefined || route === undefined || this.#isDown) {
      throw unreachable('EHOSTUNREACH', address, options.port)
    }
    const port = this.#choosePort({ host: address, port: 0 }, port => !inside.tcp.has(port))
    return connect(this.#fabric, this, inside, route, port, { ...options, host: address }, session)
  }

  interfaces(): readonly SocketAddress[] {
    return [...this.#interfaces.keys()].map(address => socketAddress(address, 0))
  }

  /** The interface that sends to `address`: the one bound, else loopback to itself, else the first of the family. */
  sender(address: string, bound: string | undefined): Interface | undefined {
    if (bound !== undefined) {
      const card = this.#interfaces.get(bound)
      return card !== undefined && familyOf(address) === card.family ? card : undefined
    }
    const family = familyOf(address)
    const own = this.#interfaces.get(address)
    if (own !== undefined) return own
    for (const card of this.#interfaces.values()) if (card.family === family && !card.isLoopback) return card
    return undefined
  }

  /** Whether the network knows the address in this spelling. */
  knows(address: string): boolean {
    return this.realm.stations.has(address) || this.#interfaces.has(address)
  }

  /** The interface of this host with this address. */
  interfaceAt(address: string): Interface | undefined {
    return this.#interfaces.get(address)
  }

  sourceAddress(inside: Interface, port: number): SocketAddress {
    return (inside as HostInterface).source(port)
  }

  releaseUdp(socket: SimulatedUdpSocket): void {
    for (const card of this.#interfaces.values()) {
      if (card.udp.get(socket.local.port) === socket) card.udp.delete(socket.local.port)
    }
  }

  releaseTcp(listener: SimulatedListener): void {
    for (const card of this.#interfaces.values()) {
      if (card.tcp.get(listener.local.port) === listener) card.tcp.delete(listener.local.port)
    }
  }

  track(connection: SimulatedConnection): void {
    this.#connections.add(connection)
  }

  untrack(connection: SimulatedConnection): void {
    this.#connections.delete(connection)
  }

  #cards(address: string, wildcard: boolean): HostInterface[] {
    if (!wildcard) return [this.#interfaces.get(address)!]
    const family = familyOf(address)
    return [...this.#interfaces.values()].filter(card => card.family === family)
  }

  async #numeric(host: string): Promise<string> {
    const address = canonicalAddress(host)
    if (address !== undefined) return address
    if (host === 'localhost') return LOOPBACK[4]
    const found = await this.#fabric.options.resolver?.address(host)
    const first = found?.[0]?.address
    if (first !== undefined) return canonicalAddress(first) ?? first
    throw new SipError(
      'SIP_TRANSPORT',
      `no address is known for '${host}': use a number or give the network a resolver`,
    )
  }

  async #bindAddress({ host, port }: BindOptions): Promise<{ address: string; wildcard: boolean }> {
    if (!(Number.isInteger(port) && port >= 0 && port < 65_536)) {
      throw new OptionError('port', `${port} is not a port: give 0 … 65535, 0 for any`)
    }
    const address = await this.#numeric(host)
    const wildcard = address === WILDCARD[4] || address === WILDCARD[6]
    if (!wildcard && !this.#interfaces.has(address)) {
      throw transportError(
        `bind ${hostPort(address, port)}`,
        systemError('EADDRNOTAVAIL', 'bind', address, port),
      )
    }
    return { address, wildcard }
  }

  #choosePort({ host, port }: BindOptions, isFree: (port: number) => boolean): number {
    if (port !== 0) {
      if (isFree(port)) return port
      throw transportError(`bind ${hostPort(host, port)}`, systemError('EADDRINUSE', 'bind', host, port))
    }
    const { first, count } = EPHEMERAL
    const start = this.#fabric.random.uint32() % count
    for (let step = 0; step < count; step++) {
      const candidate = first + ((start + step) % count)
      if (isFree(candidate)) return candidate
    }
    throw new SipError('SIP_TRANSPORT', `every port of ${host} is in use: close sockets that are not needed`)
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
}

class HostInterface implements Interface {
  readonly address: string
  readonly family: 4 | 6
  readonly udp = new Map<number, SimulatedUdpSocket>()
  readonly tcp = new Map<number, SimulatedListener>()
  readonly isLoopback: boolean
  readonly #fabric: Fabric
  readonly host: SimulatedHost
  readonly #routes = new Map<string, Route>()
  readonly #sources = new Map<number, SocketAddress>()

  constructor(fabric: Fabric, host: SimulatedHost, address: string) {
    this.#fabric = fabric
    this.host = host
    this.address = address
    this.family = familyOf(address)
    this.isLoopback = address === LOOPBACK[4] || address === LOOPBACK[6]
  }

  get isDown(): boolean {
    return this.host.isDown
  }

  find(port: number): SimulatedUdpSocket | DatagramFate {
    return this.udp.get(port) ?? 'unreachable'
  }

  listener(port: number): SimulatedListener | undefined {
    return this.tcp.get(port)
  }

  source(port: number): SocketAddress {
    let source = this.#sources.get(port)
    if (source === undefined) this.#sources.set(port, (source = socketAddress(this.address, port)))
    return source
  }

  route(address: string): Route | undefined {
    const known = this.#routes.get(address)
    if (known !== undefined) return known
    const found = this.#findRoute(address)
    // A host that is not there yet may be added later.
    if (found === undefined) return undefined
    if (this.#routes.size >= MAX_ROUTES) this.#routes.clear()
    this.#routes.set(address, found)
    return found
  }

  #findRoute(address: string): Route | undefined {
    const own = this.host.interfaceAt(address)
    // A host reaches itself at once and without fail.
    if (own !== undefined)
      return { link: new Link([this.address], address, this.#fabric.random), gateways: [], station: own }
    if (this.isLoopback) return undefined
    const gateways = []
    const from = [this.address]
    let realm = this.host.realm
    for (;;) {
      const station = realm.stations.get(address)
      if (station !== undefined) return { link: this.#fabric.link(from, address), gateways, station }
      const { gateway } = realm
      if (gateway === undefined || familyOf(gateway.publicAddress) !== this.family) return undefined
      gateways.push(gateway)
      from.push(gateway.publicAddress)
      realm = gateway.outer
    }
  }
}
