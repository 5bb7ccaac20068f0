import t from 'tap'
import type { Test } from 'tap'
import type { AudioCodec } from '../../../src/media/codec/codec.ts'
import { passthroughCodec } from '../../../src/media/codec/passthrough.ts'
import { PCMA, PCMU } from '../../../src/media/codec/g711.ts'
import type { RtpFields } from '../../../src/media/rtp/packet.ts'
import { writeRtp } from '../../../src/media/rtp/packet.ts'
import { Pacer } from '../../../src/media/rtp/pacer.ts'
import { PortPool } from '../../../src/media/rtp/port-pool.ts'
import { MediaBridge } from '../../../src/media/session/media-bridge.ts'
import { MediaSession } from '../../../src/media/session/media-session.ts'
import type { DtmfDigit, MediaSessionOptions } from '../../../src/media/session/types.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { listen, sequenceBreaks, timestampSteps } from './wire.ts'
import type { WirePacket } from './wire.ts'

/** A peer that writes its own packets: what it is sent stays to be looked at. */
interface Peer {
  readonly address: string
  readonly session: MediaSession
  readonly send: (fields: Partial<RtpFields>) => void
  readonly got: WirePacket[]
}

interface Stage {
  readonly clock: VirtualClock
  readonly left: Peer
  readonly right: Peer
  readonly digits: DtmfDigit[]
  readonly bridge: (tap?: boolean) => MediaBridge
}

const OUR = ['10.0.0.1', '10.0.0.3'] as const
const THEIR = ['10.0.0.2', '10.0.0.4'] as const

/** Two sessions of ours, each with a raw peer that answers with the codecs given as `rtpmap` lines. */
async function stage(
  t: Test,
  sides: readonly [readonly AudioCodec[], readonly AudioCodec[]],
  answers: readonly [string, string],
  options: Partial<MediaSessionOptions> = {},
): Promise<Stage> {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const network = new SimulatedNetwork({ clock, random })
  const pacer = new Pacer({ clock })
  const digits: DtmfDigit[] = []
  const peers = await Promise.all(
    OUR.map(async (address, i): Promise<Peer> => {
      const host = network.host(address)
      const runtime = { clock, network: host, random }
      const ports = new PortPool({ network: host, clock, random, host: address })
      const session = await MediaSession.open({
        runtime,
        ports,
        pacer,
        rtcp: false,
        ...options,
        codecs: sides[i]!,
      })
      const their = THEIR[i]!
      const socket = await network.host(their).bindUdp({ host: their, port: 4000 })
      session.createOffer()
      session.acceptAnswer(answer(their, answers[i]!))
      const got = listen(network, address)
      return {
        address: their,
        session,
        got,
        send: fields => {
          const packet = new Uint8Array(1500)
          const length = writeRtp(packet, {
            payloadType: 0,
            sequence: 1,
            timestamp: 0,
            ssrc: 7 + i,
            payload: new Uint8Array(160),
            ...fields,
          })
          socket.send(packet.subarray(0, length), session.local.port, address)
        },
      }
    }),
  )
  const [left, right] = peers as [Peer, Peer]
  t.teardown(() => Promise.all([left.session.close(), right.session.close()]))
  return {
    clock,
    left,
    right,
    digits,
    bridge: (tap = false) =>
      new MediaBridge(left.session, right.session, { tap, onDigit: (_, digit) => digits.push(digit) }),
  }
}

/** `lines`: payload types and their `rtpmap`/`fmtp` attributes, as `0 101|a=rtpmap:...`. */
function answer(address: string, lines: string): string {
  const [formats = '', ...attributes] = lines.split('|')
  return [
    'v=0',
    `o=- 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio 4000 RTP/AVP ${formats}`,
    ...attributes,
    '',
  ].join('\r\n')
}

const EVENTS = 'a=rtpmap:101 telephone-event/8000'

function payload(seed: number, length = 160): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 0xff)
}

