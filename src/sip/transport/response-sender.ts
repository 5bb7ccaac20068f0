import type { SipResponse } from '../message/message.ts'
import { serialise } from '../message/serialiser.ts'
import { familyOf } from './addresses.ts'
import type { Connections } from './connections.ts'
import type { Destination } from './destination.ts'
import { SipTransportError } from './errors.ts'
import type { BoundAddress, Flow } from './flow.ts'
import type { LocalAddresses } from './local-addresses.ts'
import { noAddress } from './locate.ts'
import type { Target } from './locate.ts'
import type { TransportTimers } from './options.ts'
import type { Sent } from './request-sender.ts'
import { transportNamed } from './transports.ts'
import type { TransportName } from './transports.ts'
import { UdpFlow } from './udp.ts'
import type { UdpPort } from './udp.ts'
import { datagramResponseTarget, streamResponseTarget } from './via-routing.ts'

/** What sending a response needs from the layer. */
export interface ResponseSenderHost {
  readonly timers: TransportTimers
  readonly connections: Connections
  readonly udpPorts: ReadonlyMap<BoundAddress, UdpPort>
  readonly addresses: () => LocalAddresses
  readonly locate: (destination: Destination) => readonly Target[] | Promise<readonly Target[]>
}

/** Sends responses where their top Via says (RFC 3261 §18.2.2, RFC 3263 §5). */
export class ResponseSender {
  readonly #host: ResponseSenderHost

  constructor(host: ResponseSenderHost) {
    this.#host = host
  }

  /** From the socket or over the connection its request came in by. */
  send(response: SipResponse, bytes: Uint8Array, flow: Flow): Sent | Promise<Sent> {
    if (flow.reliable) {
      if (flow.closed) return this.#sendResponseAnew(response, bytes, flow)
      flow.send(bytes, response)
      return { flow, bytes }
    }
    const { host, port, family } = datagramResponseTarget(response.via, flow)
    if (family === 0) return this.#sendResponseByName(response, bytes, flow, host, port)
    return sendDatagram(response, bytes, flow, host, port, family)
  }

  /** For one whose request is not known any more: over the connection the Via names, if it is still open (RFC 3261 §16.7, §16.11). */
  forward(response: SipResponse): Sent | Promise<Sent> {
    const { via } = response
    const kind = transportNamed(via.transport)
    if (kind === undefined) {
      throw new SipTransportError('no-route', `no transport here for a Via with ${via.transport}`)
    }
    const bytes = serialise(response)
    const host = via.maddr ?? via.received ?? via.host
    const port = typeof via.rport === 'number' ? via.rport : (via.port ?? kind.defaultPort)
    if (kind.reliable) {
      const open = this.#host.connections.find(kind.name, host, port)
      if (open === undefined) return this.#sendResponseAnew(response, bytes, { transport: kind.name })
      open.send(bytes, response)
      return { flow: open, bytes }
    }
    const family = familyOf(host)
    const bound = this.#host.addresses().choose(kind.name, family === 6 ? 6 : 4, host)
    const socket = bound === undefined ? undefined : this.#host.udpPorts.get(bound)
    if (socket === undefined) {
      throw new SipTransportError('no-route', `no UDP socket to send there: listen on one of its family`, {
        transport: kind.name,
        target: host,
      })
    }
    const flow = new UdpFlow(socket, { address: host, port, family: family === 6 ? 6 : 4 })
    if (family === 0) return this.#sendResponseByName(response, bytes, flow, host, port)
    flow.send(bytes, response)
    return { flow, bytes }
  }

  async #sendResponseAnew(
    response: SipResponse,
    bytes: Uint8Array,
    flow: { readonly transport: TransportName; readonly bound?: BoundAddress | undefined },
  ): Promise<Sent> {
    const { transport, bound } = flow
    const { via } = response
    const { host, port } = streamResponseTarget(via, transport)
    const sentBy = { transport, host: via.host, ...(via.port !== undefined && { port: via.port }) }
    // Where it came from, and when that fails the servers of the sent-by (RFC 3261 §18.2.2, RFC 3263 §5).
    if (via.received === undefined) return this.#connectAndSend(response, bytes, sentBy, bound)
    try {
      return await this.#connectAndSend(response, bytes, { transport, host, port }, bound)
    } catch (error) {
      if (familyOf(via.host) !== 0) throw error
      return this.#connectAndSend(response, bytes, sentBy, bound)
    }
  }

  async #connectAndSend(
    response: SipResponse,
    bytes: Uint8Array,
    destination: Destination,
    bound: BoundAddress | undefined,
  ): Promise<Sent> {
    let failure: unknown
    for (const target of await this.#host.locate(destination)) {
      const { transport, address, port, host } = target
      try {
        const found = this.#host.connections.find(transport, address, port, host)
        const next = found ?? (await this.#host.connections.connect(target, bound, this.#host.timers.connect))
        next.send(bytes, response)
        return { flow: next, bytes }
      } catch (error) {
        failure = error
      }
    }
    throw failure ?? noAddress(destination.host)
  }

  async #sendResponseByName(
    response: SipResponse,
    bytes: Uint8Array,
    flow: Flow,
    host: string,
    port: number,
  ): Promise<Sent> {
    const targets = await this.#host.locate({ transport: flow.transport, host, port })
    const target = targets.find(({ family }) => family === flow.local.family)
    if (target === undefined) throw noAddress(host)
    return sendDatagram(response, bytes, flow, target.address, port, target.family)
  }
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
