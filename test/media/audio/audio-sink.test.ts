import t from 'tap'
import * as fc from 'fast-check'
import { LiveAudioSink } from '../../../src/media/audio/audio-sink.ts'
import type { LiveAudioSinkOptions, PlaySource } from '../../../src/media/audio/audio-sink.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { WavReader } from '../../../src/media/audio/wav-reader.ts'
import { encodeWav } from '../../../src/media/audio/wav-writer.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const FRAME = 160

/** A sink with a pacer that is turned by hand; `sent` is all it was handed, `real` how much of it was written. */
function turned(options: Partial<LiveAudioSinkOptions> = {}): {
  sink: LiveAudioSink
  turn: (times?: number) => Promise<void>
  sent: () => Int16Array
  real: () => number
} {
  const sink = new LiveAudioSink({ sampleRate: 8000, ...options })
  const frames: Int16Array[] = []
  let real = 0
  return {
    sink,
    async turn(times = 1) {
      for (let i = 0; i < times; i += 1) {
        const out = new Int16Array(FRAME)
        real += sink.readFrame(out)
        frames.push(out)
        await drain()
      }
    },
    sent() {
      const all = new Int16Array(frames.length * FRAME)
      for (const [i, samples] of frames.entries()) all.set(samples, i * FRAME)
      return all
    },
    real: () => real,
  }
}

/** Lets promise continuations run. */
async function drain(): Promise<void> {
  for (let i = 0; i < 50; i += 1) await Promise.resolve()
}

async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  const settle = (): void => {
    done = true
  }
  promise.then(settle, settle)
  await drain()
  return done
}

function ramp(from: number, count: number): Int16Array {
  return Int16Array.from({ length: count }, (_, i) => from + i)
}

t.test('chunks of 37 ms leave no seam: the frames are the chunks, end to end', async t => {
  const { sink, turn, sent } = turned()
  const whole = ramp(1, 296 * 20)
  for (let at = 0; at < whole.length; at += 296) {
    await sink.write(whole.subarray(at, at + 296))
    while (sink.bufferedMs >= 20) await turn()
  }
  void sink.flush()
  await turn()
  t.same(sent().subarray(0, whole.length), whole)
})

t.test('chunks of any size come out as they went in, padded only by the flush', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 20 }), async sizes => {
      const { sink, turn, sent, real } = turned()
      let total = 0
      for (const size of sizes) {
        await sink.write(ramp(total % 1000, size))
        total += size
        if (sink.bufferedMs >= 20) await turn()
      }
      const flushed = sink.flush()
      while (sink.bufferedMs > 0) await turn()
      const { playedMs, droppedMs, interrupted } = await flushed
      const expected: number[] = []
      let at = 0
      for (const size of sizes) {
        expected.push(...ramp(at % 1000, size))
        at += size
      }
      return (
        playedMs === total / 8 &&
        droppedMs === 0 &&
        !interrupted &&
        real() === total &&
        expected.every((sample, i) => sent()[i] === sample)
      )
    }),
    { numRuns: 100 },
  )
})

t.test('a rest shorter than a packet waits for the next write', async t => {
  const { sink, turn, real } = turned()
  await sink.write(ramp(1, 200))
  await turn(3)
  t.equal(real(), 160)
  t.equal(sink.bufferedMs, 5)
  await sink.write(ramp(201, 120))
  await turn()
  t.equal(real(), 320)
})

t.test('what is written may be changed afterwards', async t => {
  const { sink, turn, sent } = turned()
  const chunk = new Int16Array(160).fill(1000)
  void sink.write(chunk)
  chunk.fill(-1)
  await turn()
  t.equal(sent()[0], 1000)
})

t.test('write settles at once below the high-water mark, and above it when there is room again', async t => {
  const { sink, turn } = turned({ highWaterMs: 100 })
  t.equal(await settled(sink.write(new Int16Array(800))), true)
  const waiting = sink.write(new Int16Array(320))
  t.equal(await settled(waiting), false)
  await turn()
  t.equal(await settled(waiting), false, '120 ms are left')
  await turn()
  t.equal(await settled(waiting), true, '100 ms are left')
})

