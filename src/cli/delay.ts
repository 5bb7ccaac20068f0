import { Resampler } from '../media/codec/resampler.ts'

export interface Delay {
  readonly delayMs: number
  /** 1 is the same signal, 0 another one. */
  readonly correlation: number
}

const rate = 8000
/** The loudest second and a half is enough to be sure and fast to look for. */
const probeSamples = 1.5 * rate

/**
 * How much later `spoken` is found in `heard`, both taken to start at the same moment, by the peak of their normalised
 * cross-correlation; undefined when `heard` is too short.
 */
export function delayOf(
  spoken: Int16Array,
  spokenRate: number,
  heard: Int16Array,
  heardRate: number,
): Delay | undefined {
  const sent = toRate(spoken, spokenRate)
  const received = toRate(heard, heardRate)
  const start = loudestStart(sent)
  const probe = sent.subarray(start, start + probeSamples)
  let best: Delay | undefined
  for (let shift = 0; start + shift + probe.length <= received.length; shift++) {
    const correlation = correlate(probe, received, start + shift)
    if (best === undefined || correlation > best.correlation)
      best = { delayMs: (shift * 1000) / rate, correlation }
  }
  return best
}

function toRate(samples: Int16Array, from: number): Int16Array {
  if (from === rate) return samples
  const out = new Int16Array(Math.ceil((samples.length * rate) / from) + 64)
  const resampler = new Resampler(from, rate)
  return out.subarray(0, resampler.process(samples, out))
}

function loudestStart(samples: Int16Array): number {
  let best = { start: 0, energy: -1 }
  for (let start = 0; start + probeSamples <= samples.length; start += rate / 10) {
    let energy = 0
    for (let i = start; i < start + probeSamples; i += 4) energy += (samples[i] as number) ** 2
    if (energy > best.energy) best = { start, energy }
  }
  return best.start
}

function correlate(probe: Int16Array, signal: Int16Array, at: number): number {
  let product = 0
  let a = 0
  let b = 0
  for (let i = 0; i < probe.length; i += 1) {
    const x = probe[i] as number
    const y = signal[at + i] as number
    product += x * y
    a += x * x
    b += y * y
  }
  return a === 0 || b === 0 ? 0 : product / Math.sqrt(a * b)
}
