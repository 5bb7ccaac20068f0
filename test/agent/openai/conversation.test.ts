import t from 'tap'
import { PCMU } from '../../../src/media/codec/g711.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import type { OpenAiAgentOptions } from '../../../src/agent/openai/options.ts'
import { objectOf } from '../../../src/agent/streams/json.ts'
import { callModel } from './model.ts'

const speech = { samples: tone({ sampleRate: 8000, hz: 700, durationMs: 500 }), sampleRate: 8000 }

t.test(
  'Realtime: the session is set up, PCMU goes through octet by octet, and the model speaks first',
  async t => {
    await callModel(
      {
        greeting: true,
        session: {
          instructions: 'be kind',
          audio: { output: { voice: 'marin' }, input: { transcription: null } },
        },
        endpoint: { codecs: ['PCMU'] },
      },
      async (caller, model, lab) => {
        t.equal(model.request.headers.get('authorization'), 'Bearer sk-test')
        const [update, create] = model.events
        t.match(update, {
          type: 'session.update',
          session: {
            type: 'realtime',
            instructions: 'be kind',
            audio: {
              input: { format: { type: 'audio/pcmu' }, transcription: null },
              output: { format: { type: 'audio/pcmu' }, voice: 'marin' },
            },
          },
        })
        t.notOk('tools' in objectOf(update?.['session']))
        t.match(create, { type: 'response.create' })
        await caller.say(speech)
        const sent = new Uint8Array(4000)
        PCMU.encoder().encode(speech.samples, sent)
        t.ok(Buffer.from(model.heard).includes(sent.subarray(1600, 3200)), 'octet by octet')
        model.begin('resp_1')
        model.say(440, 600)
        model.said()
        model.over('resp_1')
        await caller.hears({ toneHz: 440 })
        await caller.hears({ silenceMs: 200 }, { withinMs: 1500 })
        // All was heard: there is nothing to truncate.
        model.send({ type: 'input_audio_buffer.speech_started' })
        await lab.clock.sleep(100)
        t.same(model.all('conversation.item.truncate'), [])
      },
    )
  },
)

for (const [codec, type] of [
  ['PCMA', 'audio/pcma'],
  ['G722', 'audio/pcm'],
] as const) {
  t.test(`a call in ${codec} is ${type} to the model`, async t => {
    const codecs = { codecs: [codec] } as const
    await callModel({ endpoint: codecs, caller: codecs }, async (caller, model) => {
      t.match(model.events[0], { session: { audio: { input: { format: { type } } } } })
      await caller.say(speech)
      t.ok(model.heard.length > (type === 'audio/pcm' ? 24_000 : 4000))
    })
  })
}

t.test('an interruption stops what is said and truncates each item where it was heard', async t => {
  await callModel({}, async (caller, model, lab) => {
    model.begin('resp_0')
    model.say(440, 400, 'item_0', 'resp_0')
    model.said('item_0')
    model.over('resp_0')
    model.begin('resp_1')
    model.say(440, 2000, 'item_1')
    model.said('item_1')
    model.say(440, 1000, 'item_2')
    await lab.clock.sleep(1400)
    model.send({ type: 'input_audio_buffer.speech_started' })
    await caller.hears({ silenceMs: 200 }, { withinMs: 400 })
    const cut = model.all('conversation.item.truncate')
    t.same(
      cut.map(({ item_id }) => item_id),
      ['item_1', 'item_2'],
    )
    const heard = Number(cut[0]?.['audio_end_ms'])
    t.ok(heard > 900 && heard < 1010, `${heard} ms of the first`)
    t.equal(cut[1]?.['audio_end_ms'], 0)
    t.same(model.all('response.cancel'), [], 'the server cancels it itself')
    // What was under way is not heard any more, a new response is.
    model.say(440, 1000, 'item_2')
    await caller.hears({ silenceMs: 300 })
    model.over('resp_1', { status: 'cancelled' })
    model.begin('resp_2')
    model.say(1000, 400, 'item_3', 'resp_2')
    await caller.hears({ toneHz: 1000 })
  })
})

t.test('a session that is not to be interrupted is not', async t => {
  const session = { audio: { input: { turn_detection: { type: 'server_vad', interrupt_response: false } } } }
  await callModel({ session }, async (caller, model, lab) => {
    model.begin('resp_1')
    model.say(440, 2000)
    await lab.clock.sleep(500)
    model.send({ type: 'input_audio_buffer.speech_started' })
    await lab.clock.sleep(600)
    await caller.hears({ toneHz: 440 })
    t.same(model.all('conversation.item.truncate'), [])
  })
})

