import t from 'tap'
import { LiveAudioSource } from '../../../src/media/audio/audio-source.ts'
import type { AudioFrame, AudioSource } from '../../../src/media/audio/audio-source.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { ToneGenerator } from '../../../src/media/audio/tones.ts'

function frame(value: number, length = 160): Int16Array {
  return new Int16Array(length).fill(value)
}

async function values(source: AudioSource): Promise<number[]> {
  const seen: number[] = []
  for await (const { samples } of source) seen.push(samples[0] ?? NaN)
  return seen
}

t.test(
  'frames come out in the order they went in, with their time and whether they were concealed',
  async t => {
    const source = new LiveAudioSource({ sampleRate: 8000 })
    source.push(frame(1), 0, false)
    source.push(frame(2), 20, true)
    source.end()
    const frames: AudioFrame[] = []
    for await (const { samples, timestampMs, concealed } of source) {
      frames.push({ samples: samples.slice(), timestampMs, concealed })
    }
    t.same(frames, [
      { samples: frame(1), timestampMs: 0, concealed: false },
      { samples: frame(2), timestampMs: 20, concealed: true },
    ])
  },
)

t.test('a reader that waits gets the next frame when it comes', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const iterator = source[Symbol.asyncIterator]()
  const next = iterator.next()
  source.push(frame(7), 40, false)
  const { value } = await next
  t.equal(value?.samples[0], 7)
  t.equal(value?.timestampMs, 40)
})

t.test('a reader that waits when the call ends is let go', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const next = source[Symbol.asyncIterator]().next()
  source.end()
  source.end()
  source.push(frame(1), 0, false)
  t.same(await next, { done: true, value: undefined })
})

t.test('a slow reader loses the oldest frames, and they are counted', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000, capacityFrames: 3 })
  for (let i = 1; i <= 5; i += 1) source.push(frame(i), i * 20, false)
  t.equal(source.droppedFrames, 2)
  t.equal(source.bufferedFrames, 3)
  source.end()
  t.same(await values(source), [3, 4, 5])
})

t.test('a frame in hand stays as it is until the next is asked for, whatever comes meanwhile', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000, capacityFrames: 2 })
  source.push(frame(1), 0, false)
  const iterator = source[Symbol.asyncIterator]()
  const first = (await iterator.next()).value as AudioFrame
  for (let i = 2; i <= 9; i += 1) source.push(frame(i), i, false)
  t.equal(first.samples[0], 1)
  t.equal(first.samples[159], 1)
  t.equal(((await iterator.next()).value as AudioFrame).samples[0], 8)
})

t.test('frames of different length keep theirs', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000, capacityFrames: 1 })
  for (const length of [80, 160, 240, 80]) {
    source.push(frame(3, length), 0, false)
    const iterator = source[Symbol.asyncIterator]()
    t.equal(((await iterator.next()).value as AudioFrame).samples.length, length)
    await iterator.return?.()
  }
})

t.test('one reader at a time: a second is told to use tee()', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const first = source[Symbol.asyncIterator]()
  t.throws(() => source[Symbol.asyncIterator](), { code: 'SIP_STATE', message: /tee\(\)/ })
  t.throws(() => source.tee(), { code: 'SIP_STATE' })
  await first.return?.()
  const second = source[Symbol.asyncIterator]()
  source.push(frame(1), 0, false)
  t.equal((await second.next()).value?.samples[0], 1, 'once the first loop was left, another may begin')
  t.equal((await first.next()).done, true, 'and the first stays ended')
})

t.test('asking for two frames at once is refused', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const iterator = source[Symbol.asyncIterator]()
  const first = iterator.next()
  await t.rejects(iterator.next(), { code: 'SIP_STATE' })
  source.push(frame(5), 0, false)
  t.equal((await first).value?.samples[0], 5)
})

t.test('tee() gives two copies that are read at their own speed, what was waiting included', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000, capacityFrames: 4 })
  source.push(frame(1), 0, false)
  const [one, other] = source.tee()
  source.push(frame(2), 20, false)
  t.throws(() => source[Symbol.asyncIterator](), { code: 'SIP_STATE', message: /tee\(\)/ })
  const fast = values(one)
  for (let i = 3; i <= 7; i += 1) {
    source.push(frame(i), i * 20, false)
    await Promise.resolve()
    await Promise.resolve()
  }
  source.end()
  t.same(await fast, [1, 2, 3, 4, 5, 6, 7])
  t.same(await values(other), [4, 5, 6, 7])
  t.equal(other.droppedFrames, 3)
})

t.test('tee() of an ended source gives ended copies', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  source.push(frame(1), 0, false)
  source.end()
  const [one, other] = source.tee()
  t.same([await values(one), await values(other)], [[1], [1]])
})

