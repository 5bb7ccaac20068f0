import { SipError } from '../../runtime/errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { createResponse } from '../message/build.ts'
import { SipParseError } from '../message/errors.ts'
import type { MessageLimits } from '../message/limits.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { parseMessage } from '../message/parser.ts'
import { serialise } from '../message/serialiser.ts'
import { SipUri } from '../message/uri.ts'
import { checkMessage } from '../message/validate.ts'
import { Connections } from './connections.ts'
import type { Destination } from './destination.ts'
import { faultChannel } from './diagnostics.ts'
import { SipTransportError } from './errors.ts'
import type { BoundAddress, Flow } from './flow.ts'
import { LocalAddresses } from './local-addresses.ts'
import type { Target } from './locate.ts'
import { Locator } from './locating/locator.ts'
import {
  checkAdvertise,
  checkListen,
  defaultTransportLimits,
  defaultTransportTimers,
  withDefaults,
} from './options.ts'
import type { ListenAddress, TransportLimits, TransportOptions, TransportTimers } from './options.ts'
import { RequestSender } from './request-sender.ts'
import type { SendRequestOptions, Sent } from './request-sender.ts'
import { ResponseSender } from './response-sender.ts'
import { emptyStats } from './stats.ts'
import type { TransportStats } from './stats.ts'
import type { StreamFlow, StreamOwner } from './stream.ts'
import { listenStream } from './streams.ts'
import { parameterOf, transports } from './transports.ts'
import { UdpPort } from './udp.ts'
import { noteSource } from './via-routing.ts'
import { noteReceived } from './wire.ts'

