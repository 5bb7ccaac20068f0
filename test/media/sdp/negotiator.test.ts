import t from 'tap'
import type { LocalCapabilities } from '../../../src/media/sdp/capabilities.ts'
import { SdpNegotiator } from '../../../src/media/sdp/negotiator.ts'
import { writeSdp } from '../../../src/media/sdp/write.ts'
import { numbers } from './mutated.ts'

const PCMU = { name: 'PCMU', clockRate: 8000 }
const PCMA = { name: 'PCMA', clockRate: 8000 }
const OPUS = { name: 'opus', clockRate: 48_000, channels: 2 }

function negotiator(port: number, changes: Partial<LocalCapabilities> = {}): SdpNegotiator {
  const below = numbers(port)
  return new SdpNegotiator({
    capabilities: { codecs: [PCMU, PCMA], address: '192.0.2.1', port, ...changes },
    random: { bytes: length => new Uint8Array(length), uint32: () => below(2 ** 32) },
  })
}

/** One exchange through text, offered by `a`. */
function exchange(a: SdpNegotiator, b: SdpNegotiator, changes: Partial<LocalCapabilities> = {}): void {
  a.accept(writeSdp(b.answer(writeSdp(a.offer(changes))).answer))
}

function version(description: { origin: { version: string } } | undefined): number {
  return Number(description?.origin.version)
}

function phone(address: string, version: number): string {
  return `v=0\r\no=- 7 ${version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n`
}

function reply(port: number, format: number): string {
  return `v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.9\r\nm=audio ${port} RTP/AVP ${format}\r\n`
}

t.test('first offer and answer: both hold the same codec, each its own side', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000, { codecs: [PCMA] })]
  t.equal(a.audio, undefined)
  exchange(a, b)
  t.match(a.audio, { codec: { name: 'PCMA' }, local: { port: 4000 }, remote: { port: 5000 } })
  t.match(b.audio, { codec: { name: 'PCMA' }, local: { port: 5000 }, remote: { port: 4000 } })
  t.equal(a.offerPending, false)
})

t.test(
  'the session id is below 2^63, stays, and the version grows by one with each change (RFC 3264 §5, §8)',
  async t => {
    const [a, b] = [negotiator(4000), negotiator(5000)]
    exchange(a, b)
    const first = a.local!.origin
    t.ok(BigInt(first.sessionId) < 2n ** 63n)
    t.equal(first.version, '1')
    exchange(a, b)
    t.equal(version(a.local), 1, 'nothing changed: a session refresh')
    exchange(a, b, { direction: 'sendonly' })
    t.equal(version(a.local), 2)
    exchange(a, b, { direction: 'sendrecv' })
    t.equal(version(a.local), 3)
    t.equal(a.local!.origin.sessionId, first.sessionId)
    t.equal(version(b.local), 3, 'the answers changed as often')
  },
)

t.test('hold and resume by both sides, in every order, ends with both talking', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000)]
  exchange(a, b)
  exchange(a, b, { direction: 'sendonly' })
  t.match(a.audio, { direction: 'sendonly', localHold: true, remoteHold: false })
  t.match(b.audio, { direction: 'recvonly', localHold: false, remoteHold: true })
  exchange(b, a, { direction: 'sendonly' })
  t.match(a.audio, { direction: 'inactive', localHold: true, remoteHold: true })
  t.match(b.audio, { direction: 'inactive', localHold: true })
  exchange(a, b, { direction: 'sendrecv' })
  t.match(a.audio, { direction: 'recvonly', localHold: false, remoteHold: true }, 'b still holds')
  t.match(b.audio, { direction: 'sendonly', localHold: true })
  exchange(b, a, { direction: 'sendrecv' })
  t.match(a.audio, { direction: 'sendrecv', held: false })
  t.match(b.audio, { direction: 'sendrecv', held: false })
})

t.test('a hold with c=0.0.0.0 and its resume, as phones of RFC 2543 do it (RFC 3264 §8.4)', async t => {
  const b = negotiator(5000)
  b.answer(phone('192.0.2.9', 1))
  const held = b.answer(phone('0.0.0.0', 2))
  t.match(held.audio, { remote: undefined, held: true, direction: 'recvonly' })
  t.equal(held.answer.media[0]!.direction, 'recvonly')
  const back = b.answer(phone('192.0.2.9', 3))
  t.match(back.audio, { remote: { address: '192.0.2.9', port: 6000 }, held: false, direction: 'sendrecv' })
})

t.test('late offer: the callee offers, the caller answers in the ACK (RFC 3261 §13.2.1)', async t => {
  const [caller, callee] = [negotiator(4000, { codecs: [PCMA, PCMU] }), negotiator(5000)]
  exchange(callee, caller)
  t.equal(callee.audio?.codec.name, 'PCMU')
  t.equal(caller.audio?.codec.name, 'PCMU')
})

