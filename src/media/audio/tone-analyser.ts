/** What 20 ms of telephone audio have in them, as far as tones go. */
export interface ToneReading {
  /** Nearly all of the power between 250 and 3400 Hz is in one narrow peak, or in two. */
  tones: 0 | 1 | 2
  /** Of the strongest peak, to within some 5 Hz; two frequencies less than 60 Hz apart read as one between them. */
  hz: number
  /** Of the other peak, where there are two. */
  otherHz: number
  levelDbfs: number
}

/** The rate it works at. */
export const ANALYSIS_RATE = 8000
const SIZE = 256
const HALF = SIZE / 2
const BIN_HZ = ANALYSIS_RATE / SIZE
/** Bins looked at: 250 to 3400 Hz. */
const FIRST_BIN = 8
const LAST_BIN = 108
/** A peak reaches so many bins to either side: the main lobe of the Hann window. */
const REACH = 2
/** Share of the power that the peaks must have; a tone 10 dB above white noise has 0.9. */
const PURE_SHARE = 0.85
const MIN_LEVEL_DBFS = -50

/**
 * Spectrum of the last 32 ms (Hann window), of any audio at 8000 samples a second. Allocates nothing while it works; the reading
 * returned is the same object each time.
 */
export class ToneAnalyser {
  readonly #history = new Float64Array(SIZE)
  readonly #real = new Float64Array(SIZE)
  readonly #imaginary = new Float64Array(SIZE)
  readonly #power = new Float64Array(HALF)
  readonly #reading: ToneReading = { tones: 0, hz: 0, otherHz: 0, levelDbfs: -Infinity }

  push(samples: Int16Array): ToneReading {
    const history = this.#history
    const count = Math.min(SIZE, samples.length)
    history.copyWithin(0, count)
    for (let i = 0; i < count; i += 1) {
      history[SIZE - count + i] = samples[samples.length - count + i] as number
    }
    let energy = 0
    for (let i = 0; i < SIZE; i += 1) {
      const sample = history[i] as number
      energy += sample * sample
      this.#real[BIT_REVERSED[i] as number] = sample * (HANN[i] as number)
    }
    this.#imaginary.fill(0)
    const reading = this.#reading
    reading.levelDbfs = 10 * Math.log10(energy / SIZE / (32_768 * 32_768) + 1e-12)
    reading.tones = 0
    if (reading.levelDbfs < MIN_LEVEL_DBFS) return reading
    transform(this.#real, this.#imaginary)
    this.#judge(reading)
    return reading
  }

  #judge(reading: ToneReading): void {
    const power = this.#power
    let total = 0
    // What is below the band counts against a tone: a low voice has its first harmonic there.
    for (let bin = 2; bin < HALF; bin += 1) {
      const real = this.#real[bin] as number
      const imaginary = this.#imaginary[bin] as number
      power[bin] = real * real + imaginary * imaginary
      total += power[bin] as number
    }
    const first = this.#peak()
    reading.hz = this.#centre(first)
    const firstPower = this.#takePeak(first)
    if (firstPower > total * PURE_SHARE) {
      reading.tones = 1
      return
    }
    const second = this.#peak()
    reading.otherHz = this.#centre(second)
    const secondPower = this.#takePeak(second)
    if (firstPower + secondPower > total * PURE_SHARE && secondPower > firstPower / 10) reading.tones = 2
  }

  #peak(): number {
    let best = FIRST_BIN
    for (let bin = FIRST_BIN; bin <= LAST_BIN; bin += 1) {
      if ((this.#power[bin] as number) > (this.#power[best] as number)) best = bin
    }
    return best
  }

  #centre(peak: number): number {
    let sum = 0
    let weighed = 0
    for (let bin = peak - REACH; bin <= peak + REACH; bin += 1) {
      sum += this.#power[bin] as number
      weighed += (this.#power[bin] as number) * bin
    }
    return sum > 0 ? (weighed / sum) * BIN_HZ : 0
  }

  #takePeak(peak: number): number {
    let sum = 0
    for (let bin = peak - REACH; bin <= peak + REACH; bin += 1) {
      sum += this.#power[bin] as number
      this.#power[bin] = 0
    }
    return sum
  }
}

const HANN = Float64Array.from({ length: SIZE }, (_, i) => 1 - Math.cos((2 * Math.PI * (i + 0.5)) / SIZE))
const BIT_REVERSED = Uint8Array.from({ length: SIZE }, (_, i) => {
  let reversed = 0
  for (let bit = 1, mirror = HALF; bit < SIZE; bit <<= 1, mirror >>= 1) if (i & bit) reversed |= mirror
  return reversed
})
const COSINES = Float64Array.from({ length: HALF }, (_, i) => Math.cos((2 * Math.PI * i) / SIZE))
const SINES = Float64Array.from({ length: HALF }, (_, i) => -Math.sin((2 * Math.PI * i) / SIZE))

/** Radix 2, of what is in bit-reversed order already. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  for (let size = 2; size <= SIZE; size *= 2) {
    const half = size / 2
    const stride = SIZE / size
    for (let start = 0; start < SIZE; start += size) {
      for (let k = 0; k < half; k += 1) {
        const cosine = COSINES[k * stride] as number
        const sine = SINES[k * stride] as number
        const upper = start + k
        const lower = upper + half
        const r = (real[lower] as number) * cosine - (imaginary[lower] as number) * sine
        const i = (real[lower] as number) * sine + (imaginary[lower] as number) * cosine
        real[lower] = (real[upper] as number) - r
        imaginary[lower] = (imaginary[upper] as number) - i
        real[upper] = (real[upper] as number) + r
        imaginary[upper] = (imaginary[upper] as number) + i
      }
    }
  }
}
