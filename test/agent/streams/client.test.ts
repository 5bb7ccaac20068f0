import t from 'tap'
import type { StreamFormat } from '../../../src/agent/streams/dialect.ts'
import type { DialectName } from '../../../src/agent/streams/dialect.ts'
import { dialects } from '../../../src/agent/streams/dialects.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import type { Message, ScriptedBot } from './bot.ts'
import { AudioDecoder } from '../../../src/agent/streams/audio-format.ts'
import { agentSession } from '../../../src/agent/agent.ts'
import { streamAgent } from '../../../src/agent/streams/client.ts'
import { voicerunUrl } from '../../../src/agent/streams/voicerun.ts'
import { botUrl, callBot, nameOf } from './bot.ts'

const hello = tone({ sampleRate: 8000, hz: 700, durationMs: 600 })

/** Every dialect, and every format it has. */
const rows: readonly (readonly [DialectName, StreamFormat])[] = Object.values(dialects).flatMap(
  ({ name, formats }) => formats.map(format => [name, format] as const),
)

for (const [dialect, format] of rows) {
  const { encoding, sampleRate } = format
  t.test(`${dialect}, ${encoding} at ${sampleRate}: both hear each other`, async t => {
    const { bots, record, errors } = await callBot({ dialect, format }, async (caller, bot, lab) => {
      void caller.say({ samples: hello, sampleRate: 8000 })
      await lab.clock.sleep(500)
      t.ok(bot.level(700) > -20 && bot.level(700) < -2, `the bot hears 700 Hz at ${bot.level(700)} dBFS`)
      bot.tone(440, 1500)
      await caller.hears({ toneHz: 440, levelDbfs: -12 })
      await caller.hangup()
      await lab.clock.sleep(100)
    })
    const [bot] = bots
    t.same(errors, [])
    t.match(bot?.closed, { code: 1000 })
    t.same(record.engines?.[0]?.end, 'call')
    t.ok((record.engines?.[0]?.firstAudioMs ?? 0) >= 500)
    // 20 ms each, always.
    const bytes = (sampleRate / 50) * (encoding === 'L16' ? 2 : 1)
    const sizes = (bot?.messages ?? []).flatMap(({ media }) => {
      const { payload } = (media ?? {}) as { payload?: string }
      return payload === undefined ? [] : [Buffer.from(payload, 'base64').length]
    })
    t.same([...new Set([...sizes, ...(bot?.lengths ?? [])])], [bytes])
  })
}

t.test('a call of wideband is heard in narrowband, and the other way round', async t => {
  const endpoint = { codecs: ['G722'] } as const
  await callBot({ dialect: 'twilio', endpoint, caller: endpoint }, async (caller, bot, lab) => {
    void caller.say({ samples: hello, sampleRate: 8000 })
    await lab.clock.sleep(500)
    t.ok(bot.level(700) > -20, `${bot.level(700)}`)
    bot.tone(440, 1000)
    await caller.hears({ toneHz: 440, levelDbfs: -12 })
    const sizes = bot.messages.flatMap(({ media }) => {
      const { payload } = (media ?? {}) as { payload?: string }
      return payload === undefined ? [] : [Buffer.from(payload, 'base64').length]
    })
    t.same([...new Set(sizes)], [160])
  })
})

t.test('Twilio: the messages of one call, with their numbers as strings', async t => {
  const { bots } = await callBot(
    { dialect: 'twilio', parameters: { lang: 'de' }, authToken: '12345' },
    async (caller, bot, lab) => {
      await lab.clock.sleep(65)
      await caller.press('5')
      await lab.clock.sleep(200)
      bot.mark('at once')
      await lab.clock.sleep(50)
      await caller.hangup()
      await lab.clock.sleep(50)
    },
  )
  const [bot] = bots
  const messages = bot?.messages ?? []
  t.same(bot?.events, ['connected', 'start', 'dtmf', 'mark', 'stop'])
  t.same(messages[0], { event: 'connected', protocol: 'Call', version: '1.0.0' })
  const start = messages[1] as { streamSid: string; start: { callSid: string; accountSid: string } }
  t.match(start, {
    event: 'start',
    sequenceNumber: '1',
    streamSid: /^MZ[0-9a-f]{32}$/,
    start: {
      accountSid: /^AC[0-9a-f]{32}$/,
      callSid: /^CA[0-9a-f]{32}$/,
      streamSid: start.streamSid,
      tracks: ['inbound'],
      mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
      customParameters: { lang: 'de' },
    },
  })
  t.same(
    messages.slice(1).map(({ sequenceNumber }) => sequenceNumber),
    messages.slice(1).map((_, at) => String(at + 1)),
    'from 1 on start, without a gap',
  )
  const media = messages.filter(message => nameOf(message) === 'media').map(message => message['media'])
  t.same(
    media.slice(0, 3).map(value => {
      const { chunk, timestamp, track } = value as Message
      return [chunk, timestamp, track]
    }),
    [
      ['1', '0', 'inbound'],
      ['2', '20', 'inbound'],
      ['3', '40', 'inbound'],
    ],
  )
  t.same(messages.at(-1), {
    event: 'stop',
    sequenceNumber: String(messages.length - 1),
    streamSid: start.streamSid,
    stop: { accountSid: start.start.accountSid, callSid: start.start.callSid },
  })
  t.equal(bot?.request.url, '/stream?x=1')
  // echo -n 'ws://bot.lab/stream?x=1' | openssl dgst -sha1 -hmac 12345 -binary | base64
  t.equal(bot?.request.headers.get('x-twilio-signature'), '/NiR6sA3M0ItWLxCZiuAfLHU/48=')
})

