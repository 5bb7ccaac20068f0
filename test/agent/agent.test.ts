import t from 'tap'
import type { Agent, AgentSession } from '../../src/agent/agent.ts'
import { agentSession, runAgent } from '../../src/agent/agent.ts'
import { menuAgent } from '../../src/agent/menu.ts'
import { tone } from '../../src/media/audio/tones.ts'
import type { Playout } from '../../src/media/audio/playout.ts'
import type { CallEnded } from '../../src/call/call-ended.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'
import type { ScriptedCaller } from '../../src/testing/caller.ts'

/** A prompt that can be told by its frequency. */
async function* prompt(hz: number, durationMs: number): AsyncGenerator<Int16Array> {
  yield tone({ sampleRate: 8000, hz, durationMs })
}

async function withAgent(
  agent: Agent,
  script: (caller: ScriptedCaller, lab: Lab) => Promise<void>,
): Promise<Lab> {
  const lab = createLab({ network: { delayMs: 20 } })
  const endpoint = await lab.endpoint('agent.lab')
  endpoint.on('error', () => {})
  void runAgent(endpoint, agent)
  const caller = lab.caller()
  await lab.run(async () => {
    await caller.call('sip:agent@agent.lab')
    await script(caller, lab)
  })
  return lab
}

t.test('an agent may take its session apart', async t => {
  let seen: unknown
  await withAgent(
    {
      async run({ input, output, dtmf, hangup, sleep, signal, id, remote }) {
        seen = {
          id,
          from: remote.uriText,
          aborted: signal.aborted,
          rate: [input.sampleRate, output.sampleRate],
        }
        for await (const { digit } of dtmf()) if (digit === '5') break
        await sleep(100)
        await hangup({ reason: { protocol: 'Q.850', cause: 16 } })
      },
    },
    async caller => {
      await caller.press('35')
      t.match(await caller.isHungUp(), { by: 'remote', reason: { cause: 16 } })
    },
  )
  t.match(seen, { id: /^c[0-9a-f]{20}$/, from: /^sip:/, aborted: false, rate: [8000, 8000] })
})

t.test('barge-in: clear() says how much the caller had heard', async t => {
  let playout: Playout | undefined
  await withAgent(
    {
      async run({ output, dtmf, sleep }) {
        const played = output.play(prompt(600, 10_000))
        for await (const _ of dtmf()) break
        playout = output.clear()
        await played
        await sleep(500)
      },
    },
    async caller => {
      await caller.hears({ toneHz: 600 })
      await caller.waits(2000)
      await caller.press('1')
      await caller.hears({ silenceMs: 200 }, { withinMs: 500 })
      await caller.isHungUp()
    },
  )
  t.ok(playout?.interrupted)
  const { playedMs = 0, droppedMs = 0 } = playout ?? {}
  t.ok(playedMs > 2000 && playedMs < 2800, `${playedMs} ms were sent before the key arrived`)
  t.ok(droppedMs > 0, `${droppedMs} ms were dropped`)
})

t.test('an agent can be picked for each call, and a picker that throws refuses it', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  endpoint.on('error', () => {})
  void runAgent(endpoint, call => {
    const { user } = call.local.uri as { user?: string }
    if (user !== 'sales') throw new Error(`nobody answers for ${user}`)
    return { run: session => session.sleep(300) }
  })
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const call = await phone.call('sip:sales@agent.lab')
    t.match(await call.ended, { by: 'remote', cause: 'hangup' })
    await t.rejects(phone.call('sip:legal@agent.lab'), { code: 'SIP_RESPONSE', statusCode: 500 })
  })
})

t.test('the same agent serves an outgoing call', async t => {
  const lab = createLab()
  const phone = await lab.endpoint('phone.lab')
  const answering = await lab.endpoint('desk.lab')
  const heard: string[] = []
  void answering.serve(async call => {
    await call.answer()
    await call.sendDtmf('77')
    await call.ended
  })
  const agent: Agent = {
    async run({ dtmf, direction }) {
      heard.push(direction)
      for await (const { digit } of dtmf()) {
        heard.push(digit)
        if (heard.length === 3) return
      }
    },
  }
  await lab.run(async () => {
    const call = await phone.call('sip:desk@desk.lab')
    await agent.run(agentSession(call))
    await call.hangup()
  })
  t.same(heard, ['outbound', '7', '7'])
})

const menu = (keys: Record<string, () => Promise<'again' | 'hangup'>>): Agent =>
  menuAgent({
    prompt: () => prompt(500, 1000),
    unknown: () => prompt(900, 400),
    goodbye: () => prompt(1200, 400),
    keys,
    timeoutMs: 1000,
    tries: 2,
  })

t.test('menu: a caller who presses nothing hears the prompt again, then goodbye', async t => {
  let ended: CallEnded | undefined
  await withAgent(menu({}), async caller => {
    await caller.hears({ toneHz: 500 })
    await caller.hears({ silenceMs: 500 })
    await caller.hears({ toneHz: 500 }, { withinMs: 1500 })
    await caller.hears({ toneHz: 1200 }, { withinMs: 4000 })
    ended = await caller.isHungUp()
  })
  t.match(ended, { by: 'remote', cause: 'hangup' })
})

t.test('menu: an unknown key is answered, a known one acts, at once', async t => {
  const pressed: string[] = []
  const keys = {
    '1': async () => {
      pressed.push('1')
      return 'hangup' as const
    },
  }
  await withAgent(menu(keys), async caller => {
    await caller.hears({ toneHz: 500 })
    await caller.press('8')
    await caller.hears({ toneHz: 900 }, { withinMs: 400 })
    await caller.hears({ toneHz: 500 }, { withinMs: 2000 })
    await caller.press('1')
    await caller.hears({ toneHz: 1200 }, { withinMs: 400 })
    await caller.isHungUp()
  })
  t.same(pressed, ['1'])
  t.throws(() => menuAgent({ prompt: () => prompt(500, 10), keys: {}, tries: 0 }), {
    code: 'SIP_OPTION',
    field: 'tries',
  })
})

t.test('menu: a key pressed while an action goes on is not lost', async t => {
  let ended: CallEnded | undefined
  const agent = menuAgent({
    prompt: () => prompt(500, 3000),
    keys: {
      '1': (session: AgentSession) => session.sleep(1500).then(() => 'again' as const),
      '2': () => Promise.resolve('hangup' as const),
    },
    tries: 1,
  })
  await withAgent(agent, async caller => {
    await caller.press('12')
    ended = await caller.isHungUp({ withinMs: 3000 })
  })
  t.match(ended, { by: 'remote', cause: 'hangup' })
})
