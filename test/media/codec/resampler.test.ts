import { array, assert, constantFrom, integer, oneof, property } from 'fast-check'
import t from 'tap'
import { linear, measureQuality, streaming } from '../../../bench/support/resampler-quality.ts'
import { Resampler, resamplerRates } from '../../../src/media/codec/resampler.ts'
import { OptionError } from '../../../src/runtime/errors.ts'

const pairs = resamplerRates.flatMap(from => resamplerRates.map(to => [from, to] as const))

/** Runs `input` through in chunks of the given lengths (over and over), and flushes. */
function convert(resampler: Resampler, input: Int16Array, chunks: readonly number[] = [960]): Int16Array {
  const out: number[] = []
  const take = (buffer: Int16Array, count: number): void => {
    for (let i = 0; i < count; i += 1) out.push(buffer[i]!)
  }
  for (let at = 0, turn = 0; at < input.length; turn += 1) {
    const chunk = input.subarray(at, at + chunks[turn % chunks.length]!)
    const buffer = new Int16Array(resampler.maxOutput(chunk.length))
    take(buffer, resampler.process(chunk, buffer))
    at += chunk.length
  }
  const tail = new Int16Array(resampler.maxFlush)
  take(tail, resampler.flush(tail))
  return Int16Array.from(out)
}

function sine(hz: number, rate: number, length: number, amplitude: number): Int16Array {
  return Int16Array.from({ length }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * hz * i) / rate)),
  )
}

/** Level of one frequency in dB against `reference`, through a four-term Blackman-Harris window (side lobes at -92 dB). */
function levelOf(samples: Int16Array, rate: number, hz: number, reference: number): number {
  let re = 0
  let im = 0
  let gain = 0
  const step = (2 * Math.PI) / samples.length
  for (let i = 0; i < samples.length; i += 1) {
    const window =
      0.35875 -
      0.48829 * Math.cos(step * i) +
      0.14128 * Math.cos(2 * step * i) -
      0.01168 * Math.cos(3 * step * i)
    const angle = (2 * Math.PI * hz * i) / rate
    re += window * samples[i]! * Math.cos(angle)
    im += window * samples[i]! * Math.sin(angle)
    gain += window
  }
  return 20 * Math.log10((2 * Math.hypot(re, im)) / gain / reference)
}

/** The middle of a long enough tone, past the filter's start and end. */
function steady(resampler: Resampler, hz: number): Int16Array {
  const out = convert(resampler, sine(hz, resampler.from, Math.round(resampler.from * 0.2), 30_000))
  const edge = Math.round(resampler.to * 0.02)
  return out.subarray(edge, out.length - edge)
}

t.test(
  'pass band: ripple below 0.02 dB from 100 Hz to 0.85 of the lower Nyquist frequency, every pair',
  async t => {
    for (const [from, to] of pairs) {
      const nyquist = Math.min(from, to) / 2
      for (const hz of [100, 0.2 * nyquist, 0.4 * nyquist, 0.6 * nyquist, 0.8 * nyquist, 0.85 * nyquist]) {
        const level = levelOf(steady(new Resampler(from, to), hz), to, hz, 30_000)
        if (Math.abs(level) > 0.02) t.fail(`${from} -> ${to}: ${level} dB at ${hz} Hz`)
      }
    }
    t.pass(`${pairs.length} pairs`)
  },
)

t.test('every pair: what does not belong is 80 dB down, and a tone is 85 dB above all else', async t => {
  for (const [from, to] of pairs) {
    if (from === to) continue
    const { ripple, attenuation, signalToNoise } = measureQuality(from, to, streaming(from, to))
    const pair = `${from} -> ${to}`
    // Folded tones when going down, images when going up, swept over the whole of both bands.
    t.ok(attenuation >= 80, `${pair}: ${attenuation.toFixed(1)} dB of attenuation`)
    t.ok(signalToNoise >= 85, `${pair}: signal to noise ${signalToNoise.toFixed(1)} dB`)
    t.ok(ripple < 0.005, `${pair}: ripple ${ripple.toFixed(4)} dB`)
  }
})

t.test('a straight line between samples would not pass: the measurement tells', async t => {
  t.ok(measureQuality(8000, 16_000, linear(8000, 16_000)).signalToNoise < 10)
  t.ok(measureQuality(48_000, 16_000, linear(48_000, 16_000)).attenuation < 1)
})

t.test('the delay is the documented one, below 5 ms with 8 kHz on either side', async t => {
  for (const [from, to] of pairs) {
    const resampler = new Resampler(from, to)
    if (from === to) t.equal(resampler.delayMs, 0)
    else t.ok(resampler.delayMs > 0 && resampler.delayMs < 5, `${from} -> ${to}: ${resampler.delayMs} ms`)
  }
})

