import * as fc from 'fast-check'
import t from 'tap'
import { EdgeHealth, Prober } from '../../../src/call/trunks/health.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

t.test('up, degraded, down: by failures in a row of each edge', async t => {
  const health = new EdgeHealth(['a', 'b'], 2)
  t.equal(health.state, 'unknown')
  health.succeeded(0)
  t.equal(health.state, 'up')
  health.failed(1, 'silence')
  t.equal(health.state, 'degraded')
  health.failed(1, 'silence')
  t.same(health.order(), [0, 1])
  health.failed(0, 'refused')
  health.failed(0, 'refused')
  t.equal(health.state, 'down')
  health.succeeded(1)
  t.equal(health.state, 'degraded')
  t.same(health.order(), [1, 0], 'what is down is tried last')
  t.match(health.edges, [
    { name: 'a', state: 'down', failures: 2, reason: 'refused' },
    { name: 'b', state: 'up' },
  ])
})

t.test(
  'OPTIONS never come in a storm: one at a time to an edge, apart, and ever fewer to one that is down',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('answers', 'slow', 'silent', 'refuses'), { minLength: 1, maxLength: 5 }),
        fc.integer(),
        async (edges, seed) => {
          const clock = new VirtualClock()
          const health = new EdgeHealth(
            edges.map((_, index) => String(index)),
            3,
          )
          const sent: number[][] = edges.map(() => [])
          const open = edges.map(() => 0)
          let crossed = false
          const prober = new Prober(
            {
              clock,
              random: seededRandom(seed),
              ask: async index => {
                sent[index]!.push(clock.now())
                if (++open[index]! > 1) crossed = true
                const kind = edges[index]
                await clock.sleep(
                  kind === 'answers' ? 20 : kind === 'slow' ? 7_000 : kind === 'silent' ? 32_000 : 0,
                )
                open[index]! -= 1
                if (kind === 'silent') throw new Error('no response')
                return kind === 'refuses' ? 503 : 200
              },
              onAnswer: (index, status) =>
                status === 503 ? health.failed(index, '503') : health.succeeded(index),
              onSilence: (index, reason) => health.failed(index, reason),
              failures: index => health.failures(index),
              isDown: index => health.isDown(index),
            },
            { intervalMs: 10_000, timeoutMs: 5_000, downAfter: 3, maxIntervalMs: 80_000 },
            edges.length,
          )
          await clock.advance(600_000)
          prober.close()
          await clock.advance(100_000)
          const tooMany = sent.some((times, index) => {
            const gaps = times.slice(1).map((at, i) => at - times[i]!)
            const most = edges[index] === 'answers' || edges[index] === 'slow' ? 67 : 15
            return times[0]! > 10_000 || gaps.some(gap => gap < 8_900) || times.length > most
          })
          const states = health.edges.every(({ state }, index) =>
            edges[index] === 'slow'
              ? state !== 'down'
              : state === (edges[index] === 'answers' ? 'up' : 'down'),
          )
          return !crossed && !tooMany && states && clock.pendingTimers === 0
        },
      ),
      { numRuns: 25 },
    )
  },
)
