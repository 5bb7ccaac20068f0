import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { PCMU } from '../../../src/media/codec/g711.ts'
import { RTP_HEADER_LENGTH, parseRtp, writeRtpHeader } from '../../../src/media/rtp/packet.ts'
import { mediaEventChannel } from '../../../src/media/session/diagnostics.ts'
import type { MediaSession } from '../../../src/media/session/media-session.ts'
import type { SrtpOptions } from '../../../src/media/session/srtp-options.ts'
import { srtpProfiles } from '../../../src/media/srtp/profiles.ts'
import { SrtpSender } from '../../../src/media/srtp/sender.ts'
import type { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { Pair } from './pair.ts'

const HZ = 1000
const MINUTE = 60_000

function say(session: MediaSession, durationMs: number): void {
  void session.output.write(tone({ sampleRate: 8000, hz: HZ, durationMs }))
}

/** Every datagram from an address as it was on the wire. */
function wire(network: SimulatedNetwork, from: string): Uint8Array[] {
  const datagrams: Uint8Array[] = []
  network.onDatagram(({ from: { address }, data, copy }) => {
    if (address === from && !copy) datagrams.push(Uint8Array.from(data))
  })
  return datagrams
}

/** What a listener on the wire hears who takes the packets for PCMU. */
function overheard(datagrams: readonly Uint8Array[]): Int16Array {
  const decoder = PCMU.decoder()
  const out = new Int16Array(datagrams.length * 160)
  for (const [i, bytes] of datagrams.entries()) {
    const payload = bytes.subarray(RTP_HEADER_LENGTH, RTP_HEADER_LENGTH + 160)
    decoder.decode(payload, out.subarray(i * 160, (i + 1) * 160))
  }
  return out
}

/** Milliseconds of a minute of tone in which it was not heard. */
function gaps(samples: Int16Array): number {
  let silent = 0
  for (let at = 0; at + 80 <= samples.length; at += 80) {
    if (goertzelDbfs(samples.subarray(at, at + 80), 8000, HZ) < -30) silent += 10
  }
  return silent
}

for (const suite of Object.keys(srtpProfiles)) {
  t.test(`${suite}: the tone is heard at both ends, and by nobody between them`, async t => {
    const srtp: SrtpOptions = { mode: 'required', suites: [suite] }
    const pair = await Pair.open({ conditions: { delayMs: 20, jitterMs: 10 }, a: { srtp }, b: { srtp } })
    const sent = wire(pair.network, '10.0.0.1')
    pair.connect()
    const [atA, atB] = [pair.capture(pair.a), pair.capture(pair.b)]
    say(pair.a, 3000)
    say(pair.b, 3000)
    await pair.clock.advance(3000)
    for (const heard of [atA, atB]) {
      const tail = heard.between(1000, 2500)
      const expected = levelDbfs(tone({ sampleRate: 8000, hz: HZ, durationMs: 1000 }))
      t.ok(Math.abs(goertzelDbfs(tail, 8000, HZ) - expected) < 1, 'at its level')
    }
    t.equal(pair.a.encryption, suite)
    t.match(pair.b.stats(), { srtp: { suite, failures: { authentication: 0 } }, discarded: { crypto: 0 } })
    t.equal(parseRtp(sent[0] ?? new Uint8Array(0))?.payloadType, 0, 'the header stays readable')
    t.equal(sent[10]?.length, 172 + (srtpProfiles[suite]?.rtpOverhead ?? 0))
    const spied = overheard(sent)
    t.ok(levelDbfs(spied) > -15, 'the spy hears noise')
    t.ok(goertzelDbfs(spied, 8000, HZ) < -20, 'and no tone')
    await pair.close()
  })
}

t.test('RTCP is protected as well, on a port of its own or beside RTP (RFC 3711 §3.4)', async t => {
  const srtp = 'required'
  const pair = await Pair.open({ conditions: { delayMs: 20 }, a: { srtp }, b: { srtp } })
  const reports: Uint8Array[] = []
  pair.network.onDatagram(({ data, copy }) => {
    if (!copy && (data[1] ?? 0) >= 192 && (data[1] ?? 0) <= 223) reports.push(Uint8Array.from(data))
  })
  pair.connect()
  await pair.clock.advance(20_000)
  t.ok(reports.length >= 4)
  // The name in the SDES packet is the first thing a listener would look for; the index says "encrypted".
  t.ok(reports.every(bytes => ((bytes.at(-14) ?? 0) & 0x80) !== 0))
  for (const session of [pair.a, pair.b]) {
    const { rtcp, discarded } = session.stats()
    t.ok(rtcp !== undefined && rtcp.received >= 2)
    t.equal(discarded.crypto, 0)
  }
  await pair.close()
})

t.test('optional on one side and off on the other is plain RTP; offered plain it stays plain', async t => {
  const pair = await Pair.open({ a: { srtp: 'optional' } })
  pair.connect(pair.b)
  t.equal(pair.a.encryption, undefined)
  t.equal(pair.a.stats().srtp, undefined)
  const heard = pair.capture(pair.b)
  say(pair.a, 1000)
  await pair.clock.advance(1000)
  t.ok(goertzelDbfs(heard.between(300, 900), 8000, HZ) > -20)
  await pair.close()
})

t.test('after a refusal the offer is made again of plain RTP, where that will do', async t => {
  const pair = await Pair.open({ a: { srtp: 'optional' }, b: { srtp: 'off' } })
  t.throws(() => pair.b.answerOffer(pair.a.createOffer()), { statusCode: 488 } as unknown as Error)
  const plain = pair.a.createPlainOffer() ?? ''
  pair.a.acceptAnswer(pair.b.answerOffer(plain))
  t.equal(pair.a.encryption, undefined)
  t.equal(pair.a.createPlainOffer(), undefined, 'once')
  await pair.close()
  const strict = await Pair.open({ a: { srtp: 'required' } })
  strict.a.createOffer()
  t.equal(strict.a.createPlainOffer(), undefined, 'required never falls back')
  await strict.close()
})

t.test('keys over signalling that is not encrypted are told of once, and shown (RFC 4568 §7)', async t => {
  const told: unknown[] = []
  const stop = mediaEventChannel.subscribe(({ call, kind, encryption }) => {
    if (kind === 'keys-in-clear') told.push({ call, encryption })
  })
  const pair = await Pair.open({ a: { srtp: 'required' }, b: { srtp: 'required' } })
  pair.a.noteSignalling(false)
  pair.b.noteSignalling(true)
  t.same(told, [], 'no keys yet')
  pair.connect()
  pair.connect(pair.b)
  pair.a.noteSignalling(false)
  t.same(told, [{ call: '10.0.0.1', encryption: 'AES_CM_128_HMAC_SHA1_80' }])
  t.equal(pair.a.stats().srtp?.keysInClear, true)
  t.equal(pair.b.stats().srtp?.keysInClear, false)
  await pair.close()
  stop()
})

t.test('an option that makes no sense is refused by name', async t => {
  const rows = [
    ['sometimes', { field: 'srtp' }],
    [{ mode: 'maybe' }, { field: 'srtp.mode' }],
    [{ suites: [] }, { field: 'srtp.suites' }],
    [{ suites: ['AES_CM_128_HMAC_SHA1_80', 'F8'] }, { field: 'srtp.suites[1]' }],
  ] as const
  for (const [srtp, expected] of rows)
    await t.rejects(Pair.open({ a: { srtp: srtp as unknown as SrtpOptions } }), expected as unknown as Error)
})

t.test(
  'forged, replayed and damaged packets are counted by kind; none is heard, none moves the stream',
  async t => {
    const pair = await Pair.open({ a: { srtp: 'required' }, b: { srtp: 'required' } })
    pair.connect()
    const heard = pair.capture(pair.b)
    const stranger = await pair.network.host('10.0.0.66').bindUdp({ host: '10.0.0.66', port: 6666 })
    const profile = srtpProfiles['AES_CM_128_HMAC_SHA1_80']
    if (profile === undefined) throw new Error('no profile')
    const forger = new SrtpSender({
      profile,
      masterKey: new Uint8Array(16).fill(1),
      masterSalt: new Uint8Array(14),
    })
    const attack = (packet: Uint8Array): void => stranger.send(packet, pair.b.local.port, '10.0.0.2')
    // Before the peer has spoken: here a plain call would follow whoever comes first.
    for (let sequence = 0; sequence < 20; sequence += 1) attack(forged(forger, sequence))
    await pair.clock.advance(5)
    const sent = wire(pair.network, '10.0.0.1')
    say(pair.a, 2000)
    await pair.clock.advance(1000)
    for (const packet of sent.slice(0, 30)) attack(packet)
    for (const packet of sent.slice(0, 10)) attack(packet.map((octet, i) => (i === 50 ? octet ^ 1 : octet)))
    attack(plain(7))
    attack(plain(8).subarray(0, 14))
    await pair.clock.advance(1000)
    const stats = pair.b.stats()
    t.equal(stats.srtp?.failures.replay, 40, 'the damaged ones, too: their numbers were seen')
    t.equal(stats.discarded.crypto, 20 + 30 + 10 + 2)
    t.equal(stats.discarded.stray, 0, 'they never come as far as the latch')
    t.ok(Math.abs(stats.packetsReceived - sent.length) <= 1)
    const strays: Uint8Array[] = []
    stranger.onMessage = data => strays.push(data)
    await pair.clock.advance(200)
    t.equal(strays.length, 0, 'nothing is sent to the attacker')
    t.ok(gaps(heard.between(200, 1900)) === 0, 'the tone is untouched')
    await pair.close()
  },
)

t.test('hold and resume keep the keys; the streams go on where they were', async t => {
  const pair = await Pair.open({ a: { srtp: 'required' }, b: { srtp: 'required' } })
  pair.connect()
  const before = pair.a.negotiated?.crypto
  await pair.clock.advance(500)
  pair.connect(pair.a, { hold: true })
  await pair.clock.advance(500)
  pair.connect(pair.a, { hold: false })
  pair.connect(pair.b)
  t.same(pair.a.negotiated?.crypto?.send, before?.send)
  t.same(pair.a.negotiated?.crypto?.receive, before?.receive)
  const heard = pair.capture(pair.b)
  say(pair.a, 1000)
  await pair.clock.advance(1000)
  t.equal(gaps(heard.between(1300, 1900)), 0)
  t.equal(pair.b.stats().discarded.crypto, 0)
  await pair.close()
})

t.test('new keys amid a call: no gap in the tone, and the old key is soon worth nothing', async t => {
  const pair = await Pair.open({
    conditions: { delayMs: 40 },
    a: { srtp: 'required' },
    b: { srtp: 'required' },
  })
  pair.connect()
  const [atA, atB] = [pair.capture(pair.a), pair.capture(pair.b)]
  say(pair.a, 4000)
  say(pair.b, 4000)
  await pair.clock.advance(1000)
  const before = pair.a.negotiated?.crypto
  // Offer and answer take as long as packets do.
  const offer = pair.a.createOffer({ rekey: true })
  await pair.clock.advance(40)
  const answer = pair.b.answerOffer(offer)
  await pair.clock.advance(40)
  pair.a.acceptAnswer(answer)
  await pair.clock.advance(2500)
  t.notSame(pair.a.negotiated?.crypto?.send.key, before?.send.key)
  t.notSame(pair.a.negotiated?.crypto?.receive[0]?.key, before?.receive[0]?.key)
  t.equal(gaps(atB.between(300, 3500)), 0)
  t.equal(gaps(atA.between(300, 3500)), 0)
  t.equal(pair.b.stats().discarded.crypto, 0)
  t.equal(pair.a.stats().discarded.crypto, 0)
  const old = new SrtpSender({
    profile: srtpProfiles['AES_CM_128_HMAC_SHA1_80']!,
    masterKey: before?.send.key ?? new Uint8Array(16),
    masterSalt: before?.send.salt ?? new Uint8Array(14),
  })
  const stranger = await pair.network.host('10.0.0.66').bindUdp({ host: '10.0.0.66', port: 6666 })
  stranger.send(forged(old, 7), pair.b.local.port, '10.0.0.2')
  await pair.clock.advance(100)
  t.equal(pair.b.stats().discarded.crypto, 1)
  await pair.close()
})

t.test('new keys that came to nothing: the streams go on with the old ones', async t => {
  const pair = await Pair.open({ a: { srtp: 'required' }, b: { srtp: 'required' } })
  pair.connect()
  const heard = pair.capture(pair.b)
  say(pair.a, 3000)
  await pair.clock.advance(1000)
  pair.a.createOffer({ rekey: true })
  pair.a.rollback()
  // Answered, and the request failed all the same.
  pair.a.answerOffer(pair.b.createOffer({ rekey: true }))
  await pair.clock.advance(100)
  pair.a.rollback()
  pair.b.rollback()
  await pair.clock.advance(1500)
  t.ok(gaps(heard.between(300, 2500)) <= 120, 'but for what was sent with a key that was taken back')
  t.equal(gaps(heard.between(1300, 2500)), 0)
  await pair.close()
})

t.test('the sequence number wraps, on a path that reorders and loses (RFC 3711 §3.3.1)', async t => {
  const pair = await Pair.open({
    seed: 3,
    conditions: { delayMs: 20, jitterMs: 10, loss: 0.02, reorder: 0.05 },
    a: { srtp: 'required' },
    b: { srtp: 'required', idle: 'off' },
  })
  pair.connect()
  // 65,536 packets of 20 ms are 21.8 minutes: a wrap, wherever it starts.
  await pair.clock.advance(22 * MINUTE)
  const { discarded, packetsReceived } = pair.b.stats()
  t.ok(packetsReceived > 62_000)
  t.equal(discarded.crypto, 0)
  t.equal(discarded.sequence, 0)
  await pair.close()
})

/** A peer of our own making: its packets are protected with a key that the description told. */
async function rawPeer(): Promise<{
  readonly pair: Pair
  readonly heard: ReturnType<Pair['capture']>
  readonly send: (ssrc: number, sequence: number) => void
}> {
  const pair = await Pair.open({ b: { srtp: 'required', rtcp: false } })
  const phone = await pair.network.host('10.0.0.9').bindUdp({ host: '10.0.0.9', port: 9000 })
  const material = Buffer.alloc(30, 5)
  pair.b.answerOffer(
    [
      'v=0',
      'o=- 1 1 IN IP4 10.0.0.9',
      's=-',
      'c=IN IP4 10.0.0.9',
      't=0 0',
      'm=audio 9000 RTP/SAVP 0',
      `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${material.toString('base64')}|2^31`,
      '',
    ].join('\r\n'),
  )
  const sender = new SrtpSender({
    profile: srtpProfiles['AES_CM_128_HMAC_SHA1_80']!,
    masterKey: material.subarray(0, 16),
    masterSalt: material.subarray(16),
  })
  const encoder = PCMU.encoder()
  const samples = tone({ sampleRate: 8000, hz: HZ, durationMs: 20 })
  const send = (ssrc: number, sequence: number): void => {
    const bytes = Buffer.alloc(RTP_HEADER_LENGTH + 160 + 10)
    writeRtpHeader(bytes, 0, false, sequence & 0xffff, sequence * 160, ssrc)
    encoder.encode(samples, bytes.subarray(RTP_HEADER_LENGTH, RTP_HEADER_LENGTH + 160))
    sender.protectRtp(bytes, RTP_HEADER_LENGTH + 160)
    phone.send(bytes, pair.b.local.port, '10.0.0.2')
  }
  return { pair, heard: pair.capture(pair.b), send }
}

t.test('a peer that begins just before its sequence numbers wrap is heard through the wrap', async t => {
  const { pair, heard, send } = await rawPeer()
  for (let sequence = 65_530; sequence < 65_530 + 100; sequence += 1) {
    send(7, sequence)
    await pair.clock.advance(20)
  }
  t.equal(pair.b.stats().discarded.crypto, 0)
  t.equal(gaps(heard.between(300, 1900)), 0)
  await pair.close()
})

t.test('a peer that changes its SSRC begins anew, and is heard at once (RFC 3711 §3.2.3)', async t => {
  const { pair, heard, send } = await rawPeer()
  for (let i = 0; i < 150; i += 1) {
    if (i < 60) send(7, 65_500 + i)
    else send(8, 40_000 + i)
    await pair.clock.advance(20)
  }
  t.equal(pair.b.stats().discarded.crypto, 0)
  t.ok(gaps(heard.between(300, 2800)) <= 60)
  t.equal(gaps(heard.between(1500, 2800)), 0)
  await pair.close()
})

function plain(sequence: number): Buffer {
  const bytes = Buffer.alloc(RTP_HEADER_LENGTH + 160, 0x80)
  writeRtpHeader(bytes, 0, false, sequence, sequence * 160, 99)
  return bytes
}

function forged(sender: SrtpSender, sequence: number): Uint8Array {
  const bytes = Buffer.concat([plain(sequence), Buffer.alloc(16)])
  return bytes.subarray(0, sender.protectRtp(bytes, RTP_HEADER_LENGTH + 160))
}
