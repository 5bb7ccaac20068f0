import t from 'tap'
import type { Agent } from '../../../src/agent/agent.ts'
import { openAiAgent } from '../../../src/agent/openai/agent.ts'
import type { OpenAiAgentOptions } from '../../../src/agent/openai/options.ts'
import { EngineError } from '../../../src/agent/engine/engine-error.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { callModel } from './model.ts'

/** Somebody else takes the call: a tone of 1 kHz. */
const deputy: Agent = {
  async run({ output }) {
    await output.write(tone({ sampleRate: output.sampleRate, hz: 1000, durationMs: 600 }))
    await output.flush()
  },
}

t.test('a model that cannot be reached, or refuses the session, or never confirms it', async t => {
  const rows = [
    [{ refuse: { status: 401, from: 0 }, nobody: true }, /refused the WebSocket with 401/],
    [{ refuse: { status: 429, from: 0 }, nobody: true }, /refused the WebSocket with 429/],
    [{ mute: true, connectTimeoutMs: 2000 }, /not ready within 2000 ms/],
  ] as const
  for (const [world, detail] of rows) {
    const { record, errors } = await callModel({ ...world, fallback: deputy }, async caller => {
      await caller.hears({ toneHz: 1000 }, { withinMs: 4000 })
      await caller.isHungUp()
    })
    t.same(errors, [])
    t.match(record.engines, [{ engine: 'openai-realtime', end: 'failed', detail }])
  }
  const { record, errors, models } = await callModel({ mute: true }, async (caller, model, lab) => {
    model.send({
      type: 'error',
      error: { type: 'invalid_request_error', code: 'invalid_value', message: 'no such\nvoice' },
    })
    await caller.isHungUp()
    await lab.clock.sleep(50)
  })
  t.match(errors[0]?.cause, { name: 'EngineError', problem: 'unreachable', engine: 'openai-realtime' })
  t.ok(errors[0]?.cause instanceof EngineError)
  t.match(record.engines, [{ detail: /refused the session \(invalid_value\): no such voice/ }])
  t.ok(models[0]?.closed)
})

t.test('one that says nothing', async t => {
  const { record } = await callModel({ firstAudioTimeoutMs: 3000, fallback: deputy }, async caller => {
    await caller.hears({ toneHz: 1000 }, { withinMs: 4000 })
    await caller.isHungUp()
  })
  t.match(record.engines, [{ end: 'failed', detail: /said nothing within 3000 ms/ }])
})

t.test(
  'a connection that breaks is made again, with what was said; items of the old one are not truncated',
  async t => {
    const { record, errors, models } = await callModel({}, async (caller, model, lab, models) => {
      const transcription = 'conversation.item.input_audio_transcription.completed'
      model.send({ type: transcription, transcript: 'where is my parcel' })
      model.begin('resp_1')
      model.say(440, 3000)
      model.send({ type: 'response.output_audio_transcript.done', transcript: 'let me look' })
      await lab.clock.sleep(500)
      model.destroy()
      await lab.clock.sleep(600)
      t.equal(models.length, 2)
      // What was said already goes on meanwhile.
      await caller.hears({ toneHz: 440 })
      const again = models[1]
      t.match(again?.events, [
        { type: 'session.update' },
        { item: { role: 'user', content: [{ type: 'input_text', text: 'where is my parcel' }] } },
        { item: { role: 'assistant', content: [{ type: 'output_text', text: 'let me look' }] } },
        { type: 'response.create' },
      ])
      again?.send({ type: 'input_audio_buffer.speech_started' })
      await caller.hears({ silenceMs: 200 }, { withinMs: 400 })
      t.same(again?.all('conversation.item.truncate'), [])
      again?.begin('resp_2')
      again?.say(1000, 400, 'item_2', 'resp_2')
      await caller.hears({ toneHz: 1000 })
      t.ok((again?.heard.length ?? 0) > 1000)
    })
    t.same(errors, [])
    t.equal(models.length, 2)
    t.match(record.engines, [{ end: 'call', counters: { reconnects: 1 } }])
  },
)

