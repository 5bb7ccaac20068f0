import t from 'tap'
import type { CryptoCapability, LocalCapabilities } from '../../../src/media/sdp/capabilities.ts'
import { SdpError } from '../../../src/media/sdp/error.ts'
import { SdpNegotiator } from '../../../src/media/sdp/negotiator.ts'
import { writeSdp } from '../../../src/media/sdp/write.ts'
import { CM128, CM128_32, CM256, inline, suites } from './crypto-suites.ts'
import { numbers } from './mutated.ts'

const optional: CryptoCapability = { mode: 'optional', suites: [CM128, CM128_32] }
const required: CryptoCapability = { mode: 'required', suites: [CM128, CM128_32] }

function negotiator(crypto: CryptoCapability | undefined, port = 4000): SdpNegotiator {
  const below = numbers(port)
  const capabilities: LocalCapabilities = {
    codecs: [{ name: 'PCMU', clockRate: 8000 }],
    address: '192.0.2.1',
    port,
    ...(crypto && { crypto }),
  }
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256))
  return new SdpNegotiator({ capabilities, random: { bytes, uint32: () => below(2 ** 32) } })
}

function phone(protocol: string, ...crypto: readonly string[]): string {
  return [
    'v=0',
    'o=- 7 1 IN IP4 192.0.2.9',
    's=-',
    'c=IN IP4 192.0.2.9',
    't=0 0',
    `m=audio 6000 ${protocol} 0`,
    ...crypto.map(line => `a=crypto:${line}`),
    '',
  ].join('\r\n')
}

/** The `m=` and `a=crypto` lines, keys left out. */
function outline(sdp: string): string[] {
  return sdp
    .split('\r\n')
    .filter(line => /^(?:m=|a=crypto)/.test(line))
    .map(line => line.replace(/inline:.*/, 'inline'))
}

function keysIn(sdp: string): string[] {
  return [...sdp.matchAll(/inline:(\S+)/g)].map(match => match[1] ?? '')
}

const LINE_80 = `1 AES_CM_128_HMAC_SHA1_80 inline:${inline(CM128, 1)}`
const LINE_32 = `2 AES_CM_128_HMAC_SHA1_32 inline:${inline(CM128, 2)}`

interface OfferRow {
  readonly name: string
  readonly crypto: CryptoCapability | undefined
  readonly offer: string
  /** Of the answer, or the field and the Warning code of the refusal. */
  readonly answer: readonly string[] | { readonly field: string; readonly code: number }
  readonly suite?: string
}

