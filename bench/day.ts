/**
 * A day of calls in virtual time between two endpoints: what they hold at its end against what they held after its first
 * calls. Nothing may grow: objects, timers, sockets, heap.
 */

import { type BenchLine, type BenchOptions, benchLine } from './harness.ts'
import { type Census, LongRun } from './support/long-run.ts'

const dayMs = 24 * 3_600_000

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const lengthMs = short ? dayMs / 48 : dayMs
  const callMs = short ? 5000 : 8000
  const everyMs = short ? 60_000 : 43_200
  const day = new LongRun()
  await day.open()
  // Of the same kind, or what is compiled later would look like growth.
  await day.run({ calls: short ? 48 : 600, callMs, everyMs: 10_000, longCallMs: 60_000 })
  const before = day.census()
  const begun = { at: day.clock.now(), calls: day.calls, cpu: process.cpuUsage() }
  // The long call ends before the day does: what it held has to go, too.
  await day.run({
    calls: Math.floor(lengthMs / everyMs),
    callMs,
    everyMs,
    longCallMs: short ? 60_000 : 2 * 3_600_000,
  })
  const { user, system } = process.cpuUsage(begun.cpu)
  const hours = (day.clock.now() - begun.at) / 3_600_000
  const after = day.census()
  await day.close()
  if (day.failed > 0) throw day.lastFailure
  const calls = day.calls - begun.calls
  const cpuSeconds = (user + system) / 1e6
  const note = `without compiled code; ${hours.toFixed(1)} h of virtual time, ${calls} calls, ${cpuSeconds.toFixed(0)} s of CPU`
  return [
    line('heap and buffers', 'MB', before.heap / 1e6, after.heap / 1e6, 1.03, note),
    line('resident', 'MB', before.resident / 1e6, after.resident / 1e6, 1.5),
    line('objects of calls', 'objects', objectsOf(before), objectsOf(after), 1.02),
    // One more, since nothing is compared with no timers.
    line('timers, and one', 'timers', before.timers + 1, after.timers + 1, 1),
    line('calls, and one', 'calls', before.endpoints + 1, after.endpoints + 1, 1),
  ]
}

function line(
  name: string,
  unit: string,
  before: number,
  after: number,
  maxRatio: number,
  note?: string,
): BenchLine {
  return benchLine({
    name: `after a day: ${name}`,
    figure: after,
    unit,
    reference: { name: 'after its first calls', figure: before },
    limit: { maxRatio },
    ...(note !== undefined && { note }),
  })
}

function objectsOf({ objects }: Census): number {
  return Object.values(objects).reduce((sum, count) => sum + count, 0)
}
