/*
 * The payload of comfort noise, RFC 3389: an octet of level in -dBov, then reflection coefficients of an all-pole model,
 * lowest order first, 8 bits each. A(z) = 1 + a1/z + …; noise of low frequencies has a negative first coefficient. Rates
 * matter only to time constants: the spectrum is relative to the sample rate.
 */

/** 0 dBov: a square wave at the limits of 16 bits (RFC 3389 §3.1). */
const overload = 32_768
const quietest = 127
/** More coefficients than this are read over, as §3 allows: the model stays right, only coarser. */
const mostCoefficients = 20

/** The coefficient of an index, §3.2; index 255 is reserved and taken for the greatest. */
function coefficientOf(index: number): number {
  return (258 * (Math.min(index, 254) - 127)) / 32_768
}

function indexOf(coefficient: number): number {
  return Math.max(0, Math.min(254, Math.round((coefficient * 32_768) / 258) + 127))
}

export interface ComfortNoiseGeneratorOptions {
  /** Samples per second of what is generated. */
  readonly sampleRate: number
  /** Start of the noise; two streams with the same one sound the same. Default 1. */
  readonly seed?: number
}

/** Time in which the noise follows an update to two thirds, so that it does not pump. */
const followMs = 40

/**
 * Makes the noise that the other side describes while it sends no speech (RFC 3389). Mono signed 16-bit, one stream.
 * Silent until the first update; from then on noise of the level and spectrum of the last one, for as long as it is asked.
 */
export class ComfortNoiseGenerator {
  readonly #sampleRate: number
  /** Coefficients in use, those aimed at, and the backward signals of the lattice, side by side. */
  readonly #lattice = new Float64Array(mostCoefficients * 3)
  /** Levels in dBov. */
  #level = NaN
  #wanted = NaN
  #order = 0
  #seed: number

  constructor(options: ComfortNoiseGeneratorOptions) {
    this.#sampleRate = options.sampleRate
    this.#seed = options.seed ?? 1
  }

