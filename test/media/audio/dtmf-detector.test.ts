import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, constantFrom, integer, property, record } from 'fast-check'
import t from 'tap'
import { DtmfDetector } from '../../../src/media/audio/dtmf-detector.ts'
import type { DtmfTone } from '../../../src/media/audio/dtmf-detector.ts'
import { dtmfTone } from '../../../src/media/audio/dtmf-generator.ts'
import { DTMF_HZ } from '../../../src/media/audio/tones.ts'
import { WavReader } from '../../../src/media/audio/wav-reader.ts'
import { PCMU } from '../../../src/media/codec/g711.ts'
import { Resampler } from '../../../src/media/codec/resampler.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { repositoryRoot } from '../../support/repository.ts'
import { hoursOfSpeech } from './hours-of-speech.ts'
import { music } from './music.ts'

const KEYS = '123A456B789C*0#D'.split('')
/** Amplitude of a sine of 0 dBm0. */
const ZERO_DBM0 = 32_768 * 10 ** (-3.14 / 20)

interface Press {
  readonly ms: number
  readonly lowDbm0?: number
  readonly highDbm0?: number
  /** Off their frequencies by so much, 0.015 is 1.5 %. */
  readonly lowOff?: number
  readonly highOff?: number
  /** Both tones stop from there for so long. */
  readonly gap?: readonly [atMs: number, ms: number]
  /** 350 and 440 Hz beside it, each of that level. */
  readonly dialDbm0?: number
  /** Power of both tones over that of white noise up to 4 kHz. */
  readonly snrDb?: number
}

const random = seededRandom(24)
const chance = (): number => random.uint32() / 2 ** 32
const gauss = (): number => Math.sqrt(-2 * Math.log(chance() + 2 ** -33)) * Math.cos(2 * Math.PI * chance())

/** A key with silence (or what else there is) around it, at any phase against the steps of the detector. */
function press(key: string, options: Press): { samples: Int16Array; startMs: number } {
  const { ms, lowDbm0 = -10, highDbm0 = -10, lowOff = 0, highOff = 0, gap, dialDbm0, snrDb } = options
  const [low, high] = DTMF_HZ[key]!
  const lowAmplitude = ZERO_DBM0 * 10 ** (lowDbm0 / 20)
  const highAmplitude = ZERO_DBM0 * 10 ** (highDbm0 / 20)
  const dial = dialDbm0 === undefined ? 0 : ZERO_DBM0 * 10 ** (dialDbm0 / 20)
  const noise =
    snrDb === undefined ? 0 : Math.sqrt((lowAmplitude ** 2 + highAmplitude ** 2) / 2 / 10 ** (snrDb / 10))
  const startMs = 60 + 20 * chance()
  const [lowPhase, highPhase] = [6.28 * chance(), 6.28 * chance()]
  const samples = Int16Array.from({ length: Math.round((startMs + ms + 90) * 8) }, (_, i) => {
    const at = i / 8 - startMs
    const sounds = at >= 0 && at < ms && !(gap !== undefined && at >= gap[0] && at < gap[0] + gap[1])
    const turn = (2 * Math.PI * i) / 8000
    let sample = dial * (Math.sin(turn * 350) + Math.sin(turn * 440))
    if (noise > 0) sample += noise * gauss()
    if (sounds)
      sample +=
        lowAmplitude * Math.sin(turn * low * (1 + lowOff) + lowPhase) +
        highAmplitude * Math.sin(turn * high * (1 + highOff) + highPhase)
    return Math.max(-32_768, Math.min(32_767, Math.round(sample)))
  })
  return { samples, startMs }
}

function detect(samples: Int16Array, sampleRate = 8000, frame = sampleRate / 50): DtmfTone[] {
  const detector = new DtmfDetector({ sampleRate })
  const tones: DtmfTone[] = []
  for (let at = 0; at < samples.length; at += frame)
    tones.push(...detector.push(samples.subarray(at, at + frame), (at * 1000) / sampleRate))
  return [...tones, ...detector.flush()]
}

