import t from 'tap'
import { parseRtp } from '../../../src/media/rtp/packet.ts'
import { RtpSender } from '../../../src/media/rtp/rtp-sender.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const frame = new Uint8Array(160).fill(0xff)

function read(bytes: Uint8Array): {
  sequence: number
  timestamp: number
  marker: boolean
  payloadType: number
} {
  const view = parseRtp(bytes)
  if (view === undefined) throw new Error('not a packet')
  return view
}

t.test('sequence and timestamp advance by one and by the frame; the marker opens', async t => {
  const sender = new RtpSender({ random: seededRandom(1), payloadType: 8 })
  const first = read(sender.packet(frame, 160))
  const second = read(sender.packet(frame, 160))
  t.match(first, { marker: true, payloadType: 8, payloadLength: 160, ssrc: sender.ssrc })
  t.equal(second.marker, false)
  t.equal(second.sequence, first.sequence + 1)
  t.equal(second.timestamp, (first.timestamp + 160) >>> 0)
})

t.test('the sequence starts below 2^15 and wraps at 2^16', async t => {
  for (let seed = 0; seed < 200; seed += 1) {
    t.ok(new RtpSender({ random: seededRandom(seed), payloadType: 0 }).sequence < 0x8000)
  }
  const sender = new RtpSender({ random: seededRandom(1), payloadType: 0 })
  const first = sender.sequence
  for (let index = 0; index < 65536; index += 1) sender.packet(new Uint8Array(0), 160)
  t.equal(sender.sequence, first)
})

t.test('after a silence the timestamp has moved on and the marker is set (RFC 3551 §4.1)', async t => {
  const sender = new RtpSender({ random: seededRandom(2), payloadType: 0 })
  const before = read(sender.packet(frame, 160))
  sender.skip(1600)
  const after = read(sender.packet(frame, 160))
  t.match(after, { marker: true, sequence: before.sequence + 1, timestamp: (before.timestamp + 1760) >>> 0 })
})

t.test('event packets share the sequence and leave the audio clock alone', async t => {
  const sender = new RtpSender({ random: seededRandom(3), payloadType: 0 })
  const before = read(sender.packet(frame, 160))
  const at = sender.timestamp
  const event = read(sender.packetAt(Uint8Array.of(1, 2, 3, 4), 101, at, true))
  t.match(event, { sequence: before.sequence + 1, timestamp: at, payloadType: 101, marker: true })
  t.equal(sender.timestamp, at)
})

t.test('every packet has octets of its own', async t => {
  const sender = new RtpSender({ random: seededRandom(4), payloadType: 0 })
  const first = sender.packet(frame, 160)
  const copy = [...first]
  for (let index = 0; index < 200; index += 1) sender.packet(new Uint8Array(160), 160)
  t.same([...first], copy)
  t.same(sender.snapshot(), { ssrc: sender.ssrc, packets: 201, octets: 201 * 160 })
})

t.test(
  'under a new SSRC the timestamp goes on, sequence numbers begin low, a sender report counts anew (RFC 3550 §6.4.1, §8.2)',
  async t => {
    const sender = new RtpSender({ random: seededRandom(5), payloadType: 0 })
    const first = sender.sequence
    for (let index = 0; index < 3; index += 1) sender.packet(frame, 160)
    t.match(sender.source, { packets: 3, octets: 480, firstSequence: first })
    const { ssrc, timestamp } = sender
    sender.changeSource()
    t.not(sender.ssrc, ssrc)
    t.match(sender.source, { packets: 0, octets: 0 })
    const next = read(sender.packet(frame, 160))
    t.match(next, { ssrc: sender.ssrc, sequence: sender.source.firstSequence, timestamp })
    t.ok(next.sequence < 0x8000 && next.sequence !== first + 3, 'RFC 3711 §3.3.1')
    t.match(sender.source, { packets: 1, octets: 160 })
    t.equal(sender.snapshot().packets, 4, 'the call counts on')
  },
)
