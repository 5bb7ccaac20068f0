import t from 'tap'
import type { NetworkConditions } from '../../../src/testing/network/conditions.ts'
import { inbox, makeLab, type Received, text } from './support.ts'

/** Sends `count` datagrams, one every `everyMs`, and returns what arrived. */
async function stream(
  conditions: NetworkConditions,
  { count = 1000, everyMs = 20, seed = 1 } = {},
): Promise<{ got: Received[]; counters: Record<string, number>; numbers: number[] }> {
  const { clock, network } = makeLab({ seed, conditions })
  const a = await network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 7 })
  const b = await network.host('10.0.0.2').bindUdp({ host: '0.0.0.0', port: 9 })
  const got = inbox(clock, b)
  for (let index = 0; index < count; index++) {
    clock.setTimer(index * everyMs, () => a.send(text(index), 9, '10.0.0.2'))
  }
  await clock.runUntilIdle()
  return { got, counters: { ...network.counters }, numbers: got.map(({ text }) => Number(text)) }
}

function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((value, index) => index === 0 || value >= numbers[index - 1]!)
}

t.test('delay moves every datagram by the same time', async t => {
  const { got } = await stream({ delayMs: 50 }, { count: 10 })
  t.same(
    got.map(({ at }) => at),
    [50, 70, 90, 110, 130, 150, 170, 190, 210, 230],
  )
})

t.test('jitter spreads the delay up to its bound and keeps the order', async t => {
  const { got, numbers } = await stream({ delayMs: 50, jitterMs: 60 })
  const delays = got.map(({ at }, index) => at - 20 * index)
  t.equal(numbers.length, 1000)
  t.ok(isSorted(numbers))
  t.ok(Math.min(...delays) >= 50 && Math.max(...delays) <= 110.001)
  t.ok(Math.max(...delays) - Math.min(...delays) > 50)
})

t.test('loss takes about the share asked for', async t => {
  const { counters } = await stream({ loss: 0.05 }, { count: 5000 })
  t.ok(counters['lost']! > 200 && counters['lost']! < 300, `${counters['lost']} of 5000`)
  t.equal(counters['delivered']! + counters['lost']!, counters['sent'])
})

t.test('burst loss comes in bursts of the mean length 1 / leave', async t => {
  const { numbers, counters } = await stream({ burstLoss: { enter: 0.01, leave: 0.2 } }, { count: 20_000 })
  const gaps = numbers.map((value, index) => value - (numbers[index - 1] ?? -1) - 1).filter(gap => gap > 0)
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  t.ok(mean > 3.5 && mean < 6.5, `mean burst ${mean}`)
  const share = counters['lost']! / 20_000
  t.ok(share > 0.03 && share < 0.07, `loss ${share}`)
})

t.test('reorder holds some back so that later ones overtake them', async t => {
  const { numbers, counters } = await stream({ delayMs: 10, reorder: 0.1, reorderMs: 60 })
  t.equal(numbers.length, 1000)
  t.notOk(isSorted(numbers))
  t.ok(counters['reordered']! > 70 && counters['reordered']! < 130)
})

t.test('duplicate delivers some twice, the copy later', async t => {
  const { numbers, counters, got } = await stream({ duplicate: 0.2 })
  t.equal(new Set(numbers).size, 1000)
  t.equal(numbers.length, 1000 + counters['duplicated']!)
  t.ok(counters['duplicated']! > 150 && counters['duplicated']! < 250)
  t.ok(isSorted(got.map(({ at }) => at)))
})

t.test('bandwidth queues datagrams, then drops what waits too long', async t => {
  // 1000 octets of payload and 28 of headers at 82,240 bit/s take 100 ms.
  const { clock, network } = makeLab({ conditions: { bitsPerSecond: 82_240, queueMs: 250 } })
  const a = await network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 7 })
  const b = await network.host('10.0.0.2').bindUdp({ host: '0.0.0.0', port: 9 })
  const got = inbox(clock, b)
  for (let index = 0; index < 6; index++) a.send(new Uint8Array(1000), 9, '10.0.0.2')
  await clock.runUntilIdle()
  t.same(
    got.map(({ at }) => Math.round(at)),
    [100, 200, 300],
  )
  t.equal(network.counters.overflowed, 3)
})

