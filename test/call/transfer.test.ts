import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { Endpoint } from '../../src/call/endpoint.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import type { TransferRequest } from '../../src/call/transfer-request.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { SipResponseError } from '../../src/sip/dialog/errors.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'
import { RawPhone } from './raw-phone.ts'

interface Party {
  readonly endpoint: Endpoint
  readonly uri: string
  /** Calls it was given, in order. */
  readonly calls: IncomingCall[]
}

interface Office {
  readonly lab: Lab
  readonly alice: Party
  readonly bob: Party
  readonly carol: Party
}

type Behaviour = (call: IncomingCall) => Promise<void> | void

const answers: Behaviour = async call => {
  await call.answer()
  await call.ended
}

/** Alice has Bob on the line and Carol at the desk. */
async function office(
  script: (office: Office) => Promise<void>,
  behaviours: Partial<Record<'alice' | 'bob' | 'carol', Behaviour>> = {},
): Promise<void> {
  const lab = createLab({ network: { delayMs: 15 } })
  const party = async (name: 'alice' | 'bob' | 'carol'): Promise<Party> => {
    const endpoint = await lab.endpoint(`${name}.lab`, { rtp: { timeoutMs: 0 } })
    const calls: IncomingCall[] = []
    void endpoint.serve(async call => {
      calls.push(call)
      await (behaviours[name] ?? answers)(call)
    })
    return { endpoint, uri: `sip:${name}@${name}.lab`, calls }
  }
  const [alice, bob, carol] = [await party('alice'), await party('bob'), await party('carol')]
  await lab.run(() => script({ lab, alice, bob, carol }))
  // The last ACK may still be on its way.
  await lab.clock.advance(100)
  t.equal(lab.clock.pendingTimers, 0, 'nothing is left behind')
}

/** Whether what one end says now is heard at the other, and loudest of all it hears. */
async function hears(lab: Lab, from: Call, to: Call): Promise<boolean> {
  const heard = ear(to)
  // What waited for its first reader comes at once.
  await lab.clock.sleep(40)
  from.media.output.clear()
  const before = heard.length
  void from.media.output.write(tone({ sampleRate: 8000, hz: 600, durationMs: 600 }))
  await lab.clock.sleep(700)
  const samples = Int16Array.from(heard.slice(before + 2400, before + 3200))
  return samples.length === 800 && goertzelDbfs(samples, 8000, 600) > -25
}

const ears = new WeakMap<Call, number[]>()

/** Everything a call has brought since it was first listened to. */
function ear(call: Call): number[] {
  const known = ears.get(call)
  if (known !== undefined) return known
  const heard: number[] = []
  ears.set(call, heard)
  void (async () => {
    for await (const { samples } of call.media.input) heard.push(...samples)
  })()
  return heard
}

/** An INVITE refused with that status. */
function refused(statusCode: number): { code: string; message: RegExp } {
  return { code: 'SIP_RESPONSE', message: new RegExp(`answered ${statusCode}`) }
}

/** Takes every transfer; the call it led to. */
function accepting(
  call: Call,
  options: Parameters<TransferRequest['accept']>[0] = {},
): Promise<{ request: TransferRequest; next: unknown }> {
  return new Promise(resolve => {
    call.once('transfer', request => {
      request.accept(options).then(
        next => resolve({ request, next }),
        (error: unknown) => resolve({ request, next: error }),
      )
    })
  })
}

t.test('a blind transfer: Bob ends up with Carol, and hears her (RFC 3515, RFC 5589 §6)', async t => {
  await office(
    async ({ lab, alice, bob, carol }) => {
      const seen: number[] = []
      const call = await alice.endpoint.call(bob.uri)
      const taken = accepting(bob.calls[0] as Call)
      const result = await call.transfer(carol.uri, { onProgress: ({ statusCode }) => seen.push(statusCode) })
      t.match(result, { outcome: 'transferred', cause: 'notified', statusCode: 200, reason: 'OK' })
      t.same(seen, [100, 200])
      const { request, next } = await taken
      t.equal(request.target.uri.toString(), carol.uri)
      t.equal(request.attended, false)
      t.match(request.referredBy?.uri.toString(), /^sip:offhook@/)
      const atBob = next as Call
      const atCarol = carol.calls[0] as IncomingCall
      t.match(atCarol.headers.get('Referred-By'), /<sip:offhook@/)
      t.match(atCarol.remote.uri.toString(), /^sip:bob@bob\.lab/, 'he calls as who he is')
      t.notOk(atCarol.replaces)
      t.ok(await hears(lab, atBob, atCarol), 'Carol hears Bob')
      t.ok(await hears(lab, atCarol, atBob), 'Bob hears Carol')
      await lab.clock.sleep(2500)
      t.match(await call.ended, { cause: 'hangup', by: 'local' }, 'Alice leaves after a while')
      t.equal(atBob.state, 'confirmed')
      await atBob.hangup()
    },
    {
      bob: async call => {
        await call.answer()
        await call.ended
      },
    },
  )
})

