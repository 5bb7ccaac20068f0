import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { loadCodec, loadCodecs } from '../../../src/media/codec/catalogue.ts'
import { Pair } from './pair.ts'
import { listen, sequenceBreaks, timestampSteps } from './wire.ts'

/** Level of the tone, and of everything, in each 100 ms. */
function windows(pcm: Int16Array, rate: number, hz: number): readonly { hz: number; all: number }[] {
  const size = rate / 10
  return Array.from({ length: Math.floor(pcm.length / size) }, (_, i) => {
    const part = pcm.subarray(i * size, (i + 1) * size)
    return { hz: goertzelDbfs(part, rate, hz), all: levelDbfs(part) }
  })
}

for (const name of ['opus', 'G722', 'L16/16000', 'L16/44100', 'L16/48000', 'PCMA'])
  for (const ptime of [10, 20, 30, 40, 50, 60])
    t.test(`${name}, ${ptime} ms per packet: a tone is heard at its pitch and level`, async t => {
      const codecs = await loadCodecs([name])
      const pair = await Pair.open({ a: { codecs, ptime }, b: { codecs, ptime } })
      const wire = listen(pair.network, '10.0.0.1')
      pair.connect()
      const rate = pair.b.input.sampleRate
      const capture = pair.capture(pair.b)
      void pair.a.output.play(
        tone({ sampleRate: pair.a.output.sampleRate, hz: 800, durationMs: 1600, levelDbfs: -15 }),
      )
      await pair.clock.advance(1500)
      const [step = 0] = timestampSteps(wire)
      const sentMs = (step * 1000) / (codecs[0]?.clockRate ?? 0)
      const able = {
        opus: [10, 20, 40, 60],
        'L16/16000': [10, 20, 30, 40],
        'L16/44100': [10],
        'L16/48000': [10],
      }
      const lengths = able[name as keyof typeof able] ?? [10, 20, 30, 40, 50, 60]
      t.equal(
        sentMs,
        lengths.findLast(ms => ms <= ptime),
      )
      t.equal(new Set(timestampSteps(wire)).size, 1)
      t.equal(sequenceBreaks(wire), 0)
      t.ok(
        wire.every(({ rtp }) => rtp.payload.length <= 1400),
        'no packet is too long for the network',
      )
      await pair.close()
      const heard = capture.between(500, 1200)
      t.ok(Math.abs(goertzelDbfs(heard, rate, 800) + 15) < 1, `${goertzelDbfs(heard, rate, 800)} dBFS`)
      t.equal(heard.length, Math.round(rate * 0.7))
    })

for (const srtp of ['off', 'required'] as const)
  t.test(
    `PCMU, Opus and PCMU again in mid-call, SRTP ${srtp}: the tone is heard throughout, at its pitch`,
    async t => {
      const codecs = await loadCodecs(['PCMU', 'opus'])
      const pair = await Pair.open({ a: { codecs, srtp }, b: { codecs, srtp } })
      const wire = listen(pair.network, '10.0.0.1')
      pair.connect()
      const capture = pair.capture(pair.b)
      void pair.a.output.play(tone({ sampleRate: 8000, hz: 440, durationMs: 6000, levelDbfs: -12 }))
      const change = (codec: string): void =>
        void pair.a.acceptAnswer(pair.b.answerOffer(pair.a.createOffer({ codecs: [codec] })))
      await pair.clock.advance(2000)
      change('opus')
      t.equal(pair.a.codec.name, 'opus')
      t.equal(pair.b.codec.name, 'opus')
      await pair.clock.advance(2000)
      change('pcmu')
      t.equal(pair.a.codec.name, 'PCMU')
      await pair.clock.advance(2000)
      await pair.close()
      const levels = windows(capture.between(0, 6000), 8000, 440)
      const heard = levels.slice(5, 58).filter(({ hz }) => Math.abs(hz + 12) < 3)
      t.ok(heard.length >= 51, `${heard.length} of 53 tenths of a second`)
      t.ok(
        levels.slice(5, 58).every(({ all }) => all < -8),
        'and nothing is louder than the tone: no click',
      )
      const runs = [0, 1, 2].map(i => wire.filter(packet => Math.floor((packet.atMs - 1) / 2000) === i))
      t.same(
        runs.map(run => new Set(run.map(({ rtp }) => rtp.payloadType)).size),
        [1, 1, 1],
      )
      const sources = runs.map(run => [...new Set(run.map(({ rtp }) => rtp.ssrc))])
      t.same(
        sources.map(ssrcs => ssrcs.length),
        [1, 1, 1],
      )
      t.equal(new Set(sources.flat()).size, 3, 'each clock rate has an SSRC of its own (RFC 7160 4.1)')
      t.same(
        runs.map(run => [...new Set(timestampSteps(run))]),
        [[160], [960], [160]],
      )
      t.same(runs.map(sequenceBreaks), [0, 0, 0])
    },
  )