function join16(pieces: readonly Int16Array[]): Int16Array {
  const joined = new Int16Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}

/** Keys with pauses after them. */
function keyed(list: readonly { key: string; ms: number; pauseMs: number }[]): Int16Array {
  return join16(
    list.flatMap(({ key, ms, pauseMs }) => [
      dtmfTone(key, { sampleRate: 8000, durationMs: ms }),
      new Int16Array(pauseMs * 8),
    ]),
  )
}

/** A second of sines, each of the same level. */
function sines(...hz: number[]): Int16Array {
  return Int16Array.from({ length: 8000 }, (_, i) =>
    hz.reduce((sum, f) => sum + 5000 * Math.sin((2 * Math.PI * f * i) / 8000), 0),
  )
}

const ended = (tones: readonly DtmfTone[]): string =>
  tones.map(({ kind, digit }) => (kind === 'end' ? digit : '')).join('')

/** Of `rounds` presses of each key, how many were found as that key and nothing else. */
function found(options: Press, rounds = 6): number {
  let count = 0
  for (const key of KEYS)
    for (let round = 0; round < rounds; round += 1) {
      if (ended(detect(press(key, options).samples)) === key) count += 1
    }
  return count / (rounds * KEYS.length)
}

const MUST = 1
const MUST_NOT = 0
/** Table A-1 of ITU-T Q.24, columns AT&T and, where it asks for more, NTT; and the rows of its text. */
const rows: [what: string, options: Press, share: number][] = [
  ['signal of 40 ms', { ms: 40 }, MUST],
  ['signal of 23 ms', { ms: 23 }, MUST_NOT],
  ['frequencies 1.5 % above', { ms: 40, lowOff: 0.015, highOff: 0.015 }, MUST],
  ['frequencies 1.5 % below', { ms: 40, lowOff: -0.015, highOff: -0.015 }, MUST],
  ['frequencies 1.5 % apart', { ms: 40, lowOff: -0.015, highOff: 0.015 }, MUST],
  ['frequencies 1.5 % together', { ms: 40, lowOff: 0.015, highOff: -0.015 }, MUST],
  ['low frequency 1.8 % above', { ms: 40, lowOff: 0.018 }, MUST],
  ['high frequency 1.8 % below', { ms: 40, highOff: -0.018 }, MUST],
  ['low frequency 3 % above', { ms: 200, lowOff: 0.03 }, MUST_NOT],
  ['high frequency 3 % below', { ms: 200, highOff: -0.03 }, MUST_NOT],
  ['low frequency 3.5 % above', { ms: 1000, lowOff: 0.035 }, MUST_NOT],
  ['low frequency 3.5 % below', { ms: 1000, lowOff: -0.035 }, MUST_NOT],
  ['high frequency 3.5 % above', { ms: 1000, highOff: 0.035 }, MUST_NOT],
  ['high frequency 3.5 % below', { ms: 1000, highOff: -0.035 }, MUST_NOT],
  ['0 dBm0 a tone, clipped', { ms: 40, lowDbm0: 0, highDbm0: 0 }, MUST],
  ['-3 dBm0 a tone', { ms: 40, lowDbm0: -3, highDbm0: -3 }, MUST],
  ['-25 dBm0 a tone', { ms: 40, lowDbm0: -25, highDbm0: -25 }, MUST],
  ['-55 dBm0 a tone', { ms: 400, lowDbm0: -55, highDbm0: -55 }, MUST_NOT],
  ['high tone 4 dB above', { ms: 40, lowDbm0: -14, highDbm0: -10 }, MUST],
  ['high tone 8 dB below', { ms: 40, lowDbm0: -10, highDbm0: -18 }, MUST],
  ['high tone 8 dB below, quiet', { ms: 40, lowDbm0: -20, highDbm0: -28 }, MUST],
  ['high tone 12 dB above', { ms: 400, lowDbm0: -20, highDbm0: -8 }, MUST_NOT],
  ['high tone 14 dB below', { ms: 400, lowDbm0: -6, highDbm0: -20 }, MUST_NOT],
  ['interruption of 5 ms', { ms: 80, gap: [37, 5] }, MUST],
  ['interruption of 10 ms', { ms: 80, gap: [36, 10] }, MUST],
  ['dial tone beside it, as loud', { ms: 40, dialDbm0: -10 }, MUST],
  ['dial tone beside it, noise', { ms: 40, dialDbm0: -13, snrDb: 20 }, MUST],
  ['noise 15 dB below', { ms: 40, snrDb: 15 }, MUST],
  ['noise 12 dB below', { ms: 40, snrDb: 12 }, MUST],
  ['noise 15 dB below, 1.5 % off', { ms: 40, snrDb: 15, lowOff: 0.015, highOff: -0.015 }, MUST],
  ['noise 15 dB below, 1.5 % apart', { ms: 40, snrDb: 15, lowOff: -0.015, highOff: 0.015 }, MUST],
]
t.test('limits of ITU-T Q.24', t => {
  for (const [what, options, share] of rows) t.equal(found(options), share, what)
  t.end()
})

