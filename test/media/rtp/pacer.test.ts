import t from 'tap'
import { Pacer } from '../../../src/media/rtp/pacer.ts'
import type { PacedHandle, PacedStream, PacerOptions } from '../../../src/media/rtp/pacer.ts'
import type { Clock, Timer } from '../../../src/runtime/runtime.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

interface Tick {
  at: number
  dueAt: number
  skipped: number
}

function recorder(clock: Clock): PacedStream & { ticks: Tick[] } {
  const ticks: Tick[] = []
  return { ticks, tick: (dueAt, skipped) => ticks.push({ at: clock.now(), dueAt, skipped }) }
}

/** A clock on which timers are late by what `lateness` says, as on a busy event loop. */
function lateClock(clock: VirtualClock, lateness: (atMs: number) => number): Clock {
  return {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    setTimer: (atMs: number, run: () => void): Timer => clock.setTimer(atMs + lateness(atMs), run),
  }
}

function setUp(options: Partial<PacerOptions> = {}): { clock: VirtualClock; pacer: Pacer } {
  const clock = new VirtualClock({ startMs: 1000.4 })
  return { clock, pacer: new Pacer({ clock, ...options }) }
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000

for (const intervalMs of [10, 20, 30, 40, 60]) {
  t.test(`a stream of ${intervalMs} ms is ticked exactly every ${intervalMs} ms for ten minutes`, async t => {
    const { clock, pacer } = setUp()
    const stream = recorder(clock)
    const handle = pacer.add(stream, intervalMs)
    await clock.advance(600_000)
    handle.remove()
    const first = stream.ticks[0]!.dueAt
    t.equal(stream.ticks.length, 600_000 / intervalMs)
    const wrong = stream.ticks.findIndex(({ dueAt }, n) => Math.abs(dueAt - first - n * intervalMs) > 0.001)
    t.equal(wrong, -1)
    t.match(pacer.snapshot(), { skipped: 0, streams: 0 })
  })
}

t.test('lateness never adds up: timers that are late by 0 to 5 ms', async t => {
  const clock = new VirtualClock()
  const random = seededRandom(20)
  const pacer = new Pacer({ clock: lateClock(clock, () => random.float() * 5) })
  const stream = recorder(clock)
  const handle = pacer.add(stream)
  await clock.advance(60_000)
  handle.remove()
  const { dueAt } = stream.ticks.at(-1)!
  t.equal(dueAt, stream.ticks[0]!.dueAt + (stream.ticks.length - 1) * 20)
  t.ok(stream.ticks.length >= 2999)
  t.ok(stream.ticks.every(({ at, dueAt }) => at - dueAt < 5 && at >= dueAt))
  t.match(pacer.snapshot(), { skipped: 0 })
})

for (const stallMs of [15, 30, 200, 5000]) {
  t.test(`after a stall of ${stallMs} ms: one frame, whole frames skipped, never a burst`, async t => {
    const clock = new VirtualClock()
    let stalled = false
    const pacer = new Pacer({
      clock: lateClock(clock, atMs => {
        if (stalled || atMs < 1000) return 0
        stalled = true
        return stallMs
      }),
    })
    const streams = Array.from({ length: 30 }, () => recorder(clock))
    for (const stream of streams) pacer.add(stream)
    await clock.advance(10_000)
    pacer.close()
    for (const { ticks } of streams) {
      const frames = ticks.reduce((sum, { skipped }) => sum + 1 + skipped, 0)
      t.equal(
        frames,
        (ticks.at(-1)!.dueAt - ticks[0]!.dueAt) / 20 + 1,
        'every frame is ticked or told as skipped',
      )
      t.ok(
        ticks.every(({ at, dueAt }) => at - dueAt < 20),
        'no tick is later than a frame',
      )
      t.ok(
        ticks.every(({ at }, n) => n === 0 || at > ticks[n - 1]!.at),
        'never two frames at once',
      )
    }
    t.equal(pacer.snapshot().skipped > 0, stallMs > 20)
  })
}

t.test('streams are spread over the interval and share wake-ups', async t => {
  const { clock, pacer } = setUp()
  const streams = Array.from({ length: 2000 }, () => recorder(clock))
  for (const stream of streams) pacer.add(stream)
  await clock.advance(10_000)
  const { wakeups, ticks } = pacer.snapshot()
  t.ok(wakeups <= 5001, `${wakeups} wake-ups in 10 s`)
  t.ok(ticks >= 998_000)
  const perPhase = new Map<number, number>()
  for (const { ticks } of streams) {
    const phase = rounded((ticks[0]!.dueAt - 1000.4) % 20)
    perPhase.set(phase, (perPhase.get(phase) ?? 0) + 1)
  }
  t.same(
    [...perPhase.values()],
    Array.from({ length: 10 }, () => 200),
  )
  pacer.close()
})

/** Wake-ups a second and the phases in use, ms. */
async function spread(streams: number, leave = 0): Promise<{ wakeups: number; phases: number[] }> {
  const { clock, pacer } = setUp()
  const recorders = Array.from({ length: streams }, () => recorder(clock))
  const handles = recorders.map(stream => pacer.add(stream))
  for (const handle of handles.slice(0, leave)) handle.remove()
  await clock.advance(1000)
  pacer.close()
  const phases = new Set(recorders.slice(leave).map(({ ticks }) => rounded((ticks[0]!.dueAt - 1000.4) % 20)))
  return { wakeups: pacer.snapshot().wakeups, phases: [...phases].toSorted((a, b) => a - b) }
}

t.test('few streams share one wake-up per interval; more open slots far apart', async t => {
  t.same(await spread(128), { wakeups: 50, phases: [2] })
  t.same(await spread(256), { wakeups: 100, phases: [2, 12] })
  t.equal((await spread(512)).phases.length, 4)
  t.equal((await spread(1)).wakeups, 50)
})

t.test('a slot whose streams have left wakes once more, then never', async t => {
  t.same(await spread(256, 128), { wakeups: 51, phases: [12] })
})

t.test('one timer for all streams, none when there are none', async t => {
  const { clock, pacer } = setUp()
  const handles = Array.from({ length: 40 }, () => pacer.add(recorder(clock)))
  t.equal(clock.pendingTimers, 1)
  await clock.advance(35)
  t.equal(clock.pendingTimers, 1)
  for (const handle of handles) handle.remove()
  t.equal(clock.pendingTimers, 0)
  t.equal(pacer.size, 0)
})

t.test('a stream may remove itself and others, and add others, within its tick', async t => {
  const { clock, pacer } = setUp({ slotMs: 10 })
  const other = recorder(clock)
  const added = recorder(clock)
  let ticks = 0
  const handles: PacedHandle[] = []
  handles.push(
    pacer.add({
      tick: () => {
        ticks += 1
        for (const handle of handles) handle.remove()
        pacer.add(added)
      },
    }),
    pacer.add(other),
  )
  await clock.advance(100)
  t.equal(ticks, 1)
  t.ok(other.ticks.length <= 1)
  t.ok(added.ticks.length >= 4)
  t.equal(pacer.size, 1)
  pacer.close()
  t.equal(clock.pendingTimers, 0)
})

t.test('remove twice counts once', async t => {
  const { clock, pacer } = setUp()
  pacer.add(recorder(clock))
  const handle = pacer.add(recorder(clock))
  handle.remove()
  handle.remove()
  t.equal(pacer.size, 1)
  pacer.close()
})

t.test('a stream that throws is removed; the others go on', async t => {
  const failures: unknown[] = []
  const { clock, pacer } = setUp({ slotMs: 10, onError: error => failures.push(error) })
  const others = [recorder(clock), recorder(clock), recorder(clock)]
  pacer.add(others[0]!)
  pacer.add({
    tick: () => {
      throw new Error('broken')
    },
  })
  pacer.add(others[1]!)
  pacer.add(others[2]!)
  await clock.advance(200)
  t.match(failures, [{ message: 'broken' }])
  t.equal(failures.length, 1)
  for (const { ticks } of others) t.ok(ticks.length >= 9)
  pacer.close()
})

t.test('without a listener the error leaves through the timer, and the others still go on', async t => {
  const { clock, pacer } = setUp({ slotMs: 10 })
  const other = recorder(clock)
  pacer.add({
    tick: () => {
      throw new Error('broken')
    },
  })
  pacer.add(other)
  await t.rejects(clock.advance(200), { message: 'broken' })
  await clock.advance(200)
  t.ok(other.ticks.length >= 9)
  pacer.close()
})

t.test(
  'all streams of a turn are ticked before any speaks, and speak before any flushes; who is removed meanwhile does neither',
  async t => {
    const { clock, pacer } = setUp({ slotMs: 10 })
    const steps: string[] = []
    const handles = new Map<string, PacedHandle>()
    for (const name of ['a', 'b', 'c', 'd']) {
      const step = (what: string) => (): void => {
        steps.push(`${name} ${what}`)
        if (name === 'a' && what === 'tick') handles.get('c')?.remove()
        if (name === 'a' && what === 'speak') handles.get('d')?.remove()
      }
      handles.set(name, pacer.add({ tick: step('tick'), speak: step('speak'), flush: step('flush') }))
    }
    await clock.advance(20)
    t.same(steps, ['a tick', 'b tick', 'd tick', 'a speak', 'b speak', 'a flush', 'b flush'])
    await clock.advance(20)
    t.same(steps.slice(7), ['a tick', 'b tick', 'a speak', 'b speak', 'a flush', 'b flush'])
    pacer.close()
  },
)

for (const step of ['speak', 'flush'] as const)
  t.test(`a stream that throws in ${step} is removed; the others go on`, async t => {
    const failures: unknown[] = []
    const { clock, pacer } = setUp({ slotMs: 10, onError: error => failures.push(error) })
    let flushed = 0
    pacer.add({
      tick() {},
      [step]() {
        throw new Error('broken')
      },
    })
    pacer.add({ tick() {}, flush: () => (flushed += 1) })
    await clock.advance(200)
    t.match(failures, [{ message: 'broken' }])
    t.equal(failures.length, 1)
    t.equal(flushed, 10)
    t.equal(pacer.size, 1)
    pacer.close()
  })

t.test('the pacing error is measured against the due time', async t => {
  const clock = new VirtualClock()
  let wakeup = 0
  const pacer = new Pacer({ clock: lateClock(clock, () => (++wakeup % 10 === 0 ? 8 : 1)) })
  const handle = pacer.add(recorder(clock))
  await clock.advance(10_000)
  handle.remove()
  t.match(pacer.snapshot(), { errorP50Ms: 1.25, errorP99Ms: 8.25, errorMaxMs: 8 })
})

t.test('a snapshot before the first tick is all zero', async t => {
  const { pacer } = setUp()
  t.match(pacer.snapshot(), { errorP50Ms: 0, errorP99Ms: 0, ticks: 0 })
})

t.test('intervals and slots that do not fit are refused', async t => {
  const { clock, pacer } = setUp()
  for (const intervalMs of [0, 25, 130, 21]) {
    t.throws(() => pacer.add(recorder(clock), intervalMs), { code: 'SIP_OPTION' })
  }
  for (const slotMs of [0, 3, -1]) t.throws(() => new Pacer({ clock, slotMs }), { code: 'SIP_OPTION' })
})

t.test('a wake-up a little before its time serves the slot, and no frame is asked for twice', async t => {
  const timers: { readonly at: number; readonly earlyMs: number; readonly run: () => void }[] = []
  let now = 0
  const clock: Clock = {
    now: () => now,
    wallTime: () => now,
    setTimer: (at, run, earlyMs = 0) => {
      timers.push({ at, earlyMs, run })
      return { cancel: () => undefined }
    },
  }
  const pacer = new Pacer({ clock })
  const stream = recorder(clock)
  pacer.add(stream)
  for (let frame = 0; frame < 5; frame += 1) {
    const { at, earlyMs, run } = timers.at(-1)!
    now = at - earlyMs
    run()
  }
  t.same(
    stream.ticks.map(({ dueAt, skipped }) => ({ dueAt, skipped })),
    [2, 22, 42, 62, 82].map(dueAt => ({ dueAt, skipped: 0 })),
  )
  t.ok(stream.ticks.every(({ at, dueAt }) => at < dueAt && dueAt - at <= 0.5))
})
