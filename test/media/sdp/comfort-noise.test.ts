import t from 'tap'
import type { LocalCapabilities } from '../../../src/media/sdp/capabilities.ts'
import { comfortNoiseBeside } from '../../../src/media/sdp/comfort-noise.ts'
import { SdpNegotiator } from '../../../src/media/sdp/negotiator.ts'
import { writeSdp } from '../../../src/media/sdp/write.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const voices = {
  PCMU: { name: 'PCMU', clockRate: 8000 },
  G722: { name: 'G722', clockRate: 8000 },
  L16: { name: 'L16', clockRate: 16_000 },
  opus: { name: 'opus', clockRate: 48_000, channels: 2 },
}

function negotiator(...names: readonly (keyof typeof voices)[]): SdpNegotiator {
  const codecs = names.map(name => voices[name])
  const capabilities: LocalCapabilities = {
    codecs: [...codecs, ...comfortNoiseBeside(codecs)],
    address: '10.0.0.1',
    port: 4000,
  }
  return new SdpNegotiator({ random: seededRandom(1), capabilities })
}

function offerOf(...lines: readonly string[]): string {
  const session = ['v=0', 'o=- 1 1 IN IP4 10.0.0.2', 's=-', 'c=IN IP4 10.0.0.2', 't=0 0']
  return [...session, ...lines, ''].join('\r\n')
}

t.test('CN is offered once for each clock rate: 13 at 8000, a dynamic number at 16,000, none for Opus', t => {
  const offer = writeSdp(negotiator('PCMU', 'G722', 'L16', 'opus').offer())
  t.match(offer, /a=rtpmap:13 CN\/8000\r\n/)
  t.match(offer, /a=rtpmap:(?:9[6-9]|1[012]\d) CN\/16000\r\n/)
  t.equal(offer.match(/CN\//g)?.length, 2)
  t.notMatch(writeSdp(negotiator('opus').offer()), /CN/)
  t.end()
})

t.test('CN of an offer is taken by its own number; what is sent has the clock rate of the codec', t => {
  const { answer, audio } = negotiator('L16', 'PCMU').answer(
    offerOf('m=audio 4002 RTP/AVP 100 0 13 99', 'a=rtpmap:100 L16/16000', 'a=rtpmap:99 CN/16000'),
  )
  t.match(writeSdp(answer), /a=rtpmap:99 CN\/16000\r\n/)
  t.same(audio.sendComfortNoise, { payloadType: 99, clockRate: 16_000 })
  t.same(
    audio.comfortNoise,
    new Map([
      [13, 8000],
      [99, 16_000],
    ]),
  )
  t.end()
})

t.test('CN at another clock rate than the codec, or none, is not sent', t => {
  const other = negotiator('L16', 'PCMU').answer(
    offerOf('m=audio 4002 RTP/AVP 100 0 13', 'a=rtpmap:100 L16/16000'),
  )
  t.equal(other.audio.sendComfortNoise, undefined)
  const none = negotiator('PCMU').answer(offerOf('m=audio 4002 RTP/AVP 0'))
  t.equal(none.audio.sendComfortNoise, undefined)
  t.notMatch(writeSdp(none.answer), /CN/)
  t.end()
})

t.test('a peer that says silenceSupp:off (RFC 3108) is sent everything, and may still send CN itself', t => {
  for (const [line, sent] of [
    ['a=silenceSupp:off - - - -', undefined],
    ['a=silencesupp: OFF - - - -', undefined],
    ['a=silenceSupp:on - - - -', 13],
    ['a=silenceSupp:- - - - -', 13],
  ] as const) {
    const { audio } = negotiator('PCMU').answer(offerOf('m=audio 4002 RTP/AVP 0 13', line))
    t.equal(audio.sendComfortNoise?.payloadType, sent, line)
    t.same(audio.comfortNoise, new Map([[13, 8000]]), line)
  }
  t.end()
})
