import { Resampler } from '../../src/media/codec/resampler.ts'

/** What a rate conversion does to sound, measured on its output of 16-bit samples. In dB. */
export interface ResamplerQuality {
  /** The greatest deviation from unity gain in the pass band, 0 to 0.85 of the lower Nyquist frequency. */
  readonly ripple: number
  /**
   * The least attenuation of what does not belong there, against a full-scale tone at the input: going down, all that a
   * tone above the lower Nyquist frequency leaves; going up, all that a tone leaves beside itself, images first of all.
   */
  readonly attenuation: number
  /** The least ratio of a full-scale tone in the pass band to everything else in the output. */
  readonly signalToNoise: number
  readonly delayMs: number
}

/** Anything that converts a whole stretch of samples. */
export type Conversion = (input: Int16Array) => Int16Array

const amplitude = 32_000
const seconds = 0.08
/** Left out at both ends, where the filter is not yet or no longer full. */
const edge = 0.01
/** Where in the band to measure, as shares of it; none of them simple, so that no image falls on its tone. */
const places = [0.011, 0.0673, 0.137, 0.219, 0.313, 0.417, 0.523, 0.619, 0.727, 0.823, 0.911, 0.967, 0.991]
const passBand = 0.85

export function streaming(from: number, to: number): Conversion {
  return input => {
    const resampler = new Resampler(from, to)
    const out = new Int16Array(resampler.maxOutput(input.length))
    return out.subarray(0, resampler.process(input, out))
  }
}

/** The yardstick of speed, and what one gets without a filter: a straight line from sample to sample. */
export function linear(from: number, to: number): Conversion {
  const step = from / to
  return input => {
    const out = new Int16Array(Math.floor((input.length * to) / from))
    interpolate(input, out, step)
    return out
  }
}

export function interpolate(input: Int16Array, out: Int16Array, step: number): void {
  const last = input.length - 1
  for (let i = 0; i < out.length; i += 1) {
    const position = i * step
    const index = Math.floor(position)
    const here = input[index]!
    const next = index < last ? input[index + 1]! : here
    out[i] = Math.round(here + (next - here) * (position - index))
  }
}

export function measureQuality(from: number, to: number, convert: Conversion): ResamplerQuality {
  const nyquist = Math.min(from, to) / 2
  let ripple = 0
  let attenuation = Infinity
  let signalToNoise = Infinity
  for (const place of places) {
    const inPassBand = toneThrough(convert, from, to, place * passBand * nyquist)
    ripple = Math.max(ripple, Math.abs(inPassBand.tone))
    signalToNoise = Math.min(signalToNoise, inPassBand.tone - inPassBand.rest)
    attenuation = Math.min(attenuation, -toneThrough(convert, from, to, place * nyquist).rest)
    if (to < from) {
      const above = toneThrough(convert, from, to, nyquist + place * (from / 2 - nyquist))
      attenuation = Math.min(attenuation, -above.all)
    }
  }
  return { ripple, attenuation, signalToNoise, delayMs: new Resampler(from, to).delayMs }
}

/** Levels in dB against the tone that went in: the tone's own, of all but it, and of everything. */
function toneThrough(
  convert: Conversion,
  from: number,
  to: number,
  hz: number,
): { readonly tone: number; readonly rest: number; readonly all: number } {
  const step = (2 * Math.PI * hz) / from
  const length = Math.round(from * seconds)
  const input = Int16Array.from({ length }, (_, i) => Math.round(amplitude * Math.sin(step * i)))
  const output = convert(input)
  const margin = Math.round(to * edge)
  const samples = output.subarray(margin, output.length - margin)
  // The sine and cosine that together are nearest to the output (least squares), then what they leave.
  const turn = (2 * Math.PI * hz) / to
  let [ss, sc, cc, ys, yc] = [0, 0, 0, 0, 0]
  for (let i = 0; i < samples.length; i += 1) {
    const sine = Math.sin(turn * i)
    const cosine = Math.cos(turn * i)
    ss += sine * sine
    sc += sine * cosine
    cc += cosine * cosine
    ys += samples[i]! * sine
    yc += samples[i]! * cosine
  }
  const determinant = ss * cc - sc * sc
  const inSine = (ys * cc - yc * sc) / determinant
  const inCosine = (yc * ss - ys * sc) / determinant
  let rest = 0
  let all = 0
  for (let i = 0; i < samples.length; i += 1) {
    rest += (samples[i]! - inSine * Math.sin(turn * i) - inCosine * Math.cos(turn * i)) ** 2
    all += samples[i]! ** 2
  }
  const full = (amplitude ** 2 / 2) * samples.length
  return {
    tone: 20 * Math.log10(Math.hypot(inSine, inCosine) / amplitude),
    rest: 10 * Math.log10(rest / full),
    all: 10 * Math.log10(all / full),
  }
}
