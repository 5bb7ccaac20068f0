import { OptionError } from '../../runtime/errors.ts'

/** Sample rates a `Resampler` converts between, in Hz: those of telephony, of Opus, and of speech synthesis and WAV files. */
export const resamplerRates: readonly number[] = [
  8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
]

/** The pass band ends here, as a share of the lower of the two Nyquist frequencies (3400 Hz when one side is 8 kHz). */
const passBand = 0.85
/** Design attenuation in dB; what comes out of the rounding of the design is tested to be at least 80. */
const attenuation = 83

/** Input samples taken through the filter at a time; longer input goes in pieces, to bound the buffer. */
const blockLength = 960

interface FilterBank {
  /** Output samples per `down` input samples. */
  readonly up: number
  readonly down: number
  /** Coefficients per phase. */
  readonly taps: number
  /** `up` phases of `taps` coefficients, each phase in the order of its input samples from oldest to newest. */
  readonly coefficients: Float64Array
  /** In input samples. */
  readonly delay: number
}

/** Bounded by the pairs of `resamplerRates`. */
const banks = new Map<string, FilterBank>()

/**
 * Streaming sample rate conversion by a polyphase windowed-sinc filter: mono signed 16-bit, one stream.
 *
 * However the input is cut into chunks, the same samples come out. Pass band to 0.85 of the lower Nyquist frequency
 * (ripple under 0.01 dB), stop band from the Nyquist frequency on, at least 80 dB down. No allocation after construction.
 * Samples come out `delayMs` late (linear phase), and every input of a whole number of steps (20 ms is one for every
 * pair of rates that divides it) gives its exact share of output from the first call on.
 */
export class Resampler {
  readonly from: number
  readonly to: number
  /** The group delay of the filter in milliseconds; 0 when both rates are the same. */
  readonly delayMs: number
  readonly #bank: FilterBank | undefined
  /** The last `taps` - 1 samples of input, then the block at hand. */
  readonly #buffer: Float64Array
  /** Position of the next output sample, in 1/`up` of an input sample from the start of the next block. */
  #position = 0

  /** @throws OptionError when a rate is not one of `resamplerRates`. */
  constructor(from: number, to: number) {
    for (const [field, rate] of [
      ['from', from],
      ['to', to],
    ] as const)
      if (!resamplerRates.includes(rate))
        throw new OptionError(field, `${rate} Hz is not among the rates ${resamplerRates.join(', ')}`)
    this.from = from
    this.to = to
    this.#bank = from === to ? undefined : filterBank(from, to)
    this.#buffer = new Float64Array(this.#bank ? this.#bank.taps - 1 + blockLength : 0)
    this.delayMs = this.#bank ? (this.#bank.delay / from) * 1000 : 0
  }

  /** The most samples `process` can write for that many samples of input: the room `output` needs. */
  maxOutput(inputLength: number): number {
    return this.#bank ? Math.ceil((inputLength * this.#bank.up) / this.#bank.down) : inputLength
  }

  /**
   * Takes all of `input` and returns how many samples it wrote to the start of `output`.
   *
   * @throws OptionError when `output` has less room than `maxOutput(input.length)`; nothing was taken then.
   */
  process(input: Int16Array, output: Int16Array): number {
    if (output.length < this.maxOutput(input.length))
      throw new OptionError(
        'output',
        `has room for ${output.length} samples, ${this.maxOutput(input.length)} are needed`,
      )
    if (!this.#bank) {
      output.set(input)
      return input.length
    }
    const history = this.#bank.taps - 1
    const buffer = this.#buffer
    let written = 0
    for (let start = 0; start < input.length; start += blockLength) {
      const count = Math.min(blockLength, input.length - start)
      for (let i = 0; i < count; i += 1) buffer[history + i] = input[start + i]!
      written = this.#filter(this.#bank, count, output, written)
      buffer.copyWithin(0, count, count + history)
    }
    return written
  }

  /** The most samples `flush` can write. */
  get maxFlush(): number {
    return this.#bank ? Math.ceil((Math.ceil(this.#bank.delay) * this.#bank.up) / this.#bank.down) : 0
  }

