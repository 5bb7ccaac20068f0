import t from 'tap'
import { SdpError } from '../../../src/media/sdp/error.ts'
import { createAnswer } from '../../../src/media/sdp/offer-answer.ts'
import { parseSdp } from '../../../src/media/sdp/parse.ts'
import { writeSdp } from '../../../src/media/sdp/write.ts'
import { mutated, numbers } from './mutated.ts'
import { samples } from './samples.ts'

const base = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n'

const mediaOf = (text: string) => parseSdp(text).media.map(line => [line.connection?.address, line.direction])

const connectionOf = (c: string) => parseSdp(`c=${c}\nm=audio 1 RTP/AVP 0`).media[0]!.connection

const audioWith = (...attributes: string[]) =>
  parseSdp(`${base}m=audio 4000 RTP/AVP 0\n${attributes.map(line => `a=${line}\n`).join('')}`).media[0]!

t.test('every sample of the field is read: lines, formats, where media goes', async t => {
  for (const { name, sdp, refusedLines = 0 } of samples) {
    const description = parseSdp(sdp)
    t.equal(description.media.length, refusedLines + 1, name)
    for (const line of description.media)
      if (line.protocol.startsWith('RTP')) t.ok(line.payloads.length > 0, name)
  }
})

t.test('octets and text read the same', async t => {
  for (const { sdp } of samples) t.same(parseSdp(Buffer.from(sdp)), parseSdp(sdp))
})

t.test(
  'payload types: static ones need no rtpmap, an rtpmap beats the static table (RFC 3551 §6)',
  async t => {
    const [line] = parseSdp(
      `${base}m=audio 4000 RTP/AVP 0 8 3 4 9 18 13 10 96 97 0 200 x\r\na=rtpmap:97 opus/48000/2\r\na=rtpmap:8 L16/8000\r\na=fmtp:18 annexb=no\r\n`,
    ).media
    t.same(
      line!.payloads.map(({ payloadType, name, clockRate, channels }) => [
        payloadType,
        name,
        clockRate,
        channels,
      ]),
      [
        [0, 'PCMU', 8000, 1],
        [8, 'L16', 8000, 1],
        [3, 'GSM', 8000, 1],
        [4, 'G723', 8000, 1],
        [9, 'G722', 8000, 1],
        [18, 'G729', 8000, 1],
        [13, 'CN', 8000, 1],
        [10, 'L16', 44_100, 2],
        [97, 'opus', 48_000, 2],
      ],
    )
    t.equal(line!.payloads[5]!.fmtp, 'annexb=no')
    t.same(line!.formats, ['0', '8', '3', '4', '9', '18', '13', '10', '96', '97', '0', '200', 'x'])
  },
)

t.test(
  'c=, direction: the media section wins over the session, whatever the order of lines (RFC 8866 §5.7, §6.7)',
  async t => {
    t.same(
      mediaOf(
        'c=IN IP4 192.0.2.1\na=sendonly\nm=audio 1 RTP/AVP 0\nm=audio 2 RTP/AVP 0\na=inactive\nc=IN IP4 192.0.2.2',
      ),
      [
        ['192.0.2.1', 'sendonly'],
        ['192.0.2.2', 'inactive'],
      ],
    )
    t.same(mediaOf('v=0\nm=audio 1 RTP/AVP 0'), [[undefined, 'sendrecv']])
    t.same(mediaOf('a=recvonly\nv=0\nc=IN IP4 192.0.2.9\ns=x\nm=audio 1 RTP/AVP 0'), [
      ['192.0.2.9', 'recvonly'],
    ])
  },
)

t.test('addresses: IPv6, a wrong IP4 before it, host names, multicast with its time to live', async t => {
  t.same(connectionOf('IN IP6 2001:db8::1'), { address: '2001:db8::1', family: 6 })
  t.same(connectionOf('IN IP4 2001:db8::1'), { address: '2001:db8::1', family: 6 })
  t.same(connectionOf('IN IP6 [2001:db8::1]'), { address: '2001:db8::1', family: 6 })
  t.same(connectionOf('IN IP6 fe80::1%eth0'), { address: 'fe80::1', family: 6 })
  t.same(connectionOf('IN IP4 media.example.com'), { address: 'media.example.com', family: 4 })
  t.same(connectionOf('IN IP4 233.252.0.1/127/3'), { address: '233.252.0.1', family: 4 })
  t.equal(connectionOf('IN IP4'), undefined)
  t.equal(connectionOf('ATM NSAP 47.0091'), undefined)
})

t.test('o= keeps all 64 bits, and a missing or strange one does not matter (RFC 8866 §5.2)', async t => {
  t.match(parseSdp('o=- 18446744073709551615 9223372036854775807 IN IP4 192.0.2.1').origin, {
    sessionId: '18446744073709551615',
    version: '9223372036854775807',
  })
  t.same(parseSdp('v=0').origin, {
    username: '-',
    sessionId: '0',
    version: '0',
    address: '0.0.0.0',
    family: 4,
  })
  t.equal(parseSdp('v=0\no=my phone 1 2 IN IP4 192.0.2.1').origin.sessionId, '0')
})

t.test('ptime, maxptime, rtcp and rtcp-mux; nonsense in them counts as absent', async t => {
  t.match(audioWith('ptime:30', 'maxptime:150', 'rtcp:53020 IN IP6 2001:db8::5', 'rtcp-mux'), {
    ptime: 30,
    maxptime: 150,
    rtcp: { port: 53_020, address: { address: '2001:db8::5', family: 6 } },
    rtcpMux: true,
  })
  t.same(audioWith('rtcp:53020').rtcp, { port: 53_020 })
  const odd = audioWith('ptime:', 'maxptime:-3', 'rtcp:99999', 'rtcp-muxed')
  t.same([odd.ptime, odd.maxptime, odd.rtcp, odd.rtcpMux], [undefined, undefined, undefined, false])
  t.equal(audioWith('ptime:0').ptime, undefined)
  t.equal(audioWith('sendonlyish').direction, 'sendrecv')
})

