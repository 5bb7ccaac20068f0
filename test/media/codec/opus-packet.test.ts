import { array, assert, constant, nat, oneof, property, tuple, uint8Array } from 'fast-check'
import t from 'tap'
import { OpusPacket } from '../../../src/media/codec/opus-packet.ts'
import { loadLibopus } from '../../../src/media/codec/opus-module.ts'

const zeros = (count: number): readonly number[] => Array.from({ length: count }, () => 0)

for (const [what, octets, durationMs] of [
  ['no octet at all (R1)', [], 0],
  ['SILK 10 ms', [0 << 3, 1], 10],
  ['SILK 60 ms', [3 << 3, 1], 60],
  ['hybrid 10 ms', [12 << 3, 1], 10],
  ['hybrid 20 ms', [15 << 3, 1], 20],
  ['CELT 2.5 ms', [16 << 3, 1], 2.5],
  ['CELT 20 ms', [31 << 3, 1], 20],
  ['the first octet alone: a frame that was lost or not sent', [1 << 3], 20],
  ['a frame of 1276 octets (R2)', [31 << 3, ...zeros(1276)], 0],
  ['code 1: two frames of the same length', [(1 << 3) | 1, 1, 2], 40],
  ['code 1: an odd number of octets (R3)', [(1 << 3) | 1, 1, 2, 3], 0],
  ['code 2: two frames of different lengths', [(1 << 3) | 2, 1, 9, 8, 7], 40],
  ['code 2: the first longer than the packet (R4)', [(1 << 3) | 2, 5, 9], 0],
  ['code 2: half a length (R4)', [(1 << 3) | 2, 252], 0],
  ['code 2: no length (R4)', [(1 << 3) | 2], 0],
  ['code 3: three frames, constant rate', [(1 << 3) | 3, 3, 1, 2, 3], 60],
  ['code 3: no frame (R5)', [(1 << 3) | 3, 0], 0],
  ['code 3: no count (R6)', [(1 << 3) | 3], 0],
  ['code 3: 140 ms (R5)', [(1 << 3) | 3, 7, ...zeros(7)], 0],
  ['code 3: 48 frames of 2.5 ms', [(16 << 3) | 3, 48, ...zeros(48)], 120],
  ['code 3: 49 frames of 2.5 ms (R5)', [(16 << 3) | 3, 49, ...zeros(49)], 0],
  ['code 3: constant rate that does not divide (R6)', [(1 << 3) | 3, 2, 1, 2, 3], 0],
  ['code 3: variable rate', [(1 << 3) | 3, 0x80 | 2, 1, 9, 8, 7], 40],
  ['code 3: lengths beyond the end (R7)', [(1 << 3) | 3, 0x80 | 2, 4, 9, 8], 0],
  ['code 3: padding', [(1 << 3) | 3, 0x40 | 2, 2, 1, 2, 0, 0], 40],
  ['code 3: padding of 255 and more', [(1 << 3) | 3, 0x40 | 1, 255, 1, 7, ...zeros(255)], 20],
  ['code 3: padding beyond the end (R6)', [(1 << 3) | 3, 0x40 | 1, 9, 1], 0],
] as const)
  t.test(`RFC 6716 3.4: ${what}`, async t => {
    const packet = new OpusPacket()
    t.equal(packet.read(Uint8Array.from(octets)), durationMs > 0)
    t.equal(packet.durationMs, durationMs)
  })

t.test('every packet lasts as long as libopus says, and is broken when libopus says so', async () => {
  const { libopus, packet: address } = await loadLibopus()
  const module = libopus as unknown as {
    _oc_packet_parse(at: number, octets: number): number
    _oc_packet_get_nb_samples(at: number, octets: number, sampleRate: number): number
  }
  const ours = new OpusPacket()
  const shaped = tuple(
    nat(255),
    nat(255),
    array(oneof(nat(255), nat(6), constant(0)), { maxLength: 60 }),
  ).map(([toc, second, rest]) => Uint8Array.from([toc, second, ...rest]))
  assert(
    property(oneof(shaped, uint8Array({ minLength: 1, maxLength: 1400 })), payload => {
      libopus.HEAPU8.set(payload, address)
      const valid = module._oc_packet_parse(address, payload.length) > 0
      const samples = module._oc_packet_get_nb_samples(address, payload.length, 48_000)
      return ours.read(payload) === valid && (!valid || ours.durationMs * 48 === samples)
    }),
    { numRuns: 20_000 },
  )
})
