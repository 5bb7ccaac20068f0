import t from 'tap'
import { ComfortNoiseEncoder, ComfortNoiseGenerator } from '../../../src/media/codec/comfort-noise.ts'
import { PCMA } from '../../../src/media/codec/g711.ts'
import { G722 } from '../../../src/media/codec/g722.ts'
import { L16 } from '../../../src/media/codec/l16.ts'
import { Resampler } from '../../../src/media/codec/resampler.ts'
import { octetsPerCall } from './allocation.ts'

t.test('the measurement sees an allocation', async t => {
  const kept: object[] = [{}]
  t.ok(
    octetsPerCall(() => {
      kept[0] = { frame: kept.length }
    }) >= 8,
  )
})

for (const codec of [PCMA, G722, L16.mono16k])
  t.test(`${codec.name}: a frame allocates nothing, coded or decoded`, async t => {
    const encoder = codec.encoder()
    const decoder = codec.decoder()
    const pcm = Int16Array.from(
      { length: codec.sampleRate / 50 },
      (_, i) => 9000 * Math.sin(i * i * 1e-3),
    ).fill(0, 100)
    const payload = new Uint8Array(codec.maxPayloadBytes(pcm.length))
    const back = new Int16Array(codec.maxSamples(payload.length))
    t.ok(octetsPerCall(() => encoder.encode(pcm, payload)) < 8)
    t.ok(octetsPerCall(() => decoder.decode(payload, back)) < 8)
  })

t.test('comfort noise: a frame allocates nothing, described or made', async t => {
  const encoder = new ComfortNoiseEncoder({ sampleRate: 8000 })
  const generator = new ComfortNoiseGenerator({ sampleRate: 8000 })
  const frame = Int16Array.from({ length: 160 }, (_, i) => ((i * 7919) % 200) - 100)
  t.ok(octetsPerCall(() => encoder.analyse(frame)) < 8)
  generator.update(encoder.payload())
  t.ok(octetsPerCall(() => generator.generate(frame)) < 8)
})

for (const [from, to] of [
  [8000, 16_000],
  [24_000, 8000],
  [48_000, 44_100],
] as const)
  t.test(`resampler ${from} -> ${to}: a frame allocates nothing`, async t => {
    const resampler = new Resampler(from, to)
    const input = Int16Array.from({ length: from / 50 }, (_, i) => ((i * 7919) % 20_000) - 10_000)
    const output = new Int16Array(resampler.maxOutput(input.length))
    t.ok(octetsPerCall(() => void resampler.process(input, output)) < 8)
  })
