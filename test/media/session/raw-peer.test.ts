import t from 'tap'
import type { UdpSocket } from '../../../src/runtime/runtime.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { ToneGenerator } from '../../../src/media/audio/tones.ts'
import type { AudioCodec } from '../../../src/media/codec/codec.ts'
import { loadCodec } from '../../../src/media/codec/catalogue.ts'
import { PCMA, PCMU } from '../../../src/media/codec/g711.ts'
import { RTP_HEADER_LENGTH, writeRtpHeader } from '../../../src/media/rtp/packet.ts'
import { mediaEventChannel } from '../../../src/media/session/diagnostics.ts'
import type { MediaSession } from '../../../src/media/session/media-session.ts'
import { Pair } from './pair.ts'

/** A peer made by hand: says in SDP what it is told, and sends what it likes. */
class RawPeer {
  ssrc = 0x1111_1111
  sequence = 65_530
  timestamp = 0xffff_fc00
  #socket: UdpSocket
  readonly #pair: Pair
  #version = 0
  readonly #tone = new ToneGenerator({ sampleRate: 8000, hz: 1000, levelDbfs: -12 })

  private constructor(pair: Pair, socket: UdpSocket) {
    this.#pair = pair
    this.#socket = socket
  }

  static async open(pair: Pair, ...formats: readonly string[]): Promise<RawPeer> {
    const host = pair.network.host('10.0.0.9')
    const peer = new RawPeer(pair, await host.bindUdp({ host: '10.0.0.9', port: 9000 }))
    peer.offer(...formats)
    return peer
  }

