import t from 'tap'
import type { OptionError } from '../../../src/runtime/errors.ts'
import { srtpFailureOf } from '../../../src/media/srtp/profiles.ts'
import { SrtpReceiver } from '../../../src/media/srtp/receiver.ts'
import type { SrtpReceiverOptions } from '../../../src/media/srtp/receiver.ts'
import { SrtpSender } from '../../../src/media/srtp/sender.ts'
import { profiles, protect, protectControl, rtcp, rtp, ssrc, testKey } from './packets.ts'
import { protectRtcpPlainly, protectRtpPlainly } from './reference.ts'

/** What became of a packet: `ok`, or why it was refused; checks that a refused packet is as it was. */
function receive(receiver: SrtpReceiver, datagram: Uint8Array, kind: 'rtp' | 'rtcp' = 'rtp'): string {
  const copy = Buffer.from(datagram)
  const before = Buffer.from(copy)
  const length = kind === 'rtp' ? receiver.unprotectRtp(copy) : receiver.unprotectRtcp(copy)
  if (length >= 0) return 'ok'
  if (!copy.equals(before)) return 'changed although refused'
  return srtpFailureOf(length) ?? `code ${length}`
}

function flipped(datagram: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(datagram)
  copy[at]! ^= 1
  return copy
}

for (const profile of profiles) {
  const key = testKey(profile)

  t.test(
    `${profile.name}: any changed octet is found out, and the packet itself is still welcome`,
    async t => {
      const receiver = new SrtpReceiver(key)
      const sent = protect(new SrtpSender(key), rtp(100))
      for (let at = 1; at < sent.length; at += 1) {
        if (receive(receiver, flipped(sent, at)) !== 'authentication') t.fail(`octet ${at}`)
      }
      t.equal(receiver.sources, 0, 'no state came of it')
      t.equal(receive(receiver, sent), 'ok')

      const control = protectControl(new SrtpSender(key), rtcp())
      for (let at = 1; at < control.length; at += 1) {
        if (receive(receiver, flipped(control, at), 'rtcp') !== 'authentication') t.fail(`RTCP octet ${at}`)
      }
      t.equal(receive(receiver, control, 'rtcp'), 'ok')
      t.same(receiver.failures, { authentication: sent.length - 1 + control.length - 1 })
    },
  )

  t.test(`${profile.name}: a packet cut short at any length is refused`, async t => {
    const receiver = new SrtpReceiver(key)
    const sent = protect(new SrtpSender(key), rtp(100))
    const control = protectControl(new SrtpSender(key), rtcp())
    for (let length = 0; length < sent.length; length += 1) {
      const verdict = receive(receiver, sent.subarray(0, length))
      const expected = length < 12 + profile.rtpOverhead ? 'too-short' : 'authentication'
      if (verdict !== expected) t.fail(`${length} octets: ${verdict}`)
    }
    for (let length = 0; length < control.length; length += 1) {
      const verdict = receive(receiver, control.subarray(0, length), 'rtcp')
      const expected = length < 8 + profile.rtcpOverhead ? 'too-short' : 'authentication'
      if (verdict !== expected) t.fail(`${length} octets of RTCP: ${verdict}`)
    }
    t.equal(receiver.sources, 0)
  })

  t.test(`${profile.name}: a packet is taken once, RTCP by its index`, async t => {
    const receiver = new SrtpReceiver(key)
    const sender = new SrtpSender(key)
    const sent = [10, 11, 12].map(sequence => protect(sender, rtp(sequence)))
    const controls = [rtcp(), rtcp()].map(packet => protectControl(sender, packet))
    t.same(
      [0, 2, 0, 1, 1, 2].map(i => receive(receiver, sent[i]!)),
      ['ok', 'ok', 'replay', 'ok', 'replay', 'replay'],
    )
    t.same(
      [1, 0, 0, 1].map(i => receive(receiver, controls[i]!, 'rtcp')),
      ['ok', 'ok', 'replay', 'replay'],
    )
  })

  t.test(`${profile.name}: a packet moved to another stream is refused`, async t => {
    const receiver = new SrtpReceiver(key)
    const sender = new SrtpSender(key)
    t.equal(receive(receiver, protect(sender, rtp(1))), 'ok')
    t.equal(receive(receiver, protect(sender, rtp(1, 7))), 'ok', 'another SSRC is another stream')
    const moved = protect(sender, rtp(2))
    moved.writeUInt32BE(7, 8)
    t.equal(receive(receiver, moved), 'authentication')
    const control = protectControl(sender, rtcp())
    control.writeUInt32BE(7, 4)
    t.equal(receive(receiver, control, 'rtcp'), 'authentication')
    t.equal(receive(receiver, protect(sender, rtp(2, 7))), 'ok')
  })

  t.test(`${profile.name}: another key's packets are refused`, async t => {
    const receiver = new SrtpReceiver(key)
    t.equal(receive(receiver, protect(new SrtpSender(testKey(profile, 2)), rtp(1))), 'authentication')
  })

  t.test(`${profile.name}: RTCP with the encryption flag clear is authenticated and taken`, async t => {
    const receiver = new SrtpReceiver(key)
    const clear = protectRtcpPlainly(key, rtcp(), 5, false)
    t.equal(receive(receiver, flipped(clear, 20), 'rtcp'), 'authentication')
    const length = receiver.unprotectRtcp(clear)
    t.same(clear.subarray(0, length), rtcp())
  })
}

