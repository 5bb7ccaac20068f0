import t from 'tap'
import { collect } from '../../../src/agent/control/collect.ts'
import { prompt, withCaller } from './scene.ts'

t.test('collect: a key stops the prompt as it goes down; a terminator ends the input', async t => {
  const collected = await withCaller(
    session => collect(session, { digits: { min: 1, max: 8 }, prompt: () => prompt(600, 10_000) }),
    async caller => {
      await caller.hears({ toneHz: 600 })
      await caller.waits(1000)
      await caller.press('4', { durationMs: 2000 })
      await caller.hears({ silenceMs: 100 }, { withinMs: 200 })
      await caller.press('711#')
      await caller.isHungUp()
    },
  )
  t.match(collected, { digits: '4711', complete: true, by: 'terminator', terminator: '#', tries: 1 })
  t.ok(
    collected.heardMs > 1000 && collected.heardMs < 1500,
    `${collected.heardMs} ms: not until the key is let go`,
  )
})

t.test('collect: a silent caller is a value, and is asked as often as said', async t => {
  const collected = await withCaller(
    session => collect(session, { digits: 4, timeoutMs: 1000, tries: 2, prompt: () => prompt(600, 500) }),
    async caller => {
      await caller.hears({ toneHz: 600 })
      await caller.hears({ silenceMs: 500 })
      await caller.hears({ toneHz: 600 }, { withinMs: 1500 })
      await caller.isHungUp({ withinMs: 3000 })
    },
  )
  t.strictSame(collected, { digits: '', complete: false, by: 'silent', heardMs: 500, tries: 2 })
})

t.test('collect: a pause ends the input, which is complete when there is enough', async t => {
  for (const [min, complete] of [
    [2, true],
    [3, false],
  ] as const) {
    const collected = await withCaller(
      session => collect(session, { digits: { min, max: 5 }, interDigitMs: 800 }),
      async caller => {
        await caller.waits(300)
        await caller.press('12')
        await caller.isHungUp({ withinMs: 1500 })
      },
    )
    t.match(collected, { digits: '12', complete, by: 'pause' })
  }
})

t.test('collect: a key held longer than the pause is waited for', async t => {
  const collected = await withCaller(
    session => collect(session, { digits: 2, timeoutMs: 1000, interDigitMs: 500 }),
    async caller => {
      await caller.waits(300)
      await caller.press('1', { durationMs: 3000 })
      await caller.press('2')
      await caller.isHungUp()
    },
  )
  t.match(collected, { digits: '12', by: 'full' })
})

t.test('collect: digits pressed before are used without a prompt, and what is too much is left', async t => {
  const both = await withCaller(
    async session => {
      await session.sleep(2500)
      const first = await collect(session, { digits: 2, prompt: () => prompt(600, 1000) })
      const second = await collect(session, { digits: { min: 1, max: 4 } })
      return [first, second]
    },
    async caller => {
      await caller.press('12345#')
      await caller.isHungUp()
    },
  )
  t.match(both, [
    { digits: '12', by: 'full', heardMs: 0 },
    { digits: '345', by: 'terminator' },
  ])
})

t.test('collect: digits pressed before are forgotten when asked for', async t => {
  const collected = await withCaller(
    async session => {
      await session.sleep(1000)
      return collect(session, { digits: 2, pressedBefore: 'flush', prompt: () => prompt(600, 2000) })
    },
    async caller => {
      await caller.press('99')
      await caller.hears({ toneHz: 600 }, { withinMs: 2000 })
      await caller.press('12')
      await caller.isHungUp()
    },
  )
  t.match(collected, { digits: '12', by: 'full' })
  t.ok(collected.heardMs > 0)
})

t.test('collect: the caller hangs up, or the asker gives up', async t => {
  const hungUp = await withCaller(
    session => collect(session, { digits: 4, prompt: () => prompt(600, 5000) }),
    async caller => {
      await caller.press('1')
      await caller.hangup()
      await caller.waits(100)
    },
  )
  t.match(hungUp, { digits: '1', complete: false, by: 'call-ended' })
  const stop = new AbortController()
  const aborted = await withCaller(
    session =>
      collect(session, { digits: 4, prompt: () => prompt(600, 5000), tries: 3, signal: stop.signal }),
    async caller => {
      await caller.hears({ toneHz: 600 })
      stop.abort()
      await caller.isHungUp({ withinMs: 1000 })
    },
  )
  t.match(aborted, { digits: '', by: 'aborted', tries: 1 })
})

t.test('collect: options out of range are refused by name', async t => {
  await withCaller(
    async session => {
      for (const [options, field] of [
        [{ digits: 0 }, 'digits'],
        [{ digits: { min: 3, max: 2 } }, 'digits'],
        [{ digits: 1, timeoutMs: 0 }, 'timeoutMs'],
        [{ digits: 1, interDigitMs: NaN }, 'interDigitMs'],
        [{ digits: 1, terminators: 'x' }, 'terminators'],
        [{ digits: 1, tries: 0 }, 'tries'],
      ] as const) {
        await t.rejects(collect(session, options), { code: 'SIP_OPTION', field })
      }
    },
    async caller => void (await caller.isHungUp()),
  )
})