const offers: readonly OfferRow[] = [
  {
    name: 'off: crypto in RTP/AVP is passed over',
    crypto: undefined,
    offer: phone('RTP/AVP', LINE_80),
    answer: ['m=audio 4000 RTP/AVP 0'],
  },
  {
    name: 'off: RTP/SAVP is refused',
    crypto: undefined,
    offer: phone('RTP/SAVP', LINE_80),
    answer: { field: 'm', code: 302 },
  },
  {
    name: 'optional: RTP/SAVP is taken with its first suite, tag and name as offered',
    crypto: optional,
    offer: phone('RTP/SAVP', LINE_32, LINE_80),
    answer: ['m=audio 4000 RTP/SAVP 0', 'a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline'],
    suite: CM128_32.name,
  },
  {
    name: 'optional: RTP/SAVPF is taken',
    crypto: optional,
    offer: phone('RTP/SAVPF', LINE_80),
    answer: ['m=audio 4000 RTP/SAVPF 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline'],
    suite: CM128.name,
  },
  {
    name: 'optional: keys in RTP/AVP, as those do who would like to, are taken',
    crypto: optional,
    offer: phone('RTP/AVP', LINE_80),
    answer: ['m=audio 4000 RTP/AVP 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline'],
    suite: CM128.name,
  },
  {
    name: 'optional: plain RTP is taken',
    crypto: optional,
    offer: phone('RTP/AVP'),
    answer: ['m=audio 4000 RTP/AVP 0'],
  },
  {
    name: 'optional: unusable keys in RTP/AVP leave plain RTP',
    crypto: optional,
    offer: phone('RTP/AVP', `1 F8_128_HMAC_SHA1_80 inline:${inline(CM128, 1)}`),
    answer: ['m=audio 4000 RTP/AVP 0'],
  },
  {
    name: 'optional: RTP/SAVP without keys is refused',
    crypto: optional,
    offer: phone('RTP/SAVP'),
    answer: { field: 'crypto', code: 306 },
  },
  {
    name: 'optional: RTP/SAVP with suites we lack is refused',
    crypto: optional,
    offer: phone('RTP/SAVP', `1 AES_256_CM_HMAC_SHA1_80 inline:${inline(CM256, 1)}`),
    answer: { field: 'crypto', code: 306 },
  },
  {
    name: 'required: plain RTP is refused',
    crypto: required,
    offer: phone('RTP/AVP'),
    answer: { field: 'm', code: 302 },
  },
  {
    name: 'required: keys in RTP/AVP are taken, for they protect as well',
    crypto: required,
    offer: phone('RTP/AVP', LINE_80),
    answer: ['m=audio 4000 RTP/AVP 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline'],
    suite: CM128.name,
  },
  {
    name: 'required: keys of DTLS are not ours',
    crypto: required,
    offer: phone('UDP/TLS/RTP/SAVP'),
    answer: { field: 'm', code: 302 },
  },
  {
    name: 'a stream offered twice is taken with protection, whichever comes first',
    crypto: optional,
    offer: `${phone('RTP/AVP')}m=audio 6002 RTP/SAVP 0\r\na=crypto:${LINE_80}\r\n`,
    answer: ['m=audio 0 RTP/AVP 0', 'm=audio 4000 RTP/SAVP 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline'],
    suite: CM128.name,
  },
  {
    name: 'the suite is called in the answer what the offer called it',
    crypto: { mode: 'required', suites },
    offer: phone('RTP/SAVP', `9 AES_CM_256_HMAC_SHA1_80 inline:${inline(CM256, 1)}|2^31|1:4`),
    answer: ['m=audio 4000 RTP/SAVP 0', 'a=crypto:9 AES_CM_256_HMAC_SHA1_80 inline'],
    suite: CM256.name,
  },
]

for (const { name, crypto, offer, answer: expected, suite } of offers) {
  t.test(`an offer is answered (RFC 4568 §5.1.2): ${name}`, async t => {
    const us = negotiator(crypto)
    if ('field' in expected) {
      const refusal = refusalOf(() => us.answer(offer))
      t.match(refusal, { statusCode: 488, field: expected.field, warning: { code: expected.code } })
      return
    }
    const { answer, audio } = us.answer(offer)
    t.same(outline(writeSdp(answer)), expected)
    t.equal(audio.crypto?.suite, suite)
    if (audio.crypto === undefined) return
    t.notOk(offer.includes(keysIn(writeSdp(answer))[0] ?? ''), 'our key is our own')
    const theirs = Buffer.concat([audio.crypto.receive[0]!.key, audio.crypto.receive[0]!.salt])
    t.ok(offer.includes(theirs.toString('base64')))
    const ours = Buffer.concat([audio.crypto.send.key, audio.crypto.send.salt])
    t.same(keysIn(writeSdp(answer)), [ours.toString('base64')])
  })
}

interface AnswerRow {
  readonly name: string
  readonly crypto: CryptoCapability | undefined
  readonly answer: string
  readonly suite?: string
  readonly refused?: string
}

