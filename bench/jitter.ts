/**
 * Traces of networks (bench/traces) through the play-out of a call, beside a fixed buffer of 60 ms. Virtual time, the same
 * figures on every machine: it must be heard sooner, and no more of it may be made up.
 */

import { type BenchLine, type BenchOptions, benchLine } from './harness.ts'
import { readTrace, traceNames } from './support/trace.ts'
import { playAdaptive, playFixed } from './support/trace-player.ts'

export async function run(_options: BenchOptions): Promise<readonly BenchLine[]> {
  return traceNames.flatMap(name => {
    const trace = readTrace(name)
    const ours = playAdaptive(trace)
    const fixed = playFixed(trace)
    const reference = 'fixed 60 ms'
    // No ratio to hold against a limit where the fixed one conceals nothing.
    if (ours.concealedMs > fixed.concealedMs)
      throw new Error(`${name}: more concealed than by a fixed buffer`)
    return [
      benchLine({
        name: `${name}: mean delay`,
        figure: ours.meanDelayMs,
        unit: 'ms',
        reference: { name: reference, figure: fixed.meanDelayMs },
        limit: { maxRatio: 1 },
        note: `late ${ours.lateLoss}, fixed ${fixed.lateLoss}; stretched by ${(ours.stretched * 100).toFixed(2)} %`,
      }),
      benchLine({
        name: `${name}: concealed`,
        figure: ours.concealedMs,
        unit: 'ms',
        reference: { name: reference, figure: fixed.concealedMs },
        limit: { maxRatio: 1 },
        note: `of ${(ours.playedMs / 1000).toFixed(0)} s`,
      }),
    ]
  })
}
