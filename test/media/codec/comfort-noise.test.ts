import { assert, integer, property, uint8Array } from 'fast-check'
import t from 'tap'
import { ComfortNoiseEncoder, ComfortNoiseGenerator } from '../../../src/media/codec/comfort-noise.ts'

function decibels(samples: Int16Array): number {
  let power = 0
  for (const sample of samples) power += sample * sample
  return 10 * Math.log10(power / samples.length / 32_768 ** 2)
}

/** `seconds` of what a generator makes of one payload, in frames of 20 ms. */
function noise(payload: Uint8Array, sampleRate: number, seconds = 4): Int16Array {
  const generator = new ComfortNoiseGenerator({ sampleRate })
  const out = new Int16Array(sampleRate * seconds)
  generator.update(payload)
  for (let at = 0; at < out.length; at += sampleRate / 50)
    generator.generate(out.subarray(at, at + sampleRate / 50))
  return out
}

/** Power in dB around one frequency (share of the sample rate), averaged over many windows of 64 samples. */
function densityAt(samples: Int16Array, frequency: number): number {
  const length = 64
  let power = 0
  let windows = 0
  for (let start = 0; start + length <= samples.length; start += length / 2, windows += 1) {
    let re = 0
    let im = 0
    for (let i = 0; i < length; i += 1) {
      const value = samples[start + i]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / length))
      re += value * Math.cos(2 * Math.PI * frequency * i)
      im += value * Math.sin(2 * Math.PI * frequency * i)
    }
    power += re * re + im * im
  }
  // The window's own energy is 3/8 of its length.
  return 10 * Math.log10(power / windows / ((length * 3) / 8) / 32_768 ** 2)
}

/** The density that a payload describes, in dB: of an all-pole model with the polynomial of the coefficients. */
function describedAt(payload: Uint8Array, frequency: number): number {
  let polynomial = [1]
  let prediction = 1
  for (const index of payload.subarray(1)) {
    const k = (258 * (index - 127)) / 32_768
    const longer = [...polynomial, 0]
    polynomial = longer.map((value, i) => value + k * longer[longer.length - 1 - i]!)
    prediction *= 1 - k * k
  }
  const re = polynomial.reduce((sum, a, i) => sum + a * Math.cos(2 * Math.PI * frequency * i), 0)
  const im = polynomial.reduce((sum, a, i) => sum - a * Math.sin(2 * Math.PI * frequency * i), 0)
  return -payload[0]! + 10 * Math.log10(prediction / (re * re + im * im))
}

/** Coloured noise: the steady state of x[n] = excitation - a1 x[n-1] - a2 x[n-2]. */
function coloured(a1: number, a2: number, rms: number, length: number): Int16Array {
  let seed = 99
  let one = 0
  let two = 0
  const raw = Float64Array.from({ length }, () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0
    const value = seed / 2 ** 31 - a1 * one - a2 * two
    two = one
    one = value
    return value
  })
  const power = Math.sqrt(raw.reduce((sum, value) => sum + value * value, 0) / length)
  return Int16Array.from(raw, value => Math.round((value / power) * rms))
}

function described(pcm: Int16Array, sampleRate: number, order = 10): Uint8Array {
  const encoder = new ComfortNoiseEncoder({ sampleRate, order })
  for (let at = 0; at < pcm.length; at += sampleRate / 50)
    encoder.analyse(pcm.subarray(at, at + sampleRate / 50))
  return encoder.payload()
}

for (const sampleRate of [8000, 16_000])
  for (const level of [20, 40, 60, 75])
    t.test(`noise of -${level} dBov at ${sampleRate} Hz is heard at that level within 1 dB`, async t => {
      const plain = decibels(noise(Uint8Array.of(level), sampleRate))
      t.ok(Math.abs(plain + level) < 1, `white: ${plain.toFixed(2)}`)
      const low = Uint8Array.of(level, 20, 160, 100, 130)
      const shaped = decibels(noise(low, sampleRate))
      t.ok(Math.abs(shaped + level) < 1, `coloured: ${shaped.toFixed(2)}`)
    })

t.test('the spectrum is the one of the coefficients, within 1.5 dB (RFC 3389 §3.2)', async t => {
  for (const coefficients of [
    [],
    [37],
    [210],
    [60, 190],
    [30, 180, 100, 140, 127, 120, 130, 125, 128, 127],
  ]) {
    const payload = Uint8Array.of(30, ...coefficients)
    const heard = noise(payload, 8000, 8)
    for (const frequency of [0.06, 0.12, 0.2, 0.28, 0.36, 0.44]) {
      const difference = densityAt(heard, frequency) - describedAt(payload, frequency)
      t.ok(
        Math.abs(difference) < 1.5,
        `[${coefficients.join(' ')}] at ${frequency}: ${difference.toFixed(2)} dB`,
      )
    }
  }
})

