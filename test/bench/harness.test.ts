import t from 'tap'
import { benchLine, formatTable, measure, median, percentile, verdictOf } from '../../bench/harness.ts'

t.test('percentiles are interpolated between ranks, and the input stays as it was', t => {
  const values = [40, 10, 30, 20]
  t.equal(median(values), 25)
  t.equal(percentile(values, 0), 10)
  t.equal(percentile(values, 100), 40)
  t.same(values, [40, 10, 30, 20])
  t.ok(Number.isNaN(median([])))
  t.end()
})

t.test('a line is held against its limit by the ratio to its reference', t => {
  const line = { name: 'a', unit: 'µs', figure: 30, reference: { name: 'b', figure: 20 } }
  t.equal(benchLine(line).ratio, 1.5)
  t.equal(verdictOf(benchLine(line)), '')
  t.equal(verdictOf(benchLine({ ...line, limit: { maxRatio: 1.5 } })), 'ok')
  t.equal(verdictOf(benchLine({ ...line, limit: { maxRatio: 1.4 } })), 'over')
  t.equal(verdictOf(benchLine({ ...line, limit: { minRatio: 1.6 } })), 'under')
  t.match(
    formatTable([benchLine({ ...line, limit: { maxRatio: 1.4 } })]),
    /a\s+30\.0\s+µs\s+20\.0 b\s+1\.50×\s+≤ 1\.4×\s+over/,
  )
  t.end()
})

t.test('subjects are warmed up, then take turns, each round as long as the other', async t => {
  const calls: string[] = []
  const subject = (name: string): { name: string; run: (count: number) => void } => ({
    name,
    run: count => void calls.push(`${name}${count}`),
  })
  const [a, b] = await measure([subject('a'), subject('b')], { operations: 5, rounds: 3, warmUp: 2 })
  t.same(calls, ['a2', 'b2', 'a5', 'b5', 'b5', 'a5', 'a5', 'b5'])
  t.equal(a?.name, 'a')
  t.equal(b?.rounds.length, 3)
})
