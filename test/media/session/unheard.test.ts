import t from 'tap'
import type { Test } from 'tap'
import { loadCodecs } from '../../../src/media/codec/catalogue.ts'
import { mediaEventChannel } from '../../../src/media/session/diagnostics.ts'
import type { MediaEvent } from '../../../src/media/session/types.ts'
import { Pair } from './pair.ts'

function unheard(t: Test): MediaEvent[] {
  const seen: MediaEvent[] = []
  t.teardown(mediaEventChannel.subscribe(event => event.kind === 'unheard' && seen.push(event)))
  return seen
}

t.test(
  'a peer whose reports show nothing of ours: told once, the call goes on, and once more after it was heard',
  async t => {
    const seen = unheard(t)
    const pair = await Pair.open({ conditions: { delayMs: 20 }, a: { timeoutMs: 0 }, b: { timeoutMs: 0 } })
    pair.connect()
    await pair.clock.advance(30_000)
    t.same(seen, [], 'both are heard')
    const [from, to] = [pair.a.local.address, pair.b.local.address]
    for (let round = 1; round <= 2; round += 1) {
      pair.network.setConditions({ loss: 1 }, { from, to })
      await pair.clock.advance(40_000)
      t.same(
        seen.map(({ call }) => call),
        Array.from({ length: round }, () => from),
        'of the one who is not heard',
      )
      t.ok(pair.a.stats().unheardMs >= 12_000 && pair.a.stats().unheardMs <= 40_000)
      t.equal(pair.b.stats().unheardMs, 0)
      pair.network.setConditions({ loss: 0 }, { from, to })
      await pair.clock.advance(20_000)
      t.equal(pair.a.stats().unheardMs, 0)
    }
    t.equal(pair.a.closed, false)
    await pair.close()
  },
)

t.test('a peer that never hears us, as through a wall that lets out and not in', async t => {
  const seen = unheard(t)
  const pair = await Pair.open({ b: { timeoutMs: 0, firstPacketTimeoutMs: 0 } })
  pair.network.setConditions({ loss: 1 }, { from: pair.a.local.address, to: pair.b.local.address })
  pair.connect()
  await pair.clock.advance(40_000)
  t.equal(seen.length, 1)
  await pair.close()
})

t.test(
  'a codec of another clock begins a new stream of ours, which is missed as soon as the old one was',
  async t => {
    const seen = unheard(t)
    const settings = {
      codecs: await loadCodecs(['PCMU', 'L16/16000']),
      timeoutMs: 0,
      firstPacketTimeoutMs: 0,
    }
    const pair = await Pair.open({ a: settings, b: settings })
    pair.connect()
    await pair.clock.advance(120_000)
    const before = pair.a.flow?.sender.ssrc
    pair.b.acceptAnswer(pair.a.answerOffer(pair.b.createOffer({ codecs: ['L16/16000'] })))
    t.not(pair.a.flow?.sender.ssrc, before)
    pair.network.setConditions({ loss: 1 }, { from: pair.a.local.address, to: pair.b.local.address })
    await pair.clock.advance(25_000)
    t.same(
      seen.map(({ call }) => call),
      [pair.a.local.address],
    )
    await pair.close()
  },
)

t.test('on hold, in pauses of comfort noise, and without reports nobody is unheard', async t => {
  const seen = unheard(t)
  for (const [a, hold] of [
    [{}, true],
    [{ comfortNoise: true }, false],
    [{ rtcp: false }, false],
  ] as const) {
    const pair = await Pair.open({ a, b: a, conditions: { delayMs: 20 } })
    pair.connect()
    await pair.clock.advance(5000)
    if (hold) pair.connect(pair.b, { hold: true })
    await pair.clock.advance(60_000)
    t.equal(pair.a.stats().unheardMs, 0)
    await pair.close()
  }
  t.same(seen, [])
})