t.test('the same seed gives the same trace, another seed another', async t => {
  const rough = { delayMs: 30, jitterMs: 60, loss: 0.05, reorder: 0.05, duplicate: 0.02 }
  const first = await stream(rough, { seed: 42 })
  t.same(await stream(rough, { seed: 42 }), first)
  t.notSame((await stream(rough, { seed: 43 })).numbers, first.numbers)
})

t.test('the most specific scope wins, field by field', async t => {
  const { clock, network } = makeLab({ conditions: { delayMs: 10 } })
  const sockets = await Promise.all(
    ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map(host => network.host(host).bindUdp({ host, port: 9 })),
  )
  const [one, two, three] = sockets as [(typeof sockets)[0], (typeof sockets)[0], (typeof sockets)[0]]
  const delays = async (): Promise<Record<string, number>> => {
    const seen: Record<string, number> = {}
    const startedAt = clock.now()
    for (const socket of sockets) {
      socket.onMessage = (_data, from) => {
        seen[`${from.address.at(-1)}>${socket.local.address.at(-1)}`] = clock.now() - startedAt
      }
    }
    one.send(text('x'), 9, '10.0.0.2')
    one.send(text('x'), 9, '10.0.0.3')
    two.send(text('x'), 9, '10.0.0.1')
    three.send(text('x'), 9, '10.0.0.2')
    await clock.runUntilIdle()
    return seen
  }
  t.same(await delays(), { '1>2': 10, '1>3': 10, '2>1': 10, '3>2': 10 })
  network.setConditions({ delayMs: 20 }, { to: '10.0.0.2' })
  t.same(await delays(), { '1>2': 20, '1>3': 10, '2>1': 10, '3>2': 20 })
  network.setConditions({ delayMs: 30 }, { from: '10.0.0.1' })
  t.same(await delays(), { '1>2': 30, '1>3': 30, '2>1': 10, '3>2': 20 })
  network.setConditions({ loss: 1 }, { from: '10.0.0.1', to: '10.0.0.2' })
  t.same(await delays(), { '1>3': 30, '2>1': 10, '3>2': 20 })
  network.setConditions({}, { from: '10.0.0.1', to: '10.0.0.2' })
  network.setConditions({}, { from: '10.0.0.1' })
  t.same(await delays(), { '1>2': 20, '1>3': 10, '2>1': 10, '3>2': 20 })
})

t.test('a partition cuts two hosts off from each other until it is healed', async t => {
  const { clock, network } = makeLab()
  const a = await network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 9 })
  const b = await network.host('10.0.0.2').bindUdp({ host: '0.0.0.0', port: 9 })
  const c = await network.host('10.0.0.3').bindUdp({ host: '0.0.0.0', port: 9 })
  const boxes = [a, b, c].map(socket => inbox(clock, socket))
  const exchange = async (): Promise<number[]> => {
    for (const box of boxes) box.length = 0
    a.send(text('a'), 9, '10.0.0.2')
    b.send(text('b'), 9, '10.0.0.1')
    a.send(text('a'), 9, '10.0.0.3')
    await clock.runUntilIdle()
    return boxes.map(box => box.length)
  }
  t.same(await exchange(), [1, 1, 1])
  network.partition('10.0.0.1', '10.0.0.2')
  t.same(await exchange(), [0, 0, 1])
  network.heal('10.0.0.2', '10.0.0.1')
  t.same(await exchange(), [1, 1, 1])
  network.partition('10.0.0.1', '10.0.0.3')
  network.heal()
  t.same(await exchange(), [1, 1, 1])
})

t.test('conditions out of range are refused by name', async t => {
  const { network } = makeLab()
  const bad: [NetworkConditions, string][] = [
    [{ loss: 5 }, 'loss'],
    [{ reorder: -0.1 }, 'reorder'],
    [{ duplicate: Number.NaN }, 'duplicate'],
    [{ delayMs: -1 }, 'delayMs'],
    [{ jitterMs: Infinity }, 'jitterMs'],
    [{ bitsPerSecond: 0 }, 'bitsPerSecond'],
    [{ burstLoss: { enter: 2, leave: 1 } }, 'burstLoss.enter'],
  ]
  for (const [conditions, field] of bad) {
    t.throws(() => network.setConditions(conditions), { code: 'SIP_OPTION', field })
  }
  t.throws(() => network.setConditions({}, { from: 'pbx.example' }), { code: 'SIP_OPTION', field: 'from' })
})
