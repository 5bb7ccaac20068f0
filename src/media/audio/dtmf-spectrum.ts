/** What a step must show to count as a key. Powers are ratios, levels dBm0 of each tone. */
const limits = {
  /** Of all power (dial tones taken out) the two tones have so much. */
  purity: 0.86,
  minLevelDbm0: -32,
  /** High tone against the low one, dB: Q.24 asks for +4 and -8 at the least. */
  maxTwistDb: 5.5,
  minTwistDb: -9.5,
  /** Between the 1.5 % that must be taken and the 3.5 % that must not; some note of the piano is 2.5 % off. */
  frequencyRatio: 0.022,
  /** Two tones this near to an octave are one note and its harmonic: no key comes nearer than 0.023, 1.5 % off in both. */
  octave: 0.015,
  /** Second harmonic of the high tone, of its power; instruments and voices have more. */
  secondHarmonic: 0.05,
  /** Third harmonic of the low tone, of its power. */
  thirdHarmonic: 0.03,
  /** From window to window, dB; a voice is hardly ever that steady. */
  steadinessDb: 1.2,
} as const

/** ITU-T Q.23, Hz: rows, then columns. */
const FREQUENCIES = [697, 770, 852, 941, 1209, 1336, 1477, 1633] as const
const TONES = 8
const ROWS = 4
const RATE = 8000
const STEP = 40
const HALF = STEP / 2
/** Weights of the steps of a window, the newest first: side lobes are low, and a step at its edge counts half. */
const WEIGHTS = [0.5, 1, 1, 0.5] as const
const STEPS = WEIGHTS.length
const WEIGHT = WEIGHTS.reduce((sum, weight) => sum + weight, 0)

/** Squared amplitude of a sine of 0 dBm0; one of full scale is 3.14 dBm0 (ITU-T G.711, A-law). */
const ZERO_DBM0 = 32_768 ** 2 * 10 ** (-3.14 / 10)
const MIN_POWER = ZERO_DBM0 * 10 ** (limits.minLevelDbm0 / 10)
const MAX_TWIST = 10 ** (limits.maxTwistDb / 10)
const MIN_TWIST = 10 ** (limits.minTwistDb / 10)
const MAX_STEP_UP = 10 ** (limits.steadinessDb / 10)
const MIN_STEP_UP = 1 / MAX_STEP_UP
/** Mean square of a step below which no tone of it can be loud enough. */
const QUIET = MIN_POWER / 4

/**
 * Sees step by step (5 ms of audio at 8000 samples a second) whether the last 25 ms were one key. Each step is correlated with the eight
 * frequencies; four neighbours make a window; two windows tell by their phases what the frequencies really are.
 */
export class DtmfSpectrum {
  /** Correlations of the last steps: by step, then by tone, cosine and sine. */
  readonly #steps = new Float64Array(STEPS * TONES * 2)
  readonly #energies = new Float64Array(STEPS)
  /** The samples of those steps. */
  readonly #samples = new Float64Array(STEPS * STEP)
  /** The window and the one before it. */
  #window = new Float64Array(TONES * 2)
  #before = new Float64Array(TONES * 2)
  #newest = 0
  /** Steps since there was sound, so that silence costs nothing. */
  #silent: number = STEPS

  /** The pair that sounds, row * 4 + column; -1 for none. */
  push(samples: Float64Array): number {
    this.#newest = (this.#newest + STEPS - 1) % STEPS
    const energy = this.#correlate(samples)
    this.#silent = energy < QUIET * STEP ? this.#silent + 1 : 0
    if (this.#silent >= STEPS) return -1
    const before = this.#window
    this.#window = this.#before
    this.#before = before
    this.#combine()
    return this.#judge()
  }

  // Around the middle of the step: cosines see what is even there, sines what is odd.
  #correlate(samples: Float64Array): number {
    const at = this.#newest * TONES * 2
    let energy = 0
    for (let i = 0; i < HALF; i += 1) {
      const right = samples[HALF + i] as number
      const left = samples[HALF - 1 - i] as number
      EVEN[i] = right + left
      ODD[i] = right - left
      energy += right * right + left * left
    }
    this.#energies[this.#newest] = energy
    this.#samples.set(samples, this.#newest * STEP)
    for (let tone = 0; tone < TONES; tone += 1) {
      let real = 0
      let imaginary = 0
      const table = tone * HALF
      for (let i = 0; i < HALF; i += 1) {
        real += (EVEN[i] as number) * (COSINES[table + i] as number)
        imaginary -= (ODD[i] as number) * (SINES[table + i] as number)
      }
      this.#steps[at + 2 * tone] = real
      this.#steps[at + 2 * tone + 1] = imaginary
    }
    return energy
  }

