import t from 'tap'
import { admits, bodyIsOptional, mediaType, sessionBodyOf } from '../../../src/sip/dialog/bodies.ts'
import { createRequest } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import { serialise } from '../../../src/sip/message/serialiser.ts'

const accept = ['application/sdp']

function message(contentType: string | undefined, body: string): SipRequest {
  const request = createRequest({
    method: 'INVITE',
    uri: 'sip:x@h',
    headers: [
      ['Via', 'SIP/2.0/UDP h;branch=z9hG4bK1'],
      ['From', '<sip:a@h>;tag=1'],
      ['To', '<sip:b@h>'],
      ['Call-ID', 'c'],
      ['CSeq', '1 INVITE'],
      ['Max-Forwards', '70'],
      ['Contact', '<sip:a@h>'],
    ],
    body,
    contentType,
  })
  return parseMessage(serialise(request)) as SipRequest
}

function text(request: SipRequest): string | undefined {
  const found = sessionBodyOf(request, accept)
  return found === undefined ? undefined : `${found.contentType}|${Buffer.from(found.body).toString()}`
}

t.test('the session description is found by its type in any case, with parameters', async t => {
  t.equal(text(message('Application/SDP; charset=utf-8', 'v=0')), 'Application/SDP; charset=utf-8|v=0')
  t.equal(text(message(undefined, 'v=0\r\n')), 'application/sdp|v=0\r\n')
  t.equal(text(message(undefined, 'hello')), undefined)
  t.equal(text(message('text/plain', 'v=0')), undefined)
  t.equal(text(message('application/sdp', '')), undefined)
})

t.test('and inside a multipart, nested ones too (RFC 5621 §3)', async t => {
  const inner = '--i\r\nContent-Type: application/sdp\r\n\r\nv=0 inner\r\n--i--\r\n'
  const parts = `--o\r\nContent-Type: text/plain\r\n\r\nhi\r\n--o\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n${inner}\r\n--o--\r\n`
  t.equal(text(message('multipart/mixed;boundary=o', parts)), 'application/sdp|v=0 inner')
  t.equal(text(message('multipart/mixed;boundary=missing', parts)), undefined)
  t.equal(
    text(message('multipart/mixed;boundary=o', '--o\r\nContent-Type: text/plain\r\n\r\nhi\r\n--o--')),
    undefined,
  )
})

t.test('handling=optional is told from required (RFC 3261 §20.11)', async t => {
  const rows: readonly [string | undefined, boolean][] = [
    [undefined, false],
    ['session', false],
    ['render;handling=required', false],
    ['render; Handling = "Optional"', true],
    ['alert;x=y;handling=optional;z', true],
    ['alert;handling=optionality', false],
  ]
  for (const [disposition, optional] of rows) {
    const request = message('text/plain', 'x')
    if (disposition !== undefined) request.headers.set('Content-Disposition', disposition)
    t.equal(bodyIsOptional(request), optional, disposition ?? 'absent')
  }
})

t.test('media ranges', async t => {
  t.equal(mediaType(' Text/Plain ;q=1'), 'text/plain')
  t.ok(admits(['application/*;q=0.1'], 'application/sdp'))
  t.ok(admits(['*/*'], 'application/sdp'))
  t.notOk(admits(['text/*', 'application/isup'], 'application/sdp'))
})
