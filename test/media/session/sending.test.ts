import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { PCMU } from '../../../src/media/codec/g711.ts'
import { MediaSession } from '../../../src/media/session/media-session.ts'
import { Pacer } from '../../../src/media/rtp/pacer.ts'
import { PortPool } from '../../../src/media/rtp/port-pool.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { Pair } from './pair.ts'
import { StallingClock } from './stalling-clock.ts'
import { listen, sequenceBreaks, timestampSteps } from './wire.ts'

t.test('while the agent says nothing, silence is sent, a packet every 20 ms', async t => {
  const pair = await Pair.open()
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  await pair.clock.advance(2000)
  t.equal(wire.length, 100)
  t.equal(new Set(timestampSteps(wire)).size, 1)
  t.equal(timestampSteps(wire)[0], 160)
  t.equal(sequenceBreaks(wire), 0)
  t.same(
    wire.map(({ rtp }) => rtp.marker),
    wire.map((_, i) => i === 0),
    'only the first packet is marked',
  )
  t.equal(
    wire.every(({ rtp }) => rtp.payload.every(octet => octet === 0xff)),
    true,
    'in PCMU that is 0xff',
  )
  await pair.close()
})

t.test('idle off: nothing is sent in silence, and speech after it is marked and in time', async t => {
  const pair = await Pair.open({ a: { idle: 'off' } })
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  await pair.clock.advance(1000)
  t.equal(wire.length, 0)
  void pair.a.output.play(tone({ sampleRate: 8000, hz: 1000, durationMs: 200 }))
  await pair.clock.advance(1000)
  const spoken = wire.length
  t.ok(spoken >= 10 && spoken <= 11, `${spoken} packets`)
  void pair.a.output.play(tone({ sampleRate: 8000, hz: 1000, durationMs: 200 }))
  await pair.clock.advance(1000)
  const marked = wire.filter(({ rtp }) => rtp.marker)
  t.equal(marked.length, 2)
  const [first, second] = marked
  const units = ((second?.rtp.timestamp ?? 0) - (first?.rtp.timestamp ?? 0)) >>> 0
  t.equal(units, ((second?.atMs ?? 0) - (first?.atMs ?? 0)) * 8, 'the RTP clock went on meanwhile')
  t.equal(sequenceBreaks(wire), 0)
  await pair.close()
})

for (const stallMs of [200, 5000]) {
  t.test(
    `after the process stood still for ${stallMs} ms there is no burst, and the timestamp has kept time`,
    async t => {
      const clock = new VirtualClock()
      const stalling = new StallingClock(clock)
      const random = seededRandom(3)
      const network = new SimulatedNetwork({ clock, random })
      const open = (address: string, own: StallingClock | VirtualClock): Promise<MediaSession> => {
        const host = network.host(address)
        const ports = new PortPool({ network: host, clock: own, random, host: address })
        const pacer = new Pacer({ clock: own })
        return MediaSession.open({ runtime: { clock: own, network: host, random }, ports, pacer })
      }
      const a = await open('10.0.0.1', stalling)
      const b = await open('10.0.0.2', clock)
      const wire = listen(network, '10.0.0.1')
      a.acceptAnswer(b.answerOffer(a.createOffer()))
      void a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 10_000 }))
      await clock.advance(1010)
      const before = wire.length
      stalling.stall(stallMs)
      await clock.advance(stallMs - 1)
      t.equal(wire.length, before, 'nothing while it stood still')
      await clock.advance(1000)
      const after = wire.slice(before)
      t.ok(after.length <= 51, `${after.length} packets in the second after it`)
      for (let i = 1; i < after.length; i += 1) {
        const gap = (after[i]?.atMs ?? 0) - (after[i - 1]?.atMs ?? 0)
        if (i > 1) t.equal(gap, 20)
        else t.ok(gap > 0)
      }
      const first = wire[0]
      for (const { atMs, rtp } of after) {
        const elapsed = ((rtp.timestamp - (first?.rtp.timestamp ?? 0)) >>> 0) / 8
        const drift = atMs - (first?.atMs ?? 0) - elapsed
        t.ok(drift >= 0 && drift < 20, `${drift} ms behind`)
      }
      t.equal(after[0]?.rtp.marker, true, 'a new talkspurt')
      t.equal(sequenceBreaks(wire), 0)
      t.ok(a.stats().skippedTicks >= stallMs / 20 - 1)
      await Promise.all([a.close(), b.close()])
    },
  )
}

