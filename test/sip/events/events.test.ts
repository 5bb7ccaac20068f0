import t from 'tap'
import { UserAgentCore } from '../../../src/sip/dialog/core.ts'
import type { EventOptions, SubscribeOptions, SubscriptionEnd } from '../../../src/sip/events/event-types.ts'
import { Events } from '../../../src/sip/events/events.ts'
import type { IncomingSubscription } from '../../../src/sip/events/incoming-subscription.ts'
import { readMessageSummary, writeMessageSummary } from '../../../src/sip/events/message-summary.ts'
import { dialogPackage, messageSummaryPackage } from '../../../src/sip/events/packages.ts'
import { createRequest } from '../../../src/sip/message/build.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { createSimulatedRuntime, SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { ScriptedPeer } from '../dialog/world.ts'

interface Party {
  readonly events: Events
  readonly transport: TransportLayer
}

class Pair {
  readonly clock = new VirtualClock()
  readonly network: SimulatedNetwork

  constructor(seed: number, loss: number) {
    this.network = new SimulatedNetwork({
      clock: this.clock,
      random: seededRandom(seed),
      conditions: { delayMs: 20, loss },
    })
  }

  async party(address: string, options: Partial<EventOptions> = {}): Promise<Party> {
    const random = seededRandom(address.length + Number(address.at(-1)))
    const runtime = createSimulatedRuntime({ clock: this.clock, network: this.network.host(address), random })
    const transport = new TransportLayer({
      runtime,
      listen: [{ transport: 'udp', host: address, port: 5060 }],
    })
    const transactions = new TransactionLayer({ transport, clock: this.clock, random })
    const core = new UserAgentCore({ transactions, transport, runtime })
    const events = new Events({
      transactions,
      transport,
      runtime,
      packages: [messageSummaryPackage, dialogPackage],
      ...options,
    })
    core.onRequest = request => events.receive(request)
    core.onSubscription = request => events.receive(request)
    await this.clock.runFor(transport.open())
    return { events, transport }
  }
}

const base: SubscribeOptions = {
  package: messageSummaryPackage,
  target: 'sip:alice@192.0.2.2',
  from: 'sip:alice@192.0.2.1',
}

function counts(fresh: number): ReturnType<typeof writeMessageSummary> {
  return writeMessageSummary({
    waiting: fresh > 0,
    counts: new Map([['voice-message', { new: fresh, old: 0 }]]),
  })
}

for (const loss of [0, 0.2]) {
  t.test(`subscriber and notifier, ${loss * 100} % of the datagrams lost`, async t => {
    for (const seed of [1, 2, 3]) {
      const pair = new Pair(seed, loss)
      const ours = await pair.party('192.0.2.1')
      const theirs = await pair.party('192.0.2.2')
      let fresh = 1
      const held: IncomingSubscription[] = []
      const causes: string[] = []
      theirs.events.onSubscribe = subscription => {
        held.push(subscription)
        subscription.accept({ render: () => counts(fresh), onEnd: cause => void causes.push(cause) })
      }
      const heard: (number | undefined)[] = []
      const ends: SubscriptionEnd[] = []
      const subscription = ours.events.subscribe({
        ...base,
        expiresSeconds: 600,
        handlers: {
          onNotify: ({ body }) =>
            void heard.push(body && readMessageSummary(body.body).counts.get('voice-message')?.new),
          onEnd: end => void ends.push(end),
        },
      })
      await pair.clock.advance(31_000)
      t.equal(subscription.status, 'active')
      t.equal(heard.at(-1), 1)
      fresh = 5
      held.at(-1)!.notify()
      await pair.clock.advance(33_000)
      t.equal(heard.at(-1), 5)
      await pair.clock.advance(3_000_000)
      t.equal(subscription.status, 'active', 'it was refreshed again and again')
      t.equal(theirs.events.stats.notifying, 1)
      subscription.unsubscribe()
      await pair.clock.advance(70_000)
      t.match(ends, [{ cause: 'unsubscribed' }])
      await pair.clock.advance(700_000)
      t.equal(causes.length, held.length)
      t.match([ours.events.stats, theirs.events.stats], [{ subscribing: 0 }, { notifying: 0 }])
      t.equal(pair.clock.pendingTimers, 0, 'no timer is left')
    }
  })
}

t.test('the time over at the notifier: NOTIFY terminated;reason=timeout (RFC 6665 §4.2.2)', async t => {
  const pair = new Pair(1, 0)
  const ours = await pair.party('192.0.2.1')
  const theirs = await pair.party('192.0.2.2')
  const causes: string[] = []
  theirs.events.onSubscribe = subscription => subscription.accept({ onEnd: cause => void causes.push(cause) })
  const states: string[] = []
  ours.events.subscribe({
    ...base,
    expiresSeconds: 100,
    resubscribe: false,
    handlers: { onNotify: ({ state }) => void states.push(`${state.status} ${state.reason ?? ''}`.trim()) },
  })
  await pair.clock.advance(1000)
  // No refresh comes through any more; what the notifier says does.
  pair.network.setConditions({ loss: 1 }, { from: '192.0.2.1' })
  await pair.clock.advance(98_900)
  pair.network.setConditions({ loss: 0 }, { from: '192.0.2.1' })
  await pair.clock.advance(60_000)
  t.match(states[0], 'active')
  t.same(causes, ['timeout'])
  t.equal(theirs.events.stats.notifying, 0)
})

