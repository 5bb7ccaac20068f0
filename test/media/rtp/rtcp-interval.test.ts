import t from 'tap'
import { DEFAULT_MINIMUM_MS, RtcpSchedule, reducedMinimum } from '../../../src/media/rtp/rtcp-interval.ts'
import type { Membership } from '../../../src/media/rtp/rtcp-interval.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const both: Membership = { members: 2, senders: 2, weSend: true }
const compensation = Math.E - 1.5
/** G.711 both ways with headers, octets per second. */
const sessionBandwidth = 20_000

/** Intervals between the reports of one member that never learns anything new. */
function intervals(count: number, options: { minimumMs?: number; octets?: number } = {}): number[] {
  const random = seededRandom(3550)
  const { minimumMs, octets = 120 } = options
  const schedule = new RtcpSchedule(0, {
    random,
    sessionBandwidth,
    ...(minimumMs !== undefined && { minimumMs }),
  })
  const sentAt: number[] = []
  while (sentAt.length < count) {
    const now = schedule.dueAt
    if (!schedule.due(now, both)) continue
    sentAt.push(now)
    schedule.sent(now, octets, both)
  }
  return sentAt.map((at, index) => at - (sentAt[index - 1] ?? 0))
}

/** RFC 3550 §6.3.1: between half of and one and a half times the mean, divided by e - 3/2. */
const rows = [
  { what: 'default minimum', section: '6.2', mean: DEFAULT_MINIMUM_MS, options: {} },
  {
    what: 'reduced minimum',
    section: '6.2',
    mean: reducedMinimum(sessionBandwidth),
    options: { minimumMs: reducedMinimum(sessionBandwidth) },
  },
  {
    what: 'compounds too large for the bandwidth',
    section: '6.3.1',
    // 28 octets of lower headers with each; two share a twentieth of the bandwidth.
    mean: ((5972 + 28) * 2 * 1000) / (sessionBandwidth * 0.05),
    options: { octets: 5972 },
  },
]
for (const { what, section, mean, options } of rows) {
  t.test(`intervals: ${what} (RFC 3550 §${section})`, async t => {
    const seen = intervals(3000, options)
    const [first = 0] = seen
    // Average sizes take a while to be known.
    const settled = seen.slice(200)
    t.ok(first >= 0, 'the first comes after half of it')
    const least = (mean * 0.5) / compensation
    const most = (mean * 1.5) / compensation
    t.ok(
      settled.every(ms => ms >= least - 1 && ms <= most + 1),
      `${Math.min(...settled)} … ${Math.max(...settled)}`,
    )
    const average = settled.reduce((sum, ms) => sum + ms, 0) / settled.length
    // Reconsideration lengthens what the compensation shortened.
    t.ok(Math.abs(average / mean - 1) < 0.03, `${average} for ${mean}`)
  })
}

t.test(
  'the first report waits half of the minimum, however many calls begin at once (RFC 3550 §6.2)',
  async t => {
    const random = seededRandom(1)
    const first = Array.from({ length: 500 }, () => new RtcpSchedule(0, { random, sessionBandwidth }).dueAt)
    t.ok(first.every(ms => ms >= 1250 / compensation && ms <= 3750 / compensation))
    t.ok(Math.max(...first) - Math.min(...first) > 1900, 'and they are spread')
  },
)

t.test(
  'the reduced minimum is 360 over the kbit/s, and never longer than the default (RFC 3550 §6.2)',
  async t => {
    t.equal(reducedMinimum(20_000), 2250)
    t.equal(reducedMinimum(1000), 5000)
  },
)

t.test('a member that leaves brings the next report nearer (RFC 3550 §6.3.4)', async t => {
  const schedule = new RtcpSchedule(0, { random: seededRandom(1), sessionBandwidth })
  let now = schedule.dueAt
  while (!schedule.due(now, both)) now = schedule.dueAt
  schedule.sent(now, 120, both)
  const left = schedule.dueAt - now
  schedule.left(now, { members: 1, senders: 1, weSend: true })
  t.ok(Math.abs((schedule.dueAt - now) / left - 0.5) < 1e-9)
  schedule.left(now, { members: 1, senders: 1, weSend: true })
  t.ok(Math.abs((schedule.dueAt - now) / left - 0.5) < 1e-9, 'once')
})

t.test('silence of five mean intervals counts a member out (RFC 3550 §6.3.5)', async t => {
  const schedule = new RtcpSchedule(0, { random: seededRandom(1), sessionBandwidth })
  t.equal(schedule.timeout(both), 25_000)
})
