import {
  higherDecision,
  higherLogarithmLimit,
  higherOutputs,
  higherSteps,
  lowerAdaptive,
  lowerCodes,
  lowerDecisions,
  lowerLogarithmLimit,
  lowerOutputs,
  lowerScaleOffset,
  lowerSteps,
  scaleFactors,
} from './g722-tables.ts'

/*
 * The sub-band ADPCM of ITU-T G.722 in its 16-bit arithmetic. The same predictor serves both bands and both directions;
 * what is a product with saturation in the recommendation is a plain one wherever the operands cannot reach the limit
 * (the quantised difference is at most 10,228, and the predictor's coefficients decay by 1/256 with every sample).
 */

/** The state of one band in one direction. Small integers in fields: no boxing, no write barrier, one cache line or three. */
class Predictor {
  /** The scale factor, and its logarithm. */
  scale: number
  protected logarithm = 0
  /** What the predictor expects, and the part of it that the zeros give. */
  expected = 0
  #zeros = 0
  /** The two poles. */
  #a1 = 0
  #a2 = 0
  /** The six zeros. */
  #b1 = 0
  #b2 = 0
  #b3 = 0
  #b4 = 0
  #b5 = 0
  #b6 = 0
  /** The last quantised differences, doubled. */
  #d1 = 0
  #d2 = 0
  #d3 = 0
  #d4 = 0
  #d5 = 0
  #d6 = 0
  /** The last reconstructed sample, doubled. */
  #r1 = 0
  /** Signs of the last two partial reconstructions: 0 or -1. */
  #sign1 = 0
  #sign2 = 0

  constructor(scale: number) {
    this.scale = scale
  }

