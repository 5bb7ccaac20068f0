import t from 'tap'
import { torture } from '../../conformance/rfc4475/messages.ts'
import { tortureIpv6 } from '../../conformance/rfc5118/messages.ts'
import { complaintsAbout, runLiveFuzz } from '../support/live-fuzz.ts'

const samples = [...torture, ...tortureIpv6].map(({ bytes }) => bytes)

t.test(
  '10,000 spoiled messages at an endpoint with 20 calls: the calls go on, nothing is left behind',
  async t => {
    const result = await runLiveFuzz({ messages: 10_000, calls: 20, seed: 7, samples })
    t.same(complaintsAbout(result), [])
    t.ok(result.callsOfStrangers > 20, 'some of them are calls')
  },
)
