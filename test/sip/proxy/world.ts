import type { Test } from 'tap'
import { UserAgentCore } from '../../../src/sip/dialog/core.ts'
import type {
  InviteClientSession,
  InviteOptions,
  InviteServerSession,
} from '../../../src/sip/dialog/session-types.ts'
import type { SipMessage, SipRequest, SipResponse } from '../../../src/sip/message/message.ts'
import { Proxy } from '../../../src/sip/proxy/proxy.ts'
import type { ProxyOptions, RouteFunction } from '../../../src/sip/proxy/types.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import { messageChannel } from '../../../src/sip/transport/diagnostics.ts'
import type { MessageEvent } from '../../../src/sip/transport/diagnostics.ts'
import type { ListenAddress } from '../../../src/sip/transport/options.ts'
import { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import type { NetworkConditions } from '../../../src/testing/network/conditions.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { createSimulatedRuntime, SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { SimulatedResolver } from '../../../src/testing/simulated-resolver.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { sdp } from '../dialog/world.ts'

export const PROXY = '192.0.2.1'

interface Layers {
  readonly runtime: ReturnType<typeof createSimulatedRuntime>
  readonly transport: TransportLayer
  readonly transactions: TransactionLayer
}

export interface ProxySide extends Layers {
  readonly proxy: Proxy
}

/** A user agent: what it was called with, and what it hears and says. */
export class Agent {
  readonly core: UserAgentCore
  readonly calls: InviteServerSession[] = []
  /** What to do with a call; by default it rings and answers. */
  onCall: (session: InviteServerSession) => void = session => {
    session.ring()
    session.answer({ body: sdp('answer') })
  }
  readonly address: string
  readonly layers: Layers

  constructor(address: string, layers: Layers) {
    this.address = address
    this.layers = layers
    this.core = new UserAgentCore(layers)
    this.core.onInvite = session => {
      session.handlers = { onOffer: () => sdp('answer'), ...session.handlers }
      this.calls.push(session)
      this.onCall(session)
    }
  }

  /** Calls through the proxy. */
  call(target: string, options: Partial<InviteOptions> = {}): InviteClientSession {
    return this.core.invite({
      target,
      from: `sip:${this.address}`,
      offer: sdp('offer'),
      route: [`<sip:${PROXY};lr>`],
      ...options,
    })
  }
}

/** Agents and proxies on one simulated network. */
export class World {
  readonly clock: VirtualClock = new VirtualClock()
  readonly network: SimulatedNetwork
  /** Host names and their addresses. */
  readonly resolver: SimulatedResolver = new SimulatedResolver()
  readonly #heard = new Map<object, MessageEvent[]>()
  readonly #layers: Layers[] = []
  readonly #cores: UserAgentCore[] = []
  readonly #proxies: Proxy[] = []
  readonly #listener = (event: MessageEvent): void => {
    if (event.direction === 'in') this.#heard.get(event.endpoint)?.push(event)
  }

  constructor(t: Test, conditions: NetworkConditions = { delayMs: 5 }) {
    this.network = new SimulatedNetwork({ clock: this.clock, random: seededRandom(7), conditions })
    t.teardown(messageChannel.subscribe(this.#listener))
  }

  async #open(address: string, listen: readonly ListenAddress[]): Promise<Layers> {
    const random = seededRandom(100 + this.#layers.length)
    const network = this.network.host(address)
    const runtime = createSimulatedRuntime({ clock: this.clock, network, random, resolver: this.resolver })
    const transport = new TransportLayer({ runtime, listen })
    await this.clock.runFor(transport.open())
    this.#heard.set(transport.endpoint, [])
    const layers = {
      runtime,
      transport,
      transactions: new TransactionLayer({ transport, clock: this.clock, random }),
    }
    this.#layers.push(layers)
    return layers
  }

  async agent(address: string, transport: 'udp' | 'tcp' = 'udp'): Promise<Agent> {
    const listen = [{ transport, host: address, port: 5060 }]
    const agent = new Agent(address, await this.#open(address, listen))
    this.#cores.push(agent.core)
    return agent
  }

  async proxy(
    route: RouteFunction,
    options: Partial<ProxyOptions> = {},
    address: string = PROXY,
  ): Promise<ProxySide> {
    const layers = await this.#open(address, [
      { transport: 'udp', host: address, port: 5060 },
      { transport: 'tcp', host: address, port: 5060 },
    ])
    const proxy = new Proxy({ ...layers, route, ...options })
    this.#proxies.push(proxy)
    return { ...layers, proxy }
  }

  /** A transport alone, for what has no transactions. */
  bare(address: string): Promise<Layers> {
    return this.#open(address, [
      { transport: 'udp', host: address, port: 5060 },
      { transport: 'tcp', host: address, port: 5060 },
    ])
  }

  run(ms: number = 1000): Promise<void> {
    return this.clock.advance(ms)
  }

  /** Messages that came in there. */
  heard({ layers }: { readonly layers: Layers } | Agent): SipMessage[] {
    const events = this.#heard.get(layers.transport.endpoint) ?? []
    return events.flatMap(({ message }) => (message === undefined ? [] : [message]))
  }

  requests(agent: Agent, method: string): SipRequest[] {
    return this.heard(agent).flatMap(message =>
      message.kind === 'request' && message.method === method ? [message] : [],
    )
  }

  responses(agent: Agent, method: string): SipResponse[] {
    return this.heard(agent).flatMap(message =>
      message.kind === 'response' && message.cseq.method === method ? [message] : [],
    )
  }

  statuses(agent: Agent, method: string = 'INVITE'): number[] {
    return this.responses(agent, method).map(({ statusCode }) => statusCode)
  }

  /** After everything has run out, nothing is left anywhere. */
  async assertClean(t: Test): Promise<void> {
    await this.clock.advance(700_000)
    t.same(
      this.#proxies.map(({ size }) => size),
      this.#proxies.map(() => 0),
      'no request is left in a proxy',
    )
    t.same(
      this.#layers.map(({ transactions }) => transactions.size),
      this.#layers.map(() => 0),
      'no transaction is left',
    )
    t.same(
      this.#cores.map(({ size }) => size),
      this.#cores.map(() => 0),
      'no dialog is left',
    )
    for (const { transactions, transport } of this.#layers) {
      transactions.close()
      await this.clock.runFor(transport.close())
    }
    await this.clock.settle()
    t.equal(this.clock.pendingTimers, 0, 'no timer is left')
  }
}
