import { test } from 'tap'
import { SipParseError } from '../../../src/sip/message/errors.ts'
import { StreamFramer } from '../../../src/sip/message/framer.ts'
import type { Framed } from '../../../src/sip/message/framer.ts'

function message(body: string, headers = ''): string {
  return `MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`
}

function show(frames: readonly Framed[]): string[] {
  return frames.map(frame => (frame.kind === 'message' ? frame.bytes.toString('latin1') : frame.kind))
}

function pushAll(chunks: readonly Uint8Array[]): string[] {
  const framer = new StreamFramer()
  return chunks.flatMap(chunk => show(framer.push(Buffer.from(chunk))))
}

function fails(text: string): SipParseError {
  const framer = new StreamFramer({ limits: { messageBytes: 2000 } })
  try {
    framer.push(Buffer.from(text))
  } catch (error) {
    if (error instanceof SipParseError) return error
    throw error
  }
  throw new Error('it was taken')
}

const stream = Buffer.from(
  `\r\n\r\n${message('hello', 'Subject: folded\r\n  over\r\n lines\r\n')}${message('')}\r\n${message('\r\n\r\nx\0')}\r\n\r\n\r\n`,
)
const expected = pushAll([stream])

test('messages come out whole, with pings and pongs between them (RFC 5626 §4.4.1)', async t => {
  t.same(
    expected.map(frame => (frame.length > 4 ? 'message' : frame)),
    ['pong', 'ping', 'message', 'message', 'pong', 'message', 'pong', 'ping', 'pong'],
  )
  t.match(expected[2], /hello$/)
  t.match(expected[5], /\r\n\r\nx\0$/)
})

test('every split in two, every split in three and octet by octet give the same', async t => {
  let different = 0
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second++) {
      const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]
      if (pushAll(chunks).join('|') !== expected.join('|')) different++
    }
  }
  t.equal(different, 0)
  t.same(pushAll(Array.from(stream, octet => Uint8Array.of(octet))), expected)
})

test('a message that lies whole in a chunk is a view of it', async t => {
  const chunk = Buffer.from(message('hello'))
  const [frame] = new StreamFramer().push(chunk)
  t.equal(frame?.kind === 'message' && frame.bytes.buffer, chunk.buffer)
})

test('a frame is not overwritten by what comes after it', async t => {
  const framer = new StreamFramer()
  const text = message('hello')
  framer.push(Buffer.from(text.slice(0, 20)))
  const [frame] = framer.push(Buffer.from(text.slice(20) + message('other').slice(0, 30)))
  framer.push(Buffer.from(message('other').slice(30)))
  t.same(show(frame === undefined ? [] : [frame]), [text])
})

test('an expected pong is not half a ping', async t => {
  const framer = new StreamFramer()
  framer.expectPong()
  t.same(show(framer.push(Buffer.from('\r\n'))), ['pong'])
  t.same(show(framer.push(Buffer.from('\r\n\r\n'))), ['pong', 'ping'])
})

test('Content-Length in compact form, folded, or twice with one value is understood', async t => {
  t.same(show(new StreamFramer().push(Buffer.from('ACK sip:a SIP/2.0\r\nL : 2\r\n\r\nab\r\n'))).length, 2)
  t.same(
    show(
      new StreamFramer().push(Buffer.from('ACK sip:a SIP/2.0\r\nContent-Length:\r\n 2\r\n\r\nab')),
    )[0]?.slice(-2),
    'ab',
  )
  t.equal(show(new StreamFramer().push(Buffer.from(message('ab', 'Content-Length: 2\r\n')))).length, 1)
})

test('without a usable Content-Length the stream is lost, and says what to answer (RFC 3261 §18.3)', async t => {
  for (const [line, status] of [
    ['', 400],
    ['Content-Length: -1\r\n', 400],
    ['Content-Length: 1x\r\n', 400],
    ['Content-Length:\r\n', 400],
    ['Content-Length: 5\r\nl: 6\r\n', 400],
    ['Content-Length: 999999999\r\n', 513],
    ['Content-Length: 99999999999999999999\r\n', 400],
  ] as const) {
    const error = fails(`INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\n${line}\r\n`)
    t.equal(error.statusCode, status, JSON.stringify(line))
    t.equal(error.fatal, true)
    t.equal(error.partial?.via.host, 'h')
  }
})

test('a header section without end is given up at the limit', async t => {
  t.equal(fails('x'.repeat(2001)).statusCode, 513)
  const framer = new StreamFramer({ limits: { messageBytes: 2000 } })
  t.throws(() => {
    for (let i = 0; i < 3000; i++) framer.push(Buffer.from('a'))
  }, SipParseError)
  t.equal(framer.held, 0)
})

test('messages before the broken one are given first, and the stream stays broken', async t => {
  const framer = new StreamFramer()
  t.equal(framer.push(Buffer.from(`${message('x')}INVITE sip:a SIP/2.0\r\n\r\n`)).length, 1)
  t.equal(framer.error?.fatal, true)
  t.throws(() => framer.push(Buffer.from(message('y'))), SipParseError)
})

test('what is held is bounded by the message it belongs to', async t => {
  const framer = new StreamFramer()
  const text = message('x'.repeat(5000))
  framer.push(Buffer.from(text.slice(0, 3000)))
  t.equal(framer.held, 3000)
  framer.push(Buffer.from(text.slice(3000)))
  t.equal(framer.held, 0)
})
