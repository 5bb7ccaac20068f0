import t from 'tap'
import type { Test } from 'tap'
import type { AudioCodec } from '../../../src/media/codec/codec.ts'
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
