import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import type { DtmfDigit, DtmfSettings } from '../../src/index.ts'
import type { SipRequest } from '../../src/sip/message/message.ts'
import { createLab } from '../../src/testing/lab.ts'
import { Trace } from '../../src/trace/trace.ts'
import { RawPhone } from './raw-phone.ts'

interface Outcome {
  readonly digits: DtmfDigit[]
  readonly starts: string[]
  readonly merged: number
}

/** A phone calls an agent; what the agent gets of what the phone does. */
async function between(
  agent: DtmfSettings,
  phone: DtmfSettings,
  act: (call: Call, answered: IncomingCall) => Promise<void>,
): Promise<Outcome> {
  const lab = createLab({ network: { delayMs: 20, jitterMs: 5 } })
  const callee = await lab.endpoint('agent.lab', { dtmf: agent })
  const caller = await lab.endpoint('phone.lab')
  const outcome = { digits: [] as DtmfDigit[], starts: [] as string[], merged: 0 }
  let up: IncomingCall | undefined
  void callee.serve(async call => {
    up = call
    call.on('dtmfStart', ({ digit }) => outcome.starts.push(digit))
    await call.answer()
    const digits = call.dtmf()
    for await (const digit of digits) outcome.digits.push(digit)
  })
  await lab.run(async () => {
    const call = await caller.call('sip:agent@agent.lab', { dtmf: phone })
    await call.sleep(300)
    await act(call, up!)
    await call.sleep(1000)
    outcome.merged = (up!.media.stats() as { dtmfMerged: number }).dtmfMerged
    await call.hangup()
  })
  return outcome
}

const pressed = ({ digits }: Outcome): string => digits.map(({ digit }) => digit).join('')
const roads = ({ digits }: Outcome): string[] => [...new Set(digits.map(({ via }) => via))]

const rows: [what: string, agent: DtmfSettings, phone: DtmfSettings, road: string][] = [
  ['events where they are agreed on', {}, {}, 'rtp'],
  ['INFO where there are none and Allow names it', { receive: ['info'], send: 'info' }, {}, 'info'],
  ['INFO when asked for', {}, { send: 'info' }, 'info'],
  ['tones when asked for', { inband: 'always' }, { send: 'inband' }, 'inband'],
  ['tones of a peer without events', { send: 'inband', receive: ['inband'] }, { send: 'inband' }, 'inband'],
]
for (const [what, agent, phone, road] of rows) {
  t.test(`digits go by ${what}, and come back out as one stream`, async t => {
    const outcome = await between(agent, phone, call => call.sendDtmf('1590*#ABCD55', { durationMs: 100 }))
    t.equal(pressed(outcome), '1590*#ABCD55')
    t.same(roads(outcome), [road])
    t.same(outcome.starts, '1590*#ABCD55'.split(''), 'each was told of as it began')
    for (const { durationMs } of outcome.digits) t.ok(Math.abs(durationMs - 100) <= 10, `${durationMs} ms`)
  })
}

t.test('each digit may name its road, and they stay in order', async t => {
  const outcome = await between({ inband: 'always' }, {}, async call => {
    await Promise.all([
      call.sendDtmf('12', { via: 'info' }),
      call.sendDtmf('34', { via: 'rtp' }),
      call.sendDtmf('56', { via: 'inband' }),
      call.sendDtmf('78'),
    ])
  })
  t.equal(pressed(outcome), '12345678')
  t.same(
    outcome.digits.map(({ via }) => via),
    ['info', 'info', 'rtp', 'rtp', 'inband', 'inband', 'rtp', 'rtp'],
  )
})

t.test('a digit that comes by two roads is delivered once, and again when it is pressed again', async t => {
  const both = await between({}, {}, async call => {
    for (const digit of '5577') {
      const body = { contentType: 'application/dtmf-relay', body: `Signal=${digit}\r\nDuration=100` }
      await Promise.all([call.sendDtmf(digit, { durationMs: 100 }), call.request('INFO', { body })])
    }
  })
  t.equal(pressed(both), '5577')
  t.equal(both.merged, 4)
  t.equal(both.starts.length, 4)
})

t.test('INFO is answered: 200 a digit, 400 none, 415 what is something else, with what would do', async t => {
  const statuses: (number | string | undefined)[] = []
  const outcome = await between({}, {}, async call => {
    const bodies = [
      ['application/dtmf-relay', 'Signal=11\r\nDuration=100'],
      ['application/dtmf', '9'],
      ['application/dtmf-relay', 'Duration=100'],
      ['text/plain', 'hello'],
    ] as const
    for (const [contentType, body] of bodies) {
      const response = await call.request('INFO', { body: { contentType, body } })
      statuses.push(response.statusCode, response.headers.get('Accept'))
    }
    const packaged = await call.request('INFO', {
      headers: [['Info-Package', 'foo']],
      body: { contentType: 'application/dtmf', body: '8' },
    })
    statuses.push(packaged.statusCode)
  })
  t.same(statuses, [
    200,
    undefined,
    200,
    undefined,
    400,
    undefined,
    415,
    'application/dtmf-relay, application/dtmf, application/hook-flash',
    469,
  ])
  t.equal(pressed(outcome), '#9')
})