const answers: readonly AnswerRow[] = [
  { name: 'the first line', crypto: optional, answer: phone('RTP/SAVP', LINE_80), suite: CM128.name },
  { name: 'the second line', crypto: required, answer: phone('RTP/SAVP', LINE_32), suite: CM128_32.name },
  {
    name: 'with lifetime and MKI of its own',
    crypto: required,
    answer: phone('RTP/SAVP', `${LINE_80}|2^20|1:4`),
    suite: CM128.name,
  },
  { name: 'keys, but RTP/AVP', crypto: required, answer: phone('RTP/AVP', LINE_80), suite: CM128.name },
  { name: 'plain RTP where that is allowed', crypto: optional, answer: phone('RTP/AVP') },
  { name: 'plain RTP where it is not', crypto: required, answer: phone('RTP/AVP'), refused: 'crypto' },
  { name: 'RTP/SAVP without a key', crypto: optional, answer: phone('RTP/SAVP'), refused: 'crypto' },
  {
    name: 'two lines (RFC 4568 §5.1.2)',
    crypto: optional,
    answer: phone('RTP/SAVP', LINE_80, LINE_32),
    refused: 'crypto',
  },
  {
    name: 'a tag that was not offered',
    crypto: optional,
    answer: phone('RTP/SAVP', LINE_80.replace('1 ', '5 ')),
    refused: 'crypto',
  },
  {
    name: 'the tag of another suite',
    crypto: optional,
    answer: phone('RTP/SAVP', LINE_80.replace('1 ', '2 ')),
    refused: 'crypto',
  },
  {
    name: 'a suite that was not offered',
    crypto: optional,
    answer: phone('RTP/SAVP', `1 AES_256_CM_HMAC_SHA1_80 inline:${inline(CM256, 1)}`),
    refused: 'crypto',
  },
  {
    name: 'a key too short',
    crypto: optional,
    answer: phone('RTP/SAVP', '1 AES_CM_128_HMAC_SHA1_80 inline:AAAA'),
    refused: 'crypto',
  },
  {
    name: 'RTCP in the clear',
    crypto: optional,
    answer: phone('RTP/SAVP', `${LINE_80} UNENCRYPTED_SRTCP`),
    refused: 'crypto',
  },
  {
    name: 'keys to an offer of plain RTP',
    crypto: undefined,
    answer: phone('RTP/AVP', LINE_80),
    refused: 'crypto',
  },
  {
    name: 'RTP/SAVP to an offer of plain RTP',
    crypto: undefined,
    answer: phone('RTP/SAVP', LINE_80),
    refused: 'm',
  },
  {
    name: 'keys to an offer that fell back to plain RTP',
    crypto: { ...optional, offer: false },
    answer: phone('RTP/AVP', LINE_80),
    refused: 'crypto',
  },
]

for (const { name, crypto, answer, suite, refused } of answers) {
  t.test(`an answer is taken or not (RFC 4568 §5.1.3): ${name}`, async t => {
    const us = negotiator(crypto)
    const offer = writeSdp(us.offer())
    if (refused !== undefined) {
      t.match(
        refusalOf(() => us.accept(answer)),
        { statusCode: 488, field: refused },
      )
      t.equal(us.audio, undefined)
      return
    }
    const audio = us.accept(answer)
    t.equal(audio.crypto?.suite, suite)
    if (audio.crypto === undefined) return
    const ours = Buffer.concat([audio.crypto.send.key, audio.crypto.send.salt]).toString('base64')
    t.ok(offer.includes(`a=crypto:${audio.crypto.tag} ${suite} inline:${ours}`), 'the key of that line')
  })
}

t.test('an offer has a line for each suite, in our order, each with a key of its own', async t => {
  const offer = writeSdp(negotiator(optional).offer())
  t.same(outline(offer), [
    'm=audio 4000 RTP/SAVP 0 101',
    'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline',
    'a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline',
  ])
  t.equal(new Set(keysIn(offer)).size, 2)
  t.same(outline(writeSdp(negotiator({ ...optional, offer: false }).offer())), ['m=audio 4000 RTP/AVP 0 101'])
  t.same(outline(writeSdp(negotiator(undefined).offer())), ['m=audio 4000 RTP/AVP 0 101'])
})

/** One exchange; gives the two texts. */
function exchange(
  from: SdpNegotiator,
  to: SdpNegotiator,
  changes: Partial<LocalCapabilities> = {},
  rekey = false,
): { readonly offer: string; readonly answer: string } {
  const offer = writeSdp(from.offer(changes, { rekey }))
  const answer = writeSdp(to.answer(offer).answer)
  from.accept(answer)
  return { offer, answer }
}

