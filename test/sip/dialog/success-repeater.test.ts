import t from 'tap'
import { SuccessRepeater } from '../../../src/sip/dialog/success-repeater.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

t.test('T1 doubling to T2, given up at 64*T1 (RFC 3261 §13.3.1.4)', async t => {
  for (const [t1, t2] of [
    [500, 4000],
    [100, 400],
  ] as const) {
    const clock = new VirtualClock()
    const times: number[] = []
    let gaveUp = 0
    const repeater = new SuccessRepeater({
      clock,
      t1,
      t2,
      resend: () => times.push(clock.now() / t1),
      giveUp: () => {
        gaveUp = clock.now()
      },
    })
    await clock.advance(100 * t1)
    t.equal(gaveUp, 64 * t1)
    t.same(times.slice(0, 4), t2 === 4000 ? [1, 3, 7, 15] : [1, 3, 7, 11])
    t.ok(times.every(at => at < 64))
    t.equal(repeater.running, false)
  }
})

t.test('stopped, it neither repeats nor gives up', async t => {
  const clock = new VirtualClock()
  const repeater = new SuccessRepeater({
    clock,
    t1: 500,
    t2: 4000,
    resend: () => t.fail('repeated'),
    giveUp: () => t.fail('gave up'),
  })
  repeater.stop()
  repeater.stop()
  await clock.advance(60_000)
  t.equal(clock.pendingTimers, 0)
})
