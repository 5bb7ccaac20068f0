import t from 'tap'
import { seededRandom } from '../../src/testing/seeded-random.ts'

t.test('the same seed gives the same numbers, on every machine and version', async t => {
  t.same([seededRandom(1).uint32(), seededRandom(2026).uint32()], [3_387_734_806, 3_291_180_804])
})

t.test('different seeds differ, also above 32 bits', async t => {
  const firsts = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 52, -1].map(seed => seededRandom(seed).uint32())
  t.equal(new Set(firsts).size, firsts.length)
})

t.test('numbers are spread evenly', async t => {
  const random = seededRandom(7)
  const counts = Array.from({ length: 10 }, () => 0)
  for (let draw = 0; draw < 100_000; draw++) counts[Math.floor(random.float() * 10)]!++
  for (const count of counts) t.ok(count > 9_500 && count < 10_500, `${count} of 100000`)
})

t.test('integers reach both ends of their range', async t => {
  const random = seededRandom(3)
  const seen = new Set(Array.from({ length: 1000 }, () => random.integer(-2, 2)))
  t.same(
    [...seen].toSorted((a, b) => a - b),
    [-2, -1, 0, 1, 2],
  )
})

t.test('bytes have the length asked for', async t => {
  for (const length of [0, 1, 3, 4, 5, 16, 1000]) t.equal(seededRandom(1).bytes(length).length, length)
  const bytes = seededRandom(1).bytes(4096)
  t.ok(new Set(bytes).size > 250)
})

t.test('a fork is a stream of its own that does not depend on when it is made', async t => {
  const random = seededRandom(5)
  const early = random.fork('net').uint32()
  random.uint32()
  t.equal(random.fork('net').uint32(), early)
  t.not(random.fork('tags').uint32(), early)
  t.equal(seededRandom(5).fork('net').uint32(), early)
})