t.test('a negative first coefficient is noise of low frequencies', async t => {
  const low = noise(Uint8Array.of(30, 20), 8000)
  t.ok(densityAt(low, 0.05) > densityAt(low, 0.45) + 13)
})

t.test('what is analysed sounds the same at the far end: level within 1 dB, spectrum within 2', async t => {
  for (const [sampleRate, a1, a2] of [
    [8000, 0, 0],
    [8000, -0.8, 0.2],
    [8000, -1.2, 0.7],
    [8000, 0.6, 0],
    [16_000, -1.5, 0.65],
  ] as const) {
    const room = coloured(a1, a2, 300, sampleRate * 4)
    const far = noise(described(room, sampleRate), sampleRate)
    const level = decibels(far) - decibels(room)
    t.ok(Math.abs(level) < 1, `level of ${a1}, ${a2}: ${level.toFixed(2)} dB`)
    for (const frequency of [0.06, 0.14, 0.22, 0.3, 0.38, 0.46]) {
      const difference = densityAt(far, frequency) - densityAt(room, frequency)
      t.ok(Math.abs(difference) < 2, `${a1}, ${a2} at ${frequency}: ${difference.toFixed(2)} dB`)
    }
  }
})

t.test('the level octet counts down from a full-scale square wave (§3.1)', async t => {
  const square = Int16Array.from({ length: 800 }, (_, i) => (i % 2 ? -32_768 : 32_767))
  t.equal(described(square, 8000, 0)[0], 0)
  t.equal(described(coloured(0, 0, 32_768 / 1000, 8000), 8000, 0)[0], 60)
  t.equal(described(new Int16Array(1600), 8000)[0], 127, 'digital silence')
  t.equal(
    described(
      Int16Array.from({ length: 1600 }, () => 5000),
      8000,
    )[0],
    127,
    'an offset is not heard',
  )
})

t.test('silence before the first update; an empty payload changes nothing', async t => {
  const generator = new ComfortNoiseGenerator({ sampleRate: 8000 })
  const out = new Int16Array(160).fill(7)
  generator.update(new Uint8Array(0))
  generator.generate(out)
  t.ok(out.every(sample => sample === 0))
  t.equal(generator.level, undefined)
  generator.update(Uint8Array.of(0x80 | 50))
  t.equal(generator.level, 50, 'the highest bit means nothing')
})

t.test('an update is glided into, not jumped to', async t => {
  const generator = new ComfortNoiseGenerator({ sampleRate: 8000 })
  const out = new Int16Array(160)
  generator.update(Uint8Array.of(70))
  generator.generate(out)
  generator.update(Uint8Array.of(30))
  generator.generate(out)
  const soon = decibels(out)
  t.ok(soon < -45 && soon > -65, `20 ms later: ${soon.toFixed(1)}`)
  for (let i = 0; i < 20; i += 1) generator.generate(out)
  t.ok(decibels(out) > -32, '400 ms later')
})

t.test('a sender hears of a change of level and of spectrum, and of nothing else', async t => {
  const encoder = new ComfortNoiseEncoder({ sampleRate: 8000 })
  const take = (pcm: Int16Array): void => {
    for (let at = 0; at < pcm.length; at += 160) encoder.analyse(pcm.subarray(at, at + 160))
  }
  t.equal(encoder.changed, false, 'nothing is known yet')
  const room = coloured(-0.8, 0.2, 200, 16_000)
  take(room)
  t.equal(encoder.changed, true)
  encoder.payload()
  for (let i = 0; i < 5; i += 1) {
    take(room)
    t.equal(encoder.changed, false, 'the same room')
  }
  take(coloured(-0.8, 0.2, 320, 16_000))
  t.equal(encoder.changed, true, '4 dB more')
  encoder.payload()
  take(coloured(0.6, 0, 320, 16_000))
  t.equal(encoder.changed, true, 'a window is opened')
  encoder.reset()
  t.equal(encoder.changed, false)
})

t.test('whatever a peer describes, the noise keeps its level, and quiet is quiet again', async t => {
  const generator = new ComfortNoiseGenerator({ sampleRate: 8000 })
  assert(
    property(uint8Array({ minLength: 1, maxLength: 40 }), integer({ min: 15, max: 70 }), (payload, level) => {
      payload[0] = level
      // Sharp resonances make slow noise, whose level takes longer to tell than this test listens.
      const blunt = payload.map((index, i) => (i === 0 ? index : Math.max(90, Math.min(165, index))))
      if (Math.abs(decibels(noise(blunt, 8000, 1)) + level) > 2) return false
      const out = new Int16Array(160)
      generator.update(payload)
      for (let i = 0; i < 20; i += 1) generator.generate(out)
      generator.update(Uint8Array.of(127))
      for (let i = 0; i < 100; i += 1) generator.generate(out)
      return out.every(sample => Math.abs(sample) <= 1)
    }),
    { numRuns: 60 },
  )
  t.pass()
})
