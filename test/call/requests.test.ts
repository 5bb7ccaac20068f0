import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { Endpoint } from '../../src/call/endpoint.ts'
import type { EndpointOptions } from '../../src/call/options.ts'
import { durationLimit, ringLimit } from '../../src/call/control-options.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import type { RequestHandlers } from '../../src/call/requests.ts'
import { type Lab, createLab } from '../../src/testing/lab.ts'

const target = 'sip:agent@agent.lab'

interface Pair {
  readonly lab: Lab
  readonly agent: Endpoint
  readonly phone: Endpoint
}

async function pair(agentOptions: EndpointOptions = {}, phoneOptions: EndpointOptions = {}): Promise<Pair> {
  const lab = createLab()
  return {
    lab,
    agent: await lab.endpoint('agent.lab', agentOptions),
    phone: await lab.endpoint('phone.lab', phoneOptions),
  }
}

/** The agent answers and does `inside`; the phone does `outside` with the call, which is then hung up. */
async function inCall(
  { lab, agent, phone }: Pair,
  inside: (call: IncomingCall) => void,
  outside: (call: Call) => Promise<void>,
): Promise<void> {
  void agent.serve(async call => {
    inside(call)
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await outside(call)
    await call.hangup()
  })
}

t.test('a request in a call is answered by its handler, which sees what came', async t => {
  const seen: unknown[] = []
  await inCall(
    await pair(),
    call =>
      call.onRequest('INFO', ({ method, request, call: of }) => {
        seen.push(method, Buffer.from(request.body).toString(), of === call)
        return {
          statusCode: 202,
          headers: [['X-Seen', 'yes']],
          body: { contentType: 'text/plain', body: 'ja' },
        }
      }),
    async call => {
      const response = await call.request('INFO', {
        headers: [['X-Ask', '1']],
        body: { contentType: 'application/dtmf-relay', body: 'Signal=5' },
      })
      t.equal(response.statusCode, 202)
      t.equal(response.headers.get('X-Seen'), 'yes')
      t.equal(Buffer.from(response.body).toString(), 'ja')
    },
  )
  t.same(seen, ['INFO', 'Signal=5', true])
})

t.test('what a handler gives is what goes back', async t => {
  const rows: [string, () => unknown, number][] = [
    ['nothing', () => undefined, 200],
    ['a promise of nothing', async () => {}, 200],
    ['a status', () => ({ statusCode: 415 }), 415],
    [
      'an error with a status',
      () => Promise.reject(Object.assign(new Error('no'), { statusCode: 404 })),
      404,
    ],
  ]
  for (const [name, handler, status] of rows) {
    await inCall(
      await pair(),
      call => call.onRequest('MESSAGE', handler as () => undefined),
      async call => {
        t.equal((await call.request('MESSAGE')).statusCode, status, name)
      },
    )
  }
})

t.test('what nobody takes is answered by the rules of its method', async t => {
  const info = { body: { contentType: 'text/plain', body: 'x' } }
  const rows: [string, object, number, string?][] = [
    ['OPTIONS', {}, 200, 'Allow'],
    ['INFO', {}, 200],
    ['INFO', info, 415, 'Accept'],
    ['MESSAGE', info, 405, 'Allow'],
    ['SUBSCRIBE', {}, 489],
    ['FETCH', {}, 501, 'Allow'],
  ]
  await inCall(
    await pair(),
    call => {
      call.onRequest('MESSAGE', () => undefined)
      call.onRequest('MESSAGE', undefined)
    },
    async call => {
      for (const [method, options, status, header] of rows) {
        const response = await call.request(method, options)
        t.equal(response.statusCode, status, method)
        if (header !== undefined) t.ok(response.headers.has(header), `${method}: ${header}`)
      }
      t.equal(call.state, 'confirmed', 'none of it ends the call')
    },
  )
})

t.test(
  'the handlers of the endpoint stand in Allow and serve in and out of calls, with or without serve()',
  async t => {
    const where: boolean[] = []
    const requests: RequestHandlers = {
      MESSAGE: ({ call }) => {
        where.push(call !== undefined)
      },
    }
    const { lab, phone } = await pair({ requests })
    await lab.run(async () => {
      const response = await phone.request('MESSAGE', target, {
        body: { contentType: 'text/plain', body: 'hello' },
      })
      t.equal(response.statusCode, 200)
    })
    await inCall(
      await pair({ requests }),
      () => {},
      async call => {
        t.equal((await call.request('MESSAGE')).statusCode, 200)
        t.match((await call.request('OPTIONS')).headers.get('Allow'), /MESSAGE/)
      },
    )
    t.same(where, [false, true])
  },
)

