import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { PCMA, PCMU } from '../../../src/media/codec/g711.ts'
import { WavError } from '../../../src/media/audio/wav-format.ts'
import { WavReader } from '../../../src/media/audio/wav-reader.ts'
import type { WavReadOptions } from '../../../src/media/audio/wav-reader.ts'
import { WavWriter, encodeWav } from '../../../src/media/audio/wav-writer.ts'
import { MemorySink } from './memory-sink.ts'

const SAMPLES = Int16Array.of(0, 1, -1, 1000, -1000, 32_767, -32_768, 12_345)

/** A file made by hand. `format` is the body of the fmt chunk. */
function wav(parts: {
  readonly format: Uint8Array
  readonly data: Uint8Array
  readonly before?: readonly Uint8Array[]
  readonly after?: readonly Uint8Array[]
  readonly dataSize?: number
  readonly riffSize?: number
}): Uint8Array {
  const body = [
    ascii('WAVE'),
    chunk('fmt ', parts.format),
    ...(parts.before ?? []),
    chunk('data', parts.data, parts.dataSize),
    ...(parts.after ?? []),
  ]
  const bytes = Buffer.concat(body)
  return Buffer.concat([ascii('RIFF'), uint32(parts.riffSize ?? bytes.length), bytes])
}

function chunk(id: string, body: Uint8Array, size: number = body.length): Uint8Array {
  const pad = Buffer.alloc(body.length % 2)
  return Buffer.concat([ascii(id), uint32(size), body, pad])
}

function format(tag: number, channels: number, rate: number, bits: number): Uint8Array {
  const out = Buffer.alloc(16)
  out.writeUInt16LE(tag, 0)
  out.writeUInt16LE(channels, 2)
  out.writeUInt32LE(rate, 4)
  out.writeUInt32LE((rate * channels * bits) / 8, 8)
  out.writeUInt16LE((channels * bits) / 8, 12)
  out.writeUInt16LE(bits, 14)
  return out
}

function extensible(tag: number, channels: number, rate: number, bits: number): Uint8Array {
  const rest = Buffer.alloc(24)
  rest.writeUInt16LE(22, 0)
  rest.writeUInt16LE(bits, 2)
  rest.writeUInt16LE(tag, 8)
  const head = Buffer.from(format(0xfffe, channels, rate, bits))
  return Buffer.concat([head, rest])
}

const ascii = (text: string): Buffer => Buffer.from(text, 'latin1')

function uint32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}

function pcm16(samples: ArrayLike<number>): Uint8Array {
  const out = Buffer.alloc(samples.length * 2)
  for (let i = 0; i < samples.length; i += 1) out.writeInt16LE(samples[i] ?? 0, i * 2)
  return out
}

function read(bytes: Uint8Array, options?: WavReadOptions): Promise<Int16Array> {
  return WavReader.fromBytes(bytes, options).readAll()
}

t.test('what encodeWav writes is what WavReader reads', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.int16Array({ maxLength: 3000 }),
      fc.constantFrom(8000, 16_000, 44_100),
      async (samples, rate) => {
        const reader = WavReader.fromBytes(encodeWav(samples, { sampleRate: rate }))
        const back = await reader.readAll()
        return (
          reader.sampleRate === rate &&
          reader.channels === 1 &&
          back.length === samples.length &&
          back.every((v, i) => v === samples[i])
        )
      },
    ),
    { numRuns: 50 },
  )
})

const encodings: readonly (readonly [
  name: string,
  format: Uint8Array,
  data: Uint8Array,
  expected: readonly number[],
])[] = [
  ['8-bit', format(1, 1, 8000, 8), Uint8Array.of(0, 128, 255, 129), [-32_768, 0, 32_512, 256]],
  ['16-bit', format(1, 1, 8000, 16), pcm16(SAMPLES), [...SAMPLES]],
  [
    '24-bit',
    format(1, 1, 8000, 24),
    Uint8Array.of(0, 0, 0x40, 0xff, 0xff, 0xff, 0, 0, 0x80),
    [16_384, 0, -32_768],
  ],
  ['32-bit', format(1, 1, 8000, 32), Uint8Array.of(0, 0, 0, 0x40, 0, 0, 0, 0x80), [16_384, -32_768]],
  [
    'float',
    format(3, 1, 8000, 32),
    new Uint8Array(Float32Array.of(0, 0.5, -1, 2, -2, NaN).buffer),
    [0, 16_384, -32_768, 32_767, -32_768, 0],
  ],
  ['double', format(3, 1, 8000, 64), new Uint8Array(Float64Array.of(0.25, -0.25).buffer), [8192, -8192]],
  ['extensible 16-bit', extensible(1, 1, 8000, 16), pcm16(SAMPLES), [...SAMPLES]],
  ['extensible float', extensible(3, 1, 8000, 32), new Uint8Array(Float32Array.of(0.5).buffer), [16_384]],
]

