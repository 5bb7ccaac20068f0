import * as fc from 'fast-check'
import t from 'tap'
import { cpsRule, Pacer } from '../../../src/call/trunks/pacer.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

/** How much longer one call may take to the carrier than the next, milliseconds. */
const jitterMs = 50

t.test('in no second do more calls arrive than the limit says, and none is forgotten', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 30 }),
      async (limit, gaps) => {
        const clock = new VirtualClock()
        const pacer = new Pacer(clock, cpsRule({ limit, queue: 100, maxWaitMs: 60_000 }), 'test')
        const begun: number[] = []
        let refused = 0
        for (const gap of gaps) {
          await clock.advance(gap)
          pacer.turn().then(
            () => begun.push(clock.now()),
            () => (refused += 1),
          )
        }
        await clock.advance(60_000)
        const crowded = begun.some(
          (at, index) => index >= limit && at - begun[index - limit]! < 1_000 + jitterMs,
        )
        return !crowded && begun.length === gaps.length && refused === 0 && clock.pendingTimers === 0
      },
    ),
    { numRuns: 50 },
  )
})

t.test('less than one a second', async t => {
  const clock = new VirtualClock()
  const pacer = new Pacer(clock, cpsRule(0.5), 'slow')
  await pacer.turn()
  let second = false
  void pacer.turn().then(() => (second = true))
  await clock.advance(2_000)
  t.equal(second, false)
  await clock.advance(200)
  t.equal(second, true)
})

t.test('who would have to wait too long, or is not to wait, is refused and counted', async t => {
  const clock = new VirtualClock()
  const strict = new Pacer(clock, cpsRule({ limit: 1, excess: 'refuse' }), 'strict')
  await strict.turn()
  await t.rejects(strict.turn(), {
    code: 'SIP_LIMIT',
    message: /trunk strict begins at most 1 calls a second/,
  })
  t.match(strict.stats(), { begun: 1, refused: 1, waiting: 0 })

  const patient = new Pacer(clock, cpsRule({ limit: 1, queue: 2, maxWaitMs: 1_500 }), 'patient')
  await patient.turn()
  const first = patient.turn()
  const second = t.rejects(patient.turn(), { message: /waited 1500 ms/ })
  await t.rejects(patient.turn(), { message: /2 calls wait already/ })
  await clock.advance(2_500)
  await Promise.all([first, second])
  t.same(patient.stats(), { begun: 2, delayed: 2, refused: 2, waiting: 0 })
})

t.test('who gives up while waiting, and who waits when the trunk is closed', async t => {
  const clock = new VirtualClock()
  const pacer = new Pacer(clock, cpsRule(1), 'test')
  await pacer.turn()
  const abort = new AbortController()
  const given = t.rejects(pacer.turn(abort.signal), { message: 'enough' })
  abort.abort(new Error('enough'))
  await given
  const waiting = t.rejects(pacer.turn(), { code: 'SIP_STATE' })
  pacer.close()
  await waiting
  t.equal(clock.pendingTimers, 0)
})
