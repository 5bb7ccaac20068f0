import { OptionError } from '../../runtime/errors.ts'
import { checkRate } from './rates.ts'

export interface VoiceActivityOptions {
  /** Samples per second of what is pushed. */
  readonly sampleRate: number
  /** How far above the noise counts as speech, dB, 3 to 30; default 6. */
  readonly thresholdDb?: number
  /** Nothing softer is speech, dBFS; default -50. */
  readonly minLevelDbfs?: number
  /** Pauses up to this long, milliseconds, are within speech; default 200. */
  readonly hangoverMs?: number
}

const BLOCKS_A_SECOND = 100
/** Speech must stand out for so many blocks of 10 ms in a row to begin. */
const ONSET_BLOCKS = 3
/** The noise is the least that was heard in so many stretches of 250 ms. */
const STRETCHES = 8
const STRETCH_BLOCKS = 25
/** The least of many blocks of noise is that much below its mean. */
const MINIMUM_BIAS_DB = 1.5
const FLOOR_DB = -90
const FULL_SCALE_POWER = 32_768 * 32_768

/**
 * Tells speech from noise that does not change fast, from 10 dB of signal to noise on. Two bands, below and above 1 kHz, are each held
 * against the softest they were in the last two seconds; pushed audio may come in chunks of any length. Keeps no audio, allocates
 * nothing.
 */
export class VoiceActivityDetector {
  readonly #blockSamples: number
  readonly #threshold: number
  readonly #minLevel: number
  readonly #hangoverBlocks: number
  readonly #highPass: number
  readonly #lowPass: number
  // Filters
  #before = 0
  #high = 0
  #low = 0
  #lower = 0
  // The block under way
  #count = 0
  #lowEnergy = 0
  #highEnergy = 0
  readonly #lowFloor = new NoiseFloor()
  readonly #highFloor = new NoiseFloor()
  #onset = 0
  #left = 0
  #active = false
  #levelDbfs = -Infinity

  constructor(options: VoiceActivityOptions) {
    const { thresholdDb = 6, minLevelDbfs = -50, hangoverMs = 200 } = options
    const sampleRate = checkRate(options.sampleRate)
    if (!(thresholdDb >= 3 && thresholdDb <= 30)) {
      throw new OptionError('thresholdDb', `${thresholdDb} is not usable; give dB, 3 to 30`)
    }
    if (!(hangoverMs >= 0 && hangoverMs <= 10_000)) {
      throw new OptionError('hangoverMs', `${hangoverMs} is not usable; give milliseconds, 0 to 10000`)
    }
    if (!(minLevelDbfs <= 0)) {
      throw new OptionError('minLevelDbfs', `${minLevelDbfs} is not usable; give dBFS, 0 or less`)
    }
    this.#blockSamples = Math.round(sampleRate / BLOCKS_A_SECOND)
    this.#threshold = thresholdDb
    this.#minLevel = minLevelDbfs
    this.#hangoverBlocks = Math.round(hangoverMs / 10)
    this.#highPass = Math.exp((-2 * Math.PI * 100) / sampleRate)
    this.#lowPass = 1 - Math.exp((-2 * Math.PI * 1000) / sampleRate)
  }

  /** Whether there is speech, pauses shorter than the hangover included. */
  get active(): boolean {
    return this.#active
  }

  /** Whether the last 10 ms were part of speech themselves. */
  get voiced(): boolean {
    return this.#active && this.#left === this.#hangoverBlocks
  }

  /** Of the last 30 ms or so, without what is below 100 Hz. */
  get levelDbfs(): number {
    return this.#levelDbfs
  }

  /** Takes more audio and says whether there is speech at its end. `tonal`: it is known to be a tone, which is none. */
  push(samples: Int16Array, tonal: boolean = false): boolean {
    for (let i = 0; i < samples.length; i += 1) {
      const sample = samples[i] as number
      this.#high = this.#highPass * (this.#high + sample - this.#before)
      this.#before = sample
      this.#low += this.#lowPass * (this.#high - this.#low)
      this.#lower += this.#lowPass * (this.#low - this.#lower)
      const rest = this.#high - this.#lower
      this.#lowEnergy += this.#lower * this.#lower
      this.#highEnergy += rest * rest
      this.#count += 1
      if (this.#count === this.#blockSamples) this.#endBlock(tonal)
    }
    return this.#active
  }

  #endBlock(tonal: boolean): void {
    const low = this.#lowEnergy / this.#count / FULL_SCALE_POWER
    const high = this.#highEnergy / this.#count / FULL_SCALE_POWER
    this.#count = 0
    this.#lowEnergy = 0
    this.#highEnergy = 0
    const lowAbove = this.#lowFloor.push(low, tonal)
    const highAbove = this.#highFloor.push(high, tonal)
    this.#levelDbfs = 10 * Math.log10(this.#lowFloor.power + this.#highFloor.power + 1e-12)
    const stands =
      !tonal &&
      this.#levelDbfs > this.#minLevel &&
      (lowAbove > this.#threshold || highAbove > this.#threshold + 1)
    // What was smoothed has the power of a click in it for long; the blocks themselves do not.
    const half = this.#threshold / 2
    const lasts = this.#lowFloor.aboveNow > half || this.#highFloor.aboveNow > half
    this.#onset = stands && lasts ? this.#onset + 1 : 0
    if (tonal) this.#left = 0
    else if (this.#onset >= ONSET_BLOCKS || (stands && this.#active)) this.#left = this.#hangoverBlocks
    else if (this.#left > 0) this.#left -= 1
    this.#active = stands ? this.#active || this.#onset >= ONSET_BLOCKS : this.#left > 0
  }
}

/** Power of one band, smoothed over some 30 ms, and the least it was. */
class NoiseFloor {
  power = 0
  /** dB of the last block by itself above the noise. */
  aboveNow = 0
  readonly #least = new Float64Array(STRETCHES).fill(0)
  #stretch = 0
  #blocks = 0
  #started = false

  /** dB of the band above its noise. */
  push(power: number, tonal: boolean): number {
    this.power = this.#started ? this.power + (power - this.power) * 0.4 : power
    const level = Math.max(FLOOR_DB, 10 * Math.log10(this.power + 1e-12))
    if (!this.#started) this.#least.fill(level)
    this.#started = true
    if (!tonal) this.#note(level)
    let floor = 0
    for (let i = 0; i < STRETCHES; i += 1) floor = Math.min(floor, this.#least[i] as number)
    // A loud tone must not die away slowly into what follows it.
    if (tonal) this.power = 10 ** (floor / 10)
    this.aboveNow = Math.max(FLOOR_DB, 10 * Math.log10(power + 1e-12)) - floor - MINIMUM_BIAS_DB
    return level - floor - MINIMUM_BIAS_DB
  }

  #note(level: number): void {
    if (level < (this.#least[this.#stretch] as number)) this.#least[this.#stretch] = level
    this.#blocks += 1
    if (this.#blocks < STRETCH_BLOCKS) return
    this.#blocks = 0
    this.#stretch = (this.#stretch + 1) % STRETCHES
    this.#least[this.#stretch] = level
  }
}