t.test('a writer that never waits is bounded: the rest of the write is dropped and counted', async t => {
  const { sink, turn } = turned({ highWaterMs: 100, maxBufferedMs: 200 })
  for (let i = 0; i < 30; i += 1) void sink.write(ramp(1, 160))
  t.equal(sink.bufferedMs, 200)
  t.equal(sink.refusedMs, 400)
  const flushed = sink.flush()
  await turn(10)
  t.same(await flushed, { playedMs: 200, droppedMs: 400, interrupted: false })
})

t.test('flush settles when the last sample was sent, its packet padded with silence', async t => {
  const { sink, turn, sent } = turned()
  void sink.write(new Int16Array(200).fill(5000))
  const flushed = sink.flush()
  await turn()
  t.equal(await settled(flushed), false)
  await turn()
  t.same(await flushed, { playedMs: 25, droppedMs: 0, interrupted: false })
  t.equal(sent()[199], 5000)
  t.equal(sent()[319], 0)
  t.same(await sink.flush(), { playedMs: 0, droppedMs: 0, interrupted: false }, 'nothing new: at once')
})

t.test('audio written behind a flush follows without padding in between', async t => {
  const { sink, turn, sent } = turned()
  void sink.write(ramp(1, 200))
  const flushed = sink.flush()
  void sink.write(ramp(201, 120))
  await turn(2)
  t.same(sent().subarray(0, 320), ramp(1, 320))
  t.same(await flushed, { playedMs: 25, droppedMs: 0, interrupted: false })
  t.same(sink.clear(), { playedMs: 15, droppedMs: 0, interrupted: false }, 'and counts for the next')
})

t.test('clear drops what was not sent and says exactly how much was heard', async t => {
  const { sink, turn } = turned()
  void sink.write(new Int16Array(8000).fill(100))
  await turn(17)
  t.same(sink.clear(), { playedMs: 340, droppedMs: 660, interrupted: true })
  t.equal(sink.bufferedMs, 0)
  t.same(sink.clear(), { playedMs: 0, droppedMs: 0, interrupted: false }, 'the count starts anew')
})

t.test('clear settles every flush and mark that waits, each with its own share', async t => {
  const { sink, turn } = turned()
  void sink.write(new Int16Array(800))
  const first = sink.flush()
  void sink.write(new Int16Array(800))
  const passed = sink.mark('passed')
  void sink.write(new Int16Array(800))
  const second = sink.flush()
  const missed = sink.mark('missed')
  void sink.write(new Int16Array(160))
  await turn(12)
  t.same(sink.clear(), { playedMs: 140, droppedMs: 80, interrupted: true }, 'since the flush that completed')
  t.same(await first, { playedMs: 100, droppedMs: 0, interrupted: false })
  t.same(await passed, { name: 'passed', reached: true })
  t.same(await second, { playedMs: 140, droppedMs: 60, interrupted: true })
  t.same(await missed, { name: 'missed', reached: false })
})

t.test('a mark is reached when the audio before it was sent, the last partial packet included', async t => {
  const { sink, turn } = turned()
  t.same(await sink.mark('now'), { name: 'now', reached: true }, 'with nothing before it: at once')
  void sink.write(new Int16Array(170))
  const mark = sink.mark('later')
  await turn()
  t.equal(await settled(mark), false)
  await turn()
  t.same(await mark, { name: 'later', reached: true })
})

t.test('clear opens the door for a writer that waits', async t => {
  const { sink } = turned({ highWaterMs: 20 })
  const waiting = sink.write(new Int16Array(8000))
  t.equal(await settled(waiting), false)
  sink.clear()
  t.equal(await settled(waiting), true)
})