  /** Takes a quantised difference: PARREC, RECONS, UPZERO, UPPOL2, UPPOL1, FILTEZ, FILTEP and PREDIC in one go. */
  protected adapt(difference: number): void {
    const sign = (this.#zeros + difference) >> 31
    const doubled = difference * 2
    const reconstructed = saturate(2 * (this.expected + difference))

    // `0 - x`, as `-x` of 0 is the float -0, for which the compiler gives up integers.
    const up = difference === 0 ? 0 : 128
    const b1 = ((this.#b1 * 32_640) >> 15) + ((doubled ^ this.#d1) < 0 ? 0 - up : up)
    const b2 = ((this.#b2 * 32_640) >> 15) + ((doubled ^ this.#d2) < 0 ? 0 - up : up)
    const b3 = ((this.#b3 * 32_640) >> 15) + ((doubled ^ this.#d3) < 0 ? 0 - up : up)
    const b4 = ((this.#b4 * 32_640) >> 15) + ((doubled ^ this.#d4) < 0 ? 0 - up : up)
    const b5 = ((this.#b5 * 32_640) >> 15) + ((doubled ^ this.#d5) < 0 ? 0 - up : up)
    const b6 = ((this.#b6 * 32_640) >> 15) + ((doubled ^ this.#d6) < 0 ? 0 - up : up)

    const quadrupled = saturate(this.#a1 * 4)
    const towards = sign === this.#sign1 ? (quadrupled === -32_768 ? 32_767 : 0 - quadrupled) : quadrupled
    let a2 = (towards >> 7) + (sign === this.#sign2 ? 128 : -128) + ((this.#a2 * 32_512) >> 15)
    a2 = a2 > 12_288 ? 12_288 : a2 < -12_288 ? -12_288 : a2
    let a1 = ((this.#a1 * 32_640) >> 15) + (sign === this.#sign1 ? 192 : -192)
    const stable = 15_360 - a2
    a1 = a1 > stable ? stable : a1 < -stable ? -stable : a1

    let zeros = (b6 * this.#d5) >> 15
    zeros = saturate(zeros + ((b5 * this.#d4) >> 15))
    zeros = saturate(zeros + ((b4 * this.#d3) >> 15))
    zeros = saturate(zeros + ((b3 * this.#d2) >> 15))
    zeros = saturate(zeros + ((b2 * this.#d1) >> 15))
    zeros = saturate(zeros + ((b1 * doubled) >> 15))
    const poles = saturate(((a1 * reconstructed) >> 15) + ((a2 * this.#r1) >> 15))

    this.#d6 = this.#d5
    this.#d5 = this.#d4
    this.#d4 = this.#d3
    this.#d3 = this.#d2
    this.#d2 = this.#d1
    this.#d1 = doubled
    this.#b1 = b1
    this.#b2 = b2
    this.#b3 = b3
    this.#b4 = b4
    this.#b5 = b5
    this.#b6 = b6
    this.#a1 = a1
    this.#a2 = a2
    this.#r1 = reconstructed
    this.#sign2 = this.#sign1
    this.#sign1 = sign
    this.#zeros = zeros
    this.expected = saturate(poles + zeros)
  }
}

/** The lower band, 0 to 4 kHz: six bits per sample at 8 kHz. Samples have 15 bits. One object, one direction. */
export class LowerBand extends Predictor {
  constructor() {
    super(32)
  }

  /** The code of one sample, 0 to 63. */
  encode(sample: number): number {
    const scale = this.scale
    const difference = saturate(sample - this.expected)
    const negative = difference < 0
    // A whole multiple of 4096 is compared instead of its quotient; +1 turns «below» into «at most».
    const magnitude = ((negative ? ~difference : difference) + 1) << 12
    let interval = 1
    let end = 30
    while (interval < end) {
      const middle = (interval + end) >> 1
      if (magnitude <= ((lowerDecisions[middle]! * scale) & ~0xfff)) end = middle
      else interval = middle + 1
    }
    const code = lowerCodes[negative ? interval + 32 : interval]!
    this.#take(code >> 2)
    return code
  }

  /** The sample of one code. */
  decode(code: number): number {
    const sample = limit(this.expected + ((this.scale * lowerOutputs[code]!) >> 15))
    this.#take(code >> 2)
    return sample
  }

  #take(upper: number): void {
    const difference = (this.scale * lowerAdaptive[upper]!) >> 15
    let logarithm = ((this.logarithm * 127) >> 7) + lowerSteps[upper]!
    logarithm = logarithm < 0 ? 0 : logarithm > lowerLogarithmLimit ? lowerLogarithmLimit : logarithm
    this.logarithm = logarithm
    this.scale = scaleFactors[(logarithm >> 6) + lowerScaleOffset]!
    this.adapt(difference)
  }
}

/** The higher band, 4 to 8 kHz: two bits per sample at 8 kHz. Samples have 15 bits. One object, one direction. */
export class HigherBand extends Predictor {
  constructor() {
    super(8)
  }

  /** The code of one sample, 0 to 3. */
  encode(sample: number): number {
    const difference = saturate(sample - this.expected)
    const outer = (difference < 0 ? ~difference : difference) >= (higherDecision * this.scale) >> 12
    const code = difference < 0 ? (outer ? 0 : 1) : outer ? 2 : 3
    this.#take(code)
    return code
  }

  /** The sample of one code. */
  decode(code: number): number {
    const expected = this.expected
    return limit(expected + this.#take(code))
  }

  #take(code: number): number {
    const difference = (this.scale * higherOutputs[code]!) >> 15
    let logarithm = ((this.logarithm * 127) >> 7) + higherSteps[code]!
    logarithm = logarithm < 0 ? 0 : logarithm > higherLogarithmLimit ? higherLogarithmLimit : logarithm
    this.logarithm = logarithm
    this.scale = scaleFactors[logarithm >> 6]!
    this.adapt(difference)
    return difference
  }
}

function saturate(value: number): number {
  return value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value
}

/** LIMIT: to the 15 bits of a sub-band sample. */
function limit(value: number): number {
  return value > 16_383 ? 16_383 : value < -16_384 ? -16_384 : value
}
