import { array, assert, constantFrom, integer, option, property, record, stringMatching } from 'fast-check'
import t from 'tap'
import type {
  MediaDescription,
  PayloadFormat,
  RtcpAttribute,
  SdpAddress,
  SessionDescription,
} from '../../../src/media/sdp/description.ts'
import { parseSdp } from '../../../src/media/sdp/parse.ts'
import { writeSdp } from '../../../src/media/sdp/write.ts'
import { samples } from './samples.ts'

t.test('what was read and written reads the same again', async t => {
  for (const { name, sdp } of samples) {
    const once = parseSdp(sdp)
    const again = parseSdp(writeSdp(once))
    // Three things are lost by design: names beyond RTP formats stay, a refused line has no direction.
    for (const [i, line] of again.media.entries())
      t.same({ ...line, direction: 0 }, { ...once.media[i], direction: 0 }, name)
    t.same(again.origin, once.origin, name)
    t.same(again.attributes, once.attributes, name)
  }
})

const token = stringMatching(/^[a-zA-Z][a-zA-Z0-9.-]{0,12}$/)
const address = constantFrom(
  { address: '192.0.2.1', family: 4 as const },
  { address: '2001:db8::1', family: 6 as const },
  { address: 'host.example.com', family: 4 as const },
)
// Names the reader takes for something else are not free to be an unknown attribute.
const attribute = record({
  name: token.map(name => `x-${name}`),
  value: stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/),
})

interface Draft extends Omit<MediaDescription, 'formats' | 'payloads' | 'rtcp'> {
  readonly payloads: readonly Omit<PayloadFormat, 'payloadType'>[]
  readonly rtcp: RtcpAttribute | null
}

function numbered({ rtcp, payloads, ...line }: Draft): MediaDescription {
  const formats: PayloadFormat[] = []
  for (const [i, payload] of payloads.entries())
    formats.push({ ...payload, payloadType: 96 + i, ...(i % 2 === 1 && { fmtp: `mode=${i}; x` }) })
  return {
    ...line,
    formats: formats.map(payload => String(payload.payloadType)),
    payloads: formats,
    ...(rtcp && { rtcp }),
  }
}

type Identity = Pick<SessionDescription['origin'], 'username' | 'sessionId' | 'version'>

function withOriginAddress({
  origin,
  ...rest
}: Omit<SessionDescription, 'origin' | 'connection'> & {
  readonly origin: Identity
  readonly connection: SdpAddress
}): SessionDescription {
  return { ...rest, origin: { ...origin, ...rest.connection } }
}

const media = record({
  kind: constantFrom('audio', 'video'),
  port: integer({ min: 1, max: 65_535 }),
  protocol: constantFrom('RTP/AVP', 'RTP/SAVP', 'RTP/AVPF'),
  connection: address,
  direction: constantFrom('sendrecv' as const, 'sendonly' as const, 'recvonly' as const, 'inactive' as const),
  payloads: array(
    record({
      name: token,
      clockRate: integer({ min: 1, max: 192_000 }),
      channels: integer({ min: 1, max: 8 }),
    }),
    { minLength: 1, maxLength: 20 },
  ),
  ptime: integer({ min: 1, max: 200 }),
  rtcp: option(record({ port: integer({ min: 1, max: 65_535 }), address })),
  rtcpMux: constantFrom(true, false),
  crypto: array(stringMatching(/^[1-9] [A-Z0-9_]{3,30} inline:[a-zA-Z0-9+/]{40}$/), { maxLength: 3 }),
  attributes: array(attribute, { maxLength: 5 }),
}).map(numbered)

const session = record({
  origin: record({
    username: token,
    sessionId: integer({ min: 0 }).map(String),
    version: constantFrom('1', '9223372036854775806'),
  }),
  name: token,
  connection: address,
  attributes: array(attribute, { maxLength: 3 }),
  media: array(media, { maxLength: 4 }),
}).map(withOriginAddress)

t.test('property: any description survives writing and reading', async t => {
  assert(
    property(session, description => {
      t.same(parseSdp(writeSdp(description)), description)
      return t.passing()
    }),
    { numRuns: 300, seed: 8866 },
  )
})

const plain = parseSdp(samples[2]!.sdp)

t.test('line breaks, NUL and stray spaces in a value are refused, never written', async t => {
  const line = plain.media[0]!
  const hostile: readonly SessionDescription[] = [
    { ...plain, name: 'x\r\na=sendonly' },
    { ...plain, name: 'x\0' },
    { ...plain, origin: { ...plain.origin, username: 'two words' } },
    { ...plain, origin: { ...plain.origin, address: '' } },
    { ...plain, connection: { address: '192.0.2.1\nm=audio 1 RTP/AVP 0', family: 4 } },
    { ...plain, attributes: [{ name: 'tool', value: 'a\rb' }] },
    { ...plain, attributes: [{ name: 'to ol' }] },
    { ...plain, media: [{ ...line, formats: ['0 8'] }] },
    { ...plain, media: [{ ...line, crypto: ['1\n2'] }] },
    { ...plain, media: [{ ...line, payloads: [{ ...line.payloads[0]!, fmtp: 'a\nb' }] }] },
  ]
  for (const description of hostile) t.throws(() => writeSdp(description), { code: 'SIP_OPTION' })
})

t.test('lines end with CRLF and come in the order of RFC 8866 §9', async t => {
  const text = writeSdp(plain)
  t.ok(text.endsWith('\r\n') && !text.replaceAll('\r\n', '').includes('\n'))
  t.equal(
    text
      .split('\r\n')
      .map(line => line.slice(0, 1))
      .join(''),
    'vosctmaaaaaaa',
  )
})

t.test('c= is written again for a stream only where it is another', async t => {
  const other = { address: '198.51.100.99', family: 4 as const }
  const text = writeSdp({ ...plain, media: [plain.media[0]!, { ...plain.media[0]!, connection: other }] })
  t.same(text.match(/c=.*/g), ['c=IN IP4 198.51.100.50', 'c=IN IP4 198.51.100.99'])
})