  // The phases are those at the middle of the newest step.
  #combine(): void {
    const window = this.#window
    window.fill(0)
    for (let age = 0; age < STEPS; age += 1) {
      const at = ((this.#newest + age) % STEPS) * TONES * 2
      const turn = age * TONES * 2
      for (let i = 0; i < TONES * 2; i += 2) {
        const real = this.#steps[at + i] as number
        const imaginary = this.#steps[at + i + 1] as number
        const cosine = TURNS[turn + i] as number
        const sine = TURNS[turn + i + 1] as number
        window[i] = (window[i] as number) + real * cosine - imaginary * sine
        window[i + 1] = (window[i + 1] as number) + real * sine + imaginary * cosine
      }
    }
  }

  #judge(): number {
    const row = this.#strongest(0, ROWS)
    const column = this.#strongest(ROWS, TONES)
    const low = this.#tone(row)
    const lowPower = POWER
    const lowHz = HZ
    if (!low) return -1
    const high = this.#tone(column)
    const highPower = POWER
    const highHz = HZ
    if (!high || Math.abs(highHz / lowHz - 2) < limits.octave) return -1
    if (highPower > lowPower * MAX_TWIST || highPower < lowPower * MIN_TWIST) return -1
    // A sine has half its squared amplitude as power.
    if (lowPower + highPower < 2 * limits.purity * this.#meanSquare()) return -1
    // Last, for few come this far.
    if (this.#powerOf(2 * highHz) > limits.secondHarmonic * highPower) return -1
    if (this.#powerOf(3 * lowHz) > limits.thirdHarmonic * lowPower) return -1
    return row * ROWS + column - ROWS
  }

  /** Squared amplitude of any frequency in the window. */
  #powerOf(hz: number): number {
    const turn = (2 * Math.PI * hz) / RATE
    const coefficient = 2 * Math.cos(turn)
    let last = 0
    let before = 0
    for (let age = STEPS - 1; age >= 0; age -= 1) {
      const at = ((this.#newest + age) % STEPS) * STEP
      const weight = WEIGHTS[age]!
      for (let i = 0; i < STEP; i += 1) {
        const next = weight * (this.#samples[at + i] as number) + coefficient * last - before
        before = last
        last = next
      }
    }
    return (last * last + before * before - coefficient * last * before) / SCALE
  }

  #strongest(from: number, to: number): number {
    let best = from
    let most = -1
    for (let tone = from; tone < to; tone += 1) {
      const power = powerAt(this.#window, tone)
      if (power <= most) continue
      most = power
      best = tone
    }
    return best
  }

  // Loud, steady and of the right frequency. Leaves its squared amplitude in POWER, its frequency in HZ.
  #tone(tone: number): boolean {
    const power = powerAt(this.#window, tone)
    const powerBefore = powerAt(this.#before, tone)
    if (power < MIN_POWER * SCALE * 0.5) return false
    if (power > powerBefore * MAX_STEP_UP || power < powerBefore * MIN_STEP_UP) return false
    // How far the phase turned in a step beyond what the nominal frequency turns.
    const real = this.#window[2 * tone] as number
    const imaginary = this.#window[2 * tone + 1] as number
    const oldReal = this.#before[2 * tone] as number
    const oldImaginary = this.#before[2 * tone + 1] as number
    const cosine = STEP_TURNS[2 * tone] as number
    const sine = STEP_TURNS[2 * tone + 1] as number
    const nominalReal = oldReal * cosine - oldImaginary * sine
    const nominalImaginary = oldReal * sine + oldImaginary * cosine
    const turned = Math.atan2(
      imaginary * nominalReal - real * nominalImaginary,
      real * nominalReal + imaginary * nominalImaginary,
    )
    const offHz = (turned * RATE) / (2 * Math.PI * STEP)
    if (Math.abs(offHz) > limits.frequencyRatio * FREQUENCIES[tone]!) return false
    HZ = FREQUENCIES[tone]! + offHz
    POWER = power / (SCALE * lossAt(offHz))
    return POWER >= MIN_POWER
  }

  #meanSquare(): number {
    let sum = 0
    for (let age = 0; age < STEPS; age += 1) {
      sum += (this.#energies[(this.#newest + age) % STEPS] as number) * WEIGHTS[age]!
    }
    return sum / (STEP * WEIGHT)
  }
}

function powerAt(window: Float64Array, tone: number): number {
  const real = window[2 * tone] as number
  const imaginary = window[2 * tone + 1] as number
  return real * real + imaginary * imaginary
}

/** How much less of the power a window sees of a tone that is off its frequency. */
function lossAt(hz: number): number {
  const turn = (2 * Math.PI * hz * STEP) / RATE
  const step = turn === 0 ? 1 : Math.sin(turn / 2) / (turn / 2)
  const seen = (step * (Math.cos(turn / 2) + 0.5 * Math.cos(1.5 * turn))) / 1.5
  return seen * seen
}

/** Power in a window over the squared amplitude of the sine that makes it. */
const SCALE = ((STEP * WEIGHT) / 2) ** 2

// Shared by all: nothing stays in them from one step to the next.
let POWER = 0
let HZ = 0
const EVEN = new Float64Array(HALF)
const ODD = new Float64Array(HALF)

const COSINES = table((hz, i) => Math.cos((2 * Math.PI * hz * (i + 0.5)) / RATE))
const SINES = table((hz, i) => Math.sin((2 * Math.PI * hz * (i + 0.5)) / RATE))
/** From the middle of a step of some age to that of the newest, with the weight of that age. */
const TURNS = Float64Array.from({ length: STEPS * TONES * 2 }, (_, i) => {
  const age = Math.floor(i / (TONES * 2))
  const angle = (2 * Math.PI * FREQUENCIES[(i >> 1) % TONES]! * STEP * age) / RATE
  return WEIGHTS[age]! * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle))
})
/** From one step to the next. */
const STEP_TURNS = Float64Array.from({ length: TONES * 2 }, (_, i) => {
  const angle = (2 * Math.PI * FREQUENCIES[i >> 1]! * STEP) / RATE
  return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle)
})

function table(of: (hz: number, i: number) => number): Float64Array {
  return Float64Array.from({ length: TONES * HALF }, (_, i) =>
    of(FREQUENCIES[Math.floor(i / HALF)]!, i % HALF),
  )
}
