import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { PCMA, PCMU } from '../../../src/media/codec/g711.ts'
import type { MediaChange } from '../../../src/media/session/types.ts'
import { Pair } from './pair.ts'
import { listen, sequenceBreaks } from './wire.ts'

t.test(
  'RFC 3264 section 8.4: put on hold, we send nothing and lose nothing; resumed, it goes on',
  async t => {
    const pair = await Pair.open({ a: { timeoutMs: 2000 }, b: { timeoutMs: 2000 } })
    const wire = listen(pair.network, '10.0.0.1')
    const changes: MediaChange[] = []
    const timeouts: string[] = []
    pair.a.onChange = change => changes.push(change)
    pair.a.onTimeout = () => timeouts.push('a')
    pair.b.onTimeout = () => timeouts.push('b')
    pair.connect()
    const heard = pair.capture(pair.a)
    const said = pair.capture(pair.b)
    await pair.clock.advance(1000)
    void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 1000, levelDbfs: -12 }))
    const flushed = pair.a.output.flush()
    await pair.clock.advance(400)

    pair.connect(pair.b, { hold: true })
    t.equal(pair.b.localHold, true)
    t.equal(pair.a.remoteHold, true)
    t.equal(pair.a.negotiated?.direction, 'recvonly', 'sendonly is answered recvonly')
    const sentBefore = wire.length
    const ssrc = wire[0]?.rtp.ssrc
    await pair.clock.advance(10_000)
    t.equal(wire.length, sentBefore, 'not a packet')
    t.ok(heard.between(2000, 10_000).length >= 7900 * 8, 'music on hold would be heard')
    t.equal(said.between(1600, 10_000).length, 0, 'the holder gets no frames')
    t.same(timeouts, [], 'silence on hold is no fault')

    pair.connect(pair.b, { hold: false })
    t.equal(pair.a.remoteHold, false)
    await pair.clock.advance(2000)
    t.same(await flushed, { playedMs: 1000, droppedMs: 0, interrupted: false })
    const voiced = wire.filter(({ rtp }) => rtp.payload[150] !== 0xff)
    t.equal(voiced.length, 50, 'every packet of the second of speech was sent')
    const after = wire[sentBefore]
    const first = wire[0]
    t.equal(after?.rtp.ssrc, ssrc)
    t.equal(after?.rtp.marker, true)
    t.equal(sequenceBreaks(wire), 0)
    t.equal(
      ((after?.rtp.timestamp ?? 0) - (first?.rtp.timestamp ?? 0)) >>> 0,
      ((after?.atMs ?? 0) - (first?.atMs ?? 0)) * 8,
    )
    t.same(
      changes.map(({ first, remoteHold, directionChanged, codecChanged }) => ({
        first,
        remoteHold,
        directionChanged,
        codecChanged,
      })),
      [
        { first: true, remoteHold: false, directionChanged: true, codecChanged: true },
        { first: false, remoteHold: true, directionChanged: true, codecChanged: false },
        { first: false, remoteHold: false, directionChanged: true, codecChanged: false },
      ],
    )
    await pair.close()
  },
)

t.test('both hold: nothing flows; the hold of the other outlives the end of ours', async t => {
  const pair = await Pair.open()
  const wires = [listen(pair.network, '10.0.0.1'), listen(pair.network, '10.0.0.2')]
  pair.connect(pair.b, { hold: true })
  pair.connect(pair.a, { hold: true })
  t.equal(pair.a.negotiated?.direction, 'inactive')
  t.equal(pair.b.negotiated?.direction, 'inactive')
  const before = wires.map(wire => wire.length)
  await pair.clock.advance(1000)
  t.same(
    wires.map(wire => wire.length),
    before,
  )
  pair.connect(pair.a, { hold: false })
  t.equal(pair.a.remoteHold, true)
  t.equal(pair.a.localHold, false)
  await pair.close()
})

t.test('c=0.0.0.0, the old way to hold, stops our packets too', async t => {
  const pair = await Pair.open()
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  await pair.clock.advance(100)
  const offer = pair.b.createOffer().replaceAll(/^c=.*$/gm, 'c=IN IP4 0.0.0.0')
  pair.a.answerOffer(offer)
  const before = wire.length
  t.equal(pair.a.remoteHold, true)
  await pair.clock.advance(500)
  t.equal(wire.length, before)
  await pair.close()
})

