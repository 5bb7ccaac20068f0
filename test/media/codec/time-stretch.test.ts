import t from 'tap'
import { timeStretcher } from '../../../src/media/codec/time-stretch.ts'

const rates = [8000, 16_000, 48_000]

function sine(hz: number, rate: number, length: number): Int16Array {
  return Int16Array.from({ length }, (_, i) => Math.round(10_000 * Math.sin((2 * Math.PI * hz * i) / rate)))
}

/** A fundamental and five harmonics, as a vowel has. */
function vowel(hz: number, rate: number, length: number): Int16Array {
  return Int16Array.from({ length }, (_, i) =>
    Math.round(
      [5000, 3500, 2500, 1500, 800, 400].reduce(
        (sum, level, n) => sum + level * Math.sin((2 * Math.PI * hz * (n + 1) * i) / rate),
        0,
      ),
    ),
  )
}

/** 400 ms in pieces of 40 ms, each stretched by what is a whole number of periods nearest to what is allowed. */
function stretched(signal: Int16Array, rate: number, way: 'shrink' | 'grow'): Int16Array {
  const stretcher = timeStretcher(rate)
  const piece = rate / 25
  const past = stretcher.pastSamples
  const heard: number[] = []
  for (let at = 0; at + piece <= signal.length; at += piece) {
    const work = new Int16Array(past + piece + stretcher.longestGrowth)
    work.set(Int16Array.from(heard.slice(-past)), past - Math.min(past, heard.length))
    work.set(signal.subarray(at, at + piece), past)
    const sound = work.subarray(past)
    const most = Math.round(rate * 0.015)
    const length =
      at === 0
        ? piece
        : way === 'shrink'
          ? stretcher.shrink(sound, 0, piece, most, false)
          : stretcher.grow(work, past, piece, most, false)
    heard.push(...sound.subarray(0, length))
  }
  return Int16Array.from(heard)
}

function steepest(samples: Int16Array): number {
  let most = 0
  for (let i = 1; i < samples.length; i += 1) most = Math.max(most, Math.abs(samples[i]! - samples[i - 1]!))
  return most
}

/** Upward zero crossings per second, by their first and last. */
function pitch(samples: Int16Array, rate: number): number {
  const at: number[] = []
  for (let i = 1; i < samples.length; i += 1) {
    const [a, b] = [samples[i - 1]!, samples[i]!]
    if (a < 0 && b >= 0) at.push(i - 1 + a / (a - b))
  }
  return ((at.length - 1) * rate) / (at.at(-1)! - at[0]!)
}

for (const rate of rates)
  for (const way of ['shrink', 'grow'] as const) {
    t.test(`${rate} Hz, ${way}: a tone keeps its pitch within 1 % and gets no click`, async t => {
      for (const hz of [200, 350, 440, 1000, 1700, 3000]) {
        const clean = sine(hz, rate, rate * 0.4)
        const heard = stretched(clean, rate, way)
        const change = (heard.length - clean.length) * (way === 'grow' ? 1 : -1)
        t.ok(change > clean.length / 20, `${hz} Hz: ${change} samples`)
        const off = Math.abs(pitch(heard, rate) / pitch(clean, rate) - 1)
        t.ok(off < 0.01, `${hz} Hz: ${(off * 100).toFixed(2)} % off`)
        t.ok(steepest(heard) <= steepest(clean) * 1.15 + 20, `${hz} Hz: ${steepest(heard)}`)
      }
    })

    t.test(`${rate} Hz, ${way}: a vowel goes on without a click`, async t => {
      for (const hz of [90, 120, 180, 240]) {
        const clean = vowel(hz, rate, rate * 0.4)
        const heard = stretched(clean, rate, way)
        t.ok(Math.abs(heard.length - clean.length) > clean.length / 20, `${hz} Hz`)
        t.ok(steepest(heard) <= steepest(clean) * 1.15 + 20, `${hz} Hz: ${steepest(heard)}`)
      }
    })
  }

t.test('silence is cut as far as it is wanted, an onset not at all', async t => {
  const stretcher = timeStretcher(8000)
  t.equal(stretcher.shrink(new Int16Array(320), 0, 320, 200, false), 120)
  const onset = Int16Array.from({ length: 320 }, (_, i) => (i * 7919 * (i + 13)) % (1 + i * 60))
  t.equal(stretcher.shrink(onset, 0, 320, 120, false), 320)
})
