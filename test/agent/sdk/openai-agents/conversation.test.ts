import { RealtimeAgent } from '@openai/agents-realtime'
import t from 'tap'
import type { PhoneTransport } from '../../../../src/agent/sdk/openai-agents/phone-transport.ts'
import { phoneTools } from '../../../../src/agent/sdk/openai-agents/tools.ts'
import { PCMU } from '../../../../src/media/codec/g711.ts'
import { tone } from '../../../../src/media/audio/tones.ts'
import { callAgent } from './model.ts'

const speech = (hz: number, durationMs: number): { samples: Int16Array; sampleRate: number } => ({
  samples: tone({ sampleRate: 8000, hz, durationMs }),
  sampleRate: 8000,
})

t.test('PCMU goes through as it is, both ways', async t => {
  await callAgent({ endpoint: { codecs: ['PCMU'] } }, async ({ caller, model, lab }) => {
    t.same(model.format, { encoding: 'PCMU', sampleRate: 8000 })
    t.equal(model.audioBeforeConfig, false, 'no audio before the model knows its format')
    await caller.say(speech(700, 500))
    t.ok(model.level(700) > -20, `the model hears it with ${model.level(700)} dBFS`)
    const sent = new Uint8Array(4000)
    PCMU.encoder().encode(speech(700, 500).samples, sent)
    t.ok(Buffer.from(model.octets).includes(sent.subarray(1600, 3200)), 'octet by octet')
    model.says('resp_1', 'item_1', 440, 600)
    await caller.hears({ toneHz: 440 })
    await caller.hears({ silenceMs: 200 }, { withinMs: 1500 })
    await lab.clock.sleep(100)
    t.same(model.all('conversation.item.truncate'), [])
  })
})

const codecs = [
  ['PCMA', 'PCMA', 8000],
  ['G722', 'L16', 24_000],
] as const
for (const [codec, encoding, sampleRate] of codecs) {
  t.test(`a call in ${codec} is ${encoding} at ${sampleRate} to the model`, async t => {
    const codecs = { codecs: [codec] } as const
    await callAgent({ endpoint: codecs, caller: codecs }, async ({ caller, model }) => {
      t.same(model.format, { encoding, sampleRate })
      await caller.say(speech(700, 500))
      t.ok(model.level(700) > -20, `the model hears it with ${model.level(700)} dBFS`)
      model.says('resp_1', 'item_1', 440, 600)
      await caller.hears({ toneHz: 440 })
    })
  })
}

t.test('the formats of the config give way to what the call is; the rest of it stays', async t => {
  const session = {
    config: {
      audio: { input: { format: 'pcm16', transcription: null }, output: { voice: 'marin', speed: 1.25 } },
    },
  } as const
  await callAgent({ session }, async ({ model }) => {
    const { audio } = model.config
    t.match(audio?.input, { format: { type: 'audio/pcmu' }, transcription: null })
    t.match(audio?.output, { format: { type: 'audio/pcmu' }, voice: 'marin', speed: 1.25 })
  })
})

t.test('the key goes in the header, with what else is wanted', async t => {
  const { model } = await callAgent(
    { apiKey: () => Promise.resolve('sk-1'), headers: { 'OpenAI-Project': 'proj_1' } },
    async () => {},
  )
  t.equal(model?.request.headers.get('authorization'), 'Bearer sk-1')
  t.equal(model?.request.headers.get('openai-project'), 'proj_1')
  t.equal(model?.request.url, '/v1/realtime?model=test')
})

t.test('the model speaks first when there is a greeting', async t => {
  await callAgent({ greeting: 'Say hello in German.' }, async ({ model }) => {
    t.match(await model.waitFor('response.create'), { response: { instructions: 'Say hello in German.' } })
  })
})

t.test('interruption: nothing more is heard, and the model is told what was', async t => {
  await callAgent({}, async ({ caller, model, lab, session }) => {
    let interrupted = 0
    session.on('audio_interrupted', () => (interrupted += 1))
    // All of it comes within a moment, as models send it, and is played for five seconds.
    model.says('resp_1', 'item_1', 440, 5000)
    await caller.hears({ toneHz: 440 })
    await lab.clock.sleep(1000)
    const before = lab.clock.now()
    model.hearsSpeech()
    await caller.hears({ silenceMs: 100 }, { withinMs: 260 })
    const cut = await model.waitFor('conversation.item.truncate')
    t.match(cut, { item_id: 'item_1', content_index: 0 })
    const heard = Number(cut['audio_end_ms'])
    t.ok(Number.isInteger(heard))
    // 100 ms for the ear to know the tone, a second more, and the way there.
    t.ok(heard >= 1040 && heard <= 1240, `${heard} ms were heard before ${before}`)
    t.equal(interrupted, 1)
    t.same(model.all('response.cancel'), [], 'there was nothing left to cancel')
    model.says('resp_2', 'item_2', 1000, 300)
    await caller.hears({ toneHz: 1000 })
  })
})

t.test('interruption while the model still speaks: what comes late of it is not heard', async t => {
  await callAgent({}, async ({ caller, model, lab, session }) => {
    model.begins('resp_1')
    model.tone('resp_1', 'item_1', 440, 1000)
    await caller.hears({ toneHz: 440 })
    session.interrupt()
    await model.waitFor('response.cancel')
    model.tone('resp_1', 'item_1', 440, 1000)
    model.itemDone('resp_1', 'item_1')
    model.done('resp_1')
    await caller.hears({ silenceMs: 500 }, { withinMs: 700 })
    t.equal(model.all('conversation.item.truncate').length, 1)
    await lab.clock.sleep(200)
  })
})