t.test('speech that is cut off fades within 10 ms instead of clicking', async t => {
  const { sink, turn, sent } = turned()
  void sink.write(new Int16Array(1600).fill(20_000))
  await turn()
  sink.clear()
  await turn()
  const after = sent().subarray(160)
  t.ok(Math.abs((after[0] ?? 0) - 17_500) < 10, 'no step from the last sample')
  t.equal(
    after.subarray(80).every(sample => sample === 0),
    true,
  )
})

t.test('the end of the call settles everything and later writes go nowhere', async t => {
  const clock = new VirtualClock()
  const { sink, turn, real } = turned({ highWaterMs: 20, clock })
  const write = sink.write(new Int16Array(1600))
  const flush = sink.flush()
  const mark = sink.mark('m')
  const play = sink.play(endless())
  await turn(3)
  sink.end()
  sink.end()
  await write
  t.same(await flush, { playedMs: 60, droppedMs: 140, interrupted: true })
  t.same(await mark, { name: 'm', reached: false })
  t.equal((await play).interrupted, true)
  t.equal(sink.ended, true)

  const later = sink.write(new Int16Array(160))
  t.equal(await settled(later), false, 'a loop that does not look cannot spin')
  await clock.advance(20)
  t.equal(await settled(later), true)
  t.equal(sink.refusedMs, 20)
  t.same(await sink.flush(), { playedMs: 0, droppedMs: 0, interrupted: true })
  t.same(await sink.mark(), { name: '', reached: false })
  t.same(sink.clear(), { playedMs: 0, droppedMs: 0, interrupted: false })
  t.equal((await sink.play(endless())).interrupted, true)
  await turn()
  t.equal(real(), 480)
})

t.test('what is no Int16Array is refused with what to do', async t => {
  const { sink } = turned()
  await t.rejects(sink.write(Buffer.alloc(320) as unknown as Int16Array), {
    code: 'SIP_OPTION',
    field: 'samples',
    message: /Buffer.*Int16Array/,
  })
  await t.rejects(sink.at(16_000).write(undefined as unknown as Int16Array), {
    code: 'SIP_OPTION',
    field: 'samples',
  })
})

t.test('too many flushes at once are refused', async t => {
  const { sink } = turned()
  void sink.write(new Int16Array(1600))
  for (let i = 0; i < 1024; i += 1) void sink.mark()
  await t.rejects(sink.flush(), { code: 'SIP_LIMIT' })
})

t.test('play sends a whole source and tells how much of it was heard', async t => {
  const { sink, turn, sent } = turned({ highWaterMs: 40 })
  const whole = ramp(1, 1000)
  const play = sink.play(chunks(whole, 296))
  for (let i = 0; i < 8; i += 1) await turn()
  t.same(await play, { playedMs: 125, droppedMs: 0, interrupted: false })
  const start = sent().indexOf(1)
  t.same(sent().subarray(start, start + 1000), whole)
})

t.test('play converts a source that names its own rate', async t => {
  const { sink, turn, sent } = turned()
  const source = Object.assign(
    chunks(tone({ sampleRate: 24_000, hz: 440, durationMs: 1000, levelDbfs: -12 }), 888),
    {
      sampleRate: 24_000,
    },
  )
  const play = sink.play(source)
  await turn(55)
  const { playedMs, interrupted } = await play
  t.ok(Math.abs(playedMs - 1000) < 1, `${playedMs} ms`)
  t.equal(interrupted, false)
  t.ok(Math.abs(goertzelDbfs(sent().subarray(800, 7200), 8000, 440) + 12) < 0.2)
})

t.test('play takes a WAV file of any rate, and samples in one piece longer than the queue', async t => {
  const { sink, turn, sent } = turned({ maxBufferedMs: 2000 })
  const file = encodeWav(tone({ sampleRate: 44_100, hz: 700, durationMs: 500, levelDbfs: -12 }), {
    sampleRate: 44_100,
  })
  const first = sink.play(WavReader.fromBytes(file))
  await turn(30)
  t.ok(Math.abs((await first).playedMs - 500) < 1)
  t.ok(Math.abs(goertzelDbfs(sent().subarray(800, 3200), 8000, 700) + 12) < 0.2)
  const second = sink.play(new Int16Array(40_000))
  await turn(255)
  t.same(await second, { playedMs: 5000, droppedMs: 0, interrupted: false })
})

