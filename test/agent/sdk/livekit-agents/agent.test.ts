import { EventEmitter } from 'node:events'
import t from 'tap'
import type { Agent } from '../../../../src/agent/agent.ts'
import { runAgent } from '../../../../src/agent/agent.ts'
import { livekitAgent } from '../../../../src/agent/sdk/livekit-agents/agent.ts'
import type { LivekitAgentOptions } from '../../../../src/agent/sdk/livekit-agents/agent.ts'
import { tone } from '../../../../src/media/audio/tones.ts'
import type { OptionError, SipError } from '../../../../src/runtime/errors.ts'
import type { ScriptedCaller } from '../../../../src/testing/caller.ts'
import { createLab } from '../../../../src/testing/lab.ts'
import type { Lab } from '../../../../src/testing/lab.ts'
import type { CallRecord } from '../../../../src/trace/call-record.ts'
import { AudioFrame, voice } from './sdk.ts'
import type { AudioInput, AudioOutput } from './sdk.ts'

const sdk = { voice, AudioFrame }

/** As little of `voice.AgentSession` as the adapter touches. */
class Session extends EventEmitter {
  readonly input: { audio?: AudioInput } = {}
  readonly output: { audio?: AudioOutput } = {}
  started: object | undefined
  closes = 0
  closesLate = false

  start(options: { readonly agent: string }): Promise<void> {
    this.started = options
    return options.agent === 'bad' ? Promise.reject(new Error('no such model')) : Promise.resolve()
  }

  close(): Promise<void> {
    this.closes += 1
    return this.closesLate ? new Promise(() => {}) : Promise.resolve()
  }

  async say(hz: number): Promise<void> {
    const data = tone({ sampleRate: 24_000, hz, durationMs: 300 })
    await this.output.audio?.captureFrame(new AudioFrame(data, 24_000, 1, data.length))
    this.output.audio?.flush()
  }
}

const human: Agent = {
  async run({ output, ended }) {
    await output.play(tone({ sampleRate: output.sampleRate, hz: 1000, durationMs: 500 }))
    await ended
  },
}

async function callAgent(
  options: Partial<LivekitAgentOptions<typeof sdk, Session>> & { readonly agent?: string },
  script: (caller: ScriptedCaller, session: Session, lab: Lab) => Promise<void>,
): Promise<{ session: Session; record: CallRecord | undefined; errors: SipError[] }> {
  const { agent = 'good', ...rest } = options
  const lab = createLab({ network: { delayMs: 5 } })
  const endpoint = await lab.endpoint('agent.lab')
  const errors: SipError[] = []
  endpoint.on('error', error => errors.push(error))
  const session = new Session()
  const runtime = { clock: lab.clock }
  void runAgent(
    endpoint,
    livekitAgent({ sdk, session: () => session, start: () => ({ agent }), ...rest, runtime }),
  )
  const caller = lab.caller()
  await lab.run(async () => {
    await caller.call('sip:a@agent.lab')
    await lab.clock.sleep(50)
    await script(caller, session, lab)
    await lab.clock.sleep(50)
  })
  return { session, errors, record: lab.records.find(({ direction }) => direction === 'inbound') }
}

t.test('a session takes the call, and ends with it', async t => {
  const { session, record } = await callAgent(
    { onSession: session => void session.say(440) },
    async (caller, session) => {
      t.same(session.started, { agent: 'good' })
      await caller.hears({ toneHz: 440 })
      await caller.hangup()
    },
  )
  t.equal(session.closes, 1)
  t.equal(session.input.audio?.closed, true)
  t.match(record?.engines, [{ engine: 'livekit-agents', end: 'call', detail: 'the call ended' }])
  t.ok((record?.engines?.[0]?.firstAudioMs ?? -1) >= 0, 'when it spoke first is known')
})

t.test('the session closes: the call ends', async () => {
  const { record } = await callAgent({}, async (caller, session) => {
    session.emit('close', { reason: 'user_initiated', error: null })
    await caller.isHungUp({ withinMs: 100 })
  })
  t.match(record?.engines, [{ end: 'engine', detail: 'the session closed: user_initiated' }])
})

t.test('or another agent takes over', async () => {
  await callAgent({ onEngineEnd: human }, async (caller, session) => {
    session.emit('close', { reason: 'user_initiated', error: null })
    await caller.hears({ toneHz: 1000 })
  })
})

t.test('a session that fails, or does not start: the fallback takes over', async t => {
  const failed = await callAgent({ fallback: human }, async (caller, session) => {
    session.emit('close', { reason: 'error', error: { type: 'llm_error', error: new Error('quota') } })
    await caller.hears({ toneHz: 1000 })
  })
  t.match(failed.record?.engines, [{ end: 'failed', detail: 'the session failed: llm_error' }])
  const unstarted = await callAgent({ fallback: human, agent: 'bad' }, async caller => {
    await caller.hears({ toneHz: 1000 })
  })
  t.match(unstarted.record?.engines, [{ detail: 'the session could not be started: no such model' }])
  t.equal(unstarted.session.closes, 1)
})

t.test('who hangs up while the session is made leaves none behind', async t => {
  const late = new Session()
  let give: ((session: Session) => void) | undefined
  const { record } = await callAgent(
    { session: () => new Promise(resolve => (give = resolve)) },
    async (caller, _session, lab) => {
      await caller.hangup()
      await lab.clock.sleep(50)
      give?.(late)
    },
  )
  t.equal(late.started, undefined)
  t.equal(late.closes, 1)
  t.match(record?.engines, [{ end: 'call' }])
})

t.test('nor one that would be started when the call is over', async t => {
  let give: ((options: { agent: string }) => void) | undefined
  const { session } = await callAgent(
    { start: () => new Promise(resolve => (give = resolve)) },
    async (caller, _session, lab) => {
      await caller.hangup()
      await lab.clock.sleep(50)
      give?.({ agent: 'good' })
    },
  )
  t.equal(session.started, undefined)
  t.equal(session.closes, 1)
})

t.test('a session that fails and does not close keeps nobody waiting for long', async () => {
  await callAgent({ fallback: human }, async (caller, session) => {
    session.closesLate = true
    session.emit('close', { reason: 'error', error: { type: 'llm_error' } })
    await caller.hears({ toneHz: 1000 }, { withinMs: 6000 })
  })
})

t.test('without a fallback the call ends with an error', async t => {
  const { errors } = await callAgent({ agent: 'bad' }, async caller => {
    await caller.isHungUp()
  })
  t.match(errors, [{ cause: { code: 'SIP_ENGINE', engine: 'livekit-agents', problem: 'unreachable' } }])
})

t.test('options that are missing are named', t => {
  const good = { sdk, session: () => new Session(), start: () => ({ agent: 'good' }) }
  for (const field of ['session', 'start'] as const) {
    try {
      livekitAgent({ ...good, [field]: undefined as never })
      t.fail(`${field} was not missed`)
    } catch (error) {
      t.equal((error as OptionError).field, field)
    }
  }
  t.end()
})