  /** Once more: a re-INVITE. */
  offer(...formats: readonly string[]): void {
    this.to.answerOffer(this.#describe(formats))
  }

  /** What it says to an offer. */
  answer(...formats: readonly string[]): void {
    this.to.acceptAnswer(this.#describe(formats))
  }

  /** `count` packets of the tone, 20 ms apart. */
  async speak(codec: AudioCodec, payloadType: number, count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const payload = new Uint8Array(160)
      codec.encoder().encode(this.#tone.render(new Int16Array(160)), payload)
      this.send(payload, payloadType, false)
      this.timestamp = (this.timestamp + 160) >>> 0
      await this.#pair.clock.advance(20)
    }
  }

  send(payload: Uint8Array, payloadType: number, marker: boolean): void {
    const bytes = new Uint8Array(RTP_HEADER_LENGTH + payload.length)
    writeRtpHeader(bytes, payloadType, marker, this.sequence, this.timestamp, this.ssrc)
    bytes.set(payload, RTP_HEADER_LENGTH)
    this.sequence = (this.sequence + 1) & 0xffff
    this.#socket.send(bytes, this.to.local.port, '10.0.0.2')
  }

  /** From now on it sends from there, as after a change of networks. */
  async moveTo(address: string): Promise<void> {
    this.#socket = await this.#pair.network.host(address).bindUdp({ host: address, port: 9000 })
  }

  get to(): MediaSession {
    return this.#pair.b
  }

  #describe(formats: readonly string[]): string {
    const types = formats.map(format => format.split(' ')[0])
    this.#version += 1
    return [
      'v=0',
      `o=- 1 ${this.#version} IN IP4 10.0.0.9`,
      's=-',
      'c=IN IP4 10.0.0.9',
      't=0 0',
      `m=audio 9000 RTP/AVP ${types.join(' ')}`,
      ...formats.map(format => `a=rtpmap:${format}`),
      '',
    ].join('\r\n')
  }
}

/** Level of what is left when a 1000 Hz tone is taken out: a click or a gap shows here. */
function besidesTone(samples: Int16Array): number {
  return levelDbfs(Int16Array.from(samples, (sample, i) => (i < 4 ? 0 : sample + (samples[i - 4] ?? 0))))
}

t.test('the figures count a packet as soon as it is there, and a new agreement does not lose it', async t => {
  const pair = await Pair.open({ conditions: { delayMs: 1 } })
  const peer = await RawPeer.open(pair, '0 PCMU/8000', '8 PCMA/8000')
  await peer.speak(PCMU, 0, 25)
  t.equal(peer.to.stats().packetsReceived, 25)
  // Three within one turn: each counts at once.
  for (let more = 1; more <= 3; more += 1) {
    peer.send(new Uint8Array(160).fill(0xff), 0, false)
    peer.timestamp = (peer.timestamp + 160) >>> 0
    await pair.clock.advance(2)
    t.equal(peer.to.stats().packetsReceived, 25 + more)
  }
  peer.send(new Uint8Array(160).fill(0xff), 0, false)
  await pair.clock.advance(1.5)
  peer.offer('8 PCMA/8000')
  t.equal(peer.to.stats().packetsReceived, 29)
  await pair.close()
  t.equal(peer.to.stats().packetsReceived, 29)
})

t.test(
  'the peer changes codec by payload type, without a word in SDP: the tone goes on unbroken',
  async t => {
    const pair = await Pair.open()
    const codecs: (string | undefined)[] = []
    t.teardown(
      mediaEventChannel.subscribe(({ kind, codec, call }) => {
        if (kind === 'codec' && call === '10.0.0.2') codecs.push(codec)
      }),
    )
    const peer = await RawPeer.open(pair, '0 PCMU/8000', '8 PCMA/8000')
    const heard = pair.capture(pair.b)
    for (let i = 0; i < 5; i += 1) {
      await peer.speak(PCMU, 0, 20)
      await peer.speak(PCMA, 8, 20)
    }
    const steady = heard.between(500, 3500)
    t.ok(besidesTone(steady) < -38, `${besidesTone(steady)} dBFS besides the tone`)
    t.ok(Math.abs(goertzelDbfs(steady, 8000, 1000) + 12) < 0.2)
    t.equal(pair.b.stats().lost, 0)
    t.equal(pair.b.stats().concealedMs, 0)
    t.same(codecs, ['PCMA', 'PCMU', 'PCMA', 'PCMU', 'PCMA', 'PCMU', 'PCMA', 'PCMU', 'PCMA'])
    await pair.close()
  },
)

t.test(
  'a session refresh leaves a peer alone that speaks the second codec agreed on, of another clock',
  async t => {
    const pair = await Pair.open({ b: { codecs: [await loadCodec('opus'), PCMU] } })
    const formats = ['96 opus/48000/2', '0 PCMU/8000']
    const peer = await RawPeer.open(pair, ...formats)
    const heard = pair.capture(pair.b, 8000)
    await peer.speak(PCMU, 0, 50)
    peer.offer(...formats)
    await peer.speak(PCMU, 0, 100)
    t.equal(pair.b.codec.name, 'opus')
    t.ok(Math.abs(goertzelDbfs(heard.between(1100, 2900), 8000, 1000) + 12) < 0.5)
    const { late, concealedMs, jitterMs, bufferMs } = pair.b.stats()
    t.same({ late, concealedMs }, { late: 0, concealedMs: 0 })
    t.ok(jitterMs < 1 && bufferMs < 60, `${jitterMs} ms of jitter, ${bufferMs} ms in the buffer`)
    await pair.close()
  },
)

t.test('a peer that speaks the second codec agreed on is followed to another network', async t => {
  for (const refreshed of [false, true]) {
    const pair = await Pair.open({ b: { codecs: [await loadCodec('opus'), PCMU] } })
    const formats = ['96 opus/48000/2', '0 PCMU/8000']
    const peer = await RawPeer.open(pair, ...formats)
    const heard = pair.capture(pair.b, 8000)
    await peer.speak(PCMU, 0, 50)
    if (refreshed) peer.offer(...formats)
    await pair.clock.advance(1000)
    peer.timestamp = (peer.timestamp + 8000) >>> 0
    await peer.moveTo('10.0.0.77')
    await peer.speak(PCMU, 0, 50)
    t.equal(pair.b.stats().rebinds, 1)
    t.equal(pair.b.stats().discarded.stray, 0)
    t.ok(goertzelDbfs(heard.between(2300, 2900), 8000, 1000) > -13)
    await pair.close()
  }
})

t.test('what the peer says while it is on hold is not heard when the hold is over', async t => {
  const pair = await Pair.open()
  const peer = await RawPeer.open(pair, '0 PCMU/8000')
  const heard = pair.capture(pair.b)
  await peer.speak(PCMU, 0, 50)
  const { concealedMs } = pair.b.stats()
  for (const spokenOnHold of [0, 10, 200]) {
    pair.b.createOffer({ hold: true })
    peer.answer('0 PCMU/8000')
    await peer.speak(PCMU, 0, spokenOnHold)
    const holdMs = 10_000
    await pair.clock.advance(holdMs)
    peer.timestamp = (peer.timestamp + holdMs * 8) >>> 0
    pair.b.createOffer({ hold: false })
    peer.answer('0 PCMU/8000')
    const resumed = heard.frames.length
    const pauseMs = 500
    await pair.clock.advance(pauseMs)
    peer.timestamp = (peer.timestamp + pauseMs * 8) >>> 0
    const pause = heard.frames.slice(resumed)
    t.equal(pause.length, pauseMs / 20)
    t.ok(
      pause.every(({ samples }) => levelDbfs(samples) < -80),
      `${spokenOnHold} packets came on hold`,
    )
    await peer.speak(PCMU, 0, 50)
    const loud = heard.frames.slice(resumed).filter(({ samples }) => levelDbfs(samples) > -13)
    t.ok(loud.length >= 48, `${loud.length} of 50 frames of what is said then`)
  }
  t.equal(pair.b.stats().concealedMs, concealedMs, 'and nothing is made up')
  await pair.close()
})

t.test('RFC 3550 section 8: a new SSRC with a new clock from the same address is followed', async t => {
  const pair = await Pair.open()
  const peer = await RawPeer.open(pair, '0 PCMU/8000')
  const heard = pair.capture(pair.b)
  await peer.speak(PCMU, 0, 50)
  peer.ssrc = 0x2222_2222
  peer.sequence = 7
  peer.timestamp = 12_345
  await peer.speak(PCMU, 0, 50)
  t.ok(goertzelDbfs(heard.between(300, 900), 8000, 1000) > -13)
  t.ok(goertzelDbfs(heard.between(1300, 1900), 8000, 1000) > -13)
  t.equal(pair.b.stats().packetsReceived, 100)
  await pair.close()
})

t.test('RFC 3550 A.1: a new run of sequence numbers under the same SSRC costs one packet', async t => {
  const pair = await Pair.open()
  const peer = await RawPeer.open(pair, '0 PCMU/8000')
  const heard = pair.capture(pair.b)
  await peer.speak(PCMU, 0, 50)
  peer.sequence = (peer.sequence + 20_000) & 0xffff
  await peer.speak(PCMU, 0, 50)
  await pair.clock.advance(500)
  const { packetsReceived, discarded } = pair.b.stats()
  t.equal(packetsReceived, 99)
  t.equal(discarded.sequence, 1)
  const loud = heard.frames.filter(({ samples }) => levelDbfs(samples) > -14).length
  t.equal(loud, 100, 'the one that is missing is made up')
  await pair.close()
})

t.test(
  'RFC 4733: events at the payload type and clock of the SDP, only the last end packet arriving',
  async t => {
    const pair = await Pair.open()
    const peer = await RawPeer.open(pair, '0 PCMU/8000', '96 telephone-event/8000')
    const digits = pair.b.dtmf()
    await peer.speak(PCMU, 0, 10)
    for (const event of [5, 5, 11]) {
      peer.sequence = (peer.sequence + 7) & 0xffff
      peer.send(Uint8Array.of(event, 0x80 | 10, 800 >> 8, 800 & 0xff), 96, false)
      peer.timestamp = (peer.timestamp + 1280) >>> 0
      await peer.speak(PCMU, 0, 5)
    }
    const seen: string[] = []
    for (let i = 0; i < 3; i += 1) {
      const { value } = await digits.next()
      seen.push(`${value?.digit} ${value?.durationMs}`)
    }
    t.same(seen, ['5 100', '5 100', '# 100'])
    await pair.close()
  },
)

t.test('RFC 3264 section 8.3.2: events under way when their payload type changes are heard', async t => {
  const pair = await Pair.open()
  const peer = await RawPeer.open(pair, '0 PCMU/8000', '101 telephone-event/8000')
  let digits = ''
  pair.b.onDtmf = ({ digit }) => {
    digits += digit
  }
  await peer.speak(PCMU, 0, 10)
  const press = (event: number, payloadType: number): void => {
    peer.send(Uint8Array.of(event, 0x80 | 10, 800 >> 8, 800 & 0xff), payloadType, true)
    peer.timestamp = (peer.timestamp + 1600) >>> 0
  }
  press(1, 101)
  await pair.clock.advance(20)
  press(2, 101)
  peer.offer('0 PCMU/8000', '96 telephone-event/8000')
  await pair.clock.advance(20)
  press(3, 96)
  await pair.clock.advance(500)
  t.equal(digits, '123')
  t.equal(pair.b.stats().discarded.payloadType, 0)
  t.equal(pair.b.stats().packetsReceived, 13)
  await pair.close()
})

t.test('a digit whose end is lost is delivered all the same', async t => {
  const pair = await Pair.open()
  const peer = await RawPeer.open(pair, '0 PCMU/8000', '101 telephone-event/8000')
  const digit = pair.b.dtmf().next()
  const begunMs: number[] = []
  pair.b.onDtmfStart = ({ timestampMs }) => begunMs.push(timestampMs)
  await peer.speak(PCMU, 0, 5)
  peer.send(Uint8Array.of(3, 10, 0, 160), 101, true)
  await pair.clock.advance(1000)
  t.match((await digit).value, { digit: '3', durationMs: 20 })
  t.equal((await digit).value?.timestampMs, begunMs[0], 'it began when it was said to begin')
  peer.send(Uint8Array.of(4, 10, 0, 160), 101, true)
  peer.timestamp = (peer.timestamp + 1600) >>> 0
  await pair.clock.advance(10)
  const last = pair.b.dtmf().next()
  await pair.close()
  t.match((await last).value, { digit: '4' }, 'even when the call ends with it')
})

t.test(
  'a peer that sends nothing between sentences (DTX) is heard in time, without false concealment',
  async t => {
    const pair = await Pair.open()
    const peer = await RawPeer.open(pair, '0 PCMU/8000')
    const heard = pair.capture(pair.b)
    for (let i = 0; i < 4; i += 1) {
      await peer.speak(PCMU, 0, 25)
      await pair.clock.advance(1500)
      peer.timestamp = (peer.timestamp + 12_000) >>> 0
    }
    const loud = heard.frames.filter(({ samples }) => levelDbfs(samples) > -14).length
    t.ok(loud >= 100 && loud <= 112, `${loud} frames of speech`)
    t.equal(pair.b.stats().lost, 0)
    t.ok(
      pair.b.stats().concealedMs <= 4 * 120,
      `${pair.b.stats().concealedMs} ms made up at the ends of sentences`,
    )
    await pair.close()
  },
)