t.test(
  'an attended transfer: Carol’s call with Alice becomes one with Bob (RFC 3891, RFC 5589 §7)',
  async t => {
    for (const whoCalls of ['alice', 'carol'] as const) {
      await office(async ({ lab, alice, bob, carol }) => {
        const call = await alice.endpoint.call(bob.uri)
        const taken = accepting(bob.calls[0] as Call)
        await call.hold()
        const consultation =
          whoCalls === 'alice' ? await alice.endpoint.call(carol.uri) : await consulted(carol, alice)
        const before = whoCalls === 'alice' ? (carol.calls[0] as Call) : await consultant
        const result = await call.transfer(consultation)
        t.match(result, { outcome: 'transferred', statusCode: 200 })
        const { request, next } = await taken
        t.equal(request.attended, true)
        const atBob = next as Call
        const atCarol = carol.calls.at(-1) as IncomingCall
        t.equal(atCarol.replaces, before, 'Carol’s handler is told which call it replaces')
        t.match(await before.ended, { by: 'local', cause: 'hangup' }, 'Carol hung up on Alice')
        t.match(await consultation.ended, { by: 'remote', cause: 'hangup' })
        t.ok(await hears(lab, atBob, atCarol))
        t.ok(await hears(lab, atCarol, atBob))
        await atBob.hangup()
      })
    }
  },
)

t.test(
  'a call answered after early media takes the place of the other when the ACK has come, no earlier',
  async t => {
    const stateAtAnswer: (string | undefined)[] = []
    await office(
      async ({ alice, bob, carol }) => {
        const call = await alice.endpoint.call(bob.uri)
        const taken = accepting(bob.calls[0] as Call)
        const consultation = await alice.endpoint.call(carol.uri)
        t.match(await call.transfer(consultation), { outcome: 'transferred' })
        t.match(await consultation.ended, { by: 'remote', cause: 'hangup' })
        t.same(stateAtAnswer, [undefined, 'confirmed'])
        const { next } = await taken
        await (next as Call).hangup()
      },
      {
        carol: async call => {
          await call.progress()
          await call.answer()
          stateAtAnswer.push(call.replaces?.state)
          await call.ended
        },
      },
    )
  },
)

let consultant: Promise<Call> = Promise.reject(new Error('nobody consulted'))
consultant.catch(() => {})

/** Carol calls Alice; Alice's end of it. */
async function consulted(carol: Party, alice: Party): Promise<Call> {
  consultant = carol.endpoint.call(alice.uri)
  await consultant
  return alice.calls.at(-1) as Call
}

t.test('the target refuses: Bob hears of it, and Alice still has him', async t => {
  await office(
    async ({ lab, alice, bob }) => {
      const call = await alice.endpoint.call(bob.uri)
      const taken = accepting(bob.calls[0] as Call)
      const result = await call.transfer('sip:carol@carol.lab', { hold: true })
      t.match(result, { outcome: 'failed', cause: 'notified', statusCode: 486, reason: 'Busy Here' })
      const { next } = await taken
      t.ok(next instanceof SipResponseError && next.statusCode === 486, 'accept() throws what call() throws')
      t.ok(await hears(lab, call, bob.calls[0] as Call))
      t.ok(await hears(lab, bob.calls[0] as Call, call))
    },
    { carol: call => call.reject(486) },
  )
})

