/** Longest pitch period looked for (66 Hz) and shortest (200 Hz): the range of ITU-T G.711 Appendix I. */
const longestPeriodMs = 15
const shortestPeriodMs = 5
/** Stretch of the past that is compared with itself one period earlier. */
const windowMs = 20
/** Full level for this long, then a straight line down to silence. */
const fadeStartMs = 10
const fadeEndMs = 60
/** Cross-fade when real audio returns: so much, and so much again for every 10 ms that were missing. */
const reentryMs = 4
const longestReentryMs = 10
const NOTHING = new Float64Array(0)

/**
 * Fills gaps in speech, in the manner of ITU-T G.711 Appendix I: repeats the last pitch period (then two, then three, so
 * that it does not buzz), fades to silence between 10 and 60 ms of gap, and cross-fades into the audio that returns.
 * Unlike the Appendix it adds no delay: it joins the start of the gap by bending the synthetic signal to the last sample
 * heard. Mono signed 16-bit, one stream, any rate, frames of any length; nothing is allocated but by the first gap.
 */
export class LossConcealer {
  readonly sampleRate: number
  /** A ring of what was last played, real or not. Small: every call writes to its own with every frame. */
  readonly #history: Int16Array
  /** Where in it the next sample goes, and how many of it count. */
  #at = 0
  #held = 0
  /** The history as it was when the gap began, newest at the end: the source of the synthetic signal. */
  #source = NOTHING
  readonly #shortest: number
  readonly #longest: number
  readonly #window: number
  /** Samples in 1/8000 s: the step of the coarse pitch search, which looks at every second of those. */
  readonly #step: number
  /** Samples missing so far in this gap; 0 when there is none. */
  #missing = 0
  #period = 0
  /** Periods repeated in turn, and where in them the next sample is. */
  #periods = 1
  #offset = 0
  /** Overlap of the seam where the repetition starts over. */
  #seam = 0
  /** What the first synthetic sample is away from its natural continuation, bent away over the first quarter period. */
  #bend = 0
  #concealed = 0

  constructor(sampleRate: number) {
    const samples = (ms: number): number => Math.round((sampleRate * ms) / 1000)
    this.sampleRate = sampleRate
    this.#shortest = samples(shortestPeriodMs)
    this.#longest = samples(longestPeriodMs)
    this.#window = samples(windowMs)
    this.#step = Math.max(1, Math.round(sampleRate / 8000))
    this.#history = new Int16Array(this.#longest * 4)
  }

  /** Samples made up so far. */
  get concealedSamples(): number {
    return this.#concealed
  }

