import { SipError } from '../../runtime/errors.ts'
import type { Resolver, Runtime } from '../../runtime/runtime.ts'
import { createResponse } from '../message/build.ts'
import { SipParseError } from '../message/errors.ts'
import type { MessageLimits } from '../message/limits.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { parseMessage } from '../message/parser.ts'
import { serialise } from '../message/serialiser.ts'
import { SipUri } from '../message/uri.ts'
import { addressKey, familyOf } from './addresses.ts'
import { Connections } from './connections.ts'
import type { Destination } from './destination.ts'
import { SipTransportError } from './errors.ts'
import type { BoundAddress, Flow } from './flow.ts'
import { LocalAddresses } from './local-addresses.ts'
import type { HostPort } from './local-addresses.ts'
import { locate } from './locate.ts'
import type { Target } from './locate.ts'
import { checkListen, defaultTransportLimits, defaultTransportTimers, withDefaults } from './options.ts'
import type { ListenAddress, TransportLimits, TransportOptions, TransportTimers } from './options.ts'
import { RefusedTcp } from './refused-tcp.ts'
import { emptyStats } from './stats.ts'
import type { TransportStats } from './stats.ts'
import type { StreamFlow, StreamOwner } from './stream.ts'
import { transports } from './transports.ts'
import { UdpFlow, UdpPort } from './udp.ts'
import { datagramResponseTarget, noteSource, ownVia, sentByKey, streamResponseTarget } from './via-routing.ts'
import { noteReceived } from './wire.ts'

/** A message that has left: over what, and the octets, for retransmission. */
export interface Sent {
  readonly flow: Flow
  readonly bytes: Uint8Array
}

export interface SendRequestOptions {
  /** Of the Via that is put on top. */
  readonly branch: string
  readonly destination: Destination
  /** Asked after every wait (a look-up, a connection): `false` gives up with `SipTransportError` `cancelled`. */
  readonly stillWanted?: () => boolean
}

/** Entries of sent-by values we have used; a sane layer has a handful. */
const rememberedSentBys = 4096

/**
 * Sends and receives SIP messages (RFC 3261 §18): sockets, connections, Via, and nothing about transactions.
 * Set `onRequest` and `onResponse`, then `open()`.
 */
export class TransportLayer {
  /** The token in diagnostics messages. */
  readonly endpoint: object
  /** Requests received, their top Via completed with `received` and `rport`. */
  onRequest: ((request: SipRequest, flow: Flow) => void) | undefined
  /** Responses whose top Via is ours. One with several Via values is passed on: a proxy wants it, a user agent drops it. */
  onResponse: ((response: SipResponse, flow: Flow) => void) | undefined

  readonly #runtime: Runtime
  readonly #options: TransportOptions
  readonly #limits: TransportLimits
  readonly #timers: TransportTimers
  readonly #datagramParsing: { framing: 'datagram'; limits?: Partial<MessageLimits> }
  readonly #streamParsing: { framing: 'stream'; limits?: Partial<MessageLimits> }
  readonly #stats: TransportStats = emptyStats()
  readonly #wire: StreamOwner
  readonly #connections: Connections
  readonly #refusedTcp: RefusedTcp
  readonly #sentBys = new Set<string>()
  readonly #udpPorts = new Map<BoundAddress, UdpPort>()
  readonly #closers: (() => Promise<void> | void)[] = []
  #local: LocalAddresses
  #state: 'new' | 'opening' | 'open' | 'closed' = 'new'

