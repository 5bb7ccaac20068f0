import { DtmfDetector } from '../src/media/audio/dtmf-detector.ts'
import { dtmfTone } from '../src/media/audio/dtmf-generator.ts'
import { PCMU } from '../src/media/codec/g711.ts'
import { seededRandom } from '../src/testing/seeded-random.ts'
import { canSpeak, hoursOfSpeech, pages } from '../test/media/audio/hours-of-speech.ts'
import { music } from '../test/media/audio/music.ts'
import { speechLike } from '../test/media/codec/speech.ts'
import { benchLine, measure } from './harness.ts'
import type { BenchLine, BenchOptions } from './harness.ts'

const RATE = 8000
const FRAME = 160
const KEYS = '123A456B789C*0#D'

/** The detector of in-band digits: what it costs, what it hears in noise, and what it takes for digits that is none. */
export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  return [...(await cost(short)), ...inNoise(short), ...(await talkOff(short))]
}

/** CPU of one second of audio, beside that of eight bare filters, which no detector can do without. */
async function cost(short: boolean): Promise<readonly BenchLine[]> {
  const operations = short ? 10 : 200
  const sounds = {
    speech: speechLike(RATE, 1000),
    music: music(1, seededRandom(4)),
    digits: dialled('1590*#ABCD77', Infinity).subarray(0, RATE),
    silence: new Int16Array(RATE),
  }
  const lines: BenchLine[] = []
  for (const [what, second] of Object.entries(sounds)) {
    const detector = new DtmfDetector({ sampleRate: RATE })
    const frames = Array.from({ length: 50 }, (_, i) => second.subarray(i * FRAME, (i + 1) * FRAME))
    let at = 0
    const detect = (count: number): void => {
      for (let i = 0; i < count; i += 1) for (const frame of frames) detector.push(frame, (at += 20))
    }
    const bare = (count: number): void => {
      for (let i = 0; i < count; i += 1) for (const frame of frames) filters(frame)
    }
    const [ours, theirs] = await measure(
      [
        { name: 'detector', run: detect },
        { name: 'eight filters', run: bare },
      ],
      { operations },
    )
    lines.push(
      benchLine({
        name: `digits searched for in a second of ${what}`,
        figure: ours!.cpuMicros,
        unit: 'µs',
        reference: { name: 'eight Goertzel filters', figure: theirs!.cpuMicros },
      }),
    )
  }
  return lines
}

const coefficients = [697, 770, 852, 941, 1209, 1336, 1477, 1633].map(
  hz => 2 * Math.cos((2 * Math.PI * hz) / RATE),
)
/** So that nothing is optimised away. */
let heard = 0

function filters(frame: Int16Array): void {
  for (const coefficient of coefficients) {
    let last = 0
    let before = 0
    for (let i = 0; i < FRAME; i += 1) {
      const next = (frame[i] as number) + coefficient * last - before
      before = last
      last = next
    }
    heard += last * last + before * before - coefficient * last * before
  }
}

/** Tones of 40 ms at -13 dBm0 with pauses of 40 ms, each at another phase of the detector's steps; white noise so many dB below. */
function dialled(keys: string, snrDb: number): Int16Array {
  const random = seededRandom(keys.length)
  const chance = (): number => (random.uint32() + 1) / 2 ** 32
  const out = new Float64Array(keys.length * 640)
  for (const [index, key] of keys.split('').entries()) {
    const from = index * 640 + Math.floor(40 * chance())
    const tone = dtmfTone(key, { sampleRate: RATE, durationMs: 40, volumeDbm0: -10 })
    for (const [i, sample] of tone.entries()) out[from + i] = sample
  }
  const power = 32_768 ** 2 * 10 ** (-3.14 / 10 - 1)
  const deviation = Math.sqrt(power / 2 / 10 ** (snrDb / 10))
  return Int16Array.from(out, sample => {
    const gauss = Math.sqrt(-2 * Math.log(chance())) * Math.cos(2 * Math.PI * chance())
    return Math.max(-32_768, Math.min(32_767, Math.round(sample + deviation * gauss)))
  })
}

function inNoise(short: boolean): readonly BenchLine[] {
  const random = seededRandom(24)
  const count = short ? 200 : 10_000
  const keys = Array.from({ length: count }, () => KEYS[random.integer(0, 15)]!).join('')
  return [18, 15, 12, 9, 6].map(snrDb => {
    const found = digitsIn([dialled(keys, snrDb)])
    return benchLine({
      name: `digits of 40 ms not found, white noise ${snrDb} dB below`,
      figure: count - matches(keys, found),
      unit: 'digits',
      reference: { name: 'sent', figure: count },
      note: found.length > count ? `${found.length - count} too many` : '',
      ...(snrDb >= 15 && { limit: { maxRatio: 0 } }),
    })
  })
}

/** How many of `keys` are in `found`, in order: what is wrong is passed over. */
function matches(keys: string, found: string): number {
  let at = 0
  let count = 0
  for (const key of keys) {
    const next = found.indexOf(key, at)
    if (next < 0 || next > at + 3) continue
    at = next + 1
    count += 1
  }
  return count
}

async function talkOff(short: boolean): Promise<readonly BenchLine[]> {
  const seconds = short ? 60 : 3600
  const lines: BenchLine[] = []
  const say = (name: string, found: string, note: string): void => {
    lines.push(
      benchLine({
        name,
        figure: found.length,
        unit: 'digits',
        reference: { name: 'hours', figure: seconds / 3600 },
        limit: { maxRatio: 0 },
        note: found.length > 0 ? `${note}: ${found}` : note,
      }),
    )
  }
  let speech = ''
  for await (const piece of hoursOfSpeech(seconds, pages())) speech += digitsIn([piece])
  const voices = canSpeak()
    ? '20 voices of espeak-ng'
    : 'no espeak-ng here: the prompts of assets, faster and slower'
  say('digits found in speech', speech, voices)
  let sounds = ''
  for (let at = 0; at < seconds; at += 60) sounds += digitsIn([music(60, seededRandom(at))])
  say('digits found in music', sounds, 'synthetic: chords, melody, drums')
  return lines
}

/** As a telephone would carry it: through G.711. */
function digitsIn(pieces: readonly Int16Array[]): string {
  const encoder = PCMU.encoder()
  const decoder = PCMU.decoder()
  const detector = new DtmfDetector({ sampleRate: RATE })
  const payload = new Uint8Array(FRAME)
  const frame = new Int16Array(FRAME)
  let found = ''
  let atMs = 0
  for (const samples of pieces) {
    for (let at = 0; at + FRAME <= samples.length; at += FRAME, atMs += 20) {
      encoder.encode(samples.subarray(at, at + FRAME), payload)
      decoder.decode(payload, frame)
      for (const tone of detector.push(frame, atMs)) if (tone.kind === 'start') found += tone.digit
    }
  }
  return found
}