t.test('however the stream is cut, the same bytes come out', async t => {
  const input = Int16Array.from(
    { length: 6000 },
    (_, i) => 12_000 * Math.sin(i * i * 1e-4) + ((i * 7919) % 5000),
  )
  const whole = new Map(
    pairs.map(([from, to]) => [`${from} ${to}`, convert(new Resampler(from, to), input, [input.length])]),
  )
  assert(
    property(
      constantFrom(...pairs),
      array(oneof(integer({ min: 1, max: 40 }), integer({ min: 1, max: 2000 })), {
        minLength: 1,
        maxLength: 12,
      }),
      ([from, to], chunks) => {
        const cut = convert(new Resampler(from, to), input, chunks)
        return Buffer.from(cut.buffer).equals(Buffer.from(whole.get(`${from} ${to}`)!.buffer))
      },
    ),
    { numRuns: 150, seed: 20_261_122 },
  )
  t.pass()
})

t.test('chunks of one sample, of primes and of 37 ms give what one piece gives, every pair', async t => {
  const input = Int16Array.from(
    { length: 3001 },
    (_, i) => 9000 * Math.sin(i * i * 7e-5) + ((i * 104_729) % 7000),
  )
  for (const [from, to] of pairs) {
    const whole = Buffer.from(convert(new Resampler(from, to), input, [input.length]).buffer)
    for (const chunks of [[1], [2, 3, 5, 7, 11, 13, 997], [Math.round(from * 0.037)]])
      if (!Buffer.from(convert(new Resampler(from, to), input, chunks).buffer).equals(whole))
        t.fail(`${from} -> ${to} in chunks of ${chunks.join(', ')}`)
  }
  t.pass()
})

t.test('reset forgets the past, where flush would play it', async t => {
  const resampler = new Resampler(16_000, 8000)
  const out = new Int16Array(resampler.maxOutput(320))
  resampler.process(new Int16Array(317).fill(20_000), out)
  resampler.reset()
  t.equal(resampler.process(new Int16Array(320), out), 160)
  t.ok(
    out.every(sample => sample === 0),
    'nothing of the old stream, and the count starts over',
  )
})

t.test('37 ms chunks of synthesised speech leave no seam', async t => {
  const tone = sine(440, 24_000, 24_000, 15_000)
  const cut = convert(new Resampler(24_000, 8000), tone, [888])
  t.same(cut, convert(new Resampler(24_000, 8000), tone, [480]))
  const steps = cut.subarray(200, 7800).map((sample, i, all) => (i === 0 ? 0 : sample - all[i - 1]!))
  const steepest = (2 * Math.PI * 440 * 15_000) / 8000
  t.ok(Math.max(...steps.map(Math.abs)) <= steepest + 1)
})

t.test(
  'a 20 ms frame gives exactly 20 ms from the first call on, and the total is the exact share',
  async t => {
    for (const [from, to] of pairs) {
      if (from % 50 !== 0 || to % 50 !== 0) continue
      const resampler = new Resampler(from, to)
      const frame = new Int16Array(from / 50)
      const out = new Int16Array(resampler.maxOutput(frame.length))
      for (let i = 0; i < 10; i += 1)
        if (resampler.process(frame, out) !== to / 50) t.fail(`${from} -> ${to}, frame ${i}`)
    }
    t.pass()
  },
)

t.test('flush gives back all that the delay held, and the resampler starts afresh', async t => {
  const resampler = new Resampler(8000, 16_000)
  const click = new Int16Array(160)
  click[159] = 10_000
  const first = convert(resampler, click)
  t.ok(first.length > 320)
  const peak = first.indexOf(Math.max(...first))
  t.ok(
    Math.abs(peak - (159 * 2 + (resampler.delayMs / 1000) * 16_000)) <= 1,
    'the click is there, once, delayed',
  )
  t.same(convert(resampler, click), first)
})

t.test('full-scale noise is clipped, never wrapped round', async t => {
  const square = Int16Array.from({ length: 800 }, (_, i) => (i % 20 < 10 ? 32_767 : -32_768))
  const out = convert(new Resampler(8000, 16_000), square)
  for (let i = 100; i < 1500; i += 40)
    t.ok(Math.max(...out.subarray(i, i + 40)) > 30_000 && Math.min(...out.subarray(i, i + 40)) < -30_000)
  t.ok(out.every((sample, i) => i === 0 || Math.abs(sample - out[i - 1]!) < 40_000))
})

t.test('a constant stays that constant: no tone from the changing phases', async t => {
  for (const [from, to] of pairs) {
    const out = convert(new Resampler(from, to), new Int16Array(from / 10).fill(1000))
    const middle = out.subarray(Math.round(to * 0.02), Math.round(to * 0.08))
    if (!middle.every(sample => sample === 1000)) t.fail(`${from} -> ${to}`)
  }
  t.pass()
})

t.test('a rate nobody uses, and an output too small, are refused by name', async t => {
  t.throws(() => new Resampler(7999, 8000), { code: 'SIP_OPTION', field: 'from' })
  t.throws(() => new Resampler(8000, 0), { code: 'SIP_OPTION', field: 'to' })
  const resampler = new Resampler(8000, 16_000)
  t.throws(() => resampler.process(new Int16Array(160), new Int16Array(319)), OptionError)
  t.throws(() => resampler.flush(new Int16Array(0)), OptionError)
})

t.test('equal rates pass samples through untouched', async t => {
  const input = sine(440, 8000, 160, 9000)
  const out = new Int16Array(160)
  const resampler = new Resampler(8000, 8000)
  t.equal(resampler.process(input, out), 160)
  t.same(out, input)
  t.equal(resampler.flush(out), 0)
})
