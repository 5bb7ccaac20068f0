import * as fc from 'fast-check'
import t from 'tap'
import { LossBursts } from '../../../src/media/rtp/loss-bursts.ts'
import type { BurstSnapshot } from '../../../src/media/rtp/loss-bursts.ts'
import { ReceptionStatistics } from '../../../src/media/rtp/statistics.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

/** `.` came, `x` was lost, `d` was discarded. */
function judged(pattern: string): BurstSnapshot {
  const bursts = new LossBursts()
  for (const letter of pattern) {
    if (letter === '.') bursts.received()
    else bursts.missing(letter === 'd')
  }
  return bursts.snapshot()
}

const good = (count: number): string => '.'.repeat(count)
/** RFC 3611 §4.7.2 with Gmin 16. */
const rows: readonly [what: string, pattern: string, expected: Partial<BurstSnapshot>][] = [
  ['nothing', '', { packets: 0, bursts: 0, gaps: 0 }],
  ['no loss is one gap', good(100), { bursts: 0, gaps: 1, gapPackets: 100, gapLost: 0 }],
  ['a loss alone is of the gap', `${good(20)}x${good(20)}`, { bursts: 0, gapLost: 1, gapPackets: 41 }],
  [
    'two with 15 good ones between are a burst',
    `${good(20)}x${good(15)}x${good(20)}`,
    { bursts: 1, burstPackets: 17, burstLost: 2, gapPackets: 40, gapLost: 0, gaps: 2 },
  ],
  ['two with 16 between are not', `${good(20)}x${good(16)}x${good(20)}`, { bursts: 0, gapLost: 2, gaps: 1 }],
  [
    'a run is a burst',
    `${good(20)}xxxx${good(20)}`,
    { bursts: 1, burstPackets: 4, burstLost: 4, runs: 1, longestRun: 4 },
  ],
  [
    'discarded counts like lost',
    `${good(20)}xd${good(20)}`,
    { bursts: 1, burstLost: 2, lost: 1, discarded: 1 },
  ],
  ['a burst at the beginning has no gap before', `xx${good(20)}`, { bursts: 1, gaps: 1, gapPackets: 20 }],
  [
    'a burst under way counts',
    `${good(30)}xx.x`,
    { bursts: 1, burstPackets: 4, burstLost: 3, gaps: 1, gapPackets: 30 },
  ],
  [
    'two bursts',
    `${good(16)}xx${good(16)}x.x${good(16)}`,
    { bursts: 2, burstPackets: 5, burstLost: 4, gaps: 3, runs: 3 },
  ],
]
for (const [what, pattern, expected] of rows) {
  t.test(`${what} (RFC 3611 §4.7.2)`, async t => t.match(judged(pattern), expected))
}

t.test('property: bursts and gaps share all packets and all losses', async t => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('.', '.', '.', '.', 'x', 'd'), { maxLength: 300 }), letters => {
      const seen = judged(letters.join(''))
      const missing = letters.filter(letter => letter !== '.').length
      t.equal(seen.lost + seen.discarded, missing)
      t.equal(seen.burstLost + seen.gapLost, missing)
      t.equal(seen.burstPackets + seen.gapPackets, letters.length)
      t.equal(seen.packets, letters.length)
    }),
  )
})

t.test('reordered packets are no loss, and late ones are discarded: as the stream comes in', async t => {
  const statistics = new ReceptionStatistics({ clockRate: 8000 })
  const random = seededRandom(5)
  const lost = new Set([200, 201, 203, 500])
  let sequence = 65_400
  const order: number[] = []
  for (let index = 0; index < 1000; index += 1, sequence += 1) {
    if (lost.has(index)) continue
    if (random.integer(0, 9) === 0 && order.length > 5) order.splice(order.length - 5, 0, sequence)
    else order.push(sequence)
  }
  for (const [index, number] of order.entries()) {
    statistics.receive(number & 0xffff, index * 160, 1, 160, index * 20)
    if (index === 700) statistics.discard()
  }
  const seen = statistics.bursts.snapshot()
  t.match(seen, { lost: 4, discarded: 1, bursts: 1, burstPackets: 4, burstLost: 3, gapLost: 2 })
  t.ok(seen.packets > 980, 'all but the youngest')
})

t.test('a gap longer than what is remembered counts whole', async t => {
  const statistics = new ReceptionStatistics({ clockRate: 8000 })
  for (let number = 0; number < 1000; number += 1) {
    if (number >= 300 && number < 800) continue
    statistics.receive(number, number * 160, 1, 160, number * 20)
  }
  t.match(statistics.bursts.snapshot(), { lost: 500, bursts: 1, burstPackets: 500, longestRun: 500 })
})
