import t from 'tap'
import { SdpError } from '../../src/media/sdp/error.ts'
import { createAnswer } from '../../src/media/sdp/offer-answer.ts'
import { parseSdp } from '../../src/media/sdp/parse.ts'
import { writeSdp } from '../../src/media/sdp/write.ts'
import { samples } from '../media/sdp/samples.ts'
import { growthOf } from '../support/heap.ts'
import { mutants } from '../support/mutate.ts'

const total = 40_000
const perRound = 2000

const capabilities = {
  codecs: [
    { name: 'PCMU', clockRate: 8000, payloadType: 0 },
    { name: 'PCMA', clockRate: 8000, payloadType: 8 },
  ],
  address: '192.0.2.5',
  port: 40_000,
}
const origin = { username: '-', sessionId: '1', version: '1' }

t.test(
  `${total} spoiled offers are answered line by line, or refused with a status, and leave nothing behind`,
  t => {
    const offers = samples.map(({ sdp }) => Buffer.from(sdp))
    let answered = 0
    let refused = 0
    const unexpected: unknown[] = []
    const round = (seed: number): void => {
      for (const bytes of mutants(offers, perRound, seed)) {
        try {
          const offer = parseSdp(bytes)
          const { answer } = createAnswer(offer, capabilities, { origin })
          const again = parseSdp(writeSdp(answer))
          answered += 1
          if (again.media.length !== offer.media.length) unexpected.push(bytes.toString())
        } catch (error) {
          refused += 1
          if (!(error instanceof SdpError && error.statusCode >= 400)) unexpected.push(error)
        }
      }
    }
    const growth = growthOf(round, { warmUp: 4, rounds: total / perRound - 4 })
    t.same(unexpected.slice(0, 10), [])
    t.equal(answered + refused, total)
    t.ok(answered > total / 20 && refused > total / 20, 'some are answered, some are refused')
    t.ok(growth < 4e6, `grew by ${growth} octets`)
    t.end()
  },
)