  /** Takes a frame that arrived. After a gap its beginning is changed in place: cross-faded with the synthetic signal. */
  receive(pcm: Int16Array, from: number = 0, to: number = pcm.length): void {
    if (this.#missing > 0) this.#reenter(pcm, from, to - from)
    this.#remember(pcm, from, to)
  }

  /** Notes what was played, whoever made it: what is concealed next goes on from there. */
  remember(pcm: Int16Array, from: number = 0, to: number = pcm.length): void {
    this.#missing = 0
    this.#remember(pcm, from, to)
  }

  /** Copies the newest `count` samples played, real or not, to the start of `out`; zeros where there were none. */
  past(out: Int16Array, count: number): void {
    const history = this.#history
    const size = history.length
    const known = Math.min(count, this.#held)
    out.fill(0, 0, count - known)
    let at = this.#at - known
    if (at < 0) at += size
    for (let i = count - known; i < count; i += 1) {
      out[i] = history[at]!
      at = at + 1 === size ? 0 : at + 1
    }
  }

  /** Fills `out` from `from` to `to` with what most likely was in the frame that did not arrive; silence once the gap is longer than 60 ms. */
  conceal(out: Int16Array, from: number = 0, to: number = out.length): void {
    if (this.#missing === 0) this.#begin()
    for (let i = from; i < to; i += 1) out[i] = Math.round(this.#next())
    this.#concealed += to - from
    this.#remember(out, from, to)
  }

  /** Forgets the past: another stream begins. */
  reset(): void {
    this.#held = 0
    this.#missing = 0
  }

  #reenter(pcm: Int16Array, from: number, length: number): void {
    const missingMs = (this.#missing * 1000) / this.sampleRate
    const overlapMs = Math.min(longestReentryMs, reentryMs * Math.max(1, missingMs / 10))
    const overlap = Math.min(length, Math.round((this.sampleRate * overlapMs) / 1000))
    for (let i = 0; i < overlap; i += 1) {
      const weight = (i + 1) / (overlap + 1)
      pcm[from + i] = Math.round(pcm[from + i]! * weight + this.#next() * (1 - weight))
    }
    this.#missing = 0
  }

  #remember(pcm: Int16Array, from: number, to: number): void {
    const history = this.#history
    const size = history.length
    const length = to - from
    let at = this.#at
    if (length === pcm.length && at + length <= size) {
      history.set(pcm, at)
      at += length
      this.#at = at === size ? 0 : at
    } else {
      for (let i = Math.max(from, to - size); i < to; i += 1) {
        history[at] = pcm[i]!
        at = at + 1 === size ? 0 : at + 1
      }
      this.#at = at
    }
    this.#held = Math.min(size, this.#held + length)
  }

  #begin(): void {
    const history = this.#history
    const size = history.length
    if (this.#source.length === 0) this.#source = new Float64Array(size)
    const from = size - this.#held
    this.#source.fill(0, 0, from)
    for (let i = from; i < size; i += 1) this.#source[i] = history[(this.#at + i) % size]!
    this.#period = this.#findPeriod()
    this.#seam = Math.max(1, this.#period >> 2)
    this.#offset = 0
    this.#periods = 1
    const end = this.#source.length
    this.#bend = this.#source[end - 1]! - this.#source[end - 1 - this.#period]!
  }

  /** The next synthetic sample. */
  #next(): number {
    const missingMs = (this.#missing * 1000) / this.sampleRate
    this.#missing += 1
    if (missingMs >= fadeEndMs) return 0
    const gain = missingMs <= fadeStartMs ? 1 : (fadeEndMs - missingMs) / (fadeEndMs - fadeStartMs)
    const bent = this.#missing <= this.#seam ? this.#bend * (1 - this.#missing / (this.#seam + 1)) : 0
    const sample = (this.#repeated(missingMs) + bent) * gain
    return sample > 32_767 ? 32_767 : sample < -32_768 ? -32_768 : sample
  }

  /** Walks through the last periods of the source again and again, its end faded into what precedes its beginning. */
  #repeated(missingMs: number): number {
    const source = this.#source
    const length = this.#period * this.#periods
    const start = source.length - length
    const position = this.#offset
    let sample = source[start + position]!
    const into = position - (length - this.#seam)
    if (into >= 0) {
      const weight = (into + 1) / (this.#seam + 1)
      sample = sample * (1 - weight) + source[start - this.#seam + into]! * weight
    }
    this.#offset += 1
    if (this.#offset >= length) {
      // At the seam any number of periods continues the signal: one more for every 10 ms of gap.
      this.#offset = 0
      this.#periods = Math.min(3, 1 + Math.floor(missingMs / 10))
    }
    return sample
  }

  /** The lag at which the last 20 ms are most like what came before: coarsely first, then to the sample. */
  #findPeriod(): number {
    const step = this.#step
    let best = this.#longest
    let highest = 0
    for (let lag = this.#shortest; lag <= this.#longest; lag += step) {
      const score = this.#likeness(lag, 2 * step)
      if (score > highest) {
        highest = score
        best = lag
      }
    }
    const from = Math.max(this.#shortest, best - step)
    const to = Math.min(this.#longest, best + step)
    highest = 0
    for (let lag = from; lag <= to; lag += 1) {
      const score = this.#likeness(lag, 1)
      if (score > highest) {
        highest = score
        best = lag
      }
    }
    return best
  }

  /** Normalised correlation, signed square; 0 for silence. */
  #likeness(lag: number, stride: number): number {
    const source = this.#source
    const end = source.length
    let product = 0
    let energy = 1
    for (let i = end - this.#window; i < end; i += stride) {
      const earlier = source[i - lag]!
      product += source[i]! * earlier
      energy += earlier * earlier
    }
    return (product * Math.abs(product)) / energy
  }
}