t.test('nobody listens: 603, and the call goes on; reject() says what it is told', async t => {
  await office(async ({ alice, bob, carol }) => {
    const call = await alice.endpoint.call(bob.uri)
    t.match(await call.transfer(carol.uri), { outcome: 'refused', statusCode: 603 })
    bob.calls[0]?.once('transfer', request => request.reject(403, { reasonPhrase: 'Not You' }))
    t.match(await call.transfer(carol.uri), { outcome: 'refused', statusCode: 403, reason: 'Not You' })
    bob.calls[0]?.once('transfer', () => {})
    t.match(await call.transfer(carol.uri), { outcome: 'refused', statusCode: 603 }, 'after 20 s')
    t.equal(call.state, 'confirmed')
    t.equal(carol.calls.length, 0)
  })
})

t.test('the transfer is asked for by the side that was called', async t => {
  await office(async ({ alice, bob, carol }) => {
    const call = await alice.endpoint.call(bob.uri)
    const taken = accepting(call)
    t.match(await (bob.calls[0] as Call).transfer(carol.uri), { outcome: 'transferred' })
    await ((await taken).next as Call).hangup()
  })
})

t.test('with Refer-Sub: false nobody is told, and the call is placed (RFC 4488)', async t => {
  await office(async ({ alice, bob, carol }) => {
    const call = await alice.endpoint.call(bob.uri)
    const taken = accepting(bob.calls[0] as Call)
    t.match(await call.transfer(carol.uri, { notify: false }), { outcome: 'unknown', cause: 'no-notify' })
    const next = (await taken).next as Call
    t.equal(next.state, 'confirmed')
    t.equal(carol.calls.length, 1)
    await next.hangup()
  })
})

t.test('headers in the Refer-To: harmless ones are passed on, others are not (RFC 3261 §19.1.5)', async t => {
  await office(async ({ alice, bob, carol }) => {
    const call = await alice.endpoint.call(bob.uri)
    const taken = accepting(bob.calls[0] as Call)
    await call.transfer(carol.uri, {
      targetHeaders: [
        ['X-Ticket', 'a=1&b;"2"'],
        ['Subject', 'hello, you'],
        ['P-Asserted-Identity', '<sip:boss@example.com>'],
        ['Authorization', 'Digest x="y"'],
      ],
    })
    const { next } = await taken
    const { headers } = carol.calls[0] as Call
    t.equal(headers.get('X-Ticket'), 'a=1&b;"2"')
    t.equal(headers.get('Subject'), 'hello, you')
    t.notOk(headers.has('P-Asserted-Identity'))
    t.notOk(headers.has('Authorization'))
    await (next as Call).hangup()
  })
})

t.test('a number is called where the referrer is at home, at the trunk, or where we say', async t => {
  await office(async ({ alice, bob, carol }) => {
    const call = await alice.endpoint.call(bob.uri, { from: 'sip:alice@carol.lab' })
    const taken = accepting(bob.calls[0] as Call)
    t.match(await call.transfer('tel:+15550100'), { outcome: 'transferred' })
    t.equal(carol.calls[0]?.invite.requestUri, 'sip:+15550100@carol.lab;user=phone')
    await ((await taken).next as Call).hangup()
  })
  await office(async ({ alice, bob, carol }) => {
    const call = await alice.endpoint.call(bob.uri)
    const taken = accepting(bob.calls[0] as Call, { target: 'sip:100@carol.lab' })
    t.match(await call.transfer('tel:+15550100'), { outcome: 'transferred' })
    t.equal(carol.calls[0]?.invite.requestUri, 'sip:100@carol.lab')
    await ((await taken).next as Call).hangup()
  })
})

t.test('a target that does not support Replaces: said, and nothing sent, unless forced', async t => {
  await office(async ({ lab, alice, bob }) => {
    const phone = await RawPhone.in(lab)
    phone.answerHeaders = [['Supported', 'timer, 100rel']]
    const call = await alice.endpoint.call(bob.uri)
    const consultation = await alice.endpoint.call(phone.uri)
    t.match(await call.transfer(consultation), { outcome: 'refused', cause: 'replaces-unsupported' })
    t.equal(call.state, 'confirmed')
    const taken = accepting(bob.calls[0] as Call)
    const forced = call.transfer(consultation, { force: true, hangupAfterMs: 0 })
    t.match(await forced, { outcome: 'transferred' })
    const invite = phone.ofMethod('INVITE').at(-1)
    const own = phone.ofMethod('INVITE')[0]
    t.equal(
      invite?.headers.get('Replaces'),
      `${consultation.callId};to-tag=phone;from-tag=${own?.from.tag ?? ''}`,
      'to-tag is the target’s own (RFC 3891 §4)',
    )
    t.equal(invite?.headers.get('Require'), 'replaces')
    await consultation.ended
    await ((await taken).next as Call).hangup()
  })
})

