/*
 * The constants of ITU-T G.722, by the names of its blocks. Tables that the recommendation gives folded by sign are
 * unfolded, so that a code is looked up as it is.
 */

/**
 * QUANTL: decision levels of the 6-bit quantiser of the lower band as multiples of the scale factor, in 2^-12. Interval m
 * lies below level m and not below level m - 1; there is none past the 30th.
 */
export const lowerDecisions: Int32Array = Int32Array.from([
  0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
  1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
])

/** QUANTL: the 6-bit code of each interval, 1 to 30: positive differences, then, from index 32, negative ones. */
export const lowerCodes: Uint8Array = Uint8Array.from({ length: 64 }, (_, index) => {
  const interval = index & 31
  if (interval === 0 || interval === 31) return 0
  if (index < 32) return 62 - interval
  return interval < 3 ? 64 - interval : 34 - interval
})

/** INVQAL: the four most significant bits of a lower code as a multiple of the scale factor, in 2^-15. */
export const lowerAdaptive: Int32Array = Int32Array.from([
  0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584, 1200, 0,
])

/** INVQBL at 64 kbit/s: all six bits of a lower code as a multiple of the scale factor, in 2^-15. */
export const lowerOutputs: Int32Array = Int32Array.from([
  -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232,
  -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032,
  -1688, -1360, -1040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9360,
  8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728,
  432, 136, -432, -136,
])

/** LOGSCL: what each value of the four most significant bits adds to the logarithm of the lower scale factor. */
export const lowerSteps: Int32Array = Int32Array.from([
  -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
])

/** INVQAH: a higher code as a multiple of the scale factor, in 2^-15. */
export const higherOutputs: Int32Array = Int32Array.from([-7408, -1616, 7408, 1616])

/** LOGSCH: what each higher code adds to the logarithm of the higher scale factor. */
export const higherSteps: Int32Array = Int32Array.from([798, -214, 798, -214])

/** QUANTH: the one decision level of the higher band's quantiser, in 2^-12 too. */
export const higherDecision = 564

/** One octave of the scale factor, 32 steps. */
const octave = [
  2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960,
  3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
]

/**
 * SCALEL and SCALEH: the scale factor for each value of the logarithm's upper bits, for the higher band. The lower band
 * is two octaves ahead: `lowerScaleOffset`.
 */
export const scaleFactors: Int32Array = Int32Array.from({ length: 353 }, (_, index) => {
  const shift = 10 - (index >> 5)
  const mantissa = octave[index & 31]!
  return (shift < 0 ? mantissa << -shift : mantissa >> shift) << 2
})

export const lowerScaleOffset = 64

/** The larger of the two logarithms' upper limits belongs to the higher band. */
export const lowerLogarithmLimit = 18_432
export const higherLogarithmLimit = 22_528
