import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  demoMenu,
  onceForEachCall,
  openAiAgent as realAgent,
  openAiSipCalls as realCalls,
  openAiWebhook,
  signStandardWebhook,
} from '../../src/agent/index.ts'
import type { OpenAiAgentOptions, OpenAiSipCallsOptions } from '../../src/agent/index.ts'
import { repositoryRoot } from '../support/repository.ts'

/** Text without the indentation, which differs between the page and this file. */
function flat(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join('\n')
}

const OPENAI_API_KEY = 'sk-test'
const OPENAI_WEBHOOK_SECRET = `whsec_${Buffer.from('a key of sixteen').toString('base64')}`

t.test('every piece of code on the page is in this file', t => {
  const page = readFileSync(join(repositoryRoot, 'docs/openai.md'), 'utf8')
  const source = flat(readFileSync(join(repositoryRoot, 'test/docs/openai.test.ts'), 'utf8'))
  const pieces = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)
  t.equal(pieces.length, 2)
  for (const piece of pieces) t.ok(source.includes(flat(piece)), flat(piece).slice(0, 60))
  t.end()
})

t.test('the agent', async t => {
  let given: OpenAiAgentOptions | undefined
  const openAiAgent = (options: OpenAiAgentOptions): ReturnType<typeof realAgent> => {
    given = options
    return realAgent(options)
  }
  const agent = openAiAgent({
    apiKey: OPENAI_API_KEY,
    dialect: 'realtime', // or 'live'
    model: 'gpt-realtime',
    session: { instructions: 'You answer for a tea shop. Be brief.', audio: { output: { voice: 'marin' } } },
    greeting: 'Tea shop, good day!', // it speaks first; true: what its instructions say
    tools: [
      {
        name: 'price',
        description: 'What a tea costs, in euros',
        parameters: { type: 'object', properties: { tea: { type: 'string' } }, required: ['tea'] },
        run: ({ tea }) => ({ tea, euros: 3 }), // what it throws is told to the model
      },
    ],
    endCall: true, // the model may hang up; the caller hears the good-bye first
    transferCall: { desk: 'sip:desk@pbx.example' },
    firstAudioTimeoutMs: 5_000,
    fallback: await demoMenu(), // when the model cannot be reached, fails or stays silent
  })
  t.ok(agent)
  t.equal(given?.tools?.[0]?.name, 'price')
})

t.test('the webhook', async t => {
  const asked: string[] = []
  const openAiSipCalls = (options: OpenAiSipCallsOptions): ReturnType<typeof realCalls> =>
    realCalls({
      ...options,
      fetch: async (url, init) => {
        asked.push(new URL(new Request(url, init).url).pathname)
        return new Response('')
      },
    })
  const once = onceForEachCall('realtime') // a call may be told of by both interfaces, and twice
  const calls = openAiSipCalls({ dialect: 'realtime', apiKey: OPENAI_API_KEY })

  async function onWebhook(headers: Record<string, string>, body: string): Promise<number> {
    const call = openAiWebhook({ secret: OPENAI_WEBHOOK_SECRET, headers, body, now: Date.now() })
    if (call === undefined || !once(call)) return 200
    if (call.header('X-Order') === undefined) await calls.reject(call.id, 603)
    else await calls.accept(call.id, { model: 'gpt-realtime', instructions: 'You answer for a tea shop.' })
    return 200
  }

  const tell = (id: string, sip_headers: readonly object[]): Promise<number> => {
    const body = JSON.stringify({ type: 'realtime.call.incoming', data: { call_id: id, sip_headers } })
    const signed = signStandardWebhook({ secret: OPENAI_WEBHOOK_SECRET, id: 'msg_1', body, now: Date.now() })
    return onWebhook({ ...signed }, body)
  }
  t.equal(await tell('rtc_1', [{ name: 'X-Order', value: '1' }]), 200)
  t.equal(await tell('rtc_1', [{ name: 'X-Order', value: '1' }]), 200)
  t.equal(await tell('rtc_2', []), 200)
  t.same(asked, ['/v1/realtime/calls/rtc_1/accept', '/v1/realtime/calls/rtc_2/reject'])
})
