import { join } from 'node:path'
import t from 'tap'
import { soundQuality } from '../../bench/support/sound-quality.ts'
import { PCMU } from '../../src/media/codec/g711.ts'
import { WavReader } from '../../src/media/audio/wav-reader.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { repositoryRoot } from '../support/repository.ts'

const options = { sampleRate: 8000, mostDelayMs: 300 }
const speech = WavReader.open(join(repositoryRoot, 'assets/menu-welcome.wav')).then(reader =>
  reader.readAll(),
)

function delayed(samples: Int16Array, ms: number): Int16Array {
  const out = new Int16Array(samples.length + ms * 8)
  out.set(samples, ms * 8)
  return out
}

t.test('the same sound, later, has all of it, and the delay', async t => {
  const said = await speech
  const { fwSnrSegDb, delayMs, pieces } = soundQuality(said, delayed(said, 137), options)
  t.ok(fwSnrSegDb > 34.9, `${fwSnrSegDb} dB`)
  t.ok(Math.abs(delayMs - 137) < 0.5, `${delayMs} ms`)
  t.ok(pieces > 50, `${pieces} pieces`)
})

t.test('less is left the more is done to it', async t => {
  const said = await speech
  const payload = new Uint8Array(said.length)
  const coded = new Int16Array(said.length)
  PCMU.encoder().encode(said, payload)
  PCMU.decoder().decode(payload, coded)
  const random = seededRandom(2)
  const gaps = (share: number): Int16Array => {
    const out = Int16Array.from(coded)
    for (let at = 0; at < out.length; at += 160) if (random.float() < share) out.fill(0, at, at + 160)
    return out
  }
  const scores = [coded, gaps(0.03), gaps(0.1), gaps(0.3)].map(
    heard => soundQuality(said, delayed(heard, 60), options).fwSnrSegDb,
  )
  t.same(
    scores,
    scores.toSorted((a, b) => b - a),
  )
  t.ok((scores[0] ?? 0) - (scores[1] ?? 0) > 0.3)
  t.ok((scores[0] ?? 0) - (scores[3] ?? 0) > 5, scores.map(score => score.toFixed(1)).join(' '))
})

t.test('a pause that is some milliseconds longer is no loss', async t => {
  const said = await speech
  const half = said.length / 2
  const heard = new Int16Array(said.length + 30 * 8)
  heard.set(said.subarray(0, half), 0)
  heard.set(said.subarray(half), half + 30 * 8)
  t.ok(soundQuality(said, heard, options).fwSnrSegDb > 31)
})