t.test('INVITE with Replaces: every situation of RFC 3891 §3', async t => {
  await office(async ({ lab, alice, bob, carol }) => {
    const call = await alice.endpoint.call(carol.uri)
    const atCarol = carol.calls[0] as IncomingCall
    const [to, from] = [atCarol.dialog?.localTag ?? '', atCarol.dialog?.remoteTags[0] ?? '']
    const id = call.callId
    const rows: readonly (readonly [value: string, status: number])[] = [
      [`nobody;to-tag=${to};from-tag=${from}`, 481],
      [`${id};to-tag=${from};from-tag=${to}`, 481],
      [`${id};to-tag=${to};from-tag=x`, 481],
      [`${id};to-tag=${to};from-tag=${from};early-only`, 486],
      [`${id};to-tag=${to}`, 400],
    ]
    for (const [value, status] of rows) {
      const attempt = bob.endpoint.call(carol.uri, { headers: [['Replaces', value]] })
      await t.rejects(attempt, refused(status), value)
    }
    const twice = [`${id};to-tag=${to};from-tag=${from}`, `${id};to-tag=${to};from-tag=${from}`]
    await t.rejects(
      bob.endpoint.call(carol.uri, { headers: twice.map(value => ['Replaces', value]) }),
      refused(400),
    )
    t.equal(carol.calls.length, 1, 'none of them reached a handler')
    t.equal(call.state, 'confirmed')
    await call.hangup()
    await lab.clock.sleep(100)
    await t.rejects(
      bob.endpoint.call(carol.uri, { headers: [['Replaces', twice[0] ?? '']] }),
      refused(603),
      'a call that is over is declined',
    )
  })
})

t.test('a handler that refuses the new call leaves the old one as it was', async t => {
  await office(
    async ({ lab, alice, bob, carol }) => {
      const call = await alice.endpoint.call(carol.uri)
      const { localTag = '', remoteTags = [] } = (carol.calls[0] as IncomingCall).dialog ?? {}
      const value = `${call.callId};to-tag=${localTag};from-tag=${remoteTags[0] ?? ''}`
      await t.rejects(bob.endpoint.call(carol.uri, { headers: [['Replaces', value]] }), refused(403))
      t.ok(await hears(lab, call, carol.calls[0] as Call))
    },
    { carol: call => (call.replaces === undefined ? answers(call) : call.reject(403)) },
  )
})

t.test('a phone we ring is picked up elsewhere: our INVITE is cancelled (RFC 3891 §3, early)', async t => {
  await office(
    async ({ lab, alice, bob, carol }) => {
      const ringing = carol.endpoint.call(bob.uri)
      const failed = t.rejects(ringing, 'it was taken away')
      await lab.clock.sleep(200)
      const out = carol.endpoint.calls[0] as Call
      const { localTag = '', remoteTags = [] } = out.dialog ?? {}
      const value = `${out.callId};to-tag=${localTag};from-tag=${remoteTags[0] ?? ''};early-only`
      const picked = await alice.endpoint.call(carol.uri, { headers: [['Replaces', value]] })
      t.equal(carol.calls[0]?.replaces, out)
      await failed
      t.match(await (bob.calls[0] as Call).ended, { cause: 'cancelled' })
      await picked.hangup()
    },
    {
      bob: async call => {
        call.ring()
        await call.ended
      },
    },
  )
})

t.test('one that rings here is not taken from outside: 481 (RFC 3891 §3)', async t => {
  await office(
    async ({ lab, alice, bob, carol }) => {
      const ringing = alice.endpoint.call(carol.uri)
      ringing.catch(() => {})
      await lab.clock.sleep(100)
      const { callId, localTag = '', remoteTags = [] } = (carol.calls[0] as IncomingCall).dialog ?? {}
      const value = `${callId ?? ''};to-tag=${localTag};from-tag=${remoteTags[0] ?? ''}`
      await t.rejects(bob.endpoint.call(carol.uri, { headers: [['Replaces', value]] }), refused(481))
      carol.calls[0]?.reject()
    },
    {
      carol: async call => {
        call.ring()
        await call.ended
      },
    },
  )
})
