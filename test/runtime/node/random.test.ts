import t from 'tap'
import { NodeRandom } from '../../../src/runtime/node/random.ts'

t.test('bytes have the length asked for and are never the same twice', async t => {
  const random = new NodeRandom()
  const seen = new Set<string>()
  let count = 0
  for (let round = 0; round < 500; round++) {
    for (const length of [16, 30, 1024, 5000]) {
      const bytes = random.bytes(length)
      t.equal(bytes.length, length)
      seen.add(Buffer.from(bytes).toString('hex'))
      count++
    }
  }
  t.equal(seen.size, count)
  t.equal(random.bytes(0).length, 0)
})

t.test('bytes are the caller’s own and stay as they are', async t => {
  const random = new NodeRandom()
  const first = random.bytes(16)
  const copy = Uint8Array.from(first)
  for (let round = 0; round < 2000; round++) random.bytes(16).fill(0)
  t.same(first, copy)
  t.equal(first.buffer.byteLength, 16, 'no window on the pool')
})

t.test('uint32 covers its range', async t => {
  const random = new NodeRandom()
  let ones = 0
  let zeros = 0
  for (let round = 0; round < 1000; round++) {
    const value = random.uint32()
    t.ok(Number.isInteger(value) && value >= 0 && value < 2 ** 32)
    ones = (ones | value) >>> 0
    zeros = (zeros | ~value) >>> 0
  }
  t.equal(ones, 0xffffffff, 'every bit was set once')
  t.equal(zeros, 0xffffffff, 'and clear once')
})
