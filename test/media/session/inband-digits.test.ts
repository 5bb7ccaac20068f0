import t from 'tap'
import { dtmfTone } from '../../../src/media/audio/dtmf-generator.ts'
import { loadCodecs } from '../../../src/media/codec/catalogue.ts'
import type { DtmfDigit } from '../../../src/media/session/types.ts'
import type { NetworkConditions } from '../../../src/testing/network/conditions.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { Pair } from './pair.ts'

const KEYS = '0123456789*#ABCD'
const dtmf = { send: 'inband', receive: ['inband'] } as const

interface Outcome {
  readonly sent: string
  readonly digits: readonly DtmfDigit[]
}

/** Digits as tones over a network: what is heard of them. */
async function over(
  conditions: NetworkConditions,
  seed: number,
  press: { readonly durationMs: number; readonly gapMs: number; readonly count: number },
  codec = 'PCMU',
): Promise<Outcome> {
  const { durationMs, gapMs, count } = press
  const codecs = await loadCodecs([codec])
  const pair = await Pair.open({ seed, conditions, a: { dtmf, codecs }, b: { dtmf, codecs } })
  pair.connect()
  const digits: DtmfDigit[] = []
  pair.b.onDtmf = digit => digits.push(digit)
  const random = seededRandom(seed)
  // Every other key is the one before again: only the pause tells them apart.
  let sent = ''
  while (sent.length < count) sent += KEYS[random.integer(0, KEYS.length - 1)]!.repeat(2)
  await pair.clock.advance(300)
  const done = pair.a.sendDtmf(sent, { durationMs, gapMs })
  await pair.clock.advance(count * (durationMs + gapMs) + 2000)
  await done
  await pair.close()
  return { sent, digits }
}

// With more jitter than this packets come too late now and then, before the delay has grown: that is loss.
const networks: [what: string, conditions: NetworkConditions][] = [
  ['a quiet network', { delayMs: 20 }],
  ['5 ms of jitter', { delayMs: 20, jitterMs: 5 }],
  ['40 ms of jitter', { delayMs: 30, jitterMs: 40 }],
  ['40 ms of jitter and duplicates', { delayMs: 30, jitterMs: 40, duplicate: 0.05 }],
]
for (const [what, conditions] of networks)
  for (const press of [
    { durationMs: 100, gapMs: 80, count: 60 },
    { durationMs: 40, gapMs: 40, count: 120 },
  ])
    t.test(
      `tones of ${press.durationMs} ms over ${what}: each once and as long as it was, however play-out stretches them`,
      async t => {
        for (const seed of [1, 2, 3, 4, 5]) {
          const { sent, digits } = await over(conditions, seed, press)
          t.equal(digits.map(({ digit }) => digit).join(''), sent, `seed ${seed}`)
          const wrong = digits.filter(({ durationMs }) => Math.abs(durationMs - press.durationMs) > 10)
          t.same(
            wrong.map(({ digit, durationMs }) => `${digit} ${durationMs} ms`),
            [],
            `seed ${seed}`,
          )
        }
      },
    )

for (const codec of ['PCMA', 'G722', 'L16/16000', 'opus'])
  t.test(`tones in ${codec} over jitter`, async t => {
    const { sent, digits } = await over(
      { delayMs: 30, jitterMs: 40 },
      5,
      {
        durationMs: 60,
        gapMs: 60,
        count: 40,
      },
      codec,
    )
    t.equal(digits.map(({ digit }) => digit).join(''), sent)
  })

t.test('a digit of 200 ms that loses one of its packets is one digit still', async t => {
  const { sent, digits } = await over({ delayMs: 20, loss: 0.02 }, 2, {
    durationMs: 200,
    gapMs: 100,
    count: 200,
  })
  t.equal(digits.map(({ digit }) => digit).join(''), sent)
})

t.test(
  '1,000 digits, 40 ms on and 40 ms off, in white noise 15 dB below, through G.711 and 20 ms of jitter',
  async t => {
    const receive = { receive: ['inband'] } as const
    const conditions = { delayMs: 20, jitterMs: 20 }
    const pair = await Pair.open({ seed: 15, conditions, a: { dtmf }, b: { dtmf: receive } })
    pair.connect()
    let heard = ''
    pair.b.onDtmf = ({ digit }) => {
      heard += digit
    }
    const random = seededRandom(15)
    const chance = (): number => (random.uint32() + 1) / 2 ** 32
    // Both tones together at -10 dBm0, 3.14 dBm0 being a sine of full scale.
    const deviation = Math.sqrt((32_768 ** 2 * 10 ** ((-10 - 3.14) / 10)) / 2 / 10 ** 1.5)
    let sent = ''
    for (let batch = 0; batch < 10; batch += 1) {
      const pcm = new Int16Array(100 * 640)
      for (let index = 0; index < 100; index += 1) {
        const key = KEYS[random.integer(0, KEYS.length - 1)]!
        sent += key
        const at = index * 640 + random.integer(0, 39)
        pcm.set(dtmfTone(key, { sampleRate: 8000, durationMs: 40, volumeDbm0: -10 }), at)
      }
      for (let i = 0; i < pcm.length; i += 1)
        pcm[i]! += deviation * Math.sqrt(-2 * Math.log(chance())) * Math.cos(2 * Math.PI * chance())
      void pair.a.output.write(pcm)
      await pair.clock.advance(8000)
    }
    await pair.clock.advance(1000)
    t.equal(sent.length, 1000)
    t.ok(heard === sent, `${heard.length} heard`)
    await pair.close()
  },
)

for (const road of ['inband', 'rtp'] as const) {
  t.test(
    `a hold amid a digit (${road}): it ends with the hold, is one digit, and the next ones come after it`,
    async t => {
      const roads = { send: road, receive: [road] }
      const pair = await Pair.open({ a: { dtmf: roads }, b: { dtmf: roads } })
      pair.connect()
      await pair.clock.advance(300)
      const seen: string[] = []
      pair.a.onDtmf = ({ digit }) =>
        seen.push(`${digit} ${pair.clock.now() < 20_000 ? 'on hold' : 'after it'}`)
      const sent = pair.b.sendDtmf('578', { durationMs: 1000 })
      await pair.clock.advance(500)
      pair.connect(pair.a, { hold: true })
      await pair.clock.advance(20_000)
      t.same(seen, ['5 on hold'])
      pair.connect(pair.a, { hold: false })
      await pair.clock.advance(4000)
      t.same(seen, ['5 on hold', '7 after it', '8 after it'])
      await sent
      await pair.close()
    },
  )
}
