import t from 'tap'
import { srtpFailureOf } from '../../../src/media/srtp/profiles.ts'
import { SrtpReceiver } from '../../../src/media/srtp/receiver.ts'
import { SrtpSender } from '../../../src/media/srtp/sender.ts'
import { profiles, protect, protectControl, rtcp, rtp, ssrc, testKey } from './packets.ts'

const key = testKey()

/** What became of a packet: `ok`, or why it was refused; checks that a refused packet is as it was. */
function send(sender: SrtpSender, packet: Buffer, kind: 'rtp' | 'rtcp' = 'rtp', room = 40): string {
  const buffer = Buffer.concat([packet, Buffer.alloc(room)])
  const before = Buffer.from(buffer)
  const { length } = packet
  const result = kind === 'rtp' ? sender.protectRtp(buffer, length) : sender.protectRtcp(buffer, length)
  if (result >= 0) return 'ok'
  return buffer.equals(before) ? (srtpFailureOf(result) ?? `code ${result}`) : 'changed although refused'
}

t.test('no index is protected twice: sequence numbers only go forward (RFC 3711 §9.1)', async t => {
  const sender = new SrtpSender(key)
  const order = [65_530, 65_530, 65_529, 65_535, 65_536, 65_535, 65_537, 65_537]
  t.same(
    order.map(index => send(sender, rtp(index))),
    ['ok', 'index-reuse', 'index-reuse', 'ok', 'ok', 'index-reuse', 'ok', 'index-reuse'],
  )
  t.equal(sender.rolloverOf(ssrc), 1)
  t.equal(sender.rolloverOf(5), undefined)
  t.equal(send(sender, rtp(65_535, 5)), 'ok', 'another SSRC has indices of its own')
})

t.test('a changed master key goes on with the rollover counters, never with an index of before', async t => {
  const before = new SrtpSender(key)
  for (const index of [65_534, 65_535, 65_536]) protect(before, rtp(index))
  const sender = new SrtpSender({ ...testKey(key.profile, 2), continues: before })
  t.equal(sender.rolloverOf(ssrc), 1)
  t.equal(send(sender, rtp(0)), 'index-reuse')
  t.equal(send(sender, rtp(1)), 'ok')
})

t.test('a key protects as many packets as its lifetime says, and no more', async t => {
  const sender = new SrtpSender({ ...key, lifetime: 3 })
  t.same(
    [1, 2, 3, 4].map(sequence => send(sender, rtp(sequence))),
    ['ok', 'ok', 'ok', 'key-expired'],
  )
  t.same(
    [1, 2, 3, 4].map(() => send(sender, rtcp(), 'rtcp')),
    ['ok', 'ok', 'ok', 'key-expired'],
  )
  t.equal(sender.rtpPacketsLeft, 0)
  const unlimited = new SrtpSender({ ...key, lifetime: 2 ** 52 })
  t.equal(unlimited.rtpPacketsLeft, 2 ** 48, 'RFC 3711 §9.2')
  t.equal(unlimited.rtcpPacketsLeft, 2 ** 31, 'RFC 3711 §9.2')
})

t.test('a refused packet costs no lifetime', async t => {
  const sender = new SrtpSender(key)
  send(sender, rtp(5))
  const left = sender.rtpPacketsLeft
  send(sender, rtp(5))
  send(sender, rtp(6), 'rtp', 9)
  t.equal(sender.rtpPacketsLeft, left)
})

t.test('packets that cannot be protected are refused as they are', async t => {
  const sender = new SrtpSender({ ...key, maxSources: 1 })
  t.equal(send(sender, rtp(1).subarray(0, 11)), 'too-short')
  t.equal(send(sender, Buffer.alloc(40)), 'malformed')
  t.equal(send(sender, rtcp().subarray(0, 7), 'rtcp'), 'too-short')
  t.equal(send(sender, Buffer.alloc(40), 'rtcp'), 'malformed')
  t.equal(send(sender, rtp(1), 'rtp', 9), 'no-room')
  t.equal(send(sender, rtcp(), 'rtcp', 13), 'no-room')
  t.equal(send(sender, rtp(1)), 'ok')
  t.equal(send(sender, rtp(1, 2)), 'too-many-sources')
  t.equal(send(sender, rtcp(), 'rtcp'), 'ok')
  t.equal(send(sender, rtcp(2), 'rtcp'), 'too-many-sources')
  sender.close()
  t.equal(send(sender, rtp(2)), 'closed')
  t.equal(send(sender, rtcp(), 'rtcp'), 'closed')
})

t.test('packets grow by what the profile says: the tag of RTCP is never shorter than 80 bits', async t => {
  for (const profile of profiles) {
    const sender = new SrtpSender({ ...testKey(profile), mki: Uint8Array.of(1, 2) })
    t.equal(protect(sender, rtp(1)).length, 172 + profile.rtpOverhead + 2)
    t.equal(protectControl(sender, rtcp()).length, 28 + profile.rtcpOverhead + 2)
    t.ok(profile.rtcpTagOctets >= 10, profile.name)
  }
})

t.test('two streams in turn, of packets of two sizes, come back', async t => {
  for (const profile of profiles) {
    const sender = new SrtpSender(testKey(profile))
    const receiver = new SrtpReceiver(testKey(profile))
    for (let i = 0; i < 60; i += 1) {
      for (const source of [1, 2]) {
        const plain = rtp(65_510 + i, source).subarray(0, i % 7 === 0 ? 16 : i % 5 === 0 ? 100 : 172)
        const sent = protect(sender, plain)
        const length = receiver.unprotectRtp(sent)
        if (!sent.subarray(0, Math.max(0, length)).equals(plain)) t.fail(`${profile.name}, packet ${i}`)
      }
    }
    t.same(receiver.failures, {})
  }
})
