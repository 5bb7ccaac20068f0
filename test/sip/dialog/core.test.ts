import t from 'tap'
import type { Admitted } from '../../../src/sip/auth/admission.ts'
import { AdmissionGate } from '../../../src/sip/dialog/admission-gate.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { dialogChannel } from '../../../src/sip/dialog/core.ts'
import type { DialogEvent } from '../../../src/sip/dialog/core-types.ts'
import type { IncomingRequest } from '../../../src/sip/dialog/session-types.ts'
import { recorder, sdp, textOf, World } from './world.ts'

function fail(): never {
  throw new Error('broken')
}

t.test(
  'outside a dialog: what nobody takes is answered with what helps the peer (RFC 3261 §8.2, §21.4)',
  async t => {
    const rows: readonly [method: string, status: number, header?: string, pattern?: RegExp][] = [
      ['OPTIONS', 200, 'Allow', /INVITE, ACK, CANCEL, BYE/],
      ['REGISTER', 405, 'Allow', /INVITE/],
      ['MESSAGE', 405, 'Allow', /INVITE/],
      ['FROBNICATE', 501, 'Allow', /INVITE/],
      ['BYE', 481],
    ]
    const world = await World.create()
    const { peer } = world
    let call = 0
    for (const [method, status, header, pattern] of rows) {
      peer.send(peer.request(method, { callId: `c${call++}`, contact: undefined }))
      await world.run()
      const response = peer.lastResponse(method)
      t.equal(response.statusCode, status, method)
      t.ok(response.to.tag, 'with a To tag')
      if (header !== undefined) t.match(response.headers.get(header), pattern)
    }
  },
)

t.test('in a dialog: the default answers by method', async t => {
  const rows: readonly [
    method: string,
    status: number,
    options?: { headers?: [string, string][]; body?: ReturnType<typeof sdp> },
  ][] = [
    ['OPTIONS', 200],
    ['INFO', 200],
    ['INFO', 415, { body: { contentType: 'application/dtmf-relay', body: Buffer.from('Signal=1') } }],
    ['INFO', 469, { headers: [['Info-Package', 'foo']] }],
    ['NOTIFY', 481],
    ['REFER', 603],
    ['MESSAGE', 405],
    ['SUBSCRIBE', 489],
    ['FROBNICATE', 501],
    ['PRACK', 481],
  ]
  const world = await World.create()
  const { session, ok } = await world.answered()
  const { peer } = world
  let cseq = 2
  for (const [method, status, options] of rows) {
    peer.send(peer.inDialog(method, ok, { cseq: cseq++, ...options }))
    await world.run()
    t.equal(peer.lastResponse(method).statusCode, status, `${method} ${status}`)
  }
  t.equal(session.state, 'confirmed')
})

t.test('requests in a dialog go to the owner first; what it takes it may answer later', async t => {
  const world = await World.create()
  const taken: IncomingRequest[] = []
  const { ok } = await world.answered({
    handlers: {
      onRequest: incoming => {
        if (incoming.request.method !== 'INFO') return false
        taken.push(incoming)
        return true
      },
    },
  })
  const { peer } = world
  peer.send(
    peer.inDialog('INFO', ok, {
      body: { contentType: 'application/dtmf-relay', body: Buffer.from('Signal=5') },
    }),
  )
  await world.run()
  t.same(peer.statuses('INFO'), [])
  taken[0]?.respond(200, { headers: [['X-Seen', 'yes']] })
  taken[0]?.respond(500)
  await world.run()
  t.same(peer.statuses('INFO'), [200])
  t.equal(peer.lastResponse('INFO').headers.get('X-Seen'), 'yes')
  peer.send(peer.inDialog('OPTIONS', ok, { cseq: 3 }))
  await world.run()
  t.same(peer.statuses('OPTIONS'), [200])
})

t.test('a handler that throws is published and answered for', async t => {
  const world = await World.create()
  const events: DialogEvent[] = []
  t.teardown(dialogChannel.subscribe(event => events.push(event)))
  const { ok } = await world.answered({
    handlers: {
      onRequest: () => {
        throw new Error('broken')
      },
    },
  })
  world.peer.send(world.peer.inDialog('INFO', ok))
  await world.run()
  t.same(world.peer.statuses('INFO'), [200])
  t.ok(events.some(({ kind, error }) => kind === 'handler-error' && (error as Error).message === 'broken'))
  t.ok(
    events.some(
      ({ kind, from, to, event }) =>
        kind === 'state' && from === 'acked' && to === 'confirmed' && event === 'settled',
    ),
  )
})