const since = (peer: Peer, from: number): WirePacket[] => peer.got.slice(from)

t.test('the same codec: payloads go through octet for octet, in the turn they came in', async t => {
  const { clock, left, right, bridge } = await stage(
    t,
    [
      [PCMU, PCMA],
      [PCMA, PCMU],
    ],
    [`0 101|${EVENTS}`, `0 101|${EVENTS}`],
  )
  await clock.advance(100)
  const before = right.got.length
  bridge()
  const sent: Uint8Array[] = []
  for (let i = 0; i < 20; i += 1) {
    const octets = payload(i)
    sent.push(octets)
    left.send({ sequence: 65_530 + i, timestamp: 1000 + i * 160, payload: octets })
    await clock.advance(20)
  }
  const packets = since(right, before)
  t.equal(packets.length, 20, 'nothing else is sent')
  t.strictSame(
    packets.map(({ rtp }) => Uint8Array.from(rtp.payload)),
    sent,
  )
  t.equal(sequenceBreaks(right.got), 0, 'one stream, before and after')
  t.ok(timestampSteps(right.got).every(step => step === 160))
  t.equal(new Set(right.got.map(({ rtp }) => rtp.ssrc)).size, 1)
  t.strictSame(
    packets.map(({ rtp }) => rtp.marker),
    Array.from({ length: 20 }, (_, i) => i === 0),
    'another is heard from here on',
  )
})

const G729 = passthroughCodec('passthrough:G729')!

t.test(
  'loss, reordering and repetition: the far end sees gaps where they were, and nothing twice',
  async t => {
    const { clock, left, right, bridge } = await stage(
      t,
      [[PCMU], [PCMU]],
      [`0 101|${EVENTS}`, `0 101|${EVENTS}`],
    )
    await clock.advance(100)
    bridge()
    const before = right.got.length
    // Number 2 is lost, 4 and 5 are swapped, 6 comes twice, 1 comes far too early to be told apart from the beginning.
    for (const number of [10, 11, 13, 15, 14, 16, 16, 9, 17]) {
      left.send({ sequence: number, timestamp: number * 160, payload: payload(number) })
      await clock.advance(20)
    }
    const packets = since(right, before)
    const base = packets[0]!.rtp
    t.strictSame(
      packets.map(({ rtp }) => (rtp.sequence - base.sequence + 0x1_0000) & 0xffff),
      [0, 1, 3, 5, 4, 6, 7],
    )
    t.strictSame(
      packets.map(({ rtp }) => ((rtp.timestamp - base.timestamp) >>> 0) / 160),
      [0, 1, 3, 5, 4, 6, 7],
    )
    t.strictSame(
      packets.map(({ rtp }) => Uint8Array.from(rtp.payload)),
      [10, 11, 13, 15, 14, 16, 17].map(number => payload(number)),
    )
  },
)

