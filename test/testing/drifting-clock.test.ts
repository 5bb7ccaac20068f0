import t from 'tap'
import { DriftingClock } from '../../src/testing/drifting-clock.ts'
import { createLab } from '../../src/testing/lab.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

t.test(
  'a fast clock has more seconds in an hour, a slow one fewer; timers go by their own clock',
  async t => {
    for (const ppm of [200, -200]) {
      const truth = new VirtualClock()
      const clock = new DriftingClock(truth, ppm)
      const start = clock.now()
      let rang = 0
      clock.setTimer(start + 3_600_000, () => {
        rang = truth.now()
      })
      await truth.advance(3_601_000)
      t.ok(Math.abs(clock.now() - start - 3_601_000 * (1 + ppm / 1e6)) < 0.01)
      t.ok(Math.abs(rang - truth.now() + 3_601_000 - 3_600_000 / (1 + ppm / 1e6)) < 0.01, `rang at ${rang}`)
    }
  },
)

t.test('what is no clock is refused', async t => {
  for (const ppm of [20_000, Number.NaN]) {
    t.throws(() => new DriftingClock(new VirtualClock(), ppm), { code: 'SIP_OPTION', field: 'clockPpm' })
  }
})

t.test('in the lab a party with a fast clock sends more packets in the same time', async t => {
  const lab = createLab({ seed: 1 })
  const agent = await lab.endpoint('agent.lab')
  void agent.serve(async call => {
    await call.answer()
    await call.ended
  })
  const phone = await lab.endpoint('phone.lab', { clockPpm: 10_000 })
  await lab.run(async () => {
    const call = await phone.call('sip:agent@agent.lab')
    await lab.clock.sleep(60_000)
    const { packetsSent, packetsReceived } = call.media.stats()
    t.ok(
      Math.abs(packetsSent - packetsReceived - 30) <= 2,
      `${packetsSent} sent, ${packetsReceived} received`,
    )
    await call.hangup()
  })
})
