import t from 'tap'
import { OpenAiCallError, openAiSipCalls } from '../../../src/agent/openai/sip-calls.ts'
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
