import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { Endpoint } from '../../src/call/endpoint.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'

const target = 'sip:agent@agent.lab'

interface Pair {
  readonly lab: Lab
  readonly caller: Call
  readonly callee: Call
  readonly callerHears: readonly number[]
  readonly calleeHears: readonly number[]
}

/** A call that is up, both ends of it. */
async function connected(lab: Lab, agent: Endpoint, phone: Endpoint): Promise<Pair> {
  let callee: Call | undefined
  void agent.serve(async call => {
    await call.answer()
    callee = call
    await call.ended
  })
  const caller = await phone.call(target)
  await caller.sleep(200)
  if (callee === undefined) throw new Error('nobody answered')
  return { lab, caller, callee, callerHears: ear(caller), calleeHears: ear(callee) }
}

async function withPair(seed: number, script: (pair: Pair) => Promise<void>): Promise<void> {
  const lab = createLab({ seed, network: { delayMs: 25 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => script(await connected(lab, agent, phone)))
}

/** Everything a call has brought so far; one reader for the whole call. */
function ear(call: Call): number[] {
  const heard: number[] = []
  void (async () => {
    for await (const { samples } of call.media.input) heard.push(...samples)
  })()
  return heard
}

/** Whether what one end says now is heard at the other. */
async function hears(lab: Lab, from: Call, heard: readonly number[]): Promise<boolean> {
  from.media.output.clear()
  const before = heard.length
  void from.media.output.write(tone({ sampleRate: 8000, hz: 600, durationMs: 400 }))
  await lab.clock.sleep(600)
  const samples = Int16Array.from(heard.slice(before))
  return samples.length > 2400 && goertzelDbfs(samples.subarray(1600, 2400), 8000, 600) > -25
}

function holds(call: Call): string[] {
  const log: string[] = []
  call.on('hold', (by, active) => log.push(`${by} ${active ? 'on' : 'off'}`))
  return log
}

for (const seed of [1, 2, 3, 4]) {
  t.test(
    `both hold at once (RFC 3261 §14.1), seed ${seed}: both succeed, both resume, and talk again`,
    async t => {
      await withPair(seed, async ({ lab, caller, callee, callerHears, calleeHears }) => {
        const [atCaller, atCallee] = [holds(caller), holds(callee)]
        await Promise.all([caller.hold(), callee.hold()])
        await lab.clock.sleep(200)
        t.same(atCaller.toSorted(), ['local on', 'remote on'])
        t.same(atCallee.toSorted(), ['local on', 'remote on'])
        t.equal(await hears(lab, caller, calleeHears), false)
        t.equal(await hears(lab, callee, callerHears), false)
        await Promise.all([caller.resume(), callee.resume()])
        await lab.clock.sleep(200)
        t.same(atCaller.slice(2).toSorted(), ['local off', 'remote off'])
        t.same(atCallee.slice(2).toSorted(), ['local off', 'remote off'])
        t.equal(await hears(lab, caller, calleeHears), true)
        t.equal(await hears(lab, callee, callerHears), true)
      })
    },
  )
}

t.test('two holds, one resume: the other still holds (RFC 3264 §6.1, §8.4)', async t => {
  await withPair(1, async ({ lab, caller, callee, callerHears, calleeHears }) => {
    const [atCaller, atCallee] = [holds(caller), holds(callee)]
    await caller.hold()
    await callee.hold()
    await caller.resume()
    await lab.clock.sleep(200)
    t.same(atCaller, ['local on', 'remote on', 'local off'])
    t.same(atCallee, ['remote on', 'local on', 'remote off'])
    t.equal(await hears(lab, callee, callerHears), true, 'who holds may play music')
    t.equal(await hears(lab, caller, calleeHears), false, 'and hears nothing')
    await callee.resume()
    await lab.clock.sleep(200)
    t.same(atCaller.slice(3), ['remote off'])
    t.equal(await hears(lab, caller, calleeHears), true)
    t.equal(await hears(lab, callee, callerHears), true)
  })
})

t.test('hold right after answer(), before the ACK came', async t => {
  const lab = createLab({ network: { delayMs: 100 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  let held = false
  void agent.serve(async call => {
    await call.answer()
    await call.hold()
    held = true
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    const log = holds(call)
    await call.sleep(1000)
    t.same(log, ['remote on'])
    t.equal(held, true)
  })
})

t.test('a hold while the other change is under way fails and disturbs nothing', async t => {
  await withPair(1, async ({ lab, caller, callee, callerHears }) => {
    const first = caller.hold()
    await t.rejects(caller.resume(), { code: 'SIP_STATE' })
    await first
    await lab.clock.sleep(100)
    t.equal(await hears(lab, callee, callerHears), false)
    await caller.resume()
    t.equal(await hears(lab, callee, callerHears), true)
  })
})
