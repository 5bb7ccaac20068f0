import t from 'tap'
import { SipError } from '../../src/runtime/errors.ts'
import { SipParseError, SipSerialiseError } from '../../src/sip/message/errors.ts'
import { StreamFramer } from '../../src/sip/message/framer.ts'
import type { HeaderDefinition } from '../../src/sip/message/definition.ts'
import * as definitions from '../../src/sip/message/headers/index.ts'
import type { SipRequest, SipResponse } from '../../src/sip/message/message.ts'
import { parseMessage } from '../../src/sip/message/parser.ts'
import { serialise } from '../../src/sip/message/serialiser.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { growthOf } from '../support/heap.ts'
import { mutants } from '../support/mutate.ts'

/** Spoiled messages in all, in rounds of one seed each. */
const total = 100_000
const perRound = 5000

const samples = [
  [
    'INVITE sip:+15550100;ext=7@[2001:db8::1]:5062;transport=tcp;lr?Subject=a%20b SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP [2001:db8::9]:5061;branch=z9hG4bK2;received=2001:db8::a',
    'Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr;ob>',
    'Route: <sip:p3.example;lr>',
    'Max-Forwards: 70',
    'From: "A \\"quoted\\" name" <sip:alice@example.com;user=phone>;tag=1928301774',
    'To: Bob <tel:+1-555-0100;phone-context=example.com>',
    'Call-ID: a84b4c76e66710@pc33.example.com',
    'CSeq: 314159 INVITE',
    'Contact: <sip:alice@192.0.2.1:5060;transport=udp>;q=0.7;expires=3600;+sip.instance="<urn:uuid:0>"',
    'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS',
    'Supported: 100rel, timer, replaces',
    'Require: 100rel',
    'Session-Expires: 1800;refresher=uac',
    'Min-SE: 90',
    'Date: Sat, 13 Nov 2010 23:29:00 GMT',
    'Subject: folded',
    '\tover two lines',
    'P-Asserted-Identity: "Acme" <sip:+15550100@example.com>, <tel:+15550100>',
    'Diversion: <sip:x@example.com>;reason=user-busy;counter=1',
    'Authorization: Digest username="bob", realm="a b", nonce="x", uri="sip:h", response="00", qop=auth, nc=00000001, cnonce="y"',
    'Reason: Q.850;cause=16;text="Terminated"',
    'Warning: 307 isi.edu "Session parameter \'foo\' not understood"',
    'Content-Type: multipart/mixed;boundary="b"',
    'Content-Length: 57',
    '',
    '--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n and more',
  ],
  [
    'SIP/2.0 401 Unauthorized',
    'v: SIP/2.0/TLS host.example;branch=z9hG4bKabc;received=192.0.2.7;rport=1234',
    'f: sip:alice@example.com;tag=a',
    't: <sips:bob@example.com>;tag=b',
    'i: call@example.com',
    'CSeq: 1 INVITE',
    'm: *',
    'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth,auth-int", stale=false, opaque="o"',
    'Retry-After: 120 (in a meeting (really)) ;duration=60',
    'l: 0',
    '',
    '',
  ],
  [
    'REFER sip:b@atlanta.example SIP/2.0',
    'Via: SIP/2.0/UDP [2001:db8::1];branch=z9hG4bK3',
    'To: <sip:b@atlanta.example>',
    'From: <sip:a@atlanta.example>;tag=193402342',
    'Call-ID: 898234234@agenta.atlanta.example',
    'CSeq: 93809823 REFER',
    'Refer-To: <sip:dave@denver.example?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>',
    'Replaces: 98asjd8@test.com;from-tag=a;to-tag=b;early-only',
    'RAck: 776656 1 INVITE',
    'Event: refer;id=1',
    'Expires: 20',
    'Content-Length: 0',
    '',
    '',
  ],
].map(lines => Buffer.from(lines.join('\r\n')))

const everyHeader = (Object.values(definitions) as readonly unknown[]).filter(isDefinition)

t.test(
  `${total} spoiled messages are read, or refused with a status and an offset, and leave nothing behind`,
  t => {
    t.ok(everyHeader.length > 50, 'every header is read')
    let parsed = 0
    let refused = 0
    const unexpected: unknown[] = []
    const round = (seed: number): void => {
      let index = 0
      for (const bytes of mutants(samples, perRound, seed)) {
        index += 1
        try {
          const message = parseMessage(bytes, { framing: index % 2 === 0 ? 'stream' : 'datagram' })
          parsed += 1
          // All of them are costly; a part of the messages is enough to meet every one of them in every shape.
          if (index % 8 === 0) readEverything(message)
        } catch (error) {
          refused += 1
          if (!isFitting(error, bytes.length) && unexpected.length < 10) unexpected.push(error)
        }
      }
    }
    const growth = growthOf(round, { warmUp: 4, rounds: total / perRound - 4 })
    t.same(unexpected, [])
    t.equal(parsed + refused, total)
    t.ok(parsed > total / 20 && refused > total / 20, 'some are read, some are refused')
    t.ok(growth < 6e6, `grew by ${growth} octets`)
    t.end()
  },
)

t.test('spoiled streams are cut into messages or given up, whatever the chunks', t => {
  const unexpected: unknown[] = []
  let frames = 0
  const round = (seed: number): void => {
    const random = seededRandom(seed)
    const stream = Buffer.concat([...mutants(samples, 20, seed)])
    const framer = new StreamFramer()
    try {
      for (let at = 0; at < stream.length;) {
        const length = 1 + (random.uint32() % 900)
        frames += framer.push(stream.subarray(at, at + length)).length
        at += length
      }
    } catch (error) {
      if (!(error instanceof SipParseError) && unexpected.length < 10) unexpected.push(error)
    }
  }
  const growth = growthOf(round, { warmUp: 200, rounds: 800 })
  t.same(unexpected, [])
  t.ok(frames > 1000)
  t.ok(growth < 6e6, `grew by ${growth} octets`)
  t.end()
})

/** Reads every typed header and writes the message again; what was read can be written, and read once more. */
function readEverything(message: SipRequest | SipResponse): void {
  for (const definition of everyHeader) {
    try {
      message.get(definition)
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error
    }
  }
  try {
    parseMessage(serialise(message))
  } catch (error) {
    // A control octet that came in is not sent out.
    if (!(error instanceof SipSerialiseError)) throw error
  }
}

function isFitting(error: unknown, length: number): boolean {
  if (!(error instanceof SipParseError)) return false
  return (
    error instanceof SipError && error.statusCode >= 400 && error.statusCode < 700 && error.offset <= length
  )
}

function isDefinition(value: unknown): value is HeaderDefinition<unknown> {
  return typeof value === 'object' && value !== null && 'name' in value && 'parse' in value
}
