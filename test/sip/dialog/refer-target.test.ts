import * as fc from 'fast-check'
import t from 'tap'
import { honouredHeaders, readRefer, writeReferTo } from '../../../src/sip/dialog/refer-target.ts'
import { replacesFor } from '../../../src/sip/dialog/replaces.ts'
import { createRequest } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { NameAddr } from '../../../src/sip/message/name-addr.ts'

function refer(referTo: string, headers: readonly (readonly [string, string])[] = []): SipRequest {
  return createRequest({ method: 'REFER', uri: 'sip:a@b', headers: [['Refer-To', referTo], ...headers] })
}

t.test('what is written into a Refer-To is what the other side reads, whatever it is', async t => {
  const text = fc.string({ maxLength: 30 }).filter(value => !/[\r\n\0]/.test(value))
  const tag = fc.stringMatching(/^[A-Za-z0-9.~*!-]{1,20}$/)
  fc.assert(
    fc.property(text, tag, tag, tag, fc.boolean(), (note, callId, localTag, remoteTag, early) => {
      const value = writeReferTo(
        NameAddr.parse('<sip:desk@example.com;transport=tcp>'),
        [['X-Note', note]],
        replacesFor({ callId, localTag, remoteTag }, early),
      )
      const order = readRefer(refer(value))
      if ('statusCode' in order) return false
      const { replaces } = order
      return (
        order.target.uri.toString() === 'sip:desk@example.com;transport=tcp' &&
        order.headers[0]?.[1] === note &&
        replaces?.callId === callId &&
        replaces.toTag === remoteTag &&
        replaces.fromTag === localTag &&
        replaces.earlyOnly === early
      )
    }),
  )
  t.pass()
})

t.test('Replaces is escaped as RFC 3891 §6.1 and RFC 5589 §7.3 have it', async t => {
  t.equal(
    writeReferTo(
      NameAddr.parse('<sip:carol@c.example.com>'),
      [],
      replacesFor({ callId: '592435881734450904@a', localTag: '9m2n3wq', remoteTag: '763231' }),
    ),
    '<sip:carol@c.example.com?Replaces=592435881734450904%40a%3Bto-tag%3D763231%3Bfrom-tag%3D9m2n3wq>',
  )
})

t.test('an order is read with its referrer, without the headers and method of the URI', async t => {
  const order = readRefer(
    refer('"Desk" <sip:desk@example.com;method=INVITE?Subject=hi%20there&X-A=1>', [
      ['Referred-By', '<sip:boss@example.com>'],
      ['Refer-Sub', 'FALSE'],
    ]),
  )
  if ('statusCode' in order) throw new Error('refused')
  t.equal(order.target.toString(), '"Desk" <sip:desk@example.com>')
  t.equal(order.referredBy?.uri.toString(), 'sip:boss@example.com')
  t.equal(order.notify, false)
  t.same(order.headers, [
    ['Subject', 'hi there'],
    ['X-A', '1'],
  ])
})

t.test('of the headers asked for only harmless ones are honoured', async t => {
  const asked = [
    ['Subject', 'x'],
    ['X-Ticket', '1'],
    ['From', '<sip:boss@example.com>'],
    ['Route', '<sip:evil.example.com>'],
    ['P-Asserted-Identity', '<sip:boss@example.com>'],
    ['Contact', '<sip:x@y>'],
    ['Authorization', 'Digest'],
    ['X-Break', 'a\r\nVia: b'],
    ['X-Long', 'x'.repeat(1025)],
  ] as const
  t.same(
    honouredHeaders(asked).map(([name]) => name),
    ['Subject', 'X-Ticket'],
  )
})