t.test('keys pressed while there is no connection are told to the next session, and answered', async t => {
  const reconnect = { attempts: 3, delayMs: 3000 }
  await callModel({ reconnect }, async (caller, model, lab, models) => {
    model.destroy()
    await lab.clock.sleep(100)
    await caller.press('42')
    await lab.clock.sleep(3500)
    t.match(models[1]?.events, [
      { type: 'session.update' },
      { item: { role: 'user', content: [{ text: /: 42$/ }] } },
      { type: 'response.create' },
    ])
  })
})

t.test('a connection that breaks with the confirmation of its session', async t => {
  const { record } = await callModel({ mute: true, fallback: deputy }, async (caller, model, lab, models) => {
    model.send({ type: 'session.updated' })
    model.destroy()
    await lab.clock.sleep(400)
    models[1]?.send({ type: 'session.updated' })
    models[1]?.close(1000, 'enough')
    await caller.isHungUp({ withinMs: 500 })
  })
  t.match(record.engines, [{ end: 'engine', detail: 'it closed with 1000 enough' }])
})

t.test('attempts are bounded, and wait longer each time', async t => {
  const options = {
    refuse: { status: 503, from: 1 },
    reconnect: { attempts: 3, delayMs: 400 },
    fallback: deputy,
  }
  const { record } = await callModel(options, async (caller, model) => {
    model.close(1011, 'internal')
    await caller.hears({ silenceMs: 2000 }, { withinMs: 2700 })
    await caller.hears({ toneHz: 1000 }, { withinMs: 1500 })
    await caller.isHungUp()
  })
  t.match(record.engines, [{ end: 'failed', detail: /closed with 1011 internal/ }])
  const without = await callModel({ reconnect: false }, async (caller, model) => {
    model.destroy()
    await caller.isHungUp({ withinMs: 500 })
  })
  t.match(without.errors[0]?.cause, { problem: 'broken' })
})

t.test('one that takes each session and drops it at once is not dialled for ever', async t => {
  const { record, models } = await callModel({ fallback: deputy }, async (caller, _model, lab, models) => {
    let dropped = 0
    for (let waited = 0; waited < 8000; waited += 10) {
      for (const each of models.slice(dropped)) {
        if (each.events.length === 0) continue
        await lab.clock.sleep(20)
        each.close(1011, 'internal')
        dropped += 1
      }
      await lab.clock.sleep(10)
    }
    await caller.isHungUp({ withinMs: 100 })
  })
  t.equal(models.length, 4)
  t.match(record.engines, [
    { end: 'failed', detail: /closed with 1011 internal/, counters: { reconnects: 3 } },
  ])
})

t.test('a connection that lasted is made again however often others broke before', async t => {
  const reconnect = { attempts: 1, delayMs: 100 }
  const { record } = await callModel({ reconnect }, async (_caller, _model, lab, models) => {
    for (let broken = 1; broken <= 3; broken += 1) {
      await lab.clock.sleep(10_000)
      models.at(-1)?.destroy()
      await lab.clock.sleep(500)
      t.equal(models.length, broken + 1)
    }
  })
  t.match(record.engines, [{ end: 'call', counters: { reconnects: 3 } }])
})

const tellKey: OpenAiAgentOptions['dtmf'] = ({ digit }, talk) => talk.tell(`key ${digit}`)

t.test('what is told while there is no connection is told to the next session', async t => {
  const reconnect = { attempts: 3, delayMs: 3000 }
  await callModel({ dtmf: tellKey, reconnect }, async (caller, model, lab, models) => {
    model.destroy()
    await lab.clock.sleep(100)
    await caller.press('4')
    await lab.clock.sleep(3500)
    t.match(models[1]?.events, [{ type: 'session.update' }, { item: { content: [{ text: 'key 4' }] } }])
  })
})

t.test('one that talks nonsense before its session is set up is hung up at once', async t => {
  const { models } = await callModel(
    { mute: true, maxMalformed: 3, fallback: deputy },
    async (caller, model, lab) => {
      for (let at = 0; at < 4; at += 1) model.raw('[]')
      await lab.clock.sleep(100)
      t.match(model.closed, { code: 1000 })
      await caller.hears({ toneHz: 1000 })
    },
  )
  t.equal(models.length, 1)
})

