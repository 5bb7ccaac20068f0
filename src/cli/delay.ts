import { Resampler } from '../media/codec/resampler.ts'

export interface Delay {
  /** The median over the pieces that were recognised. */
  readonly delayMs: number
  /** How much of what was said was recognised, 0 to 1. */
  readonly recognised: number
}

const rate = 8000
/** Short enough that a jump of the jitter buffer spoils one piece and not all. */
const pieceSamples = 0.25 * rate
const longestDelaySamples = 0.6 * rate
const sameFrom = 0.9
/** Pieces quieter than this part of the loudest are pauses. */
const pauseBelow = 0.05

/**
 * How much later `spoken` is found in `heard`, both taken to start at the same moment: quarter-seconds of it are looked for by the peak
 * of their normalised cross-correlation. Undefined when none is found.
 */
export function delayOf(
  spoken: Int16Array,
  spokenRate: number,
  heard: Int16Array,
  heardRate: number,
): Delay | undefined {
  const sent = toRate(spoken, spokenRate)
  const received = toRate(heard, heardRate)
  const starts = loudPieces(sent)
  const delays: number[] = []
  for (const start of starts) {
    const delay = find(sent.subarray(start, start + pieceSamples), received, start)
    if (delay !== undefined) delays.push(delay)
  }
  const median = delays.toSorted((a, b) => a - b)[delays.length >> 1]
  return median === undefined
    ? undefined
    : { delayMs: (median * 1000) / rate, recognised: delays.length / starts.length }
}

function toRate(samples: Int16Array, from: number): Int16Array {
  if (from === rate) return samples
  const resampler = new Resampler(from, rate)
  const out = new Int16Array(resampler.maxOutput(samples.length))
  return out.subarray(0, resampler.process(samples, out))
}

function loudPieces(samples: Int16Array): number[] {
  const pieces: { readonly start: number; readonly energy: number }[] = []
  for (let start = 0; start + pieceSamples <= samples.length; start += pieceSamples) {
    pieces.push({ start, energy: energyOf(samples, start) })
  }
  const loudest = Math.max(...pieces.map(piece => piece.energy))
  return pieces
    .filter(piece => piece.energy > 0 && piece.energy >= loudest * pauseBelow)
    .map(piece => piece.start)
}

function find(piece: Int16Array, signal: Int16Array, from: number): number | undefined {
  const energy = energyOf(piece, 0)
  let best = { shift: -1, correlation: sameFrom }
  for (let shift = 0; shift <= longestDelaySamples; shift++) {
    const at = from + shift
    if (at + piece.length > signal.length) break
    let product = 0
    for (let i = 0; i < piece.length; i += 1) product += (piece[i] as number) * (signal[at + i] as number)
    if (product <= 0) continue
    const correlation = product / Math.sqrt(energy * energyOf(signal, at) || 1)
    if (correlation > best.correlation) best = { shift, correlation }
  }
  return best.shift < 0 ? undefined : best.shift
}

function energyOf(samples: Int16Array, start: number): number {
  let energy = 0
  for (let i = start; i < start + pieceSamples; i += 1) energy += (samples[i] as number) ** 2
  return energy
}
