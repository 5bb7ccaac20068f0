import t from 'tap'
import type { Test } from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { ToneGenerator } from '../../../src/media/audio/tones.ts'
import { PCMU } from '../../../src/media/codec/g711.ts'
import { RTP_HEADER_LENGTH, writeRtpHeader } from '../../../src/media/rtp/packet.ts'
import { mediaEventChannel } from '../../../src/media/session/diagnostics.ts'
import type { MediaEvent, MediaSessionOptions } from '../../../src/media/session/types.ts'
import type { UdpSocket } from '../../../src/runtime/runtime.ts'
import { Pair } from './pair.ts'

/** The agent, its peer and an attacker, each at an address of its own; the peer says 1000 Hz, the attacker 1800. */
const agentHost = '10.0.0.2'
const attackerHost = '192.0.2.66'

/** Whoever sends RTP by hand. */
class Talker {
  ssrc: number
  sequence: number
  timestamp: number
  /** RTP that came here, with its payload. */
  received = 0
  #socket: UdpSocket
  readonly #pair: Pair
  readonly #tone: ToneGenerator

  private constructor(pair: Pair, socket: UdpSocket, hz: number, ssrc: number) {
    this.#pair = pair
    this.#socket = socket
    this.#tone = new ToneGenerator({ sampleRate: 8000, hz, levelDbfs: -12 })
    this.ssrc = ssrc
    this.sequence = ssrc & 0xffff
    this.timestamp = ssrc
    this.#listen()
  }

  static async open(pair: Pair, address: string, port: number, hz: number, ssrc: number): Promise<Talker> {
    return new Talker(pair, await pair.network.host(address).bindUdp({ host: address, port }), hz, ssrc)
  }

  /** One packet of 20 ms of the tone, in order behind the last. */
  say(): void {
    const bytes = new Uint8Array(RTP_HEADER_LENGTH + 160)
    writeRtpHeader(bytes, 0, false, this.sequence, this.timestamp, this.ssrc)
    PCMU.encoder().encode(this.#tone.render(new Int16Array(160)), bytes.subarray(RTP_HEADER_LENGTH))
    this.#socket.send(bytes, this.#pair.b.local.port, agentHost)
    this.skip()
  }

  /** 20 ms pass on the clock of the stream; the packet is lost. */
  skip(): void {
    this.sequence = (this.sequence + 1) & 0xffff
    this.timestamp = (this.timestamp + 160) >>> 0
  }

  /** A NAT on the way, or another network: packets come from there now. */
  async moveTo(address: string, port: number): Promise<void> {
    this.#socket.onMessage = undefined
    this.#socket = await this.#pair.network.host(address).bindUdp({ host: address, port })
    this.#listen()
  }

  #listen(): void {
    this.received = 0
    this.#socket.onMessage = () => {
      this.received += 1
    }
  }
}

interface Scene {
  readonly pair: Pair
  readonly peer: Talker
  readonly attacker: Talker
  readonly strangers: MediaEvent[]
  /** Level of a tone in what the agent heard, dBFS. */
  readonly heard: (hz: number, fromMs: number, toMs: number) => number
  /** For so long, each in his rhythm: the peer every 20 ms, the attacker every 2 ms. */
  readonly pass: (
    ms: number,
    roles: { readonly peer?: boolean; readonly attack?: (attacker: Talker) => void },
  ) => Promise<void>
}

/** The peer's SDP names `10.0.0.9:9000`; it sends from `from`. */
async function scene(
  t: Test,
  from: readonly [address: string, port: number] = ['10.0.0.9', 9000],
  options: Partial<MediaSessionOptions> = {},
): Promise<Scene> {
  const pair = await Pair.open({ b: options })
  const peer = await Talker.open(pair, ...from, 1000, 0x1111_1111)
  const attacker = await Talker.open(pair, attackerHost, 5555, 1800, 0x6666_6666)
  const strangers: MediaEvent[] = []
  t.teardown(
    mediaEventChannel.subscribe(event => {
      if (event.kind === 'stranger' && event.call === agentHost) strangers.push(event)
    }),
  )
  pair.b.answerOffer(sdp)
  const capture = pair.capture(pair.b)
  return {
    pair,
    peer,
    attacker,
    strangers,
    heard: (hz, fromMs, toMs) => goertzelDbfs(capture.between(fromMs, toMs), 8000, hz),
    async pass(ms, { peer: speaks = false, attack }) {
      for (let at = 0; at < ms; at += 2) {
        if (at % 20 === 0) {
          if (speaks) peer.say()
          else peer.skip()
        }
        attack?.(attacker)
        await pair.clock.advance(2)
      }
    },
  }
}

