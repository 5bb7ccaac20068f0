import { test } from 'tap'
import { SipParseError, SipSerialiseError } from '../../../src/sip/message/errors.ts'
import { Headers } from '../../../src/sip/message/headers.ts'
import { buildMultipart, findPart, parseMultipart } from '../../../src/sip/message/multipart.ts'
import type { Entity } from '../../../src/sip/message/multipart.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import { torture } from '../../../conformance/rfc4475/messages.ts'

function entity(type: string, text: string): Entity {
  return { headers: Headers.from([['Content-Type', type]]), body: Buffer.from(text.replace(/\n/g, '\r\n')) }
}

function bodies(value: Entity): string[] | undefined {
  return parseMultipart(value)?.map(part => Buffer.from(part.body).toString())
}

test('the parts of RFC 4475 3.1.1.11 come out with their octets', async t => {
  const parts =
    parseMultipart(parseMessage(torture.find(({ name }) => name === 'mpart01')?.bytes as Buffer)) ?? []
  t.equal(parts.length, 2)
  t.equal(Buffer.from(parts[0]?.body ?? []).toString(), 'Hello')
  t.equal(parts[1]?.headers.get('content-type'), 'application/octet-stream')
  t.equal(parts[1]?.body.length, 342)
  t.equal(parts[1]?.body[0], 0x30)
  t.equal(parts[1]?.body.at(-1), 0x05)
})

test('preamble, epilogue, padding and an empty part (RFC 2046 §5.1.1)', async t => {
  t.same(
    bodies(
      entity(
        'multipart/mixed;boundary="a b"',
        'before\n--a b  \n\none\n--a b\n\n--a b\nX: y\n\n\n--a b--\nafter',
      ),
    ),
    ['one', '', ''],
  )
})

test('a boundary that begins like another one is not taken for it', async t => {
  t.same(bodies(entity('multipart/mixed;boundary=a', '--a\n\nx--a\n--ab\ny\n--a--')), ['x--a\r\n--ab\r\ny'])
})

test('a body cut off before its end gives what is there', async t => {
  t.same(bodies(entity('multipart/mixed;boundary=a', '--a\n\none\n--a\n\ntwo')), ['one', 'two'])
})

test('what is not multipart is not taken apart', async t => {
  t.equal(parseMultipart(entity('application/sdp', 'v=0')), undefined)
  t.equal(parseMultipart({ headers: new Headers(), body: Buffer.alloc(0) }), undefined)
})

test('a missing boundary or a malformed part is a parse error', async t => {
  t.throws(() => parseMultipart(entity('multipart/mixed', '--a--')), SipParseError)
  t.throws(() => parseMultipart(entity('multipart/mixed;boundary=a', 'nothing here')), SipParseError)
  t.throws(
    () => parseMultipart(entity('multipart/mixed;boundary=a', '--a\nno colon\n\n--a--')),
    SipParseError,
  )
  t.throws(() => parseMultipart(entity('multipart/mixed;boundary=a', '--a\n\n'.repeat(100))), SipParseError)
})

test('a nested part is found by its Content-ID (RFC 5621 §9.1)', async t => {
  const inner = buildMultipart([{ contentId: 'x@y', contentType: 'text/plain', body: 'here' }], {
    boundary: 'in',
  })
  const outer = buildMultipart(
    [
      { contentType: 'application/sdp', body: 'v=0' },
      { contentType: inner.contentType, body: inner.body },
    ],
    { boundary: 'out', subtype: 'related' },
  )
  const parts =
    parseMultipart({ headers: Headers.from([['Content-Type', outer.contentType]]), body: outer.body }) ?? []
  t.equal(parts.length, 2)
  t.equal(Buffer.from(findPart(parts, 'x@y')?.body ?? []).toString(), 'here')
  t.equal(findPart(parts, 'z@y'), undefined)
})

test('nesting as deep as the limits allow does not exhaust the stack', async t => {
  let value: { contentType: string; body: Buffer } = { contentType: 'text/plain', body: Buffer.from('deep') }
  for (let depth = 0; depth < 60; depth++) {
    value = buildMultipart([{ contentType: value.contentType, body: value.body }], { boundary: `b${depth}.` })
  }
  const parts = parseMultipart({
    headers: Headers.from([['Content-Type', value.contentType]]),
    body: value.body,
  })
  t.equal(findPart(parts ?? [], 'none'), undefined)
})

test('what would break a part apart is refused', async t => {
  t.throws(() => buildMultipart([{ headers: [['X', 'a\r\nY: b']] }], { boundary: 'a' }), SipSerialiseError)
  t.throws(() => buildMultipart([{ body: '--a' }], { boundary: 'a' }), SipSerialiseError)
  t.throws(() => buildMultipart([], { boundary: 'a b' }), SipSerialiseError)
})