for (const ptime of [10, 20, 30, 40, 60]) {
  t.test(`packets of ${ptime} ms, both ways, carry the same tone`, async t => {
    const pair = await Pair.open({ a: { ptime }, b: { ptime } })
    const wire = listen(pair.network, '10.0.0.1')
    pair.connect()
    const heard = pair.capture(pair.b)
    void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 3000, levelDbfs: -20 }))
    await pair.clock.advance(2500)
    t.equal(wire[5]?.rtp.payloadLength, ptime * 8)
    t.equal(new Set(timestampSteps(wire)).size, 1)
    t.equal(timestampSteps(wire)[0], ptime * 8)
    const middle = heard.between(1000, 2000)
    t.equal(middle.length, 8000)
    t.ok(Math.abs(goertzelDbfs(middle, 8000, 1000) + 20) < 0.3, `${goertzelDbfs(middle, 8000, 1000)} dBFS`)
    t.equal(pair.b.stats().lost, 0)
    await pair.close()
  })
}

t.test('chunks of 37 ms arrive at the far end without a seam', async t => {
  const pair = await Pair.open()
  pair.connect()
  const heard = pair.capture(pair.b)
  const voice = tone({ sampleRate: 8000, hz: 1000, durationMs: 4000, levelDbfs: -12 })
  const say = async (): Promise<void> => {
    for (let at = 0; at < voice.length; at += 296) await pair.a.output.write(voice.subarray(at, at + 296))
    await pair.a.output.flush()
  }
  const said = say()
  await pair.clock.advance(5000)
  await said
  const steady = heard.between(1000, 3500)
  t.equal(pair.b.stats().concealedMs, 0)
  // At 1000 Hz four samples later the tone is the negative of itself: what is left is what does not belong to it.
  const left = Int16Array.from(steady, (sample, i) => (i < 4 ? 0 : sample + (steady[i - 4] ?? 0)))
  t.ok(levelDbfs(left) < -45, `${levelDbfs(left)} dBFS besides the tone (G.711 noise)`)
  t.ok(Math.abs(goertzelDbfs(steady, 8000, 1000) + 12) < 0.2)
  await pair.close()
})

t.test('barge-in: clear says the position heard to the sample, and the far end hears no more', async t => {
  const pair = await Pair.open()
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  const heard = pair.capture(pair.b)
  await pair.clock.advance(500)
  const before = wire.length
  const play = pair.a.output.play(tone({ sampleRate: 8000, hz: 1000, durationMs: 10_000, levelDbfs: -12 }))
  await pair.clock.advance(3010)
  const packets = wire.length - before
  const cleared = pair.a.output.clear()
  await pair.clock.advance(1000)
  const { playedMs, interrupted } = await play
  t.equal(playedMs, packets * 20)
  t.match(cleared, { playedMs, interrupted: true })
  t.ok(cleared.droppedMs >= 980 && cleared.droppedMs <= 1220, `${cleared.droppedMs} ms were queued`)
  t.equal(interrupted, true)
  const tail = heard.between(3800, 4400)
  t.ok(levelDbfs(tail) < -60)
  const loud = heard.frames.filter(({ samples }) => levelDbfs(samples) > -20).length
  t.ok(Math.abs(loud - packets) <= 1, `${loud} frames heard of ${packets} sent`)
  await pair.close()
})

t.test('what is written before the answer waits for it', async t => {
  const pair = await Pair.open()
  void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 500, levelDbfs: -12 }))
  await pair.clock.advance(2000)
  t.equal(pair.a.output.bufferedMs, 500)
  pair.connect()
  const heard = pair.capture(pair.b)
  await pair.clock.advance(1000)
  t.equal(heard.frames.filter(({ samples }) => levelDbfs(samples) > -20).length, 25)
  await pair.close()
})

t.test('only the codecs given are offered, in their order', async t => {
  const pair = await Pair.open({ a: { codecs: [PCMU] } })
  pair.connect()
  t.equal(pair.a.codec.name, 'PCMU')
  t.equal(pair.a.negotiated?.receivePayloadTypes.size, 1)
  await pair.close()
})
