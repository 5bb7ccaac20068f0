import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { LiveAudioSink } from '../../../src/media/audio/audio-sink.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs, peak } from '../../../src/media/audio/level.ts'
import { openSound } from '../../../src/media/audio/sound-file.ts'
import type { Sound } from '../../../src/media/audio/sound-file.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { PCMA } from '../../../src/media/codec/g711.ts'

const folder = mkdtempSync(join(tmpdir(), 'offhook-sound-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

async function all(sound: Sound): Promise<Int16Array> {
  const samples: number[] = []
  for await (const chunk of sound) samples.push(...chunk)
  return Int16Array.from(samples)
}

function octets(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
}

const second = tone({ sampleRate: 8000, hz: 1000, durationMs: 1000, levelDbfs: -20 })
const raw = { encoding: 's16le', sampleRate: 8000 } as const

t.test('raw samples are read as they are told, from octets and from a file', async t => {
  t.same(await all(await openSound(octets(second), { raw })), second)
  const file = join(folder, 'tone.alaw')
  const coded = new Uint8Array(8000)
  PCMA.encoder().encode(second, coded)
  writeFileSync(file, coded)
  const heard = await all(await openSound(file, { raw: { encoding: 'alaw', sampleRate: 8000 } }))
  t.equal(heard.length, 8000)
  t.ok(Math.abs(goertzelDbfs(heard, 8000, 1000) + 20) < 0.2)
})

t.test('of raw stereo one channel, or both mixed', async t => {
  const stereo = new Int16Array(16_000)
  for (let i = 0; i < 8000; i += 1) stereo[2 * i] = second[i]!
  const options = { ...raw, channels: 2 }
  t.same(await all(await openSound(octets(stereo), { raw: options, channel: 0 })), second)
  t.equal(peak(await all(await openSound(octets(stereo), { raw: options, channel: 1 }))), 0)
  const mixed = await all(await openSound(octets(stereo), { raw: options }))
  t.ok(Math.abs(goertzelDbfs(mixed, 8000, 1000) + 26) < 0.1)
})

t.test('it repeats without a seam, begins where it is told, and knows how long it is', async t => {
  const sound = await openSound(octets(second), { raw, times: 3, startMs: 250 })
  t.equal(sound.durationMs, 2750)
  const heard = await all(sound)
  t.same(heard, Int16Array.from([...second.subarray(2000), ...second, ...second]))
})

t.test('an endless one is read while it is played, and its count is right when it is cleared', async t => {
  const sound = await openSound(octets(second), { raw, times: Infinity })
  t.equal(sound.durationMs, Infinity)
  const sink = new LiveAudioSink({ sampleRate: 8000 })
  const playing = sink.play(sound)
  const frame = new Int16Array(160)
  for (let i = 0; i < 200; i += 1) {
    for (let k = 0; k < 3; k += 1) await new Promise(resolve => setImmediate(resolve))
    sink.readFrame(frame)
    t.ok(sink.bufferedMs <= 1200)
  }
  sink.clear()
  const { playedMs, droppedMs, interrupted } = await playing
  t.ok(interrupted)
  t.equal(playedMs, 4000)
  t.ok(droppedMs > 0 && droppedMs <= 1200)
})

t.test('volume and fades', async t => {
  const heard = await all(
    await openSound(octets(second), { raw, times: 2, volumeDb: -6, fadeInMs: 200, fadeOutMs: 400 }),
  )
  const level = (fromMs: number, toMs: number): number => levelDbfs(heard.subarray(fromMs * 8, toMs * 8))
  t.ok(Math.abs(level(300, 1500) + 26) < 0.1, `${level(300, 1500)}`)
  t.ok(level(0, 20) < -45 && level(90, 110) < -31 && level(90, 110) > -33)
  t.ok(level(1790, 1810) < -31 && level(1790, 1810) > -33 && level(1980, 2000) < -45)
  const loud = await all(await openSound(octets(second), { raw, volumeDb: 20 }))
  t.ok(levelDbfs(loud) > -3.01 && peak(loud) >= 32_767, 'cut off, not wrapped')
})

t.test('a file that is cut short while it loops ends the sound', async t => {
  const file = join(folder, 'short.raw')
  writeFileSync(file, octets(second))
  const sound = await openSound(file, { raw, times: Infinity })
  writeFileSync(file, '')
  t.equal((await all(sound)).length, 0)
})

t.test('what is wrong is named', async t => {
  const bytes = octets(second)
  await t.rejects(openSound(bytes), { name: 'WavError', field: 'header' })
  await t.rejects(openSound(join(folder, 'none.wav')), { code: 'ENOENT' })
  await t.rejects(openSound(bytes, { raw: { ...raw, encoding: 's8' as 'u8' } }), /raw.encoding.*"s8".*s16le/)
  await t.rejects(openSound(bytes, { raw: { ...raw, sampleRate: 10 } }), /raw.sampleRate/)
  await t.rejects(openSound(bytes, { raw: { ...raw, channels: 0 } }), /raw.channels/)
  await t.rejects(openSound(bytes, { raw, startMs: 1001 }), /startMs.*1000 ms/)
  await t.rejects(openSound(bytes, { raw, times: 1.5 }), /times/)
  await t.rejects(openSound(bytes, { raw, volumeDb: 21 }), /volumeDb/)
  await t.rejects(openSound(bytes, { raw, fadeInMs: -1 }), /fadeInMs/)
  await t.rejects(openSound(bytes, { raw, times: Infinity, fadeOutMs: 100 }), /fadeOutMs/)
  await t.rejects(openSound(bytes, { raw, channel: 0.5 }), /no channel 0.5/)
  t.equal((await all(await openSound(new Uint8Array(0), { raw, times: Infinity }))).length, 0)
})
