import { generateKeyPairSync } from 'node:crypto'
import { assert, property, string, dictionary } from 'fast-check'
import t from 'tap'
import twilio from 'twilio'
import {
  escapeXml,
  plivoStream,
  texmlConnectStream,
  twimlConnectStream,
  vonageNcco,
} from '../../../src/agent/stream-server/answers.ts'
import {
  plivoControl,
  telnyxControl,
  twilioControl,
  vonageControl,
} from '../../../src/agent/stream-server/control.ts'
import type { CarrierControl } from '../../../src/agent/stream-server/control.ts'
import { authoriseWebhook } from '../../../src/agent/stream-server/auth.ts'
import type { StreamAuth } from '../../../src/agent/stream-server/auth.ts'
import { plivoSignature } from '../../../src/agent/signatures/plivo.ts'
import { signTelnyxWebhook } from '../../../src/agent/signatures/telnyx.ts'
import { twilioSignature } from '../../../src/agent/signatures/twilio.ts'
import { signVonageToken } from '../../../src/agent/signatures/vonage.ts'
import type { DialectName } from '../../../src/agent/streams/dialect.ts'
import { webhookAnswer, webhookFields } from '../../../src/agent/stream-server/webhook.ts'
import { dialectNamed } from '../../../src/agent/streams/dialects.ts'
import { readXml } from '../../../src/sip/events/xml.ts'
import { agentOf, phoneWorld, world } from './world.ts'
import type { HttpRequest } from '../../../src/runtime/web.ts'

interface Asked {
  readonly line: string
  readonly authorization: string | null
  readonly body: string
}

function recorder(status = 200, answer = '{}') {
  const asked: Asked[] = []
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, { ...init, signal: null })
    const { method, url, headers } = request
    asked.push({
      line: `${method} ${url}`,
      authorization: headers.get('authorization'),
      body: await request.text(),
    })
    return new Response(answer, { status })
  }
  return { asked, fetch }
}

const call = { callId: 'CA1', accountId: 'AC1', parameters: { uuid: 'u-1' } }
const { signal } = new AbortController()
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

const rows: readonly {
  name: string
  make: (fetch: typeof globalThis.fetch) => CarrierControl
  hangup: Asked
  transfer?: Asked
}[] = [
  {
    name: 'Twilio',
    make: fetch => twilioControl({ authToken: 'tok', fetch }),
    hangup: {
      line: 'POST https://api.twilio.com/2010-04-01/Accounts/AC1/Calls/CA1.json',
      authorization: basic('AC1', 'tok'),
      body: 'Status=completed',
    },
    transfer: {
      line: 'POST https://api.twilio.com/2010-04-01/Accounts/AC1/Calls/CA1.json',
      authorization: basic('AC1', 'tok'),
      body: new URLSearchParams({ Twiml: '<Response><Dial>+15550100</Dial></Response>' }).toString(),
    },
  },
  {
    name: 'Telnyx',
    make: fetch => telnyxControl({ apiKey: 'key', fetch }),
    hangup: {
      line: 'POST https://api.telnyx.com/v2/calls/CA1/actions/hangup',
      authorization: 'Bearer key',
      body: '{}',
    },
    transfer: {
      line: 'POST https://api.telnyx.com/v2/calls/CA1/actions/transfer',
      authorization: 'Bearer key',
      body: '{"to":"+15550100"}',
    },
  },
  {
    name: 'Plivo',
    make: fetch => plivoControl({ authId: 'MA1', authToken: 'tok', fetch }),
    hangup: {
      line: 'DELETE https://api.plivo.com/v1/Account/MA1/Call/CA1/',
      authorization: basic('MA1', 'tok'),
      body: '',
    },
  },
  {
    name: 'Vonage',
    make: fetch => vonageControl({ token: () => 'jwt', fetch }),
    hangup: {
      line: 'PUT https://api.nexmo.com/v1/calls/u-1',
      authorization: 'Bearer jwt',
      body: '{"action":"hangup"}',
    },
    transfer: {
      line: 'PUT https://api.nexmo.com/v1/calls/u-1',
      authorization: 'Bearer jwt',
      body: JSON.stringify({
        action: 'transfer',
        destination: {
          type: 'ncco',
          ncco: [{ action: 'connect', endpoint: [{ type: 'phone', number: '15550100' }] }],
        },
      }),
    },
  },
]

for (const { name, make, hangup, transfer } of rows) {
  t.test(`${name}: calls are ended and transferred over its interface`, async t => {
    const { asked, fetch } = recorder()
    const control = make(fetch)
    await control.hangup?.(call, signal)
    t.same(asked.splice(0), [hangup])
    t.equal(control.transfer === undefined, transfer === undefined)
    if (transfer === undefined) return
    await control.transfer?.(call, 'tel:+15550100', signal)
    t.same(asked, [transfer])
    const refused = make(recorder(403, '{"code":20003}').fetch)
    await t.rejects(
      refused.transfer?.(call, 'sip:a@b', signal) ?? Promise.resolve(),
      /refused to transfer.*403.*credentials/,
    )
    await t.rejects(
      control.transfer?.({ ...call, callId: '../x', parameters: {} }, '1', signal) ?? Promise.resolve(),
      { code: 'SIP_OPTION' },
    )
  })
}

