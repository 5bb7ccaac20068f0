import * as fc from 'fast-check'
import t from 'tap'
import { SubscriberMachine } from '../../../src/sip/events/subscriber-machine.ts'
import type { Answer, SubscriberEffect } from '../../../src/sip/events/subscriber-machine.ts'
import { subscriberTable } from '../../../src/sip/events/subscriber-table.ts'
import type { SubscriberEvent, SubscriberState } from '../../../src/sip/events/subscriber-table.ts'
import type { StateNews } from '../../../src/sip/events/subscription-state.ts'

const N = 32_000

function machine(options: { expiresSeconds?: number; resubscribe?: boolean } = {}): SubscriberMachine {
  return new SubscriberMachine({
    expiresSeconds: 600,
    resubscribe: true,
    timerNMs: N,
    share: () => 1,
    ...options,
  })
}

function news(status: StateNews['status'], more: Partial<StateNews> = {}): StateNews {
  return { status, expiresSeconds: undefined, reason: undefined, retryAfterSeconds: undefined, ...more }
}

function kinds(effects: readonly SubscriberEffect[]): string[] {
  return effects.map(effect => ('cause' in effect ? `${effect.kind} ${effect.cause}` : effect.kind))
}

t.test('Timer N ends a subscription that no NOTIFY came for (RFC 6665 §4.1.2.4)', async t => {
  const one = machine()
  t.same(kinds(one.start(0)), ['subscribe'])
  one.answered({ kind: 'answered', expiresSeconds: 600 }, 100)
  t.equal(one.nextAt, N)
  t.same(kinds(one.due(N - 1)), [])
  t.same(kinds(one.due(N)), ['end no-notify'])
  t.equal(one.nextAt, undefined)
})

t.test('it is refreshed before its time is over; the NOTIFY has the last word on it (§4.1.2.2)', async t => {
  const one = machine()
  one.start(0)
  one.answered({ kind: 'answered', expiresSeconds: 600 }, 50)
  one.notified(news('active', { expiresSeconds: 300 }), 100)
  t.equal(one.nextAt, 100 + 270_000)
  t.same(kinds(one.due(270_100)), ['refresh'])
  t.equal(one.nextAt, 300_100, 'what was granted is over before Timer N is')
  one.answered({ kind: 'answered', expiresSeconds: 300 }, 270_200)
  t.equal(one.nextAt, 270_100 + N, 'Timer N')
  one.notified(news('active', { expiresSeconds: 300 }), 270_300)
  t.equal(one.nextAt, 540_300)
})

t.test('a refresh without NOTIFY ends it by Timer N, and it is made anew (§4.1.2.2)', async t => {
  const one = machine()
  one.start(0)
  one.notified(news('active', { expiresSeconds: 600 }), 0)
  const at = one.nextAt!
  one.due(at)
  one.answered({ kind: 'answered', expiresSeconds: 600 }, at + 10)
  t.same(kinds(one.due(at + N)), ['waiting no-notify', 'subscribe'])
})

t.test('a refresh that fails leaves the time that was granted, and is tried again (§4.1.2.2)', async t => {
  const one = machine({ resubscribe: false })
  one.start(0)
  one.notified(news('active', { expiresSeconds: 600 }), 0)
  t.same(kinds(one.due(540_000)), ['refresh'])
  one.answered({ kind: 'failed', statusCode: 500 }, 540_000)
  t.equal(one.nextAt, 570_000)
  t.equal(one.status, 'active')
  let effects: readonly SubscriberEffect[] = []
  for (let at = one.nextAt; at !== undefined; at = one.nextAt) {
    effects = one.due(at)
    if (kinds(effects)[0] === 'refresh') effects = one.answered({ kind: 'failed', statusCode: 500 }, at)
    t.ok(at <= 600_000)
  }
  t.same(kinds(effects), ['end expired'])
})

for (const [reason, retryAfterSeconds, wait] of [
  ['deactivated', undefined, 0],
  ['deactivated', 90, 0],
  ['timeout', undefined, 0],
  ['probation', 90, 90_000],
  ['giveup', 90, 90_000],
  ['rejected', 90, undefined],
  ['noresource', 90, undefined],
  ['invariant', 90, undefined],
  ['whatever', 90, 90_000],
  [undefined, undefined, 0],
] as const) {
  const what = wait === undefined ? 'is the end' : `is followed by a SUBSCRIBE after ${wait} ms`
  t.test(`terminated;reason=${reason};retry-after=${retryAfterSeconds} ${what} (§4.1.3)`, async t => {
    const one = machine()
    one.start(0)
    one.notified(news('active', { expiresSeconds: 600 }), 0)
    const effects = one.notified(news('terminated', { reason, retryAfterSeconds }), 100)
    t.same(kinds(effects), [wait === undefined ? 'end terminated' : 'waiting terminated'])
    t.equal(one.nextAt, wait === undefined ? undefined : 100 + wait)
    if (wait !== undefined) t.same(kinds(one.due(100 + wait)), ['subscribe'])
  })
}

