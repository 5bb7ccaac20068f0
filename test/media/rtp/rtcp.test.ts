import * as fc from 'fast-check'
import t from 'tap'
import { classifyPacket } from '../../../src/media/rtp/demux.ts'
import { parseRtcp, writeRtcp } from '../../../src/media/rtp/rtcp.ts'
import type { RtcpPacket } from '../../../src/media/rtp/rtcp.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const word = fc.integer({ min: 0, max: 0xffffffff })
const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const report = fc.record({
  ssrc: word,
  fractionLost: fc.integer({ min: 0, max: 255 }),
  cumulativeLost: fc.integer({ min: -0x800000, max: 0x7fffff }),
  highestSequence: word,
  jitter: word,
  lastSenderReport: word,
  delaySinceLastSenderReport: word,
})
const reports = fc.array(report, { maxLength: 31 })
const senderReport = fc.record({
  type: fc.constant('sender-report' as const),
  ssrc: word,
  ntpSeconds: word,
  ntpFraction: word,
  rtpTimestamp: word,
  packets: word,
  octets: word,
  reports,
})
const receiverReport = fc.record({ type: fc.constant('receiver-report' as const), ssrc: word, reports })
const description = fc.record({
  type: fc.constant('source-description' as const),
  sources: fc.array(fc.record({ ssrc: word, cname: text }), { maxLength: 5 }),
})
const bye = fc.record(
  { type: fc.constant('bye' as const), ssrcs: fc.array(word, { maxLength: 31 }), reason: text },
  { requiredKeys: ['type', 'ssrcs'] },
)
const octet = fc.integer({ min: 0, max: 255 })
const half = fc.integer({ min: 0, max: 0xffff })
const level = fc.integer({ min: -128, max: 127 })
const metrics = fc.record({
  type: fc.constant('voip-metrics' as const),
  ssrc: word,
  lossRate: octet,
  discardRate: octet,
  burstDensity: octet,
  gapDensity: octet,
  burstDuration: half,
  gapDuration: half,
  roundTripDelay: half,
  endSystemDelay: half,
  signalLevel: level,
  noiseLevel: level,
  residualEchoReturnLoss: octet,
  gmin: octet,
  rFactor: octet,
  externalRFactor: octet,
  mosListening: octet,
  mosConversational: octet,
  receiverConfiguration: octet,
  jitterBufferNominal: half,
  jitterBufferMaximum: half,
  jitterBufferAbsoluteMaximum: half,
})
const referenceTime = fc.record({
  type: fc.constant('receiver-reference-time' as const),
  ntpSeconds: word,
  ntpFraction: word,
})
const reference = fc.record({ ssrc: word, lastReceiverReport: word, delaySinceLastReceiverReport: word })
const delays = fc.record({
  type: fc.constant('delay-since-last-receiver-report' as const),
  references: fc.array(reference, { maxLength: 4 }),
})
const extended = fc.record({
  type: fc.constant('extended-report' as const),
  ssrc: word,
  blocks: fc.array(fc.oneof(metrics, referenceTime, delays), { maxLength: 4 }),
})
const compound: fc.Arbitrary<RtcpPacket[]> = fc
  .tuple(
    fc.oneof(senderReport, receiverReport),
    fc.array(fc.oneof(receiverReport, description, extended, bye), { maxLength: 4 }),
  )
  .map(([first, rest]) => ([first] as RtcpPacket[]).concat(rest))

t.test('property: compounds go there and back', async t => {
  fc.assert(
    fc.property(compound, packets => {
      const bytes = writeRtcp(packets)
      t.same(parseRtcp(bytes), packets)
      return classifyPacket(bytes) === 'rtcp'
    }),
    { numRuns: 200 },
  )
})

t.test('a receiver report is laid out as RFC 3550 §6.4.2 draws it', async t => {
  const block = {
    ssrc: 0x01020304,
    fractionLost: 0x80,
    cumulativeLost: -1,
    highestSequence: 0x00010002,
    jitter: 3,
    lastSenderReport: 4,
    delaySinceLastSenderReport: 5,
  }
  t.same(
    [...writeRtcp([{ type: 'receiver-report', ssrc: 0xa0b0c0d0, reports: [block] }])],
    [
      [0x81, 201, 0, 7, 0xa0, 0xb0, 0xc0, 0xd0],
      [1, 2, 3, 4, 0x80, 0xff, 0xff, 0xff, 0, 1, 0, 2],
      [0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5],
    ].flat(),
  )
})

