import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import type { Agent } from '../../src/agent/agent.ts'
import { demoMenu, dialects, streamAgent as realStreamAgent, voicerunUrl } from '../../src/agent/index.ts'
import type { DialectName, StreamAgentOptions, VoicerunAgent } from '../../src/agent/index.ts'
import { agentSchemas } from '../../src/serve/schema.ts'
import { engineChannel } from '../../src/call/engine-events.ts'
import { describeCall } from '../../src/trace/call-record.ts'
import { callBot } from '../agent/streams/bot.ts'
import type { ScriptedBot } from '../agent/streams/bot.ts'
import { repositoryRoot } from '../support/repository.ts'

/** Text without the indentation, which differs between the page and this file. */
function flat(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join('\n')
}

const page = readFileSync(join(repositoryRoot, 'docs/engines.md'), 'utf8')
const folder = join(repositoryRoot, 'docs/engines')
/** By dialect. */
const pages = new Map(
  readdirSync(folder).map(file => [file.replace('.md', ''), readFileSync(join(folder, file), 'utf8')]),
)
const protocol = readFileSync(join(repositoryRoot, 'docs/engine-websocket.md'), 'utf8')

t.test('every piece of code on the pages is in this file', async t => {
  const source = flat(readFileSync(join(repositoryRoot, 'test/docs/engines.test.ts'), 'utf8'))
  const pieces = [page, ...pages.values()].flatMap(text =>
    [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!),
  )
  t.equal(pieces.length, 10)
  for (const piece of pieces) t.ok(source.includes(flat(piece)), flat(piece).slice(0, 60))
})

t.test('each dialect has a page, whose agents are as `offhook serve` wants them', t => {
  t.same([...pages.keys()].toSorted(), Object.keys(dialects).toSorted())
  for (const [name, text] of pages) {
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(text) ?? []
    const { agents } = parse(yaml) as { readonly agents: Readonly<Record<string, object>> }
    t.match(agents, { bot: { dialect: name } })
    for (const [key, agent] of Object.entries(agents)) {
      const schema = agentSchemas['url' in agent ? 'url' : 'builtIn']
      t.ok(schema?.safeParse(agent).success, `${name}: ${key}`)
    }
  }
  t.end()
})

t.test('the table of audio formats is that of the dialects', async t => {
  for (const { name, formats, botFormat } of Object.values(dialects)) {
    const row = page.split('\n').find(line => line.startsWith(`| [\`${name}\`](engines/${name}.md) |`)) ?? ''
    for (const { encoding, sampleRate } of formats) {
      t.ok(row.includes(encoding === 'PCMU' ? 'μ-law' : encoding === 'PCMA' ? 'A-law' : 'linear'), row)
      t.ok(row.includes(`${sampleRate / 1000}`), row)
    }
    if (botFormat !== undefined) t.ok(row.includes(`${botFormat.sampleRate / 1000} kHz`))
  }
})

type Make = (streamAgent: (options: StreamAgentOptions) => Agent) => Agent | Promise<Agent>

/** Calls the agent of a snippet: the bot hears the caller and the caller the bot. */
async function runs(
  dialect: DialectName,
  make: Make,
  look: (bot: ScriptedBot) => void = () => {},
  more: { readonly format?: NonNullable<StreamAgentOptions['format']> } = {},
): Promise<void> {
  const agent: NonNullable<Parameters<typeof callBot>[0]['agent']> = runtime =>
    make(options => realStreamAgent({ ...options, runtime }))
  await callBot({ dialect, secure: true, agent, ...more }, async (caller, bot, lab) => {
    bot.tone(440, 600)
    await caller.hears({ toneHz: 440 })
    await lab.clock.sleep(600)
    look(bot)
  })
}

const TWILIO_AUTH_TOKEN = '12345'
const TELNYX_TOKEN = 'token'
const VONAGE_JWT = 'a.b.c'
const VOICERUN_KEY = 'key'

t.test('the smallest', async () => {
  await runs('twilio', streamAgent => {
    const agent = streamAgent({ url: 'wss://bot.example/media', dialect: 'twilio' })
    return agent
  })
})

t.test('Twilio', async t => {
  await runs(
    'twilio',
    async streamAgent => {
      const agent = streamAgent({
        url: 'wss://bot.example/media',
        dialect: 'twilio',
        authToken: TWILIO_AUTH_TOKEN, // signs the upgrade: X-Twilio-Signature
        parameters: ({ remote, local }) => ({ from_number: remote.uriText, to_number: local.uriText }),
        firstAudioTimeoutMs: 5_000,
        fallback: await demoMenu(), // when the bot is down, silent or broken
      })
      return agent
    },
    bot => {
      t.match(bot.messages[1], { start: { customParameters: { from_number: /^sip:/, to_number: /^sip:/ } } })
      t.equal(typeof bot.request.headers.get('x-twilio-signature'), 'string')
    },
  )
})

t.test('Telnyx', async t => {
  await runs(
    'telnyx',
    streamAgent => {
      const agent = streamAgent({
        url: 'wss://bot.example/telnyx',
        dialect: 'telnyx',
        authToken: TELNYX_TOKEN, // as header and in `connected`
        format: { encoding: 'PCMA', sampleRate: 8000 },
      })
      return agent
    },
    bot => t.match(bot.messages[1], { start: { media_format: { encoding: 'PCMA', sample_rate: 8000 } } }),
    { format: { encoding: 'PCMA', sampleRate: 8000 } },
  )
})

