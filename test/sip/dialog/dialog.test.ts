import * as fc from 'fast-check'
import t from 'tap'
import { Dialog } from '../../../src/sip/dialog/dialog.ts'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest, SipResponse } from '../../../src/sip/message/message.ts'

function invite(headers: readonly (readonly [string, string])[] = []): SipRequest {
  return createRequest({
    method: 'INVITE',
    uri: 'sip:bob@example.com',
    headers: [
      ['Via', 'SIP/2.0/UDP a.example.com;branch=z9hG4bK1'],
      ['From', '"Alice" <sip:alice@example.com>;tag=a'],
      ['To', '<sip:bob@example.com>'],
      ['Call-ID', 'c1'],
      ['CSeq', '7 INVITE'],
      ['Contact', '<sip:alice@a.example.com>'],
      ...headers,
    ],
  })
}

function answer(
  request: SipRequest,
  statusCode: number,
  headers: readonly (readonly [string, string])[] = [],
  toTag: string | undefined = 'b',
): SipResponse {
  return createResponse(request, statusCode, { toTag, headers })
}

function received(sequence: number, method = 'INFO'): SipRequest {
  return createRequest({ method, uri: 'sip:x', headers: [['CSeq', `${sequence} ${method}`]] })
}

const recorded = [
  ['Record-Route', '<sip:p1.example.com;lr>'],
  ['Record-Route', '<sip:p2.example.com;lr>, <sip:p3.example.com;lr>'],
] as const

t.test(
  'the caller’s dialog: tags, target from Contact, route set turned round (RFC 3261 §12.1.2)',
  async t => {
    const request = invite()
    const dialog = Dialog.fromResponse(
      request,
      answer(request, 180, [['Contact', '<sip:b@desk>'], ...recorded]),
    )
    t.same(dialog.id, { callId: 'c1', localTag: 'a', remoteTag: 'b' })
    t.equal(dialog.confirmed, false)
    const { request: bye, nextHop } = dialog.createRequest('BYE')
    t.equal(bye.requestUri, 'sip:b@desk')
    t.same(bye.headers.getAll('Route'), [
      '<sip:p3.example.com;lr>',
      '<sip:p2.example.com;lr>',
      '<sip:p1.example.com;lr>',
    ])
    t.equal(nextHop.toString(), 'sip:p3.example.com;lr')
    t.equal(bye.cseq.sequence, 8)
    t.equal(bye.from.displayName, 'Alice')
    t.equal(bye.to.tag, 'b')
  },
)

t.test('the callee’s dialog keeps the order and swaps the parties (§12.1.1)', async t => {
  const dialog = Dialog.fromRequest(invite(recorded), 'mine')
  t.same(dialog.id, { callId: 'c1', localTag: 'mine', remoteTag: 'a' })
  const { request: info } = dialog.createRequest('INFO')
  t.equal(info.requestUri, 'sip:alice@a.example.com')
  t.same(info.headers.getAll('Route'), [
    '<sip:p1.example.com;lr>',
    '<sip:p2.example.com;lr>',
    '<sip:p3.example.com;lr>',
  ])
  t.equal(info.from.tag, 'mine')
  t.equal(info.to.tag, 'a')
  t.equal(info.cseq.sequence, 1)
})

t.test(
  'trap 5: the 2xx decides the caller’s route set anew, later ones only the target (§13.2.2.4, §12.2)',
  async t => {
    const request = invite()
    const dialog = Dialog.fromResponse(
      request,
      answer(request, 180, [['Contact', '<sip:old@desk>'], ...recorded]),
    )
    dialog.confirm(
      answer(request, 200, [
        ['Contact', '<sip:new@desk>'],
        ['Record-Route', '<sip:other;lr>'],
      ]),
    )
    t.same(dialog.routeSet.map(String), ['<sip:other;lr>'])
    t.equal(dialog.remoteTarget.toString(), 'sip:new@desk')
    dialog.confirm(answer(request, 200, [['Record-Route', '<sip:third;lr>']]))
    dialog.refreshTarget(
      answer(request, 200, [
        ['Contact', '<sip:newest@desk>'],
        ['Record-Route', '<sip:fourth;lr>'],
      ]),
    )
    t.same(dialog.routeSet.map(String), ['<sip:other;lr>'])
    t.equal(dialog.remoteTarget.toString(), 'sip:newest@desk')
  },
)

