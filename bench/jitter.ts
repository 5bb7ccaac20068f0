/**
 * Networks through the play-out of a call, beside a fixed buffer of 60 ms: the traces of bench/traces, and networks it was not
 * tuned with (support/network-models.ts). Virtual time, the same figures on every machine. On the traces it must be heard
 * sooner, and no more of it may be made up; of the others the figures are told as they are, also beside a fixed buffer that
 * waits as long as ours did on average.
 */

import { type BenchLine, type BenchOptions, benchLine } from './harness.ts'
import { heldOutNetworks, traceOfModel } from './support/network-models.ts'
import { type Trace, readTrace, traceNames } from './support/trace.ts'
import { type TraceResult, playAdaptive, playFixed } from './support/trace-player.ts'

const usualMs = 60

export async function run(_options: BenchOptions): Promise<readonly BenchLine[]> {
  return [
    ...traceNames.flatMap(name => tuned(readTrace(name))),
    ...heldOutNetworks.flatMap(model => heldOut(traceOfModel(model))),
  ]
}

function tuned(trace: Trace): BenchLine[] {
  const ours = playAdaptive(trace)
  const fixed = playFixed(trace, usualMs)
  // No ratio to hold against a limit where the fixed one conceals nothing.
  if (ours.concealedMs > fixed.concealedMs) {
    throw new Error(`${trace.name}: more concealed than by a fixed buffer`)
  }
  return [
    benchLine({ ...delayOf(trace.name, ours, fixed), limit: { maxRatio: 1 } }),
    benchLine({ ...concealedOf(trace.name, ours, fixed), limit: { maxRatio: 1 } }),
  ]
}

function heldOut(trace: Trace): BenchLine[] {
  const ours = playAdaptive(trace)
  const fixed = playFixed(trace, usualMs)
  const asLong = playFixed(trace, ours.meanDelayMs)
  const name = `held out, ${trace.name}`
  return [
    benchLine(delayOf(name, ours, fixed)),
    benchLine({
      ...concealedOf(name, ours, fixed),
      note: `of ${seconds(ours.playedMs)}; fixed ${asLong.meanDelayMs.toFixed(0)} ms: ${asLong.concealedMs} ms`,
    }),
  ]
}

type Line = Parameters<typeof benchLine>[0]

function delayOf(name: string, ours: TraceResult, fixed: TraceResult): Line {
  return {
    name: `${name}: mean delay`,
    figure: ours.meanDelayMs,
    unit: 'ms',
    reference: { name: `fixed ${usualMs} ms`, figure: fixed.meanDelayMs },
    note: `late ${ours.lateLoss}, fixed ${fixed.lateLoss}; stretched by ${(ours.stretched * 100).toFixed(2)} %`,
  }
}

function concealedOf(name: string, ours: TraceResult, fixed: TraceResult): Line {
  return {
    name: `${name}: concealed`,
    figure: ours.concealedMs,
    unit: 'ms',
    reference: { name: `fixed ${usualMs} ms`, figure: fixed.concealedMs },
    note: `of ${seconds(ours.playedMs)}`,
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`
}