t.test(
  'out of calls: OPTIONS as an INVITE would be answered, MESSAGE refused when nobody takes it',
  async t => {
    const { lab, agent, phone } = await pair()
    await lab.run(async () => {
      t.equal((await phone.request('OPTIONS', target)).statusCode, 480, 'nobody serves')
      void agent.serve(() => {})
      const options = await phone.request('OPTIONS', target)
      t.equal(options.statusCode, 200)
      t.match(options.headers.get('Accept'), 'application/sdp')
      const message = await phone.request('MESSAGE', target, { from: 'sip:me@phone.lab' })
      t.equal(message.statusCode, 405)
      t.notMatch(message.headers.get('Allow'), /MESSAGE/)
    })
  },
)

t.test('methods and headers that are the stack’s own are refused', async t => {
  const { lab, phone } = await pair()
  await lab.run(async () => {
    for (const method of ['INVITE', 'ACK', 'CANCEL', 'BYE', 'PRACK', 'UPDATE', 'no method']) {
      await t.rejects(phone.request(method, target), { code: 'SIP_OPTION' }, method)
    }
    await t.rejects(phone.request('OPTIONS', target, { headers: [['Via', 'x']] }), { code: 'SIP_OPTION' })
    await t.rejects(phone.request('OPTIONS', 'nowhere'), { code: 'SIP_OPTION' })
  })
  await t.rejects(lab.endpoint('bad.lab', { requests: { BYE: () => undefined } }), { code: 'SIP_OPTION' })
})

t.test('a call is warned, and ended when its time is up', async t => {
  const { lab, agent, phone } = await pair({ maxDurationMs: 10_000, expiringNoticeMs: 3_000 })
  const log: unknown[] = []
  let ended: unknown
  void agent.serve(async call => {
    await call.answer()
    const since = lab.clock.now()
    call.on('expiring', remainingMs =>
      log.push(['expiring', Math.round(lab.clock.now() - since), remainingMs]),
    )
    ended = await call.ended
    log.push(Math.round(lab.clock.now() - since))
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    t.match(await call.ended, { by: 'remote', cause: 'hangup', q850: 16 })
  })
  t.same(log, [['expiring', 7_000, 3_000], 10_000])
  t.match(ended, { by: 'local', cause: 'max-duration', q850: 16, error: { code: 'SIP_LIMIT' } })
})

t.test('a call may last longer or shorter than the endpoint says', async t => {
  const { lab, agent, phone } = await pair({}, { maxDurationMs: 1_000 })
  void agent.serve(async call => {
    await call.answer({ maxDurationMs: 3_000 })
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target, { maxDurationMs: Infinity })
    const ended = await call.ended
    t.equal(ended.by, 'remote')
    t.ok(Math.abs(ended.durationMs - 3_000) < 100, String(ended.durationMs))
  })
  t.equal(lab.clock.pendingTimers, 0)
})

t.test('limits as options', async t => {
  t.same(durationLimit({ maxDurationMs: 200_000 }), { warnAtMs: 140_000, endAtMs: 200_000 })
  t.same(durationLimit({ maxDurationMs: 60_000 }), { warnAtMs: 30_000, endAtMs: 60_000 }, 'half at most')
  t.equal(durationLimit({}), undefined)
  t.throws(() => durationLimit({ maxDurationMs: 0 }), { code: 'SIP_OPTION' })
  t.throws(() => durationLimit({ maxDurationMs: 9, expiringNoticeMs: -1 }), { code: 'SIP_OPTION' })
  t.same([ringLimit(), ringLimit(5), ringLimit(0)], [180_000, 5, undefined])
  t.throws(() => ringLimit(-1), { code: 'SIP_OPTION' })
})

t.test(
  'an incoming call that nobody answers is refused: 480 when it rang, 408 when nothing was done',
  async t => {
    for (const [rings, statusCode, q850] of [
      [true, 480, 19],
      [false, 408, 102],
    ] as const) {
      const { lab, agent, phone } = await pair({ ringTimeoutMs: 5_000 })
      let inside: unknown
      void agent.serve(async call => {
        if (rings) call.ring()
        inside = await call.ended
      })
      await lab.run(async () => {
        const since = lab.clock.now()
        await t.rejects(phone.call(target), { code: 'SIP_RESPONSE', statusCode })
        t.ok(lab.clock.now() - since < 6_000)
        await lab.clock.sleep(100)
      })
      t.match(inside, { by: 'timeout', cause: 'no-answer', statusCode, q850 })
    }
  },
)

