import t from 'tap'
import { DelayEstimator } from '../../../src/media/rtp/delay-estimator.ts'

const options = { minDelayMs: 40, maxDelayMs: 400, startDelayMs: 60, marginMs: 10 }

/** Packets every 20 ms with the delays given by their index; returns the target after them. */
function after(packets: number, delayOf: (index: number) => number): number {
  const estimator = new DelayEstimator(options)
  for (let index = 0; index < packets; index += 1) estimator.observe(1e6 + delayOf(index), index * 20)
  return estimator.targetMs
}

t.test('the start delay until the network is known, then the least allowed', async t => {
  t.equal(
    after(0, () => 0),
    60,
  )
  t.equal(
    after(40, () => 0),
    60,
  )
  t.equal(
    after(100, () => 0),
    40,
  )
})

t.test('the delay that all but one in ten packets keep, and a margin', async t => {
  t.equal(
    after(2000, index => (index % 8 === 0 ? 100 : 5)),
    110,
  )
  t.equal(
    after(2000, index => (index % 50 === 49 ? 300 : 0)),
    40,
  )
})

t.test('never more than the longest allowed', async t => {
  t.equal(
    after(2000, index => (index % 2) * 5000),
    400,
  )
})

t.test('forgets: a bad time is over some seconds after', async t => {
  t.equal(
    after(3000, index => (index < 500 ? (index % 2) * 200 : 0)),
    40,
  )
})

t.test('delay is counted from the fastest recent packet', async t => {
  const estimator = new DelayEstimator(options)
  t.equal(estimator.observe(500, 0), 0)
  t.equal(estimator.observe(530, 20), 30)
  t.equal(estimator.observe(480, 40), 0)
  t.equal(estimator.baselineMs, 480)
})

t.test('a path that becomes slower for good is the new normal after ten seconds', async t => {
  const estimator = new DelayEstimator(options)
  for (let now = 0; now < 5000; now += 20) estimator.observe(100, now)
  for (let now = 5000; now < 20_000; now += 20) estimator.observe(150, now)
  t.equal(estimator.baselineMs, 150)
  t.equal(estimator.observe(150, 20_000), 0)
})

t.test('after a long pause the first packet is the fastest', async t => {
  const estimator = new DelayEstimator(options)
  estimator.observe(100, 0)
  t.equal(estimator.observe(90_000, 3_600_000), 0)
})

t.test('a million packets later the figures are still exact', async t => {
  t.equal(
    after(1_000_000, index => (index % 8 === 0 ? 100 : 5)),
    110,
  )
})
