import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { TransferOptions, TransferResult } from '../../src/call/transfer-options.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'
import { RawPhone } from './raw-phone.ts'

interface Stage {
  readonly lab: Lab
  readonly phone: RawPhone
  readonly call: Call
}

/** A call to a phone whose every message the test decides. */
async function withCall(script: (stage: Stage) => Promise<void>): Promise<number> {
  const lab = createLab({ network: { delayMs: 10 } })
  const agent = await lab.endpoint('agent.lab', { rtp: { timeoutMs: 0 } })
  await lab.run(async () => {
    const phone = await RawPhone.in(lab)
    const call = await agent.call(phone.uri)
    await script({ lab, phone, call })
  })
  return lab.clock.pendingTimers
}

const target = 'sip:desk@example.com'

interface Ending {
  readonly name: string
  /** What the phone does with the REFER. */
  readonly plays: (stage: Stage) => Promise<void> | void
  readonly options?: TransferOptions
  readonly result: Partial<TransferResult>
  /** Final answers to the NOTIFYs. */
  readonly notifies?: readonly number[]
  readonly callIs?: 'confirmed' | 'terminated'
}

const pause = 20

function accepts({ phone }: Stage, status = 202): void {
  const [refer] = phone.ofMethod('REFER')
  if (refer !== undefined) phone.respond(refer, status)
}

const endings: readonly Ending[] = [
  {
    name: '202, NOTIFY 100, 180, 200',
    plays: async stage => {
      accepts(stage)
      for (const status of ['100 Trying', '180 Ringing', '200 OK']) {
        await stage.lab.clock.sleep(pause)
        stage.phone.notify(status, status === '200 OK' ? 'terminated;reason=noresource' : 'active')
      }
    },
    result: { outcome: 'transferred', cause: 'notified', statusCode: 200, reason: 'OK' },
    notifies: [200, 200, 200],
    callIs: 'confirmed',
  },
  ...(
    [
      [302, 'Moved'],
      [404, 'Not Found'],
      [486, 'Busy Here'],
      [503, 'Unavailable'],
      [603, 'Decline'],
    ] as const
  ).map(([statusCode, reason]): Ending => ({
    name: `NOTIFY ${statusCode}: the target was not reached`,
    plays: async stage => {
      accepts(stage)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify(`${statusCode} ${reason}`, 'terminated;reason=noresource')
    },
    result: { outcome: 'failed', cause: 'notified', statusCode, reason },
    notifies: [200],
  })),
  ...([403, 405, 488, 503, 603] as const).map((statusCode): Ending => ({
    name: `${statusCode} to the REFER`,
    plays: stage => accepts(stage, statusCode),
    result: { outcome: 'refused', cause: 'refer-refused', statusCode },
  })),
  {
    name: '200 in place of 202, as old peers send',
    plays: async stage => {
      accepts(stage, 200)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('200 OK', 'terminated')
    },
    result: { outcome: 'transferred' },
    notifies: [200],
  },
  {
    name: 'the NOTIFY overtakes the 202 (RFC 3515 §2.4.4)',
    plays: async stage => {
      stage.phone.notify('100 Trying')
      await stage.lab.clock.sleep(pause)
      accepts(stage)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('200 OK', 'terminated')
    },
    result: { outcome: 'transferred', statusCode: 200 },
    notifies: [200, 200],
  },
  {
    name: 'the final NOTIFY overtakes the 202',
    plays: async stage => {
      stage.phone.notify('200 OK', 'terminated')
      await stage.lab.clock.sleep(pause)
      accepts(stage)
    },
    result: { outcome: 'transferred' },
    notifies: [200],
  },
  {
    name: 'a final status in a subscription that goes on decides, and what follows is answered',
    plays: async stage => {
      accepts(stage)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('200 OK')
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('200 OK', 'terminated')
    },
    result: { outcome: 'transferred' },
    notifies: [200, 200],
  },
  {
    name: 'terminated without a body',
    plays: async stage => {
      accepts(stage)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('', 'terminated;reason=noresource')
    },
    result: { outcome: 'unknown', cause: 'ended-without-word' },
    notifies: [200],
  },
  {
    name: 'terminated while it was still trying',
    plays: async stage => {
      accepts(stage)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('100 Trying', 'terminated;reason=timeout')
    },
    result: { outcome: 'unknown', cause: 'ended-without-word', statusCode: 100 },
    notifies: [200],
  },
  {
    name: 'no NOTIFY at all',
    plays: stage => accepts(stage),
    result: { outcome: 'unknown', cause: 'silence' },
  },
  {
    name: 'it rings for longer than we wait',
    options: { timeoutMs: 5000 },
    plays: async stage => {
      accepts(stage)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('180 Ringing')
    },
    result: { outcome: 'unknown', cause: 'silence', statusCode: 180 },
    notifies: [200],
  },
  {
    name: 'BYE right after the 202',
    plays: stage => {
      accepts(stage)
      stage.phone.request('BYE')
    },
    result: { outcome: 'unknown', cause: 'hung-up' },
    callIs: 'terminated',
  },
  {
    name: 'BYE right after the 202, and the NOTIFY after it (RFC 5057 §4.1)',
    plays: async stage => {
      accepts(stage)
      stage.phone.request('BYE')
      await stage.lab.clock.sleep(500)
      stage.phone.notify('200 OK', 'terminated')
    },
    result: { outcome: 'transferred', statusCode: 200 },
    notifies: [200],
    callIs: 'terminated',
  },
  {
    name: 'BYE before the 202',
    plays: async stage => {
      stage.phone.request('BYE')
      await stage.lab.clock.sleep(pause)
      accepts(stage)
    },
    result: { outcome: 'unknown', cause: 'hung-up' },
    callIs: 'terminated',
  },
  {
    name: 'no answer to the REFER',
    plays: () => {},
    result: { outcome: 'failed', cause: 'refer-unanswered' },
    callIs: 'terminated',
  },
  {
    name: 'Refer-Sub: false is taken at its word (RFC 4488 §4)',
    options: { notify: false },
    plays: ({ phone }) => {
      const [refer] = phone.ofMethod('REFER')
      if (refer !== undefined) phone.respond(refer, 202, [['Refer-Sub', 'false']])
    },
    result: { outcome: 'unknown', cause: 'no-notify' },
  },
  {
    name: 'Refer-Sub: false, but the phone tells all the same',
    options: { notify: false },
    plays: async stage => {
      accepts(stage)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('200 OK', 'terminated')
    },
    result: { outcome: 'transferred' },
    notifies: [200],
  },
  {
    name: 'a NOTIFY with the wrong id is unknown, one with ours counts (RFC 3515 §2.4.6)',
    plays: async stage => {
      accepts(stage)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('486 Busy Here', 'terminated', 77)
      await stage.lab.clock.sleep(pause)
      stage.phone.notify('200 OK', 'terminated', stage.phone.ofMethod('REFER')[0]?.cseq.sequence)
    },
    result: { outcome: 'transferred', statusCode: 200 },
    notifies: [481, 200],
  },
]