t.test('pauses of 40 ms part two digits, and both are timed', t => {
  for (const key of KEYS) {
    const { samples, startMs } = press(key, { ms: 140, gap: [60, 40] })
    const tones = detect(samples)
    t.equal(ended(tones), key + key)
    const [first, , second] = tones
    t.ok(Math.abs((first?.atMs ?? 0) - startMs) < 8, `${first?.atMs} ms`)
    t.ok(Math.abs((second?.atMs ?? 0) - startMs - 100) < 8, `${second?.atMs} ms`)
    for (const tone of tones)
      if (tone.kind === 'end') t.ok(Math.abs(tone.durationMs - 50) <= 15, `${tone.durationMs} ms`)
  }
  t.end()
})

t.test('10,000 digits of 40 ms with pauses of 40 ms, white noise 15 dB below: each once', t => {
  const detector = new DtmfDetector({ sampleRate: 8000 })
  const amplitude = ZERO_DBM0 * 10 ** (-13 / 20)
  const noise = amplitude / 10 ** (15 / 20)
  const frame = new Int16Array(160)
  let sent = ''
  let heard = ''
  let low = 0
  let high = 0
  let from = 0
  for (let at = 0, digits = 0; digits < 10_000 || at % 640 !== 0;) {
    for (let i = 0; i < 160; i += 1, at += 1) {
      if (at % 640 === 0) {
        const key = KEYS[Math.floor(16 * chance())]!
        sent += key
        digits += 1
        ;[low, high] = DTMF_HZ[key] as [number, number]
        // Anywhere against the steps of 5 ms.
        from = at + Math.floor(40 * chance())
      }
      const turn = (2 * Math.PI * at) / 8000
      const sounds = at >= from && at < from + 320
      const tones = sounds ? amplitude * (Math.sin(turn * low) + Math.sin(turn * high)) : 0
      frame[i] = Math.round(tones + noise * gauss())
    }
    for (const tone of detector.push(frame, at / 8)) if (tone.kind === 'end') heard += tone.digit
  }
  for (const tone of detector.flush()) if (tone.kind === 'end') heard += tone.digit
  t.equal(sent.length, 10_000)
  t.ok(heard === sent, `${heard.length} found`)
  t.end()
})

for (const sampleRate of [8000, 16_000, 24_000, 48_000])
  t.test(`at ${sampleRate} samples a second, in chunks of any size up to 100 ms`, t => {
    const dialled = '1590*#ABCD7733'
    const pause = new Int16Array(sampleRate * 0.04)
    const samples = join16(
      dialled
        .split('')
        .flatMap(key => [pause, dtmfTone(key, { sampleRate, durationMs: 40, volumeDbm0: -16, twistDb: -3 })]),
    )
    for (const frame of [1, 37, 160, 441, 800].map(part => Math.ceil((part * sampleRate) / 8000)))
      t.equal(ended(detect(samples, sampleRate, frame)), dialled, `${frame} samples at a time`)
    const starts = detect(samples, sampleRate).filter(({ kind }) => kind === 'start')
    for (const [index, { atMs }] of starts.entries())
      t.ok(Math.abs(atMs - 40 - 80 * index) < 8, `${atMs} ms, began at ${40 + 80 * index}`)
    t.end()
  })