for (const [name, fmt, data, expected] of encodings) {
  t.test(`${name} samples come out as 16-bit`, async t => {
    const samples = await read(wav({ format: fmt, data }))
    t.same(
      [...samples].map(sample => (sample === 0 ? 0 : sample)),
      expected,
    )
  })
}

for (const [tag, codec] of [
  [6, PCMA],
  [7, PCMU],
] as const) {
  t.test(`${codec.name} in WAV is decoded as the codec does`, async t => {
    const data = Uint8Array.from({ length: 256 }, (_, i) => i)
    const expected = new Int16Array(256)
    codec.decoder().decode(data, expected)
    t.same(await read(wav({ format: format(tag, 1, 8000, 8), data })), expected)
  })
}

t.test('stereo is mixed to one channel, or one of the two is read alone', async t => {
  const file = wav({ format: format(1, 2, 8000, 16), data: pcm16([100, 300, -100, 100, 32_767, 32_767]) })
  t.same([...(await read(file))], [200, 0, 32_767])
  t.same([...(await read(file, { channel: 0 }))], [100, -100, 32_767])
  t.same([...(await read(file, { channel: 1 }))], [300, 100, 32_767])
  t.throws(() => WavReader.fromBytes(file, { channel: 2 }), { code: 'SIP_MEDIA', field: 'channels' })
  t.equal(WavReader.fromBytes(file).durationMs, 3 / 8)
})

const tolerated: readonly (readonly [name: string, file: Uint8Array])[] = [
  [
    'chunks before and after the samples',
    wav({
      format: format(1, 1, 8000, 16),
      data: pcm16(SAMPLES),
      before: [chunk('LIST', ascii('INFOodd'))],
      after: [chunk('id3 ', ascii('abc'))],
    }),
  ],
  [
    'an odd chunk without its pad octet',
    wav({
      format: format(1, 1, 8000, 16),
      data: pcm16(SAMPLES),
      before: [chunk('note', ascii('odd')).subarray(0, 11)],
    }),
  ],
  [
    'a data size of 2^32-1',
    wav({ format: format(1, 1, 8000, 16), data: pcm16(SAMPLES), dataSize: 0xffff_ffff }),
  ],
  [
    'sizes of 0, never filled in',
    wav({ format: format(1, 1, 8000, 16), data: pcm16(SAMPLES), dataSize: 0, riffSize: 0 }),
  ],
  [
    'sizes of an empty file, never filled in',
    wav({ format: format(1, 1, 8000, 16), data: pcm16(SAMPLES), dataSize: 0, riffSize: 36 }),
  ],
  [
    'a data size beyond the end of the file',
    wav({ format: format(1, 1, 8000, 16), data: pcm16(SAMPLES), dataSize: 5000 }),
  ],
  [
    'half a sample at the end',
    Buffer.concat([
      wav({ format: format(1, 1, 8000, 16), data: pcm16(SAMPLES), dataSize: 0xffff_ffff }),
      Buffer.of(1),
    ]),
  ],
]

for (const [name, file] of tolerated) {
  t.test(`a file with ${name} is read`, async t => {
    t.same(await read(file), SAMPLES)
  })
}

t.test('a file that says it is empty is empty, whatever follows', async t => {
  const file = wav({
    format: format(1, 1, 8000, 16),
    data: new Uint8Array(0),
    after: [chunk('LIST', ascii('INFO'))],
  })
  t.equal((await read(file)).length, 0)
})

const refused: readonly (readonly [field: string, file: Uint8Array])[] = [
  ['header', ascii('OggS and so on')],
  ['header', new Uint8Array(3)],
  ['data', wav({ format: format(1, 1, 8000, 16), data: pcm16(SAMPLES) }).subarray(0, 36)],
  ['fmt', Buffer.concat([ascii('RIFF'), uint32(12), ascii('WAVE'), chunk('data', pcm16(SAMPLES))])],
  ['fmt', wav({ format: format(1, 1, 8000, 16).subarray(0, 10), data: pcm16(SAMPLES) })],
  ['format tag', wav({ format: format(0x55, 1, 8000, 16), data: pcm16(SAMPLES) })],
  ['channels', wav({ format: format(1, 0, 8000, 16), data: pcm16(SAMPLES) })],
  ['sample rate', wav({ format: format(1, 1, 0, 16), data: pcm16(SAMPLES) })],
  ['bits per sample', wav({ format: format(1, 1, 8000, 12 * 8), data: pcm16(SAMPLES) })],
]

