import t from 'tap'
import { parseRtcp, writeRtcp } from '../../src/media/rtp/rtcp.ts'
import type { RtcpPacket } from '../../src/media/rtp/rtcp.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { Pair } from '../media/session/pair.ts'
import { mutate } from '../support/mutate.ts'

t.test(
  '20,000 spoiled compounds at both ports neither throw nor end a call, and the figures stay figures',
  async t => {
    const pair = await Pair.open({ conditions: { delayMs: 40 } })
    const compounds: Uint8Array[] = []
    pair.network.onDatagram(({ from, data }) => {
      if (from.address === '10.0.0.2' && parseRtcp(data) !== undefined) compounds.push(data.slice())
    })
    pair.connect()
    await pair.clock.advance(20_000)
    await pair.b.close()
    const host = pair.network.host('10.0.0.2')
    const peer = await host.bindUdp({ host: '10.0.0.2', port: pair.b.local.port })
    const random = seededRandom(3611)
    const good = [...compounds, writeRtcp(everything())]
    for (let index = 0; index < 20_000; index += 1) {
      const bytes = mutate(good[index % good.length] ?? new Uint8Array(0), random)
      peer.send(bytes, pair.a.local.port, '10.0.0.1')
      if (index % 500 === 0) await pair.clock.advance(1000)
    }
    await pair.clock.advance(2000)
    const stats = pair.a.stats()
    t.ok((stats.rtcp?.received ?? 0) > 1000, `${stats.rtcp?.received} were RTCP`)
    t.ok((stats.rtcp?.malformed ?? 0) > 1000, `${stats.rtcp?.malformed} were none`)
    t.ok((stats.rtcp?.sent ?? 0) > 8, 'our reports go on')
    t.ok(stats.roundTrip !== undefined && stats.roundTrip.maxMs < 30_000)
    for (const quality of [stats.quality.received, stats.quality.sent]) {
      t.ok(quality === undefined || (quality.mos >= 1 && quality.mos <= 5))
    }
    const { lossRatio = 0 } = stats.remote ?? {}
    t.ok(lossRatio >= 0 && lossRatio <= 1)
    await pair.a.close()
  },
)

/** One of each kind. */
function everything(): RtcpPacket[] {
  return [
    { type: 'receiver-report', ssrc: 7, reports: [] },
    { type: 'source-description', sources: [{ ssrc: 7, cname: 'name' }] },
    {
      type: 'extended-report',
      ssrc: 7,
      blocks: [
        { type: 'receiver-reference-time', ntpSeconds: 1, ntpFraction: 2 },
        {
          type: 'delay-since-last-receiver-report',
          references: [{ ssrc: 7, lastReceiverReport: 1, delaySinceLastReceiverReport: 2 }],
        },
      ],
    },
    { type: 'bye', ssrcs: [7], reason: 'enough' },
  ]
}
