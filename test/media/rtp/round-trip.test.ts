import t from 'tap'
import { NtpClock, delayUnits, shortNtp } from '../../../src/media/rtp/ntp-clock.ts'
import { RoundTrip } from '../../../src/media/rtp/round-trip.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

t.test('the example of RFC 3550 §6.4.1, figure 2', async t => {
  const trip = new RoundTrip()
  trip.sent(0xb705_2000)
  trip.returned(0xb705_2000, 0x0005_4000, 0xb710_8000)
  t.equal(trip.snapshot?.lastMs, 6125)
})

t.test('least, mean and most; references to nothing and to what was never sent do not count', async t => {
  const trip = new RoundTrip()
  t.equal(trip.snapshot, undefined)
  for (const [index, ms] of [80, 120, 40].entries()) {
    const at = 0xffff_f000 + index * 1000
    trip.sent(at >>> 0)
    trip.returned(at >>> 0, 0, (at + delayUnits(ms)) >>> 0)
  }
  trip.returned(0, 0, 500)
  trip.returned(12_345, 0, 500)
  const { count, lastMs = 0, minMs = 0, meanMs = 0, maxMs = 0 } = trip.snapshot ?? {}
  t.equal(count, 3)
  t.same([lastMs, minMs, meanMs, maxMs].map(Math.round), [40, 40, 80, 120])
  t.equal(trip.doubtful, 1)
})

t.test('a peer that says it kept the report longer than we waited is taken for 0', async t => {
  const trip = new RoundTrip()
  trip.sent(1000)
  trip.returned(1000, 70, 1010)
  t.equal(trip.snapshot?.lastMs, 0)
})

t.test(
  'NTP counts seconds from 1900, wraps in 2036, and goes on steadily when the wall clock is set',
  async t => {
    const epoch = new NtpClock(new VirtualClock({ wallTimeMs: 0 }))
    t.same(epoch.at(0), { seconds: 2_208_988_800, fraction: 0 })
    t.same(epoch.at(500), { seconds: 2_208_988_800, fraction: 0x8000_0000 })
    t.equal(shortNtp({ seconds: 0x1234_5678, fraction: 0x9abc_def0 }), 0x5678_9abc)
    const wrap = new NtpClock(new VirtualClock({ wallTimeMs: (0x1_0000_0000 - 2_208_988_800) * 1000 }))
    t.same(wrap.at(0), { seconds: 0, fraction: 0 })
  },
)
