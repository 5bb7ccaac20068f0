import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import t from 'tap'
import { TurnoverMap } from '../../src/runtime/turnover-map.ts'

t.test('does what a Map does', async t => {
  const key = fc.constantFrom('a', 'b', 'c', 'd')
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key, value: fc.nat() }),
    fc.record({ do: fc.constant('delete' as const), key }),
    fc.record({ do: fc.constant('clear' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step), steps => {
      const model = new Map<string, number>()
      const map = new TurnoverMap<string, number>()
      for (const each of steps) {
        if (each.do === 'clear') {
          model.clear()
          map.clear()
        } else if (each.do === 'delete') t.equal(map.delete(each.key), model.delete(each.key))
        else {
          model.set(each.key, each.value)
          map.set(each.key, each.value)
        }
        t.equal(map.size, model.size)
        t.same([...map.values()], [...model.values()])
        for (const each of 'abcd') t.equal(map.get(each), model.get(each))
      }
    }),
    { numRuns: 50 },
  )
})

t.test('what is deleted while others are there does not outlive young collections', async t => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void
  const count = 400
  const bytes = 50_000
  const map = new TurnoverMap<number, ArrayBuffer>()
  collect({ type: 'major' })
  const before = process.memoryUsage().arrayBuffers
  for (let at = 0; at < count; at += 1) {
    map.set(at, new ArrayBuffer(bytes))
    map.delete(at - 1)
    if (at % 10 === 0) collect({ type: 'minor' })
  }
  const kept = (process.memoryUsage().arrayBuffers - before) / bytes
  t.ok(kept < count / 4, `${kept} of ${count} values are in memory`)
})