const empty = [0x80, 201, 0, 1, 0, 0, 0, 1]
const broken: Record<string, number[]> = {
  nothing: [],
  'not whole words': [...empty, 0],
  'version 1': [0x40, 201, 0, 1, 0, 0, 0, 1],
  'a length beyond the end': [0x80, 201, 0, 2, 0, 0, 0, 1],
  'more reports than octets': [0x81, 201, 0, 1, 0, 0, 0, 1],
  'a sender report without its figures': [0x80, 200, 0, 1, 0, 0, 0, 1],
  'a second packet that is RTP': [...empty, 0x80, 0, 0, 0],
  'padding before the last packet': [0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, ...empty],
  'padding longer than the packet': [0xa0, 201, 0, 1, 0, 0, 0, 8],
  'padding of 0': [0xa0, 201, 0, 1, 0, 0, 0, 0],
  'a compound that begins with a description': [0x80, 202, 0, 0],
  'a description without its end': [...empty, 0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, 65, 65],
  'a description item beyond the end': [...empty, 0x81, 202, 0, 2, 0, 0, 0, 1, 1, 200, 65, 0],
  'a description without a chunk': [...empty, 0x81, 202, 0, 0],
  'a BYE with more sources than octets': [...empty, 0x82, 203, 0, 1, 0, 0, 0, 1],
  'an extended report without its SSRC': [...empty, 0x80, 207, 0, 0],
  'an extended report block beyond the end': [...empty, 0x80, 207, 0, 2, 0, 0, 0, 1, 7, 0, 0, 8],
  'a BYE whose reason is cut': [...empty, 0x81, 203, 0, 2, 0, 0, 0, 1, 9, 65, 65, 65],
}
for (const [what, octets] of Object.entries(broken)) {
  t.test(`refuses ${what} (RFC 3550 A.2)`, async t => t.equal(parseRtcp(Uint8Array.from(octets)), undefined))
}

t.test(
  'extended report blocks of unknown types and wrong lengths are handed through (RFC 3611 §3)',
  async t => {
    const octets = [...empty, 0x80, 207, 0, 4, 0, 0, 0, 1, 7, 9, 0, 0, 99, 8, 0, 1, 1, 2, 3, 4]
    const found = parseRtcp(Uint8Array.from(octets))?.[1]
    t.match(found, { type: 'extended-report', ssrc: 1 })
    t.match(found?.type === 'extended-report' && found.blocks, [
      { type: 'other', blockType: 7, specific: 9 },
      { type: 'other', blockType: 99, specific: 8 },
    ])
    if (found !== undefined)
      t.same(parseRtcp(writeRtcp([{ type: 'receiver-report', ssrc: 1, reports: [] }, found]))?.[1], found)
  },
)

t.test('VoIP metrics are laid out as RFC 3611 §4.7 draws them', async t => {
  const names = fc.sample(metrics, { numRuns: 1, seed: 1 })[0]!
  const block = {
    ...names,
    ssrc: 0x01020304,
    lossRate: 5,
    burstDuration: 0x0607,
    signalLevel: -20,
    rFactor: 91,
    gmin: 16,
  }
  const bytes = writeRtcp([{ type: 'extended-report', ssrc: 9, blocks: [block] }])
  t.equal(bytes.length, 4 + 4 + 36)
  t.same([...bytes.subarray(8, 17)], [7, 0, 0, 8, 1, 2, 3, 4, 5])
  t.same([...bytes.subarray(20, 22)], [6, 7])
  t.same([bytes[28], bytes[31], bytes[32]], [236, 16, 91])
})

t.test('padding on the last packet is taken off', async t => {
  const bytes = Uint8Array.of(0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4)
  t.same(parseRtcp(bytes), [{ type: 'receiver-report', ssrc: 1, reports: [] }])
})

t.test('reduced size is taken when agreed (RFC 5506)', async t => {
  const bytes = writeRtcp([{ type: 'bye', ssrcs: [7] }])
  t.equal(parseRtcp(bytes), undefined)
  t.same(parseRtcp(bytes, { reducedSize: true }), [{ type: 'bye', ssrcs: [7] }])
})

t.test('types it does not know are handed through', async t => {
  const packets: RtcpPacket[] = [
    { type: 'receiver-report', ssrc: 1, reports: [] },
    { type: 'other', packetType: 206, count: 3, body: Uint8Array.of(1, 2, 3, 4) },
  ]
  t.match(parseRtcp(writeRtcp(packets)), [{}, { type: 'other', packetType: 206, count: 3 }])
})

t.test('items other than CNAME are passed over', async t => {
  const octets = [...empty, 0x81, 202, 0, 4, 0, 0, 0, 9, 2, 3, 65, 66, 67, 1, 2, 68, 69, 0, 0, 0]
  t.same(parseRtcp(Uint8Array.from(octets))?.[1], {
    type: 'source-description',
    sources: [{ ssrc: 9, cname: 'DE' }],
  })
})

t.test('writing refuses what does not fit', async t => {
  t.throws(() => writeRtcp([{ type: 'bye', ssrcs: Array.from({ length: 32 }, () => 1) }]), RangeError)
  t.throws(() => writeRtcp([{ type: 'bye', ssrcs: [1], reason: 'x'.repeat(256) }]), RangeError)
  t.throws(
    () => writeRtcp([{ type: 'other', packetType: 204, count: 0, body: new Uint8Array(3) }]),
    RangeError,
  )
})

t.test('60,000 random and mutated compounds: never a throw', async t => {
  const random = seededRandom(3550)
  const good = fc.sample(compound, { numRuns: 50, seed: 1 }).map(packets => writeRtcp(packets))
  let parsed = 0
  for (let round = 0; round < 60_000; round += 1) {
    let bytes = random.bytes(random.integer(0, 64))
    if (round % 4 > 0) {
      bytes = good[round % good.length]!.slice()
      for (let flips = random.integer(0, 3); flips > 0; flips -= 1) {
        bytes[random.integer(0, Math.min(40, bytes.length) - 1)] = random.integer(0, 255)
      }
      if (round % 8 === 1) bytes = bytes.subarray(0, random.integer(0, bytes.length))
    }
    if (parseRtcp(bytes, { reducedSize: round % 2 === 0 }) !== undefined) parsed += 1
  }
  t.ok(parsed > 5000)
})
