import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { CallRecording } from '../../../src/media/audio/recording.ts'
import type { RecordingSink } from '../../../src/media/audio/recording-sink.ts'
import { ToneGenerator } from '../../../src/media/audio/tones.ts'
import { WavReader } from '../../../src/media/audio/wav-reader.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { MemorySink } from './memory-sink.ts'

const options = { callRate: 8000, random: seededRandom(1) }

function filled(value: number): Int16Array {
  return new Int16Array(160).fill(value)
}

function channel(sink: MemorySink, index: number): Promise<Int16Array> {
  return WavReader.fromBytes(sink.bytes(), { channel: index }).readAll()
}

t.test('the other party is left, we are right, each turn side by side', async t => {
  const sink = new MemorySink()
  const recording = await CallRecording.open(sink, options)
  for (let i = 0; i < 100; i += 1) recording.turn(1000 + i * 20, filled(i), filled(-i))
  const { durationMs, bytes, file, droppedMs } = await recording.stop()
  t.same(
    { durationMs, bytes, file, droppedMs },
    { durationMs: 2000, bytes: 44 + 64_000, file: undefined, droppedMs: 0 },
  )
  t.equal(sink.bytes().length, bytes)
  const [left, right] = [await channel(sink, 0), await channel(sink, 1)]
  for (const turn of [0, 1, 49, 99]) {
    t.equal(left[turn * 160], turn)
    t.equal(right[turn * 160 + 159], turn === 0 ? 0 : -turn)
  }
})

t.test(
  'turns that never came and sides that say nothing are silence, and what follows keeps its place',
  async t => {
    const sink = new MemorySink()
    const recording = await CallRecording.open(sink, options)
    recording.turn(0, filled(1), undefined)
    recording.turn(20, undefined, filled(2))
    recording.turn(5020, filled(3), filled(4))
    await recording.stop()
    const [left, right] = [await channel(sink, 0), await channel(sink, 1)]
    t.equal(left.length, 5040 * 8)
    t.same([left[0], left[160], left[40_159], left[40_160]], [1, 0, 0, 3])
    t.same([right[0], right[160], right[320], right[40_160]], [0, 2, 0, 4])
  },
)

t.test('while paused silence is recorded', async t => {
  const sink = new MemorySink()
  const recording = await CallRecording.open(sink, options)
  recording.turn(0, filled(1), filled(1))
  recording.pause()
  t.equal(recording.paused, true)
  recording.turn(20, filled(2), filled(2))
  recording.resume()
  recording.turn(40, filled(3), filled(3))
  t.equal(recording.durationMs, 60)
  await recording.stop()
  const left = await channel(sink, 0)
  t.same([left[0], left[160], left[319], left[320]], [1, 0, 0, 3])
})

t.test('mixed: both in one channel, without clipping', async t => {
  const sink = new MemorySink()
  const recording = await CallRecording.open(sink, { ...options, channels: 'mixed' })
  recording.turn(0, filled(1000), filled(-300))
  recording.turn(20, filled(32_000), filled(32_000))
  await recording.stop()
  const reader = WavReader.fromBytes(sink.bytes())
  t.equal(reader.channels, 1)
  const samples = await reader.readAll()
  t.equal(samples[0], 700)
  t.ok((samples[160] ?? 0) > 30_000 && (samples[160] ?? 0) < 32_767)
})

t.test('a slow sink costs silence, counted, but neither memory nor time', async t => {
  const inner = new MemorySink()
  let release: (() => void) | undefined
  const slow: RecordingSink = {
    async write(chunk) {
      await new Promise<void>(resolve => {
        release = resolve
      })
      inner.write(chunk)
    },
    patch: (position, bytes) => inner.patch(position, bytes),
    close: () => inner.close(),
  }
  const recording = await CallRecording.open(slow, options)
  for (let i = 0; i < 3000; i += 1) recording.turn(i * 20, filled(5), filled(5))
  const stopped = recording.stop()
  for (let i = 0; i < 1000; i += 1) {
    release?.()
    await Promise.resolve()
  }
  const result = await stopped
  t.equal(result.durationMs, 60_000)
  t.ok((result.droppedMs ?? 0) > 40_000 && (result.droppedMs ?? 0) < 60_000, `${result.droppedMs} ms dropped`)
  const left = await channel(inner, 0)
  t.equal(left.length, 480_000)
  t.equal(left[0], 5)
  t.equal(left[479_999], 0)
})