t.test('G.729 goes through both ways, comfort noise frames and telephone events with it', async t => {
  const { clock, left, right, bridge, digits } = await stage(
    t,
    [
      [G729, PCMU],
      [G729, PCMU],
    ],
    [
      '18 97|a=rtpmap:18 G729/8000|a=rtpmap:97 telephone-event/8000',
      '18 98|a=rtpmap:18 G729/8000|a=rtpmap:98 telephone-event/8000',
    ],
  )
  t.ok(left.session.passthrough, 'nobody here decodes it')
  await clock.advance(200)
  t.equal(right.got.length, 0, 'nothing of our own is sent with it')
  const media = bridge()
  t.strictSame(media.modes, ['relayed', 'relayed'])
  const heard: Uint8Array[] = []
  for (const [i, length] of [20, 20, 12, 2, 20].entries()) {
    const octets = payload(i, length)
    heard.push(octets)
    left.send({ sequence: i, timestamp: i * 160, payloadType: 18, payload: octets })
    right.send({ sequence: 500 + i, timestamp: 9000 + i * 160, payloadType: 18, payload: octets })
    await clock.advance(20)
  }
  for (const peer of [left, right]) {
    t.strictSame(
      peer.got.map(({ rtp }) => Uint8Array.from(rtp.payload)),
      heard,
    )
    t.ok(peer.got.every(({ rtp }) => rtp.payloadType === 18))
  }
  const started = right.got.length
  const type = left.session.negotiated!.telephoneEvent!.receivePayloadType
  for (let i = 0; i < 5; i += 1) {
    const event = Uint8Array.of(5, i > 2 ? 0x8a : 0x0a, 0, Math.min(i + 1, 3) * 160 > 255 ? 0xff : 160)
    left.send({ sequence: 5 + i, timestamp: 800, payloadType: type, payload: event, marker: i === 0 })
    await clock.advance(20)
  }
  const events = since(right, started).map(({ rtp }) => rtp)
  t.equal(events.length, 5)
  t.ok(events.every(rtp => rtp.payloadType === 98))
  t.equal(new Set(events.map(rtp => rtp.timestamp)).size, 1, 'all of the beginning of the event')
  t.equal((events[0]!.timestamp - right.got[started - 1]!.rtp.timestamp) >>> 0, 160)
  t.strictSame(
    events.map(rtp => rtp.marker),
    [true, false, false, false, false],
  )
  t.strictSame(digits, [], 'and by no other road')
  const [digit] = await read(clock, left.session, 1)
  t.equal(digit?.digit, '5', 'we hear it as well')
})

t.test('a party that takes no telephone events gets digits by the other roads', async t => {
  const { clock, left, bridge, digits } = await stage(t, [[PCMU], [PCMU]], [`0 101|${EVENTS}`, '0'])
  bridge()
  for (let i = 0; i < 4; i += 1) {
    const event = Uint8Array.of(7, i > 0 ? 0x8a : 0x0a, 2, 0x80)
    left.send({ sequence: i, timestamp: 800, payloadType: 101, payload: event, marker: i === 0 })
    await clock.advance(20)
  }
  t.match(digits, [{ digit: '7', durationMs: 80 }])
})

t.test('different codecs: heard all the same', async t => {
  const { clock, left, right, bridge } = await stage(
    t,
    [[PCMA], [PCMU]],
    [`8 101|${EVENTS}`, `0 101|${EVENTS}`],
  )
  const media = bridge()
  t.strictSame(media.modes, ['transcoded', 'transcoded'])
  const encoder = PCMA.encoder()
  for (let i = 0; i < 50; i += 1) {
    const octets = new Uint8Array(160)
    encoder.encode(sine(440, 8000, 160, i * 160), octets)
    left.send({ sequence: i, timestamp: i * 160, payloadType: 8, payload: octets })
    await clock.advance(20)
  }
  t.ok(right.got.every(({ rtp }) => rtp.payloadType === 0))
  t.equal(sequenceBreaks(right.got), 0)
  t.ok(timestampSteps(right.got).every(step => step === 160))
  const pcm = decoded(right.got.slice(-25))
  t.ok(power(pcm, 440) > 0.9 * total(pcm), 'nearly all of it is the tone')
})

t.test('after the bridge our own audio goes on where the relay left off', async t => {
  const { clock, left, right, bridge } = await stage(
    t,
    [[PCMU], [PCMU]],
    [`0 101|${EVENTS}`, `0 101|${EVENTS}`],
  )
  await clock.advance(200)
  const media = bridge()
  // A peer whose clock is its own, whose packets are 30 ms, and that is cut off at an odd moment.
  for (let i = 0; i < 20; i += 1) {
    left.send({ sequence: 100 + i, timestamp: 77 + i * 240, payload: payload(i, 240) })
    await clock.advance(29)
  }
  media.close()
  media.close()
  const ended = right.got.length
  await clock.advance(200)
  t.equal(sequenceBreaks(right.got), 0)
  const steps = timestampSteps(right.got)
  t.equal(steps[ended - 1], 240, 'behind the last packet')
  t.ok(steps.slice(ended).every(step => step === 160))
  const gaps = right.got.slice(ended).map(({ atMs }, i, all) => (i === 0 ? 20 : atMs - all[i - 1]!.atMs))
  t.ok(
    gaps.every(gap => gap === 20),
    'no burst',
  )
  t.ok(right.got[ended]!.rtp.marker)
})

