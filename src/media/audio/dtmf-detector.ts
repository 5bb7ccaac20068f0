import { Resampler } from '../codec/resampler.ts'
import { DialToneFilter } from './dtmf-dial-tone.ts'
import { DtmfSpectrum } from './dtmf-spectrum.ts'

/** A key that is heard in the audio. Times are on the clock given to `push`. */
export type DtmfTone =
  | { readonly kind: 'start'; readonly digit: string; readonly atMs: number }
  | { readonly kind: 'end'; readonly digit: string; readonly atMs: number; readonly durationMs: number }

/** The rate it works at. */
const RATE = 8000
/** Samples of a step: 5 ms. */
const STEP = 40
const STEP_MS = 5
/** Steps in a row that must show the same steady pair of tones: 40 ms always have them, 23 ms never (ITU-T Q.24 table A-1). */
const HITS_TO_START = 3
/** Steps in a row without it that end a digit: an interruption of 10 ms takes 7 at most, a pause of 30 ms 10 at least. */
const MISSES_TO_END = 9
/** What the windows add to both ends of a tone, in steps. */
const WINDOW_STEPS = 4
const ROWS = '123A456B789C*0#D'
const NONE: readonly DtmfTone[] = []

/**
 * Finds the keys of ITU-T Q.23 in telephone audio within the limits of Q.24: frequencies up to 1.5 % off are taken and those 3.5 % off
 * are not; each tone from -30 to 0 dBm0; the high one up to 4 dB above and 8 dB below the low one; 40 ms on, 40 ms off;
 * interruptions of up to 10 ms are bridged; a dial tone may sound beside it. Voices and music are told from keys by their being
 * nothing but two steady tones.
 */
export class DtmfDetector {
  readonly #resampler: Resampler | undefined
  readonly #converted: Int16Array
  readonly #filter = new DialToneFilter()
  readonly #spectrum = new DtmfSpectrum()
  readonly #step = new Float64Array(STEP)
  #filled = 0
  /** The pair that was found last, and in how many steps in a row. */
  #candidate = -1
  #hits = 0
  /** The digit that sounds. */
  #open = -1
  #openedAt = 0
  #misses = 0
  #lastHitAt = 0

  /** `sampleRate`: one of those of `Resampler`, of mono signed 16-bit samples. Works at 8000 and up. */
  constructor(options: { readonly sampleRate: number }) {
    const { sampleRate } = options
    this.#resampler = sampleRate === RATE ? undefined : new Resampler(sampleRate, RATE)
    this.#converted = new Int16Array(this.#resampler?.maxOutput(sampleRate / 10) ?? 0)
  }

  /** At most 100 ms of audio that begins at `atMs`. Returns what begins and ends in it; allocates nothing where that is nothing. */
  push(samples: Int16Array, atMs: number): readonly DtmfTone[] {
    const resampler = this.#resampler
    let pcm = samples
    let count = samples.length
    if (resampler !== undefined) {
      pcm = this.#converted
      count = resampler.process(samples, pcm)
      atMs -= resampler.delayMs
    }
    let told = NONE
    const step = this.#step
    for (let i = 0; i < count; i += 1) {
      step[this.#filled] = pcm[i] as number
      this.#filled += 1
      if (this.#filled < STEP) continue
      this.#filled = 0
      const more = this.#judge(atMs + ((i + 1) * 1000) / RATE)
      if (more.length > 0) told = told.length === 0 ? more : [...told, ...more]
    }
    return told
  }

  /** The audio stops: ends the digit that sounds. */
  flush(): readonly DtmfTone[] {
    this.#candidate = -1
    this.#hits = 0
    return this.#open < 0 ? NONE : [this.#end()]
  }

  // One step, which ended at `now`.
  #judge(now: number): readonly DtmfTone[] {
    this.#filter.process(this.#step)
    const pair = this.#spectrum.push(this.#step)
    if (pair >= 0 && pair === this.#candidate) this.#hits += 1
    else this.#hits = pair >= 0 ? 1 : 0
    this.#candidate = pair

    if (this.#open >= 0 && pair === this.#open) {
      this.#misses = 0
      this.#lastHitAt = now
      return NONE
    }
    let told = NONE
    if (this.#open >= 0) {
      this.#misses += 1
      if (this.#misses >= MISSES_TO_END || this.#hits >= HITS_TO_START) told = [this.#end()]
    }
    if (this.#open < 0 && this.#hits >= HITS_TO_START) {
      this.#open = pair
      this.#misses = 0
      this.#lastHitAt = now
      this.#openedAt = now - (HITS_TO_START + WINDOW_STEPS - 1) * STEP_MS
      const started: DtmfTone = { kind: 'start', digit: ROWS[pair]!, atMs: this.#openedAt }
      return told.length === 0 ? [started] : [...told, started]
    }
    return told
  }

  #end(): DtmfTone {
    const digit = ROWS[this.#open]!
    const durationMs = this.#lastHitAt - this.#openedAt
    this.#open = -1
    return { kind: 'end', digit, atMs: this.#openedAt, durationMs }
  }
}
