import t from 'tap'
import { readTrace, traceNames } from '../../bench/support/trace.ts'
import { playAdaptive, playFixed } from '../../bench/support/trace-player.ts'

for (const name of traceNames) {
  t.test(`${name}: heard sooner than with a fixed buffer of 60 ms, and no more of it made up`, async t => {
    const trace = readTrace(name)
    const ours = playAdaptive(trace)
    const fixed = playFixed(trace, 60)
    t.ok(ours.meanDelayMs < fixed.meanDelayMs, `${ours.meanDelayMs} ms, fixed ${fixed.meanDelayMs} ms`)
    t.ok(ours.concealedMs <= fixed.concealedMs, `${ours.concealedMs} ms, fixed ${fixed.concealedMs} ms`)
    t.ok(ours.stretched < 0.05, `stretched by ${ours.stretched}`)
  })
}
