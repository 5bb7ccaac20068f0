import t from 'tap'
import { OptionError, SipError } from '../../../src/runtime/errors.ts'
import { SipParseError } from '../../../src/sip/message/errors.ts'
import { SipDialogStateError } from '../../../src/sip/dialog/errors.ts'
import { refusalOf } from '../../../src/sip/dialog/refusal.ts'

function withStatus(statusCode: unknown, code: 'SIP_SDP' | 'SIP_STATE' = 'SIP_SDP'): SipError {
  return Object.assign(new SipError(code, 'told apart by its status'), { statusCode })
}

/** Whose fault the error says it was: the peer's 4xx, ours 5xx. */
const cases: readonly (readonly [name: string, error: unknown, statusCode: number])[] = [
  ['an offer nobody can agree on', withStatus(488), 488],
  ['a body of another type', withStatus(415), 415],
  ['a body that cannot be read', withStatus(400), 400],
  ['a decline', withStatus(603, 'SIP_STATE'), 603],
  ['a status that refuses nothing, on an error of SDP', withStatus(200), 488],
  ['a status that is none', withStatus('488', 'SIP_STATE'), 500],
  ['a status beyond 699', withStatus(700, 'SIP_STATE'), 500],
  ['an error of SDP without a status', new SipError('SIP_SDP', 'no codec'), 488],
  ['what came cannot be parsed', new SipParseError('bad'), 400],
  ['no room: ports, calls', new SipError('SIP_LIMIT', 'no port left'), 503],
  ['a mistake in our options', new OptionError('codecs', 'none'), 500],
  ['a wrong state of ours', new SipDialogStateError('too early'), 500],
  ['a bug', new TypeError('x is undefined'), 500],
  ['an error that says nothing', new Error('no'), 500],
  ['no error at all', undefined, 500],
  ['null', null, 500],
  ['a string', 'no', 500],
]

for (const [name, error, statusCode] of cases) {
  t.test(`${name} is answered ${statusCode}`, async t => {
    t.same(refusalOf(error), { statusCode, headers: [] })
  })
}

t.test(
  'a warning becomes a Warning header that cannot break the message apart (RFC 3261 §20.43)',
  async t => {
    const error = Object.assign(withStatus(488), { warning: { code: 305, text: 'no "G.729"\r\nX-Evil: 1' } })
    t.same(refusalOf(error).headers, [['Warning', '305 offhook "no \\"G.729\\" X-Evil: 1"']])
    t.same(refusalOf(error, '192.0.2.1').headers, [['Warning', '305 192.0.2.1 "no \\"G.729\\" X-Evil: 1"']])
    t.same(refusalOf(error, '2001:db8::1').headers, [
      ['Warning', '305 [2001:db8::1] "no \\"G.729\\" X-Evil: 1"'],
    ])
    for (const warning of [undefined, 'no', {}, { code: '305', text: 'no' }, { code: 30.5, text: 'no' }]) {
      t.same(refusalOf(Object.assign(withStatus(488), { warning })).headers, [])
    }
  },
)
