import t from 'tap'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import type { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { World } from '../transport/world.ts'
import { request } from './fixture.ts'

interface Side {
  readonly transport: TransportLayer
  readonly layer: TransactionLayer
}

async function side(world: World, address: string, seed: number): Promise<Side> {
  const transport = await world.layer(world.host(address), { listen: [{ transport: 'udp', host: address }] })
  return {
    transport,
    layer: new TransactionLayer({ transport, clock: world.clock, random: seededRandom(seed) }),
  }
}

/** Two layers over a bad network: requests of several kinds; what each request led to on both sides. */
async function play(
  seed: number,
  loss: number,
): Promise<{ outcomes: string[]; clean: boolean; seen: Map<string, number> }> {
  const world = new World({
    random: seededRandom(seed),
    conditions: { delayMs: 30, jitterMs: 40, loss, reorder: 0.1, duplicate: 0.1 },
  })
  const a = await side(world, '10.0.0.1', 10 + seed)
  const b = await side(world, '10.0.0.2', 20 + seed)
  const seen = new Map<string, number>()
  b.layer.onRequest = transaction => {
    const { callId, method } = transaction.request
    seen.set(callId, (seen.get(callId) ?? 0) + 1)
    if (method !== 'INVITE') {
      world.clock.setTimer(world.clock.now() + 100, () => transaction.reply(200))
      return
    }
    transaction.reply(180)
    transaction.onCancel = () => transaction.reply(487)
    world.clock.setTimer(world.clock.now() + 3_000, () => {
      if (transaction.state === 'proceeding') transaction.reply(486)
    })
  }
  const outcomes: string[] = []
  const start = (sent: SipRequest, cancelAfterMs?: number): void => {
    const index = outcomes.push('nothing') - 1
    const transaction = a.layer.request(sent)
    transaction.onResponse = response => {
      if (response.statusCode >= 200) outcomes[index] = String(response.statusCode)
    }
    transaction.onTimeout = error => {
      outcomes[index] = `timeout ${error.timer}`
    }
    if (cancelAfterMs === undefined) return
    world.clock.setTimer(world.clock.now() + cancelAfterMs, () => transaction.cancel())
  }
  for (let i = 0; i < 20; i++) {
    start(request('OPTIONS'))
    start(request('INVITE'))
    start(request('INVITE'), 400)
  }
  await world.clock.advance(200_000)
  const clean = a.layer.size === 0 && b.layer.size === 0
  for (const { layer, transport } of [a, b]) {
    layer.close()
    await transport.close()
  }
  await world.clock.settle()
  return { outcomes, clean: clean && world.clock.pendingTimers === 0, seen }
}

t.test('5 % loss, reordering and duplicates: everything is answered, every request is seen once', async t => {
  for (const seed of [1, 2, 3]) {
    const { outcomes, clean, seen } = await play(seed, 0.05)
    t.equal(clean, true)
    t.ok([...seen.values()].every(count => count === 1))
    t.equal(seen.size, 60)
    for (const [index, outcome] of outcomes.entries()) {
      const expected = [/^200$/, /^486$/, /^48[67]$/][index % 3]
      t.match(outcome, expected, `seed ${seed}, ${index}`)
    }
    t.ok(outcomes.filter(outcome => outcome === '487').length >= 18, 'the cancelled ones were cancelled')
  }
})

t.test('half of everything is lost: each request has an end all the same, and nothing is left', async t => {
  for (const seed of [4, 5]) {
    const { outcomes, clean } = await play(seed, 0.5)
    t.equal(clean, true)
    t.notOk(outcomes.includes('nothing'))
  }
})

t.test('the same seed gives the same story', async t => {
  const [one, two] = [await play(6, 0.3), await play(6, 0.3)]
  t.same(one.outcomes, two.outcomes)
})