const sdp = [
  'v=0',
  'o=- 1 1 IN IP4 10.0.0.9',
  's=-',
  'c=IN IP4 10.0.0.9',
  't=0 0',
  'm=audio 9000 RTP/AVP 0',
  'a=rtpmap:0 PCMU/8000',
  '',
].join('\r\n')

const silence = -60

t.test(
  'a spray at ten times the rate of speech before the first packet is neither heard nor answered',
  async t => {
    const { pair, peer, attacker, pass, heard, strangers: told } = await scene(t)
    await pass(2000, { attack: who => who.say() })
    t.ok(heard(1800, 0, 2000) < silence, `${heard(1800, 0, 2000)} dBFS of the attacker`)
    await pass(2000, { peer: true, attack: who => who.say() })
    t.ok(Math.abs(heard(1000, 2200, 3900) + 12) < 0.5, 'the peer, from its first packet on')
    t.ok(heard(1800, 0, 4000) < silence)
    t.equal(attacker.received, 0, 'nothing of ours was sent to the attacker')
    t.ok(peer.received > 190)
    const { strangers, spoofed, discarded } = pair.b.stats()
    t.same({ strangers, spoofed, stray: discarded.stray }, { strangers: 1, spoofed: 0, stray: 2000 })
    t.equal(told.length, 1, 'told of once in ten seconds')
    t.match(told[0], { remote: { address: attackerHost, port: 5555 }, spoofed: 0 })
    await pair.close()
  },
)

t.test('the SSRC of the peer, and its very numbers, from another address during speech', async t => {
  const { pair, attacker, peer, pass, heard, strangers } = await scene(t)
  await pass(1000, { peer: true })
  await pass(3000, {
    peer: true,
    attack: who => {
      Object.assign(who, { ssrc: peer.ssrc, sequence: peer.sequence, timestamp: peer.timestamp })
      who.say()
    },
  })
  t.ok(Math.abs(heard(1000, 300, 3900) + 12) < 0.5)
  t.ok(heard(1800, 0, 4000) < silence)
  t.equal(attacker.received, 0)
  t.match(pair.b.stats(), {
    strangers: 1,
    spoofed: 1500,
    concealedMs: 0,
    lost: 0,
    discarded: { stray: 1500 },
  })
  t.match(strangers, [{ spoofed: 1 }])
  await pair.close()
})

t.test('the SSRC of the peer, guessed, while the peer is silent for four seconds', async t => {
  const { pair, attacker, peer, pass, heard } = await scene(t)
  await pass(1000, { peer: true })
  const late = peer.timestamp
  await pass(4000, {
    attack: who => {
      who.ssrc = peer.ssrc
      // Sometimes in order behind what was heard last, sometimes anywhere.
      if (who.sequence % 50 === 0) who.timestamp = (late + who.sequence * 7919) >>> 0
      who.say()
    },
  })
  t.ok(heard(1800, 0, 5000) < silence)
  await pass(1000, { peer: true })
  t.ok(Math.abs(heard(1000, 5200, 5900) + 12) < 0.5, 'the peer is heard when it speaks again')
  t.equal(attacker.received, 0)
  await pair.close()
})

t.test('a NAT that takes a new port in mid-call is followed within a second, both ways', async t => {
  const { pair, peer, pass, heard } = await scene(t, ['198.51.100.7', 40_000])
  pair.b.trust('198.51.100.7')
  await pass(1000, { peer: true })
  t.ok(Math.abs(heard(1000, 200, 900) + 12) < 0.5, 'where SIP comes from media is heard at once')
  await peer.moveTo('198.51.100.7', 40_002)
  await pass(2000, { peer: true })
  t.ok(Math.abs(heard(1000, 1500, 2900) + 12) < 0.5, 'heard again half a second later')
  t.ok(peer.received > 75, 'and our packets go there')
  t.equal(pair.b.stats().rebinds, 1)
  await pair.close()
})

