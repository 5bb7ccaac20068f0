import { array, assert, constantFrom, property } from 'fast-check'
import t from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import {
  agreedByResponse,
  answerTimer,
  byeAfterMs,
  raisedMinSe,
  refreshAfterMs,
  requestHeaders,
  resolveSessionTimer,
  stepTimer,
  timerTable,
  tooSmall,
} from '../../../src/sip/dialog/session-timer.ts'
import type {
  Agreement,
  SessionTimerPolicy,
  TimerEvent,
  TimerPhase,
  TimerState,
} from '../../../src/sip/dialog/session-timer.ts'

type Fields = readonly (readonly [string, string])[]

function request(fields: Fields): SipRequest {
  return createRequest({
    method: 'INVITE',
    uri: 'sip:agent@192.0.2.1',
    headers: [
      ['Via', 'SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1'],
      ['From', '<sip:peer@192.0.2.2>;tag=a'],
      ['To', '<sip:agent@192.0.2.1>'],
      ['Call-ID', 'c'],
      ['CSeq', '1 INVITE'],
      ...fields,
    ],
  })
}

const plain: SessionTimerPolicy = { expiresSeconds: 1800, minSeconds: 90, refresher: undefined }
const ours: Agreement = { seconds: 600, refresher: 'local' }
const theirs: Agreement = { seconds: 600, refresher: 'remote' }

function state(part: Partial<TimerState> = {}): TimerState {
  return { policy: plain, agreement: undefined, minSe: 0, ...part }
}

t.test('what our requests ask for (RFC 4028 §7.1, §7.4)', async t => {
  const rows: [string, TimerState, Fields][] = [
    ['off', state({ policy: undefined }), []],
    ['the first INVITE', state(), [['Session-Expires', '1800']]],
    [
      'we want to refresh',
      state({ policy: { ...plain, refresher: 'local' } }),
      [['Session-Expires', '1800;refresher=uac']],
    ],
    [
      'the peer is to refresh',
      state({ policy: { ...plain, refresher: 'remote' } }),
      [['Session-Expires', '1800;refresher=uas']],
    ],
    [
      'a least interval of our own',
      state({ policy: { ...plain, minSeconds: 300 } }),
      [
        ['Session-Expires', '1800'],
        ['Min-SE', '300'],
      ],
    ],
    [
      'after a 422',
      state({ minSe: 3600 }),
      [
        ['Session-Expires', '3600'],
        ['Min-SE', '3600'],
      ],
    ],
    ['a refresh by the refresher', state({ agreement: ours }), [['Session-Expires', '600;refresher=uac']]],
    [
      'a re-INVITE by the other side',
      state({ agreement: theirs }),
      [['Session-Expires', '600;refresher=uas']],
    ],
  ]
  for (const [name, given, fields] of rows) t.same(requestHeaders(given), fields, name)
})

t.test('what a 2xx settles for who asked (RFC 4028 §7.2)', async t => {
  const rows: [string, Fields, Agreement | undefined][] = [
    ['a peer without session timers', [], undefined],
    ['uac', [['Session-Expires', '900;refresher=uac']], { seconds: 900, refresher: 'local' }],
    ['uas', [['Session-Expires', '900;refresher=uas']], { seconds: 900, refresher: 'remote' }],
    ['compact, in capitals', [['x', '900;Refresher=UAS']], { seconds: 900, refresher: 'remote' }],
    ['no refresher named', [['Session-Expires', '900']], { seconds: 900, refresher: 'local' }],
    ['below what is allowed', [['Session-Expires', '5;refresher=uas']], { seconds: 90, refresher: 'remote' }],
    ['unreadable', [['Session-Expires', 'soon']], undefined],
  ]
  for (const [name, headers, agreement] of rows) {
    const response = createResponse(request([]), 200, { toTag: 'b', headers })
    t.same(agreedByResponse(response, state()), agreement, name)
    t.equal(agreedByResponse(response, state({ policy: undefined })), undefined, `${name}, off`)
  }
})

t.test('a 422 raises the interval only when it asks for more than was sent (RFC 4028 §7.3)', async t => {
  const rows: [string, number, Fields, TimerState, number | undefined][] = [
    ['more', 422, [['Min-SE', '2000']], state(), 2000],
    ['no more', 422, [['Min-SE', '1800']], state(), undefined],
    ['without Min-SE', 422, [], state(), undefined],
    ['unreadable', 422, [['Min-SE', 'x']], state(), undefined],
    ['another refusal', 488, [['Min-SE', '2000']], state(), undefined],
    ['again, more', 422, [['Min-SE', '3000']], state({ minSe: 2000 }), 3000],
    ['of a refresh', 422, [['Min-SE', '700']], state({ agreement: ours }), 700],
    ['off', 422, [['Min-SE', '2000']], state({ policy: undefined }), undefined],
  ]
  for (const [name, status, headers, given, minSe] of rows) {
    t.equal(raisedMinSe(createResponse(request([]), status, { headers }), given), minSe, name)
  }
})

t.test('422 goes to who knows session timers and asks for too little (RFC 4028 §9)', async t => {
  const able = ['Supported', 'timer'] as const
  const policy = { ...plain, minSeconds: 120 }
  t.equal(tooSmall(request([able, ['Session-Expires', '119']]), policy), 120)
  t.equal(
    tooSmall(
      request([
        ['Require', 'Timer'],
        ['x', '119'],
      ]),
      policy,
    ),
    120,
  )
  t.equal(tooSmall(request([able, ['Session-Expires', '120']]), policy), undefined)
  t.equal(tooSmall(request([['Session-Expires', '100']]), policy), undefined, 'a proxy put it in')
  t.equal(tooSmall(request([able]), policy), undefined)
  t.equal(tooSmall(request([able, ['Session-Expires', '1']]), undefined), undefined, 'off')
})

