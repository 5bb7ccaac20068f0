import { loadCodec } from '../src/media/codec/catalogue.ts'
import type { CodecSettings } from '../src/media/codec/catalogue.ts'
import { loadLibopus } from '../src/media/codec/opus-module.ts'
import { benchLine, measure } from './harness.ts'
import type { BenchLine, BenchOptions } from './harness.ts'
import { speechLike } from '../test/media/codec/speech.ts'

const subjects: readonly (readonly [name: string, settings: CodecSettings])[] = [
  ['PCMU', {}],
  ['G722', {}],
  ['L16/16000', {}],
  ['opus', { opus: { sampleRate: 8000 } }],
  ['opus', { opus: { sampleRate: 16_000 } }],
  ['opus', { opus: { sampleRate: 24_000 } }],
  ['opus', { opus: { sampleRate: 24_000, complexity: 0 } }],
  ['opus', { opus: { sampleRate: 24_000, complexity: 10 } }],
  ['opus', { opus: { sampleRate: 48_000 } }],
]

/** The processor time of 20 ms of speech, to encode and to decode, for every codec; Opus with error correction for 5 % of loss. */
export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const lines: BenchLine[] = []
  for (const [name, settings] of subjects) lines.push(...(await cost(name, settings, short ? 25 : 500)))
  lines.push(await memory(short ? 20 : 200))
  return lines
}

async function cost(
  name: string,
  settings: CodecSettings,
  operations: number,
): Promise<readonly BenchLine[]> {
  const codec = await loadCodec(name, settings)
  const { sampleRate } = codec
  const size = sampleRate / 50
  const speech = speechLike(sampleRate, 2000)
  const frames = Array.from({ length: 100 }, (_, i) => speech.subarray(i * size, (i + 1) * size))
  const encoder = codec.encoder({ fmtp: 'useinbandfec=1' })
  const decoder = codec.decoder()
  encoder.expectLoss?.(5)
  const out = new Uint8Array(codec.maxPayloadBytes(size))
  const back = new Int16Array(codec.maxSamples(out.length))
  const payloads = frames.map(frame => out.slice(0, encoder.encode(frame, out)))
  const octets = payloads.reduce((sum, payload) => sum + payload.length, 0)
  const [encode, decode] = await measure(
    [
      {
        name: 'encode',
        run: count => {
          for (let i = 0; i < count; i += 1) encoder.encode(frames[i % 100]!, out)
        },
      },
      {
        name: 'decode',
        run: count => {
          for (let i = 0; i < count; i += 1) decoder.decode(payloads[i % 100]!, back)
        },
      },
    ],
    { operations, rounds: 5 },
  )
  encoder.close?.()
  decoder.close?.()
  const complexity = settings.opus?.complexity
  const label = `${codec.name} ${sampleRate / 1000} kHz${complexity === undefined ? '' : `, complexity ${complexity}`}`
  const note = `${((octets * 8) / 2000).toFixed(1)} kbit/s`
  return [
    benchLine({ name: `${label}: encode 20 ms`, figure: encode!.cpuMicros, unit: 'µs', note }),
    benchLine({ name: `${label}: decode 20 ms`, figure: decode!.cpuMicros, unit: 'µs' }),
  ]
}

/** What a call with Opus holds in the memory of libopus: an encoder and a decoder. */
async function memory(calls: number): Promise<BenchLine> {
  const codec = await loadCodec('opus')
  const { libopus } = await loadLibopus()
  const addresses: number[] = []
  const open = Array.from({ length: calls }, () => {
    const pair = [codec.encoder(), codec.decoder()]
    const probe = libopus._malloc(8)
    addresses.push(probe)
    return { pair, probe }
  })
  const octets = ((addresses.at(-1) ?? 0) - (addresses[0] ?? 0)) / (calls - 1)
  for (const { pair, probe } of open) {
    libopus._free(probe)
    for (const coder of pair) coder.close?.()
  }
  return benchLine({ name: 'opus 24 kHz: memory of libopus', figure: octets / 1000, unit: 'kB/call' })
}
