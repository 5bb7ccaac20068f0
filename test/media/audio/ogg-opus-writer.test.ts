import t from 'tap'
import { loadCodec } from '../../../src/media/codec/catalogue.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { OggOpusWriter } from '../../../src/media/audio/ogg-opus-writer.ts'
import { ToneGenerator } from '../../../src/media/audio/tones.ts'
import { MemorySink } from './memory-sink.ts'
import { readOgg } from './read-ogg.ts'

const PRE_SKIP = 312
const SERIAL = 0x1234_5678

/** `seconds` of a tone for each channel, interleaved. */
function tones(sampleRate: number, seconds: number, ...hz: readonly number[]): Int16Array {
  const length = Math.round(sampleRate * seconds)
  const channels = hz.map(one => new ToneGenerator({ sampleRate, hz: one }).render(new Int16Array(length)))
  return Int16Array.from(
    { length: length * hz.length },
    (_, at) => channels[at % hz.length]?.[Math.floor(at / hz.length)] ?? 0,
  )
}

async function writer(sink: MemorySink, channels: number): Promise<OggOpusWriter> {
  const codec = await loadCodec('opus')
  const encoders = Array.from({ length: channels }, () => codec.encoder({ ptime: 20 }))
  return new OggOpusWriter(sink, {
    encoders,
    sampleRate: codec.sampleRate,
    preSkip: PRE_SKIP,
    serial: SERIAL,
  })
}

t.test('the headers say what RFC 7845 §5 wants of one channel and of two', async t => {
  for (const [channels, mapping] of [
    [1, [0]],
    [2, [1, 2, 0, 0, 1]],
  ] as const) {
    const sink = new MemorySink()
    const ogg = await writer(sink, channels)
    await ogg.close()
    const [head, tags] = readOgg(sink.bytes())
    t.equal(head?.first, true)
    const octets = Buffer.from(head?.packets[0] ?? [])
    t.equal(octets.toString('latin1', 0, 8), 'OpusHead')
    t.same([octets[8], octets[9], octets.readUInt16LE(10)], [1, channels, PRE_SKIP])
    t.equal(octets.readUInt32LE(12), ogg.sampleRate)
    t.same([...octets.subarray(18)], mapping)
    t.equal(Buffer.from(tags?.packets[0] ?? []).toString('latin1', 0, 8), 'OpusTags')
    t.same([head?.granule, tags?.granule], [0, 0])
  }
})

t.test('what dies leaves every whole second that was written, and the last page never is empty', async t => {
  for (const frames of [49, 50, 51, 99, 100]) {
    const sink = new MemorySink()
    const ogg = await writer(sink, 1)
    await ogg.write(tones(ogg.sampleRate, frames / 50, 400))
    const pages = readOgg(sink.bytes()).slice(2)
    t.same(
      pages.map(page => page.packets.length),
      Array.from({ length: Math.floor(frames / 50) }, () => 50),
    )
    await ogg.close()
    const last = readOgg(sink.bytes()).at(-1)!
    t.ok(last.last && last.packets.length > 0, `${frames} frames`)
    t.equal(last.granule, PRE_SKIP + frames * 960)
  }
})

t.test('pages are numbered, whole, a second long, and the last one says where the sound ends', async t => {
  const sink = new MemorySink()
  const ogg = await writer(sink, 2)
  const sound = tones(ogg.sampleRate, 3.25, 400, 900)
  // In pieces that no frame fits.
  for (let at = 0; at < sound.length; at += 1234) await ogg.write(sound.subarray(at, at + 1234))
  await ogg.close()
  await ogg.close()
  t.equal(sink.closed, 1)
  t.equal(ogg.durationMs, 3250)
  t.equal(ogg.bytes, sink.bytes().length)
  const pages = readOgg(sink.bytes())
  t.same(
    pages.map(page => page.sequence),
    pages.map((_, index) => index),
  )
  t.ok(pages.every(page => page.serial === SERIAL))
  t.same(
    pages.map(page => page.last),
    pages.map((_, index) => index === pages.length - 1),
  )
  t.same(
    pages.slice(2).map(page => page.granule),
    [48_000, 96_000, 144_000, PRE_SKIP + 3.25 * 48_000],
  )
})

t.test('decoded, each channel has its own voice and nothing of the other', async t => {
  const sink = new MemorySink()
  const ogg = await writer(sink, 2)
  await ogg.write(tones(ogg.sampleRate, 2, 400, 900))
  await ogg.close()
  const codec = await loadCodec('opus')
  const decoders = [codec.decoder(), codec.decoder()]
  const frame = new Int16Array(codec.sampleRate / 50)
  const sides: number[][] = [[], []]
  for (const packet of readOgg(sink.bytes())
    .slice(2)
    .flatMap(page => page.packets)) {
    const { first, second } = split(packet)
    for (const [side, payload] of [first, second].entries()) {
      decoders[side]?.decode(payload, frame)
      sides[side]?.push(...frame)
    }
  }
  for (const decoder of decoders) decoder.close?.()
  const [left, right] = sides.map(side =>
    Int16Array.from(side).subarray(codec.sampleRate / 2, codec.sampleRate * 1.5),
  )
  t.ok(left !== undefined && right !== undefined)
  if (left === undefined || right === undefined) return
  t.ok(Math.abs(goertzelDbfs(left, codec.sampleRate, 400) + 16) < 1.5)
  t.ok(Math.abs(goertzelDbfs(right, codec.sampleRate, 900) + 16) < 1.5)
  t.ok(goertzelDbfs(left, codec.sampleRate, 900) < -60)
  t.ok(goertzelDbfs(right, codec.sampleRate, 400) < -60)
})

t.test('what a killed process leaves is whole pages up to the last second', async t => {
  const sink = new MemorySink()
  const ogg = await writer(sink, 1)
  for (let second = 1; second <= 5; second += 1) {
    await ogg.write(tones(ogg.sampleRate, 1, 400))
    const pages = readOgg(sink.bytes())
    t.ok((pages.at(-1)?.granule ?? 0) >= (second - 1) * 48_000, `after ${second} s`)
  }
  await ogg.close()
})

/** A packet of two streams: the first says its length (RFC 6716 Appendix B). */
function split(packet: Uint8Array): { readonly first: Uint8Array; readonly second: Uint8Array } {
  const [toc = 0, low = 0, high = 0] = packet
  const long = low >= 252
  const length = long ? low + high * 4 : low
  const start = long ? 3 : 2
  return {
    first: Uint8Array.from([toc, ...packet.subarray(start, start + length)]),
    second: packet.subarray(start + length),
  }
}
