import { array, assert, constantFrom, integer, property, record, shuffledSubarray } from 'fast-check'
import t from 'tap'
import type { CodecCapability, LocalCapabilities } from '../../../src/media/sdp/capabilities.ts'
import { type Direction, mirrored, receives, sends } from '../../../src/media/sdp/description.ts'
import { codecKey } from '../../../src/media/sdp/matching.ts'
import { applyAnswer, createAnswer, createOffer } from '../../../src/media/sdp/offer-answer.ts'
import { parseSdp } from '../../../src/media/sdp/parse.ts'
import { writeSdp } from '../../../src/media/sdp/write.ts'
import { samples } from './samples.ts'

const PCMU: CodecCapability = { name: 'PCMU', clockRate: 8000 }
const PCMA: CodecCapability = { name: 'PCMA', clockRate: 8000 }
const ILBC: CodecCapability = { name: 'iLBC', clockRate: 8000, payloadType: 97 }
const OPUS: CodecCapability = { name: 'opus', clockRate: 48_000, channels: 2, fmtp: 'useinbandfec=1' }
const origin = { username: '-', sessionId: '1', version: '1' }

function able(changes: Partial<LocalCapabilities> = {}): LocalCapabilities {
  return { codecs: [PCMU, PCMA], address: '192.0.2.200', port: 4000, ...changes }
}

function sdp(...lines: string[]): string {
  return `v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n${lines.map(line => `${line}\r\n`).join('')}`
}

/** Everything goes through text, as it does between two hosts. */
function answerTo(offer: string, changes: Partial<LocalCapabilities> = {}, context = {}) {
  const { answer, audio } = createAnswer(parseSdp(offer), able(changes), { origin, ...context })
  const text = writeSdp(answer)
  return { answer: parseSdp(text), audio, text, lines: text.split('\r\n') }
}

function answered(offer: string, answer: string, changes: Partial<LocalCapabilities> = {}) {
  return applyAnswer(parseSdp(offer), parseSdp(answer), able(changes))
}

function mLines(text: string): string[] {
  return text.split('\r\n').filter(line => line.startsWith('m='))
}

t.test('samples of the field: answered with the offered numbers, in the offered order', async t => {
  for (const sample of samples) {
    const offer = parseSdp(sample.sdp)
    const { answer, audio } = answerTo(sample.sdp)
    const line = answer.media[audio.mediaIndex]!
    t.same(line.formats.map(Number), sample.answered, sample.name)
    t.equal(audio.codec.name.toUpperCase(), sample.codec, sample.name)
    t.equal(`${audio.remote?.address}:${audio.remote?.port}`, sample.remote, sample.name)
    t.equal(audio.ptime, sample.ptime ?? 20, sample.name)
    t.equal(audio.telephoneEvent?.sendPayloadType, sample.event, sample.name)
    t.equal(audio.telephoneEvent?.receivePayloadType, sample.event, sample.name)
    t.same(
      [...audio.receivePayloadTypes.keys()],
      sample.answered.filter(type => type !== sample.event),
    )
    t.same([audio.direction, audio.held], ['sendrecv', false], sample.name)
    t.equal(answer.media.length, offer.media.length, sample.name)
    for (const [i, { kind, protocol, formats }] of offer.media.entries()) {
      t.match(answer.media[i], { kind, protocol }, sample.name)
      if (i !== audio.mediaIndex) t.match(answer.media[i], { port: 0, formats }, sample.name)
    }
  }
})

t.test('samples of the field read as answers to our offer', async t => {
  const offer = createOffer(able(), { origin })
  for (const sample of samples) {
    const answer = parseSdp(sample.sdp)
    const line = answer.media.find(media => media.kind === 'audio' && media.protocol === 'RTP/AVP')
    if (!line) continue
    const audio = applyAnswer(offer, { ...answer, media: [line] }, able())
    t.equal(audio.codec.name, sample.codec, sample.name)
    t.equal(audio.sendPayloadType, sample.codec === 'PCMU' ? 0 : 8, sample.name)
    t.equal(`${audio.remote?.address}:${audio.remote?.port}`, sample.remote, sample.name)
    t.equal(audio.telephoneEvent?.sendPayloadType, sample.event, sample.name)
    t.equal(audio.telephoneEvent?.receivePayloadType, sample.event && 101, sample.name)
  }
})

