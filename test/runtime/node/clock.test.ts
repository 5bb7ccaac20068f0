import { spawnSync } from 'node:child_process'
import t from 'tap'
import { NodeClock } from '../../../src/runtime/node/clock.ts'
import type { Timer } from '../../../src/runtime/runtime.ts'

t.test('no timer runs before its time, and all run in order', async t => {
  const clock = new NodeClock()
  const start = clock.now()
  const due = Array.from({ length: 60 }, (_, index) => start + ((index * 37) % 60) * 0.7)
  const ran: number[] = []
  const early: number[] = []
  await new Promise<void>(resolve => {
    for (const at of due) {
      clock.setTimer(at, () => {
        if (clock.now() < at) early.push(at - clock.now())
        ran.push(at)
        if (ran.length === due.length) resolve()
      })
    }
  })
  t.same(early, [])
  t.same(
    ran,
    due.toSorted((a, b) => a - b),
  )
})

t.test('a time in the past means the next turn, never now', async t => {
  const clock = new NodeClock()
  let ran = false
  const done = new Promise<void>(resolve => {
    clock.setTimer(clock.now() - 1000, () => {
      ran = true
      resolve()
    })
  })
  t.equal(ran, false)
  await done
  t.equal(ran, true)
})

t.test('a timer set for earlier than all others overtakes them', async t => {
  const clock = new NodeClock()
  const ran: string[] = []
  await new Promise<void>(resolve => {
    clock.setTimer(clock.now() + 30, () => {
      ran.push('late')
      resolve()
    })
    clock.setTimer(clock.now() + 5, () => ran.push('early'))
  })
  t.same(ran, ['early', 'late'])
})

t.test('cancelled timers do not run, whether they are next or not', async t => {
  const clock = new NodeClock()
  const ran: number[] = []
  await new Promise<void>(resolve => {
    const timers: Timer[] = Array.from({ length: 20 }, (_, index) =>
      clock.setTimer(clock.now() + index, () => ran.push(index)),
    )
    for (const index of [0, 1, 7, 19]) timers[index]!.cancel()
    clock.setTimer(clock.now() + 25, resolve)
  })
  t.equal(ran.length, 16)
  for (const index of [0, 1, 7, 19]) t.notOk(ran.includes(index))
})

t.test('a chain of timers does not drift: due times are absolute', async t => {
  const clock = new NodeClock()
  const start = clock.now()
  let count = 0
  await new Promise<void>(resolve => {
    const tick = (): void => {
      count++
      if (count === 25) resolve()
      else clock.setTimer(start + count * 2, tick)
    }
    clock.setTimer(start, tick)
  })
  // However late single ticks were, none was lost and none came early.
  t.equal(count, 25)
  t.ok(clock.now() - start >= 48)
})

t.test('a pending timer keeps the process alive; a cancelled one does not', async t => {
  const url = new URL('../../../src/runtime/node/clock.js', import.meta.url).href
  const run = (body: string): string =>
    spawnSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { NodeClock } from ${JSON.stringify(url)}; const clock = new NodeClock(); ${body}`,
      ],
      { encoding: 'utf8', timeout: 30_000 },
    ).stdout
  t.equal(run(`clock.setTimer(clock.now() + 50, () => console.log('ran'))`), 'ran\n')
  t.equal(
    run(
      `const timer = clock.setTimer(clock.now() + 3_600_000, () => {}); timer.cancel(); console.log('end')`,
    ),
    'end\n',
  )
})