t.test('barge-in: clear stops the play, closes its source, and both say the position heard', async t => {
  const { sink, turn } = turned({ highWaterMs: 100 })
  let closed = false
  const source = (async function* () {
    try {
      for (;;) yield new Int16Array(160)
    } finally {
      closed = true
    }
  })()
  void sink.write(new Int16Array(320))
  const play = sink.play(source)
  await turn(12)
  const cleared = sink.clear()
  const played = await play
  await drain()
  t.equal(played.playedMs, 200, 'what was written before the play does not count')
  t.equal(played.interrupted, true)
  t.equal(cleared.playedMs, 200)
  t.equal(closed, true)
  t.equal(sink.bufferedMs, 0)
})

t.test(
  'barge-in after the source has ended, while its audio is still being sent, counts the same',
  async t => {
    const { sink, turn } = turned()
    const play = sink.play(chunks(new Int16Array(4000), 296))
    await drain()
    await drain()
    await drain()
    await turn(10)
    t.same(sink.clear(), { playedMs: 200, droppedMs: 300, interrupted: true })
    t.same(await play, { playedMs: 200, droppedMs: 300, interrupted: true })
  },
)

t.test('clear ends a play whose source is still thinking', async t => {
  const { sink, turn } = turned()
  const source: PlaySource = {
    async *[Symbol.asyncIterator]() {
      yield new Int16Array(160)
      await new Promise(() => {})
    },
  }
  const play = sink.play(source)
  await drain()
  await turn(3)
  sink.clear()
  t.same(await play, { playedMs: 20, droppedMs: 0, interrupted: true })
})

t.test('an aborted signal ends the play as a clear does, without rejecting', async t => {
  const { sink, turn } = turned({ highWaterMs: 100 })
  const controller = new AbortController()
  const play = sink.play(endless(), { signal: controller.signal })
  await drain()
  await turn(5)
  controller.abort()
  const { playedMs, interrupted } = await play
  t.equal(playedMs, 100)
  t.equal(interrupted, true)
  t.equal(sink.bufferedMs, 0)
  t.same(await sink.play(endless(), { signal: controller.signal }), {
    playedMs: 0,
    droppedMs: 0,
    interrupted: true,
  })
})

t.test('a source that throws rejects the play; what was written is still sent', async t => {
  const { sink, turn, real } = turned()
  const source = (async function* () {
    yield new Int16Array(320)
    throw new Error('the voice is gone')
  })()
  await t.rejects(sink.play(source), { message: 'the voice is gone' })
  await turn(3)
  t.equal(real(), 320)
})

for (const rate of [16_000, 24_000, 44_100, 48_000]) {
  t.test(`at(${rate}): chunks of 37 ms leave no seam and nothing of the sentence is missing`, async t => {
    const { sink, turn, sent } = turned()
    const view = sink.at(rate)
    const whole = tone({ sampleRate: rate, hz: 1000, durationMs: 2000, levelDbfs: -12 })
    const size = Math.round(rate * 0.037)
    for (let at = 0; at < whole.length; at += size) void view.write(whole.subarray(at, at + size))
    const flushed = view.flush()
    await turn(105)
    const { playedMs } = await flushed
    t.ok(Math.abs(playedMs - 2000) <= 1, `${playedMs} ms`)
    const steady = sent().subarray(400, 15_600)
    const signal = goertzelDbfs(steady, 8000, 1000)
    t.ok(Math.abs(signal + 12) < 0.2, `${signal} dBFS`)
    // A seam is a step: with the tone taken out, what is left must be noise of the rounding alone.
    const left = Int16Array.from(steady, (sample, i) => (i < 4 ? 0 : sample + (steady[i - 4] ?? 0)))
    t.ok(levelDbfs(left.subarray(4)) < -80, `${levelDbfs(left.subarray(4))} dBFS besides the tone`)
  })
}