t.test('a notifier that ends it every time is asked ever less often', async t => {
  const one = machine()
  one.start(0)
  const waits: number[] = []
  let now = 0
  for (let round = 0; round < 12; round++) {
    for (const effect of one.notified(news('terminated', { reason: 'deactivated' }), now)) {
      if (effect.kind === 'waiting') waits.push(effect.retryInMs)
    }
    now = one.nextAt!
    one.due(now)
  }
  t.same(waits.slice(0, 5), [0, 1000, 2000, 4000, 8000])
  t.equal(waits.at(-1), 300_000)
})

t.test('423 is followed with its Min-Expires, three times at most (§4.1.2.1)', async t => {
  const one = machine()
  one.start(0)
  t.same(one.answered({ kind: 'too-brief', minExpiresSeconds: 900 }, 10), [
    { kind: 'resend', expiresSeconds: 900 },
  ])
  t.same(kinds(one.answered({ kind: 'too-brief', minExpiresSeconds: 900 }, 20)), ['end refused'])
  const two = machine()
  two.start(0)
  let effects: readonly SubscriberEffect[] = []
  for (let more = 1; more <= 4; more++) {
    effects = two.answered({ kind: 'too-brief', minExpiresSeconds: 600 + more }, 10)
  }
  t.same(kinds(effects), ['end refused'])
})

t.test('unsubscribing waits for the last NOTIFY, Timer N at most (§4.1.2.3)', async t => {
  for (const told of [true, false]) {
    const one = machine()
    one.start(0)
    one.notified(news('active', { expiresSeconds: 600 }), 0)
    t.same(one.unsubscribe(1000), [{ kind: 'unsubscribe', expiresSeconds: 0 }])
    t.equal(one.nextAt, 1000 + N)
    const effects = told ? one.notified(news('terminated', { reason: 'timeout' }), 1100) : one.due(1000 + N)
    t.same(kinds(effects), ['end unsubscribed'])
    t.equal(one.nextAt, undefined)
  }
})

t.test('unsubscribing before the first NOTIFY waits for the dialog that it makes', async t => {
  const one = machine()
  one.start(0)
  t.same(one.unsubscribe(10), [])
  t.same(kinds(one.notified(news('active'), 20)), ['unsubscribe'])
})

t.test('a fetch ends with its NOTIFY (§4.4.3)', async t => {
  const one = machine({ expiresSeconds: 0 })
  t.same(one.start(0), [{ kind: 'subscribe', expiresSeconds: 0 }])
  one.answered({ kind: 'answered', expiresSeconds: 0 }, 10)
  t.same(kinds(one.notified(news('terminated', { reason: 'timeout' }), 20)), ['end fetched'])
})

t.test('whatever happens in whatever order, no timer is left after the one end', async t => {
  const answers: readonly Answer[] = [
    { kind: 'answered', expiresSeconds: 60 },
    { kind: 'answered', expiresSeconds: undefined },
    { kind: 'too-brief', minExpiresSeconds: 1200 },
    { kind: 'refused', statusCode: 403 },
    { kind: 'forgotten', statusCode: 481 },
    { kind: 'failed', statusCode: 500, retryAfterSeconds: 3 },
  ]
  type Act = (one: SubscriberMachine, now: number) => readonly SubscriberEffect[]
  const acts: readonly Act[] = [
    ...answers.map(answer => (one: SubscriberMachine, now: number) => one.answered(answer, now)),
    ...(['pending', 'active', 'terminated'] as const).flatMap(status =>
      ['deactivated', 'rejected', undefined].map(
        reason => (one: SubscriberMachine, now: number) =>
          one.notified(news(status, { reason, expiresSeconds: 60 }), now),
      ),
    ),
    (one, now) => one.unsubscribe(now),
    (one, now) => one.refresh(now),
    (one, now) => one.due(now),
  ]
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...acts), fc.integer({ min: 0, max: 100_000 })), { maxLength: 30 }),
      fc.boolean(),
      fc.constantFrom(0, 600),
      (sequence, resubscribe, expiresSeconds) => {
        const one = machine({ resubscribe, expiresSeconds })
        let now = 0
        let ends = 0
        one.start(now)
        for (const [act, ms] of sequence) {
          now += ms
          ends += act(one, now).filter(({ kind }) => kind === 'end').length
          if (one.state === 'over' && one.nextAt !== undefined) return false
          if (one.state !== 'over' && one.nextAt === undefined) return false
        }
        return ends === (one.state === 'over' ? 1 : 0)
      },
    ),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('nothing leads out of the end', async t => {
  for (const event of Object.keys(subscriberTable.idle) as SubscriberEvent[]) {
    t.same(subscriberTable.over[event], { to: 'over' satisfies SubscriberState, actions: [] }, event)
  }
})
