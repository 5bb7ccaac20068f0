import { test } from 'tap'
import { SipParseError } from '../../../src/sip/message/errors.ts'
import type { SipMessage } from '../../../src/sip/message/message.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import type { ParseOptions } from '../../../src/sip/message/parser.ts'
import { serialise } from '../../../src/sip/message/serialiser.ts'
import { checkMessage } from '../../../src/sip/message/validate.ts'

const base =
  'Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x@y\r\nCSeq: 1 OPTIONS\r\n'

function read(text: string, options?: ParseOptions): SipMessage {
  return parseMessage(Buffer.from(text), options)
}

function options(headers: string, body = ''): SipMessage {
  return read(`OPTIONS sip:c@d SIP/2.0\r\n${base}${headers}\r\n${body}`)
}

function fault(run: () => SipMessage): SipParseError {
  try {
    const error = checkMessage(run())
    if (error !== undefined) return error
  } catch (error) {
    if (error instanceof SipParseError) return error
    throw error
  }
  throw new Error('it was accepted')
}

test('a datagram without Content-Length has its body up to the end (RFC 3261 §18.3)', async t => {
  t.equal(Buffer.from(options('', 'abc').body).toString(), 'abc')
  t.equal(Buffer.from(options('l: 2\r\n', 'abc').body).toString(), 'ab')
  t.match(
    fault(() => options('l: 4\r\n', 'abc')),
    { statusCode: 400, header: 'Content-Length' },
  )
})

test('the body is a view of the datagram', async t => {
  const bytes = Buffer.from(`OPTIONS sip:c@d SIP/2.0\r\n${base}\r\nabc`)
  t.equal(parseMessage(bytes).body.buffer, bytes.buffer)
})

test('a plain Uint8Array is as good as a Buffer', async t => {
  const bytes = new TextEncoder().encode(`xx\r\nOPTIONS sip:c@d SIP/2.0\r\n${base}\r\nabc`).subarray(2)
  t.equal(parseMessage(bytes).callId, 'x@y')
})

test('lines may end in LF alone; a CR alone may not stand in one', async t => {
  const message = read(`OPTIONS sip:c@d SIP/2.0\n${base.replaceAll('\r\n', '\n')}Q: a\n b\n\nbody`)
  t.equal(checkMessage(message), undefined)
  t.equal(message.headers.get('q'), 'a b')
  t.notMatch(serialise(message).toString(), /[^\r]\n/)
  t.match(
    fault(() => options('Q: a\rY: b\r\n')),
    { statusCode: 400 },
  )
  const unchecked = options('Q: a\rY: b\r\n')
  t.notMatch(serialise(unchecked).toString('latin1'), /\r(?!\n)/)
})

test('a start line that is none is refused', async t => {
  for (const line of [
    '',
    'OPTIONS',
    'OPTIONS sip:c@d',
    'OPTIONS sip:c@d SIP/2.0 x',
    'OPT(IONS sip:c@d SIP/2.0',
    'SIP/2.0',
    'SIP/2.0 20 OK',
    'SIP/2.0 099 x',
    'SIP/2.0 700 x',
    'OPTIONS  SIP/2.0',
  ]) {
    t.equal(fault(() => read(`${line}\r\n${base}\r\n`)).statusCode, 400, JSON.stringify(line))
  }
  t.equal(fault(() => read(`OPTIONS sip:c@d SIP/3.0\r\n${base}\r\n`)).statusCode, 505)
})

test('a header line that is none is refused, with its place, and the request can be answered', async t => {
  const text = `OPTIONS sip:c@d SIP/2.0\r\n${base}no colon here\r\n\r\n`
  const error = fault(() => read(text))
  t.match(error, { statusCode: 400, offset: text.indexOf('no colon') })
  t.equal(error.partial?.callId, 'x@y')
  t.equal(fault(() => options(': x\r\n')).statusCode, 400)
  t.equal(fault(() => options('a b: x\r\n')).statusCode, 400)
  t.equal(fault(() => options('Call\rID: x\r\n')).statusCode, 400)
})

test('a fault in a header value is placed in the message', async t => {
  const text = `OPTIONS sip:c@d SIP/2.0\r\n${base}Contact: <sip:a@b:x>\r\n\r\n`
  t.match(
    fault(() => read(text)),
    { header: 'Contact', offset: text.indexOf(':x>') + 1, statusCode: 400 },
  )
})

test('ACKs and responses are not to be answered', async t => {
  t.equal(fault(() => read(`ACK sip:c@d SIP/2.0\r\n${base}x\r\n\r\n`)).partial, undefined)
  t.equal(fault(() => read(`SIP/2.0 200 OK\r\n${base}x\r\n\r\n`)).partial, undefined)
  t.equal(fault(() => read('OPTIONS sip:c@d SIP/2.0\r\nx\r\n\r\n')).partial, undefined)
})

test('limits are kept, and can be set', async t => {
  t.equal(fault(() => options(`Q: ${'x'.repeat(8_200)}\r\n`)).statusCode, 513)
  t.equal(fault(() => options('Q: y\r\n'.repeat(300))).statusCode, 513)
  t.equal(fault(() => options('', 'x'.repeat(66_000))).statusCode, 513)
  t.equal(fault(() => read(`OPTIONS sip:${'x'.repeat(8_200)} SIP/2.0\r\n${base}\r\n`)).statusCode, 414)
  t.equal(
    fault(() => read('OPTIONS sip:c@d SIP/2.0\r\n\r\n', { limits: { messageBytes: 10 } })).statusCode,
    513,
  )
  const many = { limits: { headers: 400, messageBytes: 100_000 } }
  t.equal(read(`OPTIONS sip:c@d SIP/2.0\r\n${base}${'Q: y\r\n'.repeat(300)}\r\n`, many).headers.size, 305)
})

test('header values are UTF-8 wherever they stand, in long messages too', async t => {
  t.equal(options('Subject: Füße\r\n').headers.get('s'), 'Füße')
  t.equal(options(`Q: ${'y'.repeat(5_000)}\r\nSubject: Füße\r\n`, '\xff').headers.get('s'), 'Füße')
})

// Quadratic time would be minutes, and end at the runner's time limit.
test('hostile lines of a megabyte are dealt with in good time', async t => {
  const limits = { messageBytes: 1_000_000, headers: 1_000_000, lineBytes: 1_000_000 }
  for (const filler of [
    'a\r\n'.repeat(200_000),
    `Q:${' '.repeat(500_000)}`,
    `Via: ${';'.repeat(500_000)}`,
    `To: "${'\\'.repeat(500_000)}`,
    `Contact: ${'<'.repeat(500_000)}`,
    `Contact: ${'"a",'.repeat(100_000)}`,
    `Q:\r\n${' \r\n'.repeat(100_000)} y`,
    `Via: SIP/2.0/UDP h${';a'.repeat(200_000)}"`,
    `From: ${'a '.repeat(200_000)}`,
  ]) {
    const text = `OPTIONS sip:c@d SIP/2.0\r\n${base}${filler}\r\n\r\n`
    const isFine = filler.startsWith('Q:')
    const status = isFine
      ? checkMessage(read(text, { limits }))
      : fault(() => read(text, { limits })).statusCode
    t.equal(status, isFine ? undefined : 400, JSON.stringify(filler.slice(0, 20)))
  }
})