t.test('an unknown dialog gets 481, an ACK for it nothing (§12.2.2, §17.2.1)', async t => {
  const world = await World.create()
  const { peer } = world
  for (const method of ['BYE', 'INVITE', 'INFO', 'UPDATE']) {
    peer.send(peer.request(method, { toTag: 'nobody', callId: method }))
    await world.run()
    t.equal(peer.lastResponse(method).statusCode, 481, method)
  }
  const before = peer.seen.length
  peer.send(peer.request('ACK', { toTag: 'nobody' }))
  await world.run()
  t.equal(peer.seen.length, before)
})

t.test('the right Call-ID and To tag with a foreign From tag is another dialog: 481', async t => {
  const world = await World.create()
  const { session, ok } = await world.answered()
  world.peer.send(world.peer.inDialog('BYE', ok, { fromTag: 'stranger' }))
  await world.run()
  t.same(world.peer.statuses('BYE'), [481])
  t.equal(session.state, 'confirmed')
})

t.test('CSeq: lower is 500, a gap is fine (§12.2.2)', async t => {
  const world = await World.create()
  const { ok } = await world.answered()
  const { peer } = world
  peer.send(peer.inDialog('INFO', ok, { cseq: 900 }))
  await world.run()
  peer.send(peer.inDialog('OPTIONS', ok, { cseq: 899 }))
  await world.run()
  t.same(peer.statuses('INFO'), [200])
  t.same(peer.statuses('OPTIONS'), [500])
})

t.test('the same INVITE by another way: 482 (§8.2.2.2)', async t => {
  const world = await World.create()
  const { peer } = world
  peer.send(peer.request('INVITE', { body: sdp('x') }))
  await world.run()
  peer.send(peer.request('INVITE', { body: sdp('x') }))
  await world.run()
  t.same(peer.statuses('INVITE'), [482])
  t.equal(world.incoming.length, 1)
})

t.test('checks of an INVITE, in order: scheme, Contact, Require, body, Accept (§8.2)', async t => {
  const rows: readonly [
    name: string,
    status: number,
    options: Parameters<World['peer']['request']>[1],
    header?: [string, RegExp],
  ][] = [
    ['unknown scheme', 416, { uri: 'nobody:x' }],
    ['no Contact', 400, { contact: undefined }],
    ['unknown extension', 420, { headers: [['Require', 'foo, bar']] }, ['Unsupported', /^foo, bar$/]],
    [
      'unknown body',
      415,
      { body: { contentType: 'text/plain', body: Buffer.from('hello') } },
      ['Accept', /^application\/sdp$/],
    ],
    [
      'encoded body',
      415,
      { body: sdp('x'), headers: [['Content-Encoding', 'gzip']] },
      ['Accept-Encoding', /identity/],
    ],
    ['unknown disposition', 415, { body: sdp('x'), headers: [['Content-Disposition', 'render']] }],
    ['a caller that takes no SDP', 406, { body: sdp('x'), headers: [['Accept', 'text/plain']] }],
  ]
  const world = await World.create()
  const { peer } = world
  for (const [name, status, options, header] of rows) {
    peer.send(peer.request('INVITE', { callId: name.replaceAll(' ', '-'), ...options }))
    await world.run()
    const response = peer.lastResponse('INVITE')
    t.equal(response.statusCode, status, name)
    if (header !== undefined) t.match(response.headers.get(header[0]), header[1])
  }
  t.equal(world.incoming.length, 0)
})

t.test('a caller of RFC 2543 need not have a Contact: requests go to its From (RFC 4475 §3.4.1)', async t => {
  const world = await World.create()
  const { peer } = world
  const invite = peer.request('INVITE', { contact: undefined, body: sdp('x') })
  invite.headers.set('Via', invite.headers.get('Via')!.replace(/;branch=[^;]*/, ''))
  peer.send(invite)
  await world.run()
  t.equal(world.incoming.length, 1)
  t.equal(world.session.state, 'trying')
})