t.test('what a telephone makes of it: G.711, and a key held for a minute', t => {
  const encoder = PCMU.encoder()
  const decoder = PCMU.decoder()
  const pcm = dtmfTone('8', { sampleRate: 8000, durationMs: 60_000, volumeDbm0: -22 })
  const payload = new Uint8Array(pcm.length)
  encoder.encode(pcm, payload)
  decoder.decode(payload, pcm)
  const tones = detect(pcm)
  t.match(tones, [
    { kind: 'start', digit: '8' },
    { kind: 'end', digit: '8' },
  ])
  const [, end] = tones
  t.ok(end?.kind === 'end' && Math.abs(end.durationMs - 60_000) < 10)
  t.end()
})

t.test('voices are no keys', async t => {
  for (const name of ['caller-hello', 'menu-welcome', 'menu-echo', 'menu-goodbye', 'menu-unknown']) {
    const reader = await WavReader.open(join(repositoryRoot, 'assets', `${name}.wav`))
    const speech = await reader.readAll()
    for (const gainDb of [0, -12, 6]) {
      const loud = speech.map(sample => Math.max(-32_768, Math.min(32_767, sample * 10 ** (gainDb / 20))))
      const resampler = new Resampler(reader.sampleRate, 8000)
      const narrow = new Int16Array(resampler.maxOutput(loud.length))
      resampler.process(loud, narrow)
      t.same(detect(narrow), [], `${name}, ${gainDb} dB`)
    }
  }
})

t.test('five minutes of speech have no keys', async t => {
  const licence = readFileSync(join(repositoryRoot, 'LICENSE'), 'utf8')
  let seconds = 0
  for await (const speech of hoursOfSpeech(300, licence, 300)) {
    t.same(detect(speech), [])
    seconds += speech.length / 8000
  }
  t.ok(seconds >= 300)
})

// In this one a detector that knows of no octaves finds four; an hour of music and one of speech are in bench/dtmf.ts.
t.test('five minutes of music have no keys', t => {
  t.same(detect(music(300, seededRandom(4))), [])
  t.end()
})

t.test('single tones, sweeps, call progress and octaves are no keys', t => {
  for (const hz of [
    [697],
    [1336],
    [350, 440],
    [480, 620],
    [425],
    [1400, 2060],
    [852, 1704],
    [770, 941],
    [1209, 1477],
  ])
    t.same(detect(sines(...hz)), [], hz.join(' + '))
  t.same(detect(sines(697, 1209, 1477)), [], 'three tones')
  t.same(detect(sines(852, 1336, 2130)), [], 'a strong tone beside them')
  const sweep = Int16Array.from(
    { length: 80_000 },
    (_, i) => 9000 * Math.sin(2 * Math.PI * (0.025 * i + (i * i) / 1.1e6)),
  )
  t.same(detect(sweep), [], 'a sweep')
  t.end()
})

t.test('whatever is said, starts and ends take turns', t => {
  const piece = record({
    key: constantFrom(...KEYS),
    ms: integer({ min: 5, max: 120 }),
    pauseMs: integer({ min: 0, max: 80 }),
  })
  assert(
    property(piece, piece, piece, (a, b, c) => {
      let open: string | undefined
      for (const { kind, digit } of detect(keyed([a, b, c]))) {
        if ((kind === 'start') !== (open === undefined) || (kind === 'end' && digit !== open)) return false
        open = kind === 'start' ? digit : undefined
      }
      return open === undefined
    }),
    { numRuns: 60 },
  )
  t.end()
})