t.test('digits by INFO that are not wanted are refused, and a handler of INFO sees them all', async t => {
  const seen: string[] = []
  let status = 0
  const unwanted = await between({ receive: ['rtp'] }, {}, async (call, answered) => {
    const body = { contentType: 'application/dtmf', body: '9' }
    status = (await call.request('INFO', { body })).statusCode
    answered.onRequest('INFO', ({ request }) => void seen.push(Buffer.from(request.body).toString()))
    await call.request('INFO', { body })
  })
  t.equal(status, 415)
  t.same(seen, ['9'])
  t.equal(pressed(unwanted), '')
})

/** A phone without telephone events is called and digits are sent to it. */
async function toPhone(
  answer: (phone: RawPhone, info: SipRequest) => void,
  options: { readonly allow?: string; readonly dtmf?: DtmfSettings; readonly digits?: string } = {},
): Promise<{ readonly phone: RawPhone; readonly error: unknown; readonly sent: number }> {
  const lab = createLab()
  const phone = await RawPhone.in(lab)
  if (options.allow !== undefined) phone.answerHeaders = [['Allow', options.allow]]
  phone.onRequest = request => {
    if (request.method !== 'INFO') return false
    answer(phone, request)
    return true
  }
  const caller = await lab.endpoint('caller.lab')
  let error: unknown
  let sent = 0
  await lab.run(async () => {
    const call = await caller.call(phone.uri, {
      trunk: {
        aor: 'sip:acme@trunk.example',
        credentials: { username: 'acme', password: 'secret' },
        dtmf: options.dtmf ?? {},
      },
    })
    await call.sleep(100)
    await call.sendDtmf(options.digits ?? '12').catch((reason: unknown) => {
      error = reason
    })
    sent = call.media.stats().dtmfSent
    await call.hangup()
  })
  return { phone, error, sent }
}

const bodies = (phone: RawPhone): string[] =>
  phone
    .ofMethod('INFO')
    .map(
      request =>
        `${request.headers.get('Content-Type')} ${Buffer.from(request.body).toString().split('\r\n').join(' ').trim()}`,
    )

t.test('INFO that the trunk challenges is sent again with an answer to it', async t => {
  const { phone, error } = await toPhone(
    (phone, info) => {
      const challenge: [string, string] = ['WWW-Authenticate', 'Digest realm="trunk.example", nonce="abc"']
      if (info.headers.has('Authorization')) phone.respond(info, 200)
      else phone.respond(info, 401, [challenge])
    },
    { allow: 'INVITE, ACK, BYE, INFO' },
  )
  t.equal(error, undefined)
  const authorised = phone.ofMethod('INFO').filter(({ headers }) => headers.has('Authorization'))
  t.same(
    authorised.map(({ body }) => Buffer.from(body).toString()),
    ['Signal=1\r\nDuration=160\r\n', 'Signal=2\r\nDuration=160\r\n'],
  )
})

t.test('who answers 415 to dtmf-relay gets application/dtmf', async t => {
  const { phone, error, sent } = await toPhone(
    (phone, info) => phone.respond(info, info.headers.get('Content-Type') === 'application/dtmf' ? 200 : 415),
    { allow: 'INVITE,INFO' },
  )
  t.equal(error, undefined)
  t.equal(sent, 2)
  t.same(bodies(phone), [
    'application/dtmf-relay Signal=1 Duration=160',
    'application/dtmf 1',
    'application/dtmf 2',
  ])
})

const refuse = (phone: RawPhone, info: SipRequest): void => phone.respond(info, 405)

t.test('who refuses INFO in spite of Allow gets tones; who was to get nothing else, an error', async t => {
  const auto = await toPhone(refuse, { allow: 'INVITE, INFO' })
  t.equal(auto.error, undefined)
  t.equal(auto.phone.ofMethod('INFO').length, 1)
  t.equal(auto.sent, 2)
  const only = await toPhone(refuse, { allow: 'INVITE, INFO', dtmf: { send: 'info' } })
  t.match(only.error, { code: 'SIP_STATE', message: /INFO/ })
  t.equal(only.sent, 0)
  const tones = await toPhone(refuse, { allow: 'INVITE, ACK, BYE' })
  t.equal(tones.phone.ofMethod('INFO').length, 0, 'its Allow names no INFO')
  t.equal(tones.sent, 2)
})

t.test('a trace masks digits whichever road they come by', async t => {
  const lab = createLab()
  const callee = await lab.endpoint('agent.lab')
  const caller = await lab.endpoint('phone.lab')
  const trace = new Trace({ endpoint: callee, maskDigits: true })
  void callee.serve(async call => {
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const call = await caller.call('sip:agent@agent.lab')
    await call.sendDtmf('73', { via: 'info' })
    await call.sendDtmf('91', { via: 'rtp' })
    await call.sleep(200)
    await call.hangup()
  })
  const record = trace.record(trace.calls[0] ?? '')
  t.match(record, { personal: { digitsReceived: '****' } })
  t.notMatch(trace.ladder(trace.calls[0] ?? ''), /Signal=/)
  trace.close()
})

t.test('options that make no sense are refused by name', async t => {
  const lab = createLab()
  const bad: [object, string][] = [
    [{ receive: ['sms'] }, 'dtmf.receive'],
    [{ receive: 'rtp' }, 'dtmf.receive'],
    [{ send: 'fax' }, 'dtmf.send'],
    [{ inband: 'never' }, 'dtmf.inband'],
  ]
  for (const [dtmf, field] of bad)
    await t.rejects(lab.endpoint('x.lab', { dtmf }), { code: 'SIP_OPTION', field })
})