t.test('clear forgets what the view of another rate still held back', async t => {
  const { sink, turn, sent } = turned()
  const view = sink.at(16_000)
  void view.write(new Int16Array(3200).fill(20_000))
  view.clear()
  await turn()
  t.equal(levelDbfs(sent()), -Infinity)
  void view.write(new Int16Array(3200))
  void view.flush()
  await turn(10)
  t.equal(levelDbfs(sent()), -Infinity)
})

t.test('a view has the same marks, clears and end as its sink', async t => {
  const { sink, turn } = turned()
  const view = sink.at(16_000)
  t.equal(view.sampleRate, 16_000)
  t.equal(view.at(16_000), view)
  t.equal(view.at(8000), sink)
  void view.write(new Int16Array(3200))
  const mark = view.mark('x')
  t.ok(view.bufferedMs > 190)
  await turn(10)
  t.same(await mark, { name: 'x', reached: true })
  const play = view.play(chunks(new Int16Array(16_000), 592))
  await drain()
  await turn(25)
  view.clear()
  const { playedMs, interrupted } = await play
  t.ok(Math.abs(playedMs - 500) < 21, `${playedMs} ms`)
  t.equal(interrupted, true)
  sink.end()
  t.equal(view.ended, true)
  t.throws(() => sink.at(11), { code: 'SIP_OPTION', field: 'sampleRate' })
})

t.test('toWeb() takes chunks with back-pressure; close flushes and abort clears', async t => {
  const { sink, turn, real } = turned({ highWaterMs: 20 })
  const writer = sink.toWeb().getWriter()
  const written = writer.write(new Int16Array(400))
  t.equal(await settled(written), false)
  await turn(2)
  t.equal(await settled(written), true)
  const closed = writer.close()
  await drain()
  await turn(2)
  await closed
  t.equal(real(), 400)

  const second = sink.at(16_000).toWeb().getWriter()
  void second.write(new Int16Array(6400)).catch(() => {})
  await drain()
  await second.abort()
  t.equal(sink.bufferedMs, 0)
})

t.test('options out of range are named', async t => {
  t.throws(() => new LiveAudioSink({ sampleRate: 8000, highWaterMs: -1 }), {
    code: 'SIP_OPTION',
    field: 'highWaterMs',
  })
  t.throws(() => new LiveAudioSink({ sampleRate: 8000, maxBufferedMs: NaN }), {
    code: 'SIP_OPTION',
    field: 'maxBufferedMs',
  })
})

async function* chunks(samples: Int16Array, size: number): AsyncGenerator<Int16Array, void, undefined> {
  for (let at = 0; at < samples.length; at += size) yield samples.subarray(at, at + size)
}

async function* endless(): AsyncGenerator<Int16Array, void, undefined> {
  for (;;) yield new Int16Array(160)
}

t.test('a view taken anew for every chunk converts as one stream', async t => {
  const clock = new VirtualClock()
  const sink = new LiveAudioSink({ sampleRate: 8000, clock })
  const wide = tone({ sampleRate: 16_000, hz: 400, durationMs: 200 })
  for (let at = 0; at < wide.length; at += 320) void sink.at(16_000).write(wide.subarray(at, at + 320))
  const played = new Int16Array(8000 * 0.16)
  for (let at = 0; at < played.length; at += 160) sink.readFrame(played.subarray(at, at + 160))
  t.ok(goertzelDbfs(played, 8000, 400) > levelDbfs(played) - 0.1, 'nothing but the tone')
})

t.test('one write of more than the sink can hold is refused by name, and nothing of it is heard', async t => {
  const sink = new LiveAudioSink({ sampleRate: 8000, maxBufferedMs: 1000 })
  await t.rejects(sink.write(new Int16Array(8001)), { code: 'SIP_OPTION', field: 'samples' })
  t.equal(sink.bufferedMs, 0)
  t.equal(sink.refusedMs, 0)
})