t.test('a body that may be ignored is ignored; SDP without Content-Type is SDP (§20.11)', async t => {
  const world = await World.create()
  const { peer } = world
  peer.send(
    peer.request('INVITE', {
      body: { contentType: 'text/plain', body: Buffer.from('hello') },
      headers: [['Content-Disposition', 'render;handling=optional']],
    }),
  )
  await world.run()
  t.equal(world.session.offer, undefined)
  const bare = peer.request('INVITE', { callId: 'bare', body: sdp('bare') })
  bare.headers.delete('Content-Type')
  peer.send(bare)
  await world.run()
  t.equal(textOf(world.session.offer), 'bare')
})

t.test('Supported extensions may be required; Max-Forwards 0 is answered (RFC 4475 3.3.11)', async t => {
  const world = await World.create({ supported: ['timer'] })
  const { peer } = world
  const request = peer.request('INVITE', { headers: [['Require', 'timer']] })
  request.headers.set('Max-Forwards', '0')
  peer.send(request)
  await world.run()
  t.equal(world.incoming.length, 1)
  world.session.answer({ body: sdp('offer') })
  await world.run()
  t.equal(peer.lastResponse('INVITE').headers.get('Supported'), 'timer, 100rel')
})

t.test('screen: INVITE and OPTIONS get the same refusal (§11.2)', async t => {
  const world = await World.create()
  const { peer } = world
  world.core.screen = () => ({ statusCode: 486, headers: [['X-Why', 'busy']] })
  peer.send(peer.request('INVITE'))
  peer.send(peer.request('OPTIONS', { callId: 'o' }))
  await world.run()
  t.equal(peer.lastResponse('INVITE', 486).headers.get('X-Why'), 'busy')
  t.same(peer.statuses('OPTIONS'), [486])
  t.equal(world.incoming.length, 0)
})

t.test('over the limit of dialogs: 503 with Retry-After, and out of it SIP_LIMIT', async t => {
  const world = await World.create({ limits: { dialogs: 1 }, retryAfterSeconds: 7 })
  const { peer } = world
  await world.answered()
  peer.send(peer.request('INVITE', { callId: 'second', body: sdp('x') }))
  await world.run()
  t.equal(peer.lastResponse('INVITE', 503).headers.get('Retry-After'), '7')
  t.throws(() => world.core.invite({ target: 'sip:x@192.0.2.2', from: 'sip:y@192.0.2.1' }), {
    code: 'SIP_LIMIT',
  })
  t.equal(world.core.stats().refused, 1)
})

t.test(
  'close: new calls get 503, calls up get BYE, calls ringing 480, and it waits for the answers',
  async t => {
    const world = await World.create()
    const { peer } = world
    await world.answered()
    peer.send(peer.request('INVITE', { callId: 'ringing', body: sdp('x') }))
    await world.run()
    let closed = false
    const closing = (async () => {
      await world.core.close()
      closed = true
    })()
    await world.run()
    t.same(peer.statuses('INVITE').slice(-1), [480])
    t.equal(closed, false)
    peer.send(peer.request('INVITE', { callId: 'new', body: sdp('x') }))
    await world.run()
    t.equal(peer.lastResponse('INVITE', 503).callId, 'new')
    peer.respond(peer.lastRequest('BYE'), 200, { contact: undefined })
    await world.clock.runFor(closing)
    t.equal(closed, true)
    t.throws(() => world.core.invite({ target: 'sip:x@192.0.2.2', from: 'sip:y@192.0.2.1' }), {
      code: 'SIP_STATE',
    })
  },
)

t.test(
  'a request out of any dialog: its final response, whatever it is; challenges are answered',
  async t => {
    const world = await World.create({ credentials: { username: 'u', password: 'p' } })
    const { peer } = world
    const result = world.core.request({
      method: 'MESSAGE',
      target: 'sip:peer@192.0.2.2',
      from: 'sip:agent@example.com',
      body: { contentType: 'text/plain', body: Buffer.from('hello') },
    })
    await world.run()
    const first = peer.lastRequest('MESSAGE')
    t.equal(first.contacts.length, 0)
    peer.respond(first, 401, {
      headers: [['WWW-Authenticate', 'Digest realm="r", nonce="n", algorithm=SHA-256']],
    })
    await world.run()
    const second = peer.lastRequest('MESSAGE')
    t.equal(second.cseq.sequence, 2)
    t.equal(second.callId, first.callId)
    t.match(second.headers.get('Authorization'), /algorithm=SHA-256/)
    peer.respond(second, 404)
    t.equal((await world.clock.runFor(result)).statusCode, 404)
  },
)

