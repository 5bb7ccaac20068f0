import t from 'tap'
import { dtmfTone } from '../../../src/media/audio/dtmf-generator.ts'
import { ToneEar } from '../../../src/media/session/tone-ear.ts'

const FRAME = 160
const noise = new Int16Array(FRAME)

/** Packets of 20 ms: `1` for 100 ms, 60 ms of silence, `1` again for 100 ms. */
function packets(): Int16Array[] {
  const tone = dtmfTone('1', { sampleRate: 8000, durationMs: 100 })
  const sound = new Int16Array(FRAME * 20)
  sound.set(tone, FRAME)
  sound.set(tone, FRAME * 9)
  return Array.from({ length: 20 }, (_, i) => sound.subarray(i * FRAME, (i + 1) * FRAME))
}

/** What is told of them when `play` says what becomes of each. */
function told(play: (ear: ToneEar, packet: Int16Array, index: number) => void, from = 0): string[] {
  const ear = new ToneEar({ sampleRate: 8000 })
  for (const [index, packet] of packets().entries()) play(ear, packet, index + from)
  return [...ear.take(), ...ear.flush()].map(tone =>
    tone.kind === 'start' ? `+${tone.digit}` : `-${tone.digit} ${Math.round(tone.durationMs / 10) * 10}`,
  )
}

const both = ['+1', '-1 100', '+1', '-1 100']
const play = (ear: ToneEar, packet: Int16Array, index: number): void =>
  ear.decoded(packet, 0, FRAME, (index * FRAME) >>> 0, 8000)

t.test('packets in a row, also where the timestamp wraps', async t => {
  t.same(told(play), both)
  t.same(told(play, 2 ** 32 / FRAME - 4), both)
})

t.test('sound made up for a packet that comes after all was never there', async t => {
  // In the pause and in both digits: 40 ms of something else while the packet was late.
  const late = new Set([3, 7, 11])
  t.same(
    told((ear, packet, index) => {
      if (late.has(index)) {
        ear.madeUp(noise, 0, FRAME)
        ear.madeUp(noise, 0, FRAME)
      }
      play(ear, packet, index)
    }),
    both,
  )
})

t.test('sound made up for a packet that is lost stands in for it', async t => {
  t.same(
    told((ear, packet, index) => {
      // A good concealment: what was lost.
      if (index === 3 || index === 7) ear.madeUp(packet, 0, FRAME)
      else play(ear, packet, index)
    }),
    both,
  )
})

t.test('a stream that stops ends the digit, though no packet follows', async t => {
  const ear = new ToneEar({ sampleRate: 8000 })
  for (const [index, packet] of packets().slice(0, 5).entries()) play(ear, packet, index)
  t.match(ear.take(), [{ kind: 'start', digit: '1' }])
  for (let i = 0; i < 8; i += 1) ear.madeUp(noise, 0, FRAME)
  t.match(ear.take(), [{ kind: 'end', digit: '1' }])
})

t.test('another stream is taken up where it begins', async t => {
  t.same(
    told((ear, packet, index) => play(ear, packet, index < 7 ? index : index + 5_000_000)),
    both,
  )
})

t.test('packets longer than 50 ms, of another rate than their clock', async t => {
  const ear = new ToneEar({ sampleRate: 16_000 })
  const sound = new Int16Array(16_000)
  sound.set(dtmfTone('#', { sampleRate: 16_000, durationMs: 200 }), 1600)
  // G.722: 16,000 samples and 8000 units a second.
  for (let at = 0; at < sound.length; at += 3200) ear.decoded(sound, at, at + 3200, at / 2, 8000)
  t.match(ear.take(), [
    { kind: 'start', digit: '#' },
    { kind: 'end', digit: '#' },
  ])
  t.equal(ear.heardMs, 1000)
})
