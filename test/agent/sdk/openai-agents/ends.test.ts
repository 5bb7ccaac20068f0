import { RealtimeAgent, RealtimeSession } from '@openai/agents-realtime'
import t from 'tap'
import type { Agent } from '../../../../src/agent/agent.ts'
import { runAgent } from '../../../../src/agent/agent.ts'
import { openAiAgentsAgent } from '../../../../src/agent/sdk/openai-agents/agent.ts'
import { phoneTransport } from '../../../../src/agent/sdk/openai-agents/phone-transport.ts'
import { phoneTools } from '../../../../src/agent/sdk/openai-agents/tools.ts'
import { tone } from '../../../../src/media/audio/tones.ts'
import type { OptionError } from '../../../../src/runtime/errors.ts'
import { createLab } from '../../../../src/testing/lab.ts'
import { ScriptedModel, callAgent, modelUrl } from './model.ts'

/** Takes over, and is heard to. */
const human: Agent = {
  async run({ output, ended }) {
    await output.play(tone({ sampleRate: output.sampleRate, hz: 1000, durationMs: 500 }))
    await ended
  },
}

t.test('the caller hangs up: the session ends', async t => {
  const { model, record, errors } = await callAgent({}, async ({ caller, lab }) => {
    await caller.hangup()
    await lab.clock.sleep(100)
  })
  t.equal(model?.closed, 1000)
  t.match(record.engines, [{ end: 'call', detail: 'the call ended' }])
  t.same(errors, [])
})

t.test('the session is closed: the call ends', async t => {
  const { model, record } = await callAgent({}, async ({ caller, session, lab }) => {
    session.close()
    await caller.isHungUp({ withinMs: 100 })
    await lab.clock.sleep(100)
  })
  t.equal(model?.closed, 1000)
  t.match(record.engines, [{ end: 'engine', detail: 'the session was closed' }])
})

t.test('what was said is heard to its end where that is wanted', async t => {
  await callAgent({ onEngineEnd: 'finish' }, async ({ caller, model, lab }) => {
    model.says('resp_1', 'item_1', 440, 1000)
    model.close(1000)
    const from = lab.clock.now()
    await caller.hears({ toneHz: 440 })
    await caller.isHungUp()
    t.ok(lab.clock.now() - from >= 1000)
  })
})

t.test('another agent may follow', async () => {
  await callAgent({ onEngineEnd: human }, async ({ caller, model }) => {
    model.says('resp_1', 'item_1', 440, 5000)
    await caller.hears({ toneHz: 440 })
    model.close(1000)
    await caller.hears({ toneHz: 1000 }, { withinMs: 400 })
  })
})

const failures = [
  ['refused', { refuse: 401 }, /the model cannot be reached: .* 401: the credentials/, 'unreachable'],
  [
    'no answer',
    { hang: true, connectTimeoutMs: 2000 },
    /cannot be reached: .* within 2000 ms/,
    'unreachable',
  ],
  ['silent', { firstAudioTimeoutMs: 2000 }, /said nothing within 2000 ms/, 'silent'],
] as const
for (const [name, options, detail, problem] of failures) {
  t.test(`${name}: the fallback takes over`, async t => {
    const { record, errors } = await callAgent({ ...options, fallback: human }, async ({ caller }) => {
      await caller.hears({ toneHz: 1000 })
    })
    t.match(record.engines, [{ end: 'failed', detail }])
    t.same(errors, [])
  })
  t.test(`${name}: without a fallback the call ends with an error`, async t => {
    const { errors } = await callAgent(options, async ({ caller }) => {
      await caller.isHungUp()
    })
    t.match(errors, [{ cause: { code: 'SIP_ENGINE', engine: 'openai-agents', problem } }])
  })
}

