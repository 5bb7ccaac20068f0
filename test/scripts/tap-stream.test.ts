import t from 'tap'
import { readFailures, readTotals } from '../../scripts/tap-stream.ts'

const stream = `TAP version 14
# Subtest: dist/test/a.test.js
    # Subtest: outer #1
        # Subtest: inner
            ok 1 - fine
            not ok 2 - two is three
              ---
              compare: ===
              ...
            1..2
        not ok 1 - inner # time=4ms
          ---
          at: here
          ...
        1..1
    not ok 1 - outer \\#1 # time=5ms
    1..1
not ok 1 - dist/test/a.test.js # time=9ms
# Subtest: dist/test/b.test.js
    1..0 # no tests found
not ok 2 - dist/test/b.test.js # time=9ms
  ---
  exitCode: 1
  ...
# Subtest: dist/test/c.test.js
    ok 1 - inner # time=1ms
ok 3 - dist/test/c.test.js # time=9ms
1..3
# { total: 4, pass: 2, fail: 2 }
`

t.test('each failure is told once, with the tests it is in; a file that died counts too', t => {
  t.same(readFailures(stream), [
    'dist/test/a.test.js > outer #1 > inner > two is three\n              compare: ===',
    'dist/test/b.test.js\n  exitCode: 1',
  ])
  t.end()
})

t.test('the totals are those of the last line', t => {
  t.same(readTotals(stream), { passed: 2, failed: 2 })
  t.same(readTotals(''), { passed: 0, failed: 0 })
  t.end()
})