t.test('keys are told as text, gathered, and interrupt', async t => {
  await callModel({}, async (caller, model, lab) => {
    model.begin('resp_1')
    model.say(440, 8000)
    await lab.clock.sleep(300)
    await caller.press('12#')
    const told = await model.until('conversation.item.create')
    t.match(told, { item: { role: 'user', content: [{ type: 'input_text', text: /: 12#$/ }] } })
    t.match(model.all('response.cancel'), [{}])
    t.match(model.all('conversation.item.truncate'), [{ item_id: 'item_1' }])
    t.same(model.all('response.create'), [], 'one response at a time')
    model.over('resp_1', { status: 'cancelled' })
    await model.until('response.create')
  })
})

t.test('keys go to a handler, or nowhere', async t => {
  const pressed: string[] = []
  await callModel(
    {
      dtmf: ({ digit }, talk) => {
        pressed.push(digit)
        talk.tell(`key ${digit}`)
        talk.respond('answer the key')
      },
    },
    async (caller, model) => {
      await caller.press('5')
      t.match(await model.until('conversation.item.create'), { item: { content: [{ text: 'key 5' }] } })
      t.match(await model.until('response.create'), { response: { instructions: 'answer the key' } })
    },
  )
  t.same(pressed, ['5'])
  await callModel({ dtmf: false }, async (caller, model, lab) => {
    await caller.press('5')
    await lab.clock.sleep(2000)
    t.equal(model.events.length, 1)
  })
})

t.test(
  'tools run when their response is over, their errors are output, and the model goes on once',
  async t => {
    const problems: unknown[] = []
    await callModel(
      {
        session: { tools: [{ type: 'function', name: 'theirs' }] },
        tools: [
          {
            name: 'price',
            description: 'Price of a thing',
            parameters: { type: 'object', properties: { of: { type: 'string' } } },
            run: ({ of }) => ({ of, euros: 3 }),
          },
          { name: 'broken', run: () => Promise.reject(new Error('no such thing')) },
        ],
        onToolCall: ({ name, input }) => `${name} ${JSON.stringify(input)}`,
        onProblem: problem => problems.push(problem),
      },
      async (_caller, model, lab) => {
        const { tools } = objectOf(model.events[0]?.['session']) as { tools: { name: string }[] }
        t.same(
          tools.map(({ name }) => name),
          ['theirs', 'price', 'broken'],
        )
        model.begin('resp_1')
        model.call('price', { of: 'tea' }, 'a')
        model.call('broken', '', 'b')
        model.call('theirs', { x: 1 }, 'c')
        model.call('price', '{"of":', 'd')
        await lab.clock.sleep(100)
        t.same(model.all('conversation.item.create'), [])
        model.over('resp_1')
        await model.until('response.create')
        const output = Object.fromEntries(
          model.all('conversation.item.create').map(({ item }) => {
            const { call_id, output } = item as { call_id: string; output: string }
            return [call_id, output]
          }),
        )
        t.same(output, {
          a: '{"of":"tea","euros":3}',
          b: '{"error":"no such thing"}',
          c: 'theirs {"x":1}',
          d: '{"error":"the arguments are no JSON object"}',
        })
        t.equal(model.all('response.create').length, 1)
      },
    )
    t.match(problems, [
      { source: 'tool', code: 'price' },
      { source: 'tool', code: 'broken' },
    ])
  },
)

const onEvent: OpenAiAgentOptions['onEvent'] = ({ type }, talk) => {
  if (type === 'sum up') talk.respond('sum it up')
}

t.test(
  'what is to be said next is not forgotten over a tool, or an answer the model began itself',
  async t => {
    const tools: OpenAiAgentOptions['tools'] = [{ name: 'look', run: () => 'nothing there' }]
    await callModel({ tools, onEvent }, async (_caller, model) => {
      model.begin('resp_1')
      model.send({ type: 'sum up' })
      model.call('look', {})
      model.over('resp_1')
      t.match(await model.until('response.create'), { response: { instructions: 'sum it up' } })
    })
    await callModel({ onEvent }, async (_caller, model) => {
      model.send({ type: 'sum up' })
      await model.until('response.create')
      // The caller's turn was over at the same moment.
      model.begin('resp_1')
      model.send({ type: 'error', error: { code: 'conversation_already_has_active_response' } })
      model.over('resp_1')
      t.match(await model.until('response.create', 2), { response: { instructions: 'sum it up' } })
    })
  },
)

t.test('hang_up lets the caller hear the good-bye first', async t => {
  const { record, errors, models } = await callModel({ endCall: true }, async (caller, model, lab) => {
    const startedAt = lab.clock.now()
    model.begin('resp_1')
    model.say(440, 1500)
    model.said()
    model.call('hang_up', {})
    model.over('resp_1')
    await caller.hears({ toneHz: 440 })
    await caller.isHungUp({ withinMs: 1800 })
    const tookMs = lab.clock.now() - startedAt
    t.ok(tookMs >= 1500 && tookMs < 1700, `after ${tookMs} ms`)
    await lab.clock.sleep(50)
  })
  t.same(errors, [])
  t.match(record.ended, { by: 'local', cause: 'hangup' })
  t.match(record.engines, [{ engine: 'openai-realtime', end: 'engine', detail: 'the model hung up' }])
  t.match(models[0]?.closed, { code: 1000 })
})

t.test('who interrupts the good-bye stays on the line', async t => {
  await callModel({ endCall: true }, async (caller, model, lab) => {
    model.begin('resp_1')
    model.say(440, 3000)
    model.said()
    model.call('hang_up', {})
    model.over('resp_1')
    await lab.clock.sleep(500)
    model.send({ type: 'input_audio_buffer.speech_started' })
    const output = await model.until('conversation.item.create')
    t.match(output, { item: { output: /interrupted: the call goes on/ } })
    model.begin('resp_2')
    model.say(1000, 500, 'item_2', 'resp_2')
    await caller.hears({ toneHz: 1000 })
  })
})

t.test('transfer_call knows its places, and tells what became of it', async t => {
  await callModel({ transferCall: { desk: 'sip:desk@nowhere.lab' } }, async (_caller, model) => {
    model.begin('resp_1')
    model.call('transfer_call', { destination: 'toString' }, 'a')
    model.call('transfer_call', { destination: 'desk' }, 'b')
    model.over('resp_1')
    await model.until('conversation.item.create', 2)
    const texts = model.all('conversation.item.create').map(({ item }) => String(objectOf(item)['output']))
    t.match(texts[0], /There is no such destination: there is desk/)
    t.match(texts[1], /The caller was transferred|did not work|error/)
  })
})

t.test('Live: no turns, history and tools where it wants them', async t => {
  await callModel(
    {
      dialect: 'live',
      model: 'gpt-live-1',
      greeting: 'Hello there',
      endCall: true,
      session: { delegation: { type: 'responses', responses: { model: 'helper' } } },
    },
    async (caller, model, lab) => {
      const [start, hello] = model.events
      t.match(start, {
        type: 'session.start',
        session: {
          model: 'gpt-live-1',
          audio: { format: { type: 'audio/pcmu', rate: 8000 } },
          delegation: { type: 'responses', responses: { model: 'helper', tools: [{ name: 'hang_up' }] } },
        },
      })
      t.match(hello, { type: 'session.instructions.append', content: /Hello there/, delegation_id: null })
      await lab.clock.sleep(1000)
      t.ok(model.heard.length >= 7000, 'silence flows too')
      const delta = Buffer.from(new Uint8Array(8000).fill(0x20)).toString('base64')
      model.send({ type: 'session.output_audio.delta', delta })
      await lab.clock.sleep(300)
      await caller.press('7')
      t.match(await model.until('session.instructions.append', 2), { content: /: 7$/ })
      const nested = (event: object): void => model.send({ type: 'response.event', event })
      nested({ type: 'response.created', response: { id: 'r' } })
      const item = { type: 'function_call', call_id: 'c', name: 'hang_up', arguments: '{}' }
      nested({ type: 'response.output_item.done', item })
      nested({ type: 'response.completed', response: { id: 'r' } })
      await caller.isHungUp({ withinMs: 4000 })
      t.match(await model.until('session.close'), {})
    },
  )
})

t.test('talk hands out the API as it is, and the call', async t => {
  const seen: unknown[] = []
  await callModel(
    {
      onEvent: (event, talk) => {
        seen.push(event['type'])
        if (event['type'] === 'session.updated') talk.send({ type: 'x', call: talk.session.id })
        if (event['type'] === 'now') talk.interrupt()
      },
    },
    async (caller, model, lab) => {
      model.begin('resp_1')
      model.say(440, 2000)
      await lab.clock.sleep(300)
      model.send({ type: 'now' })
      await model.until('response.cancel')
      await caller.hears({ silenceMs: 200 }, { withinMs: 400 })
    },
  )
  t.same(seen, ['session.updated', 'response.created', 'now'])
})
