import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { WavReader } from '../../../src/media/audio/wav-reader.ts'
import { RTP_HEADER_LENGTH, writeRtpHeader } from '../../../src/media/rtp/packet.ts'
import { mediaDtmfChannel, mediaEventChannel } from '../../../src/media/session/diagnostics.ts'
import type { MediaDtmfEvent, MediaEvent } from '../../../src/media/session/types.ts'
import { MemorySink } from '../audio/memory-sink.ts'
import { Pair } from './pair.ts'

t.test(
  'from the agreement on there is a frame every 20 ms, with its time, whatever the network brings',
  async t => {
    const pair = await Pair.open({ seed: 5, conditions: { delayMs: 20, jitterMs: 80, loss: 0.3 } })
    await pair.clock.advance(700)
    pair.connect()
    const heard = pair.capture(pair.b)
    await pair.clock.advance(3000)
    t.equal(heard.frames.length, 150)
    t.equal(
      heard.frames.every(({ samples }) => samples.length === 160),
      true,
    )
    const steps = heard.frames
      .slice(1)
      .map(({ timestampMs }, i) => timestampMs - (heard.frames[i]?.timestampMs ?? 0))
    t.equal(
      steps.every(step => step === 20),
      true,
    )
    const first = heard.frames[0]?.timestampMs ?? 0
    t.ok(first >= 700 && first <= 720, 'counted from the opening of the session')
    t.ok(heard.frames.some(({ concealed }) => concealed))
    t.equal(pair.b.stats().concealedMs > 0, true)
    await pair.close()
  },
)

t.test('a lossy path is described by the statistics', async t => {
  const pair = await Pair.open({
    seed: 9,
    conditions: { delayMs: 20, jitterMs: 30, loss: 0.1, duplicate: 0.05 },
  })
  pair.connect()
  const heard = pair.capture(pair.b)
  void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 20_000 }))
  await pair.clock.advance(20_000)
  const { a, b } = { a: pair.a.stats(), b: pair.b.stats() }
  t.equal(a.packetsSent, 1000)
  t.equal(a.octetsSent, 160_000)
  t.ok(b.lost > 70 && b.lost < 130, `${b.lost} lost`)
  t.ok(Math.abs(b.packetsReceived + b.lost - 1000) < 8, 'what was sent was received or lost')
  t.ok(b.duplicates > 20)
  t.ok(b.jitterMs > 3 && b.jitterMs < 30, `${b.jitterMs} ms of jitter`)
  t.ok(b.bufferMs > 20 && b.bufferMs < 150, `${b.bufferMs} ms buffered`)
  t.ok(b.concealedMs >= 1400, `${b.concealedMs} ms concealed`)
  t.ok(goertzelDbfs(heard.between(2000, 18_000), 8000, 1000) > -20)
  await pair.close()
  t.same({ ...pair.b.stats(), rtcp: b.rtcp }, b, 'and is still there after the end')
})

t.test(
  'RTP from a stranger, of a payload type nobody agreed on, or no RTP at all, is counted and not heard',
  async t => {
    const pair = await Pair.open()
    pair.connect()
    await pair.clock.advance(500)
    const heard = pair.capture(pair.b)
    const stranger = await pair.network.host('10.0.0.66').bindUdp({ host: '10.0.0.66', port: 6666 })
    const loud = packet(0, 1, 0)
    for (let i = 0; i < 50; i += 1) {
      stranger.send(packet(0, i, i * 160), pair.b.local.port, '10.0.0.2')
      stranger.send(packet(99, i, i * 160), pair.b.local.port, '10.0.0.2')
      stranger.send(Uint8Array.of(1, 2, 3), pair.b.local.port, '10.0.0.2')
      await pair.clock.advance(20)
    }
    t.equal(loud.length, 172)
    t.ok(
      heard.frames.every(({ samples }) => levelDbfs(samples) < -60),
      'silence, not the stranger',
    )
    t.same(pair.b.stats().discarded, {
      malformed: 50,
      payloadType: 50,
      stray: 50,
      sequence: 0,
      crypto: 0,
      early: 0,
    })
    await pair.close()
  },
)

t.test(
  'behind a NAT: the first valid source is followed, both ways, although the SDP names a private address',
  async t => {
    const pair = await Pair.open()
    const events: MediaEvent[] = []
    t.teardown(mediaEventChannel.subscribe(event => events.push(event)))
    const answer = pair.b.answerOffer(pair.a.createOffer().replaceAll('10.0.0.1', '192.168.1.7'))
    pair.a.acceptAnswer(answer)
    const heardByA = pair.capture(pair.a)
    const heardByB = pair.capture(pair.b)
    void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 1000, levelDbfs: -12 }))
    void pair.b.output.write(tone({ sampleRate: 8000, hz: 500, durationMs: 1000, levelDbfs: -12 }))
    await pair.clock.advance(2000)
    t.ok(goertzelDbfs(heardByB.between(300, 800), 8000, 1000) > -13)
    t.ok(goertzelDbfs(heardByA.between(300, 800), 8000, 500) > -13)
    const latched = events.filter(({ kind, call }) => kind === 'latched' && call === '10.0.0.2')
    t.match(latched, [{ remote: { address: '10.0.0.1' } }])
    await pair.close()
  },
)

