import { AsyncLocalStorage } from 'node:async_hooks'
import { pipeline, Readable, Transform, Writable } from 'node:stream'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

t.test('time stands still until it is advanced, and stops where it was told', async t => {
  const clock = new VirtualClock()
  t.equal(clock.now(), 0)
  await clock.advance(1500)
  t.equal(clock.now(), 1500)
  await clock.runUntil(2000)
  t.equal(clock.now(), 2000)
  await clock.runUntil(100)
  t.equal(clock.now(), 2000, 'never backwards')
})

t.test('the wall clock starts where it is told and moves along', async t => {
  const clock = new VirtualClock({ startMs: 5000, wallTimeMs: Date.UTC(2030, 5, 1) })
  t.equal(clock.wallTime(), Date.UTC(2030, 5, 1))
  await clock.advance(1000)
  t.equal(clock.wallTime(), Date.UTC(2030, 5, 1) + 1000)
  t.equal(clock.now(), 6000)
})

t.test('timers run at their own time, those at the end included', async t => {
  const clock = new VirtualClock()
  const ran: number[] = []
  for (const at of [30, 10, 20, 31]) clock.setTimer(at, () => ran.push(clock.now()))
  await clock.advance(30)
  t.same(ran, [10, 20, 30])
  t.equal(clock.pendingTimers, 1)
  t.equal(clock.nextTimerAt, 31)
})

t.test('every continuation has run before time moves on, however deep', async t => {
  const clock = new VirtualClock()
  const seen: string[] = []
  const deep = async (levels: number): Promise<void> => {
    if (levels > 0) await deep(levels - 1)
  }
  clock.setTimer(1, () => {
    void deep(1000).then(() => seen.push(`deep at ${clock.now()}`))
  })
  clock.setTimer(1.001, () => seen.push('next'))
  await clock.advance(2)
  t.same(seen, ['deep at 1', 'next'])
})

t.test('a continuation that sets a timer for now has it run at the same instant', async t => {
  const clock = new VirtualClock()
  const seen: string[] = []
  clock.setTimer(1, () => {
    void (async () => {
      await Promise.resolve()
      await clock.sleep(0)
      seen.push(`inner at ${clock.now()}`)
    })()
  })
  clock.setTimer(2, () => seen.push('later'))
  await clock.advance(2)
  t.same(seen, ['inner at 1', 'later'])
})

/** Sends 300 objects through a pipe of streams, each step a tick or a promise job later; returns a counter. */
function longPipe(): () => number {
  let count = 0
  pipeline(
    Readable.from(Array.from({ length: 300 }, (_, index) => `item ${index}`)),
    new Transform({
      objectMode: true,
      transform(item, _encoding, done) {
        process.nextTick(done, null, item)
      },
    }),
    new Writable({
      objectMode: true,
      write(_item, _encoding, done) {
        count++
        queueMicrotask(done)
      },
    }),
    () => {},
  )
  return () => count
}

for (const hooked of [false, true]) {
  t.test(
    `streams come to rest between two timers, async context ${hooked ? 'in' : 'out of'} use`,
    async t => {
      const clock = new VirtualClock()
      let count: (() => number) | undefined
      let seen: number | undefined
      const body = async (): Promise<void> => {
        clock.setTimer(1, () => {
          count = longPipe()
        })
        clock.setTimer(1.001, () => {
          seen = count?.()
        })
        await clock.advance(2)
      }
      await (hooked ? new AsyncLocalStorage().run({}, body) : body())
      t.equal(seen, 300)
    },
  )
}

t.test('web streams come to rest between two timers', async t => {
  const clock = new VirtualClock()
  let count = 0
  let seen = -1
  clock.setTimer(1, () => {
    const source = new ReadableStream<number>({
      start(controller) {
        for (let index = 0; index < 300; index++) controller.enqueue(index)
        controller.close()
      },
    })
    void source.pipeThrough(new TransformStream()).pipeTo(
      new WritableStream({
        write() {
          count++
        },
      }),
    )
  })
  clock.setTimer(1.001, () => {
    seen = count
  })
  await clock.advance(2)
  t.equal(seen, 300)
})

t.test('code that never comes to rest does not stop the clock', async t => {
  const clock = new VirtualClock()
  let running = true
  const spin = (): void => {
    if (running) queueMicrotask(() => process.nextTick(spin))
  }
  clock.setTimer(1, spin)
  clock.setTimer(2, () => {
    running = false
  })
  await clock.advance(5)
  t.equal(clock.now(), 5)
})

/** Three workers of different pace, on a clock of their own. */
async function workersLog(): Promise<string[]> {
  const clock = new VirtualClock()
  const log: string[] = []
  const worker = async (name: string, period: number): Promise<void> => {
    for (let round = 0; round < 50; round++) {
      await clock.sleep(period)
      await Promise.all([Promise.resolve(), Promise.resolve()])
      log.push(`${name}${round}@${clock.now()}`)
    }
  }
  const all = Promise.all([worker('a', 3), worker('b', 4), worker('c', 6)])
  await clock.runFor(all)
  return log
}