t.test('a refusal by Q.850 cause: its status and its Reason (RFC 3398 §7.2.4.1, RFC 6432)', async t => {
  const rows: [(call: IncomingCall) => void, number, string | undefined, number][] = [
    [call => call.reject({ q850: 17 }), 486, 'Q.850;cause=17', 17],
    [call => call.reject({ q850: 1, text: 'no such number' }), 404, 'Q.850;cause=1;text="no such number"', 1],
    [call => call.reject({ q850: 34 }), 503, 'Q.850;cause=34', 34],
    [call => call.reject(603), 603, undefined, 21],
    [call => call.reject(480, { reason: { protocol: 'Q.850', cause: 20 } }), 480, 'Q.850;cause=20', 20],
    [call => void call.hangup({ reason: { protocol: 'Q.850', cause: 21 } }), 403, 'Q.850;cause=21', 21],
    [call => void call.hangup({ reason: { protocol: 'SIP', cause: 404 } }), 404, 'SIP;cause=404', 1],
    [call => void call.hangup(), 480, undefined, 18],
  ]
  for (const [refuse, statusCode, reason, q850] of rows) {
    const { lab, agent, phone } = await pair()
    let inside: unknown
    void agent.serve(async call => {
      refuse(call)
      inside = await call.ended
    })
    await lab.run(async () => {
      const error: unknown = await phone.call(target).catch((failure: unknown) => failure)
      t.match(error, { statusCode })
      const { response } = error as { response: { headers: { get(name: string): string | undefined } } }
      t.equal(response.headers.get('Reason'), reason)
    })
    t.match(inside, { by: 'local', cause: 'refused', statusCode, q850 })
  }
})

t.test('the cause of a hang-up is told to the other side', async t => {
  const { lab, agent, phone } = await pair()
  let ended: unknown
  void agent.serve(async call => {
    await call.answer()
    ended = await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.hangup({ reason: { protocol: 'Q.850', cause: 31, text: 'done' } })
    await lab.clock.sleep(100)
  })
  t.match(ended, { by: 'remote', cause: 'hangup', q850: 31, reason: { protocol: 'Q.850', cause: 31 } })
})

t.test('a cause that is none is refused', async t => {
  const { lab, agent, phone } = await pair()
  void agent.serve(call => {
    for (const q850 of [0, 128, 1.5]) t.throws(() => call.reject({ q850 }), { code: 'SIP_OPTION' })
  })
  await lab.run(async () => {
    await t.rejects(phone.call(target), { code: 'SIP_RESPONSE', statusCode: 480 })
  })
})

t.test('of 1,001 requests that wait for their handlers one is answered 503, and counted', async t => {
  const lab = createLab()
  let release: (() => void) | undefined
  const released = new Promise<void>(resolve => (release = resolve))
  const agent = await lab.endpoint('agent.lab', { requests: { MESSAGE: () => released } })
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const responses = Array.from({ length: 1_001 }, () => phone.request('MESSAGE', target))
    await lab.clock.sleep(1_000)
    release?.()
    const statuses = (await Promise.all(responses)).map(({ statusCode }) => statusCode)
    t.equal(statuses.filter(status => status === 200).length, 1_000)
    t.equal(statuses.filter(status => status === 503).length, 1)
    t.match(agent.stats(), { requestsRefused: 1, transfersRefused: 0 })
  })
})

t.test('a redirection is followed when asked for, else told', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const desk = await lab.endpoint('desk.lab')
  const phone = await lab.endpoint('phone.lab', { followRedirects: { max: 3 } })
  void agent.serve(call => call.redirect(['sip:desk@desk.lab']))
  void desk.serve(async call => {
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    t.equal(call.state, 'confirmed')
    await call.hangup()
    await t.rejects(phone.call(target, { followRedirects: { max: 0 } }), {
      code: 'SIP_RESPONSE',
      statusCode: 302,
      targets: ['sip:desk@desk.lab'],
    })
    const { personal, ...rest } =
      lab.records.find(record => record.personal.redirectTargets !== undefined) ?? {}
    t.same(personal?.redirectTargets, ['sip:desk@desk.lab'])
    t.match(rest, { direction: 'outbound', ended: { cause: 'refused', statusCode: 302 } })
    t.notMatch(JSON.stringify(rest), /desk/, 'addresses are personal data')
  })
})

t.test('a call whose other side is gone ends when nobody refreshes it (RFC 4028 §10)', async t => {
  const { lab, agent, phone } = await pair({}, { sessionTimer: { expiresSeconds: 90, refresher: 'remote' } })
  const agentSide: { ended?: unknown } = {}
  void agent.serve(async call => {
    await call.answer()
    agentSide.ended = await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.sleep(200_000)
    t.equal(call.state, 'confirmed', 'the agent refreshes it')
    await call.hangup()
  })
  t.match(agentSide.ended, { cause: 'hangup' })
})