t.test('symmetric: false takes packets from the address in the SDP only', async t => {
  const pair = await Pair.open({ b: { symmetric: false } })
  const answer = pair.b.answerOffer(pair.a.createOffer().replaceAll('10.0.0.1', '192.168.1.7'))
  pair.a.acceptAnswer(answer)
  await pair.clock.advance(500)
  t.equal(pair.b.stats().packetsReceived, 0)
  t.ok(pair.b.stats().discarded.stray > 20)
  await pair.close()
})

t.test('silence of the peer is noticed once, and once more when media came back and went', async t => {
  const pair = await Pair.open({ b: { timeoutMs: 3000 } })
  const timeouts: (readonly [at: number, silentMs: number])[] = []
  pair.b.onTimeout = silentMs => timeouts.push([pair.clock.now(), silentMs])
  pair.connect()
  await pair.clock.advance(5000)
  t.same(timeouts, [])
  pair.network.partition('10.0.0.1', '10.0.0.2')
  await pair.clock.advance(10_000)
  t.equal(timeouts.length, 1)
  const [at, silentMs] = timeouts[0] ?? [0, 0]
  t.ok(at >= 8000 - 40 && at <= 8040, `${at} ms`)
  t.ok(silentMs >= 3000 && silentMs <= 3020, `${silentMs} ms`)
  pair.network.heal()
  await pair.clock.advance(1000)
  pair.network.partition('10.0.0.1', '10.0.0.2')
  await pair.clock.advance(4000)
  t.equal(timeouts.length, 2)
  await pair.close()
})

t.test('while no media is expected silence is no fault; the wait begins when it is', async t => {
  const pair = await Pair.open({ b: { timeoutMs: 3000 } })
  let timeouts = 0
  pair.b.onTimeout = () => {
    timeouts += 1
  }
  pair.b.expectMedia = false
  pair.network.partition('10.0.0.1', '10.0.0.2')
  pair.connect()
  await pair.clock.advance(60_000)
  t.equal(timeouts, 0)
  pair.b.expectMedia = true
  await pair.clock.advance(2900)
  t.equal(timeouts, 0)
  await pair.clock.advance(200)
  t.equal(timeouts, 1)
  pair.connect(pair.a, { hold: true })
  await pair.clock.advance(10_000)
  pair.connect(pair.a, { hold: false })
  t.equal(timeouts, 1, 'nor on hold')
  await pair.clock.advance(4000)
  t.equal(timeouts, 2, 'after hold the wait begins anew')
  await pair.close()
})

t.test('timeoutMs 0 never gives up', async t => {
  const pair = await Pair.open({ b: { timeoutMs: 0 } })
  pair.b.onTimeout = () => t.fail('it gave up')
  pair.connect()
  pair.network.partition('10.0.0.1', '10.0.0.2')
  await pair.clock.advance(120_000)
  t.equal(pair.b.stats().packetsReceived, 0)
  await pair.close()
})

t.test('a recording has both sides at their place, to within 20 ms', async t => {
  const pair = await Pair.open({ conditions: { delayMs: 30 } })
  pair.connect()
  await pair.clock.advance(1000)
  const sink = new MemorySink()
  const recording = await pair.b.record(sink)
  const heard = pair.capture(pair.b)
  const startedAt = pair.clock.now()
  await pair.clock.advance(500)
  void pair.b.output.write(burst(500))
  await pair.clock.advance(1000)
  void pair.a.output.write(burst(1000))
  await pair.clock.advance(1500)
  const { durationMs, bytes } = await recording.stop()
  await pair.clock.advance(500)
  t.ok(Math.abs(durationMs - 3000) <= 20, `${durationMs} ms`)
  t.equal(bytes, sink.bytes().length)
  const left = await WavReader.fromBytes(sink.bytes(), { channel: 0 }).readAll()
  const right = await WavReader.fromBytes(sink.bytes(), { channel: 1 }).readAll()
  const ours = onsetMs(right)
  t.ok(Math.abs(ours - 500) <= 20, `we began at ${ours} ms`)
  const theirs = onsetMs(left)
  const frame = heard.frames.find(({ samples }) => levelDbfs(samples) > -30)
  const heardAt = (frame?.timestampMs ?? 0) - startedAt
  t.ok(Math.abs(theirs - heardAt) <= 20, `they began at ${theirs} ms, heard at ${heardAt} ms`)
  t.ok(goertzelDbfs(left.subarray((theirs + 50) * 8, (theirs + 250) * 8), 8000, 1000) > -13)
  t.ok(goertzelDbfs(right.subarray((ours + 50) * 8, (ours + 250) * 8), 8000, 500) > -13)
  t.ok(levelDbfs(left.subarray(ours * 8, (ours + 300) * 8)) < -60, 'the sides do not mix')
  await pair.close()
})