t.test('G.711 goes through sample for sample, both ways', async t => {
  // Every value of the μ-law but its second zero, for 320 ms.
  const codes = Uint8Array.from({ length: 2560 }, (_, at) => ((at * 37) % 255) + (at % 255 >= 127 ? 1 : 0))
  const pattern = new AudioDecoder({ encoding: 'PCMU', sampleRate: 8000 }).decode(codes)
  const heard: number[] = []
  const bots: ScriptedBot[] = []
  await callBot(
    { dialect: 'twilio', endpoint: { codecs: ['PCMU'] }, onConnected: bot => bots.push(bot) },
    async (_caller, _bot, lab) => {
      const phone = await lab.endpoint('phone.lab', { codecs: ['PCMU'] })
      const call = await phone.call('sip:x@agent.lab')
      const hearing = (async () => {
        for await (const { samples } of call.media.input) heard.push(...samples)
      })()
      await lab.clock.sleep(500)
      await call.media.output.write(pattern)
      await lab.clock.sleep(700)
      bots[1]?.say(pattern, 33)
      await lab.clock.sleep(1000)
      await call.hangup()
      await hearing
    },
  )
  t.ok(contains(bots[1]?.heard ?? [], pattern), 'the bot hears what was said')
  t.ok(contains(heard, pattern), 'the caller hears what the bot said')
})

function contains(all: readonly number[], part: Int16Array): boolean {
  for (let at = all.indexOf(part[0] ?? 0); at >= 0; at = all.indexOf(part[0] ?? 0, at + 1)) {
    if (part.every((sample, i) => all[at + i] === sample)) return true
  }
  return false
}

t.test('VoiceRun: the call is announced by HTTP, and the answer says where the bot is', async t => {
  const asked: unknown[] = []
  const announce = voicerunUrl({
    agentId: 'a-1',
    environment: 'staging',
    headers: { Authorization: 'Bearer key' },
    fetch: async (input, init) => {
      asked.push([input, init?.method, init?.body, new Headers(init?.headers).get('authorization')])
      return Response.json({ data: { url: botUrl, parameters: { session: 's-9' } } })
    },
  })
  await callBot(
    { dialect: 'voicerun', url: announce, parameters: { tier: 'gold' } },
    async (_caller, bot) => {
      t.match(bot.messages[0], {
        start: {
          streamSid: /^[0-9a-f-]{36}$/,
          callSid: /^[0-9a-f-]{36}$/,
          customParameters: {
            tier: 'gold',
            agentId: 'a-1',
            environment: 'staging',
            inputType: 'mic',
            session: 's-9',
          },
        },
      })
    },
  )
  t.same(asked, [
    [
      'https://api.voicerun.com/v1/agents/a-1/call?inputType=mic&environment=staging',
      'POST',
      '{}',
      'Bearer key',
    ],
  ])
  const refused = voicerunUrl({ agentId: 'a', fetch: async () => new Response('', { status: 404 }) })
  await t.rejects(refused({} as never, new AbortController().signal), {
    message: /refused the call with 404/,
  })
  t.throws(() => voicerunUrl({ agentId: '../x' }), { code: 'SIP_OPTION', field: 'agentId' })
})

t.test('an outgoing call is given to a bot too, and on hold both go on afterwards', async t => {
  const bots: ScriptedBot[] = []
  await callBot({ dialect: 'twilio', onConnected: bot => bots.push(bot) }, async (caller, _bot, lab) => {
    const dialler = await lab.endpoint('dialler.lab')
    const phone = await lab.endpoint('phone.lab')
    void phone.serve(async call => {
      await call.answer()
      await call.hold()
      await call.sleep(1000)
      await call.resume()
      await call.media.output.write(hello)
      await call.ended
    })
    const call = await dialler.call('sip:+15550123@phone.lab')
    const runtime = { clock: lab.clock, network: lab.network.host('10.9.0.3') }
    const running = streamAgent({ url: botUrl, dialect: 'twilio', runtime }).run(agentSession(call))
    await lab.clock.sleep(700)
    bots[1]?.mark('while on hold')
    await lab.clock.sleep(900)
    t.ok((bots[1]?.level(700) ?? -100) > -20, 'the bot hears who took the call off hold')
    t.same(bots[1]?.marks, ['while on hold'])
    bots[1]?.close()
    await running
    t.match(call.endedValue, { by: 'local', cause: 'hangup' }, 'the agent has ended the call')
    await caller.hangup()
  })
})
