import { Resampler } from '../src/media/codec/resampler.ts'
import { benchLine, collectGarbage, measure } from './harness.ts'
import type { BenchLine, BenchOptions } from './harness.ts'
import { interpolate, linear, measureQuality, streaming } from './support/resampler-quality.ts'

/** The conversions of telephony and of speech synthesis and recognition. */
const pairs = [
  [8000, 16_000],
  [8000, 24_000],
  [24_000, 8000],
  [48_000, 16_000],
] as const

/** The cost of 20 ms of one stream, beside a straight line from sample to sample and what that does to the sound. */
export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const operations = short ? 200 : 5000
  const lines: BenchLine[] = []
  for (const [from, to] of pairs) {
    const resampler = new Resampler(from, to)
    const input = Int16Array.from({ length: from / 50 }, (_, i) => 12_000 * Math.sin(i * i * 1e-3))
    const output = new Int16Array(resampler.maxOutput(input.length))
    const work = (count: number): void => {
      for (let i = 0; i < count; i += 1) resampler.process(input, output)
    }
    const naive = (count: number): void => {
      for (let i = 0; i < count; i += 1) interpolate(input, output, from / to)
    }
    const [ours, line] = await measure(
      [
        { name: 'resampler', run: work },
        { name: 'linear', run: naive },
      ],
      { operations },
    )
    const own = measureQuality(from, to, streaming(from, to))
    const plain = measureQuality(from, to, linear(from, to))
    lines.push(
      benchLine({
        name: `resampler ${from / 1000} to ${to / 1000} kHz, 20 ms`,
        figure: ours!.cpuMicros,
        unit: 'µs',
        reference: { name: 'linear interpolation', figure: line!.cpuMicros },
        note:
          `${own.attenuation.toFixed(0)} dB of attenuation, SNR ${own.signalToNoise.toFixed(0)} dB; ` +
          `linear ${plain.attenuation.toFixed(0)} and ${plain.signalToNoise.toFixed(0)} dB; ` +
          `${allocated(() => work(1000)).toFixed(0)} octets of heap a frame`,
      }),
    )
  }
  return lines
}

/** Octets of heap per call of a thousand: the least of several rounds, as the compiler too allocates now and then. */
function allocated(thousand: () => void): number {
  let least = Infinity
  for (let round = 0; round < 9; round += 1) {
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    thousand()
    least = Math.min(least, process.memoryUsage().heapUsed - before)
  }
  return Math.max(0, least) / 1000
}
