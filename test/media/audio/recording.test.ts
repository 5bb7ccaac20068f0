import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { CallRecording } from '../../../src/media/audio/recording.ts'
import type { RecordingSink } from '../../../src/media/audio/recording.ts'
import { WavReader } from '../../../src/media/audio/wav-reader.ts'
import { MemorySink } from './memory-sink.ts'

function filled(value: number): Int16Array {
  return new Int16Array(160).fill(value)
}

function channel(sink: MemorySink, index: number): Promise<Int16Array> {
  return WavReader.fromBytes(sink.bytes(), { channel: index }).readAll()
}

t.test('the other party is left, we are right, each turn side by side', async t => {
  const sink = new MemorySink()
  const recording = new CallRecording(sink, { sampleRate: 8000 })
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
    const recording = new CallRecording(sink, { sampleRate: 8000 })
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
  const recording = new CallRecording(sink, { sampleRate: 8000 })
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
  const recording = new CallRecording(sink, { sampleRate: 8000, channels: 'mixed' })
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
  const recording = new CallRecording(slow, { sampleRate: 8000 })
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
  const recording = new CallRecording(
    {
      write() {
        writes += 1
        if (writes > 2) throw new Error('disk full')
      },
      close() {},
    },
    { sampleRate: 8000 },
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
  const recording = new CallRecording(sink, {
    sampleRate: 8000,
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
  const recording = await CallRecording.open(file, { sampleRate: 8000 })
  for (let i = 0; i < 500; i += 1) recording.turn(i * 20, filled(9), filled(9))
  const result = await recording.stop()
  t.equal(result.file, file)
  t.equal(result.bytes, (await readFile(file)).length)
  t.equal((await WavReader.open(file)).durationMs, 10_000)
  await t.rejects(CallRecording.open(join(folder, 'none', 'call.wav'), { sampleRate: 8000 }), {
    code: 'ENOENT',
  })
})