t.test('Plivo', async t => {
  const format = { encoding: 'L16', sampleRate: 16_000 } as const
  await runs(
    'plivo',
    streamAgent => {
      const agent = streamAgent({
        url: 'wss://bot.example/plivo',
        dialect: 'plivo',
        format: { encoding: 'L16', sampleRate: 16_000 },
        parameters: { userId: '12345' }, // customParameters, and extra_headers: userId=12345
      })
      return agent
    },
    bot => t.match(bot.messages[0], { event: 'start', extra_headers: 'userId=12345' }),
    { format },
  )
})

t.test('Vonage', async t => {
  await runs(
    'vonage',
    streamAgent => {
      const agent = streamAgent({
        url: 'wss://bot.example/vonage',
        dialect: 'vonage',
        parameters: { customer: '7' }, // the headers of the NCCO, beside the fields of websocket:connected
        headers: { Authorization: `Bearer ${VONAGE_JWT}` },
      })
      return agent
    },
    bot => t.match(bot.messages[0], { event: 'websocket:connected', customer: '7' }),
  )
})

t.test('Infobip', async t => {
  const format = { encoding: 'L16', sampleRate: 48_000 } as const
  await runs(
    'infobip',
    streamAgent => {
      const agent = streamAgent({
        url: 'wss://bot.example/infobip',
        dialect: 'infobip',
        format: { encoding: 'L16', sampleRate: 48_000 },
      })
      return agent
    },
    bot => t.match(bot.messages, [{ sampleRate: 48_000, packetizationTime: 20 }]),
    { format },
  )
})

const fetch: NonNullable<VoicerunAgent['fetch']> = async () =>
  Response.json({ data: { url: 'wss://bot.example/voicerun', parameters: {} } })

t.test('VoiceRun', async t => {
  await runs(
    'voicerun',
    streamAgent => {
      const agent = streamAgent({
        url: voicerunUrl({
          agentId: 'a1b2',
          environment: 'staging',
          headers: { Authorization: VOICERUN_KEY },
          fetch, // default: the global one
        }),
        dialect: 'voicerun',
      })
      return agent
    },
    bot => t.match(bot.messages, [{ start: { customParameters: { agentId: 'a1b2' } } }]),
  )
})

t.test('Offhook', async t => {
  const format = { encoding: 'L16', sampleRate: 24_000 } as const
  await runs(
    'offhook',
    streamAgent => {
      const agent = streamAgent({
        url: 'wss://bot.example/call',
        dialect: 'offhook',
        format: { encoding: 'L16', sampleRate: 24_000 }, // what the model speaks
        headers: { Authorization: 'Bearer …' },
      })
      return agent
    },
    bot => t.match(bot.messages, [{ type: 'start', audio: { sampleRate: 24_000 } }]),
    { format },
  )
})

t.test('when the bot closes', async () => {
  const survey: Agent = {
    async run({ output }) {
      await output.write(new Int16Array(800).fill(1000))
      await output.flush()
    },
  }
  await runs('twilio', streamAgent => {
    const agent = streamAgent({
      url: 'wss://bot.example/media',
      dialect: 'twilio',
      onEngineEnd: survey, // or 'hangup', the default, or 'finish': plays first what the bot has sent
    })
    return agent
  })
})

t.test('what happened is on a channel and in the record', async t => {
  const told: string[] = []
  const console = { log: (text: string) => told.push(text) }
  const stop = engineChannel.subscribe(event => {
    if (event.kind === 'failed') console.log(`${event.engine} failed in ${event.call}: ${event.detail}`)
  })
  const { record } = await callBot({ dialect: 'twilio' }, async (caller, bot) => {
    bot.tone(440, 300)
    await caller.hears({ toneHz: 440 })
    bot.close(1011, 'out of memory')
    await caller.isHungUp()
  })
  stop()
  t.match(told, [/^twilio failed in c[0-9a-f]+: the engine failed: it closed with 1011 out of memory$/])
  t.match(
    describeCall(record),
    /engine twilio, connected after \d+ ms, spoke after \d+ ms, failed: the engine failed: it closed with 1011/,
  )
})

/** The messages in the JSON blocks of a page. */
function examples(text: string): string[] {
  return [...text.matchAll(/```json\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .trim()
      .split(/\n(?=\{)/)
      .map(each => JSON.stringify(JSON.parse(each))),
  )
}

t.test('the protocol on its page is what both codecs write and read', async t => {
  const { carrier, bot } = dialects.offhook
  const [fromUs = '', fromBot = ''] = protocol.split('## From the bot')
  const context = { streamId: '', callId: '', accountId: '', sequence: 1, wallTime: 0 }
  for (const [texts, codec, count] of [
    [examples(fromUs), carrier, 7],
    [examples(fromBot), bot, 5],
  ] as const) {
    t.equal(texts.length, count)
    for (const text of texts) {
      const message = codec.parse(text)
      t.not(message.kind, 'malformed', text)
      t.not(message.kind, 'other', text)
      const ids = message.kind === 'start' ? { streamId: message.streamId, callId: message.callId } : {}
      const format = { encoding: 'L16', sampleRate: 16_000 } as const
      t.equal(codec.write(message, { ...context, ...ids, format }), text)
    }
  }
})