t.test('489 with Allow-Events, 406, 423 and 503 (§4.2.1.1)', async t => {
  const pair = new Pair(1, 0)
  const ours = await pair.party('192.0.2.1')
  const theirs = await pair.party('192.0.2.2', {
    packages: [messageSummaryPackage],
    limits: { notifying: 1 },
  })
  const accepted: number[] = []
  theirs.events.onSubscribe = subscription => {
    subscription.accept()
    accepted.push(subscription.remainingSeconds)
  }
  const ended = async (options: Partial<SubscribeOptions>): Promise<SubscriptionEnd | undefined> => {
    let ended: SubscriptionEnd | undefined
    ours.events.subscribe({ ...base, ...options, handlers: { onEnd: end => void (ended = end) } })
    await pair.clock.advance(1000)
    return ended
  }
  t.match(await ended({ package: dialogPackage }), {
    cause: 'refused',
    statusCode: 489,
    allowEvents: ['message-summary'],
  })
  t.match(await ended({ accept: ['text/plain'] }), { statusCode: 406 })
  t.equal(await ended({ expiresSeconds: 10 }), undefined)
  t.same(accepted, [60], 'the SUBSCRIBE after 423 asks for Min-Expires')
  t.match(await ended({}), { statusCode: 503 })
  t.equal(theirs.events.stats.refused, 1)
})

t.test('a fetch, a pending one, one that is rejected, and the end of the notifier', async t => {
  const pair = new Pair(1, 0)
  const ours = await pair.party('192.0.2.1')
  const theirs = await pair.party('192.0.2.2')
  const log: string[] = []
  const subscribe = (name: string, options: Partial<SubscribeOptions> = {}): void => {
    ours.events.subscribe({
      ...base,
      ...options,
      handlers: {
        onNotify: ({ state, body }) =>
          void log.push(`${name} ${state.status} ${body === undefined ? '-' : 'body'}`),
        onInterrupted: ({ reason }) => void log.push(`${name} interrupted ${reason}`),
        onEnd: ({ cause, statusCode }) => void log.push(`${name} ${cause} ${statusCode ?? ''}`.trim()),
      },
    })
  }
  theirs.events.onSubscribe = subscription => subscription.accept({ render: () => counts(1) })
  subscribe('fetch', { expiresSeconds: 0 })
  await pair.clock.advance(1000)
  let pending: IncomingSubscription | undefined
  theirs.events.onSubscribe = subscription => {
    pending = subscription
    subscription.accept({ state: 'pending', render: () => counts(1) })
  }
  subscribe('pending')
  await pair.clock.advance(1000)
  pending?.authorise()
  await pair.clock.advance(1000)
  theirs.events.onSubscribe = subscription => subscription.reject(403)
  subscribe('rejected')
  await pair.clock.advance(1000)
  await pair.clock.runFor(theirs.events.close())
  t.same(log, [
    'fetch terminated body',
    'fetch fetched',
    'pending pending -',
    'pending active body',
    'rejected refused 403',
    'pending terminated body',
    'pending interrupted deactivated',
  ])
  await pair.clock.runFor(ours.events.close())
  t.match(ours.events.stats, { subscribing: 0, handlerErrors: 0 })
})

t.test(
  'every NOTIFY of a forked SUBSCRIBE makes a dialog of its own (§4.4.1), strangers get 481',
  async t => {
    const pair = new Pair(1, 0)
    const ours = await pair.party('192.0.2.1')
    const peer = new ScriptedPeer(pair.clock, '192.0.2.2')
    peer.attach(await pair.network.host('192.0.2.2').bindUdp({ host: '192.0.2.2', port: 5060 }))
    const branches: unknown[] = []
    ours.events.onFork = branch => {
      branches.push(branch)
      return true
    }
    const subscription = ours.events.subscribe({ ...base, package: dialogPackage })
    await pair.clock.advance(100)
    const [subscribe] = peer.requests('SUBSCRIBE')
    let branch = 0
    const notify = (tag: string, state: string, callId = subscribe!.callId): void =>
      peer.send(
        createRequest({
          method: 'NOTIFY',
          uri: subscribe!.contacts === '*' ? '' : subscribe!.contacts[0]!.uri,
          headers: [
            ['Via', `SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKn${++branch}`],
            ['From', `<sip:alice@192.0.2.2>;tag=${tag}`],
            ['To', subscribe!.from.toString()],
            ['Call-ID', callId],
            ['CSeq', `${branch} NOTIFY`],
            ['Contact', `<sip:${tag}@192.0.2.2>`],
            ['Event', 'dialog'],
            ['Subscription-State', state],
          ],
        }),
      )
    for (const tag of ['a', 'b']) notify(tag, 'active;expires=300')
    await pair.clock.advance(100)
    t.equal(branches.length, 1)
    t.equal(ours.events.stats.subscribing, 2)
    notify('a', 'terminated;reason=noresource')
    await pair.clock.advance(100)
    t.equal(subscription.state, 'over')
    t.equal(ours.events.stats.subscribing, 1)
    notify('b', 'active;expires=300')
    notify('a', 'active')
    notify('b', 'active', 'another')
    await pair.clock.advance(100)
    await pair.clock.advance(33_000)
    notify('c', 'active')
    await pair.clock.advance(100)
    t.same(
      peer.statuses('NOTIFY').filter((_, at) => at < 7),
      [200, 200, 200, 200, 481, 481, 481],
    )
    ours.events.abandon()
    await pair.clock.advance(100_000)
    t.equal(pair.clock.pendingTimers, 0)
  },
)
