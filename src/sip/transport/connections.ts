import { SipError } from '../../runtime/errors.ts'
import type { Clock, Network, StreamConnection } from '../../runtime/runtime.ts'
import { isCertificateProblem } from '../../runtime/transport-error.ts'
import { addressKey } from './addresses.ts'
import { serverFault, sipIdentities } from './certificates.ts'
import { SipTransportError } from './errors.ts'
import type { BoundAddress } from './flow.ts'
import type { Target } from './locate.ts'
import type { TransportLimits } from './options.ts'
import { StreamFlow } from './stream.ts'
import type { StreamOwner } from './stream.ts'
import { connectStream } from './streams.ts'
import type { TransportTlsOptions } from './streams.ts'
import { transports } from './transports.ts'
import type { TransportName } from './transports.ts'

/** Names of one certificate that its connection is remembered under; more are left out. */
const maxAliases = 16

/**
 * The open connections of a layer and the attempts under way: one per remote address, port and transport, and with TLS one per domain that the
 * certificate was checked for.
 */
export class Connections {
  readonly #owner: StreamOwner
  readonly #network: Network
  readonly #clock: Clock
  readonly #limits: TransportLimits
  readonly #tls: TransportTlsOptions
  readonly #open = new Map<string, StreamFlow>()
  readonly #all = new Set<StreamFlow>()
  /** Further keys of connections in `#open`, to be taken out with them. */
  readonly #aliases = new Map<StreamFlow, Set<string>>()
  readonly #attempts = new Map<string, { promise: Promise<StreamFlow>; abort: AbortController }>()
  readonly #perRemote = new Map<string, number>()
  #closed = false

  constructor(owner: StreamOwner, network: Network, limits: TransportLimits, tls: TransportTlsOptions = {}) {
    this.#tls = tls
    this.#owner = owner
    this.#network = network
    this.#clock = owner.clock
    this.#limits = limits
  }

  /** Open connections and attempts. */
  get size(): number {
    return this.#all.size + this.#attempts.size
  }

  /**
   * The open connection to that address, if there is one (RFC 3261 §18.1.1: reuse). For a request by TLS with the domain that its certificate must
   * have been checked for; without it, for responses, any will do.
   */
  find(transport: TransportName, address: string, port: number, domain?: string): StreamFlow | undefined {
    return this.#open.get(keyOf(transport, address, port, domain))
  }

