import t from 'tap'
import { LossConcealer } from '../../../src/media/codec/plc.ts'

const rates = [8000, 16_000, 48_000]

function tone(hz: number, rate: number, from: number, length: number, amplitude = 10_000): Int16Array {
  return Int16Array.from({ length }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * hz * (from + i)) / rate)),
  )
}

/** A voiced sound: a fundamental and five harmonics, as a vowel has. */
function vowel(hz: number, rate: number, from: number, length: number): Int16Array {
  const sum = new Int16Array(length)
  for (const [harmonic, level] of [5000, 3500, 2500, 1500, 800, 400].entries())
    tone(hz * (harmonic + 1), rate, from, length, level).forEach((sample, i) => {
      sum[i]! += sample
    })
  return sum
}

function energy(samples: Int16Array): number {
  return samples.reduce((sum, sample) => sum + sample * sample, 0)
}

function snr(actual: Int16Array, ideal: Int16Array): number {
  const noise = actual.reduce((sum, sample, i) => sum + (sample - ideal[i]!) ** 2, 0)
  return 10 * Math.log10(energy(ideal) / Math.max(1, noise))
}

function steepest(samples: Int16Array): number {
  let most = 0
  for (let i = 1; i < samples.length; i += 1) most = Math.max(most, Math.abs(samples[i]! - samples[i - 1]!))
  return most
}

/** Plays `frames` of 20 ms of the signal, those in `lost` missing, and returns what was heard. */
function play(
  rate: number,
  frames: number,
  lost: readonly number[],
  signal: (from: number, length: number) => Int16Array,
): Int16Array {
  const concealer = new LossConcealer(rate)
  const length = rate / 50
  const heard = new Int16Array(frames * length)
  for (let i = 0; i < frames; i += 1) {
    const frame = signal(i * length, length)
    if (lost.includes(i)) concealer.conceal(frame)
    else concealer.receive(frame)
    heard.set(frame, i * length)
  }
  return heard
}

for (const rate of rates) {
  const frame = rate / 50

  t.test(`${rate} Hz: a tone goes on through 20 ms of loss (G.711 Appendix I)`, async t => {
    for (const hz of [200, 350, 440, 697, 1000, 1336]) {
      const heard = play(rate, 20, [10], (from, length) => tone(hz, rate, from, length))
      const gap = heard.subarray(10 * frame, 11 * frame)
      // A period is a whole number of samples and the second 10 ms fade by a fifth, which bounds both; silence gives 0 dB.
      const first = snr(gap.subarray(0, frame / 2), tone(hz, rate, 10 * frame, frame / 2))
      const whole = snr(gap, tone(hz, rate, 10 * frame, frame))
      t.ok(
        first > 16 && whole > 11,
        `${hz} Hz: ${first.toFixed(1)} dB in 10 ms, ${whole.toFixed(1)} dB in 20`,
      )
    }
  })

  t.test(`${rate} Hz: a vowel goes on at its pitch`, async t => {
    for (const hz of [90, 120, 180]) {
      const heard = play(rate, 20, [10], (from, length) => vowel(hz, rate, from, length))
      const gap = heard.subarray(10 * frame, 11 * frame)
      t.ok(snr(gap, vowel(hz, rate, 10 * frame, frame)) > 10, `${hz} Hz`)
    }
  })

  t.test(`${rate} Hz: no click at either end of a gap, however long`, async t => {
    for (const gap of [1, 2, 3, 4, 10])
      for (const hz of [200, 440, 1000]) {
        const lost = Array.from({ length: gap }, (_, i) => 8 + i)
        const clean = tone(hz, rate, 0, 30 * frame)
        const heard = play(rate, 30, lost, (from, length) => tone(hz, rate, from, length))
        const bound = steepest(clean) * 1.6 + 150
        t.ok(steepest(heard) < bound, `${gap} frames of ${hz} Hz: ${steepest(heard)} < ${bound}`)
      }
  })

  t.test(`${rate} Hz: fades over 60 ms and is silent from then on`, async t => {
    const heard = play(rate, 20, [10, 11, 12, 13, 14], (from, length) => vowel(120, rate, from, length))
    const levels = [10, 11, 12, 13, 14].map(i => energy(heard.subarray(i * frame, (i + 1) * frame)))
    t.ok(levels[0]! > levels[1]! && levels[1]! > levels[2]!)
    t.ok(levels[2]! > 0)
    t.same(levels.slice(3), [0, 0])
  })

  t.test(
    `${rate} Hz: real audio is untouched again 10 ms after a gap, and wholly so without one`,
    async t => {
      const signal = (from: number, length: number): Int16Array => vowel(150, rate, from, length)
      const heard = play(rate, 20, [10, 11, 12], signal)
      t.same(heard.subarray(13.5 * frame), signal(13.5 * frame, 6.5 * frame))
      t.same(play(rate, 5, [], signal), signal(0, 5 * frame))
    },
  )
}

t.test('noise is concealed at about its own level', async t => {
  let state = 1
  const noise = Int16Array.from({ length: 160 * 20 }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return (state / 1_073_741_824 - 1) * 3000
  })
  const heard = play(8000, 20, [10], (from, length) => noise.slice(from, from + length))
  const ratio = energy(heard.subarray(1600, 1760)) / energy(noise.subarray(1600, 1760))
  t.ok(ratio > 0.3 && ratio < 2, `${ratio}`)
})

t.test('loss before anything was heard, and in silence, is silence', async t => {
  const concealer = new LossConcealer(8000)
  const out = new Int16Array(160).fill(99)
  concealer.conceal(out)
  t.same(out, new Int16Array(160))
  concealer.receive(new Int16Array(160))
  concealer.conceal(out.fill(99))
  t.same(out, new Int16Array(160))
})

t.test('frames of any length: the gap sounds the same in pieces of 5 ms and whole', async t => {
  const whole = new LossConcealer(8000)
  const pieces = new LossConcealer(8000)
  for (const concealer of [whole, pieces])
    for (let i = 0; i < 10; i += 1) concealer.receive(tone(440, 8000, i * 160, 160))
  const once = new Int16Array(480)
  whole.conceal(once)
  const joined = new Int16Array(480)
  for (let i = 0; i < 480; i += 40) pieces.conceal(joined.subarray(i, i + 40))
  t.same(joined, once)
  t.equal(whole.concealedSamples, 480)
  t.equal(pieces.concealedSamples, 480)
})

t.test('a stream that was reset has nothing of the old one in it', async t => {
  const concealer = new LossConcealer(8000)
  concealer.receive(tone(440, 8000, 0, 160))
  concealer.conceal(new Int16Array(160))
  concealer.reset()
  const fresh = tone(300, 8000, 0, 160)
  concealer.receive(fresh)
  t.same(fresh, tone(300, 8000, 0, 160))
})

t.test('full scale never wraps round', async t => {
  const heard = play(8000, 12, [6, 7], (from, length) =>
    Int16Array.from({ length }, (_, i) => ((from + i) % 53 < 26 ? 32_767 : -32_768)),
  )
  t.ok(heard.every(sample => sample >= -32_768 && sample <= 32_767))
  t.ok(Math.max(...heard.subarray(960, 1040)) > 25_000)
})