t.test('two runs of the same program give the same order of events', async t => {
  const first = await workersLog()
  t.equal(first.length, 150)
  t.same(await workersLog(), first)
})

t.test('runUntil stops as soon as the condition holds', async t => {
  const clock = new VirtualClock()
  let count = 0
  const tick = (): void => {
    count++
    clock.setTimer(clock.now() + 20, tick)
  }
  tick()
  await clock.runUntil(() => count === 10)
  t.equal(clock.now(), 180)
})

t.test('runUntil says when its condition cannot come true any more', async t => {
  const clock = new VirtualClock()
  clock.setTimer(50, () => {})
  await t.rejects(
    clock.runUntil(() => false),
    { code: 'SIP_TIMEOUT', message: /nothing is left to happen at 50 ms/ },
  )
  const tick = (): void => {
    clock.setTimer(clock.now() + 20, tick)
  }
  tick()
  await t.rejects(
    clock.runUntil(() => false, 1000),
    { code: 'SIP_TIMEOUT', message: /within 1000 ms/ },
  )
})

t.test('runFor returns what the promise gives and throws what it throws', async t => {
  const clock = new VirtualClock()
  t.equal(await clock.runFor(clock.sleep(1234).then(() => 'done')), 'done')
  t.equal(clock.now(), 1234)
  const failing = clock.sleep(1).then(() => {
    throw new Error('boom')
  })
  await t.rejects(clock.runFor(failing), /boom/)
  await t.rejects(clock.runFor(new Promise(() => {})), { code: 'SIP_TIMEOUT' })
})

t.test('runUntilIdle ends with the last timer, or says that something repeats itself', async t => {
  const clock = new VirtualClock()
  clock.setTimer(77, () => clock.setTimer(99, () => {}))
  await clock.runUntilIdle()
  t.equal(clock.now(), 99)
  const tick = (): void => {
    clock.setTimer(clock.now() + 1000, tick)
  }
  tick()
  await t.rejects(clock.runUntilIdle(60_000), { code: 'SIP_TIMEOUT', message: /1 timers are still pending/ })
})

t.test('settle runs what is due now and does not move time', async t => {
  const clock = new VirtualClock({ startMs: 10 })
  const ran: string[] = []
  clock.setTimer(5, () => ran.push('past'))
  clock.setTimer(10, () => ran.push('now'))
  clock.setTimer(11, () => ran.push('later'))
  t.same(ran, [], 'never synchronously')
  await clock.settle()
  t.same(ran, ['past', 'now'])
  t.equal(clock.now(), 10)
})

t.test('time stands still while a held promise waits for something real', async t => {
  const clock = new VirtualClock()
  let read = -1
  clock.setTimer(10, () => {
    void (async () => {
      await clock.hold(readFile(new URL(import.meta.url)))
      read = clock.now()
    })()
  })
  clock.setTimer(11, () => t.equal(read, 10))
  await clock.advance(20)
  t.equal(read, 10)
})

t.test('a held promise that fails lets time go on', async t => {
  const clock = new VirtualClock()
  clock.setTimer(1, () => {
    clock.hold(Promise.reject(new Error('real failure'))).catch(() => {})
  })
  await clock.advance(5)
  t.equal(clock.now(), 5)
})

t.test('what a timer throws ends the advance; the clock can be run again', async t => {
  const clock = new VirtualClock()
  clock.setTimer(1, () => {
    throw new Error('boom')
  })
  let ran = false
  clock.setTimer(2, () => {
    ran = true
  })
  await t.rejects(clock.advance(5), /boom/)
  await clock.advance(5)
  t.equal(ran, true)
})

t.test('the clock is run by one at a time', async t => {
  const clock = new VirtualClock()
  const first = clock.advance(10)
  await t.rejects(clock.advance(10), { code: 'SIP_STATE' })
  await first
  await t.rejects(clock.advance(Number.NaN), { code: 'SIP_OPTION' })
})

t.test('a timer that sets itself at the same time without end is found out', async t => {
  const clock = new VirtualClock()
  const again = (): void => {
    clock.setTimer(clock.now(), again)
  }
  again()
  await t.rejects(clock.advance(1), { code: 'SIP_LIMIT' })
})

t.test('real I/O of the process is served on a long run', async t => {
  const clock = new VirtualClock({ instantsPerTurn: 10 })
  let turns = 0
  let running = true
  const real = (): void => {
    turns++
    if (running) setImmediate(real)
  }
  setImmediate(real)
  const tick = (): void => {
    clock.setTimer(clock.now() + 20, tick)
  }
  tick()
  await clock.advance(20_000)
  running = false
  t.ok(turns >= 90, `${turns} turns in 1000 instants`)
})