t.test('a call that has ended already is none to worry about', async t => {
  for (const { make } of rows) await make(recorder(404).fetch).hangup?.(call, signal)
  await telnyxControl({ apiKey: 'k', fetch: recorder(422, '{"errors":[{"code":"90018"}]}').fetch }).hangup?.(
    call,
    signal,
  )
  await t.rejects(
    telnyxControl({ apiKey: 'k', fetch: recorder(422).fetch }).hangup?.(call, signal) ?? Promise.resolve(),
    /422/,
  )
})

t.test('an interface that does not answer holds nobody', async t => {
  const results: string[] = []
  const control = telnyxControl({ apiKey: 'k', fetch: () => new Promise(() => {}) })
  const agent = agentOf(async session => {
    const { outcome, reason } = await session.transfer('tel:+15550101')
    results.push(`${outcome}: ${reason}`)
    await session.hangup()
  })
  const { errors, records } = await phoneWorld(
    { stream: { dialect: 'telnyx', auth: { kind: 'none' }, control }, agent },
    async (caller, { lab }) => {
      await lab.clock.sleep(25_000)
      await caller.isHungUp()
    },
  )
  t.match(results[0], /refused: .*within 10000 ms/)
  t.match(errors[0]?.message, /within 10000 ms/)
  t.same(
    records[0]?.transfers?.map(({ outcome }) => outcome),
    ['refused'],
  )
})

for (const { name, dialect, waits } of [
  { name: 'an agent that returns after its transfer', dialect: 'twilio', waits: true },
  { name: 'an agent that returns after its transfer', dialect: 'telnyx', waits: true },
  { name: 'an agent that does not wait for its transfer', dialect: 'telnyx', waits: false },
] as const) {
  t.test(`${dialect}: ${name} leaves the call to whom it went to, and does not end it`, async t => {
    const { asked, fetch } = recorder()
    const control =
      dialect === 'twilio'
        ? twilioControl({ authToken: 'tok', fetch })
        : telnyxControl({ apiKey: 'k', fetch })
    const agent = agentOf(async session => {
      const transfer = session.transfer('tel:+15550100')
      if (waits) t.equal((await transfer).outcome, 'unknown')
    })
    const { errors } = await phoneWorld(
      { stream: { dialect, auth: { kind: 'none' }, control }, agent },
      async (caller, { lab }) => {
        await lab.clock.sleep(2000)
        await caller.isHungUp()
      },
    )
    t.equal(asked.length, 1)
    t.match(asked[0]?.body, /15550100/)
    t.same(errors, [])
  })
}

t.test('a call whose transfer was refused is ended at the carrier as any other', async t => {
  const asked: string[] = []
  const control = telnyxControl({
    apiKey: 'k',
    fetch: url => {
      asked.push(new Request(url).url.split('/').at(-1) ?? '')
      return Promise.resolve(new Response('{}', { status: asked.length === 1 ? 422 : 200 }))
    },
  })
  const agent = agentOf(async session => {
    t.match(await session.transfer('tel:+15550100'), { outcome: 'refused', statusCode: 422 })
  })
  await phoneWorld(
    { stream: { dialect: 'telnyx', auth: { kind: 'none' }, control }, agent },
    async (caller, { lab }) => {
      await lab.clock.sleep(2000)
      await caller.isHungUp()
    },
  )
  t.same(asked, ['transfer', 'hangup'])
})

t.test('a second transfer while one is under way is refused, and the carrier hears of one only', async t => {
  const sent: string[] = []
  const agent = agentOf(async session => {
    const first = session.transfer('sip:a@example.com')
    t.match(await session.transfer('sip:b@example.com'), { outcome: 'refused', reason: /under way/ })
    t.match(await first, { outcome: 'transferred' })
  })
  await world({ stream: { dialect: 'offhook', auth: { kind: 'none' } }, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    connection.onMessage = data => {
      const { type, target } = JSON.parse(String(data)) as { type: string; target?: string }
      if (type === 'transfer') sent.push(target ?? '')
    }
    const audio = { encoding: 'L16', sampleRate: 8000, channels: 1, frameMs: 20 }
    connection.send(JSON.stringify({ type: 'start', streamId: 's', callId: 'c', audio }))
    await lab.clock.sleep(500)
    connection.send('{"type":"transferred","outcome":"transferred"}')
    await lab.clock.sleep(100)
  })
  t.same(sent, ['sip:a@example.com'])
})