t.test('digits of ours amid a bridge take the place of what comes, in one numbering', async t => {
  const { clock, left, right, bridge } = await stage(
    t,
    [[PCMU], [PCMU]],
    [`0 101|${EVENTS}`, `0 101|${EVENTS}`],
  )
  bridge()
  let sent: Promise<void> | undefined
  for (let i = 0; i < 40; i += 1) {
    if (i === 10) sent = right.session.sendDtmf('1', { durationMs: 100, gapMs: 40 })
    left.send({ sequence: i, timestamp: i * 160, payload: payload(i) })
    await clock.advance(20)
  }
  await sent
  t.equal(sequenceBreaks(right.got), 0)
  const events = right.got.filter(({ rtp }) => rtp.payloadType === 101)
  t.ok(events.length >= 5)
  const audio = right.got.filter(({ rtp }) => rtp.payloadType === 0)
  t.ok(
    timestampSteps(audio).every(step => step >= 160 && step <= 160 * 12),
    'time goes on',
  )
  t.strictSame(Uint8Array.from(right.got.at(-1)!.rtp.payload), payload(39))
})

t.test('a recording of a relayed call has both sides; input stands still unless it is tapped', async t => {
  for (const tap of [false, true]) {
    const { clock, left, right, bridge } = await stage(
      t,
      [[PCMU], [PCMU]],
      [`0 101|${EVENTS}`, `0 101|${EVENTS}`],
    )
    bridge(tap)
    const frames: number[] = []
    void (async () => {
      for await (const { samples } of left.session.input) frames.push(samples.length)
    })()
    const talk = async (from: number, count: number): Promise<void> => {
      for (let i = from; i < from + count; i += 1) {
        left.send({ sequence: i, timestamp: i * 160, payload: ulaw(sine(440, 8000, 160, i * 160)) })
        right.send({ sequence: i, timestamp: i * 160, payload: ulaw(sine(1000, 8000, 160, i * 160)) })
        await clock.advance(20)
      }
    }
    await talk(0, 25)
    const sides: Int16Array[] = []
    const chunks: Uint8Array[] = []
    const recording = await left.session.record({
      write: (bytes: Uint8Array) => {
        chunks.push(bytes.slice())
        return Promise.resolve()
      },
      close: () => Promise.resolve(),
    })
    await talk(25, 75)
    await recording.stop()
    const file = Buffer.concat(chunks)
    const samples = new Int16Array(Uint8Array.from(file.subarray(44)).buffer, 0, (file.length - 44) >> 1)
    for (const side of [0, 1]) {
      sides.push(samples.filter((_, i) => i % 2 === side).slice(-8000))
    }
    t.ok(power(sides[0]!, 440) > 0.6 * total(sides[0]!), 'left: the party of the call')
    t.ok(power(sides[1]!, 1000) > 0.6 * total(sides[1]!), 'right: what it hears')
    t.equal(frames.length > 50, tap)
    t.equal(right.got.filter(({ rtp }) => rtp.payloadLength === 160).length, 100, 'untouched meanwhile')
  }
})