for (const rate of [16_000, 24_000, 48_000]) {
  t.test(`at(${rate}) is the same tone in frames of 20 ms at that rate`, async t => {
    const source = new LiveAudioSource({ sampleRate: 8000, capacityFrames: 100 })
    const generator = new ToneGenerator({ sampleRate: 8000, hz: 1000, levelDbfs: -12 })
    for (let i = 0; i < 50; i += 1) source.push(generator.render(new Int16Array(160)), i * 20, i === 3)
    source.end()
    const view = source.at(rate)
    t.equal(view.sampleRate, rate)
    t.equal(view.at(rate), view)
    t.equal(view.at(8000), source)
    const all = new Int16Array(rate)
    let at = 0
    let concealedAt = -1
    for await (const { samples, timestampMs, concealed } of view) {
      t.equal(samples.length, rate / 50)
      all.set(samples, at)
      at += samples.length
      if (concealed) concealedAt = timestampMs
    }
    t.equal(at, rate)
    t.equal(concealedAt, 60)
    const steady = all.subarray(rate / 5)
    t.ok(Math.abs(goertzelDbfs(steady, rate, 1000) + 12) < 0.2)
  })
}

t.test('a view at another rate can be split, and leaving its loop frees the source', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const [one, other] = source.at(16_000).tee()
  source.push(frame(0), 0, false)
  source.end()
  t.equal(one.sampleRate, 16_000)
  t.equal((await values(other)).length, 1)

  const second = new LiveAudioSource({ sampleRate: 8000 })
  second.push(frame(0), 0, false)
  for await (const { samples } of second.at(16_000)) {
    t.equal(samples.length, 320)
    break
  }
  second.push(frame(9), 20, false)
  second.end()
  t.same(await values(second), [9])
})

t.test('clear() forgets what waits, says how long it was, and what comes next is read', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000, capacityFrames: 4 })
  t.equal(source.clear(), 0)
  for (let i = 1; i <= 6; i += 1) source.push(frame(i, i === 6 ? 80 : 160), i * 20, false)
  t.equal(source.clear(), 70, 'the four kept, the last one half as long')
  t.equal(source.bufferedFrames, 0)
  t.equal(source.droppedFrames, 2, 'what was asked to be forgotten was not dropped')
  for (let i = 7; i <= 10; i += 1) source.push(frame(i), i * 20, false)
  source.end()
  t.same(await values(source), [7, 8, 9, 10])
  t.equal(source.clear(), 0)
})

t.test('clear() leaves the frame in hand and a waiting reader alone', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const iterator = source[Symbol.asyncIterator]()
  for (let i = 1; i <= 3; i += 1) source.push(frame(i), i * 20, false)
  const inHand = await iterator.next()
  t.equal(source.clear(), 40)
  source.push(frame(4), 80, false)
  t.same(inHand.value?.samples, frame(1))
  t.equal((await iterator.next()).value?.samples[0], 4)
  const next = iterator.next()
  t.equal(source.clear(), 0)
  source.push(frame(5), 100, false)
  t.equal((await next).value?.samples[0], 5)
})

t.test('clear() of an ended source ends its reading at once', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  source.push(frame(1), 0, false)
  source.end()
  t.equal(source.clear(), 20)
  t.same(await values(source), [])
})

t.test('clear() through a view at another rate clears the source, in milliseconds all the same', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const view = source.at(16_000)
  for (let i = 1; i <= 5; i += 1) source.push(frame(i), i * 20, false)
  t.equal(view.clear(), 100)
  t.equal(source.bufferedFrames, 0)
  source.push(frame(6), 120, false)
  source.end()
  t.same(await values(source), [6])
})

t.test('clear() of a copy made by tee() leaves the other copy alone', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  source.push(frame(1), 0, false)
  const [one, other] = source.tee()
  source.push(frame(2), 20, false)
  t.equal(source.clear(), 0, 'the source itself has nothing any more')
  t.equal(one.at(48_000).clear(), 40)
  source.push(frame(3), 40, false)
  source.end()
  t.same(await values(one), [3])
  t.same(await values(other), [1, 2, 3])
})

t.test('a rate nobody converts to is refused with the ones that are', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  t.throws(() => source.at(12_345), { code: 'SIP_OPTION', field: 'sampleRate', message: /16000/ })
  t.throws(() => new LiveAudioSource({ sampleRate: 0 }), { code: 'SIP_OPTION', field: 'sampleRate' })
  t.throws(() => new LiveAudioSource({ sampleRate: 8000, capacityFrames: 0 }), {
    code: 'SIP_OPTION',
    field: 'capacityFrames',
  })
})

t.test('toWeb() streams frames that may be kept, and cancelling it frees the source', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000, capacityFrames: 2 })
  const reader = source.toWeb().getReader()
  for (let i = 1; i <= 4; i += 1) source.push(frame(i), i * 20, false)
  const first = await reader.read()
  const second = await reader.read()
  t.equal(first.value?.samples[0], 3, 'the oldest were dropped here, not queued in the stream')
  t.equal(second.value?.samples[0], 4)
  await reader.cancel()
  source.push(frame(5), 100, false)
  source.end()
  t.same(await values(source), [5])
  const ended = source.toWeb().getReader()
  t.equal((await ended.read()).done, true)
})
