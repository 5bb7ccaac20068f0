import t from 'tap'
import type { Test } from 'tap'
import type { DtmfDigit } from '../../../src/media/session/types.ts'
import type { NetworkConditions } from '../../../src/testing/network/conditions.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { Pair } from './pair.ts'

const KEYS = '0123456789*#ABCD'
const PRESS_MS = 40
const GAP_MS = 40
/** As many as one `sendDtmf` takes. */
const BATCH = 1000

interface Run {
  /** What was sent, but for the digits of which not one packet arrived. */
  readonly reachable: string
  readonly received: string
  /** Digits of which every packet was lost. */
  readonly unreachable: number
  readonly packetsLost: number
}

/** Ten thousand keys as telephone events of 40 ms with pauses of 40 ms through two sessions, over a network that the far side cannot tell from a real one. */
async function tenThousand(t: Test, seed: number, conditions: NetworkConditions): Promise<Run> {
  const pair = await Pair.open({ seed, conditions })
  // By the timestamp of the event: how many of its packets came through. RFC 4733 §2.5.1.2.
  const arrived = new Map<number, number>()
  const order: number[] = []
  let packetsLost = 0
  pair.network.onDatagram(({ from, data, fate, copy }) => {
    if (from.address !== '10.0.0.1' || (data[1]! & 0x7f) !== 101 || copy) return
    const timestamp = new DataView(data.buffer, data.byteOffset).getUint32(4)
    if (!arrived.has(timestamp)) order.push(timestamp)
    const lost = fate !== 'delivered'
    if (lost) packetsLost += 1
    arrived.set(timestamp, (arrived.get(timestamp) ?? 0) + (lost ? 0 : 1))
  })
  pair.connect()
  t.equal(pair.a.negotiated?.telephoneEvent?.sendPayloadType, 101)
  let received = ''
  pair.b.onDtmf = ({ digit, via }: DtmfDigit) => {
    received += via === 'rtp' ? digit : '?'
  }
  const random = seededRandom(seed)
  await pair.clock.advance(1000)
  let sent = ''
  while (sent.length < 10_000) {
    const batch = Array.from({ length: BATCH }, () => KEYS[random.integer(0, KEYS.length - 1)]!).join('')
    sent += batch
    await pair.clock.runFor(pair.a.sendDtmf(batch, { durationMs: PRESS_MS, gapMs: GAP_MS }))
  }
  await pair.clock.advance(1000)
  await pair.close()
  const first = order[0]!
  order.sort((a, b) => ((a - first) >>> 0) - ((b - first) >>> 0))
  t.equal(order.length, sent.length, 'every digit is an event of its own')
  const reachable = sent
    .split('')
    .filter((_, index) => arrived.get(order[index]!)! > 0)
    .join('')
  return { reachable, received, unreachable: sent.length - reachable.length, packetsLost }
}

const networks: [what: string, conditions: NetworkConditions, mayBeUnreachable: number][] = [
  [
    '5 % loss, 60 ms of jitter, 1 % reordered, 1 % duplicated',
    { delayMs: 30, jitterMs: 60, loss: 0.05, reorder: 0.01, duplicate: 0.01 },
    0,
  ],
  [
    '10 % loss in bursts of 2 packets, 40 ms of jitter',
    { delayMs: 30, jitterMs: 40, burstLoss: { enter: 0.055, leave: 0.5 } },
    // Of 1.2 % of the digits all four packets fall into a burst: 0.1 × 0.5 ** 3.
    200,
  ],
  ['20 % loss', { delayMs: 30, jitterMs: 20, loss: 0.2 }, 30],
]
for (const [what, conditions, mayBeUnreachable] of networks)
  t.test(
    `10,000 digits, 40 ms on and 40 ms off, as events over ${what}: none doubled, none lost that one packet came of`,
    async t => {
      const { reachable, received, unreachable, packetsLost } = await tenThousand(t, 4733, conditions)
      t.comment(`${packetsLost} packets lost, ${unreachable} digits without one packet left`)
      t.ok(packetsLost > 1000, 'the network lost packets')
      t.ok(unreachable <= mayBeUnreachable, `${unreachable} digits had all of their four packets lost`)
      t.ok(received === reachable, `${received.length} of ${reachable.length}`)
    },
  )

t.test('a tone of 20 s is one digit of 20 s (segments, RFC 4733 §2.5.1.3), a flash is event 16', async t => {
  const pair = await Pair.open({ seed: 3, conditions: { delayMs: 20, jitterMs: 40, loss: 0.05 } })
  pair.connect()
  const digits: DtmfDigit[] = []
  pair.b.onDtmf = digit => digits.push(digit)
  await pair.clock.advance(500)
  const long = pair.a.sendDtmf('7', { durationMs: 20_000 })
  const flash = pair.a.sendDtmf('!', { durationMs: 300 })
  await pair.clock.advance(22_000)
  await Promise.all([long, flash])
  t.match(digits, [
    { digit: '7', durationMs: 20_000 },
    { digit: '!', durationMs: 300 },
  ])
  t.equal(digits.length, 2)
  await pair.close()
})
