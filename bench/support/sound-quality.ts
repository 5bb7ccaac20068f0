/**
 * How much of clean speech is left in what was heard: the frequency-weighted segmental SNR (fwSNRseg) of Hu and
 * Loizou, "Evaluation of Objective Quality Measures for Speech Enhancement", IEEE Trans. ASLP 16(1), 2008, §III:
 * spectra of 32 ms in critical bands, the SNR of each band weighted by the clean magnitude to the power of 0.2,
 * limited to -10 to 35 dB, averaged over the pieces that hold speech.
 *
 * Play-out moves sound in time, a little within a word and more between words, which nobody hears and a plain SNR
 * punishes. So each piece is compared where it fits best: first the lag of each 400 ms by correlation, then within 20 ms of it.
 */

import { Spectrum } from './spectrum.ts'

export interface SoundQuality {
  /** Mean fwSNRseg, dB. 35 is the same sound, and G.711 alone leaves nearly that. */
  readonly fwSnrSegDb: number
  /** From being said to being heard, milliseconds, mean over the pieces. */
  readonly delayMs: number
  /** Pieces of speech compared. */
  readonly pieces: number
}

/** The centres and widths of the critical bands of the paper's Table I, Hz. */
const bands: readonly (readonly [centre: number, width: number])[] = [
  [50, 70],
  [120, 70],
  [190, 70],
  [260, 70],
  [330, 70],
  [400, 70],
  [470, 70],
  [540, 77.372],
  [617.372, 86.005],
  [703.378, 95.339],
  [798.717, 105.411],
  [904.128, 116.256],
  [1020.38, 127.914],
  [1148.3, 140.423],
  [1288.72, 153.823],
  [1442.54, 168.154],
  [1610.7, 183.457],
  [1794.16, 199.776],
  [1993.93, 217.153],
  [2211.08, 235.631],
  [2446.71, 255.255],
  [2701.97, 276.072],
  [2978.04, 298.126],
  [3276.17, 321.465],
  [3597.63, 346.136],
]

const weightPower = 0.2
const leastDb = -10
const mostDb = 35
const lagWindowMs = 400
const searchMs = 20
const searchStepMs = 4
/** What is quieter is a pause, RMS below full scale. */
const speechDbfs = -40

interface Rate {
  readonly spectrum: Spectrum
  readonly perMs: number
  readonly filters: readonly Filter[]
}

/** Gaussian weights of the spectrum for one band, from the first frequency that counts. */
interface Filter {
  readonly from: number
  readonly weights: Float64Array
}

const rates = new Map<number, Rate>()

/** Both at `sampleRate`, 8000 or more; `heard` lags behind `said` by 0 to `mostDelayMs`. */
export function soundQuality(
  said: Int16Array,
  heard: Int16Array,
  { sampleRate, mostDelayMs }: { readonly sampleRate: number; readonly mostDelayMs: number },
): SoundQuality {
  const rate = rateOf(sampleRate)
  const { perMs } = rate
  const windowLength = lagWindowMs * perMs
  const hop = 16 * perMs
  let sum = 0
  let lagSum = 0
  let pieces = 0
  let lag = 0
  for (let start = 0; start + windowLength <= said.length; start += windowLength) {
    if (levelDbfs(said, start, windowLength) < speechDbfs) continue
    lag = bestLag(said, heard, start, { length: windowLength, most: mostDelayMs * perMs, near: lag, perMs })
    for (let at = start; at < start + windowLength; at += hop) {
      if (levelDbfs(said, at, rate.spectrum.size) < speechDbfs) continue
      sum += bestPiece(rate, said, heard, at, lag)
      lagSum += lag
      pieces += 1
    }
  }
  return { fwSnrSegDb: sum / pieces, delayMs: lagSum / pieces / perMs, pieces }
}

function bestPiece(rate: Rate, said: Int16Array, heard: Int16Array, at: number, lag: number): number {
  const clean = magnitudes(rate, said, at)
  let best = -Infinity
  const reach = searchMs * rate.perMs
  for (let shift = -reach; shift <= reach; shift += searchStepMs * rate.perMs) {
    best = Math.max(best, bandSnr(clean, magnitudes(rate, heard, at + lag + shift)))
  }
  return best
}

/** Samples passed over where a rough answer does. */
const COARSE = 7

function bandSnr(clean: readonly number[], degraded: readonly number[]): number {
  let weighted = 0
  let weights = 0
  for (const [band, magnitude] of clean.entries()) {
    const weight = magnitude ** weightPower
    const error = magnitude - (degraded[band] as number)
    const db = 10 * Math.log10((magnitude * magnitude + 1e-9) / (error * error + 1e-9))
    weighted += weight * Math.min(mostDb, Math.max(leastDb, db))
    weights += weight
  }
  return weighted / weights
}

function magnitudes({ spectrum, filters }: Rate, samples: Int16Array, at: number): number[] {
  const power = spectrum.power(samples, at, new Float64Array(spectrum.size / 2))
  return filters.map(({ from, weights }) => {
    let sum = 0
    for (let k = 0; k < weights.length; k += 1)
      sum += (weights[k] as number) * Math.sqrt(power[from + k] as number)
    return sum
  })
}

/** Where `said` from `start` on correlates best with `heard`; coarse steps first, and the last lag is as good a guess as any. */
function bestLag(
  said: Int16Array,
  heard: Int16Array,
  start: number,
  {
    length,
    most,
    near,
    perMs,
  }: { readonly length: number; readonly most: number; readonly near: number; readonly perMs: number },
): number {
  const correlate = (lag: number, step: number): number =>
    correlation(said, heard, start, start + lag, length, step)
  let best = near
  let bestValue = correlate(near, COARSE) + 0.05
  for (let lag = 0; lag <= most; lag += 4) {
    const value = correlate(lag, COARSE)
    if (value > bestValue) {
      bestValue = value
      best = lag
    }
  }
  const coarse = best
  bestValue = -Infinity
  for (let lag = Math.max(0, coarse - perMs); lag <= coarse + perMs; lag += 1) {
    const value = correlate(lag, 1)
    if (value > bestValue) {
      bestValue = value
      best = lag
    }
  }
  return best
}

function correlation(
  a: Int16Array,
  b: Int16Array,
  atA: number,
  atB: number,
  length: number,
  step: number,
): number {
  let ab = 0
  let aa = 1
  let bb = 1
  for (let i = 0; i < length; i += step) {
    const x = a[atA + i] ?? 0
    const y = b[atB + i] ?? 0
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return ab / Math.sqrt(aa * bb)
}

function levelDbfs(samples: Int16Array, at: number, length: number): number {
  let sum = 0
  for (let i = 0; i < length; i += 1) sum += (samples[at + i] ?? 0) ** 2
  return 10 * Math.log10(sum / length / 32_768 ** 2 + 1e-12)
}

function counts(weight: number): boolean {
  return weight >= 0.002
}

function rateOf(sampleRate: number): Rate {
  const known = rates.get(sampleRate)
  if (known !== undefined) return known
  const size = 2 ** Math.round(Math.log2(sampleRate * 0.032))
  const filters = bands.map(([centre, width]) => {
    const weights = Float64Array.from({ length: size / 2 }, (_, k) =>
      Math.exp(-11 * (((k * sampleRate) / size - centre) / width) ** 2),
    )

    const from = weights.findIndex(counts)
    return { from, weights: weights.slice(from, weights.findLastIndex(counts) + 1) }
  })
  const rate = { spectrum: new Spectrum(size), perMs: sampleRate / 1000, filters }
  rates.set(sampleRate, rate)
  return rate
}