t.test(
  'in-dialog requests out: challenged, answered, given back; 481 ends the dialog (RFC 5057)',
  async t => {
    const world = await World.create({ credentials: { username: 'u', password: 'p' } })
    const handlers = recorder()
    const { session } = await world.answered({ handlers })
    const { peer } = world
    const info = session.request('INFO', {
      body: { contentType: 'application/dtmf', body: Buffer.from('5') },
    })
    await world.run()
    t.equal(peer.lastRequest('INFO').requestUri, 'sip:peer@192.0.2.2')
    peer.respond(peer.lastRequest('INFO'), 401, {
      headers: [['WWW-Authenticate', 'Digest realm="r", nonce="n"']],
    })
    await world.run()
    peer.respond(peer.lastRequest('INFO'), 405)
    t.equal((await world.clock.runFor(info)).statusCode, 405)
    t.equal(session.state, 'confirmed')
    const options = session.request('OPTIONS')
    await world.run()
    peer.respond(peer.lastRequest('OPTIONS'), 481)
    t.equal((await world.clock.runFor(options)).statusCode, 481)
    await world.run()
    t.same(handlers.log.at(-1), 'end remote dialog-lost')
    t.equal(peer.requests('BYE').length, 1)
    await t.rejects(session.request('INFO'), { code: 'SIP_STATE' })
  },
)

