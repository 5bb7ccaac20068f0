import * as fc from 'fast-check'
import t from 'tap'
import { OptionError, SipError } from '../../src/runtime/errors.ts'
import type { Timer } from '../../src/runtime/runtime.ts'
import { TimerQueue } from '../../src/runtime/timers.ts'

/** A host that only remembers its alarm. */
function makeHost() {
  const host = {
    time: 0,
    alarm: undefined as number | undefined,
    changes: 0,
    now: () => host.time,
    arm(atMs: number) {
      host.alarm = atMs
      host.changes++
    },
    disarm() {
      host.alarm = undefined
      host.changes++
    },
  }
  return host
}

t.test('runs timers by due time, and in the order they were set where that is equal', async t => {
  const queue = new TimerQueue(makeHost())
  const ran: string[] = []
  for (const [at, name] of [
    [5, 'a'],
    [3, 'b'],
    [5, 'c'],
    [1, 'd'],
    [3, 'e'],
  ] as const) {
    queue.set(at, () => ran.push(name))
  }
  t.equal(queue.runDue(3), 3)
  t.same(ran, ['d', 'b', 'e'])
  t.equal(queue.nextAt, 5)
  queue.runDue(5)
  t.same(ran, ['d', 'b', 'e', 'a', 'c'])
})

t.test('behaves like a sorted list under any sequence of set, cancel and run', async () => {
  type Step = { kind: 'set'; at: number } | { kind: 'cancel'; which: number } | { kind: 'run'; by: number }
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('set' as const), at: fc.integer({ min: 0, max: 60 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(200) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('run' as const), by: fc.nat(10) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const host = makeHost()
      const queue = new TimerQueue(host)
      const ran: number[] = []
      const expected: number[] = []
      const handles: Timer[] = []
      let model: { at: number; id: number }[] = []
      for (const next of steps) {
        if (next.kind === 'set') {
          const id = handles.length
          handles.push(queue.set(next.at, () => ran.push(id)))
          model.push({ at: next.at, id })
          model = model.toSorted((a, b) => a.at - b.at || a.id - b.id)
        } else if (next.kind === 'cancel') {
          handles[next.which]?.cancel()
          handles[next.which]?.cancel()
          model = model.filter(({ id }) => id !== next.which)
        } else {
          host.time += next.by
          host.alarm = undefined
          queue.runDue(host.time)
          expected.push(...model.filter(({ at }) => at <= host.time).map(({ id }) => id))
          model = model.filter(({ at }) => at > host.time)
        }
        if (queue.size !== model.length || queue.nextAt !== model[0]?.at || host.alarm !== model[0]?.at)
          return false
      }
      return ran.join() === expected.join()
    }),
    { numRuns: 500 },
  )
})

t.test('a timer that may be early is taken along by a run shortly before its time', async t => {
  const queue = new TimerQueue(makeHost())
  const ran: string[] = []
  queue.set(10, () => ran.push('early'), 0.5)
  queue.set(10.2, () => ran.push('punctual'))
  t.equal(queue.runDue(9.4), 0)
  t.equal(queue.runDue(9.5), 1)
  t.equal(queue.runDue(10.1), 0)
  t.equal(queue.runDue(10.2), 1)
  t.same(ran, ['early', 'punctual'])
})

t.test('a cancelled timer leaves the queue at once', async t => {
  const host = makeHost()
  const queue = new TimerQueue(host)
  queue.set(1000, () => {})
  for (let round = 0; round < 10_000; round++) queue.set(500 + (round % 7), () => {}).cancel()
  t.equal(queue.size, 1)
  t.equal(queue.nextAt, 1000)
  t.equal(host.alarm, 1000)
})

t.test('a timer may cancel another that is due at the same time', async t => {
  const queue = new TimerQueue(makeHost())
  const ran: string[] = []
  const handles: Timer[] = []
  queue.set(1, () => {
    ran.push('first')
    handles[0]!.cancel()
  })
  handles.push(queue.set(1, () => ran.push('second')))
  t.equal(queue.runDue(1), 1)
  t.same(ran, ['first'])
})

t.test(
  'a timer set in the past never runs synchronously, nor before those that were due already',
  async t => {
    const queue = new TimerQueue(makeHost())
    const ran: string[] = []
    queue.set(10, () => {
      ran.push('a')
      queue.set(0, () => ran.push('again'))
    })
    queue.set(10, () => ran.push('b'))
    t.equal(queue.runDue(10), 2)
    t.same(ran, ['a', 'b'])
    t.equal(queue.runDue(10), 1)
    t.same(ran, ['a', 'b', 'again'])
  },
)

t.test('the alarm is touched only when the next due time changes', async t => {
  const host = makeHost()
  const queue = new TimerQueue(host)
  queue.set(10, () => {})
  for (let at = 11; at < 1000; at++) queue.set(at, () => {})
  t.equal(host.changes, 1)
  t.equal(host.alarm, 10)
})

t.test('one run sets the alarm once, however many timers it sets', async t => {
  const host = makeHost()
  const queue = new TimerQueue(host)
  for (let index = 0; index < 100; index++) queue.set(1, () => queue.set(5 - index / 100, () => {}))
  const before = host.changes
  queue.runDue(1)
  t.equal(host.changes, before + 1)
  t.equal(host.alarm, 5 - 99 / 100)
})

t.test('a timer for Infinity waits for ever and arms nothing', async t => {
  const host = makeHost()
  const queue = new TimerQueue(host)
  const timer = queue.set(Infinity, () => t.fail('ran'))
  t.equal(host.alarm, undefined)
  queue.runDue(Number.MAX_VALUE)
  t.equal(queue.size, 1)
  timer.cancel()
  t.equal(queue.size, 0)
})

t.test('NaN is refused before it can spoil the order', async t => {
  const queue = new TimerQueue(makeHost())
  t.throws(() => queue.set(Number.NaN, () => {}), OptionError)
  t.equal(queue.size, 0)
})

t.test('what a timer throws passes through; the others stay armed and run next', async t => {
  const host = makeHost()
  const queue = new TimerQueue(host)
  let ran = false
  queue.set(1, () => {
    throw new Error('boom')
  })
  queue.set(1, () => {
    ran = true
  })
  t.throws(() => queue.runDue(1), /boom/)
  t.equal(ran, false)
  t.equal(host.alarm, 1)
  host.alarm = undefined
  queue.runDue(1)
  t.equal(ran, true)
  t.equal(host.alarm, undefined)
})

t.test('a timer that runs the queue itself is refused', async t => {
  const queue = new TimerQueue(makeHost())
  queue.set(1, () => queue.runDue(1))
  t.throws(() => queue.runDue(1), SipError)
})
