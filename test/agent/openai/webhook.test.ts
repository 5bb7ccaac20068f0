import t from 'tap'
import { Webhook } from 'standardwebhooks'
import { onceForEachCall, openAiWebhook } from '../../../src/agent/openai/webhook.ts'
import type { OpenAiIncomingCall } from '../../../src/agent/openai/webhook.ts'
import { signStandardWebhook } from '../../../src/agent/signatures/standard-webhooks.ts'

const secret = `whsec_${Buffer.from('a key of sixteen').toString('base64')}`
const now = 1_800_000_000_000
const sip_headers = [
  { name: 'From', value: '<sip:+15550100@trunk.example>' },
  { name: 'call-id', value: 'abc@host' },
  { name: 'X-Order', value: '1234' },
]

function read(event: unknown, id = 'msg_1'): OpenAiIncomingCall | undefined {
  const body = typeof event === 'string' ? event : JSON.stringify(event)
  return openAiWebhook({ secret, body, now, headers: { ...signStandardWebhook({ secret, id, body, now }) } })
}

const realtime = {
  object: 'event',
  id: 'evt_1',
  type: 'realtime.call.incoming',
  created_at: 1_799_999_999,
  data: { call_id: 'rtc_1', sip_headers, sip_media_security: 'srtp' },
}
const live = {
  id: 'evt_2',
  type: 'live.transport.incoming',
  created_at: 1_799_999_999,
  data: { type: 'sip', session_id: 'live_1', sip_headers },
}

t.test('both interfaces tell of a call in one form', t => {
  const call = read(realtime)
  t.match(call, {
    dialect: 'realtime',
    id: 'rtc_1',
    webhookId: 'msg_1',
    createdAt: 1_799_999_999_000,
    callId: 'abc@host',
    mediaSecurity: 'srtp',
  })
  t.equal(call?.header('x-order'), '1234')
  t.equal(call?.header('x-none'), undefined)
  t.match(read(live), { dialect: 'live', id: 'live_1', callId: 'abc@host', mediaSecurity: undefined })
  t.match(read({ ...live, type: 'live.call.incoming' }), { dialect: 'live', id: 'live_1' })
  t.equal(read({ type: 'response.completed', data: {} }), undefined)
  t.equal(read({ type: 'toString' }), undefined)
  t.end()
})

t.test('what the package of Standard Webhooks has signed is taken, what nobody has signed is not', t => {
  const body = JSON.stringify(live)
  const headers = {
    'webhook-id': 'msg_2',
    'webhook-timestamp': String(now / 1000),
    'webhook-signature': new Webhook(secret).sign('msg_2', new Date(now), body),
  }
  t.match(openAiWebhook({ secret, body, now, headers }), { id: 'live_1' })
  t.throws(() => openAiWebhook({ secret, body: `${body} `, now, headers }), {
    name: 'SignatureError',
    problem: 'wrong',
  })
  t.throws(() => openAiWebhook({ secret, body, now: now + 400_000, headers }), {
    name: 'SignatureError',
    problem: 'expired',
  })
  t.throws(() => openAiWebhook({ secret, body, now, headers: {} }), {
    name: 'SignatureError',
    problem: 'missing',
  })
  t.end()
})

t.test('signed, and not of the form', t => {
  for (const event of ['', '[]', { ...realtime, data: {} }, { ...live, data: { session_id: '../x' } }])
    t.throws(() => read(event), { name: 'OptionError', field: 'body' })
  t.match(read({ ...realtime, data: { call_id: 'rtc_1', sip_headers: [null, { name: 'X' }] } }), {
    sipHeaders: [],
  })
  t.end()
})

t.test('one call is decided about once', t => {
  const all = [read(realtime), read(realtime), read(live), read({ ...realtime, data: { call_id: 'rtc_2' } })]
  const calls = all.filter(call => call !== undefined)
  t.same(calls.map(onceForEachCall()), [true, false, false, true])
  t.same(calls.map(onceForEachCall('live')), [false, false, true, false])
  // With the Call-ID of the one before, as after a challenge.
  const again = read({ ...realtime, data: { call_id: 'rtc_3', sip_headers } })
  const twin = read({ ...live, data: { session_id: 'live_3', sip_headers } })
  const retried = [...calls, again, twin, again].filter(call => call !== undefined)
  t.same(retried.map(onceForEachCall()), [true, false, false, true, true, false, false])
  const first = onceForEachCall()
  const [call] = calls
  if (call === undefined) throw new Error('no call')
  for (let at = 0; at < 10_001; at += 1) first({ ...call, id: `rtc_${at}` })
  t.equal(first({ ...call, id: 'rtc_0' }), true, 'the oldest is forgotten')
  t.equal(first({ ...call, id: 'rtc_9999' }), false)
  t.end()
})