t.test('a session that expires: a new one, or the end', async t => {
  const expired = {
    type: 'error',
    error: { code: 'session_expired', message: 'Your session hit the maximum' },
  }
  await callModel({}, async (caller, model, lab, models) => {
    model.send(expired)
    model.close(1001)
    await lab.clock.sleep(600)
    t.equal(models.length, 2)
    models[1]?.say(1000, 400)
    await caller.hears({ toneHz: 1000 })
  })
  const { record, errors } = await callModel({ onExpiry: 'end' }, async (caller, model) => {
    model.send(expired)
    await caller.isHungUp({ withinMs: 500 })
  })
  t.same(errors, [])
  t.match(record.engines, [{ end: 'engine', detail: 'the session expired' }])
  const live = { dialect: 'live', model: 'gpt-live-1' } as const
  await callModel(live, async (_caller, model, lab, models) => {
    model.send({ type: 'session.input_transcript.delta', delta: 'good ' })
    model.send({ type: 'session.input_transcript.delta', delta: 'day' })
    model.send({ type: 'session.closed', reason: 'expired' })
    await lab.clock.sleep(600)
    t.match(models[1]?.events[0], { session: { input: [{ role: 'user', content: [{ text: 'good day' }] }] } })
  })
})

t.test('one that closes in the middle of a word: at once, finished, or taken over', async t => {
  const close = async (onEngineEnd: NonNullable<OpenAiAgentOptions['onEngineEnd']>): Promise<number> => {
    let tookMs = 0
    const { record } = await callModel({ onEngineEnd }, async (caller, model, lab) => {
      const startedAt = lab.clock.now()
      model.begin('resp_1')
      model.say(440, 1000)
      await lab.clock.sleep(300)
      model.close(1000, 'done')
      if (typeof onEngineEnd === 'object') await caller.hears({ toneHz: 1000 })
      await caller.isHungUp({ withinMs: 1500 })
      tookMs = lab.clock.now() - startedAt
    })
    t.match(record.engines?.[0], { end: 'engine', detail: 'it closed with 1000 done' })
    return tookMs
  }
  t.ok((await close('hangup')) < 500)
  t.ok((await close('finish')) >= 1000)
  await close(deputy)
})

t.test('a flood at twenty times real time is bounded, and the call goes on', async t => {
  const { record } = await callModel({ maxBufferedMs: 5000 }, async (caller, model, lab) => {
    model.begin('resp_1')
    for (let second = 0; second < 10; second += 1) {
      model.say(440, 20_000, 'item_1', 'resp_1', 1000)
      await lab.clock.sleep(1000)
    }
    await caller.hears({ toneHz: 440 })
    model.send({ type: 'input_audio_buffer.speech_started' })
    await caller.hears({ silenceMs: 200 }, { withinMs: 400 })
  })
  const dropped = record.engines?.[0]?.counters?.['droppedMs'] ?? 0
  t.ok(dropped > 180_000 && dropped < 190_000, `${dropped} ms`)
})

t.test('half frames and odd ones: audio is put together, what cannot be read is counted', async t => {
  const samples = tone({ sampleRate: 24_000, hz: 440, durationMs: 1000 })
  const octets = Buffer.from(samples.buffer)
  const { record } = await callModel({ audio: 'pcm' }, async (caller, model, lab) => {
    model.begin('resp_1')
    for (let at = 0; at < octets.length; at += 333)
      model.audio(octets.subarray(at, at + 333).toString('base64'))
    await caller.hears({ toneHz: 440 })
    model.raw('{"type":')
    model.raw(new Uint8Array([1, 2, 3]))
    model.send({ type: 'response.output_audio.delta', item_id: 'x', delta: '?' })
    // The end of what it says, perhaps.
    model.send({ type: 'response.output_audio.delta', item_id: 'x', delta: '' })
    model.send({ type: 'something.new', x: 1 })
    model.send({ no: 'type' })
    await lab.clock.sleep(50)
  })
  t.match(record.engines, [{ end: 'call', counters: { malformed: 4 } }])
  const { record: other, models } = await callModel(
    { maxMalformed: 3, fallback: deputy },
    async (caller, model) => {
      for (let at = 0; at < 4; at += 1) model.raw('[]')
      await caller.hears({ toneHz: 1000 })
      await caller.isHungUp()
    },
  )
  t.match(other.engines, [{ end: 'failed', detail: /does not speak realtime/ }])
  t.match(models[0]?.closed, { code: 1007 })
})

