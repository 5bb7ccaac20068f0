import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { Pair } from './pair.ts'

const second = tone({ sampleRate: 8000, hz: 1000, levelDbfs: -12, durationMs: 1000 })

/** Milliseconds of the tone that are heard by who called, when the answer comes so much later than it was given. */
async function heard(lateMs: number, srtp: 'off' | 'required'): Promise<{ ms: number; pair: Pair }> {
  const pair = await Pair.open({ a: { srtp }, b: { srtp }, conditions: { delayMs: 10 } })
  void pair.b.output.write(second)
  const answer = pair.b.answerOffer(pair.a.createOffer())
  await pair.clock.advance(lateMs)
  pair.a.acceptAnswer(answer)
  const capture = pair.capture(pair.a)
  await pair.clock.advance(2000)
  const samples = capture.between(0, Infinity)
  let ms = 0
  for (let at = 0; at + 160 <= samples.length; at += 160) {
    if (goertzelDbfs(samples.subarray(at, at + 160), 8000, 1000) > -20) ms += 20
  }
  return { ms, pair }
}

for (const srtp of ['off', 'required'] as const) {
  t.test(
    `the first word is heard although it overtakes the answer (RFC 3264 §5.1), srtp ${srtp}`,
    async t => {
      const { ms, pair } = await heard(150, srtp)
      // What waited is caught up with by whole periods left out, down to the delay of a quiet network.
      t.ok(ms >= 900, `${ms} ms of 1000, but for its edges and what was caught up`)
      const { discarded, packetsReceived, late, bufferMs } = pair.a.stats()
      t.match(discarded, { early: 0, stray: 0, crypto: 0 })
      t.equal(late, 0)
      t.ok(bufferMs < 100, `what waited counts as no jitter: ${bufferMs} ms`)
      t.ok(packetsReceived >= 100)
      await pair.close()
    },
  )
}

t.test(
  'what came long before the answer is left out and counted, and the call is not behind for it',
  async t => {
    const { ms, pair } = await heard(700, 'off')
    t.ok(ms >= 450 && ms < 600, `${ms} ms`)
    const { discarded, bufferMs, lost } = pair.a.stats()
    t.ok(discarded.early >= 20 && discarded.early <= 30, `${discarded.early}`)
    t.equal(lost, 0)
    t.ok(bufferMs < 100)
    await pair.close()
  },
)

t.test('a flood before the answer is bounded, and what strangers sent then is as stray as ever', async t => {
  const pair = await Pair.open()
  const stranger = await pair.network.host('192.0.2.66').bindUdp({ host: '192.0.2.66', port: 4000 })
  const answer = pair.b.answerOffer(pair.a.createOffer())
  const packet = new Uint8Array(172)
  packet[0] = 0x80
  for (let i = 0; i < 1000; i += 1) {
    packet[3] = i
    stranger.send(packet, pair.a.local.port, pair.a.local.address)
  }
  await pair.clock.advance(10)
  pair.a.acceptAnswer(answer)
  await pair.clock.advance(1000)
  const { discarded, packetsReceived } = pair.a.stats()
  // One of the last was the peer's.
  t.ok(discarded.early >= 1000 - 24 && discarded.early <= 1000 - 22)
  t.ok(discarded.stray >= 20)
  t.ok(packetsReceived >= 48, 'the peer is heard')
  await pair.close()
})