  /** Throws `OptionError` for options that cannot work. */
  constructor(options: TransportOptions) {
    checkListen(options.listen)
    this.#options = options
    this.#runtime = options.runtime
    this.endpoint = options.endpoint ?? this
    this.#limits = withDefaults('limits', defaultTransportLimits, options.limits, 0)
    this.#timers = withDefaults('timers', defaultTransportTimers, options.timers, 1)
    const limits = options.messageLimits === undefined ? {} : { limits: options.messageLimits }
    this.#datagramParsing = { framing: 'datagram', ...limits }
    this.#streamParsing = { framing: 'stream', ...limits }
    const { clock, network, random } = this.#runtime
    this.#wire = {
      clock,
      random,
      endpoint: this.endpoint,
      stats: this.#stats,
      timers: this.#timers,
      bufferedBytes: this.#limits.bufferedBytes,
      messageLimits: options.messageLimits,
      onMessage: (bytes, flow) => this.#receive(bytes, flow),
      onBroken: (error, flow) => this.#reject(error, flow),
      onClosed: flow => this.#connections.removed(flow),
    }
    this.#connections = new Connections(this.#wire, network, this.#limits)
    this.#refusedTcp = new RefusedTcp(this.#timers.rememberRefusal, this.#limits.rememberedRefusals)
    this.#local = new LocalAddresses([], network, clock)
  }

  /** The listen addresses, with their real ports once open. */
  get bound(): readonly BoundAddress[] {
    return this.#local.bound
  }

  get resolver(): Resolver {
    return this.#runtime.resolver
  }

  /** A snapshot of the counters. */
  stats(): TransportStats {
    const { dropped, connections } = this.#stats
    return { ...this.#stats, dropped: { ...dropped }, connections: { ...connections } }
  }

  /** Binds every listen address, or none: rejects with the `SipError` of the first that fails. */
  async open(): Promise<void> {
    if (this.#state !== 'new') throw new SipError('SIP_STATE', 'open() was called before: make a new layer')
    this.#state = 'opening'
    const bound: BoundAddress[] = []
    try {
      for (const address of this.#options.listen) bound.push(await this.#bind(address))
    } catch (error) {
      await this.close()
      throw error
    }
    this.#local = new LocalAddresses(bound, this.#runtime.network, this.#runtime.clock)
    if (this.#state === 'opening') this.#state = 'open'
  }

  async #bind({ transport, host, port, advertise }: ListenAddress): Promise<BoundAddress> {
    const { network } = this.#runtime
    const where = { host, port: port ?? transports[transport].defaultPort }
    const facts = { transport, advertise: advertise ?? this.#options.advertise }
    if (transport === 'udp') {
      const socket = await network.bindUdp(where)
      const bound: BoundAddress = { ...facts, local: socket.local }
      const udpPort = new UdpPort(socket, bound, this.#wire)
      udpPort.listen((bytes, flow) => this.#receive(bytes, flow))
      this.#udpPorts.set(bound, udpPort)
      this.#closers.push(() => udpPort.close())
      return bound
    }
    const listener = await network.listenTcp(where)
    const bound: BoundAddress = { ...facts, local: listener.local }
    listener.onConnection = connection => this.#connections.accept(connection, bound)
    listener.onError = () => {
      this.#stats.socketErrors++
    }
    this.#closers.push(() => listener.close())
    return bound
  }

  /** Closes every socket and connection; what is buffered on connections is still sent. Idempotent. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#connections.close()
    await Promise.all(this.#closers.splice(0).map(close => close()))
  }

  /**
   * Puts our Via on top of the request and sends it (RFC 3261 §18.1.1). Returns at once when the address is numeric
   * and no connection has to be opened. Throws, or rejects with, `SipTransportError`.
   */
  sendRequest(request: SipRequest, options: SendRequestOptions): Sent | Promise<Sent> {
    this.#checkOpen()
    const { destination } = options
    const { flow } = destination
    if (flow !== undefined && flow.reliable && !flow.closed)
      return this.#sendOn(flow, request, options.branch)
    const preferred = destination.bound ?? flow?.bound
    const targets =
      flow !== undefined && !flow.reliable ? [targetOf(flow)] : locate(destination, this.#runtime.resolver)
    if ('then' in targets) return this.#sendLater(request, options, targets, preferred)
    const [first] = targets
    const sent = first === undefined ? undefined : this.#sendAtOnce(request, options.branch, first, preferred)
    return sent ?? this.#sendLater(request, options, targets, preferred)
  }

  /** Sends a response where its top Via says (RFC 3261 §18.2.2), from the socket its request came in by. */
  sendResponse(response: SipResponse, flow: Flow): Sent | Promise<Sent> {
    return this.resendResponse(response, serialise(response), flow)
  }

  /** `sendResponse` with the octets of the first time. */
  resendResponse(response: SipResponse, bytes: Uint8Array, flow: Flow): Sent | Promise<Sent> {
    this.#checkOpen()
    if (flow.reliable) {
      if (flow.closed) return this.#sendResponseAnew(response, bytes, flow)
      flow.send(bytes, response)
      return { flow, bytes }
    }
    const { host, port, family } = datagramResponseTarget(response.via, flow.transport)
    if (family === 0) return this.#sendResponseByName(response, bytes, flow, host, port)
    return sendDatagram(response, bytes, flow, host, port, family)
  }

  async #sendResponseAnew(response: SipResponse, bytes: Uint8Array, flow: Flow): Promise<Sent> {
    const { transport } = flow
    const { host, port } = streamResponseTarget(response.via, transport)
    const targets = await this.#resolved(locate({ transport, host, port }, this.#runtime.resolver))
    for (const [index, target] of targets.entries()) {
      try {
        const found = this.#connections.find(transport, target.address, port)
        const next = found ?? (await this.#connections.connect(target, flow.bound, this.#timers.connect))
        next.send(bytes, response)
        return { flow: next, bytes }
      } catch (error) {
        if (index === targets.length - 1) throw error
      }
    }
    throw noAddress(host)
  }

  async #sendResponseByName(
    response: SipResponse,
    bytes: Uint8Array,
    flow: Flow,
    host: string,
    port: number,
  ): Promise<Sent> {
    const targets = await this.#resolved(
      locate({ transport: flow.transport, host, port }, this.#runtime.resolver),
    )
    const target = targets.find(({ family }) => family === flow.local.family)
    if (target === undefined) throw noAddress(host)
    return sendDatagram(response, bytes, flow, target.address, port, target.family)
  }

  /**
   * A URI at which the peer can reach us, for Contact: advertised address before bound address, `;transport=tcp`
   * where the peer would otherwise choose UDP.
   */
  contactFor(target: Flow | Destination, user?: string): SipUri {
    const { host, port, transport } =
      'send' in target ? this.#contactOfFlow(target) : this.#contactTowards(target)
    return new SipUri({
      scheme: 'sip',
      ...(user !== undefined && { user }),
      host,
      port,
      ...(transport !== 'udp' && { params: [['transport', transport]] }),
    })
  }

  #contactOfFlow(flow: Flow): HostPort & { transport: string } {
    const { bound, transport, remote } = flow
    if (bound === undefined) return this.#contactTowards({ transport, host: remote.address })
    return { ...this.#nameOnFlow(flow), transport }
  }

  #contactTowards({ host, transport = 'udp', flow, bound }: Destination): HostPort & { transport: string } {
    if (flow !== undefined && !flow.closed && flow.bound !== undefined) return this.#contactOfFlow(flow)
    const literal = familyOf(host)
    const remote = literal === 0 ? (host.toLowerCase() === 'localhost' ? '127.0.0.1' : undefined) : host
    for (const family of literal === 0 ? ([4, 6] as const) : [literal]) {
      const chosen =
        this.#local.choose(transport, family, remote ?? '', bound) ??
        this.#local.choose(transport === 'udp' ? 'tcp' : 'udp', family, remote ?? '')
      if (chosen !== undefined) return { ...this.#local.nameOf(chosen, remote), transport: chosen.transport }
    }
    throw new SipTransportError('no-route', `no listen address fits ${host}: listen on one of its family`, {
      transport,
      target: host,
    })
  }

  // --- sending ---

  #checkOpen(): void {
    if (this.#state === 'open') return
    throw new SipTransportError(
      'shutdown',
      this.#state === 'closed'
        ? 'the transport layer is closed'
        : 'the transport layer is not open: await open()',
    )
  }

  /** Sends if neither a look-up nor a new connection is needed; `undefined` if one is. */
  #sendAtOnce(
    request: SipRequest,
    branch: string,
    target: Target,
    preferred: BoundAddress | undefined,
  ): Sent | undefined {
    const { address, port } = target
    if (transports[target.transport].reliable) {
      const open = this.#connections.find(target.transport, address, port)
      return open === undefined ? undefined : this.#sendOn(open, request, branch)
    }
    const flow = this.#udpFlow(target, preferred)
    const bytes = this.#compose(request, ownVia('udp', this.#name(flow.bound, address), branch))
    if (bytes.length > this.#limits.udpRequestBytes && !this.#refusesTcp(target)) {
      request.headers.removeFirst('Via')
      const open = this.#connections.find('tcp', address, port)
      if (open === undefined) return undefined
      this.#stats.largeByTcp++
      return this.#sendOn(open, request, branch)
    }
    return this.#hand(flow, request, bytes)
  }

  async #sendLater(
    request: SipRequest,
    options: SendRequestOptions,
    located: readonly Target[] | Promise<readonly Target[]>,
    preferred: BoundAddress | undefined,
  ): Promise<Sent> {
    const targets = await this.#resolved(located)
    let failure: unknown
    for (const target of targets) {
      try {
        this.#checkWanted(options)
        const sent = this.#sendAtOnce(request, options.branch, target, preferred)
        return sent ?? (await this.#sendByConnecting(request, options, target, preferred))
      } catch (error) {
        const giveUp =
          !(error instanceof SipTransportError) ||
          error.failure === 'cancelled' ||
          error.failure === 'shutdown'
        if (giveUp) throw error
        failure = error
      }
    }
    throw failure ?? noAddress(options.destination.host)
  }

  async #sendByConnecting(
    request: SipRequest,
    options: SendRequestOptions,
    target: Target,
    preferred: BoundAddress | undefined,
  ): Promise<Sent> {
    const { branch } = options
    const { address, family } = target
    if (transports[target.transport].reliable) {
      const bound = this.#local.choose(target.transport, family, address, preferred)
      const flow = await this.#connections.connect(target, bound, this.#timers.connect)
      this.#checkWanted(options)
      return this.#sendOn(flow, request, branch)
    }
    // Too large for UDP, and TCP not yet known to be refused: RFC 3261 §18.1.1.
    let flow: StreamFlow | undefined
    try {
      const bound = this.#local.choose('tcp', family, address)
      const stream: Target = { ...target, transport: 'tcp' }
      flow = await this.#connections.connect(stream, bound, this.#timers.connectInsteadOfUdp)
    } catch {
      this.#refusedTcp.add(refusalKey(target), this.#runtime.clock.now())
    }
    this.#checkWanted(options)
    if (flow !== undefined) {
      this.#stats.largeByTcp++
      return this.#sendOn(flow, request, branch)
    }
    this.#stats.largeByUdp++
    const udp = this.#udpFlow(target, preferred)
    return this.#hand(
      udp,
      request,
      this.#compose(request, ownVia('udp', this.#name(udp.bound, address), branch)),
    )
  }

  #sendOn(flow: Flow, request: SipRequest, branch: string): Sent {
    const name = this.#nameOnFlow(flow)
    return this.#hand(
      flow,
      request,
      this.#compose(request, ownVia(flow.transport, this.#remember(name), branch)),
    )
  }

  #compose(request: SipRequest, via: string): Uint8Array {
    request.headers.prepend('Via', via)
    try {
      return serialise(request)
    } catch (error) {
      request.headers.removeFirst('Via')
      throw error
    }
  }

  #hand(flow: Flow, request: SipRequest, bytes: Uint8Array): Sent {
    try {
      flow.send(bytes, request)
    } catch (error) {
      request.headers.removeFirst('Via')
      throw error
    }
    return { flow, bytes }
  }

  #udpFlow({ transport, address, port, family }: Target, preferred: BoundAddress | undefined): UdpFlow {
    const bound = this.#local.choose(transport, family, address, preferred)
    const udpPort = bound === undefined ? undefined : this.#udpPorts.get(bound)
    if (udpPort === undefined) {
      throw new SipTransportError('no-route', `no UDP socket for IPv${family}: listen on one to send there`, {
        transport,
        target: `${address}:${port}`,
      })
    }
    return new UdpFlow(udpPort, { address, port, family })
  }

  #refusesTcp(target: Target): boolean {
    return this.#refusedTcp.has(refusalKey(target), this.#runtime.clock.now())
  }

  #checkWanted({ stillWanted }: SendRequestOptions): void {
    this.#checkOpen()
    if (stillWanted?.() === false)
      throw new SipTransportError('cancelled', 'given up before the request had left')
  }

  async #resolved(targets: readonly Target[] | Promise<readonly Target[]>): Promise<readonly Target[]> {
    if (!('then' in targets)) return targets
    const { clock } = this.#runtime
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(clock.now() + this.#timers.resolve, () => {
        reject(
          new SipTransportError(
            'unresolved',
            `no answer to a name look-up within ${this.#timers.resolve} ms`,
          ),
        )
      })
      targets.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  // --- our own names ---

  #name(bound: BoundAddress, remote: string): HostPort {
    return this.#remember(this.#local.nameOf(bound, remote))
  }

  /** On a connection, the address is known even when every interface is bound. */
  #nameOnFlow(flow: Flow): HostPort {
    const { bound, local } = flow
    if (bound === undefined) {
      return { host: this.#options.advertise?.host ?? local.address, port: local.port }
    }
    if (!flow.reliable || bound.advertise !== undefined) return this.#local.nameOf(bound, flow.remote.address)
    return { host: local.address, port: bound.local.port }
  }

  #remember(name: HostPort): HostPort {
    if (this.#sentBys.size < rememberedSentBys) this.#sentBys.add(sentByKey(name))
    return name
  }

  // --- receiving ---

  #receive(bytes: Uint8Array, flow: Flow): void {
    let message: SipRequest | SipResponse
    try {
      message = parseMessage(bytes, flow.reliable ? this.#streamParsing : this.#datagramParsing)
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error
      noteReceived(this.#wire, flow, bytes, undefined)
      this.#reject(error, flow)
      if (error.fatal && flow.reliable) (flow as StreamFlow).end()
      return
    }
    noteReceived(this.#wire, flow, bytes, message)
    try {
      if (message.kind === 'request') this.#receiveRequest(message, flow)
      else this.#receiveResponse(message, flow)
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error
      // A header that is parsed on demand, and could not be.
      this.#reject(error, flow, message)
    }
  }

  #receiveRequest(request: SipRequest, flow: Flow): void {
    noteSource(request, flow.remote)
    if (this.onRequest === undefined || this.#state !== 'open') this.#stats.dropped.unattended++
    else this.onRequest(request, flow)
  }

  #receiveResponse(response: SipResponse, flow: Flow): void {
    if (!this.#sentBys.has(response.via.sentBy)) this.#stats.dropped.foreignResponse++
    else if (this.onResponse === undefined) this.#stats.dropped.unattended++
    else this.onResponse(response, flow)
  }

  /** Answers what can be answered, without state; never an ACK or a response, so two such peers cannot loop. */
  #reject(error: SipParseError, flow: Flow, message?: SipRequest | SipResponse): void {
    this.#stats.parseErrors++
    const request = message ?? error.partial
    if (request?.kind !== 'request' || request.method === 'ACK') {
      this.#stats.dropped.malformed++
      return
    }
    try {
      if (message === undefined) noteSource(request, flow.remote)
      const response = createResponse(request, error.statusCode, {
        reasonPhrase: error.reasonPhrase,
        toTag: steadyTag(request.via.toString()),
      })
      const sent = this.sendResponse(response, flow)
      this.#stats.rejected++
      if ('then' in sent) sent.catch(() => {})
    } catch (failure) {
      if (!(failure instanceof SipError)) throw failure
      this.#stats.dropped.malformed++
    }
  }
}

function targetOf({ transport, remote }: Flow): Target {
  return {
    transport,
    address: remote.address,
    family: remote.family,
    port: remote.port,
    host: remote.address,
  }
}

function refusalKey({ address, port }: Target): string {
  return addressKey(address, port)
}

function noAddress(host: string): SipTransportError {
  return new SipTransportError('unresolved', `no address found for ${host}: check the name and the DNS`, {
    target: host,
  })
}

function sendDatagram(
  response: SipResponse,
  bytes: Uint8Array,
  flow: Flow,
  address: string,
  port: number,
  family: 4 | 6,
): Sent {
  const { remote } = flow
  const same = port === remote.port && address === remote.address
  const next = same || !(flow instanceof UdpFlow) ? flow : new UdpFlow(flow.port, { address, port, family })
  next.send(bytes, response)
  return { flow: next, bytes }
}

/** The same tag for every retransmission of a request that gets a stateless answer (RFC 3261 §8.2.7). */
function steadyTag(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return hash.toString(36)
}