export type { SendRequestOptions, Sent } from './request-sender.ts'

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
  readonly #udpPorts = new Map<BoundAddress, UdpPort>()
  readonly #sender: RequestSender
  readonly #responses: ResponseSender
  /** Finds the servers of domains, and knows which failed lately (RFC 3263 §4). */
  readonly locator: Locator
  readonly #closers: (() => Promise<void> | void)[] = []
  #local: LocalAddresses
  /** In place of a host where nobody can connect to (RFC 7118 §5.2, RFC 2606 §2). */
  readonly #nowhere = (): string =>
    (this.#invalidHost ??= `${Buffer.from(this.#runtime.random.bytes(6)).toString('hex')}.invalid`)
  #invalidHost: string | undefined
  #state: 'new' | 'opening' | 'open' | 'closed' = 'new'

  /** Throws `OptionError` for options that cannot work. */
  constructor(options: TransportOptions) {
    checkListen(options.listen, options.tls)
    checkAdvertise('advertise', options.advertise)
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
    this.#connections = new Connections(this.#wire, network, this.#limits, options.tls)
    this.#local = new LocalAddresses([], network, clock, options.advertise, this.#nowhere)
    this.locator = new Locator({
      resolver: this.#runtime.resolver,
      clock,
      random,
      offers: transport => this.#local.bound.some(bound => bound.transport === transport),
      reaches: (transport, family) =>
        this.#local.bound.some(
          ({ transport: own, local }) =>
            local.family === family && (own === transport || transports[transport].reliable),
        ),
    })
    this.#sender = new RequestSender(
      {
        runtime: this.#runtime,
        stats: this.#stats,
        limits: this.#limits,
        timers: this.#timers,
        connections: this.#connections,
        locator: this.locator,
        udpPorts: this.#udpPorts,
        checkOpen: () => this.#checkOpen(),
      },
      this.#local,
    )
    this.#responses = new ResponseSender({
      timers: this.#timers,
      connections: this.#connections,
      udpPorts: this.#udpPorts,
      addresses: () => this.#local,
      locate: destination => this.locate(destination),
    })
  }

  /** The listen addresses, with their real ports once open. */
  get bound(): readonly BoundAddress[] {
    return this.#local.bound
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
    const { network, clock } = this.#runtime
    this.#local = new LocalAddresses(bound, network, clock, this.#options.advertise, this.#nowhere)
    this.#sender.useAddresses(this.#local)
    if (this.#state === 'opening') this.#state = 'open'
  }

  async #bind({ transport, host, port, advertise }: ListenAddress): Promise<BoundAddress> {
    const { network } = this.#runtime
    const where = { host, port: port ?? transports[transport].defaultPort }
    const facts = { transport, advertise: advertise ?? this.#options.advertise }
    if (transport === 'udp') {
      const socket = await network.bindUdp({ ...where, reportSendErrors: true })
      const bound: BoundAddress = { ...facts, local: socket.local }
      const udpPort = new UdpPort(socket, bound, this.#wire)
      udpPort.listen((bytes, flow) => this.#receive(bytes, flow))
      this.#udpPorts.set(bound, udpPort)
      this.#closers.push(() => udpPort.close())
      return bound
    }
    const listener = await listenStream(network, transport, where, this.#options.tls ?? {})
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
    await Promise.all(this.#closers.splice(0).map(async close => close()))
  }

  /**
   * Puts our Via on top of the request and sends it (RFC 3261 §18.1.1). Returns at once when the address is numeric
   * and no connection has to be opened. Throws, or rejects with, `SipTransportError`.
   */
  sendRequest(request: SipRequest, options: SendRequestOptions): Sent | Promise<Sent> {
    this.#checkOpen()
    return this.#sender.send(request, options)
  }

  /**
   * The targets of a destination in the order to try them (RFC 3263 §4). At once for a numeric host and for a domain in memory; otherwise a promise,
   * which rejects with `SipTransportError` when there is none, or no answer in time.
   */
  locate(destination: Destination): readonly Target[] | Promise<readonly Target[]> {
    this.#checkOpen()
    const targets = this.locator.locate(destination)
    return 'then' in targets ? this.#sender.resolved(targets) : targets
  }

  /** Sends a response where its top Via says (RFC 3261 §18.2.2), from the socket its request came in by. */
  sendResponse(response: SipResponse, flow: Flow): Sent | Promise<Sent> {
    return this.resendResponse(response, serialise(response), flow)
  }

  /** `sendResponse` with the octets of the first time. */
  resendResponse(response: SipResponse, bytes: Uint8Array, flow: Flow): Sent | Promise<Sent> {
    this.#checkOpen()
    return this.#responses.send(response, bytes, flow)
  }

  /**
   * Sends a response where its top Via says, for one whose request is not known any more (RFC 3261 §16.7, §16.11): over
   * the connection the Via names, if it is still open. Throws, or rejects with, `SipTransportError`.
   */
  forwardResponse(response: SipResponse): Sent | Promise<Sent> {
    this.#checkOpen()
    return this.#responses.forward(response)
  }

  /** The host of `contactFor`, for media; an address also where the Contact names none (RFC 7118 §5.2). */
  hostFor(target: Flow | Destination): string {
    return this.#local.hostFor(target)
  }

  /**
   * A URI at which the peer can reach us, for Contact: advertised address before bound address, `;transport=tcp`
   * where the peer would otherwise choose UDP. For a destination or request of `sips` a `sips` URI (RFC 3261 §8.1.1.8): throws
   * `SipTransportError` when nothing secure is listened on.
   */
  contactFor(target: Flow | Destination, user?: string, secure: boolean = isSecure(target)): SipUri {
    const { host, port, transport } = this.#local.contactFor(target)
    if (secure && !transports[transport].secure) {
      throw new SipTransportError('no-route', 'sips needs a Contact by TLS: listen on tls:// or wss://', {
        transport,
      })
    }
    const parameter = parameterOf(transport, secure)
    return new SipUri({
      scheme: secure ? 'sips' : 'sip',
      ...(user !== undefined && { user }),
      host,
      ...(port !== undefined && { port }),
      ...(parameter !== undefined && { params: [['transport', parameter]] }),
    })
  }

  #checkOpen(): void {
    if (this.#state === 'open') return
    throw new SipTransportError(
      'shutdown',
      this.#state === 'closed'
        ? 'the transport layer is closed'
        : 'the transport layer is not open: await open()',
    )
  }

  #receive(bytes: Uint8Array, flow: Flow): void {
    let message: SipRequest | SipResponse | undefined
    let fault: unknown
    try {
      message = parseMessage(
        bytes,
        flow.reliable && !transports[flow.transport].wholeMessages
          ? this.#streamParsing
          : this.#datagramParsing,
      )
      fault = checkMessage(message)
    } catch (error) {
      fault = error
    }
    noteReceived(this.#wire, flow, bytes, fault === undefined ? message : undefined)
    if (message === undefined || fault !== undefined) {
      this.#refuse(fault, flow)
      return
    }
    try {
      if (message.kind === 'request') this.#receiveRequest(message, flow)
      else this.#receiveResponse(message, flow)
    } catch (error) {
      if (!(error instanceof SipParseError)) {
        this.noteFault(error, message)
        return
      }
      // A header that somebody above asked for, and which is not among those checked before.
      this.#stats.parseErrors++
      this.#stats.dropped.malformed++
    }
  }

  /** Something above threw while it handled that message: no peer may end the process, and with it all the other calls. */
  noteFault(error: unknown, message?: SipRequest | SipResponse): void {
    this.#stats.faults++
    if (!faultChannel.hasSubscribers) return
    const at = this.#runtime.clock.now()
    const [method, callId] = [message?.cseq.method, message?.callId]
    faultChannel.publish({ endpoint: this.endpoint, at, error, method, callId })
  }

  #refuse(fault: unknown, flow: Flow): void {
    if (fault instanceof SipParseError) {
      this.#reject(fault, flow)
      if (fault.fatal && flow.reliable) (flow as StreamFlow).end()
      return
    }
    // A defect of the parser, found by whoever sent these octets: it must not end the process with all its calls.
    this.#stats.parserFaults++
    this.#stats.dropped.malformed++
  }

  #receiveRequest(request: SipRequest, flow: Flow): void {
    noteSource(request, flow.remote)
    if (flow.reliable && flow.peer !== undefined) this.#noteAlias(request, flow as StreamFlow)
    if (this.onRequest === undefined || this.#state !== 'open') this.#stats.dropped.unattended++
    else this.onRequest(request, flow)
  }

  #noteAlias({ via }: SipRequest, flow: StreamFlow): void {
    if (!via.params.has('alias')) return
    this.#connections.alias(flow, via.port ?? transports[flow.transport].defaultPort)
  }

  #receiveResponse(response: SipResponse, flow: Flow): void {
    if (!this.#local.isOurs(response.via)) this.#stats.dropped.foreignResponse++
    else if (this.onResponse === undefined) this.#stats.dropped.unattended++
    else this.onResponse(response, flow)
  }

  /** Answers what can be answered, without state; never an ACK or a response, so two such peers cannot loop. */
  #reject(error: SipParseError, flow: Flow): void {
    this.#stats.parseErrors++
    const request = error.partial
    if (request === undefined || request.method === 'ACK') {
      this.#stats.dropped.malformed++
      return
    }
    try {
      noteSource(request, flow.remote)
      const response = createResponse(request, error.statusCode, {
        reasonPhrase: error.reasonPhrase,
        toTag: steadyTag(request.via.toString()),
      })
      const sent = this.sendResponse(response, flow)
      this.#stats.rejected++
      if ('then' in sent) ignoreFailure(sent)
    } catch (failure) {
      if (!(failure instanceof SipError)) this.noteFault(failure)
      this.#stats.dropped.malformed++
    }
  }
}

function isSecure(target: Flow | Destination): boolean {
  return !('send' in target) && target.secure === true
}

/** The same tag for every retransmission of a request that gets a stateless answer (RFC 3261 §8.2.7). */
function steadyTag(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return hash.toString(36)
}

/** Nobody waits for a stateless answer. */
function ignoreFailure(sent: Promise<unknown>): void {
  sent.catch(() => {})
}