const closings = [
  [1011, /the model failed: it closed with 1011 oops/],
  [3000, /the model failed: it closed with 3000 oops/],
  [undefined, /the connection to the model broke/],
] as const
for (const [code, detail] of closings) {
  t.test(`the model closes with ${code ?? 'nothing'}: a failure`, async t => {
    const { record } = await callAgent({ fallback: human }, async ({ caller, model }) => {
      if (code === undefined) model.destroy()
      else model.close(code, 'oops')
      await caller.hears({ toneHz: 1000 })
    })
    t.match(record.engines, [{ end: 'failed', detail }])
  })
}

t.test('the caller hangs up while the model is dialled', async t => {
  const { record, errors } = await callAgent({ hang: true, fallback: human }, async ({ caller, lab }) => {
    await lab.clock.sleep(1000)
    await caller.hangup()
  })
  t.match(record.engines, [{ end: 'call', detail: 'the call ended while the model was dialled' }])
  t.same(errors, [])
})

t.test('a model that floods fills the buffer, no more; what is cut is what there was', async t => {
  const { record } = await callAgent({ maxBufferedMs: 2000 }, async ({ caller, model }) => {
    model.says('resp_1', 'item_1', 440, 30_000)
    await caller.hears({ toneHz: 440 })
    await caller.hears({ silenceMs: 200 }, { withinMs: 2500 })
  })
  const dropped = record.engines?.[0]?.counters?.['droppedMs'] ?? 0
  t.ok(dropped > 27_500 && dropped < 28_500, `${dropped} ms were dropped`)
})

t.test('a session of one’s own on the transport alone', async t => {
  const lab = createLab({ network: { delayMs: 5 } })
  lab.resolver.setAddresses('model.lab', ['10.9.0.1'])
  let model: ScriptedModel | undefined
  await lab.network.host('10.9.0.1').listenHttp({
    host: '10.9.0.1',
    port: 80,
    onRequest: () => Promise.resolve({ status: 404 }),
    onUpgrade: request => ({ accept: connection => (model = new ScriptedModel(request, connection)) }),
  })
  const endpoint = await lab.endpoint('agent.lab')
  const runtime = { clock: lab.clock, network: lab.network.host('10.9.0.2') }
  const ends: unknown[] = []
  void runAgent(endpoint, {
    async run(session) {
      const transport = phoneTransport(session, { runtime, url: modelUrl, apiKey: 'key' })
      const realtime = new RealtimeSession(new RealtimeAgent({ name: 'Desk' }), { transport })
      await realtime.connect({ apiKey: 'key' })
      ends.push(await transport.closed)
      await session.ended
    },
  })
  const caller = lab.caller()
  await lab.run(async () => {
    await caller.call('sip:a@agent.lab')
    await lab.clock.sleep(100)
    model?.says('resp_1', 'item_1', 440, 300)
    await caller.hears({ toneHz: 440 })
    model?.close(1000, 'enough')
    await caller.isHungUp({ withinMs: 500 })
  })
  t.same(ends, [{ by: 'model', code: 1000, reason: 'enough' }])
})

t.test('options that cannot work are named', t => {
  const good = { apiKey: 'key', agent: () => new RealtimeAgent({ name: 'Desk' }) }
  const bad: readonly (readonly [field: string, act: () => unknown])[] = [
    ['apiKey', () => openAiAgentsAgent({ ...good, apiKey: '' })],
    ['agent', () => openAiAgentsAgent({ ...good, agent: good.agent() as never })],
    ['firstAudioTimeoutMs', () => openAiAgentsAgent({ ...good, firstAudioTimeoutMs: 0 })],
    ['connectTimeoutMs', () => openAiAgentsAgent({ ...good, connectTimeoutMs: -1 })],
    ['maxBufferedMs', () => openAiAgentsAgent({ ...good, maxBufferedMs: 1e9 })],
    ['audio', () => openAiAgentsAgent({ ...good, audio: 'mp3' as never })],
    ['transfer', () => phoneTools({} as never, { transfer: { sales: '' } })],
  ]
  for (const [field, act] of bad) {
    try {
      act()
      t.fail(`${field} was taken`)
    } catch (error) {
      t.equal((error as OptionError).field, field)
    }
  }
  t.end()
})
