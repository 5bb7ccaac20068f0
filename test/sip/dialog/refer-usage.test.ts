import * as fc from 'fast-check'
import t from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipResponse } from '../../../src/sip/message/message.ts'
import type { ReferAction, ReferEvent, ReferState } from '../../../src/sip/dialog/refer-table.ts'
import { referTable } from '../../../src/sip/dialog/refer-table.ts'
import { ReferUsage } from '../../../src/sip/dialog/refer-usage.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const states = Object.keys(referTable) as ReferState[]
const events = Object.keys(referTable.sent) as ReferEvent[]

t.test('every way through the table ends at most once, and nothing happens after the end', async t => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 12 }), sequence => {
      let state: ReferState = 'sent'
      let ends = 0
      for (const event of sequence) {
        const { to, actions }: { to: ReferState; actions: readonly ReferAction[] } = referTable[state][event]
        if (state === 'over' && (to !== 'over' || actions.length > 0)) return false
        ends += actions.filter(action => action.startsWith('end-')).length
        state = to
      }
      return ends === (state === 'over' ? 1 : 0)
    }),
  )
  t.pass()
})

t.test('in every state that waits a timer runs or the REFER itself is under way', async t => {
  for (const state of states) {
    const armedBy = states.flatMap(from =>
      events.flatMap(event => {
        const { to, actions } = referTable[from][event]
        return to === state && from !== state ? [actions] : []
      }),
    )
    const waits = state !== 'over' && state !== 'sent' && state !== 'sent-ended'
    if (!waits) continue
    for (const actions of armedBy)
      t.ok(
        actions.some(action => action.startsWith('arm-')),
        state,
      )
    t.equal(referTable[state].timeout.to, 'over', `${state} times out`)
  }
})

function answer(statusCode: number, headers: readonly (readonly [string, string])[] = []): SipResponse {
  const refer = createRequest({
    method: 'REFER',
    uri: 'sip:a@b',
    headers: [
      ['Via', 'SIP/2.0/UDP a;branch=z9hG4bK1'],
      ['From', '<sip:a@b>;tag=1'],
      ['To', '<sip:b@b>;tag=2'],
      ['Call-ID', 'x'],
      ['CSeq', '5 REFER'],
    ],
  })
  return createResponse(refer, statusCode, { headers })
}

t.test('the first NOTIFY is waited for 32 s, the last as long as asked, one after a BYE for 2 s', async t => {
  const trying = { event: 'trying', id: undefined, statusCode: 100, reasonPhrase: 'Trying' } as const
  const rows: readonly (readonly [name: string, play: (usage: ReferUsage) => void, ms: number])[] = [
    ['no NOTIFY', usage => usage.answered(answer(202)), 32_000],
    ['only 100', usage => (usage.answered(answer(202)), usage.notified(trying)), 90_000],
    ['BYE', usage => (usage.answered(answer(202)), usage.callEnded()), 2_000],
    ['BYE, 202', usage => (usage.callEnded(), usage.answered(answer(202))), 2_000],
  ]
  for (const [name, play, ms] of rows) {
    const clock = new VirtualClock()
    const usage = new ReferUsage(clock, 90_000)
    play(usage)
    await clock.advance(ms - 1)
    t.notOk(usage.over, name)
    await clock.advance(1)
    t.ok(usage.over, name)
    t.match(await usage.ended, { outcome: 'unknown' })
    t.equal(clock.pendingTimers, 0)
  }
})

t.test('Refer-Sub that cannot be read counts as absent', async t => {
  const usage = new ReferUsage(new VirtualClock(), 1000)
  usage.answered(answer(202, [['Refer-Sub', ';;']]))
  t.notOk(usage.over)
  t.equal(usage.id, '5')
})
