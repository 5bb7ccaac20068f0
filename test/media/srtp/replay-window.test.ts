import { array, assert, constantFrom, integer, oneof, property } from 'fast-check'
import t from 'tap'
import { ReplayWindow } from '../../../src/media/srtp/replay-window.ts'

t.test('it says what a set of all indices seen would say', async () => {
  assert(
    property(
      constantFrom(64, 96, 128, 1024),
      integer({ min: 0, max: 2 ** 48 - 2 ** 20 }),
      array(
        oneof(
          { weight: 6, arbitrary: integer({ min: -70, max: 5 }) },
          { weight: 2, arbitrary: integer({ min: -1100, max: 200 }) },
          { weight: 1, arbitrary: integer({ min: 0, max: 5000 }) },
        ),
        { maxLength: 400 },
      ),
      (size, start, steps) => {
        const window = new ReplayWindow(size)
        const seen = new Set<number>()
        let newest = -1
        for (const step of steps) {
          const index = Math.max(0, (newest < 0 ? start : newest) + step)
          const expected = index > newest || (index > newest - size && !seen.has(index))
          if (window.isNew(index) !== expected) return false
          if (!expected) continue
          window.add(index)
          seen.add(index)
          newest = Math.max(newest, index)
          if (window.newest !== newest) return false
        }
        return true
      },
    ),
    { numRuns: 300 },
  )
})

t.test('the oldest index of the window counts, the one before it does not', async t => {
  const window = new ReplayWindow(64)
  window.add(1000)
  t.ok(window.isNew(1000 - 63))
  t.notOk(window.isNew(1000 - 64))
})