t.test('an offer of ours, to the letter', async t => {
  const offer = createOffer(able({ codecs: [OPUS, PCMU, PCMA], maxptime: 60, rtcpMux: true }), { origin })
  t.equal(
    writeSdp(offer),
    [
      'v=0',
      'o=- 1 1 IN IP4 192.0.2.200',
      's=-',
      'c=IN IP4 192.0.2.200',
      't=0 0',
      'm=audio 4000 RTP/AVP 96 0 8 101 100',
      'a=rtpmap:96 opus/48000/2',
      'a=fmtp:96 useinbandfec=1',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:8 PCMA/8000',
      'a=rtpmap:101 telephone-event/48000',
      'a=fmtp:101 0-16',
      'a=rtpmap:100 telephone-event/8000',
      'a=fmtp:100 0-16',
      'a=ptime:20',
      'a=maxptime:60',
      'a=rtcp-mux',
      'a=sendrecv',
      '',
    ].join('\r\n'),
  )
})

t.test('an IPv6 offer, with RTCP away from the next port (RFC 3605)', async t => {
  const text = writeSdp(createOffer(able({ address: '2001:db8::7', rtcpPort: 4009 }), { origin }))
  t.match(text, /\r\nc=IN IP6 2001:db8::7\r\n/)
  t.match(text, /\r\na=rtcp:4009\r\n/)
})

t.test('capabilities that make no stream are refused by name', async t => {
  for (const port of [0, -2, 65_536, 1.5, Number.NaN])
    t.throws(() => createOffer(able({ port }), { origin }), { code: 'SIP_OPTION', field: 'port' })
  t.throws(() => createOffer(able({ codecs: [] }), { origin }), { code: 'SIP_OPTION', field: 'codecs' })
  t.throws(() => createOffer(able({ codecs: [{ name: 'CN', clockRate: 8000 }] }), { origin }), {
    code: 'SIP_OPTION',
    field: 'codecs',
  })
})

// --- RFC 4317: examples of offer and answer ---------------------------------------------------------------------------

const alice = [
  'm=audio 49170 RTP/AVP 0 8 97',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:97 iLBC/8000',
  'm=video 51372 RTP/AVP 31 32',
  'a=rtpmap:31 H261/90000',
  'a=rtpmap:32 MPV/90000',
]

t.test('RFC 4317 §2.1: one of three codecs is taken, the video stream stays in its place', async t => {
  const { text } = answerTo(sdp(...alice), { codecs: [PCMU] })
  t.same(mLines(text), ['m=audio 4000 RTP/AVP 0', 'm=video 0 RTP/AVP 31 32'])
})

t.test('RFC 4317 §2.2, §2.3: several codecs are taken, and a second offer settles on one', async t => {
  const { text, audio } = answerTo(sdp(...alice))
  t.same(mLines(text), ['m=audio 4000 RTP/AVP 0 8', 'm=video 0 RTP/AVP 31 32'])
  t.same([...audio.receivePayloadTypes.keys()], [0, 8])
  const again = answerTo(sdp('m=audio 49170 RTP/AVP 8', 'm=video 0 RTP/AVP 31 32'))
  t.equal(again.audio.codec.name, 'PCMA')
  t.same(mLines(again.text), ['m=audio 4000 RTP/AVP 8', 'm=video 0 RTP/AVP 31 32'])
})

