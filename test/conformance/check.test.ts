import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Check, formatResults, type Result, runChecks } from '../../conformance/check.ts'

/** A check that fails its first so many times. */
function failing(name: string, times: number, logs: string): Check {
  let left = times
  return {
    name,
    rfc: 'RFC 3261 13',
    what: 'rings',
    how: 'a peer',
    run: async () => {
      mkdirSync(join(logs, name))
      if (left-- > 0) throw new Error(`${name} failed\nits log`)
    },
  }
}

async function play(logs: string, times: readonly number[], atOnce: number) {
  const told: Result[] = []
  const checks = times.map((count, index) => failing(`check-${index}`, count, logs))
  const results = await runChecks(checks, { atOnce, logs, tell: result => told.push(result) })
  return { results, told: told.map(({ check, error }) => `${check.name} ${error === undefined}`) }
}

t.test('a check that fails beside others is played again alone, and both are told', async t => {
  const logs = t.testdir({})
  const { results, told } = await play(logs, [0, 1, 2, 0], 2)
  t.same(
    results.map(({ check, error, beside }) => [check.name, error === undefined, beside !== undefined]),
    [
      ['check-0', true, false],
      ['check-1', true, true],
      ['check-2', false, true],
      ['check-3', true, false],
    ],
  )
  t.same(told.slice(-2), ['check-1 true', 'check-2 false'], 'after the others')
  t.equal(told.length, 6)
  t.same(readdirSync(logs), [
    'check-0',
    'check-1',
    'check-1.beside-others',
    'check-2',
    'check-2.beside-others',
    'check-3',
  ])
  t.same(
    formatResults(results)
      .split('\n')
      .map(line => line.split(/ s {2}/).at(-1)),
    ['pass', 'pass, alone; beside others: check-1 failed', 'FAIL: check-2 failed', 'pass'],
  )
})

t.test('a check that has the machine to itself is played once', async t => {
  const { results, told } = await play(t.testdir({}), [1, 0], 1)
  t.same(told, ['check-0 false', 'check-1 true'])
  t.equal(results[0]?.error?.message, 'check-0 failed\nits log')
})