t.test('of two items the first is cut where it was heard, the second at nothing', async t => {
  await callAgent({}, async ({ caller, model, lab }) => {
    model.says('resp_1', 'item_1', 440, 2000)
    model.says('resp_2', 'item_2', 600, 2000)
    await caller.hears({ toneHz: 440 })
    model.hearsSpeech()
    await lab.clock.sleep(100)
    const [first, second, ...rest] = model.all('conversation.item.truncate')
    t.match(first, { item_id: 'item_1' })
    t.ok(Number(first?.['audio_end_ms']) > 50)
    t.match(second, { item_id: 'item_2', audio_end_ms: 0 })
    t.same(rest, [])
  })
})

t.test('what was heard to its end is not cut', async t => {
  await callAgent({}, async ({ caller, model, lab }) => {
    model.says('resp_1', 'item_1', 440, 400)
    await caller.hears({ toneHz: 440 })
    await caller.hears({ silenceMs: 200 })
    model.hearsSpeech()
    await lab.clock.sleep(100)
    t.same(model.all('conversation.item.truncate'), [])
    t.same(model.all('response.cancel'), [])
  })
})

t.test('wideband: what was heard is counted in the time of the model', async t => {
  const codecs = { codecs: ['G722'] } as const
  await callAgent({ endpoint: codecs, caller: codecs }, async ({ caller, model, lab }) => {
    model.says('resp_1', 'item_1', 440, 3000)
    await caller.hears({ toneHz: 440 })
    await lab.clock.sleep(1000)
    model.hearsSpeech()
    const heard = Number((await model.waitFor('conversation.item.truncate'))['audio_end_ms'])
    t.ok(heard >= 1040 && heard <= 1240, `${heard} ms`)
  })
})

t.test('keys are events of the transport and of the session', async t => {
  await callAgent({}, async ({ caller, phone, session }) => {
    const keys: unknown[] = []
    phone.on('dtmf', key => keys.push((key as { digit: string }).digit))
    session.on('transport_event', event => {
      if (event.type === 'dtmf') keys.push((event as { digit?: string }).digit)
    })
    await caller.press('5#')
    t.same(keys, ['5', '5', '#', '#'])
  })
})

t.test('a muted caller is not heard by the model', async t => {
  await callAgent({}, async ({ caller, model, session }) => {
    session.mute(true)
    t.equal(session.muted, true)
    await caller.say(speech(700, 400))
    t.ok(model.level(700) < -60)
    session.mute(false)
    await caller.say(speech(700, 400))
    t.ok(model.level(700) > -20)
  })
})

const desk = (options: Parameters<typeof phoneTools>[1]) => (phone: PhoneTransport) =>
  new RealtimeAgent({ name: 'Desk', instructions: 'Be brief.', tools: phoneTools(phone, options) })

t.test('hang_up lets the caller hear the goodbye', async t => {
  const { record } = await callAgent({ agent: desk({}) }, async ({ caller, model, lab }) => {
    t.match(model.config.tools, [{ name: 'hang_up' }])
    model.says('resp_1', 'item_1', 440, 1000)
    model.calls('resp_2', 'hang_up', {})
    const from = lab.clock.now()
    await caller.hears({ toneHz: 440 })
    await caller.isHungUp()
    t.ok(lab.clock.now() - from >= 1000, `after ${lab.clock.now() - from} ms`)
  })
  t.equal(record.ended?.cause, 'hangup')
  t.match(record.engines, [{ engine: 'openai-agents', end: 'engine', detail: 'the model hung up' }])
})

t.test('hang_up does not hang up on a caller who interrupts the goodbye', async t => {
  await callAgent({ agent: desk({}) }, async ({ caller, model, lab }) => {
    model.says('resp_1', 'item_1', 440, 1000)
    model.calls('resp_2', 'hang_up', {})
    await caller.hears({ toneHz: 440 })
    model.hearsSpeech()
    t.match(await model.waitFor('conversation.item.create'), {
      item: { type: 'function_call_output', call_id: 'call_resp_2', output: /interrupted: the call goes on/ },
    })
    await lab.clock.sleep(500)
    t.equal(model.closed, undefined)
  })
})

t.test('transfer_call knows its destinations, and says when it does not work', async t => {
  await callAgent({ agent: desk({ transfer: { sales: 'not a target' } }) }, async ({ model, lab }) => {
    model.calls('resp_1', 'transfer_call', { destination: 'elsewhere' })
    await lab.clock.sleep(50)
    model.calls('resp_2', 'transfer_call', { destination: 'sales' })
    await lab.clock.sleep(50)
    const outputs = model
      .all('conversation.item.create')
      .map(({ item }) => (item as { output: string }).output)
    t.match(outputs, [/There is no elsewhere: there is sales/, /did not work .* still here/])
  })
})

t.test('a message the SDK cannot take is an error and nothing more', async t => {
  const said: unknown[] = []
  await callAgent({ onError: error => said.push(error) }, async ({ caller, model }) => {
    model.raw('no JSON')
    model.raw('[]')
    // An item of a role that there is not for it.
    model.send({
      type: 'conversation.item.added',
      item: { id: 'x', type: 'message', role: 'user', content: [{ type: 'output_text', text: 'a' }] },
    })
    model.send({ type: 'error', error: { type: 'invalid_request_error', message: 'no such item' } })
    model.says('resp_1', 'item_1', 440, 300)
    await caller.hears({ toneHz: 440 })
  })
  t.equal(said.length, 2)
})
