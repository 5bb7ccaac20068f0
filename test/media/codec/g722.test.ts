import { createHash } from 'node:crypto'
import { array, assert, integer, property } from 'fast-check'
import t from 'tap'
import { HigherBand, LowerBand } from '../../../src/media/codec/g722-band.ts'
import { G722 } from '../../../src/media/codec/g722.ts'
import { bandVectors, codecVectors, randomCodes, sequence, stimulus } from './g722-vectors.ts'

function digest(samples: Int16Array | Uint8Array): string {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
  return createHash('sha256').update(bytes).digest('hex')
}

function encoded(pcm: Int16Array, frame = 320): Uint8Array {
  const encoder = G722.encoder()
  const out = new Uint8Array(pcm.length / 2)
  for (let at = 0; at < pcm.length; at += frame)
    encoder.encode(pcm.subarray(at, at + frame), out.subarray(at / 2))
  return out
}

function decoded(codes: Uint8Array, frame = 160): Int16Array {
  const decoder = G722.decoder()
  const out = new Int16Array(codes.length * 2)
  for (let at = 0; at < codes.length; at += frame)
    decoder.decode(codes.subarray(at, at + frame), out.subarray(at * 2))
  return out
}

/** Appendix II, configuration 2: both bands of each code, 16 bits each. */
function bandsOf(codes: Uint8Array): Int16Array {
  const lower = new LowerBand()
  const higher = new HigherBand()
  const out = new Int16Array(codes.length * 2)
  for (const [i, code] of codes.entries()) {
    out[i * 2] = lower.decode(code & 0x3f) << 1
    out[i * 2 + 1] = higher.decode(code >> 6) << 1
  }
  return out
}

for (const vector of codecVectors)
  t.test(`${vector.stimulus}: the octets of ffmpeg and spandsp, and the samples of ffmpeg`, async t => {
    const codes = encoded(stimulus(vector.stimulus))
    t.equal(Buffer.from(codes.subarray(0, 24)).toString('hex'), vector.start)
    t.equal(digest(codes), vector.encoded)
    t.equal(digest(decoded(codes)), vector.decoded)
  })

for (const vector of bandVectors)
  t.test(
    `${vector.stimulus}: both bands alone as spandsp's (G.722 Appendix II, filters bypassed)`,
    async t => {
      const lower = new LowerBand()
      const higher = new HigherBand()
      const codes = Uint8Array.from(stimulus(vector.stimulus), sample => {
        const low = lower.encode(sample >> 1)
        return (higher.encode(sample >> 1) << 6) | low
      })
      t.equal(digest(codes), vector.encoded)
      t.equal(digest(bandsOf(codes)), vector.decoded)
    },
  )

t.test('any octets in any order decode as the references decode them', async t => {
  const next = sequence(7)
  const codes = Uint8Array.from({ length: 16_000 }, () => next() >> 24)
  t.equal(digest(decoded(codes)), randomCodes.codec)
  t.equal(digest(bandsOf(codes)), randomCodes.bands)
})

t.test('overload is limited to the 15 bits of a band, and the decoder never wraps', async t => {
  const loud = Int16Array.from({ length: 16_000 }, (_, i) => (i % 160 < 80 ? 32_767 : -32_768))
  const out = decoded(encoded(loud))
  // Past the filter's delay of 22 samples, the middle of each half keeps its sign.
  for (let i = 1600; i < out.length - 160; i += 80) {
    const middle = out[i + 22 + 40]!
    if (Math.sign(middle) !== Math.sign(loud[i + 40]!)) t.fail(`sample ${i + 62} is ${middle}`)
  }
  t.pass()
})

for (const [hz, least] of [
  [300, 40],
  [1000, 38],
  [3000, 30],
  [6500, 15],
] as const)
  t.test(
    `a tone of ${hz} Hz at -10 dBm0 comes back with at least ${least} dB of signal to noise`,
    async t => {
      const pcm = Int16Array.from({ length: 16_000 }, (_, i) =>
        Math.round(7000 * Math.sin((2 * Math.PI * hz * i) / 16_000)),
      )
      const out = decoded(encoded(pcm))
      let signal = 0
      let noise = 0
      // The two filters together delay by 22 samples.
      for (let i = 1600; i < out.length; i += 1) {
        const ideal = 7000 * Math.sin((2 * Math.PI * hz * (i - 22)) / 16_000)
        signal += ideal ** 2
        noise += (out[i]! - ideal) ** 2
      }
      const ratio = 10 * Math.log10(signal / noise)
      t.ok(ratio > least, `${ratio.toFixed(1)} dB`)
    },
  )

t.test('however the stream is cut into frames, the same octets and samples come out', async t => {
  const pcm = stimulus('noise').subarray(0, 4000)
  const codes = encoded(pcm)
  const samples = decoded(codes)
  assert(
    property(array(integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }), lengths => {
      const encoder = G722.encoder()
      const decoder = G722.decoder()
      let at = 0
      for (const length of lengths) {
        const end = Math.min(codes.length, at + length)
        const out = new Uint8Array(end - at)
        const back = new Int16Array((end - at) * 2)
        if (encoder.encode(pcm.subarray(at * 2, end * 2), out) !== end - at) return false
        if (decoder.decode(out, back) !== back.length) return false
        if (!Buffer.from(out).equals(codes.subarray(at, end))) return false
        if (back.some((sample, i) => sample !== samples[at * 2 + i])) return false
        at = end
      }
      return true
    }),
    { numRuns: 50 },
  )
  t.pass()
})

t.test('two streams do not disturb each other', async t => {
  const pcm = stimulus('noise').subarray(0, 3200)
  const other = stimulus('steps')
  const encoder = G722.encoder()
  const second = G722.encoder()
  const out = new Uint8Array(1600)
  const spare = new Uint8Array(160)
  for (let at = 0; at < pcm.length; at += 320) {
    encoder.encode(pcm.subarray(at, at + 320), out.subarray(at / 2))
    second.encode(other.subarray(at, at + 320), spare)
  }
  t.same(out, encoded(pcm))
})

t.test('20 ms are 320 samples, 160 octets and 160 units of the clock (RFC 3551 §4.5.2)', async t => {
  t.equal(G722.payloadType, 9)
  t.equal((320 * G722.clockRate) / G722.sampleRate, 160)
  t.equal(G722.maxPayloadBytes(320), 160)
  t.equal(G722.maxSamples(160), 320)
  const out = new Uint8Array(200)
  t.equal(G722.encoder().encode(new Int16Array(320), out), 160)
  t.equal(G722.encoder().encode(new Int16Array(321), out), 160, 'an odd sample is left out')
  t.equal(G722.decoder().decode(new Uint8Array(160), new Int16Array(100)), 100, 'cut to the room there is')
})
