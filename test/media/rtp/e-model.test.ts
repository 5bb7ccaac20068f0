import t from 'tap'
import { burstRatioOf, delayImpairment, estimateQuality, mosOf } from '../../../src/media/rtp/e-model.ts'

type Assertions = Pick<typeof t, 'ok'>

function near(t: Assertions, found: number, expected: number, tolerance = 0.005): void {
  t.ok(Math.abs(found - expected) <= tolerance, `${found} for ${expected}`)
}

/** ITU-T G.107 Annex B. */
for (const [rFactor, mos] of [
  [-5, 1],
  [0, 1],
  [50, 2.58],
  [60, 3.1],
  [70, 3.6],
  [80, 4.02],
  [90, 4.34],
  [93.2, 4.41],
  [100, 4.5],
  [120, 4.5],
] as const) {
  t.test(`R ${rFactor} is a MOS of ${mos} (G.107 Annex B)`, async t => near(t, mosOf(rFactor), mos, 0.006))
}

/** Idd of G.107 §7.4, worked out from its formula. */
for (const [delayMs, idd] of [
  [0, 0],
  [100, 0],
  [150, 0.16],
  [200, 3.04],
  [400, 24.07],
] as const) {
  t.test(`${delayMs} ms cost ${idd} (G.107 §7.4)`, async t => near(t, delayImpairment(delayMs), idd, 0.05))
}

/** Ie,eff of G.107 §7.5 with Ie and Bpl of G.113 Appendix I. */
for (const [codec, lossRatio, burstRatio, rFactor] of [
  ['PCMU', 0, 1, 93.2],
  ['PCMA', 0.01, 1, 93.2 - 95 / 26.1],
  ['PCMA', 0.05, 1, 93.2 - (95 * 5) / 30.1],
  ['PCMA', 0.05, 2, 93.2 - (95 * 5) / 27.6],
  ['G729', 0.01, 1, 93.2 - (11 + 84 / 20)],
  ['unheard of', 0, 1, 93.2],
  ['PCMU', 1, 1, 93.2 - 9500 / 125.1],
] as const) {
  t.test(`${codec} with ${lossRatio * 100} % lost, BurstR ${burstRatio} (G.107 §7.5)`, async t =>
    near(t, estimateQuality({ codec, lossRatio, burstRatio, delayMs: 0 }).rFactor, rFactor),
  )
}

t.test('the delay spoils a conversation, not listening', async t => {
  const { mos, mosListening } = estimateQuality({ codec: 'PCMU', lossRatio: 0, delayMs: 400 })
  near(t, mosListening, mosOf(93.2))
  t.ok(mos < 3.7)
})

t.test('BurstR is 1 for random loss and more for runs (G.107 §3.6)', async t => {
  t.equal(burstRatioOf(0, 0, 100), 1)
  // Of 1000, 100 lost at random come in 90 runs.
  near(t, burstRatioOf(100, 90, 1000), 1)
  near(t, burstRatioOf(100, 25, 1000), 3.6)
})