t.test('an in-dialog request nobody answers ends the dialog; a NOTIFY refused does not', async t => {
  const world = await World.create()
  const { session } = await world.answered()
  const { peer } = world
  const notify = session.request('NOTIFY', { headers: [['Event', 'refer']] })
  await world.run()
  peer.respond(peer.lastRequest('NOTIFY'), 481)
  await world.clock.runFor(notify)
  t.equal(session.state, 'confirmed')
  await t.rejects(world.clock.runFor(session.request('INFO')), { code: 'SIP_TIMEOUT' })
  t.match(session.end, { by: 'timeout', cause: 'dialog-lost' })
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('a core that calls itself keeps both sides apart', async t => {
  const world = await World.create()
  world.core.onInvite = session => {
    session.handlers = {}
    session.answer({ body: sdp('answer') })
  }
  const handlers = recorder()
  const session = world.core.invite({
    target: 'sip:self@192.0.2.1',
    from: 'sip:agent@192.0.2.1',
    offer: sdp('offer'),
    handlers,
  })
  await world.run(100)
  t.equal(session.state, 'confirmed')
  session.hangup()
  await world.run(100)
  t.equal(world.core.stats().sessions, 0)
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('kept ACKs are bounded and counted', async t => {
  const world = await World.create({ limits: { acks: 2 } })
  const { peer } = world
  peer.onMessage = message => {
    if (message.kind === 'request' && message.method === 'INVITE')
      peer.respond(message, 200, { body: sdp('a') })
  }
  for (let n = 0; n < 5; n++)
    world.core.invite({ target: 'sip:x@192.0.2.2', from: 'sip:y@192.0.2.1', offer: sdp('o') })
  await world.run()
  t.equal(world.core.stats().acksDropped, 3)
  t.equal(peer.requests('ACK').length, 5)
})

t.test('hundreds of calls leave nothing behind', async t => {
  const world = await World.create()
  const { peer } = world
  peer.onMessage = message => {
    if (message.kind === 'response') {
      if (message.statusCode === 200 && message.cseq.method === 'INVITE') {
        peer.send(peer.inDialog('ACK', message))
        peer.send(peer.inDialog('BYE', message))
      }
    }
  }
  world.core.onInvite = session => session.answer({ body: sdp('a') })
  for (let n = 0; n < 300; n++) {
    peer.send(peer.request('INVITE', { callId: `c${n}`, body: sdp('o') }))
    await world.run(1)
  }
  await world.run(100)
  t.equal(world.core.stats().sessions, 0)
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
  await world.transport.close()
  t.equal(world.clock.pendingTimers, 0)
})

t.test('an owner that throws on screening or on a request: 500, and the core goes on', async t => {
  const world = await World.create()
  const { peer } = world
  world.core.onRequest = fail
  peer.send(peer.request('MESSAGE', { callId: 'm' }))
  await world.run()
  t.same(peer.statuses('MESSAGE'), [500])
  world.core.screen = fail
  peer.send(peer.request('INVITE', { callId: 'i', body: sdp('x') }))
  await world.run()
  t.same(peer.statuses('INVITE'), [500])
})

t.test(
  'requests that carry a Contact refresh the target; those the session sends itself are refused',
  async t => {
    const world = await World.create()
    const { session } = await world.answered()
    const { peer } = world
    const update = session.request('UPDATE')
    await world.run()
    t.equal(String(peer.lastRequest('UPDATE').contacts), '<sip:agent@192.0.2.1:5060>')
    peer.respond(peer.lastRequest('UPDATE'), 200, { contact: '<sip:moved@192.0.2.2>' })
    await world.clock.runFor(update)
    const info = session.request('INFO')
    await world.run()
    t.equal(peer.lastRequest('INFO').requestUri, 'sip:moved@192.0.2.2')
    t.equal(peer.lastRequest('INFO').contacts.length, 0)
    peer.respond(peer.lastRequest('INFO'), 200)
    await world.clock.runFor(info)
    for (const method of ['BYE', 'INVITE', 'ACK', 'CANCEL']) {
      await t.rejects(session.request(method), { code: 'SIP_OPTION', field: 'method' })
    }
    await t.rejects(session.request('UPDATE', { body: sdp('x') }), { code: 'SIP_OPTION', field: 'body' })
  },
)

t.test('a Contact we cannot send to ends the dialog as lost, without a throw', async t => {
  const world = await World.create()
  const handlers = recorder()
  const { peer } = world
  peer.send(peer.request('INVITE', { contact: '<sips:peer@192.0.2.2>', body: sdp('o') }))
  await world.run()
  world.session.handlers = handlers
  world.session.answer({ body: sdp('a') })
  await world.run()
  peer.send(peer.inDialog('ACK', peer.lastResponse('INVITE', 200)))
  await world.run()
  await t.rejects(world.clock.runFor(world.session.request('INFO')), { code: 'SIP_TRANSPORT' })
  t.same(handlers.log.at(-1), 'end transport dialog-lost')
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('what would break every message apart is refused when the core is made', async t => {
  for (const [field, options] of Object.entries({
    userAgent: { userAgent: 'Offhook\r\nX-Evil: 1' },
    allow: { allow: ['INVITE', 'B\nYE'] },
    supported: { supported: ['100rel', 'a,b'] },
    accept: { accept: ['application/sdp\r\n'] },
  })) {
    await t.rejects(World.create(options), { code: 'SIP_OPTION', field })
  }
})

t.test('what cannot be read is answered 400 also when the policy took its time', async t => {
  const world = await World.create({ sessionTimer: {} })
  const admitted: Admitted = { kind: 'admitted', by: 'test', trusted: false }
  world.core.gate = new AdmissionGate({
    policy: () => Promise.resolve(admitted),
    host: { clock: world.clock, random: seededRandom(1) },
  })
  for (const [method, name, value] of [
    ['INVITE', 'Require', 'a b'],
    ['OPTIONS', 'Require', '@'],
    ['INVITE', 'Session-Expires', 'soon'],
    ['INVITE', 'Record-Route', '<sip:10.0.0.9;lr'],
  ] as const) {
    const callId = `${method} ${name}`.replace(' ', '-')
    world.peer.send(world.peer.request(method, { callId, headers: [[name, value]] }))
    await world.run()
    t.equal(world.peer.lastResponse(method).statusCode, 400, `${method} with ${name}: ${value}`)
    t.equal(world.peer.lastResponse(method).callId, callId)
  }
  t.equal(world.transport.stats().faults, 0)
  // A refusal that cannot be written.
  world.core.screen = () => ({ statusCode: 480, headers: [['X-Why', 'a\r\nb']] })
  world.peer.send(world.peer.request('INVITE', { callId: 'defect' }))
  await world.run()
  t.equal(world.peer.lastResponse('INVITE').statusCode, 500)
  t.equal(world.transport.stats().faults, 1)
})
