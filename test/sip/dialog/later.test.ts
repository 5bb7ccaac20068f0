import t from 'tap'
import { Later } from '../../../src/sip/dialog/later.ts'

t.test('who asked before the value came gets it, and who asks after it', async t => {
  const later = new Later<number>()
  const before = later.promise
  later.come(1)
  later.come(2)
  t.equal(await before, 1)
  t.equal(await later.promise, 1)
  t.equal(later.promise, before)
})

t.test('a value that nobody asked for in time is still there', async t => {
  const later = new Later<string>()
  later.come('late')
  t.equal(await later.promise, 'late')
})