t.test('what our 2xx says and settles (RFC 4028 §9, table 2)', async t => {
  const able = ['Supported', 'timer'] as const
  const local: SessionTimerPolicy = { ...plain, refresher: 'local' }
  const rows: [string, Fields, TimerState, string | undefined, Agreement | undefined][] = [
    ['off', [able, ['x', '600']], state({ policy: undefined }), undefined, undefined],
    ['neither knows nor asks', [], state(), undefined, undefined],
    ['we insist', [], state({ policy: local }), '1800;refresher=uas', { seconds: 1800, refresher: 'local' }],
    [
      'a proxy asked, the caller does not know',
      [['x', '600']],
      state(),
      '600;refresher=uas',
      { seconds: 600, refresher: 'local' },
    ],
    [
      'knows, asks for nothing',
      [able],
      state(),
      '1800;refresher=uac',
      { seconds: 1800, refresher: 'remote' },
    ],
    ['asks', [able, ['x', '600']], state(), '600;refresher=uac', theirs],
    ['asks, we refresh', [able, ['x', '600']], state({ policy: local }), '600;refresher=uas', ours],
    [
      'wants to refresh',
      [able, ['x', '600;refresher=uac']],
      state({ policy: local }),
      '600;refresher=uac',
      theirs,
    ],
    ['wants us to', [able, ['x', '600;refresher=uas']], state(), '600;refresher=uas', ours],
    [
      'asks for more than we want',
      [able, ['x', '7200']],
      state(),
      '1800;refresher=uac',
      { seconds: 1800, refresher: 'remote' },
    ],
    [
      'asks for more, and no less',
      [able, ['x', '7200'], ['Min-SE', '3600']],
      state(),
      '3600;refresher=uac',
      { seconds: 3600, refresher: 'remote' },
    ],
    ['a refresh says nothing of roles', [able], state({ agreement: ours }), '600;refresher=uas', ours],
    [
      'a refresh changes roles',
      [able, ['x', '600;refresher=uac']],
      state({ agreement: ours }),
      '600;refresher=uac',
      theirs,
    ],
    ['a refresh by who does not know', [], state({ agreement: ours }), '600;refresher=uas', ours],
  ]
  for (const [name, fields, given, value, agreement] of rows) {
    const answer = answerTimer(request(fields), given)
    const headers = new Map(answer.headers)
    t.equal(headers.get('Session-Expires'), value, name)
    t.equal(headers.get('Require'), value?.endsWith('uac') === true ? 'timer' : undefined, `${name}: Require`)
    t.same(answer.agreement, agreement, `${name}: agreement`)
  }
})

t.test(
  'the refresh comes at half the interval, the BYE a third or 32 s before its end (RFC 4028 §10)',
  async t => {
    t.same([90, 1800].map(refreshAfterMs), [45_000, 900_000])
    t.same([90, 96, 1800].map(byeAfterMs), [60_000, 64_000, 1_768_000])
  },
)

t.test('options', async t => {
  t.equal(resolveSessionTimer('off'), undefined)
  t.same(resolveSessionTimer(undefined), plain)
  t.same(resolveSessionTimer({ expiresSeconds: 300 }), { ...plain, expiresSeconds: 300 })
  const bad = [
    { minSeconds: 89 },
    { expiresSeconds: 60 },
    { expiresSeconds: 100, minSeconds: 200 },
    { expiresSeconds: 1.5 },
    { refresher: 'us' as 'local' },
  ]
  for (const options of bad) t.throws(() => resolveSessionTimer(options), { code: 'SIP_OPTION' })
})

const phases = Object.keys(timerTable) as TimerPhase[]
const events = Object.keys(timerTable.idle) as TimerEvent[]

t.test(
  'whatever happens, nothing is armed once it is over, and only one who refreshes refreshes',
  async t => {
    assert(
      property(array(constantFrom(...events)), happened => {
        let phase: TimerPhase = 'idle'
        let refreshArmed = false
        let expiryArmed = false
        let expired = 0
        for (const event of happened) {
          if (event === 'refresh-due' && !refreshArmed) continue
          if (event === 'expiry-due' && !expiryArmed) continue
          const before = phase
          const { to, actions } = stepTimer(phase, event)
          phase = to
          if (event === 'refresh-due') refreshArmed = false
          if (event === 'expiry-due') expiryArmed = false
          for (const action of actions) {
            if (action === 'arm-refresh') refreshArmed = expiryArmed = true
            if (action === 'arm-expiry') [refreshArmed, expiryArmed] = [false, true]
            if (action === 'arm-retry') refreshArmed = true
            if (action === 'disarm') refreshArmed = expiryArmed = false
            if (action === 'send-refresh' && before !== 'refresher' && before !== 'refreshing') return false
            if (action === 'expire') expired++
          }
          if ((phase === 'over' || phase === 'idle') && (refreshArmed || expiryArmed)) return false
          // A session that may expire is always watched.
          if (phase !== 'over' && phase !== 'idle' && !expiryArmed) return false
        }
        return expired <= 1
      }),
    )
    t.equal(phases.length * events.length, 45)
  },
)
