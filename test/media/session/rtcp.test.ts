import t from 'tap'
import { classifyPacket } from '../../../src/media/rtp/demux.ts'
import { parseRtcp } from '../../../src/media/rtp/rtcp.ts'
import type { RtcpPacket } from '../../../src/media/rtp/rtcp.ts'
import type { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { mediaReportChannel } from '../../../src/media/session/diagnostics.ts'
import type { MediaReportEvent } from '../../../src/media/session/types.ts'
import { listen } from './wire.ts'
import { Pair } from './pair.ts'

interface Compound {
  readonly atMs: number
  readonly fromPort: number
  readonly toPort: number
  readonly packets: readonly RtcpPacket[]
}

/** Every RTCP compound `from` an address, in the order of sending. */
function control(network: SimulatedNetwork, from: string): Compound[] {
  const seen: Compound[] = []
  network.onDatagram(event => {
    if (event.from.address !== from || event.copy || classifyPacket(event.data) !== 'rtcp') return
    const packets = parseRtcp(event.data)
    if (packets === undefined) throw new Error('RTCP that does not parse')
    seen.push({ atMs: event.sentAtMs, fromPort: event.from.port, toPort: event.to.port, packets })
    seen.sort((a, b) => a.atMs - b.atMs)
  })
  return seen
}

function types({ packets }: Compound): string[] {
  return packets.map(({ type }) => type)
}

t.test(
  'a call: reports on the port of RTP, round trip, what the peer hears, BYE (RFC 5761, RFC 3550 §6)',
  async t => {
    const pair = await Pair.open({ conditions: { delayMs: 40 } })
    const sent = control(pair.network, '10.0.0.1')
    const offer = pair.a.createOffer()
    t.match(offer, /a=rtcp-mux\r\n/)
    const answer = pair.b.answerOffer(offer)
    t.match(answer, /a=rtcp-mux\r\n/)
    pair.a.acceptAnswer(answer)
    await pair.clock.advance(60_000)
    const stats = pair.a.stats()
    t.ok(sent.length >= 8 && sent.length <= 25, `${sent.length} reports a minute`)
    t.ok(sent.every(({ fromPort, toPort }) => fromPort === pair.a.local.port && toPort === pair.b.local.port))
    t.same(types(sent.at(-1)!), ['sender-report', 'source-description', 'extended-report'])
    t.ok(Math.abs((stats.roundTrip?.lastMs ?? 0) - 80) < 0.1, `round trip ${stats.roundTrip?.lastMs}`)
    t.ok(Math.abs((stats.roundTrip?.meanMs ?? 0) - 80) < 0.1)
    t.equal(stats.remote?.lost, 0)
    t.equal(stats.remote?.lossRatio, 0)
    t.ok((stats.quality.received?.mos ?? 0) > 4.3, `MOS ${stats.quality.received?.mos}`)
    t.ok((stats.quality.sent?.mos ?? 0) > 4.3, `MOS there ${stats.quality.sent?.mos}`)
    t.equal(stats.rtcp?.strangers, 0)
    t.equal(stats.rtcp?.malformed, 0)
    await pair.a.close()
    await pair.clock.advance(100)
    t.same(types(sent.at(-1)!).at(-1), 'bye')
    t.equal(pair.b.stats().rtcp?.bye, true)
    await pair.b.close()
  },
)

t.test('a peer without mux: the port above, both ways (RFC 3550 §11)', async t => {
  const pair = await Pair.open({ conditions: { delayMs: 40 }, b: { rtcp: { mux: false } } })
  const sent = control(pair.network, '10.0.0.1')
  const back = control(pair.network, '10.0.0.2')
  const answer = pair.b.answerOffer(pair.a.createOffer())
  t.notMatch(answer, /rtcp-mux/)
  pair.a.acceptAnswer(answer)
  await pair.clock.advance(30_000)
  t.ok(sent.length > 3)
  t.ok(
    sent.every(
      ({ fromPort, toPort }) => fromPort === pair.a.local.port + 1 && toPort === pair.b.local.port + 1,
    ),
  )
  t.ok(
    back.every(
      ({ fromPort, toPort }) => fromPort === pair.b.local.port + 1 && toPort === pair.a.local.port + 1,
    ),
  )
  for (const session of [pair.a, pair.b]) {
    t.ok(Math.abs((session.stats().roundTrip?.lastMs ?? 0) - 80) < 0.1)
    t.equal(session.stats().remote?.lost, 0)
  }
  await pair.close()
})

t.test('rtcp: false sends none and offers no mux', async t => {
  const pair = await Pair.open({ a: { rtcp: false } })
  const sent = control(pair.network, '10.0.0.1')
  const offer = pair.a.createOffer()
  t.notMatch(offer, /rtcp/)
  pair.a.acceptAnswer(pair.b.answerOffer(offer))
  await pair.clock.advance(20_000)
  await pair.close()
  t.equal(sent.length, 0)
  t.equal(pair.a.stats().rtcp, undefined)
})

for (const [what, hold] of [
  ['held', true],
  ['resumed', false],
] as const) {
  t.test(`RTCP goes on while a call is ${what} (RFC 3264 §8.4, RFC 3550 §6.4)`, async t => {
    const pair = await Pair.open({ conditions: { delayMs: 40 } })
    const sent = { a: control(pair.network, '10.0.0.1'), b: control(pair.network, '10.0.0.2') }
    pair.connect()
    await pair.clock.advance(10_000)
    pair.connect(pair.a, { hold: true })
    if (!hold) pair.connect(pair.a, { hold: false })
    const from = pair.clock.now() + 15_000
    await pair.clock.advance(60_000)
    for (const side of [sent.a, sent.b]) {
      const during = side.filter(({ atMs }) => atMs > from)
      t.ok(during.length >= 4, `${during.length} reports`)
      // Who is held sends no RTP, and so receiver reports.
      const first = hold && side === sent.b ? 'receiver-report' : 'sender-report'
      t.ok(during.every(compound => types(compound)[0] === first))
    }
    for (const session of [pair.a, pair.b]) {
      t.ok(Math.abs((session.stats().roundTrip?.lastMs ?? 0) - 80) < 0.1, 'a round trip both ways')
      t.ok((session.stats().roundTrip?.count ?? 0) > 5)
    }
    await pair.close()
  })
}

t.test('who only listens has a round trip by extended reports (RFC 3611 §4.4, §4.5)', async t => {
  const pair = await Pair.open({ conditions: { delayMs: 40 }, b: { idle: 'off' } })
  const sent = control(pair.network, '10.0.0.2')
  pair.connect()
  await pair.clock.advance(40_000)
  t.ok(sent.every(compound => types(compound)[0] === 'receiver-report'))
  t.ok(Math.abs((pair.b.stats().roundTrip?.lastMs ?? 0) - 80) < 0.1)
  await pair.close()
})

t.test('random loss: what was lost, what the peer reports, and what the network did agree', async t => {
  const pair = await Pair.open({ seed: 7, conditions: { delayMs: 40, loss: 0.05 } })
  let dropped = 0
  let all = 0
  pair.network.onDatagram(event => {
    if (event.from.address !== '10.0.0.2' || event.copy || classifyPacket(event.data) !== 'rtp') return
    all += 1
    if (event.fate !== 'delivered') dropped += 1
  })
  pair.connect()
  await pair.clock.advance(120_000)
  const here = pair.a.stats()
  const there = pair.b.stats()
  t.ok(Math.abs(here.lost - dropped) <= 3, `${here.lost} lost, ${dropped} dropped`)
  t.ok(Math.abs((there.remote?.lossRatio ?? 0) - dropped / all) < 0.01, `${there.remote?.lossRatio} reported`)
  t.ok(here.bursts.gapLossRatio < 0.06, `${here.bursts.gapLossRatio} in gaps`)
  t.ok(here.quality.received!.mos < 4.2 && here.quality.received!.mos > 3, `${here.quality.received?.mos}`)
  t.ok(
    Math.abs(here.quality.received!.mos - there.quality.sent!.mos) < 0.15,
    'both sides of one stream agree',
  )
  await pair.close()
})

t.test('bursts of loss are told from single losses as the network made them (RFC 3611 §4.7.2)', async t => {
  const burstLoss = { enter: 0.004, leave: 0.2 }
  const pair = await Pair.open({ seed: 11, conditions: { delayMs: 40, burstLoss } })
  const packets: { readonly at: number; readonly came: boolean }[] = []
  pair.network.onDatagram(event => {
    if (event.from.address !== '10.0.0.2' || classifyPacket(event.data) !== 'rtp') return
    packets.push({ at: event.sentAtMs, came: event.fate === 'delivered' })
  })
  pair.connect()
  await pair.clock.advance(120_000)
  const { bursts, lost, quality } = pair.a.stats()
  const fates = packets.toSorted((a, b) => a.at - b.at).map(({ came }) => came)
  const runs = fates
    .join('')
    .split('true')
    .map(run => run.length / 'false'.length)
  t.equal(bursts.longestLoss, Math.max(...runs))
  const dropped = fates.filter(came => !came).length
  t.ok(Math.abs(lost - dropped) <= 5, `${lost} lost, ${dropped} dropped`)
  t.ok(bursts.bursts >= 5 && bursts.burstLossRatio > 0.4, `${bursts.bursts} bursts, ${bursts.burstLossRatio}`)
  t.ok(bursts.gapLossRatio < 0.005, `${bursts.gapLossRatio} in gaps`)
  t.ok(bursts.burstMs >= 40 && bursts.burstMs < 1000, `${bursts.burstMs} ms`)
  // As much loss at random is concealed better.
  const even = await Pair.open({ seed: 11, conditions: { delayMs: 40, loss: dropped / fates.length } })
  even.connect()
  await even.clock.advance(120_000)
  t.ok((even.a.stats().quality.received?.mos ?? 0) > (quality.received?.mos ?? 5), 'runs cost more')
  await Promise.all([pair.close(), even.close()])
})

t.test('each report is told on the channel offhook:media:report', async t => {
  const seen: MediaReportEvent[] = []
  const stop = mediaReportChannel.subscribe(event => seen.push(event))
  t.teardown(stop)
  const pair = await Pair.open({ conditions: { delayMs: 40 } })
  pair.connect()
  await pair.clock.advance(30_000)
  stop()
  await pair.close()
  const own = seen.filter(({ call }) => call === '10.0.0.1')
  t.ok(own.length >= 4)
  t.equal(own.at(-1)?.stats.rtcp?.sent, own.length)
})

t.test('the CNAME is random and of each call (RFC 7022 §4.2)', async t => {
  const names = new Set<string>()
  for (const seed of [1, 2, 3]) {
    const pair = await Pair.open({ seed })
    const sent = control(pair.network, '10.0.0.1')
    pair.connect()
    await pair.clock.advance(30_000)
    const own = sent.flatMap(({ packets }) =>
      packets.flatMap(packet => (packet.type === 'source-description' ? packet.sources : [])),
    )
    t.equal(new Set(own.map(({ cname }) => cname)).size, 1)
    t.match(own[0]?.cname, /^[\w+/]{16}$/)
    names.add(own[0]?.cname ?? '')
    await pair.close()
  }
  t.equal(names.size, 3)
})

t.test('RTCP of strangers and RTCP that is none change nothing and are counted', async t => {
  const pair = await Pair.open({ conditions: { delayMs: 40 } })
  const stranger = await pair.network.host('10.0.0.66').bindUdp({ host: '10.0.0.66', port: 5000 })
  pair.connect()
  await pair.clock.advance(20_000)
  const before = pair.a.stats()
  const report = Uint8Array.of(0x80, 201, 0, 1, 1, 2, 3, 4)
  for (let i = 0; i < 50; i += 1) stranger.send(report, pair.a.local.port, '10.0.0.1')
  stranger.send(Uint8Array.of(0x81, 201, 0, 9, 1, 2, 3, 4), pair.a.local.port, '10.0.0.1')
  await pair.clock.advance(100)
  const after = pair.a.stats()
  t.equal((after.rtcp?.strangers ?? 0) - (before.rtcp?.strangers ?? 0), 50)
  t.equal(after.rtcp?.malformed, 1)
  t.same(after.remote, before.remote)
  await pair.close()
})

t.test(
  'an echo that sends our own packets back: one new SSRC with a BYE for the old, then no more (RFC 3550 §8.2)',
  async t => {
    const pair = await Pair.open({})
    const heard = listen(pair.network, '10.0.0.1')
    const sent = control(pair.network, '10.0.0.1')
    pair.connect()
    await pair.b.close()
    const echo = await pair.network.host('10.0.0.2').bindUdp({ host: '10.0.0.2', port: pair.b.local.port })
    echo.onMessage = (data, remote) => echo.send(data, remote.port, remote.address)
    await pair.clock.advance(60_000)
    t.equal(pair.a.stats().rtcp?.collisions, 1)
    t.ok((pair.a.stats().rtcp?.loops ?? 0) > 2)
    t.equal(new Set(heard.map(({ rtp }) => rtp.ssrc)).size, 2)
    const byes = sent.flatMap(({ packets }) => packets.filter(({ type }) => type === 'bye'))
    t.same(byes, [{ type: 'bye', ssrcs: [heard[0]?.rtp.ssrc] }])
    await pair.a.close()
  },
)
