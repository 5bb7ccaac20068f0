import t from 'tap'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import type { EndpointOptions } from '../../src/call/options.ts'
import type { SipResponse } from '../../src/sip/message/message.ts'
import { parseMessage } from '../../src/sip/message/parser.ts'
import { createLab } from '../../src/testing/lab.ts'

/**
 * The answers a user expects of an endpoint, each provoked by what provokes it in the field: one row, one status. Some stand elsewhere: 423 is
 * the registrar's (test/sip/registration), 483 a proxy's (test/sip/proxy; who is reached answers whatever Max-Forwards is left, RFC 4475
 * §3.3.11), 491 needs a call that both sides change (test/sip/dialog/reinvite.test.ts), and 494 belongs to RFC 3329, which we do not speak: who
 * requires it gets 420, as its row says.
 */
interface Row {
  readonly status: number
  readonly section: string
  readonly what: string
  /** Default: an INVITE with an offer. */
  readonly request?: Parts
  readonly handler?: (call: IncomingCall) => void | Promise<void>
  readonly options?: EndpointOptions
  /** What the answer must say beside its status, as its header lines read. */
  readonly says?: RegExp
  /** How long after the request to look, milliseconds. Default 100. */
  readonly afterMs?: number
  /** Nothing serves. */
  readonly idle?: boolean
}

interface Parts {
  readonly method?: string
  readonly uri?: string
  readonly version?: string
  /** In place of the header fields of the same name, or beside them; empty takes one away. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The same request again by another branch, as a proxy that forks makes it. */
  readonly forked?: boolean
  /** Followed by a CANCEL. */
  readonly cancelled?: boolean
}

const offer = `v=0\r\no=- 1 1 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 10.9.9.9\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n`