t.test('writes after the end share one short timer, however many there are and however long', async t => {
  const clock = new VirtualClock()
  const sink = new LiveAudioSink({ sampleRate: 8000, clock })
  sink.end()
  const late = Array.from({ length: 1000 }, () => sink.write(new Int16Array(8000)))
  t.equal(clock.pendingTimers, 1)
  await clock.advance(20)
  await Promise.all(late)
  t.equal(clock.pendingTimers, 0)
})

t.test('plays are heard one after the other, each counted by itself', async t => {
  const { sink, turn, sent } = turned()
  const first = sink.play(ramp(1, 2 * FRAME))
  const second = sink.at(8000).play(ramp(1001, 2 * FRAME))
  const third = sink.play(ramp(2001, 2 * FRAME))
  await drain()
  await turn(2)
  t.same(await first, { playedMs: 40, droppedMs: 0, interrupted: false })
  await turn(3)
  t.same(await second, { playedMs: 40, droppedMs: 0, interrupted: false })
  t.same(sink.clear().interrupted, true)
  t.same(await third, { playedMs: 20, droppedMs: 20, interrupted: true })
  t.same([...sent()], [...ramp(1, 2 * FRAME), ...ramp(1001, 2 * FRAME), ...ramp(2001, FRAME)])
  t.equal(await settled(sink.play(ramp(1, FRAME))), false)
})

t.test('a play that waits is dropped by its own signal, which leaves the one before alone', async t => {
  const { sink, turn, sent } = turned()
  let closed = false
  const source = (async function* () {
    try {
      yield ramp(1, FRAME)
    } finally {
      closed = true
    }
  })()
  const controller = new AbortController()
  const first = sink.play(ramp(1, 2 * FRAME))
  const second = sink.play(source, { signal: controller.signal })
  const broken = {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('the source broke')) }),
  }
  const failing = sink.play(broken)
  const last = sink.play(ramp(3001, FRAME))
  await drain()
  await turn()
  controller.abort()
  t.same(await second, { playedMs: 0, droppedMs: 0, interrupted: true })
  t.equal(closed, false, 'a generator that never ran has nothing to close')
  failing.catch(() => undefined)
  await turn(2)
  await t.rejects(failing, /the source broke/)
  t.same(await first, { playedMs: 40, droppedMs: 0, interrupted: false })
  await turn()
  t.same(await last, { playedMs: 20, droppedMs: 0, interrupted: false })
  t.same([...sent()].slice(0, 2 * FRAME), [...ramp(1, 2 * FRAME)])
})

t.test('what is no sound is refused by name, and what is played after it is heard', async t => {
  const { sink, turn, sent } = turned()
  for (const source of [undefined, null, 'hold.wav', Buffer.alloc(320), [1, 2], new Float32Array(160)]) {
    await t.rejects(sink.play(source as unknown as PlaySource), { code: 'SIP_OPTION', field: 'source' })
  }
  let closed = false
  const floats = (async function* () {
    try {
      yield await Promise.resolve(new Float32Array(160))
    } finally {
      closed = true
    }
  })()
  await t.rejects(sink.play(floats as unknown as PlaySource), { field: 'samples', message: /Float32Array/ })
  await drain()
  t.ok(closed)
  const playing = sink.play(ramp(1, FRAME))
  await drain()
  await turn()
  t.same(await playing, { playedMs: 20, droppedMs: 0, interrupted: false })
  t.same([...sent()], [...ramp(1, FRAME)])
})

t.test('plays that wait are bounded, and all settle when everything is cleared or the call ends', async t => {
  const { sink } = turned()
  const plays = Array.from({ length: 1024 }, () => sink.play(ramp(1, FRAME)))
  await t.rejects(sink.play(ramp(1, FRAME)), { code: 'SIP_LIMIT' })
  sink.clear()
  t.ok((await Promise.all(plays)).every(playout => playout.interrupted))
  const more = [sink.play(ramp(1, FRAME)), sink.play(ramp(1, FRAME))]
  sink.end()
  t.ok((await Promise.all(more)).every(playout => playout.interrupted))
})