function sendKey(of: SdpNegotiator): string {
  return Buffer.from(of.audio?.crypto?.send.key ?? []).toString('hex')
}

function receiveKey(of: SdpNegotiator): string {
  return Buffer.from(of.audio?.crypto?.receive[0]?.key ?? []).toString('hex')
}

t.test('hold, resume and refresh keep the keys, whoever offers (RFC 4568 §7.1.4)', async t => {
  const [a, b] = [negotiator(optional, 4000), negotiator(optional, 5000)]
  const first = exchange(a, b)
  const keys = [sendKey(a), sendKey(b)]
  t.equal(exchange(a, b).offer, first.offer, 'a refresh is the same offer')
  exchange(a, b, { direction: 'sendonly' })
  exchange(b, a, { direction: 'sendonly' })
  exchange(a, b, { direction: 'sendrecv' })
  exchange(b, a, { direction: 'sendrecv' })
  t.same([sendKey(a), sendKey(b)], keys)
  t.same([receiveKey(b), receiveKey(a)], keys)
})

t.test('new keys on request, with tags of their own; the peer changes its own with them', async t => {
  const [a, b] = [negotiator(optional, 4000), negotiator(optional, 5000)]
  const first = exchange(a, b)
  const keys = [sendKey(a), sendKey(b)]
  const again = exchange(a, b, {}, true)
  t.same(outline(again.offer).slice(1), [
    'a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline',
    'a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline',
  ])
  t.notOk(keysIn(again.offer).some(key => first.offer.includes(key)))
  t.not(sendKey(a), keys[0])
  t.not(sendKey(b), keys[1], 'a stream that begins anew has nothing of the old')
  t.same([receiveKey(b), receiveKey(a)], [sendKey(a), sendKey(b)])
})

t.test('an offer that failed leaves the keys as they were', async t => {
  const [a, b] = [negotiator(optional, 4000), negotiator(optional, 5000)]
  exchange(a, b)
  const keys = [sendKey(a), receiveKey(a)]
  a.offer({}, { rekey: true })
  a.rollback()
  t.same([sendKey(a), receiveKey(a)], keys)
  const offer = writeSdp(b.offer({}, { rekey: true }))
  a.answer(offer)
  t.not(sendKey(a), keys[0])
  a.rollback()
  t.same([sendKey(a), receiveKey(a)], keys, 'the answer, too')
})

t.test('each fork answers for itself: our key is that of the line it chose', async t => {
  const us = negotiator(optional)
  us.offer()
  const first = us.accept(phone('RTP/SAVP', LINE_80)).crypto
  const second = us.accept(phone('RTP/SAVP', LINE_32)).crypto
  t.same([first?.suite, second?.suite], [CM128.name, CM128_32.name])
  t.notSame(first?.send.key, second?.send.key)
})

t.test(
  'a stream that became plain is offered so from then on, and may be protected again by the peer',
  async t => {
    const us = negotiator(optional)
    us.answer(phone('RTP/AVP'))
    t.same(outline(writeSdp(us.offer())), ['m=audio 4000 RTP/AVP 0 101'])
    us.rollback()
    us.answer(phone('RTP/SAVP', LINE_80))
    t.equal(us.audio?.crypto?.suite, CM128.name)
    t.same(outline(writeSdp(us.offer())).slice(0, 2), [
      'm=audio 4000 RTP/SAVP 0 101',
      'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline',
    ])
  },
)

t.test('who answered an offer of RTP/SAVP with plain RTP is not offered RTP/SAVP again', async t => {
  const us = negotiator(optional)
  us.offer()
  us.accept(phone('RTP/AVP'))
  t.same(outline(writeSdp(us.offer())), ['m=audio 4000 RTP/AVP 0 101'])
})

function refusalOf(run: () => unknown): SdpError | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof SdpError) return error
    throw error
  }
  return undefined
}