t.test('a sink that fails ends the recording, not the call', async t => {
  let writes = 0
  const recording = await CallRecording.open(
    {
      write() {
        writes += 1
        if (writes > 2) throw new Error('disk full')
      },
      close() {},
    },
    { ...options },
  )
  for (let i = 0; i < 500; i += 1) {
    recording.turn(i * 20, filled(1), filled(1))
    await Promise.resolve()
  }
  const { error, durationMs } = await recording.stop()
  t.match(error, { message: 'disk full' })
  t.equal(durationMs, 500)
  t.ok(writes < 10, 'it was not tried again and again')
})

t.test('stop() can be called again, and turns after it change nothing', async t => {
  const sink = new MemorySink()
  let stops = 0
  const recording = await CallRecording.open(sink, {
    ...options,
    onStop: () => {
      stops += 1
    },
  })
  recording.turn(0, filled(1), filled(1))
  const first = await recording.stop()
  recording.turn(20, filled(1), filled(1))
  t.same(await recording.stop(), first)
  await recording[Symbol.asyncDispose]()
  t.equal(stops, 1)
  t.equal(sink.closed, 1)
  t.equal(first.durationMs, 20)
})

t.test('to a file: what is there before the end is playable already', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'offhook-recording-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'call.wav')
  const recording = await CallRecording.open(file, { ...options })
  for (let i = 0; i < 500; i += 1) recording.turn(i * 20, filled(9), filled(9))
  const result = await recording.stop()
  t.equal(result.file, file)
  t.equal(result.bytes, (await readFile(file)).length)
  t.equal((await WavReader.open(file)).durationMs, 10_000)
  await t.rejects(CallRecording.open(join(folder, 'none', 'call.wav'), { ...options }), {
    code: 'ENOENT',
  })
})

t.test('G.711 in WAV takes half the room, or a quarter, and sounds the same', async t => {
  for (const format of ['pcmu', 'pcma'] as const) {
    const sink = new MemorySink()
    const recording = await CallRecording.open(sink, { ...options, format })
    for (let i = 0; i < 100; i += 1) recording.turn(i * 20, filled(1000), filled(-2000))
    const { bytes } = await recording.stop()
    t.equal(bytes, 58 + 32_000)
    const [left, right] = [await channel(sink, 0), await channel(sink, 1)]
    t.equal(left.length, 16_000)
    t.ok(Math.abs((left[8000] ?? 0) - 1000) <= 32, `${left[8000]}`)
    t.ok(Math.abs((right[8000] ?? 0) + 2000) <= 64, `${right[8000]}`)
  }
})

t.test('a mono G.711 file of an odd number of samples ends at an even octet', async t => {
  const sink = new MemorySink()
  const recording = await CallRecording.open(sink, { ...options, format: 'pcmu', channels: 'mixed' })
  recording.turn(0, new Int16Array(161).fill(500), undefined)
  await recording.stop()
  t.equal(sink.bytes().length, 58 + 162)
  t.equal(sink.bytes().readUInt32LE(4), sink.bytes().length - 8)
  t.equal((await WavReader.fromBytes(sink.bytes()).readAll()).length, 161)
})