for (const { name, plays, options, result, notifies = [], callIs = 'confirmed' } of endings) {
  t.test(`a transfer that ends so: ${name}`, async t => {
    const left = await withCall(async stage => {
      const { call, phone, lab } = stage
      phone.onRequest = request => {
        if (request.method !== 'REFER') return false
        if (phone.ofMethod('REFER').length === 1) void plays(stage)
        return true
      }
      const ended = await call.transfer(target, options)
      t.match(ended, result)
      t.equal(call.state, callIs, 'the call is as it should be')
      await lab.clock.sleep(200)
      t.same(phone.statuses('NOTIFY'), notifies)
      if (callIs === 'confirmed' && ended.outcome !== 'transferred') {
        phone.onRequest = undefined
        await call.hold()
        t.equal(phone.ofMethod('INVITE').length, 2, 'it can be used on')
      }
    })
    t.equal(left, 0, 'no timer is left')
  })
}

t.test('the REFER names target and referrer, and carries what it is given, escaped', async t => {
  await withCall(async ({ call, phone }) => {
    phone.onRequest = request => request.method === 'REFER' && (phone.respond(request, 603), true)
    await call.transfer('"The desk" <sip:desk@example.com;transport=tcp>', {
      headers: [['X-Ticket', '17']],
      targetHeaders: [
        ['X-Note', 'a&b=c; "d"?'],
        ['Subject', 'ça va'],
      ],
    })
    const [refer] = phone.ofMethod('REFER')
    t.equal(
      refer?.headers.get('Refer-To'),
      '"The desk" <sip:desk@example.com;transport=tcp?X-Note=a%26b%3Dc%3B%20%22d%22?&Subject=%C3%A7a%20va>',
    )
    t.match(refer?.headers.get('Referred-By'), /^<sip:offhook@[\d.]+>$/)
    t.equal(refer?.headers.get('X-Ticket'), '17')
    t.match(refer?.headers.get('Contact'), /^<sip:/)
    t.match(refer?.headers.get('Supported'), /replaces/)
    await call.transfer('tel:+15550100', { referredBy: false, notify: false })
    const second = phone.ofMethod('REFER')[1]
    t.equal(second?.headers.get('Refer-To'), '<tel:+15550100>')
    t.notOk(second?.headers.has('Referred-By'))
    t.equal(second?.headers.get('Refer-Sub'), 'false')
  })
})