t.test(
  'RFC 4317 §2.4: of two audio streams the one with a voice codec is taken, events alone are not a call',
  async t => {
    const voice = ['m=audio 49170 RTP/AVP 0 97', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:97 iLBC/8000']
    const events = ['m=audio 49172 RTP/AVP 98', 'a=rtpmap:98 telephone-event/8000', 'a=sendonly']
    t.same(mLines(answerTo(sdp(...voice, ...events)).text), [
      'm=audio 4000 RTP/AVP 0',
      'm=audio 0 RTP/AVP 98',
    ])
    t.same(mLines(answerTo(sdp(...events, ...voice)).text), [
      'm=audio 0 RTP/AVP 98',
      'm=audio 4000 RTP/AVP 0',
    ])
    t.throws(() => answerTo(sdp(...events)), { name: 'SdpError', statusCode: 488, warning: { code: 305 } })
  },
)

t.test('RFC 3264 §6.1: a dynamic number in the answer is that of the offer', async t => {
  const offer = sdp('m=audio 49170 RTP/AVP 99 0', 'a=rtpmap:99 iLBC/8000', 'a=rtpmap:0 PCMU/8000')
  const { answer, audio } = answerTo(offer, { codecs: [PCMU, ILBC] })
  t.same(answer.media[0]!.formats, ['99', '0'])
  t.match(audio, { sendPayloadType: 99, codec: { name: 'iLBC', receivePayloadType: 99 } })
})

t.test('RFC 4317 §3.1: hold and unhold', async t => {
  const hold = answerTo(sdp('m=audio 49170 RTP/AVP 0', 'a=sendonly'))
  t.ok(hold.lines.includes('a=recvonly'))
  t.match(hold.audio, { direction: 'recvonly', remoteHold: true, localHold: false, held: true })
  const unhold = answerTo(sdp('m=audio 49170 RTP/AVP 0', 'a=sendrecv'))
  t.ok(unhold.lines.includes('a=sendrecv'))
  t.match(unhold.audio, { direction: 'sendrecv', remoteHold: false, held: false })
})

t.test('RFC 3264 §8.2: a stream that was taken out keeps its line', async t => {
  const offer = sdp('m=audio 0 RTP/AVP 0', 'm=audio 49170 RTP/AVP 8')
  t.same(mLines(answerTo(offer).text), ['m=audio 0 RTP/AVP 0', 'm=audio 4000 RTP/AVP 8'])
})

// --- Directions and hold ------------------------------------------------------------------------------------------------

const directions: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive']

t.test('RFC 3264 §6.1: every offered direction against every wish of ours', async t => {
  const expected: Record<Direction, readonly Direction[]> = {
    // our wish:  sendrecv    sendonly    recvonly    inactive
    sendrecv: ['sendrecv', 'sendonly', 'recvonly', 'inactive'],
    sendonly: ['recvonly', 'inactive', 'recvonly', 'inactive'],
    recvonly: ['sendonly', 'sendonly', 'inactive', 'inactive'],
    inactive: ['inactive', 'inactive', 'inactive', 'inactive'],
  }
  for (const offered of directions)
    for (const [i, wish] of directions.entries()) {
      const { answer, audio } = answerTo(sdp('m=audio 5000 RTP/AVP 0', `a=${offered}`), { direction: wish })
      t.equal(answer.media[0]!.direction, expected[offered][i], `${offered} against ${wish}`)
      t.equal(audio.direction, expected[offered][i])
      t.equal(audio.remoteHold, offered === 'sendonly' || offered === 'inactive')
      t.equal(audio.localHold, wish === 'sendonly' || wish === 'inactive')
    }
})

t.test(
  'RFC 3264 §8.4: c=0.0.0.0 and c=:: hold, in every direction, and no packet has a place to go',
  async t => {
    for (const address of ['IN IP4 0.0.0.0', 'IN IP6 ::', 'IN IP6 0:0:0:0:0:0:0:0']) {
      const expected = {
        sendrecv: 'recvonly',
        sendonly: 'recvonly',
        recvonly: 'inactive',
        inactive: 'inactive',
      }
      for (const offered of directions) {
        const { audio, answer } = answerTo(sdp('m=audio 5000 RTP/AVP 0', `c=${address}`, `a=${offered}`))
        t.match(audio, { remote: undefined, remoteHold: true, held: true, direction: expected[offered] })
        t.equal(audio.rtcp.remote, undefined)
        t.equal(answer.media[0]!.direction, expected[offered])
      }
    }
  },
)

t.test('our hold answered: recvonly, inactive, and by peers that answer sendrecv nevertheless', async t => {
  for (const [reply, direction] of [
    ['recvonly', 'sendonly'],
    ['inactive', 'inactive'],
    ['sendrecv', 'sendonly'],
    ['sendonly', 'inactive'],
  ] as const) {
    const hold = able({ direction: 'sendonly' })
    const offer = writeSdp(createOffer(hold, { origin }))
    const audio = answered(offer, sdp('m=audio 5000 RTP/AVP 0', `a=${reply}`))
    t.match(audio, { direction, localHold: true, held: true }, reply)
  }
})

t.test('an answer of sendonly or inactive to sendrecv is a hold by the peer', async t => {
  const offer = writeSdp(createOffer(able(), { origin }))
  for (const [reply, remoteHold] of [
    ['sendrecv', false],
    ['recvonly', false],
    ['sendonly', true],
    ['inactive', true],
  ] as const)
    t.equal(answered(offer, sdp('m=audio 5000 RTP/AVP 0', `a=${reply}`)).remoteHold, remoteHold, reply)
})

// --- Codecs and payload types -------------------------------------------------------------------------------------------

t.test("the order of codecs is the offer's, or ours when asked, or the first alone", async t => {
  const offer = sdp('m=audio 5000 RTP/AVP 8 0 3')
  t.same(answerTo(offer).answer.media[0]!.formats, ['8', '0'])
  t.same(answerTo(offer, {}, { prefer: 'local' }).answer.media[0]!.formats, ['0', '8'])
  t.same(answerTo(offer, {}, { answerCodecs: 'first' }).answer.media[0]!.formats, ['8'])
  t.same(answerTo(offer, {}, { answerCodecs: 'first', prefer: 'local' }).answer.media[0]!.formats, ['0'])
})

t.test('RFC 3264 §5.1, §6.1: numbers that differ between the directions', async t => {
  const capabilities = { codecs: [OPUS, PCMU] }
  const offer = writeSdp(createOffer(able(capabilities), { origin }))
  const audio = answered(
    offer,
    sdp(
      'm=audio 5000 RTP/AVP 111 126',
      'a=rtpmap:111 opus/48000/2',
      'a=fmtp:111 stereo=0',
      'a=rtpmap:126 telephone-event/48000',
    ),
    capabilities,
  )
  t.match(audio.codec, {
    sendPayloadType: 111,
    receivePayloadType: 96,
    fmtp: 'stereo=0',
    localFmtp: 'useinbandfec=1',
  })
  t.match(audio.telephoneEvent, { sendPayloadType: 126, receivePayloadType: 101, clockRate: 48_000 })
  // A peer that numbers anew may also send so.
  t.same([...audio.receivePayloadTypes.keys()], [96, 111])
  t.same(
    [...audio.receiveTelephoneEvents],
    [
      [126, 48_000],
      [101, 48_000],
    ],
  )
})

t.test('an answer that names numbers without their rtpmap means those of the offer', async t => {
  const offer = writeSdp(createOffer(able({ codecs: [OPUS, PCMU] }), { origin }))
  const audio = answered(offer, sdp('m=audio 5000 RTP/AVP 96 101'))
  t.match(audio, { codec: { name: 'opus', sendPayloadType: 96 }, telephoneEvent: { clockRate: 48_000 } })
})

t.test(
  'codecs in an answer that were not offered are passed over, as is an event that stands first',
  async t => {
    const offer = writeSdp(createOffer(able(), { origin }))
    const audio = answered(offer, sdp('m=audio 5000 RTP/AVP 101 18 9 8', 'a=rtpmap:101 telephone-event/8000'))
    t.equal(audio.codec.name, 'PCMA')
    t.same([...audio.receivePayloadTypes.keys()], [8])
  },
)

t.test(
  'RFC 4733 §2.4: events at the clock of each codec taken; the fmtp is what both understand',
  async t => {
    const offer = sdp(
      'm=audio 5000 RTP/AVP 111 0 126 110 121',
      'a=rtpmap:111 opus/48000/2',
      'a=rtpmap:126 telephone-event/8000',
      'a=fmtp:126 0-15,66,70',
      'a=rtpmap:110 telephone-event/48000',
      'a=rtpmap:121 telephone-event/16000',
    )
    const both = answerTo(offer, { codecs: [OPUS, PCMU] })
    t.same(both.answer.media[0]!.formats, ['111', '0', '126', '110'])
    t.match(both.audio.telephoneEvent, { sendPayloadType: 110, clockRate: 48_000, events: '0-15' })
    t.ok(both.lines.includes('a=fmtp:126 0-15') && both.lines.includes('a=fmtp:110 0-15'))
    t.same(answerTo(offer, { codecs: [PCMU] }).answer.media[0]!.formats, ['0', '126'])
    t.same(answerTo(offer, { codecs: [PCMU], telephoneEventRates: [] }).answer.media[0]!.formats, ['0'])
  },
)

t.test('events at 8000 beside Opus alone are better than none', async t => {
  const offer = sdp(
    'm=audio 5000 RTP/AVP 111 101',
    'a=rtpmap:111 opus/48000/2',
    'a=rtpmap:101 telephone-event/8000',
  )
  const { answer, audio } = answerTo(offer, { codecs: [OPUS] })
  t.same(answer.media[0]!.formats, ['111', '101'])
  t.match(audio.telephoneEvent, { clockRate: 8000, events: '0-15' })
})

t.test('RFC 7587 §7: Opus is the same codec whether its two channels were written or not', async t => {
  const { answer } = answerTo(sdp('m=audio 5000 RTP/AVP 96', 'a=rtpmap:96 OPUS/48000'), { codecs: [OPUS] })
  t.match(answer.media[0]!.payloads[0], { payloadType: 96, clockRate: 48_000, fmtp: 'useinbandfec=1' })
})

// --- ptime, RTCP, transports --------------------------------------------------------------------------------------------

t.test(
  'ptime: what the peer asks for, in what we are able, never above its maxptime (RFC 8866 §6.4)',
  async t => {
    const table: readonly (readonly [string[], Partial<LocalCapabilities>, number])[] = [
      [[], {}, 20],
      [[], { ptime: 40 }, 40],
      [['a=ptime:10'], {}, 10],
      [['a=ptime:30'], {}, 30],
      [['a=ptime:40', 'a=maxptime:30'], {}, 30],
      [['a=maxptime:10'], {}, 10],
      [['a=ptime:25'], {}, 20],
      [['a=ptime:200'], {}, 60],
      [['a=ptime:5'], {}, 10],
      [['a=ptime:30'], { ptimes: [20, 40] }, 20],
    ]
    for (const [attributes, changes, expected] of table) {
      const { audio, answer } = answerTo(sdp('m=audio 5000 RTP/AVP 0', ...attributes), changes)
      t.equal(audio.ptime, expected, attributes.join())
      t.equal(answer.media[0]!.ptime, expected)
    }
  },
)

t.test(
  'RTCP: next port, a=rtcp (RFC 3605), or the same port when both want it (RFC 5761 §5.1.1)',
  async t => {
    const audioLine = 'm=audio 5000 RTP/AVP 0'
    t.same(answerTo(sdp(audioLine)).audio.rtcp, {
      mux: false,
      localPort: 4001,
      remote: { address: '192.0.2.1', family: 4, port: 5001 },
    })
    t.match(answerTo(sdp(audioLine, 'a=rtcp:6000 IN IP4 192.0.2.77')).audio.rtcp.remote, {
      address: '192.0.2.77',
      port: 6000,
    })
    const refused = answerTo(sdp(audioLine, 'a=rtcp-mux'))
    t.notOk(refused.lines.includes('a=rtcp-mux'))
    t.equal(refused.audio.rtcp.mux, false)
    const taken = answerTo(sdp(audioLine, 'a=rtcp-mux'), { rtcpMux: true })
    t.ok(taken.lines.includes('a=rtcp-mux'))
    t.match(taken.audio.rtcp, { mux: true, localPort: 4000, remote: { port: 5000 } })
    t.notOk(
      answerTo(sdp(audioLine), { rtcpMux: true }).lines.includes('a=rtcp-mux'),
      'never without an offer of it',
    )
  },
)

t.test('RFC 9143 §7.3: a bundle is declined by not answering it', async t => {
  const { text } = answerTo(
    sdp(
      'a=group:BUNDLE 0 1',
      'm=audio 5000 RTP/AVP 0',
      'a=mid:0',
      'm=video 0 RTP/AVP 96',
      'a=mid:1',
      'a=bundle-only',
    ),
  )
  t.notMatch(text, /BUNDLE|bundle/)
  t.same(mLines(text), ['m=audio 4000 RTP/AVP 0', 'm=video 0 RTP/AVP 96'])
})

const refusals: readonly (readonly [string, string, number])[] = [
  ['SRTP while it is off', sdp('m=audio 5000 RTP/SAVP 0'), 302],
  ['WebRTC', sdp('m=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=rtpmap:111 opus/48000/2'), 302],
  ['no common codec', sdp('m=audio 5000 RTP/AVP 18 3'), 305],
  ['comfort noise alone', sdp('m=audio 5000 RTP/AVP 13'), 305],
  ['a fax', sdp('m=audio 0 RTP/AVP 0', 'm=image 5000 udptl t38'), 304],
  ['no media', sdp(), 304],
  ['a switched-off stream', sdp('m=audio 0 RTP/AVP 0'), 304],
  ['IPv6 for an IPv4 socket', sdp('m=audio 5000 RTP/AVP 0', 'c=IN IP6 2001:db8::1'), 301],
  ['a multicast group', sdp('m=audio 5000 RTP/AVP 0', 'c=IN IP4 233.252.0.1/127'), 330],
  ['no address at all', 'v=0\r\nm=audio 5000 RTP/AVP 0\r\n', 399],
]

for (const [what, offer, code] of refusals)
  t.test(`${what}: 488 with Warning ${code} (RFC 3261 §20.43)`, async t => {
    t.throws(() => answerTo(offer), { name: 'SdpError', code: 'SIP_SDP', statusCode: 488, warning: { code } })
  })

t.test('answers that do not fit the offer', async t => {
  const offer = writeSdp(createOffer(able(), { origin }))
  for (const [what, answer, code] of [
    ['refused', sdp('m=audio 0 RTP/AVP 0'), 304],
    ['a line too many', sdp('m=audio 5000 RTP/AVP 0', 'm=video 0 RTP/AVP 96'), 399],
    ['a line too few', sdp(), 399],
    ['another kind', sdp('m=video 5000 RTP/AVP 0'), 304],
    ['another transport', sdp('m=audio 5000 RTP/SAVP 0'), 302],
    ['other codecs', sdp('m=audio 5000 RTP/AVP 18 9'), 305],
    ['events alone', sdp('m=audio 5000 RTP/AVP 101', 'a=rtpmap:101 telephone-event/8000'), 305],
    ['multicast', sdp('m=audio 5000 RTP/AVP 0', 'c=IN IP4 224.0.0.1'), 330],
  ] as const)
    t.throws(() => answered(offer, answer), { name: 'SdpError', statusCode: 488, warning: { code } }, what)
})

t.test('a description without c= means the host in its o=', async t => {
  const { audio } = answerTo('v=0\no=- 1 1 IN IP4 192.0.2.5\nm=audio 5000 RTP/AVP 0\n')
  t.match(audio.remote, { address: '192.0.2.5', port: 5000 })
})

// --- Properties ---------------------------------------------------------------------------------------------------------

const codecs: readonly CodecCapability[] = [
  PCMU,
  PCMA,
  ILBC,
  OPUS,
  { name: 'G722', clockRate: 8000 },
  { name: 'speex', clockRate: 16_000, payloadType: 97 },
  { name: 'L16', clockRate: 44_100, channels: 2 },
  { name: 'AMR-WB', clockRate: 16_000, payloadType: 101, fmtp: 'octet-align=1' },
]

const capabilities = record({
  codecs: shuffledSubarray([...codecs], { minLength: 1 }),
  address: constantFrom('192.0.2.1', '198.51.100.2'),
  port: integer({ min: 1, max: 32_767 }).map(port => port * 2),
  direction: constantFrom(...directions),
  ptime: constantFrom(10, 20, 30, 40, 60),
  rtcpMux: constantFrom(true, false),
  rtcpPort: integer({ min: 1, max: 65_535 }),
})

t.test('property: an answer is a subset of the offer, and both sides come to mirrored results', async t => {
  assert(
    property(capabilities, capabilities, constantFrom('remote', 'local'), (ours, theirs, prefer) => {
      const offer = parseSdp(writeSdp(createOffer(ours, { origin })))
      const common = theirs.codecs.filter(codec => ours.codecs.includes(codec))
      let result
      try {
        result = createAnswer(offer, theirs, { origin, prefer })
      } catch (error) {
        return common.length === 0 && (error as { statusCode?: number }).statusCode === 488
      }
      const answer = parseSdp(writeSdp(result.answer))
      const [offered, taken] = [offer.media[0]!, answer.media[0]!]
      if (!taken.formats.every(format => offered.formats.includes(format))) return false
      for (const payload of taken.payloads) {
        const twin = offered.payloads.find(other => other.payloadType === payload.payloadType)
        if (!twin || codecKey(twin) !== codecKey(payload)) return false
      }
      if (sends(taken.direction) && !receives(offered.direction)) return false
      if (receives(taken.direction) && !sends(offered.direction)) return false
      const a = applyAnswer(offer, answer, ours)
      const b = result.audio
      return (
        common.length > 0 &&
        codecKey(a.codec) === codecKey(b.codec) &&
        a.sendPayloadType === b.codec.receivePayloadType &&
        b.sendPayloadType === a.codec.receivePayloadType &&
        a.direction === mirrored(b.direction) &&
        a.ptime === b.ptime &&
        a.rtcp.mux === b.rtcp.mux &&
        a.rtcp.remote?.port === b.rtcp.localPort &&
        b.rtcp.remote?.port === a.rtcp.localPort &&
        a.remote?.port === b.local.port &&
        b.remote?.port === a.local.port &&
        a.telephoneEvent?.sendPayloadType === b.telephoneEvent?.receivePayloadType &&
        a.telephoneEvent?.clockRate === b.telephoneEvent?.clockRate &&
        [...a.receivePayloadTypes.keys()].join() === [...b.receivePayloadTypes.keys()].join()
      )
    }),
    { numRuns: 1000, seed: 3264 },
  )
  t.pass()
})

t.test('property: whatever numbers are taken, an offer gives every codec its own', async t => {
  assert(
    property(
      shuffledSubarray([...codecs], { minLength: 1 }),
      array(integer({ min: 0, max: 127 }), { maxLength: 100 }),
      (wanted, taken) => {
        const payloadTypes = new Map(taken.map(number => [number, 'other/1/1']))
        const { payloads } = createOffer(able({ codecs: wanted }), { origin, payloadTypes }).media[0]!
        const numbers = payloads.map(payload => payload.payloadType)
        return new Set(numbers).size === numbers.length && !numbers.some(number => payloadTypes.has(number))
      },
    ),
    { numRuns: 500, seed: 3551 },
  )
  t.pass()
})