t.test('a recording goes on through hold with silence, and ends with the call', async t => {
  const pair = await Pair.open()
  pair.connect()
  const sink = new MemorySink()
  const recording = await pair.b.record(sink, { channels: 'mixed' })
  await pair.clock.advance(1000)
  pair.connect(pair.a, { hold: true })
  await pair.clock.advance(4000)
  pair.connect(pair.a, { hold: false })
  await pair.clock.advance(1000)
  await pair.close()
  t.equal(sink.closed, 1)
  const { durationMs } = await recording.stop()
  t.ok(Math.abs(durationMs - 6000) <= 40, `${durationMs} ms`)
  await t.rejects(pair.b.record(new MemorySink()), { code: 'SIP_STATE' })
})

t.test('close ends everything that waits, twice is once, and the port rests', async t => {
  const pair = await Pair.open()
  pair.connect()
  await pair.clock.advance(100)
  const { output } = pair.a
  void output.write(new Int16Array(8000))
  const waiting = [
    output.write(new Int16Array(8000)),
    output.flush(),
    output.mark('x'),
    pair.a.sendDtmf('123'),
  ]
  const reader = (async () => {
    for await (const _ of pair.a.input);
  })()
  await pair.a.close()
  await pair.a.close()
  await pair.a[Symbol.asyncDispose]()
  await Promise.all(waiting)
  await reader
  t.equal(pair.a.closed, true)
  const sent = pair.a.stats().packetsSent
  await pair.clock.advance(1000)
  t.equal(pair.a.stats().packetsSent, sent)
  t.throws(() => pair.a.answerOffer('x'), { code: 'SIP_SDP' })
  await pair.b.close()
  await pair.clock.advance(1000)
  t.equal(pair.clock.pendingTimers, 0)
})

t.test('closed before any agreement: the loops end too', async t => {
  const pair = await Pair.open()
  t.throws(() => pair.a.codec, { code: 'SIP_STATE' })
  t.equal(pair.a.negotiated, undefined)
  const reader = (async () => {
    for await (const _ of pair.a.input);
  })()
  await pair.close()
  await reader
  t.equal(pair.a.output.ended, true)
})

t.test('diagnostics tell what happened, with the call they belong to', async t => {
  const events: MediaEvent[] = []
  const digits: MediaDtmfEvent[] = []
  const stop = [
    mediaEventChannel.subscribe(event => events.push(event)),
    mediaDtmfChannel.subscribe(event => digits.push(event)),
  ]
  const pair = await Pair.open({ a: { call: 'call-a' }, b: { call: 'call-b' } })
  let firstFrom: unknown
  pair.b.onFirstPacket = remote => {
    firstFrom = remote
  }
  pair.connect()
  await pair.clock.advance(200)
  void pair.a.sendDtmf('4', { durationMs: 100 })
  await pair.clock.advance(1000)
  await pair.close()
  for (const end of stop) end()
  const kinds = (call: string): string[] =>
    events.filter(event => event.call === call).map(({ kind }) => kind)
  t.same(
    kinds('call-b'),
    ['open', 'negotiated', 'codec', 'first-packet', 'close'].filter(kind => kind !== 'codec'),
  )
  t.same(kinds('call-a'), ['open', 'negotiated', 'first-packet', 'close'])
  t.match(
    events.find(({ kind, call }) => kind === 'first-packet' && call === 'call-b'),
    { codec: 'PCMU', remote: { address: '10.0.0.1' } },
  )
  t.match(firstFrom, { address: '10.0.0.1', family: 4 })
  t.match(digits, [
    { call: 'call-a', direction: 'out', digit: '4', durationMs: 100 },
    { call: 'call-b', direction: 'in', digit: '4', durationMs: 100 },
  ])
  const count = events.length
  const other = await Pair.open()
  await other.close()
  t.equal(events.length, count, 'after unsubscribing nothing is told')
})

function burst(hz: number): Int16Array {
  return tone({ sampleRate: 8000, hz, durationMs: 300, levelDbfs: -12 })
}

/** A loud packet. */
function packet(payloadType: number, sequence: number, timestamp: number): Uint8Array {
  const bytes = new Uint8Array(RTP_HEADER_LENGTH + 160).fill(0x80)
  writeRtpHeader(bytes, payloadType, false, sequence, timestamp, 0x1234_5678)
  return bytes
}

/** Where the first loud 10 ms begin. */
function onsetMs(samples: Int16Array): number {
  for (let at = 0; at + 80 <= samples.length; at += 8) {
    if (levelDbfs(samples.subarray(at, at + 80)) > -25) return at / 8
  }
  return NaN
}
