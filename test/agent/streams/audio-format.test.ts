import * as fc from 'fast-check'
import t from 'tap'
import { AudioDecoder, bytesPerSample, encodeAudio } from '../../../src/agent/streams/audio-format.ts'
import type { StreamFormat } from '../../../src/agent/streams/dialect.ts'

const linear: StreamFormat = { encoding: 'L16', sampleRate: 16_000 }

t.test('linear PCM is little-endian', async t => {
  t.same([...encodeAudio(linear, Int16Array.from([0x0102, -2]))], [0x02, 0x01, 0xfe, 0xff])
  t.same([...new AudioDecoder(linear).decode(Uint8Array.from([0x02, 0x01, 0xfe, 0xff]))], [0x0102, -2])
  t.equal(bytesPerSample(linear), 2)
})

t.test('G.711 goes through unchanged, octet for octet', async t => {
  const codes = Uint8Array.from({ length: 256 }, (_, code) => code)
  for (const encoding of ['PCMU', 'PCMA'] as const) {
    const format = { encoding, sampleRate: 8000 }
    const again = encodeAudio(format, new AudioDecoder(format).decode(codes))
    // The two zeros of μ-law sound the same.
    t.same(
      [...again].filter((code, at) => code !== at),
      encoding === 'PCMU' ? [255] : [],
    )
    t.equal(bytesPerSample(format), 1)
  }
})

t.test('however a stream is cut, its samples are the same; a cleared half is forgotten', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.array(fc.nat(7), { minLength: 1 }), (octets, cuts) => {
      const whole = new AudioDecoder(linear).decode(octets.slice(0, octets.length & ~1))
      const decoder = new AudioDecoder(linear)
      const samples: number[] = []
      let at = 0
      for (let i = 0; at < octets.length; i += 1) {
        const length = i < 1000 ? (cuts[i % cuts.length] ?? 1) : octets.length
        samples.push(...decoder.decode(octets.subarray(at, at + length)))
        at += length
      }
      return samples.length === whole.length && samples.every((sample, i) => sample === whole[i])
    }),
  )
  const decoder = new AudioDecoder(linear)
  t.same([...decoder.decode(Uint8Array.from([1]))], [])
  decoder.reset()
  t.same([...decoder.decode(Uint8Array.from([2, 0]))], [2])
})
