import { assert, constantFrom, integer, property } from 'fast-check'
import t from 'tap'
import { srtpFailures } from '../../../src/media/srtp/profiles.ts'
import type { SrtpProfile } from '../../../src/media/srtp/profiles.ts'
import { SrtpReceiver } from '../../../src/media/srtp/receiver.ts'
import { SrtpSender } from '../../../src/media/srtp/sender.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { profiles, protect, rtp, ssrc, testKey } from './packets.ts'

const replayWindow = 128

interface Arrival {
  readonly index: number
  readonly datagram: Buffer
}

/** A stream as a bad network delivers it: some packets lost, some twice, some late by up to `latest` packets, some damaged. */
function arrivals(seed: number, profile: SrtpProfile, first: number, total: number): readonly Arrival[] {
  const random = seededRandom(seed)
  const sender = new SrtpSender(testKey(profile))
  const queue: (Arrival & { readonly at: number })[] = []
  let index = first
  for (let i = 0; i < total; i += 1) {
    // Silence now and then, so that a few hundred packets cross several wraps.
    index += random.integer(0, 99) < 3 ? random.integer(1, 32_000) : 1
    const datagram = protect(sender, rtp(index))
    // Where a stream begins is told by its first packet: it arrives.
    if (i === 0) queue.push({ index, datagram, at: -1 })
    if (random.integer(0, 99) < 10) continue
    const late = random.integer(0, 9) < 3 ? random.integer(0, 200) : 0
    queue.push({ index, datagram, at: i + late })
    if (random.integer(0, 99) < 10) queue.push({ index, datagram, at: i + random.integer(0, 200) })
    if (random.integer(0, 99) < 10) {
      const damaged = Buffer.from(datagram)
      damaged[random.integer(12, damaged.length - 1)]! ^= random.integer(1, 255)
      queue.push({ index: -1, datagram: damaged, at: i })
    }
  }
  return queue.toSorted((a, b) => a.at - b.at)
}

t.test(
  'of a reordered, lossy, repeated, damaged stream just what is new and in the window is delivered',
  async t => {
    let wraps = 0
    let delivered = 0
    let refused = 0
    assert(
      property(
        integer(),
        constantFrom(...profiles),
        integer({ min: 0, max: 0xffff }),
        (seed, profile, first) => {
          const receiver = new SrtpReceiver({ ...testKey(profile), replayWindow })
          const seen = new Set<number>()
          let newest = -1
          for (const { index, datagram } of arrivals(seed, profile, first, 250)) {
            const packet = Buffer.from(datagram)
            const length = receiver.unprotectRtp(packet)
            // What RFC 3711 Appendix A makes of an index this far from the newest: a guess that must be right to be taken.
            const ahead = index - newest
            const isGuessed =
              newest < 0 || Math.abs(ahead) < 0x8000 || (ahead === 0x8000 && (newest & 0xffff) < 0x8000)
            const isNew = index > newest || (index > newest - replayWindow && !seen.has(index))
            const expected = index >= 0 && isGuessed && isNew
            if (length >= 0 !== expected) return false
            if (!expected) {
              refused += 1
              continue
            }
            if (!packet.subarray(0, length).equals(rtp(index))) return false
            delivered += 1
            seen.add(index)
            newest = Math.max(newest, index)
          }
          wraps += receiver.rolloverOf(ssrc) ?? 0
          return receiver.sources <= 1
        },
      ),
      { numRuns: 60 },
    )
    t.ok(wraps > 60, `${wraps} wraps`)
    t.ok(delivered > 5000, `${delivered} delivered`)
    t.ok(refused > 500, `${refused} refused`)
  },
)

t.test('a call of 200,000 packets, 66 minutes: three wraps, nothing lost, nothing kept', async t => {
  const key = testKey()
  const sender = new SrtpSender(key)
  const receiver = new SrtpReceiver(key)
  const buffer = Buffer.alloc(60)
  const plain = rtp(0).subarray(0, 44)
  for (let index = 65_000; index < 265_000; index += 1) {
    plain.copy(buffer)
    buffer.writeUInt16BE(index & 0xffff, 2)
    const length = sender.protectRtp(buffer, plain.length)
    if (receiver.unprotectRtp(buffer.subarray(0, length)) !== plain.length) {
      t.fail(`packet ${index}`)
      break
    }
  }
  t.equal(sender.rolloverOf(ssrc), 4)
  t.equal(receiver.rolloverOf(ssrc), 4)
  t.equal(receiver.sources, 1)
  t.same(receiver.failures, {})
  buffer[0] = 0x80
  t.equal(receiver.unprotectRtp(buffer.subarray(0, 54)) < 0, true)
  t.ok(Object.values(srtpFailures).every(code => code < 0))
})
