import type { Runtime } from '../../runtime/runtime.ts'
import type { SipRequest } from '../message/message.ts'
import { serialise } from '../message/serialiser.ts'
import { addressKey } from './addresses.ts'
import type { Connections } from './connections.ts'
import type { Destination } from './destination.ts'
import { SipTransportError } from './errors.ts'
import type { BoundAddress, Flow } from './flow.ts'
import type { HostPort, LocalAddresses } from './local-addresses.ts'
import { noAddress } from './locate.ts'
import type { Target } from './locate.ts'
import type { Locator } from './locating/locator.ts'
import type { TransportLimits, TransportTimers } from './options.ts'
import { RefusedTcp } from './refused-tcp.ts'
import type { TransportStats } from './stats.ts'
import { StreamFlow } from './stream.ts'
import { transports } from './transports.ts'
import { UdpFlow } from './udp.ts'
import type { UdpPort } from './udp.ts'
import { ownVia } from './via-routing.ts'

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

export interface RequestSenderParts {
  readonly runtime: Runtime
  readonly stats: TransportStats
  readonly limits: TransportLimits
  readonly timers: TransportTimers
  readonly connections: Connections
  readonly locator: Locator
  readonly udpPorts: ReadonlyMap<BoundAddress, UdpPort>
  /** Throws when nothing may be sent. */
  checkOpen(): void
}

/** The way of a request out (RFC 3261 §18.1.1): target, connection, Via, and TCP in place of UDP for large ones. */
export class RequestSender {
  readonly #parts: RequestSenderParts
  readonly #refusedTcp: RefusedTcp
  #local: LocalAddresses

  constructor(parts: RequestSenderParts, local: LocalAddresses) {
    this.#parts = parts
    this.#local = local
    this.#refusedTcp = new RefusedTcp(parts.timers.rememberRefusal, parts.limits.rememberedRefusals)
  }

  /** To be called when the addresses are bound. */
  useAddresses(local: LocalAddresses): void {
    this.#local = local
  }

  send(request: SipRequest, options: SendRequestOptions): Sent | Promise<Sent> {
    const { destination } = options
    const { flow } = destination
    if (flow !== undefined && flow.reliable && !flow.closed)
      return this.#sendOn(flow, request, options.branch)
    const preferred = destination.bound ?? flow?.bound
    const targets =
      flow !== undefined && !flow.reliable
        ? [targetOf(flow)]
        : destination.target !== undefined
          ? [destination.target]
          : this.#parts.locator.locate(destination)
    if ('then' in targets) return this.#sendLater(request, options, targets, preferred)
    const [first] = targets
    const sent = first === undefined ? undefined : this.#sendAtOnce(request, options.branch, first, preferred)
    return sent ?? this.#sendLater(request, options, targets, preferred)
  }

  /** Sends if neither a look-up nor a new connection is needed; `undefined` if one is. */
  #sendAtOnce(
    request: SipRequest,
    branch: string,
    target: Target,
    preferred: BoundAddress | undefined,
  ): Sent | undefined {
    const { address, port, host } = target
    if (transports[target.transport].reliable) {
      const open = this.#parts.connections.find(target.transport, address, port, host)
      return open === undefined ? undefined : this.#sendOn(open, request, branch)
    }
    const flow = this.#udpFlow(target, preferred)
    const bytes = this.#compose(request, ownVia('udp', this.#name(flow.bound, address), branch))
    if (bytes.length > this.#parts.limits.udpRequestBytes && !this.#refusesTcp(target)) {
      request.headers.removeFirst('Via')
      const open = this.#parts.connections.find('tcp', address, port)
      if (open === undefined) return undefined
      this.#parts.stats.largeByTcp++
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
    const targets = await this.resolved(located)
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
      const flow = await this.#parts.connections.connect(target, bound, this.#parts.timers.connect)
      this.#checkWanted(options)
      return this.#sendOn(flow, request, branch)
    }
    // Too large for UDP, and TCP not yet known to be refused: RFC 3261 §18.1.1.
    let flow: StreamFlow | undefined
    try {
      const bound = this.#local.choose('tcp', family, address)
      const stream: Target = { ...target, transport: 'tcp' }
      flow = await this.#parts.connections.connect(stream, bound, this.#parts.timers.connectInsteadOfUdp)
    } catch {
      this.#refusedTcp.add(refusalKey(target), this.#parts.runtime.clock.now())
    }
    this.#checkWanted(options)
    if (flow !== undefined) {
      this.#parts.stats.largeByTcp++
      return this.#sendOn(flow, request, branch)
    }
    this.#parts.stats.largeByUdp++
    const udp = this.#udpFlow(target, preferred)
    return this.#hand(
      udp,
      request,
      this.#compose(request, ownVia('udp', this.#name(udp.bound, address), branch)),
    )
  }

  #sendOn(flow: Flow, request: SipRequest, branch: string): Sent {
    const name = this.#local.nameOnFlow(flow)
    return this.#hand(
      flow,
      request,
      this.#compose(request, ownVia(flow.transport, this.#local.used(name), branch, aliasOf(flow))),
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
    const udpPort = bound === undefined ? undefined : this.#parts.udpPorts.get(bound)
    if (udpPort === undefined) {
      throw new SipTransportError('no-route', `no UDP socket for IPv${family}: listen on one to send there`, {
        transport,
        target: `${address}:${port}`,
      })
    }
    return new UdpFlow(udpPort, { address, port, family })
  }

  #refusesTcp(target: Target): boolean {
    return this.#refusedTcp.has(refusalKey(target), this.#parts.runtime.clock.now())
  }

  #checkWanted({ stillWanted }: SendRequestOptions): void {
    this.#parts.checkOpen()
    if (stillWanted?.() === false)
      throw new SipTransportError('cancelled', 'given up before the request had left')
  }

  /** Waits for a look-up, but not for ever. */
  async resolved(targets: readonly Target[] | Promise<readonly Target[]>): Promise<readonly Target[]> {
    if (!('then' in targets)) return targets
    const { clock } = this.#parts.runtime
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(clock.now() + this.#parts.timers.resolve, () => {
        reject(
          new SipTransportError(
            'unresolved',
            `no answer to a name look-up within ${this.#parts.timers.resolve} ms`,
          ),
        )
      })
      targets.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  #name(bound: BoundAddress, remote: string): HostPort {
    return this.#local.used(this.#local.nameOf(bound, remote))
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

/** Offers the peer to send its own requests back over the connection (RFC 5923 §8.1). */
function aliasOf(flow: Flow): string {
  return flow instanceof StreamFlow && flow.transport === 'tls' && flow.outbound && flow.bound !== undefined
    ? ';alias'
    : ''
}

function refusalKey({ address, port }: Target): string {
  return addressKey(address, port)
}