t.test('the peer changes codec and port; we follow', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000)]
  exchange(a, b)
  exchange(a, b, { codecs: [PCMA], port: 4100 })
  t.match(b.audio, { codec: { name: 'PCMA' }, remote: { port: 4100 } })
})

t.test(
  'numbers stay with their codecs through the session, whoever gave them out (RFC 3264 §8.3.2)',
  async t => {
    const peer = negotiator(4000, { codecs: [{ ...OPUS, payloadType: 120 }, PCMU] })
    const ours = negotiator(5000, { codecs: [OPUS, PCMU] })
    exchange(peer, ours)
    t.equal(ours.audio?.codec.sendPayloadType, 120)
    const again = ours.offer({ codecs: [{ name: 'speex', clockRate: 16_000, payloadType: 120 }, PCMU, OPUS] })
    const number = (name: string): number | undefined =>
      again.media[0]!.payloads.find(payload => payload.name === name)?.payloadType
    t.equal(number('opus'), 120)
    t.not(number('speex'), 120)
    t.equal(
      again.media[0]!.formats[0],
      String(number('speex')),
      'codecs that are named anew come in their order',
    )
    ours.rollback()
    t.equal(ours.offer().media[0]!.formats[0], '120', 'else the codec in use comes first')
  },
)

t.test('lines that were refused keep their places in our next offer (RFC 3264 §8)', async t => {
  const ours = negotiator(5000)
  ours.answer(
    'v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.9\r\nm=video 6002 RTP/AVP 96\r\nm=audio 6000 RTP/AVPF 8\r\nm=image 6004 udptl t38\r\n',
  )
  const text = writeSdp(ours.offer())
  t.same(
    text.split('\r\n').filter(line => line.startsWith('m=')),
    ['m=video 0 RTP/AVP 96', 'm=audio 5000 RTP/AVPF 8 0 101', 'm=image 0 udptl t38'],
  )
})

t.test('a re-offer that fails leaves everything as it was (RFC 3261 §14.1)', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000)]
  exchange(a, b)
  const { audio, local, remote } = a
  a.offer({ direction: 'sendonly', port: 4444 })
  t.equal(a.offerPending, true)
  t.equal(a.audio, audio, 'and nothing has changed before the answer, either')
  a.rollback()
  a.rollback()
  t.equal(a.offerPending, false)
  t.same([a.audio, a.local, a.remote], [audio, local, remote])
  t.equal(a.capabilities.direction, undefined)
  t.equal(version(a.offer()), 3, 'a version that was seen is not given out again for another description')
})

t.test('an answered offer whose response failed is taken back too', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000)]
  exchange(a, b)
  const before = b.audio
  b.answer(a.offer({ direction: 'inactive' }))
  t.equal(b.audio?.held, true)
  b.rollback()
  t.equal(b.audio, before)
})

t.test('an offer that cannot be answered changes nothing', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000)]
  exchange(a, b)
  const before = b.audio
  t.throws(() => b.answer('v=0\r\nm=audio 5000 RTP/AVP 18\r\n'), { name: 'SdpError', statusCode: 488 })
  t.throws(() => b.answer('rubbish'), { name: 'SdpError', statusCode: 400 })
  t.equal(b.audio, before)
  t.equal(version(b.offer()), 1)
})

t.test('a preview in a provisional response, then the answer proper (RFC 6337 §3.1.1)', async t => {
  const a = negotiator(4000)
  a.offer()
  t.match(a.accept(reply(6000, 0)), { remote: { port: 6000 }, sendPayloadType: 0 })
  t.match(a.accept(reply(7000, 8)), { remote: { port: 7000 }, sendPayloadType: 8 })
  t.equal(a.audio?.remote?.port, 7000)
})

t.test('one exchange at a time (RFC 3264 §4)', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000)]
  t.throws(() => a.accept('v=0'), { code: 'SIP_STATE' })
  const offer = a.offer()
  t.throws(() => a.offer(), { code: 'SIP_STATE' })
  t.throws(() => a.answer(b.offer()), { code: 'SIP_STATE' }, 'glare')
  b.rollback()
  a.accept(b.answer(offer).answer)
  t.equal(a.audio?.codec.name, 'PCMU')
})

t.test('a bad answer leaves the offer pending and what was agreed in force', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000)]
  exchange(a, b)
  const before = a.audio
  a.offer({ direction: 'sendonly' })
  t.throws(() => a.accept('v=0\r\nm=audio 0 RTP/AVP 0\r\n'), { name: 'SdpError', statusCode: 488 })
  t.equal(a.audio, before)
  t.equal(a.offerPending, true)
})