t.test('crypto lines and attributes nobody knows stay as they are, in order (RFC 4568 §9.1)', async t => {
  const crypto = [
    '1 AES_CM_128_HMAC_SHA1_80 inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIz|2^20|1:4',
    '2 AES_256_CM_HMAC_SHA1_80 inline:x UNENCRYPTED_SRTCP',
  ]
  const description = parseSdp(
    `${base}a=group:BUNDLE 0\nm=audio 4000 RTP/SAVP 0\na=crypto:${crypto[0]}\na=mid:0\na=x-own:  a  b \na=flag\na=crypto:${crypto[1]}\n`,
  )
  t.same(description.media[0]!.crypto, crypto)
  t.same(description.attributes, [{ name: 'group', value: 'BUNDLE 0' }])
  t.same(description.media[0]!.attributes, [
    { name: 'mid', value: '0' },
    { name: 'x-own', value: 'a  b' },
    { name: 'flag' },
  ])
})

t.test('lines that are not SDP are stepped over', async t => {
  const description = parseSdp(`\uFEFF\r\nhello\r\n${base}  m=audio 4000 RTP/AVP 0\r\nX=1\r\n\r\na\r\n=\r\n`)
  t.equal(description.media[0]!.port, 4000)
})

const bad: readonly (readonly [what: string, text: string, field: string, line?: number])[] = [
  ['nothing', '', 'v'],
  ['prose', 'this is not\r\na description', 'v'],
  ['an m= line without transport', 'v=0\r\nm=audio 4000\r\n', 'm', 2],
  ['a port beyond 65535', 'v=0\r\nm=audio 65536 RTP/AVP 0\r\n', 'm', 2],
  ['a negative port', 'v=0\r\nm=audio -1 RTP/AVP 0\r\n', 'm', 2],
  ['an octet 0', 'v=0\r\ns=a\0b\r\n', 's', 2],
  ['an escape sequence', 'v=0\r\ns=\u001B[2J\r\n', 's', 2],
  ['too many octets', `v=0\r\n${'s=x\r\n'.repeat(4000)}`, 'length'],
  ['too many lines', 'a=\n'.repeat(600), 'lines'],
  ['a line without end', `v=0\r\ns=${'x'.repeat(3000)}`, 'line', 2],
  ['too many media lines', `v=0\r\n${'m=audio 1 RTP/AVP 0\r\n'.repeat(33)}`, 'm', 34],
]

for (const [what, text, field, line] of bad)
  t.test(`${what}: 400, and the error says where`, async t => {
    t.throws(() => parseSdp(text), {
      name: 'SdpError',
      code: 'SIP_SDP',
      statusCode: 400,
      field,
      line,
      warning: { code: 399 },
    })
  })

t.test('limits are options', async t => {
  const text = `v=0\r\n${'m=audio 1 RTP/AVP 0\r\n'.repeat(33)}`
  t.equal(parseSdp(text, { maxMedia: 40 }).media.length, 33)
  t.throws(() => parseSdp(text, { maxLength: 100 }), { name: 'SdpError', statusCode: 400 })
})

t.test(
  '50,000 spoiled descriptions are read, answered, or refused with an SdpError: nothing else',
  async t => {
    const below = numbers(4317)
    const origin = { username: '-', sessionId: '1', version: '1' }
    const capabilities = {
      codecs: [
        { name: 'PCMU', clockRate: 8000 },
        { name: 'opus', clockRate: 48_000, channels: 2 },
      ],
      address: '192.0.2.200',
      port: 4000,
    }
    const count = { answered: 0, refused: 0, unreadable: 0 }
    for (let i = 0; i < 50_000; i += 1) {
      const text = mutated(samples[i % samples.length]!.sdp, below)
      try {
        const offer = parseSdp(text)
        const { answer } = createAnswer(offer, capabilities, { origin })
        if (parseSdp(writeSdp(answer)).media.length !== offer.media.length)
          throw new Error('lost a media line')
        count.answered += 1
      } catch (error) {
        if (!(error instanceof SdpError)) {
          t.fail(`${JSON.stringify(text)}: ${String(error)}`)
          break
        }
        count[error.statusCode === 400 ? 'unreadable' : 'refused'] += 1
      }
    }
    t.ok(count.answered > 10_000 && count.refused > 500 && count.unreadable > 500, JSON.stringify(count))
  },
)

t.test('the worst lines within the limits take no more steps than ordinary ones', async t => {
  // Backtracking would show as minutes here; the run time of the file is the check, so that no clock is read.
  const worst = [
    `c=IN IP4 ${'0:'.repeat(1000)}x`,
    `a=rtpmap:${' '.repeat(2000)}x`,
    `a=rtpmap:0 ${'a.-'.repeat(600)}`,
    `a=ptime:${'1.'.repeat(1000)}`,
    `o=${' '.repeat(2000)}`,
    `a=fmtp:1 ${'|'.repeat(2000)}`,
  ]
  for (const line of worst)
    for (let i = 0; i < 200; i += 1) parseSdp(`v=0\r\nm=audio 4000 RTP/AVP 0\r\n${`${line}\r\n`.repeat(7)}`)
  t.pass()
})