t.test('a phone that changes networks is followed within a second, with an attacker all around', async t => {
  const { pair, peer, attacker, pass, heard } = await scene(t)
  const attack = (who: Talker): void => {
    who.ssrc = peer.ssrc
    who.say()
  }
  await pass(1000, { peer: true, attack })
  await peer.moveTo('203.0.113.50', 7000)
  await pass(2000, { peer: true, attack })
  t.ok(Math.abs(heard(1000, 1600, 2900) + 12) < 0.5)
  t.ok(heard(1800, 0, 3000) < silence)
  t.ok(peer.received > 75)
  t.equal(attacker.received, 0)
  await pair.close()
})

t.test('a session refresh does not open the door: strangers stay out', async t => {
  const { pair, peer, attacker, pass, heard } = await scene(t, ['198.51.100.7', 40_000])
  pair.b.trust('198.51.100.7')
  await pass(500, { peer: true })
  pair.b.answerOffer(sdp.replace('o=- 1 1', 'o=- 1 2'))
  await pass(1500, { peer: true, attack: who => who.say() })
  t.ok(Math.abs(heard(1000, 300, 1900) + 12) < 0.5)
  t.ok(heard(1800, 0, 2000) < silence)
  t.equal(attacker.received, 0)
  t.ok(peer.received > 90)
  await pair.close()
})

t.test(
  'a peer that nothing speaks for is heard after five packets, and strangers are not let in after it',
  async t => {
    const { pair, peer, pass, heard } = await scene(t, ['203.0.113.77', 6000])
    await pass(1000, { peer: true })
    t.ok(Math.abs(heard(1000, 300, 900) + 12) < 0.5)
    await pass(2000, { peer: true, attack: who => who.say() })
    t.ok(heard(1800, 0, 3000) < silence)
    t.ok(peer.received > 130)
    await pair.close()
  },
)

t.test('a thousand sources cost memory for eight', async t => {
  const { pair, attacker, pass } = await scene(t)
  await pass(100, { peer: true })
  for (let port = 20_000; port < 20_200; port += 1) {
    await attacker.moveTo(attackerHost, port)
    attacker.say()
  }
  await pass(100, { peer: true })
  const { strangers, discarded } = pair.b.stats()
  t.same({ strangers, stray: discarded.stray }, { strangers: 8, stray: 200 })
  await pair.close()
})

t.test('silence is timed apart for the first packet and for the rest, and not on hold', async t => {
  const { pair, pass } = await scene(t, undefined, {
    timeoutMs: 5000,
    firstPacketTimeoutMs: 20_000,
  })
  const told: number[] = []
  pair.b.onTimeout = () => told.push(pair.clock.now())
  await pass(12_000, {})
  t.same(told, [], 'the first packet may take 20 s')
  await pass(1000, { peer: true })
  await pass(4900, {})
  t.same(told, [])
  await pass(200, {})
  t.equal(told.length, 1, '5 s after the last packet')
  pair.b.answerOffer(sdp.replace('o=- 1 1', 'o=- 1 2').replace('a=rtpmap', 'a=sendonly\na=rtpmap'))
  pair.b.answerOffer(sdp.replace('o=- 1 1', 'o=- 1 3').replace('a=rtpmap', 'a=inactive\na=rtpmap'))
  await pass(60_000, {})
  t.equal(told.length, 1, 'on hold nobody has to speak')
  pair.b.answerOffer(sdp.replace('o=- 1 1', 'o=- 1 4'))
  await pass(19_900, {})
  t.equal(told.length, 1)
  await pass(200, {})
  t.equal(told.length, 2, '20 s after the hold has ended')
  await pair.close()
})

t.test('without a packet at all the wait for the first one ends the patience', async t => {
  const { pair, pass } = await scene(t, undefined, { timeoutMs: 60_000, firstPacketTimeoutMs: 3000 })
  const told: number[] = []
  pair.b.onTimeout = silentMs => told.push(silentMs)
  await pass(4000, {})
  t.equal(told.length, 1)
  t.ok(told[0]! >= 3000 && told[0]! < 3100, `${told[0]} ms`)
  await pair.close()
})
