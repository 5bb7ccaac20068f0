import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { PCMU } from '../../../src/media/codec/g711.ts'
import { RTP_HEADER_LENGTH, parseRtp, writeRtpHeader } from '../../../src/media/rtp/packet.ts'
import { srtpProfiles } from '../../../src/media/srtp/profiles.ts'
import { SrtpReceiver } from '../../../src/media/srtp/receiver.ts'
import { SrtpSender } from '../../../src/media/srtp/sender.ts'
import { Pair } from './pair.ts'

const HZ = 1000
const MINUTE = 60_000
const profile = srtpProfiles['AES_CM_128_HMAC_SHA1_80']!

t.test(
  'new keys after the sequence number has wrapped: receivers that keep the rollover counter and those that begin at 0 both hear us (RFC 3711 §3.3.1)',
  async t => {
    const srtp = 'required'
    const pair = await Pair.open({ a: { srtp }, b: { srtp, idle: 'off' } })
    pair.connect()
    await pair.clock.advance(23 * MINUTE)
    const before = pair.a.negotiated?.crypto?.send.key
    const sent: Uint8Array[] = []
    pair.network.onDatagram(({ from, data }) => {
      const isRtp = (data[1] ?? 0) < 192 || (data[1] ?? 0) > 223
      if (from.address === '10.0.0.1' && isRtp) sent.push(Uint8Array.from(data))
    })
    await pair.clock.advance(100)
    const old = parseRtp(sent.at(-1) ?? new Uint8Array(0))
    sent.length = 0
    pair.a.acceptAnswer(pair.b.answerOffer(pair.a.createOffer({ rekey: true })))
    const heard = pair.capture(pair.b)
    void pair.a.output.write(tone({ sampleRate: 8000, hz: HZ, durationMs: 1000 }))
    await pair.clock.advance(1000)
    const { key, salt } = pair.a.negotiated!.crypto!.send
    t.notSame(key, before)
    const first = parseRtp(sent[1] ?? new Uint8Array(0))
    t.not(first?.ssrc, old?.ssrc, 'another SSRC, which has no rollover counter to argue about')
    t.ok((first?.sequence ?? 0xffff) < 0x8000 + 2)
    const anew = new SrtpReceiver({ profile, masterKey: key, masterSalt: salt })
    t.equal(anew.unprotectRtp(sent[1]!), 172, 'rollover counter 0')
    t.ok(goertzelDbfs(heard.between(23 * MINUTE + 500, 23 * MINUTE + 1000), 8000, HZ) > -20)
    t.equal(pair.b.stats().discarded.crypto, 0)
    await pair.close()
  },
)

t.test('new keys before the first wrap: the stream goes on under its SSRC', async t => {
  const pair = await Pair.open({ a: { srtp: 'required' }, b: { srtp: 'required' } })
  const ssrcs = new Set<number>()
  pair.network.onDatagram(({ from, data }) => {
    const rtp = parseRtp(data)
    if (from.address === '10.0.0.1' && rtp?.payloadType === 0) ssrcs.add(rtp.ssrc)
  })
  pair.connect()
  await pair.clock.advance(500)
  pair.a.acceptAnswer(pair.b.answerOffer(pair.a.createOffer({ rekey: true })))
  await pair.clock.advance(500)
  t.equal(ssrcs.size, 1)
  await pair.close()
})

/** A phone that answers with a key of its own, and speaks. */
async function phone(pair: Pair, address: string, seed: number): Promise<Phone> {
  const socket = await pair.network.host(address).bindUdp({ host: address, port: 9000 })
  let received = 0
  socket.onMessage = () => {
    received += 1
  }
  const material = Buffer.alloc(30, seed)
  const sender = new SrtpSender({
    profile,
    masterKey: material.subarray(0, 16),
    masterSalt: material.subarray(16),
  })
  const encoder = PCMU.encoder()
  let sequence = 1
  return {
    answer: [
      'v=0',
      `o=- ${seed} 1 IN IP4 ${address}`,
      's=-',
      `c=IN IP4 ${address}`,
      't=0 0',
      'm=audio 9000 RTP/SAVP 0',
      'a=rtcp-mux',
      `a=crypto:1 ${profile.name} inline:${material.toString('base64')}`,
      '',
    ].join('\r\n'),
    received: () => received,
    async speak(durationMs) {
      const samples = tone({ sampleRate: 8000, hz: HZ, durationMs: 20 })
      for (let at = 0; at < durationMs; at += 20) {
        const bytes = Buffer.alloc(RTP_HEADER_LENGTH + 160 + profile.rtpOverhead)
        writeRtpHeader(bytes, 0, false, sequence, sequence * 160, seed)
        encoder.encode(samples, bytes.subarray(RTP_HEADER_LENGTH, RTP_HEADER_LENGTH + 160))
        sender.protectRtp(bytes, RTP_HEADER_LENGTH + 160)
        socket.send(bytes, pair.a.local.port, '10.0.0.1')
        sequence += 1
        await pair.clock.advance(20)
      }
    },
  }
}

interface Phone {
  readonly answer: string
  readonly received: () => number
  readonly speak: (durationMs: number) => Promise<void>
}

t.test(
  'of two phones that rang, the one that did not get the call is not heard any more, and hears nothing',
  async t => {
    const pair = await Pair.open({ a: { srtp: 'required', rtcp: false } })
    const [early, winner] = [await phone(pair, '10.0.0.8', 3), await phone(pair, '10.0.0.9', 4)]
    pair.a.createOffer()
    pair.a.acceptAnswer(early.answer)
    await early.speak(500)
    t.equal(pair.a.stats().discarded.crypto, 0)
    pair.a.acceptAnswer(winner.answer)
    const before = early.received()
    const heard = pair.capture(pair.a)
    await early.speak(1000)
    t.ok(early.received() - before <= 1, 'but for what was on its way')
    t.ok(winner.received() > 40)
    t.equal(levelDbfs(heard.between(1000, 1500)), -Infinity)
    t.equal(pair.a.stats().srtp?.failures.authentication, 50)
    await winner.speak(1000)
    t.ok(goertzelDbfs(heard.between(2000, 2400), 8000, HZ) > -20)
    await pair.close()
  },
)

t.test('a key of before is worth nothing after 32 s, though nobody uses the new one', async t => {
  const pair = await Pair.open({ a: { srtp: 'required', rtcp: false, timeoutMs: 0 } })
  const early = await phone(pair, '10.0.0.8', 3)
  pair.a.createOffer()
  pair.a.acceptAnswer(early.answer)
  await early.speak(100)
  pair.a.acceptAnswer(early.answer.replace(/inline:.*/, `inline:${Buffer.alloc(30, 9).toString('base64')}`))
  await early.speak(100)
  t.equal(pair.a.stats().packetsReceived, 10, 'from the same phone it is taken for a while')
  await pair.clock.advance(32_000)
  await early.speak(100)
  t.equal(pair.a.stats().packetsReceived, 10)
  t.equal(pair.a.stats().srtp?.failures.authentication, 5)
  await pair.close()
})
