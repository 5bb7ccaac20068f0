/** Lags tried, ms: from half a period of a high voice to a whole one of a low voice (66 Hz). */
const shortestLagMs = 2.5
const longestLagMs = 15
/** Stretch of sound that must be like itself one lag away. */
const windowMs = 10
/** How much alike (normalised correlation) it must be; the second figure is for when there is no time to be choosy. */
const alike = 0.9
const barelyAlike = 0.3
/** Mean square below which anything may be cut or repeated unheard (-44 dBFS). */
const quietPower = 200 ** 2
/** Every so many-th sample tells whether sound is quiet. */
const QUIET_STRIDE = 3
/** Cross-fade where quiet sound is cut, ms, and the most that is put into it at a time: a frame. */
const quietFadeMs = 5
const quietGrowthMs = 20

/**
 * Makes speech shorter or longer without a gap and without changing its pitch: a whole number of pitch periods is taken out or
 * put in, cross-faded over (waveform similarity overlap-add). Where nothing repeats, as in an onset, nothing is done; in
 * silence anything goes. Mono signed 16-bit PCM of any rate. Holds no state: one serves all streams of its rate.
 */
export class TimeStretcher {
  readonly sampleRate: number
  /** Samples of the past that `grow` wants to see at least. */
  readonly pastSamples: number
  /** Samples by which `grow` makes longer at most. */
  readonly longestGrowth: number
  readonly #shortest: number
  readonly #longest: number
  readonly #window: number
  readonly #fade: number
  /** The coarse search looks at every so many-th lag and sample: about 4 kHz. */
  readonly #step: number
  #score = 0

  constructor(sampleRate: number) {
    const samples = (ms: number): number => Math.round((sampleRate * ms) / 1000)
    this.sampleRate = sampleRate
    this.#shortest = samples(shortestLagMs)
    this.#longest = samples(longestLagMs)
    this.#window = samples(windowMs)
    this.#fade = samples(quietFadeMs)
    this.#step = Math.max(1, Math.round(sampleRate / 8000))
    this.pastSamples = samples(quietGrowthMs)
    this.longestGrowth = samples(quietGrowthMs)
  }

  /**
   * Shortens the `length` samples of `pcm` from `from` on in place by up to `most`; 30 ms of sound or more serve well. Returns
   * the new length. The first sample stays where it is, so that it continues what came before.
   */
  shrink(pcm: Int16Array, from: number, length: number, most: number, urgent: boolean): number {
    if (this.isQuiet(pcm, from, from + length)) {
      const cut = Math.min(most, length - this.#fade)
      return cut <= 0 ? length : this.cut(pcm, from, length, cut)
    }
    const window = Math.min(this.#window, length >> 1)
    const longest = Math.min(this.#longest, most, length - window)
    const lag = this.#bestLag(pcm, from, window, longest, 1)
    if (lag === 0 || this.#score < (urgent ? barelyAlike : alike)) return length
    return this.#cut(pcm, from, length, lag, Math.min(lag, length - lag))
  }

  /**
   * Lengthens the `length` samples of `pcm` from `from` on, in place, by up to `most`; what precedes them in `pcm`
   * (`pastSamples`) is what was played before. `pcm` must have room for `longestGrowth` more. Returns the new length.
   */
  grow(pcm: Int16Array, from: number, length: number, most: number, urgent: boolean): number {
    const quiet = this.isQuiet(pcm, from, from + length)
    const longest = Math.min(quiet ? this.longestGrowth : this.#longest, most, from)
    const window = Math.min(this.#window, length)
    const lag = quiet ? longest : this.#bestLag(pcm, from, window, longest, -1)
    if (lag <= 0 || (!quiet && this.#score < (urgent ? barelyAlike : alike))) return length
    pcm.copyWithin(from + lag, from, from + length)
    const fade = Math.min(lag, length)
    for (let i = 0; i < fade; i += 1) {
      const weight = (i + 1) / (fade + 1)
      pcm[from + i] = Math.round(pcm[from + lag + i]! * (1 - weight) + pcm[from - lag + i]! * weight)
    }
    for (let i = fade; i < lag; i += 1) pcm[from + i] = pcm[from - lag + i]!
    return length + lag
  }

  /** Whether nobody would hear a change of `pcm` from `from` to `to`. */
  isQuiet(pcm: Int16Array, from: number, to: number): boolean {
    const limit = (quietPower * (to - from)) / QUIET_STRIDE
    let power = 0
    for (let i = from; i < to && power < limit; i += QUIET_STRIDE) power += pcm[i]! * pcm[i]!
    return power < limit
  }

  /** Takes `cut` samples out of quiet sound: the `length` samples of `pcm` from `from` on; returns how many are left. */
  cut(pcm: Int16Array, from: number, length: number, cut: number): number {
    return this.#cut(pcm, from, length, cut, Math.min(this.#fade, length - cut))
  }

  #cut(pcm: Int16Array, from: number, length: number, cut: number, fade: number): number {
    for (let i = from; i < from + fade; i += 1) {
      const weight = (i - from + 1) / (fade + 1)
      pcm[i] = Math.round(pcm[i]! * (1 - weight) + pcm[cut + i]! * weight)
    }
    pcm.copyWithin(from + fade, from + cut + fade, from + length)
    return length - cut
  }

  // The lag, ahead or behind, at which the window is most like itself: coarsely first, then to the sample. 0 when there is none.
  #bestLag(pcm: Int16Array, from: number, window: number, longest: number, ahead: 1 | -1): number {
    const step = this.#step
    this.#score = 0
    let best = 0
    for (let lag = this.#shortest; lag <= longest; lag += step) {
      const score = likeness(pcm, from, from + ahead * lag, window, 2 * step)
      if (score > this.#score) {
        this.#score = score
        best = lag
      }
    }
    if (best === 0) return 0
    const last = Math.min(longest, best + step)
    const first = Math.max(this.#shortest, best - step)
    this.#score = 0
    for (let lag = first; lag <= last; lag += 1) {
      const score = likeness(pcm, from, from + ahead * lag, window, 1)
      if (score > this.#score) {
        this.#score = score
        best = lag
      }
    }
    return best
  }
}

/** Normalised correlation of two stretches of `pcm`, -1 to 1. */
function likeness(pcm: Int16Array, one: number, other: number, length: number, stride: number): number {
  let product = 0
  let first = 1
  let second = 1
  for (let i = 0; i < length; i += stride) {
    const a = pcm[one + i]!
    const b = pcm[other + i]!
    product += a * b
    first += a * a
    second += b * b
  }
  return product / Math.sqrt(first * second)
}

const stretchers: Map<number, TimeStretcher> = new Map()

/** The stretcher of that rate; there are as many as there are rates. */
export function timeStretcher(sampleRate: number): TimeStretcher {
  let stretcher = stretchers.get(sampleRate)
  if (stretcher === undefined) {
    stretcher = new TimeStretcher(sampleRate)
    stretchers.set(sampleRate, stretcher)
  }
  return stretcher
}