  /**
   * Ends the stream: writes what the delay still holds back and forgets the past, ready for another stream.
   * Returns the number of samples written; `output` needs room for `maxFlush`.
   */
  flush(output: Int16Array): number {
    if (!this.#bank) return 0
    if (output.length < this.maxFlush)
      throw new OptionError('output', `has room for ${output.length} samples, ${this.maxFlush} are needed`)
    const history = this.#bank.taps - 1
    let written = 0
    for (let left = Math.ceil(this.#bank.delay); left > 0; left -= blockLength) {
      const count = Math.min(blockLength, left)
      this.#buffer.fill(0, history, history + count)
      written = this.#filter(this.#bank, count, output, written)
      this.#buffer.copyWithin(0, count, count + history)
    }
    this.reset()
    return written
  }

  /** Forgets the past. */
  reset(): void {
    this.#buffer.fill(0)
    this.#position = 0
  }

  /** Writes the output samples that fall into the next `count` samples of the buffer; returns the end of them. */
  #filter(bank: FilterBank, count: number, output: Int16Array, start: number): number {
    const { up, down } = bank
    const end = start + Math.ceil((count * up - this.#position) / down)
    let position = this.#position
    let at = start
    while (end - at >= 4 * up) {
      if (down === 1) {
        for (let i = 0; i < up; i += 1) fourNeighbours(bank, this.#buffer, position + i, output, at + i)
      } else {
        for (let i = 0; i < up; i += 1) fourSamePhase(bank, this.#buffer, position + i * down, output, at + i)
      }
      at += 4 * up
      position += 4 * up * down
    }
    for (; end - at >= 4; at += 4, position += 4 * down) fourInRow(bank, this.#buffer, position, output, at)
    for (; at < end; at += 1, position += down) oneSample(bank, this.#buffer, position, output, at)
    this.#position = position - count * up
    return end
  }
}

/*
 * Three ways to the same sums, each adding in the same order, so that it never matters which of them made a sample. Going
 * through four at once is two to four times as fast as one after the other: the additions do not wait for each other, and
 * samples a whole number of steps apart share their coefficients.
 */

/** `position` and those `up`, 2 `up` and 3 `up` output samples later: the same phase, `down` input samples apart. */
function fourSamePhase(
  { up, down, taps, coefficients }: FilterBank,
  buffer: Float64Array,
  position: number,
  output: Int16Array,
  at: number,
): void {
  const index = Math.floor(position / up)
  const base = (position - index * up) * taps
  const second = index + down
  const third = second + down
  const fourth = third + down
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  for (let k = 0; k < taps; k += 1) {
    const coefficient = coefficients[base + k]!
    a += coefficient * buffer[index + k]!
    b += coefficient * buffer[second + k]!
    c += coefficient * buffer[third + k]!
    d += coefficient * buffer[fourth + k]!
  }
  output[at] = rounded(a)
  output[at + up] = rounded(b)
  output[at + 2 * up] = rounded(c)
  output[at + 3 * up] = rounded(d)
}

/** As `fourSamePhase` where `down` is 1: each input sample serves all four, and is fetched once. */
function fourNeighbours(
  { up, taps, coefficients }: FilterBank,
  buffer: Float64Array,
  position: number,
  output: Int16Array,
  at: number,
): void {
  const index = Math.floor(position / up)
  const base = (position - index * up) * taps
  const even = taps & ~3
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  let w = buffer[index]!
  let x = buffer[index + 1]!
  let y = buffer[index + 2]!
  let z = 0
  let k = 0
  for (; k < even; k += 4) {
    const first = coefficients[base + k]!
    z = buffer[index + k + 3]!
    a += first * w
    b += first * x
    c += first * y
    d += first * z
    const second = coefficients[base + k + 1]!
    w = buffer[index + k + 4]!
    a += second * x
    b += second * y
    c += second * z
    d += second * w
    const third = coefficients[base + k + 2]!
    x = buffer[index + k + 5]!
    a += third * y
    b += third * z
    c += third * w
    d += third * x
    const fourth = coefficients[base + k + 3]!
    y = buffer[index + k + 6]!
    a += fourth * z
    b += fourth * w
    c += fourth * x
    d += fourth * y
  }
  for (; k < taps; k += 1) {
    const coefficient = coefficients[base + k]!
    a += coefficient * buffer[index + k]!
    b += coefficient * buffer[index + k + 1]!
    c += coefficient * buffer[index + k + 2]!
    d += coefficient * buffer[index + k + 3]!
  }
  output[at] = rounded(a)
  output[at + up] = rounded(b)
  output[at + 2 * up] = rounded(c)
  output[at + 3 * up] = rounded(d)
}

/** Four output samples in a row, each of its own phase. */
function fourInRow(
  { up, down, taps, coefficients }: FilterBank,
  buffer: Float64Array,
  position: number,
  output: Int16Array,
  at: number,
): void {
  const index = Math.floor(position / up)
  const second = Math.floor((position + down) / up)
  const third = Math.floor((position + 2 * down) / up)
  const fourth = Math.floor((position + 3 * down) / up)
  const base = (position - index * up) * taps
  const secondBase = (position + down - second * up) * taps
  const thirdBase = (position + 2 * down - third * up) * taps
  const fourthBase = (position + 3 * down - fourth * up) * taps
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  for (let k = 0; k < taps; k += 1) {
    a += coefficients[base + k]! * buffer[index + k]!
    b += coefficients[secondBase + k]! * buffer[second + k]!
    c += coefficients[thirdBase + k]! * buffer[third + k]!
    d += coefficients[fourthBase + k]! * buffer[fourth + k]!
  }
  output[at] = rounded(a)
  output[at + 1] = rounded(b)
  output[at + 2] = rounded(c)
  output[at + 3] = rounded(d)
}

/** As `rounded`, but in place: too few samples come this way for the compiler to inline a call, and fractions handed over are allocated. */
function oneSample(
  { up, taps, coefficients }: FilterBank,
  buffer: Float64Array,
  position: number,
  output: Int16Array,
  at: number,
): void {
  const index = Math.floor(position / up)
  const base = (position - index * up) * taps
  let sum = 0
  for (let k = 0; k < taps; k += 1) sum += coefficients[base + k]! * buffer[index + k]!
  sum += sum < 0 ? -0.5 : 0.5
  output[at] = sum > 32_767 ? 32_767 : sum < -32_768 ? -32_768 : sum
}

/** To the nearest 16-bit sample; storing it drops the fraction. */
function rounded(sum: number): number {
  if (sum >= 32_767) return 32_767
  if (sum <= -32_768) return -32_768
  return sum < 0 ? sum - 0.5 : sum + 0.5
}

function filterBank(from: number, to: number): FilterBank {
  const key = `${from}:${to}`
  const known = banks.get(key)
  if (known) return known
  const bank = designBank(from, to)
  banks.set(key, bank)
  return bank
}

/** A Kaiser-windowed sinc, its transition band between `passBand` and 1 of the lower Nyquist frequency, cut into phases. */
function designBank(from: number, to: number): FilterBank {
  const divisor = greatestCommonDivisor(from, to)
  const up = to / divisor
  const down = from / divisor
  const nyquist = Math.min(from, to) / 2
  const rate = from * up
  const transition = (2 * Math.PI * nyquist * (1 - passBand)) / rate
  const wanted = (attenuation - 7.95) / (2.285 * transition) + 1
  const taps = Math.ceil(wanted / up)
  const length = taps * up
  const centre = (length - 1) / 2
  const cutoff = (nyquist * (1 + passBand)) / 2 / rate
  const beta = 0.1102 * (attenuation - 8.7)
  const scale = besselI0(beta)
  const coefficients = new Float64Array(length)
  for (let phase = 0; phase < up; phase += 1) {
    const base = phase * taps
    let sum = 0
    for (let k = 0; k < taps; k += 1) {
      const n = phase + (taps - 1 - k) * up
      const x = n - centre
      const sinc = x === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * x) / (Math.PI * x)
      const window = besselI0(beta * Math.sqrt(Math.max(0, 1 - (x / (centre + 1)) ** 2))) / scale
      coefficients[base + k] = sinc * window
      sum += sinc * window
    }
    // Each phase passes a constant unchanged, or silence with an offset would come out as a tone.
    for (let k = 0; k < taps; k += 1) coefficients[base + k]! /= sum
  }
  return { up, down, taps, coefficients, delay: centre / up }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

/** The modified Bessel function of the first kind and order 0, by its power series. */
function besselI0(x: number): number {
  let term = 1
  let sum = 1
  for (let k = 1; term > sum * 1e-16; k += 1) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}