for (const [index, [field, file]] of refused.entries()) {
  t.test(`a bad file is refused with the part at fault (${index + 1}: ${field})`, async t => {
    try {
      WavReader.fromBytes(file)
      t.fail('it was read')
    } catch (error) {
      t.type(error, WavError)
      t.match(error, { code: 'SIP_MEDIA', field })
    }
  })
}

t.test('whatever the octets, there are samples or a WavError, and it ends', async () => {
  const good = Buffer.from(
    encodeWav(
      Int16Array.from({ length: 200 }, (_, i) => i),
      { sampleRate: 8000, channels: 2 },
    ),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 12 }),
      fc.nat(good.length),
      async (edits, length) => {
        const bytes = Buffer.from(good.subarray(0, length))
        for (const [at, value] of edits) if (at < length) bytes[at] = value
        try {
          return (await read(bytes)).length <= length
        } catch (error) {
          return error instanceof WavError
        }
      },
    ),
    { numRuns: 2000 },
  )
})

t.test('a file on disk is read in chunks, any number of times, and nothing stays open', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'offhook-wav-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'a.wav')
  const samples = Int16Array.from({ length: 20_000 }, (_, i) => i - 10_000)
  await writeFile(file, encodeWav(samples, { sampleRate: 8000 }))
  const reader = await WavReader.open(file)
  t.equal(reader.durationMs, 2500)
  t.same(await reader.readAll(), samples)
  for await (const chunk of reader) {
    t.equal(chunk.length, 800)
    break
  }
  t.same(await reader.readAll(), samples)
  await t.rejects(WavReader.open(join(folder, 'none.wav')), { code: 'ENOENT' })
  await writeFile(file, 'not a WAV file')
  await t.rejects(WavReader.open(file), { code: 'SIP_MEDIA', field: 'header' })
})

t.test('the file is playable at every moment while it is being written', async t => {
  const sink = new MemorySink()
  const writer = new WavWriter(sink, { sampleRate: 8000, channels: 2 })
  const piece = new Int16Array(8000).fill(7)
  for (let i = 1; i <= 7; i += 1) {
    await writer.write(piece)
    // What a killed process leaves behind:
    const left = await read(sink.bytes())
    const written = i * 4000
    t.ok(left.length <= written && left.length >= written - 8000, `${left.length} of ${written} samples`)
    t.equal(
      left.every(sample => sample === 7),
      true,
    )
  }
  t.equal(writer.durationMs, 3500)
  await writer.close()
  await writer.close()
  t.equal(sink.closed, 1)
  t.equal((await read(sink.bytes())).length, 28_000)
  t.equal(writer.bytes, sink.bytes().length)
})

t.test('a sink that cannot go back gets a header that says the length is unknown', async t => {
  const sink = new MemorySink()
  const writer = new WavWriter(
    { write: chunk => sink.write(chunk), close: () => sink.close() },
    { sampleRate: 16_000 },
  )
  await writer.write(SAMPLES)
  await writer.close()
  const bytes = Buffer.from(sink.bytes())
  t.equal(bytes.readUInt32LE(40), 0xffff_ffff)
  t.same(await read(bytes), SAMPLES)
})

t.test('a recording without samples is a valid empty file', async t => {
  const sink = new MemorySink()
  await new WavWriter(sink, { sampleRate: 8000 }).close()
  t.equal((await read(sink.bytes())).length, 0)
  t.equal(sink.bytes().length, 44)
})

t.test('WavWriter.create writes to disk, for the owner only', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'offhook-wav-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'b.wav')
  const writer = await WavWriter.create(file, { sampleRate: 8000 })
  await writer.write(SAMPLES)
  await writer.close()
  t.same(await read(await readFile(file)), SAMPLES)
  await t.rejects(WavWriter.create(join(folder, 'no', 'b.wav'), { sampleRate: 8000 }), { code: 'ENOENT' })
  t.throws(() => new WavWriter(new MemorySink(), { sampleRate: 8000, channels: 0 }), {
    code: 'SIP_OPTION',
    field: 'channels',
  })
})