t.test('G.722 for PCMU keeps the SSRC: the RTP clock stays (RFC 3551 4.5.2)', async t => {
  const codecs = await loadCodecs(['PCMU', 'G722'])
  const pair = await Pair.open({ a: { codecs }, b: { codecs } })
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  await pair.clock.advance(500)
  pair.a.acceptAnswer(pair.b.answerOffer(pair.a.createOffer({ codecs: ['G722'] })))
  await pair.clock.advance(500)
  t.equal(new Set(wire.map(({ rtp }) => rtp.ssrc)).size, 1)
  t.same([...new Set(timestampSteps(wire))], [160])
  t.same([...new Set(wire.map(({ rtp }) => rtp.payloadType))], [0, 9])
  await pair.close()
})

t.test(
  'DTX: nothing is sent in silence but a packet now and then; the clock goes on and speech is marked',
  async t => {
    const codecs = [await loadCodec('opus', { opus: { dtx: true } })]
    const pair = await Pair.open({ a: { codecs }, b: { codecs } })
    const wire = listen(pair.network, '10.0.0.1')
    pair.connect()
    const rate = pair.a.output.sampleRate
    const capture = pair.capture(pair.b)
    await pair.clock.advance(2000)
    const quiet = wire.length
    t.ok(quiet > 2 && quiet < 40, `${quiet} packets in two seconds`)
    void pair.a.output.play(tone({ sampleRate: rate, hz: 600, durationMs: 1000, levelDbfs: -15 }))
    await pair.clock.advance(1500)
    const spoken = wire.slice(quiet).filter(packet => packet.atMs < 3000)
    t.ok(spoken.length >= 48, `${spoken.length} packets in a second of speech`)
    const [first] = wire
    for (const { rtp, atMs } of wire.slice(quiet))
      t.equal(((rtp.timestamp - (first?.rtp.timestamp ?? 0)) >>> 0) / 48, atMs - (first?.atMs ?? 0))
    t.ok(
      wire.slice(quiet - 1, quiet + 3).some(({ rtp }) => rtp.marker),
      'a talkspurt begins with the marker',
    )
    t.equal(sequenceBreaks(wire), 0)
    await pair.close()
    const heard = goertzelDbfs(capture.between(2300, 2900), rate, 600)
    t.ok(Math.abs(heard + 15) < 1.5, `${heard} dBFS`)
  },
)

t.test('the SDP says opus/48000/2 whatever we have inside (RFC 7587 7), and our parameters', async t => {
  const codecs = [await loadCodec('opus', { opus: { sampleRate: 16_000 } })]
  const pair = await Pair.open({ a: { codecs } })
  const offer = pair.a.createOffer()
  t.match(offer, /^a=rtpmap:(?<pt>\d+) opus\/48000\/2\r$/m)
  t.match(
    offer,
    /^a=fmtp:\d+ minptime=10;maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1\r$/m,
  )
  await pair.close()
})
