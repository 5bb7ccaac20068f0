import { SipError } from '../../runtime/errors.ts'
import type { Clock, Network, StreamConnection } from '../../runtime/runtime.ts'
import { addressKey } from './addresses.ts'
import { SipTransportError } from './errors.ts'
import type { BoundAddress } from './flow.ts'
import type { Target } from './locate.ts'
import type { TransportLimits } from './options.ts'
import { StreamFlow } from './stream.ts'
import type { StreamOwner } from './stream.ts'
import type { TransportName } from './transports.ts'

/** The open connections of a layer and the attempts under way: one per remote address, port and transport. */
export class Connections {
  readonly #owner: StreamOwner
  readonly #network: Network
  readonly #clock: Clock
  readonly #limits: TransportLimits
  readonly #open = new Map<string, StreamFlow>()
  readonly #all = new Set<StreamFlow>()
  readonly #attempts = new Map<string, { promise: Promise<StreamFlow>; abort: AbortController }>()
  readonly #perRemote = new Map<string, number>()
  #closed = false

  constructor(owner: StreamOwner, network: Network, limits: TransportLimits) {
    this.#owner = owner
    this.#network = network
    this.#clock = owner.clock
    this.#limits = limits
  }

  /** Open connections and attempts. */
  get size(): number {
    return this.#all.size + this.#attempts.size
  }

  /** The open connection to that address, if there is one (RFC 3261 §18.1.1: reuse). */
  find(transport: TransportName, address: string, port: number): StreamFlow | undefined {
    return this.#open.get(keyOf(transport, address, port))
  }

  /** Opens a connection, or joins the attempt that is under way to the same address. */
  connect(target: Target, bound: BoundAddress | undefined, timeoutMs: number): Promise<StreamFlow> {
    const key = keyOf(target.transport, target.address, target.port)
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
      connection = await this.#network.connectTcp({ host: address, port, signal: abort.signal })
    } catch (cause) {
      this.#release(address)
      stats.connections.failed++
      const detail = this.#closed
        ? 'the transport layer was closed'
        : abort.signal.aborted
          ? `no answer within ${timeoutMs} ms`
          : 'refused or unreachable'
      throw new SipTransportError(
        this.#closed ? 'shutdown' : 'connect',
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
    stats.connections.opened++
    return this.#add(new StreamFlow(connection, this.#owner, { transport, outbound: true, bound }))
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
    if (this.#open.get(key) === flow) this.#open.delete(key)
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

function keyOf(transport: TransportName, address: string, port: number): string {
  return `${transport}|${addressKey(address, port)}`
}