t.test(
  'a re-INVITE to another codec changes it between two frames: same source, no click, tone unbroken',
  async t => {
    const pair = await Pair.open({ a: { codecs: [PCMU, PCMA] }, b: { codecs: [PCMU, PCMA] } })
    const wire = listen(pair.network, '10.0.0.1')
    pair.connect()
    const heard = pair.capture(pair.b)
    const { input, output } = pair.a
    void output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 4000, levelDbfs: -12 }))
    await pair.clock.advance(1500)
    t.equal(pair.a.codec.name, 'PCMU')
    const onlyA = pair.b.createOffer().replace(/^(m=audio \d+ RTP\/AVP) 0 8/m, '$1 8')
    pair.b.acceptAnswer(pair.a.answerOffer(onlyA))
    t.equal(pair.a.codec.name, 'PCMA')
    t.equal(pair.a.input, input)
    t.equal(pair.a.output, output)
    await pair.clock.advance(1500)
    t.same(new Set(wire.map(({ rtp }) => rtp.payloadType)), new Set([0, 8]))
    t.equal(new Set(wire.map(({ rtp }) => rtp.ssrc)).size, 1)
    t.equal(sequenceBreaks(wire), 0)
    const steady = heard.between(800, 2800)
    const left = Int16Array.from(steady, (sample, i) => (i < 4 ? 0 : sample + (steady[i - 4] ?? 0)))
    t.ok(levelDbfs(left) < -40, `${levelDbfs(left)} dBFS besides the tone`)
    t.ok(Math.abs(goertzelDbfs(steady, 8000, 1000) + 12) < 0.2)
    t.equal(pair.b.stats().concealedMs, 0)
    await pair.close()
  },
)

t.test('an offer without a codec of ours is refused with 488, and the call goes on as it was', async t => {
  const pair = await Pair.open()
  pair.connect()
  const bad = pair.b
    .createOffer()
    .replaceAll(/^m=audio.*$/gm, 'm=audio 4000 RTP/AVP 96')
    .replaceAll(/^a=(rtpmap|fmtp).*\r\n/gm, '')
    .concat('a=rtpmap:96 G729/8000\r\n')
  t.throws(() => pair.a.answerOffer(bad), { code: 'SIP_SDP', statusCode: 488 })
  t.throws(() => pair.a.answerOffer('nonsense'), { code: 'SIP_SDP', statusCode: 400 })
  pair.b.rollback()
  const heard = pair.capture(pair.a)
  void pair.b.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 500, levelDbfs: -12 }))
  await pair.clock.advance(1000)
  t.ok(heard.frames.some(({ samples }) => levelDbfs(samples) > -20))
  pair.connect(pair.b)
  await pair.close()
})

t.test('a refused re-INVITE is rolled back: no hold, and the next offer can be made', async t => {
  const pair = await Pair.open()
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  pair.a.createOffer({ hold: true })
  t.throws(() => pair.a.createOffer(), { code: 'SIP_STATE' })
  t.throws(() => pair.a.answerOffer(pair.b.createOffer()), { code: 'SIP_STATE' }, 'glare')
  pair.a.rollback()
  pair.b.rollback()
  t.equal(pair.a.localHold, false)
  await pair.clock.advance(200)
  t.ok(wire.length >= 9)

  const answered = pair.a.answerOffer(pair.b.createOffer({ hold: true }))
  t.match(answered, /a=recvonly/)
  t.equal(pair.a.remoteHold, true)
  pair.a.rollback()
  t.equal(pair.a.remoteHold, false, 'an answer whose request failed is taken back too')
  await pair.close()
})

t.test(
  'the peer moves to another address with a re-INVITE: packets follow, the source does not change',
  async t => {
    const pair = await Pair.open()
    const wire = listen(pair.network, '10.0.0.1')
    pair.connect()
    await pair.clock.advance(500)
    const third = pair.network.host('10.0.0.9')
    const socket = await third.bindUdp({ host: '10.0.0.9', port: 9000 })
    let received = 0
    socket.onMessage = () => {
      received += 1
    }
    const moved = pair.b
      .createOffer()
      .replaceAll('10.0.0.2', '10.0.0.9')
      .replace(/^m=audio \d+/m, 'm=audio 9000')
    pair.a.answerOffer(moved)
    await pair.b.close()
    await pair.clock.advance(500)
    t.ok(received >= 24, `${received} packets at the new address`)
    t.equal(new Set(wire.map(({ rtp }) => rtp.ssrc)).size, 1)
    socket.close()
    await pair.close()
  },
)

t.test('a host name in the SDP is looked up before anything is sent', async t => {
  const asked: string[] = []
  const pair = await Pair.open({
    resolver: {
      address: host => {
        asked.push(host)
        return Promise.resolve([{ address: '10.0.0.2', family: 4, ttlSeconds: 60 }])
      },
      srv: () => Promise.resolve([]),
      naptr: () => Promise.resolve([]),
    },
  })
  const answer = pair.b.answerOffer(pair.a.createOffer())
  pair.a.acceptAnswer(answer.replaceAll(/^c=.*$/gm, 'c=IN IP4 media.example'))
  const heard = pair.capture(pair.b)
  void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 500, levelDbfs: -12 }))
  await pair.clock.advance(1000)
  t.same(asked, ['media.example'])
  t.ok(heard.frames.some(({ samples }) => levelDbfs(samples) > -20))
  await pair.close()
})

t.test('a second answer to the same offer, from a fork, replaces the first', async t => {
  const pair = await Pair.open()
  const offer = pair.a.createOffer()
  const answer = pair.b.answerOffer(offer)
  pair.a.acceptAnswer(answer.replaceAll('10.0.0.2', '10.0.0.7'))
  pair.a.acceptAnswer(answer)
  const heard = pair.capture(pair.b)
  void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 500, levelDbfs: -12 }))
  await pair.clock.advance(1000)
  t.ok(heard.frames.some(({ samples }) => levelDbfs(samples) > -20))
  await pair.close()
})