const key = testKey()

t.test('what is no RTP or RTCP of version 2 is malformed', async t => {
  const receiver = new SrtpReceiver(key)
  const sent = protect(new SrtpSender(key), rtp(1))
  sent[0] = 0x40
  t.equal(receive(receiver, sent), 'malformed')
  sent[0] = 0x9f
  sent.writeUInt16BE(0xffff, 12 + 60 + 2)
  t.equal(receive(receiver, sent), 'malformed', 'an extension longer than the packet')
  const control = protectControl(new SrtpSender(key), rtcp())
  control[0] = 0
  t.equal(receive(receiver, control, 'rtcp'), 'malformed')
})

t.test('rollover with reordering and loss (RFC 3711 §3.3.1)', async t => {
  const receiver = new SrtpReceiver(key)
  const at = (index: number): Buffer =>
    protectRtpPlainly(key, rtp(index & 0xffff), Math.floor(index / 0x10000))
  const order = [65_533, 65_536, 65_535, 65_534, 65_538, 65_530, 65_537, 65_535]
  t.same(
    order.map(index => receive(receiver, at(index))),
    ['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'replay'],
  )
  t.equal(receiver.rolloverOf(ssrc), 1)
  t.equal(receive(receiver, at(65_538 - 128)), 'replay', 'from before the wrap, and before the window')
  t.equal(receive(receiver, at(65_538 - 127)), 'ok')
  t.equal(receive(receiver, at(65_538 + 20_000)), 'ok', 'a long silence')
  t.equal(receive(receiver, at(65_538 + 40_000)), 'ok')
  t.equal(receive(receiver, at(2 * 65_536)), 'ok')
  t.equal(receiver.rolloverOf(ssrc), 2)
})

t.test('a stream that begins at sequence number 65,535', async t => {
  const receiver = new SrtpReceiver(key)
  const sender = new SrtpSender(key)
  const sent = [65_535, 65_536, 65_537].map(index => protect(sender, rtp(index)))
  t.same(
    sent.map(packet => receive(receiver, packet)),
    ['ok', 'ok', 'ok'],
  )
})

t.test('a stream of which nothing from before its first wrap arrived in time', async t => {
  const receiver = new SrtpReceiver(key)
  const sender = new SrtpSender(key)
  const sent = [65_534, 65_535, 65_536, 65_537].map(index => protect(sender, rtp(index)))
  t.same(
    [2, 1, 3, 0, 0].map(i => receive(receiver, sent[i]!)),
    ['ok', 'ok', 'ok', 'ok', 'replay'],
  )
})

t.test('a sequence number from before index 0 is refused', async t => {
  const receiver = new SrtpReceiver(key)
  t.equal(receive(receiver, protect(new SrtpSender(key), rtp(3))), 'ok')
  t.equal(receive(receiver, protect(new SrtpSender(key), rtp(65_530))), 'replay')
})

t.test('a forged packet far ahead does not move the window', async t => {
  const receiver = new SrtpReceiver(key)
  const sender = new SrtpSender(key)
  t.equal(receive(receiver, protect(sender, rtp(1))), 'ok')
  t.equal(receive(receiver, flipped(protect(new SrtpSender(key), rtp(30_000)), 50)), 'authentication')
  t.equal(receive(receiver, protect(sender, rtp(2))), 'ok')
  t.equal(receiver.rolloverOf(ssrc), 0)
})

t.test('SSRCs are bounded, and only authentic ones count', async t => {
  const receiver = new SrtpReceiver({ ...key, maxSources: 3 })
  for (let source = 0; source < 1000; source += 1) {
    receive(receiver, flipped(protect(new SrtpSender(key), rtp(1, source)), 30))
  }
  t.equal(receiver.sources, 0)
  const sender = new SrtpSender(key)
  t.same(
    [1, 2, 3, 4, 1].map((source, i) => receive(receiver, protect(sender, rtp(10 + i, source)))),
    ['ok', 'ok', 'ok', 'too-many-sources', 'ok'],
  )
  t.same(
    [1, 2, 3, 4, 1].map(source => receive(receiver, protectControl(sender, rtcp(source)), 'rtcp')),
    ['ok', 'ok', 'ok', 'too-many-sources', 'ok'],
  )
  t.equal(receiver.sources, 6)
})

for (const profile of profiles) {
  t.test(`${profile.name}: keys are chosen by their identifiers, streams go on (RFC 3711 §8.1)`, async t => {
    const first = { ...testKey(profile, 1), mki: Uint8Array.of(0, 1) }
    const second = { ...testKey(profile, 2), mki: Uint8Array.of(0, 2) }
    const receiver = new SrtpReceiver({ ...first, otherKeys: [second] })
    const old = new SrtpSender(first)
    const late = [65_534, 65_535].map(index => protect(old, rtp(index)))
    t.equal(receive(receiver, late[0]!), 'ok')
    const renewed = new SrtpSender({ ...second, continues: old })
    t.equal(receive(receiver, protect(renewed, rtp(65_536))), 'ok')
    t.equal(receive(receiver, late[1]!), 'ok')
    t.equal(receive(receiver, protectControl(old, rtcp()), 'rtcp'), 'ok')
    t.equal(receiver.rolloverOf(ssrc), 1)

    const third = { ...testKey(profile, 3), mki: Uint8Array.of(0, 3) }
    const next = new SrtpSender({ ...third, continues: renewed })
    const sent = protect(next, rtp(65_537))
    t.equal(receive(receiver, sent), 'unknown-mki')
    receiver.addKey(third)
    t.equal(receive(receiver, sent), 'ok')
    t.ok(receiver.removeKey(first.mki))
    t.notOk(receiver.removeKey(first.mki))
    t.equal(receive(receiver, protect(old, rtp(65_540))), 'unknown-mki')
    t.equal(receive(receiver, protectControl(old, rtcp()), 'rtcp'), 'unknown-mki')
  })

  t.test(`${profile.name}: packets with an identifier are those of the plain implementation`, async t => {
    const keyed = { ...testKey(profile), mki: Uint8Array.of(1, 2, 3, 4) }
    t.same(protect(new SrtpSender(keyed), rtp(5)), protectRtpPlainly(keyed, rtp(5), 0))
    t.same(protectControl(new SrtpSender(keyed), rtcp()), protectRtcpPlainly(keyed, rtcp(), 0))
  })
}

t.test('under a new key a stream goes on with its rollover counter, or begins at 0', async t => {
  const before = new SrtpReceiver(key)
  for (const index of [40_000, 65_530, 65_540, 90_000, 110_000, 131_000, 131_100]) {
    receive(before, protectRtpPlainly(key, rtp(index & 0xffff), Math.floor(index / 0x10000)))
  }
  t.equal(before.rolloverOf(ssrc), 2)
  const renewed = testKey(key.profile, 9)
  for (const [rollover, how] of [
    [2, 'goes on'],
    [0, 'begins at 0'],
  ] as const) {
    const receiver = new SrtpReceiver({ ...renewed, continues: before })
    t.equal(receive(receiver, protectRtpPlainly(renewed, rtp(41), rollover)), 'ok', how)
    t.equal(receiver.rolloverOf(ssrc), rollover)
  }
})

t.test('a stream goes on through a key that nothing came with (RFC 3711 §3.3.1)', async t => {
  const before = new SrtpReceiver(key)
  for (const index of [30_000, 60_000, 90_000, 120_000, 150_000])
    receive(before, protectRtpPlainly(key, rtp(index & 0xffff), Math.floor(index / 0x10000)))
  const unused = new SrtpReceiver({ ...testKey(key.profile, 8), continues: before })
  const renewed = testKey(key.profile, 9)
  const receiver = new SrtpReceiver({ ...renewed, continues: unused })
  t.equal(receive(receiver, protectRtpPlainly(renewed, rtp(150_001 & 0xffff), 2)), 'ok')
  t.equal(receiver.rolloverOf(ssrc), 2)
})

t.test('a key is not used beyond its lifetime', async t => {
  const sender = new SrtpSender(key)
  const receiver = new SrtpReceiver({ ...key, lifetime: 2 })
  t.same(
    [1, 2, 3].map(sequence => receive(receiver, protect(sender, rtp(sequence)))),
    ['ok', 'ok', 'key-expired'],
  )
  t.same(
    [1, 2, 3].map(() => receive(receiver, protectControl(sender, rtcp()), 'rtcp')),
    ['ok', 'ok', 'key-expired'],
  )
  const closed = new SrtpReceiver(key)
  closed.close()
  t.equal(receive(closed, protect(new SrtpSender(key), rtp(1))), 'closed')
  t.equal(receive(closed, protectControl(new SrtpSender(key), rtcp()), 'rtcp'), 'closed')
})

t.test('options that do not fit are refused by name', async t => {
  const refuses = (field: string, options: Partial<SrtpReceiverOptions>): void => {
    let refused = ''
    try {
      t.notOk(new SrtpReceiver({ ...key, ...options }), `${field} was taken`)
    } catch (error) {
      refused = (error as OptionError).field
    }
    t.equal(refused, field)
  }
  const mki = Uint8Array.of(1)
  refuses('masterKey', { masterKey: new Uint8Array(15) })
  refuses('masterSalt', { masterSalt: new Uint8Array(12) })
  refuses('mki', { mki: new Uint8Array(129) })
  refuses('mki', { otherKeys: [key] })
  refuses('mki', { mki, otherKeys: [{ ...key, mki: Uint8Array.of(1, 2) }] })
  refuses('mki', { mki, otherKeys: [{ ...key, mki }] })
  refuses('otherKeys', {
    mki,
    otherKeys: Array.from({ length: 8 }, (_, i) => ({ ...key, mki: Uint8Array.of(i + 2) })),
  })
  refuses('lifetime', { lifetime: 0 })
  refuses('replayWindow', { replayWindow: 63 })
  refuses('replayWindow', { replayWindow: 65_536 })
  refuses('maxSources', { maxSources: 0 })
})
