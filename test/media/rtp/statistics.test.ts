import t from 'tap'
import { ReceptionStatistics } from '../../../src/media/rtp/statistics.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const SSRC = 0x1234

function feed(
  sequences: readonly number[],
  ssrc = SSRC,
  statistics = new ReceptionStatistics({ clockRate: 8000 }),
): ReceptionStatistics {
  for (const sequence of sequences)
    statistics.receive(sequence & 0xffff, sequence * 160, ssrc, 160, sequence * 20)
  return statistics
}

const rows: [name: string, sequences: number[], expected: Record<string, number>][] = [
  ['in order', [1, 2, 3], { packets: 3, octets: 480, expected: 3, lost: 0 }],
  ['one lost', [1, 2, 4], { packets: 3, expected: 4, lost: 1 }],
  ['one lost at the wrap', [65534, 65536], { packets: 2, expected: 3, lost: 1 }],
  ['reordered is not lost', [1, 3, 2, 4], { packets: 4, expected: 4, lost: 0, reordered: 1 }],
  ['a duplicate of the newest', [1, 2, 2, 3], { packets: 3, duplicates: 1, lost: 0 }],
  ['an older duplicate', [1, 2, 3, 1], { packets: 3, duplicates: 1, reordered: 0 }],
  ['a duplicate does not hide a loss', [1, 2, 2, 4], { packets: 3, expected: 4, lost: 1, duplicates: 1 }],
  ['older than the first', [5, 4, 6], { packets: 3, expected: 3, lost: 0, reordered: 1 }],
  ['a stray number', [1, 2, 30000, 3], { packets: 3, expected: 3, lost: 0, ignored: 1 }],
  ['a restart', [1, 3, 30000, 30001, 30003], { packets: 4, expected: 6, lost: 2, restarts: 1, ignored: 1 }],
]
for (const [name, sequences, expected] of rows) {
  t.test(`loss: ${name} (RFC 3550 A.3)`, async t => t.match(feed(sequences).snapshot(), expected))
}

t.test('verdicts: what is to be dropped', async t => {
  const statistics = new ReceptionStatistics({ clockRate: 8000 })
  const verdicts = [1, 2, 2, 1, 4, 3, 30000].map(sequence => statistics.receive(sequence, 0, SSRC, 1, 0))
  t.same(verdicts, ['accepted', 'accepted', 'duplicate', 'duplicate', 'accepted', 'accepted', 'ignored'])
})

t.test('a new SSRC counts anew, the totals go on', async t => {
  const statistics = feed([1, 2, 4])
  feed([50000, 50002], 0x9999, statistics)
  t.match(statistics.snapshot(), { packets: 5, expected: 7, lost: 2, sourceChanges: 1, ssrc: 0x9999 })
})

t.test('jitter: steady packets have none, whatever the packet time (RFC 3550 A.8)', async t => {
  const statistics = new ReceptionStatistics({ clockRate: 48000 })
  let timestamp = 0xffff0000
  let now = 0
  for (const [index, ms] of [20, 20, 60, 10, 20, 40, 20].entries()) {
    statistics.receive(index, timestamp >>> 0, SSRC, 1, now)
    timestamp += ms * 48
    now += ms
  }
  t.equal(statistics.snapshot().jitter, 0)
})

t.test('jitter: a step of D moves it by D/16, in timestamp units and ms (RFC 3550 §6.4.1)', async t => {
  const statistics = new ReceptionStatistics({ clockRate: 8000 })
  statistics.receive(0, 0, SSRC, 160, 0)
  statistics.receive(1, 160, SSRC, 160, 36)
  t.match(statistics.snapshot(), { jitter: 8, jitterMs: 1, maxJitterMs: 1 })
  statistics.receive(2, 320, SSRC, 160, 56)
  t.match(statistics.snapshot(), { jitter: 7.5, maxJitterMs: 1 })
})

t.test('jitter: converges on the mean deviation', async t => {
  const random = seededRandom(38)
  const statistics = new ReceptionStatistics({ clockRate: 8000 })
  for (let index = 0; index < 5000; index += 1) {
    statistics.receive(index, index * 160, SSRC, 160, index * 20 + random.float() * 30)
  }
  // The mean difference of two uniform values over 30 ms is 10 ms.
  const { jitterMs } = statistics.snapshot()
  t.ok(jitterMs > 5 && jitterMs < 15, `${jitterMs}`)
})

t.test('jitter: event packets, whose timestamp stands still, do not count', async t => {
  const statistics = feed([0, 1])
  for (let sequence = 2; sequence < 8; sequence += 1) {
    statistics.receive(sequence, 320, SSRC, 4, sequence * 20, false)
  }
  statistics.receive(8, 8 * 160, SSRC, 160, 160)
  t.match(statistics.snapshot(), { jitter: 0, lost: 0, packets: 9 })
})

t.test('a report counts its fraction from the report before (RFC 3550 A.3)', async t => {
  const statistics = new ReceptionStatistics({ clockRate: 8000 })
  t.equal(statistics.takeReport(), undefined)
  feed([0, 1, 2, 4], SSRC, statistics)
  t.match(statistics.takeReport(), { ssrc: SSRC, fractionLost: 51, cumulativeLost: 1, highestSequence: 4 })
  feed([5, 6], SSRC, statistics)
  t.match(statistics.takeReport(), { fractionLost: 0, cumulativeLost: 1, highestSequence: 6 })
})

t.test('a report counts what came twice: the loss may be negative (RFC 3550 §6.4.1)', async t => {
  const statistics = feed([0, 1, 2, 4])
  feed([4, 4, 4], SSRC, statistics)
  t.match(statistics.takeReport(), { fractionLost: 0, cumulativeLost: -2 })
  t.match(statistics.snapshot(), { lost: 1, duplicates: 3 }, 'our own figures do not hide the loss')
  feed([6], SSRC, statistics)
  t.match(statistics.takeReport(), { fractionLost: 128, cumulativeLost: -1 })
})

t.test('a report says how often the sequence has wrapped', async t => {
  t.equal(feed([65535, 65536]).takeReport()!.highestSequence, 0x10000)
})
