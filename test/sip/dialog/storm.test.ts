import t from 'tap'
import { UserAgentCore } from '../../../src/sip/dialog/core.ts'
import type {
  InviteClientSession,
  InviteServerSession,
  InviteSession,
  SessionEnd,
  SessionHandlers,
} from '../../../src/sip/dialog/session-types.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { createSimulatedRuntime, SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { sdp } from './world.ts'

interface Side {
  readonly core: UserAgentCore
  readonly transactions: TransactionLayer
  readonly transport: TransportLayer
}

/** Two cores on a bad network, and everything both sides can do to a call at random moments. */
class Storm {
  readonly clock = new VirtualClock()
  readonly random: ReturnType<typeof seededRandom>
  readonly network: SimulatedNetwork
  readonly ends = new Map<InviteSession, SessionEnd[]>()
  readonly confirmed = new Set<InviteSession>()
  changes = { made: 0, refused: 0 }

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.network = new SimulatedNetwork({
      clock: this.clock,
      random: seededRandom(seed + 1000),
      conditions: { loss: 0.15, delayMs: 40, jitterMs: 60, reorder: 0.2, duplicate: 0.1 },
    })
  }

  chance(percent: number): boolean {
    return this.random.uint32() % 100 < percent
  }

  later(maxMs: number, run: () => void): void {
    this.clock.setTimer(this.clock.now() + (this.random.uint32() % maxMs), run)
  }

  async side(address: string): Promise<Side> {
    const runtime = createSimulatedRuntime({
      clock: this.clock,
      network: this.network.host(address),
      random: this.random,
    })
    const transport = new TransportLayer({
      runtime,
      listen: [{ transport: 'udp', host: address, port: 5060 }],
    })
    const transactions = new TransactionLayer({ transport, clock: this.clock, random: this.random })
    const core = new UserAgentCore({ transactions, transport, runtime })
    await this.clock.runFor(transport.open())
    return { core, transactions, transport }
  }

  handlers(session: () => InviteSession): SessionHandlers {
    return {
      onOffer: async () => {
        if (this.chance(30)) await this.clock.sleep(this.random.uint32() % 3000)
        if (this.chance(10)) throw new Error('not today')
        return sdp('answer')
      },
      onOfferRequest: () => sdp('offer'),
      onAnswer: async () => {
        if (this.chance(20)) await this.clock.sleep(this.random.uint32() % 1000)
      },
      onConfirmed: () => {
        this.confirmed.add(session())
        this.unrest(session())
      },
      onEnd: end => {
        this.ends.get(session())?.push(end)
      },
    }
  }

  /** What may happen to a call that is up. */
  unrest(session: InviteSession): void {
    const settle = (promise: Promise<unknown>): void => {
      promise.then(
        () => this.changes.made++,
        () => this.changes.refused++,
      )
    }
    if (this.chance(50))
      this.later(8000, () => settle(session.reinvite(this.chance(70) ? { offer: sdp('new') } : {})))
    if (this.chance(30)) this.later(8000, () => settle(session.request('INFO')))
    if (this.chance(30)) this.later(8000, () => settle(session.request('UPDATE')))
    this.later(20_000, () => session.hangup())
    if (this.chance(20)) this.later(20_000, () => session.hangup())
  }

  take(session: InviteServerSession): void {
    this.ends.set(session, [])
    session.handlers = this.handlers(() => session)
    if (this.chance(70)) this.later(500, () => session.ring())
    this.later(3000, () => {
      if (this.chance(15)) session.reject(486)
      else session.answer({ body: sdp('body') })
    })
    if (this.chance(15)) this.later(4000, () => session.hangup())
  }

  call(core: UserAgentCore, target: string): void {
    const session: InviteClientSession = core.invite({
      target,
      from: 'sip:x@storm.example',
      ...(this.chance(75) ? { offer: sdp('offer') } : {}),
      handlers: this.handlers(() => session),
    })
    this.ends.set(session, [])
    if (this.chance(30)) this.later(4000, () => session.hangup())
  }
}

for (const seed of [1, 2, 3, 4]) {
  t.test(
    `calls on a network that loses, doubles and reorders all end once, and leave nothing (seed ${seed})`,
    async t => {
      const storm = new Storm(seed)
      const one = await storm.side('192.0.2.1')
      const two = await storm.side('192.0.2.2')
      one.core.onInvite = session => storm.take(session)
      two.core.onInvite = session => storm.take(session)
      for (let n = 0; n < 40; n++) {
        storm.later(10_000, () => storm.call(one.core, 'sip:two@192.0.2.2'))
        storm.later(10_000, () => storm.call(two.core, 'sip:one@192.0.2.1'))
      }
      await storm.clock.advance(300_000)
      t.equal(one.core.size + two.core.size, 0, 'no session, ACK or BYE is left')
      t.equal(one.transactions.size + two.transactions.size, 0, 'no transaction is left')
      for (const side of [one, two]) {
        side.transactions.close()
        await storm.clock.runFor(side.transport.close())
      }
      t.equal(storm.clock.pendingTimers, 0, 'no timer is left')
      const counts = [...storm.ends.values()].map(ends => ends.length)
      t.ok(counts.length > 100)
      t.ok(
        counts.every(count => count === 1),
        'each ends exactly once',
      )
      t.ok(storm.confirmed.size > 40, 'most were up for a while')
      t.ok(storm.changes.made > 10, 'changes and requests went through')
    },
  )
}