t.test('the file may have another rate than the call: both sides keep pitch and place', async t => {
  const sink = new MemorySink()
  const recording = await CallRecording.open(sink, { ...options, callRate: 24_000, sampleRate: 16_000 })
  const low = new ToneGenerator({ sampleRate: 24_000, hz: 500 })
  const high = new ToneGenerator({ sampleRate: 24_000, hz: 1200 })
  for (let i = 0; i < 100; i += 1) {
    recording.turn(i * 20, low.render(new Int16Array(480)), high.render(new Int16Array(480)))
  }
  const { durationMs } = await recording.stop()
  t.equal(durationMs, 2000)
  const reader = WavReader.fromBytes(sink.bytes())
  t.equal(reader.sampleRate, 16_000)
  const [left, right] = [await channel(sink, 0), await channel(sink, 1)]
  t.ok(goertzelDbfs(left.subarray(1600), 16_000, 500) > -17)
  t.ok(goertzelDbfs(left.subarray(1600), 16_000, 1200) < -70)
  t.ok(goertzelDbfs(right.subarray(1600), 16_000, 1200) > -17)
  t.ok(goertzelDbfs(right.subarray(1600), 16_000, 500) < -70)
})

t.test('the format goes with the name of the file, or is refused', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'offhook-recording-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const firstOctets = async (name: string): Promise<string> => {
    const recording = await CallRecording.open(join(folder, name), options)
    recording.turn(0, filled(1), filled(1))
    await recording.stop()
    return (await readFile(join(folder, name))).toString('latin1', 0, 4)
  }
  t.equal(await firstOctets('a.wav'), 'RIFF')
  t.equal(await firstOctets('a.WAV'), 'RIFF')
  t.equal(await firstOctets('a'), 'RIFF')
  t.equal(await firstOctets('a.opus'), 'OggS')
  t.equal(await firstOctets('a.ogg'), 'OggS')
  await t.rejects(CallRecording.open(join(folder, 'b.wav'), { ...options, format: 'opus' }), {
    code: 'SIP_OPTION',
    field: 'format',
    message: /name it \*\.opus/,
  })
  await t.rejects(CallRecording.open(join(folder, 'b.ogg'), { ...options, format: 'pcm' }), {
    code: 'SIP_OPTION',
    field: 'format',
  })
  await t.rejects(CallRecording.open('x', { ...options, format: 'mp3' as 'pcm' }), {
    code: 'SIP_OPTION',
    field: 'format',
    message: /pcm, pcmu, pcma, opus/,
  })
  await t.rejects(CallRecording.open(join(folder, 'b.wav'), { ...options, sampleRate: 9000 }), {
    code: 'SIP_OPTION',
    field: 'sampleRate',
  })
  t.same(await readdir(folder), ['a', 'a.WAV', 'a.ogg', 'a.opus', 'a.wav'], 'what is refused leaves no file')
})

t.test('the result says when the file begins, on the clock of the frames', async t => {
  const recording = await CallRecording.open(new MemorySink(), { ...options, originMs: 1000 })
  recording.turn(1240, filled(1), undefined)
  t.equal((await recording.stop()).startedAtMs, 240)
})

t.test('a recording that breaks off says so once, while the call goes on', async t => {
  const failures: unknown[] = []
  const full = { write: () => Promise.reject(new Error('no space left')), close: () => undefined }
  const recording = await CallRecording.open(full, {
    ...options,
    onFail: (failed, error) => failures.push(failed.file, error.message),
  })
  for (let i = 0; i < 100; i += 1) recording.turn(i * 20, filled(1), filled(1))
  await new Promise(resolve => setImmediate(resolve))
  t.match(recording.error, { message: 'no space left' })
  for (let i = 100; i < 200; i += 1) recording.turn(i * 20, filled(1), filled(1))
  t.match(await recording.stop(), { error: { message: 'no space left' }, durationMs: 0 })
  t.same(failures, [undefined, 'no space left'])
})

t.test('channels that there are not, and a name that promises another format, are refused', async t => {
  for (const [file, wrong, field] of [
    ['never.wav', { channels: 'stereo' as 'mixed' }, 'channels'],
    ['never.mp3', {}, 'file'],
    ['never.FLAC', { format: 'pcm' }, 'file'],
  ] as const) {
    await t.rejects(CallRecording.open(file, { ...options, ...wrong }), { code: 'SIP_OPTION', field })
  }
})