t.test('errors are told; a rate limit is tried again, and not for ever', async t => {
  const problems: unknown[] = []
  const onProblem = (problem: unknown): unknown => problems.push(problem)
  const limited = {
    status: 'failed',
    status_details: { error: { code: 'rate_limit_exceeded', message: 'slow down' } },
  }
  const { record } = await callModel({ onProblem, fallback: deputy }, async (caller, model) => {
    model.send({ type: 'error', error: { code: 'odd', message: 'x' } })
    model.begin('resp_1')
    model.over('resp_1', limited)
    for (let retry = 1; retry <= 3; retry += 1) {
      await model.until('response.create', retry)
      model.begin(`again_${retry}`)
      model.over(`again_${retry}`, limited)
    }
    await caller.hears({ toneHz: 1000 })
    await caller.isHungUp()
  })
  t.equal(problems.length, 5)
  t.match(problems[0], { source: 'model', code: 'odd' })
  t.match(record.engines, [{ end: 'failed', detail: /4 times in a row: rate_limit_exceeded/ }])
})

t.test('an answer that failed is asked for as it was, with what its tools gave', async t => {
  const limited = { status: 'failed', status_details: { error: { code: 'rate_limit_exceeded' } } }
  const tools = [{ name: 'price', run: () => '3 euros' }]
  await callModel({ greeting: 'say hello', tools }, async (_caller, model, lab) => {
    t.match(await model.until('response.create'), { response: { instructions: 'say hello' } })
    model.begin('resp_1')
    model.call('price', {})
    model.over('resp_1', limited)
    t.match(await model.until('conversation.item.create'), { item: { call_id: 'call_1', output: '3 euros' } })
    await lab.clock.sleep(500)
    t.equal(model.all('response.create').length, 1, 'not at once')
    t.match(await model.until('response.create', 2), { response: { instructions: 'say hello' } })
    // The next one is the model's own idea.
    model.begin('resp_2')
    model.over('resp_2')
    model.begin('resp_3')
    model.over('resp_3', limited)
    t.notOk('response' in (await model.until('response.create', 3)))
  })
})

t.test('the caller who hangs up ends it', async t => {
  const { record, models } = await callModel({}, async (caller, model, lab) => {
    model.say(440, 5000)
    await lab.clock.sleep(200)
    await caller.hangup()
    await lab.clock.sleep(200)
  })
  t.match(models[0]?.closed, { code: 1000 })
  t.match(record.engines, [{ end: 'call' }])
})

t.test('options that cannot be meant', t => {
  const good: OpenAiAgentOptions = { apiKey: 'k', dialect: 'realtime', model: 'm' }
  const rows: readonly [object, string][] = [
    [{ apiKey: '' }, 'apiKey'],
    [{ dialect: 'beta' }, 'dialect'],
    [{ model: '' }, 'model'],
    [{ audio: 'opus' }, 'audio'],
    [{ url: 'https://x' }, 'url'],
    [{ transferCall: { desk: 'desk' } }, 'transferCall'],
    [{ tools: [{ name: 'a b', run: () => 1 }] }, 'tools'],
    [{ tools: [{ name: 'a' }] }, 'tools'],
    [{ tools: [{ name: 'hang_up', run: () => 1 }], endCall: true }, 'tools'],
    [{ tools: [{ name: 'transfer_call', run: () => 1 }], transferCall: { desk: 'tel:+15550100' } }, 'tools'],
    [{ dialect: 'live', endCall: true }, 'session.delegation'],
    [{ reconnect: { attempts: -1 } }, 'reconnect.attempts'],
    [{ dtmf: { gatherMs: 0 } }, 'dtmf.gatherMs'],
    [{ maxBufferedMs: 200_000 }, 'maxBufferedMs'],
    [{ firstAudioTimeoutMs: 0 }, 'firstAudioTimeoutMs'],
  ]
  for (const [bad, field] of rows)
    t.throws(() => openAiAgent({ ...good, ...bad }), { name: 'OptionError', field }, field)
  t.ok(openAiAgent(good))
  t.end()
})
