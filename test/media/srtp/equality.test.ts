import {
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  integer,
  oneof,
  option,
  property,
  record,
  uint8Array,
} from 'fast-check'
import type { Arbitrary } from 'fast-check'
import t from 'tap'
import { writeRtp } from '../../../src/media/rtp/packet.ts'
import { srtpProfiles } from '../../../src/media/srtp/profiles.ts'
import { SrtpReceiver } from '../../../src/media/srtp/receiver.ts'
import { SrtpSender } from '../../../src/media/srtp/sender.ts'
import { protectRtcpPlainly, protectRtpPlainly } from './reference.ts'

const octets = (length: number): Arbitrary<Uint8Array> => uint8Array({ minLength: length, maxLength: length })

const keyed = constantFrom(...Object.values(srtpProfiles)).chain(profile =>
  record({
    profile: constant(profile),
    masterKey: octets(profile.keyOctets),
    masterSalt: octets(profile.saltOctets),
    mki: oneof(constant(new Uint8Array(0)), uint8Array({ minLength: 1, maxLength: 9 })),
  }),
)

/** Of one packet; the sequence number goes forward by `step`. */
const shape = record({
  step: oneof(
    { weight: 8, arbitrary: constant(1) },
    { weight: 1, arbitrary: integer({ min: 1, max: 0x7fff }) },
  ),
  payloadType: integer({ min: 0, max: 127 }),
  marker: boolean(),
  timestamp: integer({ min: 0, max: 0xffffffff }),
  csrcs: array(integer({ min: 0, max: 0xffffffff }), { maxLength: 15 }),
  extensionWords: option(integer({ min: 0, max: 5 }), { nil: undefined }),
  payload: oneof(
    { weight: 4, arbitrary: octets(160) },
    { weight: 2, arbitrary: uint8Array({ maxLength: 80 }) },
    { weight: 1, arbitrary: uint8Array({ maxLength: 1400 }) },
  ),
  padding: oneof(constant(0), integer({ min: 1, max: 255 })),
})

t.test('RTP packets are octet for octet those of the plain implementation, and come back', async t => {
  let packets = 0
  assert(
    property(
      keyed,
      integer({ min: 0, max: 0xffff }),
      array(integer({ min: 0, max: 0xffffffff }), { minLength: 1, maxLength: 2 }),
      array(shape, { minLength: 1, maxLength: 24 }),
      (key, firstSequence, ssrcs, shapes) => {
        const sender = new SrtpSender(key)
        const receiver = new SrtpReceiver(key)
        const extended = ssrcs.map(() => firstSequence)
        for (const [i, { step, extensionWords, ...fields }] of shapes.entries()) {
          const stream = i % ssrcs.length
          const index = extended[stream]!
          extended[stream]! += step
          const buffer = new Uint8Array(2000)
          const length = writeRtp(buffer, {
            ...fields,
            sequence: index & 0xffff,
            ssrc: ssrcs[stream]!,
            ...(extensionWords !== undefined && {
              extension: { profile: 0xbede, data: new Uint8Array(4 * extensionWords).fill(7) },
            }),
          })
          const plain = Buffer.from(buffer.subarray(0, length))
          // Two streams that happen to have one SSRC are one stream, and the second packet of an index is refused.
          const isRepeated = ssrcs.length === 2 && ssrcs[0] === ssrcs[1]
          const protectedLength = sender.protectRtp(buffer, length)
          if (isRepeated && protectedLength < 0) continue
          const expected = protectRtpPlainly(key, plain, Math.floor(index / 0x10000))
          const sent = Buffer.from(buffer.subarray(0, protectedLength))
          if (!sent.equals(expected)) return false
          if (protectedLength !== length + sender.rtpOverhead) return false
          const received = receiver.unprotectRtp(sent)
          if (received !== length || !sent.subarray(0, received).equals(plain)) return false
          packets += 1
        }
        return true
      },
    ),
    { numRuns: 300 },
  )
  t.ok(packets > 1000, 'the property was put to work')
})

t.test('RTCP packets are octet for octet those of the plain implementation, and come back', async () => {
  assert(
    property(
      keyed,
      array(uint8Array({ minLength: 8, maxLength: 300 }), { minLength: 1, maxLength: 8 }),
      integer({ min: 0, max: 0xffffffff }),
      (key, packets, ssrc) => {
        const sender = new SrtpSender(key)
        const receiver = new SrtpReceiver(key)
        for (const [index, packet] of packets.entries()) {
          const plain = Buffer.from(packet)
          plain[0] = 0x80
          plain.writeUInt32BE(ssrc, 4)
          const buffer = Buffer.alloc(600)
          plain.copy(buffer)
          const sent = buffer.subarray(0, sender.protectRtcp(buffer, plain.length))
          if (!sent.equals(protectRtcpPlainly(key, plain, index))) return false
          const received = receiver.unprotectRtcp(sent)
          if (received !== plain.length || !sent.subarray(0, received).equals(plain)) return false

          const clear = protectRtcpPlainly(key, plain, index + 1000, false)
          const clearLength = new SrtpReceiver(key).unprotectRtcp(clear)
          if (clearLength !== plain.length || !clear.subarray(0, clearLength).equals(plain)) return false
        }
        return true
      },
    ),
    { numRuns: 200 },
  )
})
