import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { TransferRequest } from '../../src/call/transfer-request.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'
import { RawPhone } from './raw-phone.ts'

interface Stage {
  readonly lab: Lab
  readonly phone: RawPhone
  readonly call: Call
  readonly requests: TransferRequest[]
}

/** A phone that asks us to call a desk, message by message. */
async function withCall(script: (stage: Stage) => Promise<void>): Promise<number> {
  const lab = createLab({ network: { delayMs: 10 } })
  const agent = await lab.endpoint('agent.lab', { rtp: { timeoutMs: 0 } })
  const desk = await lab.endpoint('desk.lab', { rtp: { timeoutMs: 0 } })
  void agent.serve(() => {})
  void desk.serve(async call => {
    const user = call.invite.uri.kind === 'sip' ? call.invite.uri.user : ''
    if (user === 'busy') return call.reject(486)
    if (user === 'rings') {
      call.ring()
      await call.sleep(3000)
    }
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const phone = await RawPhone.in(lab)
    const call = await agent.call(phone.uri)
    phone.onRequest = request => request.method === 'NOTIFY' && (phone.respond(request, 200), true)
    const requests: TransferRequest[] = []
    call.on('transfer', request => requests.push(request))
    await script({ lab, phone, call, requests })
  })
  return lab.clock.pendingTimers
}

/** What the phone was told: body and Subscription-State of each NOTIFY. */
function told(phone: RawPhone): string[] {
  return phone
    .ofMethod('NOTIFY')
    .map(
      ({ body, headers }) =>
        `${Buffer.from(body).toString().trim()} | ${headers.get('Subscription-State')?.replace(/=\d+/, '=N') ?? ''}`,
    )
}

async function refer(stage: Stage, referTo: string, headers: [string, string][] = []): Promise<void> {
  stage.phone.request('REFER', [['Refer-To', referTo], ...headers])
  await stage.lab.clock.sleep(100)
}

t.test('202, and a NOTIFY for every step (RFC 3515 §2.4.4)', async t => {
  const left = await withCall(async stage => {
    const { phone, requests, lab } = stage
    await refer(stage, '<sip:rings@desk.lab>', [['Referred-By', '<sip:boss@example.com>']])
    const [request] = requests
    const next = request?.accept()
    await lab.clock.sleep(4000)
    t.same(phone.statuses('REFER'), [202])
    t.same(told(phone), [
      'SIP/2.0 100 Trying | active;expires=N',
      'SIP/2.0 180 Ringing | active;expires=N',
      'SIP/2.0 200 OK | terminated;reason=noresource',
    ])
    const [notify] = phone.ofMethod('NOTIFY')
    t.equal(notify?.headers.get('Event'), `refer;id=101`)
    t.equal(notify?.headers.get('Content-Type'), 'message/sipfrag;version=2.0')
    t.ok(notify?.headers.has('Contact'))
    const placed = await next
    t.equal(placed?.headers.get('Referred-By'), '<sip:boss@example.com>')
    await t.rejects(async () => void (await request?.accept()), { code: 'SIP_STATE' })
    await placed?.hangup()
  })
  t.equal(left, 0)
})

t.test('the target refuses: the phone is told the status', async t => {
  await withCall(async stage => {
    await refer(stage, '<sip:busy@desk.lab>')
    await t.rejects(async () => void (await stage.requests[0]?.accept()), { message: /486/ })
    await stage.lab.clock.sleep(100)
    t.same(told(stage.phone), [
      'SIP/2.0 100 Trying | active;expires=N',
      'SIP/2.0 486 Busy Here | terminated;reason=noresource',
    ])
    t.equal(stage.call.state, 'confirmed')
  })
})

t.test('Refer-Sub: false is granted and kept (RFC 4488 §4)', async t => {
  await withCall(async stage => {
    await refer(stage, '<sip:desk@desk.lab>', [['Refer-Sub', 'false']])
    const next = await stage.requests[0]?.accept()
    await stage.lab.clock.sleep(100)
    t.same(told(stage.phone), [])
    t.equal(stage.phone.responses.at(-1)?.headers.get('Refer-Sub'), 'false')
    await next?.hangup()
  })
})

t.test('a phone that answers a NOTIFY 481 gets no more; one that hangs up neither', async t => {
  await withCall(async stage => {
    const { phone } = stage
    phone.onRequest = request => request.method === 'NOTIFY' && (phone.respond(request, 481), true)
    await refer(stage, '<sip:rings@desk.lab>')
    const next = await stage.requests[0]?.accept()
    t.equal(phone.ofMethod('NOTIFY').length, 1)
    await next?.hangup()
  })
  await withCall(async stage => {
    const { phone } = stage
    await refer(stage, '<sip:rings@desk.lab>')
    const next = stage.requests[0]?.accept()
    await stage.lab.clock.sleep(500)
    phone.request('BYE')
    const placed = await next
    t.equal(placed?.state, 'confirmed', 'the new call is not hurt by the end of the old one')
    t.same(told(phone).length, 2)
    await placed?.hangup()
  })
})

const refused: readonly (readonly [name: string, headers: [string, string][], status: number])[] = [
  ['no Refer-To', [], 400],
  [
    'two of them',
    [
      ['Refer-To', '<sip:a@desk.lab>'],
      ['Refer-To', '<sip:b@desk.lab>'],
    ],
    400,
  ],
  ['one that cannot be read', [['Refer-To', '<sip:>']], 400],
  ['a scheme that cannot be called', [['Refer-To', '<mailto:a@desk.lab>']], 416],
  ['another method', [['Refer-To', '<sip:a@desk.lab;method=SUBSCRIBE>']], 603],
  ['a Replaces that cannot be read', [['Refer-To', '<sip:a@desk.lab?Replaces=x>']], 400],
]

for (const [name, headers, status] of refused) {
  t.test(`a REFER with ${name} is answered ${status} (RFC 3515 §2.4.2)`, async t => {
    await withCall(async ({ phone, requests, lab }) => {
      phone.request('REFER', headers)
      await lab.clock.sleep(100)
      t.same(phone.statuses('REFER'), [status])
      t.same(requests, [])
    })
  })
}

t.test('one question at a time: a second REFER is answered 491; after the end the first is 481', async t => {
  const left = await withCall(async stage => {
    await refer(stage, '<sip:a@desk.lab>')
    await refer(stage, '<sip:b@desk.lab>')
    t.same(stage.phone.statuses('REFER'), [491])
    await stage.call.hangup()
    await stage.lab.clock.sleep(100)
    t.same(stage.phone.statuses('REFER'), [491, 481])
    t.equal(stage.requests[0]?.decided, true)
  })
  t.equal(left, 0)
})

t.test('a REFER outside any call is declined, one in an unknown call is answered 481', async t => {
  await withCall(async ({ phone, lab, requests }) => {
    phone.outside('REFER', [['Refer-To', '<sip:a@desk.lab>']])
    await lab.clock.sleep(100)
    phone.outside('REFER', [['Refer-To', '<sip:a@desk.lab>']], 'nobody')
    await lab.clock.sleep(100)
    t.same(phone.statuses('REFER'), [603, 481])
    t.same(requests, [])
  })
})
