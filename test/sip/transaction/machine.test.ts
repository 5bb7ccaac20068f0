import * as fc from 'fast-check'
import t from 'tap'
import { inviteClient } from '../../../src/sip/transaction/invite-client.ts'
import { inviteServer } from '../../../src/sip/transaction/invite-server.ts'
import type { Row } from '../../../src/sip/transaction/machine.ts'
import { nonInviteClient } from '../../../src/sip/transaction/non-invite-client.ts'
import { nonInviteServer } from '../../../src/sip/transaction/non-invite-server.ts'
import { timerRules, timerSchedule, timerValues } from '../../../src/sip/transaction/timers.ts'
import { anyMachine, PaperMachine } from './timeline.ts'

const machines = [inviteClient, nonInviteClient, inviteServer, nonInviteServer].map(machine =>
  anyMachine(machine as typeof inviteClient),
)

type States = Readonly<
  Record<string, { timers: readonly string[]; on: Readonly<Record<string, Row<string>>> }>
>

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1
}

/** The final response of the user, for machines that wait for it. */
const finals: Record<string, string> = {
  'INVITE server': 'send 300-699',
  'non-INVITE server': 'send 200-699',
}

for (const machine of machines) {
  const states: States = machine.states
  const events = Object.keys(states[machine.initial]?.on ?? {})
  const external = events.filter(event => !event.startsWith('timer '))

  t.test(`${machine.name}: no sequence of events leaves a timer behind, and time ends it`, async () => {
    const act = fc.oneof(
      fc.constantFrom(...external),
      fc.constant('<next timer>'),
      fc.integer({ min: 1, max: 3_000 }),
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), fc.boolean(), (acts, reliable) => {
        const paper = new PaperMachine(machine, timerSchedule(timerValues(), reliable))
        let now = 0
        const check = (): void => {
          const tracked = JSON.stringify([...paper.armed].toSorted(byName))
          if (tracked !== JSON.stringify([...paper.state.armed].toSorted(byName))) {
            throw new Error(`state and actions disagree: ${tracked}`)
          }
          const { name } = paper.state
          const allowed = states[name]?.timers ?? []
          for (const timer of paper.armed.keys()) {
            if (!allowed.includes(timer)) throw new Error(`timer ${timer} runs in ${name}`)
          }
          if (name === 'terminated' && paper.armed.size > 0)
            throw new Error('a timer outlives the transaction')
        }
        const fireUntil = (until: number): void => {
          for (;;) {
            const next = paper.nextTimer()
            if (next === undefined || next[1] > until) break
            now = next[1]
            paper.fire(next[0], now)
            check()
          }
        }
        check()
        for (const one of acts) {
          if (typeof one === 'number') {
            fireUntil(now + one)
            now += one
          } else if (one === '<next timer>') {
            fireUntil(paper.nextTimer()?.[1] ?? now)
          } else {
            paper.event(now, one)
            check()
          }
        }
        // The user answers in the end; then time alone must do. Timer C comes before the CANCEL that ends a long wait.
        const final = finals[machine.name]
        if (final !== undefined && paper.state.name !== 'terminated') paper.event(now, final)
        for (let wishes = 0; wishes < 2; wishes++) {
          fireUntil(now + 2_000_000)
          if (paper.state.name === 'proceeding' && machine.name === 'INVITE client')
            paper.event(now, 'cancel sent')
        }
        if (paper.state.name !== 'terminated') throw new Error(`stuck in ${paper.state.name}`)
        const ends = paper.log.filter(line => line.endsWith(' end')).length
        if (ends !== 1) throw new Error(`${ends} ends`)
        if (!paper.log.at(-1)?.endsWith(' end')) throw new Error('something happened after the end')
      }),
      { numRuns: 1_000 },
    )
  })

  t.test(`${machine.name}: terminated absorbs everything`, async t => {
    for (const event of events) {
      const row = states['terminated']?.on[event]
      t.same(row?.effects, [], event)
      t.equal(row?.next, undefined, event)
    }
  })

  t.test(
    `${machine.name}: every timer of a state has a row, and no other timer has one that acts`,
    async t => {
      for (const [name, { timers, on }] of Object.entries(states)) {
        for (const timer of timers)
          t.ok(Object.hasOwn(on, `timer ${timer}`), `${name} handles timer ${timer}`)
        for (const [event, row] of Object.entries(on)) {
          t.match(row.rfc, /^(RFC \d{4} §\d|not running)/, `${name}, ${event}: ${row.rfc}`)
          if (!event.startsWith('timer ') || timers.some(timer => `timer ${timer}` === event)) continue
          t.same(row.effects, [], `${name}: ${event} is not running`)
        }
      }
    },
  )
}

t.test(
  'a final response reaches the user once per transaction, a 2xx to an INVITE each time (RFC 6026 §7.2)',
  async t => {
    const schedule = timerSchedule(timerValues(), false)
    for (const [machine, final, expected] of [
      [inviteClient, '300-699', 1],
      [inviteClient, '2xx', 3],
      [nonInviteClient, '200-699', 1],
    ] as const) {
      const paper = new PaperMachine(anyMachine(machine as typeof inviteClient), schedule)
      for (let i = 0; i < 3; i++) paper.event(10, final)
      t.equal(paper.log.filter(line => line.endsWith('deliver')).length, expected, `${machine.name} ${final}`)
    }
  },
)

t.test('timer rules: 64*T1, T2 and T4 follow from the values; unusable values are refused', async t => {
  const short = timerSchedule(timerValues({ t1: 100, t2: 800, t4: 1_000 }), false)
  t.equal(short.first.B, 6_400)
  t.equal(short.first.F, 6_400)
  t.equal(short.first.H, 6_400)
  t.equal(short.first.K, 1_000)
  t.equal(short.longest.E, 800)
  t.equal(short.longest.A, Infinity)
  t.equal(short.first.late, 100 + 200 + 400)
  t.throws(() => timerValues({ t1: 0 }), { code: 'SIP_OPTION', field: 'timers.t1' })
  t.throws(() => timerValues({ t2: Number.NaN }), { code: 'SIP_OPTION', field: 'timers.t2' })
  t.throws(() => timerValues({ t4: Infinity }), { code: 'SIP_OPTION', field: 'timers.t4' })
  t.equal(timerSchedule(timerValues({ trying: Infinity }), false).first.trying, undefined)
  for (const rule of Object.values(timerRules)) t.match(rule.rfc, /^RFC \d{4} §/)
})
