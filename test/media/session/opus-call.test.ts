import t from 'tap'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { loadCodec, loadCodecs } from '../../../src/media/codec/catalogue.ts'
import { loadLibopus } from '../../../src/media/codec/opus-module.ts'
import { OpusPacket } from '../../../src/media/codec/opus-packet.ts'
import { speechLike } from '../codec/speech.ts'
import { Pair } from './pair.ts'
import { listen } from './wire.ts'

t.test('Opus over a network that loses 10 %: speech arrives, and FEC is spent once RTCP tells', async t => {
  const codecs = await loadCodecs(['opus'])
  const conditions = { delayMs: 40, jitterMs: 15, loss: 0.1 }
  const pair = await Pair.open({ a: { codecs }, b: { codecs }, conditions })
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  const rate = pair.b.input.sampleRate
  const capture = pair.capture(pair.b)
  const speech = speechLike(rate, 15_000)
  void pair.a.output.play(speech)
  await pair.clock.advance(15_400)
  await pair.close()
  const heard = capture.between(500, 15_000)
  t.ok(Math.abs(levelDbfs(heard) - levelDbfs(speech)) < 2, `${levelDbfs(heard)} of ${levelDbfs(speech)} dBFS`)
  const packet = new OpusPacket()
  const remember = (fromMs: number, toMs: number): number =>
    wire.filter(({ atMs, rtp }) => atMs >= fromMs && atMs < toMs && packet.remembers(rtp.payload)).length
  t.equal(remember(0, 1000), 0, 'nothing is lost as far as we know')
  t.ok(remember(10_000, 15_000) > 50, `${remember(10_000, 15_000)} of 250 packets carry the one before`)
})

t.test('what the peer asks for in a re-INVITE counts from then on, and memory is given back', async t => {
  const narrow = [await loadCodec('opus', { opus: { maxReceiveBitrate: 12_000 } })]
  const wide = [await loadCodec('opus')]
  const { libopus } = await loadLibopus()
  const probe = (): number => {
    const at = libopus._malloc(100_000)
    libopus._free(at)
    return at
  }
  const before = probe()
  const pair = await Pair.open({ a: { codecs: wide }, b: { codecs: narrow } })
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  void pair.a.output.play(speechLike(24_000, 4000))
  await pair.clock.advance(4000)
  const octets = wire.reduce((sum, { rtp }) => sum + rtp.payload.length, 0)
  t.ok(octets * 2 < 13_000, `${octets * 2} bit/s`)
  const packet = new OpusPacket()
  t.ok(wire.every(({ rtp }) => packet.read(rtp.payload)))
  await pair.close()
  t.equal(probe(), before)
})
