import { createRequire } from 'node:module'
import { createResponse } from '../src/sip/message/build.ts'
import type { SipMessage, SipRequest } from '../src/sip/message/message.ts'
import { parseMessage } from '../src/sip/message/parser.ts'
import { serialise } from '../src/sip/message/serialiser.ts'
import { checkMessage } from '../src/sip/message/validate.ts'
import { benchLine, measure } from './harness.ts'
import type { BenchLine, BenchOptions } from './harness.ts'

/** What is used of the npm package `sip`, which has no types. */
interface ReferenceMessage {
  headers: Record<string, unknown>
}
interface Reference {
  parse(text: string): ReferenceMessage
  stringify(message: unknown): string
  makeResponse(request: ReferenceMessage, status: number, reason: string): ReferenceMessage
}

const reference = createRequire(import.meta.url)('sip') as Reference

const sdp = [
  'v=0',
  'o=- 1729 1 IN IP4 198.51.100.7',
  's=-',
  'c=IN IP4 198.51.100.7',
  't=0 0',
  'm=audio 31000 RTP/AVP 8 0 18 101',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:18 G729/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-16',
  'a=ptime:20',
  'a=sendrecv',
  '',
].join('\r\n')

/** An INVITE as a carrier's border controller sends it: 1.2 kB. */
const invite = Buffer.from(
  [
    'INVITE sip:+15550100@203.0.113.20:5060;transport=udp SIP/2.0',
    'Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK0a1b2c3d4e5f60718293;rport',
    'Via: SIP/2.0/UDP 192.0.2.33:5080;branch=z9hG4bK-524287-1---9f3eb40b11f97a9c;received=192.0.2.33',
    'Record-Route: <sip:198.51.100.7;lr;ftag=as58f4a7c2>',
    'Max-Forwards: 68',
    'From: "Alice Example" <sip:+15550123@carrier.example;user=phone>;tag=as58f4a7c2',
    'To: <sip:+15550100@203.0.113.20;user=phone>',
    'Call-ID: 3c26700857a87f84b1e5f4dc2d1c0e9a@198.51.100.7',
    'CSeq: 102 INVITE',
    'Contact: <sip:+15550123@192.0.2.33:5080;transport=udp>',
    'User-Agent: Carrier SBC 7.4.2',
    'Date: Sun, 22 Nov 2026 12:00:00 GMT',
    'Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, UPDATE',
    'Supported: replaces, timer, 100rel',
    'Session-Expires: 1800;refresher=uac',
    'P-Asserted-Identity: <sip:+15550123@carrier.example;user=phone>',
    'X-Carrier-Id: 7f3a9c',
    'Content-Type: application/sdp',
    `Content-Length: ${sdp.length}`,
    '',
    sdp,
  ].join('\r\n'),
)

let sink = 0

/** What a proxy or an endpoint reads of every request. */
function readOurs(message: SipMessage): void {
  const { via, from, to, callId, cseq, contacts } = message
  sink += (via.branch?.length ?? 0) + (from.tag?.length ?? 0) + to.uriText.length
  sink += callId.length + cseq.sequence + contacts.length
}

/** It parses these headers at once, so that reading them costs nothing more. */
function readReference(): void {
  const { headers } = reference.parse(invite.toString('binary'))
  sink += Object.keys(headers).length
}

function times(run: () => void): (count: number) => void {
  return count => {
    for (let i = 0; i < count; i++) run()
  }
}

/** @throws when the two do not agree on what they read: then the figures would mean nothing */
function agree(): void {
  const theirs = reference.parse(invite.toString('binary')).headers as {
    cseq: { seq: number }
    from: { params: { tag: string } }
    via: { params: { branch: string } }[]
    contact: unknown[]
  }
  const ours = parseMessage(invite)
  const same =
    theirs.cseq.seq === ours.cseq.sequence &&
    theirs.from.params.tag === ours.from.tag &&
    theirs.via[0]?.params.branch === ours.via.branch &&
    theirs.via.length === ours.vias.length &&
    theirs.contact.length === ours.contacts.length
  if (!same) throw new Error('the parsers disagree about the bench message')
}

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  agree()
  const operations = short ? 500 : 40_000
  const lines: BenchLine[] = []
  // One message of each stays alive, as in any process at work: if the last one goes, a full collection between the
  // rounds takes the shapes along that the compiled code relies on, and what is measured is the compiler.
  const request = parseMessage(invite) as SipRequest
  const theirs = reference.parse(invite.toString('binary'))
  readOurs(request)

  async function compare(
    name: string,
    ours: () => void,
    theirs: { name: string; run: () => void },
    minRatio?: number,
  ): Promise<void> {
    const subjects = [
      { name: 'ours', run: times(ours) },
      { name: theirs.name, run: times(theirs.run) },
    ]
    const [mine, other] = await measure(subjects, { operations })
    if (mine === undefined || other === undefined) return
    const limit = minRatio === undefined ? {} : { limit: { minRatio } }
    lines.push(
      benchLine({
        name,
        figure: Math.round(mine.perSecond),
        unit: 'messages/s',
        reference: { name: theirs.name, figure: Math.round(other.perSecond) },
        ...limit,
      }),
    )
  }

  const parseTheirs = { name: 'npm sip: parse', run: readReference }
  await compare(
    'parse a 1.2 kB INVITE, six headers read',
    () => readOurs(parseMessage(invite)),
    parseTheirs,
    4,
  )
  await compare(
    'parse it and check all that RFC 3261 asks for',
    () => {
      const message = parseMessage(invite)
      if (checkMessage(message) !== undefined) throw new Error('the bench message was refused')
      sink += message.body.length
    },
    parseTheirs,
  )

  const writeTheirs = {
    name: 'npm sip: stringify',
    run: () => {
      sink += Buffer.from(reference.stringify(theirs), 'binary').length
    },
  }
  const forwarded = request.clone()
  const via = 'SIP/2.0/UDP 203.0.113.20;branch=z9hG4bK776asdhds'
  forwarded.headers.prepend('Via', via)
  forwarded.headers.set('Max-Forwards', '67')
  await compare(
    'serialise the INVITE as a proxy sends it on (Via and Max-Forwards changed)',
    () => {
      sink += serialise(forwarded).length
    },
    writeTheirs,
    4,
  )
  const built = request.clone()
  for (const [name, value] of request.headers) {
    built.headers.delete(name)
    built.headers.append(name, value)
  }
  await compare(
    'serialise the INVITE with no received line left in it',
    () => {
      sink += serialise(built).length
    },
    writeTheirs,
    4,
  )
  await compare(
    'build and serialise a 200 to it',
    () => {
      sink += serialise(
        createResponse(request, 200, { toTag: 'b7f2', headers: [['Contact', '<sip:a@b>']] }),
      ).length
    },
    {
      name: 'npm sip: makeResponse and stringify',
      run: () => {
        const response = reference.makeResponse(theirs, 200, 'OK')
        response.headers['contact'] = [{ uri: 'sip:a@b' }]
        sink += Buffer.from(reference.stringify(response), 'binary').length
      },
    },
  )
  if (sink === 0) throw new Error('nothing was measured')
  return lines
}