  /**
   * Requests to the port in `sentByPort` may go back over this connection, for the domains its peer has proved to be (RFC 5923 §8.2).
   */
  alias(flow: StreamFlow, sentByPort: number): void {
    const { peer, transport, remote } = flow
    if (peer?.trusted !== true || !this.#all.has(flow)) return
    let keys = this.#aliases.get(flow)
    if (keys === undefined) this.#aliases.set(flow, (keys = new Set()))
    for (const name of sipIdentities(peer)) {
      const key = keyOf(transport, remote.address, sentByPort, name)
      if (keys.has(key) || keys.size >= maxAliases || this.#open.has(key)) continue
      keys.add(key)
      this.#open.set(key, flow)
    }
  }

  /** Opens a connection, or joins the attempt that is under way to the same address. */
  connect(target: Target, bound: BoundAddress | undefined, timeoutMs: number): Promise<StreamFlow> {
    const key = keyOf(target.transport, target.address, target.port, target.host)
    const running = this.#attempts.get(key)
    if (running !== undefined) return running.promise
    if (!this.#take(target.address)) {
      this.#owner.stats.connections.refused++
      return Promise.reject(
        new SipError('SIP_LIMIT', 'too many connections: raise limits.connections or connectionsPerRemote'),
      )
    }
    const abort = new AbortController()
    const promise = this.#attempt(key, target, bound, timeoutMs, abort)
    this.#attempts.set(key, { promise, abort })
    return promise
  }

  async #attempt(
    key: string,
    target: Target,
    bound: BoundAddress | undefined,
    timeoutMs: number,
    abort: AbortController,
  ): Promise<StreamFlow> {
    const { stats } = this.#owner
    const { address, port, transport } = target
    const timer = this.#clock.setTimer(this.#clock.now() + timeoutMs, () => abort.abort())
    let connection: StreamConnection
    try {
      connection = await connectStream(this.#network, target, this.#tls, abort.signal)
    } catch (cause) {
      this.#release(address)
      stats.connections.failed++
      const detail = this.#closed
        ? 'the transport layer was closed'
        : abort.signal.aborted
          ? `no answer within ${timeoutMs} ms`
          : transport === 'tcp' || !(cause instanceof Error)
            ? 'refused or unreachable'
            : cause.message
      throw new SipTransportError(
        this.#closed ? 'shutdown' : isCertificateProblem(cause) ? 'certificate' : 'connect',
        `cannot connect by ${transport}: ${detail}`,
        {
          cause,
          transport,
          target: `${address}:${port}`,
        },
      )
    } finally {
      timer.cancel()
      this.#attempts.delete(key)
    }
    if (this.#closed) {
      connection.destroy()
      this.#release(address)
      throw new SipTransportError('shutdown', 'the transport layer was closed', { transport })
    }
    this.#checkServer(connection, target)
    stats.connections.opened++
    const flow = this.#add(new StreamFlow(connection, this.#owner, { transport, outbound: true, bound }))
    if (transports[transport].secure) {
      this.#open.set(key, flow)
      this.#aliases.set(flow, new Set([key]))
    }
    return flow
  }

  /** RFC 5922 §7.3: the server must be who the request is for. */
  #checkServer(connection: StreamConnection, { transport, address, port, host }: Target): void {
    if (!transports[transport].secure || this.#tls.verify === false) return
    const fault = serverFault(connection.peer, this.#tls.servername ?? host)
    if (fault === undefined) return
    connection.destroy()
    this.#release(address)
    this.#owner.stats.connections.failed++
    throw new SipTransportError('certificate', `cannot connect by ${transport}: ${fault}`, {
      transport,
      target: `${address}:${port}`,
    })
  }

  /** Takes in a connection that a peer opened; closes it at once when a limit is reached. */
  accept(connection: StreamConnection, bound: BoundAddress): void {
    const { stats } = this.#owner
    if (this.#closed || !this.#take(connection.remote.address)) {
      stats.connections.refused++
      connection.destroy()
      return
    }
    stats.connections.accepted++
    this.#add(new StreamFlow(connection, this.#owner, { transport: bound.transport, outbound: false, bound }))
  }

  #add(flow: StreamFlow): StreamFlow {
    const { address, port } = flow.remote
    this.#all.add(flow)
    this.#open.set(keyOf(flow.transport, address, port), flow)
    this.#owner.stats.connections.open++
    return flow
  }

  /** To be called once for every flow that has closed. */
  removed(flow: StreamFlow): void {
    if (!this.#all.delete(flow)) return
    const { address, port } = flow.remote
    const key = keyOf(flow.transport, address, port)
    for (const known of [key, ...(this.#aliases.get(flow) ?? [])]) {
      if (this.#open.get(known) === flow) this.#open.delete(known)
    }
    this.#aliases.delete(flow)
    this.#owner.stats.connections.open--
    this.#release(address)
  }

  close(): void {
    this.#closed = true
    for (const { abort } of this.#attempts.values()) abort.abort()
    // A flow takes itself out of the set as it ends, which a Set's iteration allows.
    for (const flow of this.#all) flow.end()
  }

  #take(address: string): boolean {
    const { connections, connectionsPerRemote } = this.#limits
    const count = this.#perRemote.get(address) ?? 0
    if (this.size >= connections || count >= connectionsPerRemote) return false
    this.#perRemote.set(address, count + 1)
    return true
  }

  #release(address: string): void {
    const count = (this.#perRemote.get(address) ?? 1) - 1
    if (count <= 0) this.#perRemote.delete(address)
    else this.#perRemote.set(address, count)
  }
}

function keyOf(transport: TransportName, address: string, port: number, domain?: string): string {
  const key = `${transport}|${addressKey(address, port)}`
  return domain !== undefined && transports[transport].secure ? `${key}|${domain.toLowerCase()}` : key
}