t.test('a long session of random exchanges: both sides always agree', async t => {
  const below = numbers(6337)
  const [a, b] = [negotiator(4000), negotiator(5000, { codecs: [PCMA, PCMU] })]
  exchange(a, b)
  const directions = ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const
  for (let i = 0; i < 2000; i += 1) {
    const [from, to] = below(2) === 0 ? [a, b] : [b, a]
    const changes = {
      direction: directions[below(4)]!,
      port: 4000 + 2 * below(20),
      codecs: [[PCMU, PCMA], [PCMA], [PCMU, PCMA, OPUS]][below(3)]!,
    }
    if (below(4) === 0) {
      from.offer(changes)
      from.rollback()
      continue
    }
    const offer = from.offer(changes)
    try {
      from.accept(to.answer(writeSdp(offer)).answer)
    } catch (error) {
      t.equal((error as { statusCode?: number }).statusCode, 488)
      from.rollback()
    }
    const [x, y] = [a.audio!, b.audio!]
    if (
      x.codec.name !== y.codec.name ||
      x.sendPayloadType !== y.codec.receivePayloadType ||
      x.remote?.port !== y.local.port ||
      y.remote?.port !== x.local.port ||
      (x.direction === 'sendrecv') !== (y.direction === 'sendrecv')
    )
      t.fail(`exchange ${i}`)
  }
  t.pass()
})

type Step = 'a holds' | 'b holds' | 'a resumes' | 'b resumes' | 'a refreshes' | 'b refreshes'

/** What a hears and says in the end, as its direction, and b. Each side's wish is its own: only it can take its hold off. */
const holds: readonly { steps: readonly Step[]; a: string; b: string; heldBy: string }[] = [
  { steps: ['a holds'], a: 'sendonly', b: 'recvonly', heldBy: 'a' },
  { steps: ['a holds', 'a resumes'], a: 'sendrecv', b: 'sendrecv', heldBy: '' },
  { steps: ['a holds', 'b holds'], a: 'inactive', b: 'inactive', heldBy: 'ab' },
  { steps: ['a holds', 'b holds', 'a resumes'], a: 'recvonly', b: 'sendonly', heldBy: 'b' },
  { steps: ['a holds', 'b holds', 'b resumes'], a: 'sendonly', b: 'recvonly', heldBy: 'a' },
  { steps: ['b holds', 'a holds', 'a resumes'], a: 'recvonly', b: 'sendonly', heldBy: 'b' },
  { steps: ['a holds', 'b holds', 'a resumes', 'b resumes'], a: 'sendrecv', b: 'sendrecv', heldBy: '' },
  { steps: ['a holds', 'b holds', 'b resumes', 'a resumes'], a: 'sendrecv', b: 'sendrecv', heldBy: '' },
  { steps: ['a holds', 'b holds', 'a resumes', 'a holds'], a: 'inactive', b: 'inactive', heldBy: 'ab' },
  { steps: ['a holds', 'b refreshes'], a: 'sendonly', b: 'recvonly', heldBy: 'a' },
  { steps: ['a holds', 'a refreshes'], a: 'sendonly', b: 'recvonly', heldBy: 'a' },
  { steps: ['a holds', 'b holds', 'b refreshes'], a: 'inactive', b: 'inactive', heldBy: 'ab' },
  { steps: ['a holds', 'b holds', 'a refreshes', 'a resumes'], a: 'recvonly', b: 'sendonly', heldBy: 'b' },
  { steps: ['a holds', 'b holds', 'a resumes', 'b refreshes'], a: 'recvonly', b: 'sendonly', heldBy: 'b' },
  { steps: ['a holds', 'a holds', 'a resumes'], a: 'sendrecv', b: 'sendrecv', heldBy: '' },
]

for (const { steps, a: atA, b: atB, heldBy } of holds) {
  t.test(`${steps.join(', ')}: held by ${heldBy || 'nobody'} (RFC 3264 §6.1, §8.4)`, async t => {
    const [a, b] = [negotiator(4000), negotiator(5000)]
    exchange(a, b)
    for (const step of steps) {
      const [from, to] = step.startsWith('a') ? [a, b] : [b, a]
      if (step.endsWith('refreshes')) exchange(from, to)
      else exchange(from, to, { direction: step.endsWith('holds') ? 'sendonly' : 'sendrecv' })
    }
    const [holdsA, holdsB] = [heldBy.includes('a'), heldBy.includes('b')]
    t.match(a.audio, { direction: atA, localHold: holdsA, remoteHold: holdsB })
    t.match(b.audio, { direction: atB, localHold: holdsB, remoteHold: holdsA })
  })
}

t.test('holding a stream that the peer holds offers inactive (RFC 3264 §8.4)', async t => {
  const [a, b] = [negotiator(4000), negotiator(5000)]
  exchange(a, b)
  exchange(a, b, { direction: 'sendonly' })
  t.equal(b.offer({ direction: 'sendonly' }).media[0]!.direction, 'inactive')
  b.rollback()
  t.equal(b.offer().media[0]!.direction, 'sendrecv', 'a hold that failed is forgotten')
})
