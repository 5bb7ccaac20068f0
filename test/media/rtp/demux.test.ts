import t from 'tap'
import { classifyPacket } from '../../../src/media/rtp/demux.ts'
import type { MediaPacketKind } from '../../../src/media/rtp/demux.ts'

const ranges: [from: number, to: number, kind: MediaPacketKind][] = [
  [0, 3, 'stun'],
  [4, 15, 'unknown'],
  [16, 19, 'zrtp'],
  [20, 63, 'dtls'],
  [64, 79, 'turn-channel'],
  [80, 127, 'unknown'],
  [128, 191, 'rtp'],
  [192, 255, 'unknown'],
]
for (const [from, to, kind] of ranges) {
  t.test(`first octet ${from}-${to} is ${kind} (RFC 7983 §7)`, async t => {
    for (let first = from; first <= to; first += 1) t.equal(classifyPacket(Uint8Array.of(first, 0)), kind)
  })
}

t.test('second octet 192-223 is RTCP (RFC 5761 §4)', async t => {
  for (let second = 0; second <= 255; second += 1) {
    t.equal(classifyPacket(Uint8Array.of(0x80, second)), second >= 192 && second <= 223 ? 'rtcp' : 'rtp')
  }
})

t.test('too short to tell', async t => {
  t.equal(classifyPacket(new Uint8Array(0)), 'unknown')
  t.equal(classifyPacket(Uint8Array.of(0x80)), 'unknown')
})