t.test('the answers hold what they were given, whatever it is', async t => {
  const url = 'wss://voice.example.com/a?x=1&y="2"'
  const response = new twilio.twiml.VoiceResponse()
  const stream = response.connect().stream({ url: 'wss://voice.example.com/a?x=1&y=2' })
  stream.parameter({ name: 'a', value: `<&"'>` })
  const ours = twimlConnectStream({ url: 'wss://voice.example.com/a?x=1&y=2', parameters: { a: `<&"'>` } })
  t.same(readXml(Buffer.from(ours)), readXml(Buffer.from(response.toString())))
  assert(
    property(dictionary(string({ minLength: 1 }), string()), parameters => {
      const clean = Object.fromEntries(
        Object.entries(parameters).filter(
          pair => !/[^\x20-\x7e]/.test(pair.join('')) && pair.every(text => text.trim() === text),
        ),
      )
      for (const text of [
        twimlConnectStream({ url, parameters: clean }),
        texmlConnectStream({ url, parameters: clean }),
      ]) {
        const element = readXml(Buffer.from(text)).children[0]?.children[0]
        t.equal(element?.attributes.get('url'), url)
        const read = element?.children.map(
          ({ attributes }) => [attributes.get('name'), attributes.get('value')] as const,
        )
        t.same(new Map(read as [string, string][]), new Map(Object.entries(clean)))
      }
    }),
    { numRuns: 30 },
  )
  t.match(
    plivoStream({ url, parameters: { a: '1', b: '2' } }),
    /extraHeaders="a=1,b=2">wss:\/\/voice.example.com\/a\?x=1&amp;y=&quot;2&quot;</,
  )
  t.throws(() => plivoStream({ url, parameters: { a: '1;2' } }), /parameters\.a/)
  t.throws(() => twimlConnectStream({ url: 'https://x' }), /url:/)
  t.throws(() => escapeXml('\u0000'), /XML/)
  const [action] = JSON.parse(vonageNcco({ url, parameters: { uuid: 'u' }, sampleRate: 8000 })) as [
    { endpoint: object[] },
  ]
  t.same(action.endpoint, [
    {
      type: 'websocket',
      uri: url,
      'content-type': 'audio/l16;rate=8000',
      headers: { uuid: 'u' },
      authorization: { type: 'vonage' },
    },
  ])
})

t.test('webhooks: signed as each carrier does, answered in its words', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
  const now = 1_800_000_000_000
  const url = 'https://voice.example.com/hook'
  const form = 'CallSid=CA1&From=%2B15550100&To=%2B15550199'
  const json = '{"uuid":"u1","from":"15550100","to":"15550199"}'
  const cases: readonly (readonly [DialectName, StreamAuth, string, Record<string, string>, RegExp])[] = [
    [
      'twilio',
      { kind: 'twilio', authToken: 't' },
      form,
      { 'x-twilio-signature': twilioSignature('t', url, new URLSearchParams(form)) },
      /<Connect><Stream url="wss:\/\/v\/in"><Parameter name="from" value="\+15550100"\/>/,
    ],
    [
      'telnyx',
      { kind: 'telnyx', streamToken: 't', publicKey: key },
      form,
      { ...signTelnyxWebhook({ privateKey, body: form, now }) },
      /bidirectionalMode="rtp"/,
    ],
    [
      'plivo',
      { kind: 'plivo', authToken: 't' },
      form,
      {
        'x-plivo-signature-v3-nonce': 'n',
        'x-plivo-signature-v3': plivoSignature({
          authToken: 't',
          method: 'POST',
          url,
          nonce: 'n',
          body: form,
        }),
      },
      /extraHeaders="from=\+15550100,to=\+15550199"/,
    ],
    [
      'vonage',
      { kind: 'vonage', secret: 's' },
      json,
      { authorization: `Bearer ${signVonageToken({ secret: 's', now, body: json })}` },
      /"uuid":"u1"/,
    ],
    ['twilio', { kind: 'token', token: 't' }, form, { authorization: 'Bearer t' }, /<Stream/],
    [
      'twilio',
      { kind: 'basic', username: 'u', password: 'p' },
      form,
      { authorization: basic('u', 'p') },
      /<Stream/,
    ],
    ['twilio', { kind: 'none' }, form, {}, /<Stream/],
  ]
  for (const [name, auth, body, signed, expected] of cases) {
    const type = body === json ? 'application/json' : 'application/x-www-form-urlencoded'
    const headers = new Map(Object.entries({ ...signed, 'content-type': type }))
    const remote = { address: '10.0.0.1', port: 1, family: 4 } as const
    const request: HttpRequest = {
      method: 'POST',
      url: '/hook',
      headers,
      body: Buffer.from(body),
      remote,
      secure: true,
    }
    authoriseWebhook(auth, request, url, now)
    const dialect = dialectNamed(name)
    const answer = webhookAnswer({ path: '/in', dialect, auth }, 'wss://v/in', webhookFields(request))
    t.equal(answer.status, 200)
    t.match(String(answer.body), expected)
    if (auth.kind === 'none') continue
    t.throws(
      () => authoriseWebhook(auth, { ...request, headers: new Map([['content-type', type]]) }, url, now),
      /no .* header|has none/,
    )
    if (auth.kind === 'token' || auth.kind === 'basic') continue
    t.throws(
      () => authoriseWebhook(auth, { ...request, body: Buffer.from(`${body}&x=1`) }, url, now),
      /does not fit|is not that of/,
    )
  }
  const telnyx = { kind: 'telnyx', streamToken: 't' } as const
  t.throws(() => authoriseWebhook(telnyx, { headers: new Map() } as never, url, now), /publicKey/)
})
