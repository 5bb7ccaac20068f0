import t from 'tap'
import { LiveAudioSink } from '../../../src/media/audio/audio-sink.ts'
import { callProgress } from '../../../src/media/audio/call-progress.ts'
import type { ToneSource } from '../../../src/media/audio/call-progress.ts'
import { COUNTRY_TONES } from '../../../src/media/audio/country-tones.ts'
import type { CallProgressTone } from '../../../src/media/audio/country-tones.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'

async function collect(source: ToneSource, ms: number): Promise<Int16Array> {
  const all = new Int16Array((source.sampleRate * ms) / 1000)
  let at = 0
  for await (const chunk of source) {
    all.set(chunk.subarray(0, all.length - at), at)
    at += chunk.length
    if (at >= all.length) break
  }
  return all.subarray(0, Math.min(at, all.length))
}

/** Where it sounds, in ms: stretches of 5 ms louder than -45 dBFS, joined over 12 ms (the troughs of a beat or a modulation are longer). */
function bursts(samples: Int16Array, bridgeMs: number): [from: number, to: number][] {
  const found: [number, number][] = []
  for (let at = 0; at + 40 <= samples.length; at += 40) {
    if (levelDbfs(samples.subarray(at, at + 40)) < -45) continue
    const ms = at / 8
    const last = found.at(-1)
    if (last !== undefined && ms - last[1] <= bridgeMs) last[1] = ms + 5
    else found.push([ms, ms + 5])
  }
  return found
}

const kinds: CallProgressTone[] = ['dial', 'ringback', 'busy', 'congestion', 'callWaiting', 'information']

for (const [country, row] of Object.entries(COUNTRY_TONES)) {
  t.test(`${country}: each tone has its frequencies, level and cadence (${row.source})`, async t => {
    for (const kind of kinds) {
      const source = callProgress(country, kind)
      const round = source.cadence.reduce((sum, part) => sum + part.durationMs, 0)
      const samples = await collect(source, Math.min(2 * round, 2000 + Math.min(round, 16_000)))
      let at = 0
      const expected: [number, number][] = []
      for (const part of source.cadence) {
        const end = at + Math.min(part.durationMs, 1000)
        const inside = samples.subarray((at + 10) * 8, (end - 10) * 8)
        if (part.hz.length === 0) t.equal(levelDbfs(inside), -Infinity, `${kind}: silence at ${at} ms`)
        else {
          const total = source.levelDbfs + 10 * Math.log10(part.hz.length)
          if (part.durationMs >= 100) {
            t.ok(Math.abs(levelDbfs(inside) - total) < 1.2, `${kind}: ${levelDbfs(inside)} for ${total} dBFS`)
          }
          for (const hz of part.hz) {
            const found = goertzelDbfs(inside, 8000, hz)
            // A carrier that swings keeps 2/3 of its power; frequencies closer than the window resolves run into each other.
            const slack = part.modulationHz !== undefined || part.durationMs < 100 ? 3 : 1.5
            if (part.durationMs >= 100)
              t.ok(Math.abs(found - source.levelDbfs) < slack, `${kind}: ${hz} Hz ${found}`)
            t.ok(goertzelDbfs(inside, 8000, hz * 2) < found - 20, `${kind}: nothing at ${hz * 2} Hz`)
          }
          const last = expected.at(-1)
          if (last !== undefined && at - last[1] <= 35) last[1] = at + part.durationMs
          else expected.push([at, at + part.durationMs])
        }
        at += part.durationMs
        if (at * 8 > samples.length) break
      }
      const heard = bursts(samples.subarray(0, Math.min(at * 8, samples.length)), 35)
      for (const [index, [from, to]] of expected.entries()) {
        const [start = NaN, end = NaN] = heard[index] ?? []
        t.ok(Math.abs(start - from) <= 20, `${kind}: begins at ${start} for ${from} ms`)
        const until = Math.min(to, samples.length / 8)
        t.ok(Math.abs(end - until) <= 25, `${kind}: ends at ${end} for ${until} ms`)
      }
    }
  })
}

t.test('a tone goes on until it is cleared, and for as many rounds as were asked for', async t => {
  const sink = new LiveAudioSink({ sampleRate: 8000 })
  const playing = sink.play(callProgress('de', 'busy'))
  const frame = new Int16Array(160)
  for (let i = 0; i < 250; i += 1) {
    await new Promise(resolve => setImmediate(resolve))
    sink.readFrame(frame)
  }
  sink.clear()
  const { playedMs, interrupted } = await playing
  t.ok(interrupted)
  t.equal(playedMs, 5000)

  let samples = 0
  for await (const chunk of callProgress('uk', 'ringback', { rounds: 2, sampleRate: 16_000 }))
    samples += chunk.length
  t.equal(samples, 16 * 6000)
})

t.test('North America has the levels of its precise tone plan, others -10 dBm0', t => {
  t.equal(callProgress('us', 'busy').levelDbfs.toFixed(2), '-30.15')
  t.equal(callProgress('CA', 'dial').levelDbfs.toFixed(2), '-19.15')
  t.equal(callProgress('DE', 'busy').levelDbfs.toFixed(2), '-16.15')
  t.equal(callProgress('DE', 'busy', { volumeDb: -10 }).levelDbfs.toFixed(2), '-26.15')
  t.end()
})

t.test('a country or tone that is not there is named, with those that are', t => {
  t.throws(() => callProgress('xx', 'busy'), /country.*"xx".*US, CA, GB/)
  t.throws(() => callProgress('constructor', 'busy'), /country/)
  t.throws(() => callProgress('us', 'bussy' as 'busy'), /tone.*"bussy".*congestion/)
  t.throws(() => callProgress('us', 'busy', { rounds: 0 }), /rounds/)
  t.throws(() => callProgress('us', 'busy', { volumeDb: 90 }), /volumeDb/)
  t.end()
})
