import t from 'tap'
import { asSubtest, readFailures, readTotals } from '../../scripts/tap-stream.ts'

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

t.test('a file becomes a subtest, and what fails in it is told with its name', t => {
  const output =
    'TAP version 14\nok 1 - fine\nnot ok 2 - two is three\n1..2\n# { total: 2, pass: 1, fail: 1 }\n'
  const file = { name: 'dist/test/a.test.js', number: 7, ms: 12.3 }
  const whole = asSubtest(output, { ...file, failure: 'exit: 1' })
  t.match(whole, /^# Subtest: dist\/test\/a\.test\.js\n    ok 1 - fine\n    not ok 2/)
  t.match(whole, /\nnot ok 7 - dist\/test\/a\.test\.js # time=12ms\n  ---\n  exit: 1\n  \.\.\.\n$/)
  t.same(readFailures(whole), ['dist/test/a.test.js > two is three'])
  t.same(readFailures(asSubtest('', { ...file, failure: 'exit: SIGKILL' })), [
    'dist/test/a.test.js\n  exit: SIGKILL',
  ])
  t.same(readFailures(asSubtest('ok 1 - fine\n1..1\n', file)), [])
  t.end()
})
