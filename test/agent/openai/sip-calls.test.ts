import t from 'tap'
import { OpenAiCallError, openAiSipCalls } from '../../../src/agent/openai/sip-calls.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { OpenAiDialect } from '../../../src/agent/openai/sip-calls.ts'

interface Sent {
  url: string
  authorization: string | null
  body: unknown
}

function calls(dialect: OpenAiDialect, status = 200, answer = '', baseUrl?: string) {
  const sent: Sent[] = []
  const api = openAiSipCalls({
    dialect,
    apiKey: 'key',
    ...(baseUrl === undefined ? {} : { baseUrl }),
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const { url, headers } = request
      sent.push({ url, authorization: headers.get('authorization'), body: await request.json() })
      return new Response(answer, { status })
    },
  })
  return { api, sent }
}

t.test('each dialect has its own path and body', async t => {
  const realtime = calls('realtime')
  t.equal(await realtime.api.accept('rtc_1', { model: 'm' }), 'accepted')
  await realtime.api.refer('rtc_1', 'tel:+15550100')
  await realtime.api.hangup('rtc_1')
  t.equal(await realtime.api.reject('rtc_2'), 'rejected')
  const place = 'https://api.openai.com/v1/realtime/calls'
  const authorization = 'Bearer key'
  t.same(realtime.sent, [
    { url: `${place}/rtc_1/accept`, authorization, body: { model: 'm', type: 'realtime' } },
    { url: `${place}/rtc_1/refer`, authorization, body: { target_uri: 'tel:+15550100' } },
    { url: `${place}/rtc_1/hangup`, authorization, body: {} },
    { url: `${place}/rtc_2/reject`, authorization, body: { status_code: 603 } },
  ])
  const live = calls('live', 200, '', 'https://other.example/v1/')
  await live.api.accept('s_1', { model: 'm' })
  t.same(live.sent, [
    {
      url: 'https://other.example/v1/live/sessions/s_1/accept',
      authorization,
      body: { session: { model: 'm', type: 'live' } },
    },
  ])
})

t.test('who comes second learns that it was decided', async t => {
  const { api } = calls('live', 409, '{"error":{"code":"decision_already_made"}}')
  t.equal(await api.accept('s_1', {}), 'already-decided')
  t.equal(await api.reject('s_1', 486), 'already-decided')
})

t.test('errors are told in words, whatever came with them', async t => {
  const answers = [
    '',
    '<html>',
    'null',
    '[]',
    '{"error":null}',
    '{"error":{"code":7}}',
    '{"error":{"code":"a\\nb"}}',
  ]
  for (const answer of answers) {
    const error: unknown = await calls('realtime', 404, answer)
      .api.hangup('rtc_1')
      .catch((e: unknown) => e)
    t.ok(error instanceof OpenAiCallError)
    t.match(error, { code: 'SIP_ENGINE', statusCode: 404, reason: undefined, message: /another region/ })
  }
})

t.test('what cannot be sent is refused before it is', async t => {
  const { api, sent } = calls('realtime')
  t.match(await api.hangup('../models').catch((e: unknown) => e), { name: 'OptionError', field: 'id' })
  t.match(await api.reject('rtc_1', 200).catch((e: unknown) => e), {
    name: 'OptionError',
    field: 'statusCode',
  })
  t.match(await api.refer('rtc_1', 'https://example.com').catch((e: unknown) => e), {
    name: 'OptionError',
    field: 'targetUri',
  })
  t.throws(() => openAiSipCalls({ dialect: 'live', apiKey: '' }), { message: /^apiKey: / })
  t.equal(sent.length, 0)
})

t.test('what was not done is tried again, with time between; a REFER is not', async t => {
  const clock = new VirtualClock()
  const statuses: number[] = []
  const api = openAiSipCalls({
    dialect: 'realtime',
    apiKey: 'key',
    runtime: { clock },
    fetch: async () => {
      const status = [503, 429, 200][statuses.length] ?? 500
      statuses.push(status)
      return new Response('', { status })
    },
  })
  const accepted = api.accept('rtc_1', {})
  await clock.advance(1000)
  t.equal(await accepted, 'accepted')
  t.same(statuses, [503, 429, 200])
  await t.rejects(api.refer('rtc_1', 'tel:+15550100'), { name: 'OpenAiCallError', statusCode: 500 })
  t.equal(statuses.length, 4)
  const ended = t.rejects(api.hangup('rtc_1'), { name: 'OpenAiCallError', statusCode: 500 })
  await clock.advance(1000)
  await ended
  t.equal(statuses.length, 7)
})

t.test('no answer: an error that does not say it was refused, and no second attempt', async t => {
  const clock = new VirtualClock()
  let asked = 0
  const api = openAiSipCalls({
    dialect: 'live',
    apiKey: 'key',
    timeoutMs: 2000,
    runtime: { clock },
    fetch: (_url, init) => {
      asked += 1
      return new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(new Error('aborted')))
      })
    },
  })
  const accepted = t.rejects(api.accept('live_1', {}), {
    statusCode: 0,
    message: /did not answer to accept \(no answer within 2000 ms\): whether it was done is not known/,
  })
  await clock.advance(2100)
  await accepted
  t.equal(asked, 1)
  t.throws(() => openAiSipCalls({ dialect: 'live', apiKey: 'k', timeoutMs: 0 }), {
    name: 'OptionError',
    field: 'timeoutMs',
  })
  t.throws(() => openAiSipCalls({ dialect: 'live', apiKey: 'k', retries: 1.5 }), {
    name: 'OptionError',
    field: 'retries',
  })
})

t.test('a key that is not set and an interface that is none are named at once', t => {
  const good = { apiKey: 'key', dialect: 'realtime' } as const
  for (const [bad, field] of [
    [{ apiKey: '' }, 'apiKey'],
    [{ apiKey: undefined }, 'apiKey'],
    [{ dialect: 'sip' }, 'dialect'],
  ] as const)
    t.throws(() => openAiSipCalls({ ...good, ...bad } as never), { name: 'OptionError', field })
  t.end()
})