function requestText(parts: Parts, branch = 'z9hG4bK1'): string {
  const { method = 'INVITE', uri = 'sip:agent@10.0.0.1', version = 'SIP/2.0', headers = {} } = parts
  const body = parts.body ?? (method === 'INVITE' ? offer : '')
  const fields: Record<string, string> = {
    Via: `SIP/2.0/UDP 10.9.9.9:5060;branch=${branch}`,
    'Max-Forwards': '70',
    From: '<sip:peer@10.9.9.9>;tag=peer',
    To: '<sip:agent@10.0.0.1>',
    'Call-ID': 'answers',
    CSeq: `1 ${method}`,
    Contact: '<sip:peer@10.9.9.9>',
    ...(body === '' ? {} : { 'Content-Type': 'application/sdp' }),
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  }
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === '' ? [] : `${name}: ${value}`))
  return `${method} ${uri} ${version}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

const inNoDialog = { To: '<sip:agent@10.0.0.1>;tag=unknown' }
const forever = (call: IncomingCall): Promise<void> => call.ended.then(() => {})

const rows: readonly Row[] = [
  {
    status: 400,
    section: 'RFC 3261 §21.4.1',
    what: 'a header is missing',
    request: { headers: { 'Call-ID': '' } },
    says: /^SIP\/2\.0 400 .*Call-ID/,
  },
  {
    status: 400,
    section: 'RFC 3261 §21.4.1',
    what: 'a header cannot be read',
    request: { headers: { CSeq: 'one INVITE' } },
    says: /^SIP\/2\.0 400 .*CSeq/,
  },
  {
    status: 400,
    section: 'RFC 3261 §8.1.1.8',
    what: 'an INVITE without Contact',
    request: { headers: { Contact: '' } },
    says: /^SIP\/2\.0 400 .*Contact/,
  },
  {
    status: 404,
    section: 'RFC 3261 §21.4.5',
    what: 'the handler knows no such number',
    handler: call => call.reject({ q850: 1 }),
    says: /Reason: Q\.850;cause=1/,
  },
  {
    status: 405,
    section: 'RFC 3261 §8.2.1',
    what: 'a method that is known and not taken',
    request: { method: 'PUBLISH' },
    says: /Allow: .*INVITE/,
  },
  {
    status: 406,
    section: 'RFC 3261 §21.4.7',
    what: 'no answer would be accepted',
    request: { headers: { Accept: 'text/html' } },
  },
  {
    status: 408,
    section: 'RFC 3261 §21.4.9',
    what: 'the handler does nothing in time',
    handler: forever,
    options: { ringTimeoutMs: 3_000 },
    afterMs: 3_100,
  },
  {
    status: 414,
    section: 'RFC 3261 §21.4.15',
    what: 'a Request-URI without end',
    request: { uri: `sip:${'a'.repeat(9_000)}@10.0.0.1` },
  },
  {
    status: 415,
    section: 'RFC 3261 §8.2.3',
    what: 'an offer in another language',
    request: { headers: { 'Content-Type': 'application/x-sdp2' } },
    says: /Accept: application\/sdp/,
  },
  {
    status: 416,
    section: 'RFC 3261 §8.2.2.1',
    what: 'a scheme that nobody can call',
    request: { uri: 'http://10.0.0.1/' },
  },
  {
    status: 420,
    section: 'RFC 3261 §8.2.2.3',
    what: 'an extension we do not have',
    request: { headers: { Require: 'foo, bar' } },
    says: /Unsupported: foo, bar/,
  },
  {
    status: 420,
    section: 'RFC 3329 §2.3.1',
    what: 'security agreement, in place of 494',
    request: { headers: { Require: 'sec-agree', 'Security-Client': 'tls' } },
    says: /Unsupported: sec-agree/,
  },
  {
    status: 422,
    section: 'RFC 4028 §9',
    what: 'a session too short',
    request: { headers: { Supported: 'timer', 'Session-Expires': '60' } },
    says: /Min-SE: 90/,
  },
  { status: 480, section: 'RFC 3261 §21.4.18', what: 'nobody serves', idle: true },
  {
    status: 480,
    section: 'RFC 3398 §7.2.4.1',
    what: 'it rang, and nobody answered',
    handler: call => {
      call.ring()
      return forever(call)
    },
    options: { ringTimeoutMs: 3_000 },
    afterMs: 3_100,
    says: /Reason: Q\.850;cause=19/,
  },
  {
    status: 481,
    section: 'RFC 3261 §12.2.2',
    what: 'a dialog nobody knows',
    request: { method: 'BYE', headers: inNoDialog },
  },
  { status: 481, section: 'RFC 3261 §9.2', what: 'a CANCEL of nothing', request: { method: 'CANCEL' } },
  {
    status: 482,
    section: 'RFC 3261 §8.2.2.2',
    what: 'the same request by two ways',
    request: { forked: true },
    handler: forever,
  },
  { status: 486, section: 'RFC 3261 §21.4.22', what: 'the handler is busy', handler: call => call.reject() },
  {
    status: 487,
    section: 'RFC 3261 §9.2',
    what: 'the caller gives up',
    request: { cancelled: true },
    handler: forever,
  },
  {
    status: 488,
    section: 'RFC 3261 §21.4.26',
    what: 'no codec in common',
    request: { body: offer.replace('AVP 0', 'AVP 99') },
    handler: async call => void (await call.answer()),
    says: /Warning: 30\d \S+ "/,
  },
  {
    status: 500,
    section: 'RFC 3261 §21.5.1',
    what: 'the handler threw',
    handler: () => {
      throw new Error('oops')
    },
  },
  {
    status: 501,
    section: 'RFC 3261 §8.2.1',
    what: 'a method nobody knows',
    request: { method: 'FETCH' },
    says: /Allow: .*INVITE/,
  },
  {
    status: 503,
    section: 'RFC 3261 §21.5.4',
    what: 'all lines are taken',
    options: { limits: { calls: 1 } },
    request: { headers: { 'Call-ID': 'second' } },
    handler: forever,
    says: /Retry-After: \d+/,
  },
  {
    status: 505,
    section: 'RFC 3261 §21.5.6',
    what: 'a version of another time',
    request: { version: 'SIP/3.0' },
  },
  {
    status: 603,
    section: 'RFC 3261 §21.6.2',
    what: 'the handler declines',
    handler: call => call.reject(603),
  },
]

for (const { status, section, what, request = {}, handler, options, says, afterMs = 100, idle } of rows) {
  t.test(`${status}: ${what} (${section})`, async t => {
    const lab = createLab()
    const agent = await lab.endpoint('agent.lab', { listen: ['udp://10.0.0.1:5060'], ...options })
    agent.on('error', () => {})
    if (idle !== true) void agent.serve(handler ?? forever)
    const answers: { readonly text: string; readonly message: SipResponse }[] = []
    const socket = await lab.network.host('10.9.9.9').bindUdp({ host: '10.9.9.9', port: 5060 })
    socket.onMessage = data => {
      const message = parseMessage(data)
      if (message.kind === 'response') answers.push({ text: Buffer.from(data).toString(), message })
    }
    const send = (text: string): void => socket.send(Buffer.from(text), 5060, '10.0.0.1')
    await lab.run(async () => {
      if (status === 503) {
        send(requestText({}, 'z9hG4bK0'))
        await lab.clock.sleep(10)
      }
      send(requestText(request))
      await lab.clock.sleep(10)
      if (request.forked === true) send(requestText(request, 'z9hG4bK2'))
      if (request.cancelled === true) send(requestText({ method: 'CANCEL', body: '' }))
      await lab.clock.sleep(afterMs)
      const found = answers.find(({ message }) => message.statusCode === status)
      const seen = answers.map(({ message }) => message.statusCode).join(', ')
      t.ok(found, `among ${seen}`)
      if (says !== undefined) t.match(found?.text.replaceAll('\r\n', '\n'), new RegExp(says.source, 'm'))
    })
  })
}

t.test('every answer a user expects has its row', async t => {
  const expected = [400, 404, 405, 408, 414, 415, 416, 420, 481, 482, 486, 487, 488, 500, 501, 503, 505, 603]
  const listed = new Set(rows.map(({ status }) => status))
  t.same(
    expected.filter(status => !listed.has(status)),
    [],
  )
})
