import * as fc from 'fast-check'
import t from 'tap'
import { NotifierMachine } from '../../../src/sip/events/notifier-machine.ts'
import type { NotifierEffect } from '../../../src/sip/events/notifier-machine.ts'

function told(effects: readonly NotifierEffect[]): string[] {
  return effects.map(effect =>
    effect.kind === 'end'
      ? `end ${effect.cause}`
      : [effect.status, effect.reason, effect.full ? 'full' : 'partial'].filter(Boolean).join(' '),
  )
}

t.test('a NOTIFY follows every SUBSCRIBE at once (RFC 6665 §4.2.1.2)', async t => {
  const one = new NotifierMachine()
  t.same(told(one.accept('active', 600, 0)), ['active full'])
  one.notified(true, 10)
  t.same(told(one.refresh(600, 1000)), ['active full'])
  t.equal(one.nextAt, 601_000)
})

t.test('the time over: terminated with reason timeout, and gone when that is answered (§4.2.2)', async t => {
  const one = new NotifierMachine()
  one.accept('active', 600, 0)
  one.notified(true, 10)
  t.same(told(one.due(599_999)), [])
  t.same(told(one.due(600_000)), ['terminated timeout full'])
  t.equal(one.nextAt, undefined)
  t.same(told(one.notified(true, 600_100)), ['end timeout'])
})

t.test('a NOTIFY answered 481, or not at all, takes it away (§4.2.2)', async t => {
  const one = new NotifierMachine()
  one.accept('active', 600, 0)
  t.same(told(one.lost(10)), ['end lost'])
  t.equal(one.nextAt, undefined)
})

t.test(
  'changes during a NOTIFY are told by one that follows it; after a refused one all is told',
  async t => {
    const one = new NotifierMachine()
    one.accept('active', 600, 0)
    t.same(told(one.change(1)), [])
    t.same(told(one.change(2)), [])
    t.same(told(one.notified(true, 10)), ['active partial'])
    t.same(told(one.notified(false, 20)), [])
    t.same(told(one.change(30)), ['active full'])
  },
)

t.test('pending tells nothing until it is authorised (§4.2.1.3)', async t => {
  const one = new NotifierMachine()
  t.same(told(one.accept('pending', 600, 0)), ['pending full'])
  one.notified(true, 1)
  t.same(told(one.change(2)), [])
  t.same(told(one.authorise(3)), ['active full'])
  one.notified(true, 4)
  t.same(told(one.terminate('rejected', undefined, 5)), ['terminated rejected full'])
})

t.test('unsubscribed and fetched: one last NOTIFY (§4.2.1.4, §4.4.3)', async t => {
  const one = new NotifierMachine()
  one.accept('active', 600, 0)
  t.same(told(one.refresh(0, 1)), [], 'the first one is still under way')
  t.same(told(one.notified(true, 2)), ['terminated timeout full'])
  t.same(told(one.notified(true, 3)), ['end unsubscribed'])
  const two = new NotifierMachine()
  t.same(told(two.accept('active', 0, 0)), ['terminated timeout full'])
  t.same(told(two.notified(true, 1)), ['end fetched'])
})

t.test('whatever happens, one NOTIFY at a time, one end, and no timer after it', async t => {
  type Act = (one: NotifierMachine, now: number) => readonly NotifierEffect[]
  const acts: readonly Act[] = [
    (one, now) => one.refresh(60, now),
    (one, now) => one.refresh(0, now),
    (one, now) => one.authorise(now),
    (one, now) => one.change(now),
    (one, now) => one.terminate('giveup', 5, now),
    (one, now) => one.due(now),
    (one, now) => one.notified(true, now),
    (one, now) => one.notified(false, now),
    (one, now) => one.lost(now),
  ]
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(acts.length - 1), fc.integer({ min: 0, max: 50_000 })), { maxLength: 30 }),
      fc.constantFrom('pending' as const, 'active' as const),
      fc.constantFrom(0, 60),
      (sequence, state, seconds) => {
        const one = new NotifierMachine()
        let now = 0
        let open = 0
        let ends = 0
        const count = (effects: readonly NotifierEffect[]): void => {
          for (const { kind } of effects) {
            if (kind === 'end') ends++
            else open++
          }
        }
        count(one.accept(state, seconds, now))
        for (const [index, ms] of sequence) {
          now += ms
          const answers = index >= 6
          if (answers && open > 0) open--
          count(acts[index]!(one, now))
          if (open > 1) return false
          if (one.state === 'over' && (one.nextAt !== undefined || open > 0)) return false
        }
        return ends === (one.state === 'over' ? 1 : 0)
      },
    ),
    { numRuns: 500 },
  )
  t.pass()
})