t.test('a strict router becomes the Request-URI, the target goes last (§12.2.1.1)', async t => {
  const dialog = Dialog.fromRequest(
    invite([['Record-Route', '<sip:strict.example.com;method=INVITE?X=y>, <sip:p2.example.com;lr>']]),
    'mine',
  )
  const { request: bye, nextHop } = dialog.createRequest('BYE')
  t.equal(bye.requestUri, 'sip:strict.example.com')
  t.same(bye.headers.getAll('Route'), ['<sip:p2.example.com;lr>', '<sip:alice@a.example.com>'])
  t.match(nextHop.toString(), /^sip:strict\.example\.com/)
})

t.test(
  'the ACK has the INVITE’s number and credentials, and no Route of its own (§13.2.2.4, §22.1)',
  async t => {
    const request = invite([
      ['Route', '<sip:outbound;lr>'],
      ['Authorization', 'Digest username="a"'],
      ['Proxy-Authorization', 'Digest username="p"'],
    ])
    const dialog = Dialog.fromResponse(request, answer(request, 200, [['Contact', '<sip:b@desk>']]))
    dialog.createRequest('INFO')
    const { request: ack } = dialog.createAck(request)
    t.same(ack.cseq, { sequence: 7, method: 'ACK' })
    t.equal(ack.headers.has('Route'), false)
    t.equal(ack.headers.get('Authorization'), 'Digest username="a"')
    t.equal(ack.headers.get('Proxy-Authorization'), 'Digest username="p"')
    t.equal(dialog.localSequence, 8)
  },
)

t.test('a peer without tags or Contact is tolerated', async t => {
  const request = invite()
  const bare = createResponse(request, 200)
  const dialog = Dialog.fromResponse(request, bare)
  t.equal(dialog.id.remoteTag, '')
  t.equal(dialog.remoteTarget.toString(), 'sip:bob@example.com')
  const old = invite()
  old.headers.set('From', '<sip:alice@example.com>')
  old.headers.delete('Contact')
  const other = Dialog.fromRequest(old, 'mine')
  t.equal(other.id.remoteTag, '')
  t.equal(other.remoteTarget.toString(), 'sip:alice@example.com')
  t.equal(other.createRequest('BYE').request.to.tag, undefined)
})

t.test(
  'CSeq of the peer: lower is refused with 500, gaps are fine; ACK and CANCEL do not count (§12.2.2)',
  async t => {
    fc.assert(
      fc.property(fc.array(fc.nat(100), { maxLength: 20 }), sequences => {
        const dialog = Dialog.fromRequest(invite(), 'mine')
        let highest = 7
        for (const sequence of sequences) {
          const verdict = dialog.receive(received(sequence))
          if (verdict.accept !== sequence >= highest) throw new Error(`${sequence} after ${highest}`)
          highest = Math.max(highest, sequence)
        }
      }),
    )
    const dialog = Dialog.fromRequest(invite(), 'mine')
    t.same(dialog.receive(received(3, 'ACK')), { accept: true })
    t.same(dialog.receive(received(3)), { accept: false, statusCode: 500 })
    const caller = Dialog.fromResponse(invite(), answer(invite(), 200))
    t.same(caller.receive(received(0)), { accept: true }, 'the first number of the callee may be any')
  },
)

t.test('our own CSeq rises by one with every request', async () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('INFO', 'BYE', 'INVITE', 'ACK'), { maxLength: 20 }), methods => {
      const dialog = Dialog.fromRequest(invite(), 'mine')
      let last = 0
      for (const method of methods) {
        if (method === 'ACK') {
          dialog.createAck(invite())
          continue
        }
        const { sequence } = dialog.createRequest(method).request.cseq
        if (sequence !== last + 1) throw new Error(`${sequence} after ${last}`)
        last = sequence
      }
    }),
  )
})