t.test('hold and renegotiation: what was held hears its own audio, then the bridge goes on', async t => {
  const { clock, left, right, bridge } = await stage(
    t,
    [
      [PCMU, PCMA],
      [PCMU, PCMA],
    ],
    [`0 8 101|${EVENTS}`, `0 8 101|${EVENTS}`],
  )
  const media = bridge()
  let number = 0
  const talk = async (count: number, payloadType: number): Promise<void> => {
    for (let i = 0; i < count; i += 1, number += 1) {
      left.send({ sequence: number, timestamp: number * 160, payloadType, payload: payload(number) })
      await clock.advance(20)
    }
  }
  await talk(10, 0)
  left.session.createOffer({ hold: true })
  left.session.acceptAnswer(answer(left.address, `0 8 101|${EVENTS}|a=recvonly`))
  t.strictSame(media.modes, ['own', 'own'])
  void right.session.output.write(new Int16Array(1600).fill(4000))
  const held = right.got.length
  await clock.advance(200)
  t.ok(
    decoded(since(right, held)).some(sample => sample > 3000),
    'what is written to its output',
  )
  left.session.createOffer({ hold: false })
  left.session.acceptAnswer(answer(left.address, `0 8 101|${EVENTS}`))
  t.strictSame(media.modes, ['relayed', 'relayed'])
  await talk(10, 0)
  left.session.createOffer({ codecs: ['PCMA'] })
  left.session.acceptAnswer(answer(left.address, `8 101|${EVENTS}`))
  t.equal(media.modes[0], 'relayed', 'the other agreed to PCMA too')
  await talk(10, 8)
  t.equal(right.got.at(-1)!.rtp.payloadType, 8)
  t.strictSame(Uint8Array.from(right.got.at(-1)!.rtp.payload), payload(number - 1))
  right.session.createOffer({ codecs: ['PCMU'] })
  right.session.acceptAnswer(answer(right.address, `0 101|${EVENTS}`))
  t.strictSame(media.modes, ['transcoded', 'transcoded'])
  await talk(10, 8)
  t.equal(right.got.at(-1)!.rtp.payloadType, 0)
  t.equal(sequenceBreaks(right.got), 0)
  t.ok(timestampSteps(right.got).every(step => step >= 160 && step <= 320))
})

t.test('a session that is closed ends the bridge, and can be bridged no more', async t => {
  const { clock, left, right, bridge } = await stage(t, [[PCMU], [PCMU]], ['0', '0'])
  const media = bridge()
  t.throws(() => bridge(), { code: 'SIP_STATE', message: /bridged already/ })
  await left.session.close()
  t.ok(media.closed)
  const before = right.got.length
  await clock.advance(100)
  t.equal(since(right, before).length, 5, 'the other goes on with its own')
  t.throws(() => bridge(), { code: 'SIP_STATE', message: /without audio/ })
})

async function read(clock: VirtualClock, session: MediaSession, count: number): Promise<DtmfDigit[]> {
  const found: DtmfDigit[] = []
  void (async () => {
    for await (const digit of session.dtmf()) found.push(digit)
  })()
  await clock.advance(1000)
  return found.slice(0, count)
}

function sine(frequency: number, rate: number, count: number, from: number): Int16Array {
  return Int16Array.from({ length: count }, (_, i) =>
    Math.round(8000 * Math.sin((2 * Math.PI * frequency * (from + i)) / rate)),
  )
}

function ulaw(pcm: Int16Array): Uint8Array {
  const out = new Uint8Array(pcm.length)
  PCMU.encoder().encode(pcm, out)
  return out
}

function decoded(packets: readonly WirePacket[]): Int16Array {
  const decoder = PCMU.decoder()
  const parts = packets.map(({ rtp }) => {
    const out = new Int16Array(rtp.payloadLength)
    decoder.decode(rtp.payload, out)
    return out
  })
  return Int16Array.from(parts.flatMap(part => Array.from(part)))
}

/** Energy of one frequency at 8 kHz. */
function power(pcm: Int16Array, frequency: number): number {
  let [re, im] = [0, 0]
  for (const [i, sample] of pcm.entries()) {
    re += sample * Math.cos((2 * Math.PI * frequency * i) / 8000)
    im += sample * Math.sin((2 * Math.PI * frequency * i) / 8000)
  }
  return (2 * (re * re + im * im)) / pcm.length
}

function total(pcm: Int16Array): number {
  return pcm.reduce((sum, sample) => sum + sample * sample, 0)
}