  /** The level of the last update in -dBov; `undefined` before the first. */
  get level(): number | undefined {
    return Number.isNaN(this.#wanted) ? undefined : -this.#wanted
  }

  /** Takes the payload of a CN packet. An empty one changes nothing; without coefficients the noise is white. */
  update(payload: Uint8Array): void {
    if (payload.length === 0) return
    const lattice = this.#lattice
    const order = Math.min(mostCoefficients, payload.length - 1)
    for (let i = 0; i < mostCoefficients; i += 1)
      lattice[mostCoefficients + i] = i < order ? coefficientOf(payload[i + 1]!) : 0
    this.#order = Math.max(order, this.#order)
    this.#wanted = -(payload[0]! & 0x7f)
    if (!Number.isNaN(this.#level)) return
    // The first update is no change: there is nothing to glide from.
    this.#level = this.#wanted
    lattice.copyWithin(0, mostCoefficients, mostCoefficients * 2)
  }

  /** Fills `out` with the noise that follows what was generated last. */
  generate(out: Int16Array): void {
    if (Number.isNaN(this.#wanted)) {
      out.fill(0)
      return
    }
    const lattice = this.#lattice
    const order = this.#order
    const backward = mostCoefficients * 2
    const gain = this.#glide((out.length * 1000) / this.#sampleRate)
    let seed = this.#seed
    for (let i = 0; i < out.length; i += 1) {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0
      let forward = seed * gain
      for (let m = order - 1; m >= 0; m -= 1) {
        const coefficient = lattice[m]!
        const behind = lattice[backward + m]!
        forward -= coefficient * behind
        if (m + 1 < order) lattice[backward + m + 1] = behind + coefficient * forward
      }
      if (order > 0) lattice[backward] = forward
      out[i] = forward > 32_767 ? 32_767 : forward < -32_768 ? -32_768 : Math.round(forward)
    }
    this.#seed = seed
  }

  /** Forgets everything: another stream begins. */
  reset(): void {
    this.#lattice.fill(0)
    this.#level = NaN
    this.#wanted = NaN
    this.#order = 0
  }

  /**
   * Moves coefficients and level towards what is wanted, and returns the gain for a 32-bit uniform excitation. Any mean
   * of two stable sets of reflection coefficients is stable.
   */
  #glide(ms: number): number {
    const lattice = this.#lattice
    const share = 1 - Math.exp(-ms / followMs)
    this.#level += (this.#wanted - this.#level) * share
    let prediction = 1
    for (let m = 0; m < this.#order; m += 1) {
      lattice[m]! += (lattice[mostCoefficients + m]! - lattice[m]!) * share
      prediction *= 1 - lattice[m]! ** 2
    }
    const deviation = overload * 10 ** (this.#level / 20) * Math.sqrt(prediction)
    // A uniform variable of ±2^31 has a deviation of 2^31 / √3.
    return (deviation * Math.sqrt(3)) / 2 ** 31
  }
}

export interface ComfortNoiseEncoderOptions {
  /** Samples per second of what is analysed. */
  readonly sampleRate: number
  /** Reflection coefficients in the payload: 0 sends the level only. Default 10, at most 20. */
  readonly order?: number
}

/** Time over which the noise is averaged. */
const averageMs = 200
/** A change of this many dB, or of this much in the spectrum (square of the distance of coefficients), is worth a packet. */
const noticeableDb = 2
const noticeableSpectrum = 0.15
/** Widens sharp peaks (white noise 40 dB below) so that a hum does not make the far end's filter ring. */
const whiteness = 1.0001

/**
 * Describes background noise for the other side (RFC 3389): `analyse` every frame that the sender takes for noise, and
 * send `payload()` when silence begins, and again when `changed`. What is noise, and how long after speech it is not yet
 * believed, is the sender's decision. Mono signed 16-bit frames, one stream, no allocation per frame.
 */
export class ComfortNoiseEncoder {
  readonly #order: number
  readonly #sampleRate: number
  readonly #payload: Uint8Array
  /** Averaged autocorrelation of the windowed noise, and behind it the prediction polynomial and its reversal. */
  readonly #work: Float64Array
  /** Coefficients of the last analysis, and those last sent. */
  readonly #coefficients: Float64Array
  readonly #sent: Float64Array
  #windowed = new Float64Array(0)
  #power = NaN
  #sentLevel = NaN
  #stale = true

  constructor(options: ComfortNoiseEncoderOptions) {
    this.#order = Math.max(0, Math.min(mostCoefficients, options.order ?? 10))
    this.#sampleRate = options.sampleRate
    this.#payload = new Uint8Array(this.#order + 1)
    this.#work = new Float64Array((this.#order + 1) * 3)
    this.#coefficients = new Float64Array(this.#order)
    this.#sent = new Float64Array(this.#order)
  }

  /** The averaged level in -dBov, 0 to 127. */
  get level(): number {
    const level = Number.isNaN(this.#power) ? -quietest : 10 * Math.log10(this.#power / overload ** 2)
    return Math.max(0, Math.min(quietest, Math.round(-level)))
  }

  /** The noise has become another since the last `payload()`, or there was none yet: worth a packet. */
  get changed(): boolean {
    if (Number.isNaN(this.#power)) return false
    if (Number.isNaN(this.#sentLevel) || Math.abs(this.level - this.#sentLevel) >= noticeableDb) return true
    this.#model()
    let distance = 0
    for (let m = 0; m < this.#order; m += 1) distance += (this.#coefficients[m]! - this.#sent[m]!) ** 2
    return distance >= noticeableSpectrum
  }

  /** How much of the noise its own past tells, dB: some for coloured noise, 20 and more for tones. 0 before the first frame. */
  get predictionGainDb(): number {
    this.#model()
    let rest = 1
    for (let m = 0; m < this.#order; m += 1) rest *= 1 - this.#coefficients[m]! ** 2
    return -10 * Math.log10(rest)
  }

  /** Takes a frame of noise, of any length. */
  analyse(frame: Int16Array): void {
    const count = frame.length
    if (count === 0) return
    if (this.#windowed.length < count) this.#windowed = new Float64Array(count)
    const windowed = this.#windowed
    let power = 0
    let mean = 0
    for (let i = 0; i < count; i += 1) mean += frame[i]!
    mean /= count
    const step = (2 * Math.PI) / count
    for (let i = 0; i < count; i += 1) {
      const sample = frame[i]! - mean
      power += sample * sample
      windowed[i] = sample * (0.5 - 0.5 * Math.cos(step * (i + 0.5)))
    }
    power /= count
    const first = Number.isNaN(this.#power)
    const share = first ? 1 : 1 - Math.exp((-count * 1000) / this.#sampleRate / averageMs)
    this.#power = first ? power : this.#power + (power - this.#power) * share
    for (let lag = 0; lag <= this.#order; lag += 1) {
      let sum = 0
      for (let i = lag; i < count; i += 1) sum += windowed[i]! * windowed[i - lag]!
      this.#work[lag]! += (sum / count - this.#work[lag]!) * share
    }
    this.#stale = true
  }

  /** The payload of a CN packet for the noise so far. The same array every time: copy it to keep it. */
  payload(): Uint8Array {
    this.#model()
    this.#payload[0] = this.level
    for (let m = 0; m < this.#order; m += 1) this.#payload[m + 1] = indexOf(this.#coefficients[m]!)
    this.#sent.set(this.#coefficients)
    this.#sentLevel = this.#payload[0]
    return this.#payload
  }

  /** Forgets the noise: silence begins anew, maybe elsewhere. */
  reset(): void {
    this.#power = NaN
    this.#sentLevel = NaN
    this.#stale = true
    this.#work.fill(0)
    this.#coefficients.fill(0)
  }

  /** Levinson's recursion, from the autocorrelation to the reflection coefficients. */
  #model(): void {
    if (!this.#stale) return
    this.#stale = false
    const order = this.#order
    const work = this.#work
    const polynomial = order + 1
    const before = polynomial * 2
    const coefficients = this.#coefficients
    let error = work[0]! * whiteness
    coefficients.fill(0)
    for (let m = 1; m <= order && error > 0; m += 1) {
      let sum = work[m]!
      for (let i = 1; i < m; i += 1) sum += work[polynomial + i]! * work[m - i]!
      const coefficient = Math.max(-0.999, Math.min(0.999, -sum / error))
      for (let i = 1; i < m; i += 1) work[before + i] = work[polynomial + i]!
      for (let i = 1; i < m; i += 1) work[polynomial + i]! += coefficient * work[before + m - i]!
      work[polynomial + m] = coefficient
      coefficients[m - 1] = coefficient
      error *= 1 - coefficient ** 2
    }
  }
}
