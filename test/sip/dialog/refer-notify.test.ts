import * as fc from 'fast-check'
import t from 'tap'
import { readReferNotify, referNotify } from '../../../src/sip/dialog/refer-notify.ts'
import { createRequest } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'

function notify(body: string, state: string | undefined, event = 'refer'): SipRequest {
  return createRequest({
    method: 'NOTIFY',
    uri: 'sip:a@b',
    headers: [['Event', event], ...(state === undefined ? [] : [['Subscription-State', state] as const])],
    ...(body === '' ? {} : { body, contentType: 'message/sipfrag' }),
  })
}

const rows: readonly (readonly [body: string, state: string | undefined, event: string, status?: number])[] =
  [
    ['SIP/2.0 100 Trying\r\n', 'active;expires=60', 'trying', 100],
    ['SIP/2.0 180', 'pending', 'trying', 180],
    ['SIP/2.0 200 OK', 'terminated;reason=noresource', 'success', 200],
    ['SIP/2.0 202 Accepted\r\nContact: <sip:a@b>\r\n', 'active', 'success', 202],
    ['\r\nsip/2.0  404  Not Found\r\n', undefined, 'failure', 404],
    ['SIP/2.0 302 Moved\r\n', 'terminated', 'failure', 302],
    ['', 'terminated;reason=timeout', 'fell-silent'],
    ['', 'active', 'trying'],
    ['SIP/2.0 183 Progress', 'TERMINATED', 'fell-silent', 183],
    ['SIP/2.0 999 Nonsense', 'active', 'trying'],
    ['hello', 'terminated', 'fell-silent'],
    // As Linphone 5.1 writes it: the state counts, parameters that cannot be read do not.
    ['SIP/2.0 200 Ok', 'terminated;reason=reason=noresource', 'success', 200],
    ['', 'terminated;reason=reason=noresource', 'fell-silent'],
  ]

t.test('what a NOTIFY says of a REFER (RFC 3515 §2.4.4, §2.4.5)', async t => {
  for (const [body, state, event, statusCode] of rows) {
    t.match(readReferNotify(notify(body, state)), { event, statusCode }, `${body.trim()} ${state ?? ''}`)
  }
  t.equal(readReferNotify(notify('SIP/2.0 200 OK', 'terminated', 'refer;id=7'))?.id, '7')
  t.equal(readReferNotify(notify('SIP/2.0 200 OK', 'terminated', 'dialog')), undefined)
  t.equal(readReferNotify(notify('x', 'active', ';')), undefined)
})

t.test('what is written is read again; anything else is read without harm', async t => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 699 }), fc.string({ maxLength: 40 }), (status, phrase) => {
      const { headers, body } = referNotify(9, status, phrase, 60)
      const request = createRequest({ method: 'NOTIFY', uri: 'sip:a@b', headers, ...body })
      const news = readReferNotify(request)
      return news?.statusCode === status && news.id === '9'
    }),
  )
  fc.assert(
    fc.property(
      fc.string(),
      fc.stringMatching(/^[ -~]{0,30}$/),
      fc.stringMatching(/^[ -~]{0,30}$/),
      (body, state, event) => {
        readReferNotify(notify(body, state, event))
      },
    ),
  )
  t.pass()
})
