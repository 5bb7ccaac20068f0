import t from 'tap'
import { LiveAudioSink } from '../../../src/media/audio/audio-sink.ts'
import { LiveAudioSource } from '../../../src/media/audio/audio-source.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'

const second = tone({ sampleRate: 8000, hz: 440, durationMs: 1000, levelDbfs: -20 })

function read(sink: LiveAudioSink, frames: number): Int16Array {
  const all = new Int16Array(frames * 160)
  const frame = new Int16Array(160)
  for (let i = 0; i < frames; i += 1) {
    sink.readFrame(frame)
    all.set(frame, i * 160)
  }
  return all
}

/** The largest step from sample to sample. */
function step(samples: Int16Array): number {
  let most = 0
  for (let i = 1; i < samples.length; i += 1) most = Math.max(most, Math.abs(samples[i]! - samples[i - 1]!))
  return most
}

t.test('the volume changes what is queued already, within 20 ms and without a click', async t => {
  const sink = new LiveAudioSink({ sampleRate: 8000 })
  await sink.write(second)
  const smooth = step(second)
  const before = read(sink, 10)
  sink.volumeDb = -20
  const change = read(sink, 2)
  const after = read(sink, 10)
  t.ok(Math.abs(levelDbfs(before) + 20) < 0.2)
  t.ok(Math.abs(levelDbfs(after) + 40) < 0.2)
  t.ok(step(change) <= smooth * 1.05)
  sink.volumeDb = 6
  const louder = read(sink, 10)
  t.ok(step(louder) <= smooth * 2.1)
  t.ok(Math.abs(levelDbfs(louder.subarray(320)) + 14) < 0.2)
  t.equal(sink.volumeDb, 6)
  t.throws(() => (sink.volumeDb = 21), /volumeDb/)
  t.throws(() => (sink.volumeDb = NaN), /volumeDb/)
  t.equal(sink.volumeDb, 6)
})

t.test('muted, silence is sent in step, and what is played counts on', async t => {
  const sink = new LiveAudioSink({ sampleRate: 8000 })
  const playing = sink.play(second)
  await new Promise(resolve => setImmediate(resolve))
  const smooth = step(second)
  const heard = read(sink, 10)
  sink.at(16_000).mute()
  t.ok(sink.muted)
  const fading = read(sink, 1)
  const muted = read(sink, 19)
  t.ok(step(fading) <= smooth * 1.05)
  t.equal(levelDbfs(muted), -Infinity)
  sink.unmute()
  const back = read(sink, 5)
  t.ok(step(back) <= smooth * 1.05)
  t.ok(Math.abs(levelDbfs(back.subarray(320)) - levelDbfs(heard)) < 0.3)
  const cleared = sink.clear()
  t.equal(cleared.playedMs, 700)
  t.equal(cleared.droppedMs, 300)
  t.same(await playing, { playedMs: 700, droppedMs: 300, interrupted: true })
})

t.test(
  'what is muted from the start is never heard, and speech begins at the volume set before it',
  async t => {
    const sink = new LiveAudioSink({ sampleRate: 8000 })
    sink.mute()
    await sink.write(second)
    t.equal(levelDbfs(read(sink, 10)), -Infinity)
    const soft = new LiveAudioSink({ sampleRate: 8000 })
    soft.volumeDb = -20
    await soft.write(second)
    t.ok(levelDbfs(read(soft, 1)) < -38)
  },
)

t.test('a muted input gives silence in step, each copy of it for itself', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const [one, other] = source.tee()
  one.mute()
  source.push(second.subarray(0, 160), 0, false)
  const level = async (from: typeof one): Promise<number> => {
    const { value } = await from[Symbol.asyncIterator]().next()
    return levelDbfs((value as { samples: Int16Array }).samples)
  }
  t.equal(await level(one), -Infinity)
  t.ok((await level(other)) > -21)
})

t.test('a muted source seen at another rate is muted', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const view = source.at(16_000)
  view.mute()
  t.ok(source.muted)
  source.push(second.subarray(0, 160), 0, false)
  source.end()
  for await (const frame of view) t.equal(levelDbfs(frame.samples), -Infinity)
  view.unmute()
  t.notOk(view.muted)
})

t.test('an input is muted and unmuted without a click, and from the start nothing is heard', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const reader = source[Symbol.asyncIterator]()
  const heard: number[] = []
  const turn = async (frame: number): Promise<void> => {
    source.push(second.subarray(frame * 160, frame * 160 + 160), frame * 20, false)
    const { value } = await reader.next()
    heard.push(...value!.samples)
  }
  source.mute()
  await turn(0)
  t.ok(heard.every(sample => sample === 0))
  source.unmute()
  for (let frame = 1; frame < 10; frame += 1) await turn(frame)
  source.mute()
  for (let frame = 10; frame < 13; frame += 1) await turn(frame)
  t.ok(step(Int16Array.from(heard)) <= step(second) * 1.05)
  t.ok(heard.slice(-320).every(sample => sample === 0))
  t.same(heard.slice(320, 1600), [...second.subarray(320, 1600)])
})
