import * as fc from 'fast-check'
import t from 'tap'
import { Reframer, reframe } from '../../../src/media/audio/frames.ts'
import { goertzelDbfs, strongestHz } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs, peak } from '../../../src/media/audio/level.ts'
import { Mixer, limit } from '../../../src/media/audio/mixer.ts'
import { SampleQueue } from '../../../src/media/audio/sample-queue.ts'
import { DTMF_HZ, ToneGenerator, silence, tone } from '../../../src/media/audio/tones.ts'

t.test('a tone has the level it was asked for, and Goertzel finds it at its frequency only', async t => {
  for (const hz of [300, 697, 1000, 2900]) {
    for (const level of [-6, -20, -40]) {
      const samples = tone({ sampleRate: 8000, hz, durationMs: 200, levelDbfs: level })
      t.ok(Math.abs(levelDbfs(samples) - level) < 0.1, `level ${levelDbfs(samples)}`)
      t.ok(
        Math.abs(goertzelDbfs(samples, 8000, hz) - level) < 0.1,
        `Goertzel ${goertzelDbfs(samples, 8000, hz)}`,
      )
      t.ok(goertzelDbfs(samples, 8000, hz + 100) < level - 50)
    }
  }
})

t.test('silence and nothing measure -Infinity, full scale 0', async t => {
  t.equal(levelDbfs(silence(8000, 20)), -Infinity)
  t.equal(levelDbfs(new Int16Array(0)), -Infinity)
  t.equal(goertzelDbfs(new Int16Array(0), 8000, 1000), -Infinity)
  t.equal(levelDbfs(new Int16Array(10).fill(-32_768)), 0)
  t.equal(peak(Int16Array.of(3, -32_768, 7)), 32_768)
})

t.test('a tone goes on without a step from chunk to chunk, whatever their size', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 20 }), sizes => {
      const generator = new ToneGenerator({ sampleRate: 8000, hz: [440, 480] })
      const parts = sizes.flatMap(size => [...generator.render(new Int16Array(size))])
      const whole = new ToneGenerator({ sampleRate: 8000, hz: [440, 480] }).render(
        new Int16Array(parts.length),
      )
      return parts.every((sample, i) => sample === whole[i])
    }),
  )
})

t.test('the tones of each key are the two strongest of the eight (Q.23)', async t => {
  const low = [697, 770, 852, 941]
  const high = [1209, 1336, 1477, 1633]
  for (const [key, pair] of Object.entries(DTMF_HZ)) {
    const samples = tone({ sampleRate: 8000, hz: pair, durationMs: 100 })
    t.same([strongestHz(samples, 8000, low).hz, strongestHz(samples, 8000, high).hz], pair, key)
  }
  t.equal(new Set(Object.values(DTMF_HZ).map(String)).size, 16)
})

t.test('a frequency that the rate cannot carry is refused', async t => {
  t.throws(() => tone({ sampleRate: 8000, hz: 4000, durationMs: 20 }), { code: 'SIP_OPTION', field: 'hz' })
})

t.test('everybody hears the others, and not themselves', async t => {
  const mixer = new Mixer(2)
  const voices = [Int16Array.of(100, 1), Int16Array.of(20, 2), Int16Array.of(3, -4)]
  for (let round = 0; round < 2; round += 1) {
    mixer.start()
    for (const voice of voices) mixer.add(voice)
    t.same([...mixer.mix(new Int16Array(2), voices[0])], [23, -2])
    t.same([...mixer.mix(new Int16Array(2), voices[2])], [120, 3])
    t.same([...mixer.mix(new Int16Array(2))], [123, -1])
  }
})

t.test('the limiter changes nothing below -2.5 dBFS, never turns back, never overflows', async () => {
  fc.assert(
    fc.property(fc.integer({ min: -500_000, max: 500_000 }), sample => {
      const out = limit(sample)
      const monotonic = limit(sample + 1) >= out
      const exact = Math.abs(sample) > 24_576 || out === sample
      return monotonic && exact && out <= 32_767 && out >= -32_767 && out === -limit(-sample)
    }),
  )
})

t.test('frames are the chunks end to end; the rest waits, and only flush pads', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 15 }), sizes => {
      const reframer = new Reframer(160)
      const out: number[] = []
      let total = 0
      for (const size of sizes) {
        const chunk = Int16Array.from({ length: size }, (_, i) => (total + i) % 30_000)
        for (const frame of reframer.push(chunk)) out.push(...frame)
        total += size
      }
      if (reframer.waiting !== total % 160) return false
      const rest = reframer.flush()
      if (rest !== undefined) out.push(...rest)
      return (
        out.length === Math.ceil(total / 160) * 160 &&
        out.every((sample, i) => sample === (i < total ? i % 30_000 : 0)) &&
        reframer.flush() === undefined
      )
    }),
  )
})

t.test('reframe cuts a stream of chunks and frames alike', async t => {
  const source = (async function* () {
    yield new Int16Array(100).fill(1)
    yield { samples: new Int16Array(100).fill(2), timestampMs: 0, concealed: false }
  })()
  const lengths: number[] = []
  for await (const frame of reframe(source, 160)) lengths.push(frame[159] ?? NaN)
  t.same(lengths, [2, 0])
})

t.test(
  'the sample queue is first in first out at any pattern of use, and never above its bound',
  async () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3000 })), { maxLength: 40 }),
        steps => {
          const queue = new SampleQueue(5000)
          const model: number[] = []
          let next = 0
          for (const [push, count] of steps) {
            if (push) {
              const chunk = Int16Array.from({ length: count }, (_, i) => (next + i) % 30_000)
              const taken = queue.push(chunk)
              if (taken !== Math.min(count, 5000 - model.length)) return false
              model.push(...chunk.subarray(0, taken))
              next += count
            } else {
              const out = new Int16Array(count)
              const got = queue.shift(out)
              const expected = model.splice(0, count)
              if (got !== expected.length || expected.some((sample, i) => sample !== out[i])) return false
            }
            if (queue.length !== model.length) return false
          }
          return true
        },
      ),
      { numRuns: 200 },
    )
  },
)