for (const [status, field, answer] of [
  [401, 'WWW-Authenticate', 'Authorization'],
  [407, 'Proxy-Authenticate', 'Proxy-Authorization'],
] as const) {
  t.test(`a REFER challenged with ${status} goes again with credentials (RFC 3261 §22)`, async t => {
    await withCall(async ({ call, phone }) => {
      phone.onRequest = request => {
        if (request.method !== 'REFER') return false
        if (request.headers.has(answer)) phone.respond(request, 603)
        else phone.respond(request, status, [[field, 'Digest realm="pbx", nonce="n1", qop="auth"']])
        return true
      }
      const credentials = { username: 'alice', password: 'wonderland' }
      t.match(await call.transfer(target, { credentials }), { outcome: 'refused', statusCode: 603 })
      const [first, second] = phone.ofMethod('REFER')
      t.match(second?.headers.get(answer), /username="alice"/)
      t.equal(second?.cseq.sequence, (first?.cseq.sequence ?? 0) + 1)
      t.match(
        await call.transfer(target),
        { outcome: 'refused', cause: 'refer-refused', statusCode: status },
        'without credentials the challenge is the answer',
      )
    })
  })
}

t.test('progress is told; hold comes first, and is taken back when it comes to nothing', async t => {
  await withCall(async stage => {
    const { call, phone, lab } = stage
    const seen: number[] = []
    phone.onRequest = request => {
      if (request.method !== 'REFER') return false
      accepts(stage)
      void (async () => {
        for (const status of ['100 Trying', '180 Ringing', '486 Busy Here']) {
          await lab.clock.sleep(pause)
          phone.notify(status, status.startsWith('4') ? 'terminated' : 'active')
        }
      })()
      return true
    }
    const result = await call.transfer(target, {
      hold: true,
      onProgress: ({ statusCode }) => seen.push(statusCode),
    })
    t.match(result, { outcome: 'failed', statusCode: 486 })
    t.same(seen, [100, 180, 486])
    const directions = phone
      .ofMethod('INVITE')
      .map(({ body }) => /a=(sendrecv|sendonly)/.exec(Buffer.from(body).toString())?.[1])
    t.same(directions, ['sendrecv', 'sendonly', 'sendrecv'])
    t.same(
      phone.requests.map(({ method }) => method).filter(method => method !== 'ACK'),
      ['INVITE', 'INVITE', 'REFER', 'INVITE'],
    )
  })
})

t.test('a hold that is refused leaves it at that', async t => {
  await withCall(async ({ call, phone }) => {
    phone.onRequest = request => request.method === 'INVITE' && (phone.respond(request, 488), true)
    t.match(await call.transfer(target, { hold: true }), {
      outcome: 'refused',
      cause: 'hold-refused',
      statusCode: 488,
    })
    t.equal(phone.ofMethod('REFER').length, 0)
    t.equal(call.state, 'confirmed')
  })
})

t.test('after success a phone that does not hang up is hung up, unless told otherwise', async t => {
  for (const hangupAfterMs of [500, false] as const) {
    await withCall(async stage => {
      const { call, phone, lab } = stage
      phone.onRequest = request => {
        if (request.method !== 'REFER') return false
        accepts(stage)
        phone.notify('200 OK', 'terminated')
        return true
      }
      t.match(await call.transfer(target, { hangupAfterMs }), { outcome: 'transferred' })
      await lab.clock.sleep(400)
      t.equal(call.state, 'confirmed')
      await lab.clock.sleep(10_000)
      t.equal(call.state, hangupAfterMs === false ? 'confirmed' : 'terminated')
    })
  }
})

t.test('what cannot be transferred is said before anything is sent', async t => {
  await withCall(async ({ call, phone }) => {
    await t.rejects(call.transfer('desk'), { code: 'SIP_OPTION' })
    await t.rejects(call.transfer('mailto:a@b.c'), { code: 'SIP_OPTION' })
    await t.rejects(call.transfer('sip:a@b\r\nX: y'), { code: 'SIP_OPTION' })
    await t.rejects(call.transfer(target, { headers: [['To', 'x']] }), { code: 'SIP_OPTION' })
    await t.rejects(call.transfer('tel:+1', { targetHeaders: [['Subject', 'x']] }), {
      code: 'SIP_OPTION',
    })
    await t.rejects(call.transfer(target, { timeoutMs: 0 }), { code: 'SIP_OPTION' })
    await t.rejects(call.transfer(call), { code: 'SIP_STATE' })
    t.equal(phone.ofMethod('REFER').length, 0)
    phone.onRequest = request => request.method === 'REFER'
    const first = call.transfer(target, { signal: AbortSignal.abort(new Error('no')) })
    await t.rejects(first, { message: 'no' })
    const abort = new AbortController()
    const second = call.transfer(target, { signal: abort.signal })
    await t.rejects(call.transfer(target), { code: 'SIP_STATE' }, 'one at a time')
    abort.abort(new Error('enough'))
    await t.rejects(second, { message: 'enough' })
    await call.hangup()
    await t.rejects(call.transfer(target), { code: 'SIP_STATE' })
  })
})

t.test('a NOTIFY that belongs to no REFER is answered 481 (RFC 6665 §4.1.3)', async t => {
  await withCall(async ({ phone, lab }) => {
    phone.notify('200 OK', 'terminated')
    await lab.clock.sleep(100)
    t.same(phone.statuses('NOTIFY'), [481])
  })
})
