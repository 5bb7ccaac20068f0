import t from 'tap'
import { srtpFailureOf } from '../../src/media/srtp/profiles.ts'
import { SrtpReceiver } from '../../src/media/srtp/receiver.ts'
import { SrtpSender } from '../../src/media/srtp/sender.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { profiles, protect, protectControl, rtcp, rtp, testKey } from '../media/srtp/packets.ts'
import { growthOf } from '../support/heap.ts'
import { mutate } from '../support/mutate.ts'

const perProfile = 8000
const random = seededRandom(3711)

for (const profile of profiles) {
  t.test(`${profile.name}: no changed packet is taken, none throws, none leaves anything behind`, async t => {
    const key = { ...testKey(profile), mki: Uint8Array.of(7, 7) }
    const sender = new SrtpSender(key)
    const receiver = new SrtpReceiver({
      ...key,
      otherKeys: [{ ...testKey(profile, 2), mki: Uint8Array.of(7, 8) }],
    })
    let sequence = 65_000
    let mutated = 0

    const attack = (original: Buffer, kind: 'rtp' | 'rtcp'): void => {
      const changed = Buffer.from(mutate(Buffer.from(original), random))
      if (changed.equals(original)) return
      mutated += 1
      const before = Buffer.from(changed)
      const length = kind === 'rtp' ? receiver.unprotectRtp(changed) : receiver.unprotectRtcp(changed)
      if (length >= 0) t.fail(`taken: ${before.toString('hex')}`)
      if (srtpFailureOf(length) === undefined) t.fail(`code ${length}`)
      if (!changed.equals(before)) t.fail(`changed although refused: ${before.toString('hex')}`)
    }

    const round = (): void => {
      const packet = protect(sender, rtp(sequence))
      const control = protectControl(sender, rtcp())
      for (let i = 0; i < 10; i += 1) {
        attack(packet, 'rtp')
        attack(control, 'rtcp')
        attack(packet, 'rtcp')
        attack(control, 'rtp')
      }
      if (receiver.unprotectRtp(packet) !== 172) t.fail(`packet ${sequence} itself was refused`)
      if (receiver.unprotectRtcp(control) !== 28) t.fail('the RTCP packet itself was refused')
      sequence += 1
    }

    const grown = growthOf(round, { warmUp: 20, rounds: perProfile / 40 })
    t.ok(grown < 1e6, `${grown} octets more are kept`)
    t.ok(mutated > perProfile * 0.8, `${mutated} packets were changed`)
    t.equal(receiver.sources, 2, 'one stream, and its RTCP')
    const refused = Object.values(receiver.failures).reduce((sum, count) => sum + count, 0)
    t.equal(refused, mutated, 'each was counted')
  })
}
