import t from 'tap'
import { dialogChannel } from '../../../src/sip/dialog/core.ts'
import type { DialogEvent } from '../../../src/sip/dialog/core-types.ts'
import type { InviteServerSession } from '../../../src/sip/dialog/session-types.ts'
import { recorder, sdp, textOf, World } from './world.ts'

t.test('an INVITE is rung, answered and acknowledged; BYE ends it (RFC 3261 §13.3, §15.1.2)', async t => {
  const world = await World.create()
  const { peer } = world
  peer.send(peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  const { session } = world
  const handlers = recorder()
  session.handlers = handlers
  t.equal(session.state, 'trying')
  t.equal(textOf(session.offer), 'offer')
  session.ring()
  await world.run()
  t.equal(session.state, 'early')
  const ringing = peer.lastResponse('INVITE', 180)
  t.ok(ringing.to.tag)
  session.answer({ body: sdp('answer') })
  await world.run()
  const ok = peer.lastResponse('INVITE', 200)
  t.equal(ok.to.tag, ringing.to.tag)
  t.equal(textOf(ok), 'answer')
  t.match(ok.headers.get('Allow'), /INVITE.*BYE/)
  t.equal(ok.headers.get('Server'), 'Offhook test')
  t.equal(String(ok.contacts), '<sip:agent@192.0.2.1:5060>')
  peer.send(peer.inDialog('ACK', ok))
  await world.run()
  t.equal(session.state, 'confirmed')
  peer.send(peer.inDialog('BYE', ok, { headers: [['Reason', 'Q.850;cause=16;text="bye, \\"then\\""']] }))
  await world.run()
  t.same(peer.statuses('BYE'), [200])
  t.same(handlers.log, ['accepted 200', 'confirmed', 'end remote bye'])
  t.same(handlers.ended[0]?.reasons, [{ protocol: 'Q.850', cause: 16, text: 'bye, "then"' }])
  t.equal((await session.ended).cause, 'bye')
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test(
  'trap 1, lost ACK: the 2xx is repeated at T1 doubling to T2 for 64*T1, then BYE (§13.3.1.4)',
  async t => {
    const world = await World.create()
    const { session } = await world.answered({ ack: false })
    const handlers = recorder()
    session.handlers = handlers
    const start =
      world.peer.seen.find(({ message }) => message.kind === 'response' && message.statusCode === 200)?.at ??
      0
    await world.clock.advance(33_000)
    const times = world.peer.seen
      .filter(
        ({ message }) =>
          message.kind === 'response' && message.cseq.method === 'INVITE' && message.statusCode === 200,
      )
      .map(({ at }) => Math.round(at - start))
    t.same(times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
    const bye = world.peer.lastRequest('BYE')
    t.equal(bye.headers.get('Reason'), 'SIP;cause=408;text="No ACK received"')
    t.same(handlers.log, ['end timeout no-ack'])
    world.peer.respond(bye, 200, { contact: undefined })
    await world.run()
    t.same(await world.leftovers(), { core: 0, transactions: 0 })
  },
)

t.test('trap 1, lost 200: it comes again, is acknowledged, and comes no more', async t => {
  const world = await World.create()
  world.network.setConditions({ loss: 1 }, { from: '192.0.2.1', to: '192.0.2.2' })
  const { peer } = world
  peer.send(peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  world.session.answer({ body: sdp('answer') })
  await world.run()
  t.same(peer.responses('INVITE', 200), [])
  world.network.setConditions({ loss: 0 }, { from: '192.0.2.1', to: '192.0.2.2' })
  await world.run(600)
  const ok = peer.lastResponse('INVITE', 200)
  peer.send(peer.inDialog('ACK', ok))
  await world.run(40_000)
  t.equal(peer.responses('INVITE', 200).length, 1)
  t.equal(world.session.state, 'confirmed')
  t.same(peer.requests('BYE'), [])
})

t.test('a repeated INVITE is absorbed and makes no second call (RFC 6026 §7.1)', async t => {
  const world = await World.create()
  const { invite } = await world.answered({ ack: false })
  world.peer.send(invite)
  await world.run()
  t.equal(world.incoming.length, 1)
})

t.test('trap 2, hang-up before the ACK: BYE is sent when the ACK comes (§15)', async t => {
  const world = await World.create()
  const handlers = recorder()
  const { session, ok } = await world.answered({ ack: false, handlers })
  session.hangup({ reasons: [{ protocol: 'Q.850', cause: 16, text: undefined }] })
  await world.run(100)
  t.same(world.peer.requests('BYE'), [])
  world.peer.send(world.peer.inDialog('ACK', ok))
  await world.run()
  t.equal(world.peer.lastRequest('BYE').headers.get('Reason'), 'Q.850;cause=16')
  t.equal(handlers.ended[0]?.by, 'local')
  t.equal(handlers.ended[0]?.cause, 'bye')
})

t.test('trap 2, hang-up and no ACK ever: BYE is sent after 64*T1', async t => {
  const world = await World.create()
  const { session } = await world.answered({ ack: false })
  session.hangup()
  await world.clock.advance(31_900)
  t.same(world.peer.requests('BYE'), [])
  await world.clock.advance(200)
  t.equal(world.peer.requests('BYE').length, 1)
  t.equal((await session.ended).by, 'local')
})

t.test('trap 4, CANCEL: 200 to it, 487 to the INVITE, and the Reason is told (§9.2)', async t => {
  const world = await World.create()
  const { peer } = world
  const invite = peer.request('INVITE', { body: sdp('offer'), branch: 'z9hG4bK-c' })
  peer.send(invite)
  await world.run()
  const handlers = recorder()
  world.session.handlers = handlers
  world.session.ring()
  peer.send(
    peer.request('CANCEL', {
      branch: 'z9hG4bK-c',
      contact: undefined,
      headers: [['Reason', 'SIP;cause=200;text="Call completed elsewhere"']],
    }),
  )
  await world.run()
  t.same(peer.statuses('CANCEL'), [200])
  const refused = peer.lastResponse('INVITE', 487)
  t.equal(refused.to.tag, peer.lastResponse('INVITE', 180).to.tag)
  t.same(handlers.log, ['end remote cancelled'])
  t.equal(handlers.ended[0]?.reasons[0]?.cause, 200)
  t.equal(world.session.answer({ body: sdp('late') }), false, 'answer after the CANCEL')
  await world.run()
  t.same(peer.responses('INVITE', 200), [])
  peer.send(peer.request('ACK', { branch: 'z9hG4bK-c', toTag: refused.to.tag, contact: undefined }))
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('trap 4, CANCEL after the 200: it changes nothing', async t => {
  const world = await World.create()
  const { session, invite, ok } = await world.answered({ ack: false })
  const cancel = world.peer.request('CANCEL', { branch: invite.via.branch ?? '', contact: undefined })
  world.peer.send(cancel)
  await world.run()
  t.same(world.peer.statuses('CANCEL'), [200])
  world.peer.send(world.peer.inDialog('ACK', ok))
  await world.run()
  t.equal(session.state, 'confirmed')
})

t.test('BYE in an early dialog: 200 to it and 487 to the INVITE (§15.1.2)', async t => {
  const world = await World.create()
  const { peer } = world
  peer.send(peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  const handlers = recorder()
  world.session.handlers = handlers
  world.session.ring()
  await world.run()
  peer.send(peer.inDialog('BYE', peer.lastResponse('INVITE', 180)))
  await world.run()
  t.same(peer.statuses('BYE'), [200])
  t.equal(peer.lastResponse('INVITE').statusCode, 487)
  t.same(handlers.log, ['end remote bye'])
})

t.test('reject and redirect, with their headers', async t => {
  const world = await World.create()
  const { peer } = world
  peer.send(peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  t.equal(world.session.reject(486, { headers: [['Retry-After', '5']] }), true)
  t.equal(world.session.reject(500), false)
  await world.run()
  t.equal(peer.lastResponse('INVITE', 486).headers.get('Retry-After'), '5')
  peer.send(peer.request('INVITE', { callId: 'call-2', body: sdp('offer') }))
  await world.run()
  world.session.redirect(['sip:other@192.0.2.9', '"Desk" <sip:desk@192.0.2.9>'])
  await world.run()
  t.same(
    String(peer.lastResponse('INVITE', 302).contacts),
    '<sip:other@192.0.2.9>,"Desk" <sip:desk@192.0.2.9>',
  )
  t.same(await world.session.ended.then(({ by, cause, statusCode }) => [by, cause, statusCode]), [
    'local',
    'refused',
    302,
  ])
})

t.test('hang-up before an answer refuses with 480', async t => {
  const world = await World.create()
  world.peer.send(world.peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  world.session.hangup()
  world.session.hangup()
  await world.run()
  t.same(world.peer.statuses('INVITE'), [480])
})

t.test('early media: the preview goes in 183 and again in the 200', async t => {
  const world = await World.create()
  world.peer.send(world.peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  world.session.ring({ body: sdp('early') })
  world.session.answer()
  await world.run()
  t.equal(textOf(world.peer.lastResponse('INVITE', 183)), 'early')
  t.equal(textOf(world.peer.lastResponse('INVITE', 200)), 'early')
})

t.test('trap 6, late offer: the 200 brings our offer, the ACK the answer (§13.2.1)', async t => {
  const world = await World.create()
  const handlers = recorder()
  const { session, ok } = await world.answered({
    offer: undefined,
    answer: sdp('our offer'),
    ackBody: sdp('their answer'),
    handlers,
  })
  t.equal(textOf(ok), 'our offer')
  t.same(handlers.log, ['accepted 200', 'answer their answer initial', 'confirmed'])
  t.equal(session.state, 'confirmed')
})

t.test('late offer and an ACK without answer: BYE, and the owner learns why', async t => {
  const world = await World.create()
  const handlers = recorder()
  const { session } = await world.answered({ offer: undefined, answer: sdp('our offer'), handlers })
  t.equal(world.peer.requests('BYE').length, 1)
  t.same(handlers.log, ['accepted 200', 'end error failed'])
  t.match(session.end?.error?.message, /no answer/)
})

t.test('late offer and an answer the owner refuses: BYE', async t => {
  const world = await World.create()
  await world.answered({
    offer: undefined,
    ackBody: sdp('bad'),
    handlers: {
      onAnswer: async () => {
        throw new Error('no codec')
      },
    },
  })
  t.match(world.peer.lastRequest('BYE').headers.get('Reason'), /cause=488/)
})

t.test('trap 20: hang-up twice, answer twice, hang-up in the answer: one BYE, one end', async t => {
  const world = await World.create()
  const handlers = recorder({ onAccepted: () => world.session.hangup() })
  const { session, ok } = await world.answered({ ack: false, handlers })
  t.equal(session.answer({ body: sdp('again') }), false)
  session.hangup()
  world.peer.send(world.peer.inDialog('ACK', ok))
  await world.run()
  session.hangup()
  await world.run()
  t.equal(world.peer.requests('BYE').length, 1)
  t.equal(handlers.ended.length, 1)
})

t.test('BYE crosses BYE: both are answered 200, one end (RFC 5407 §3.2.1)', async t => {
  const world = await World.create()
  const handlers = recorder()
  const { session, ok } = await world.answered({ handlers })
  session.hangup()
  world.peer.send(world.peer.inDialog('BYE', ok))
  await world.run()
  t.same(world.peer.statuses('BYE'), [200])
  world.peer.respond(world.peer.lastRequest('BYE'), 200, { contact: undefined })
  t.same(handlers.log.slice(-1), ['end local bye'])
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('BYE nobody answers: the session is over at once, and forgotten in the end', async t => {
  const world = await World.create()
  const { session } = await world.answered()
  session.hangup()
  t.equal(session.state, 'terminated')
  t.equal((await session.ended).cause, 'bye')
  t.equal(world.core.stats().sessions, 1)
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('the 200 goes unacknowledged over TCP too: it is repeated (§13.3.1.4)', async t => {
  const world = await World.create({}, [{ transport: 'tcp', host: '192.0.2.1', port: 5060 }])
  const connection = await world.clock.runFor(
    world.network.host('192.0.2.2').connectTcp({ host: '192.0.2.1', port: 5060 }),
  )
  let received = ''
  connection.onData = data => {
    received += Buffer.from(data).toString()
  }
  const { serialise } = await import('../../../src/sip/message/serialiser.ts')
  const invite = world.peer.request('INVITE', { body: sdp('offer') })
  invite.headers.set('Via', 'SIP/2.0/TCP 192.0.2.2:5060;branch=z9hG4bK-tcp')
  connection.write(serialise(invite))
  await world.run(100)
  world.session.answer({ body: sdp('answer') })
  await world.run(4000)
  t.equal(received.split('SIP/2.0 200 OK').length - 1, 4)
})

t.test('a session in hand of nobody: 480', async t => {
  const world = await World.create()
  world.core.onInvite = undefined
  world.peer.send(world.peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  t.same(world.peer.statuses('INVITE'), [480])
})

t.test('an owner that throws on the INVITE: 500', async t => {
  const world = await World.create()
  world.core.onInvite = () => {
    throw new Error('no')
  }
  world.peer.send(world.peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  t.same(world.peer.statuses('INVITE'), [500])
})

t.test('a call that rings for long repeats its 18x every minute (§13.3.1.1)', async t => {
  const world = await World.create()
  world.peer.send(world.peer.request('INVITE', { body: sdp('offer') }))
  await world.run()
  world.session.ring()
  await world.run(150_000)
  t.equal(world.peer.responses('INVITE', 180).length, 3)
  world.session.answer({ body: sdp('answer') })
  await world.run()
  world.peer.send(world.peer.inDialog('ACK', world.peer.lastResponse('INVITE', 200)))
  await world.run(120_000)
  t.equal(world.peer.responses('INVITE', 180).length, 3)
})

t.test('an INVITE whose Expires runs out gets 487 (§13.3.1)', async t => {
  const world = await World.create()
  const { peer } = world
  peer.send(peer.request('INVITE', { body: sdp('offer'), headers: [['Expires', '20']] }))
  await world.run()
  const handlers = recorder()
  world.session.handlers = handlers
  world.session.ring()
  await world.run(19_900)
  t.same(handlers.log, [])
  await world.run(200)
  t.equal(peer.lastResponse('INVITE').statusCode, 487)
  t.same(handlers.log, ['end timeout cancelled'])
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

/** What an owner may pass by mistake, or pass on from somebody hostile, and the field the error names. */
const unwritable: readonly {
  readonly name: string
  readonly field: string
  readonly act: (session: InviteServerSession) => unknown
}[] = [
  {
    name: 'a header of reject',
    field: 'X-Note',
    act: session => session.reject(486, { headers: [['X-Note', 'a\r\nX-Evil: b']] }),
  },
  {
    name: 'the reason phrase of reject',
    field: 'reasonPhrase',
    act: session => session.reject(486, { reasonPhrase: 'Busy\r\nX-Evil: b' }),
  },
  {
    name: 'a header of ring',
    field: 'X-Note',
    act: session => session.ring({ headers: [['X-Note', 'a\nb']] }),
  },
  {
    name: 'the reason phrase of ring',
    field: 'reasonPhrase',
    act: session => session.ring({ reasonPhrase: 'Ringing\r\n\r\n' }),
  },
  {
    name: 'a header of answer',
    field: 'X-Note',
    act: session => session.answer({ headers: [['X-Note', 'a\0b']] }),
  },
  {
    name: 'a header of redirect',
    field: 'X-Note',
    act: session => session.redirect(['sip:a@b.test'], { headers: [['X-Note', 'a\rb']] }),
  },
  {
    name: 'a target of redirect with a line break',
    field: 'targets[0]',
    act: session => session.redirect(['sip:a@b.test\r\nX-Evil: b']),
  },
  {
    name: 'a target of redirect that is no address',
    field: 'targets[1]',
    act: session => session.redirect(['sip:a@b.test', 'foo']),
  },
  {
    name: 'a header name of hangup',
    field: 'X-Note:',
    act: session => session.hangup({ headers: [['X-Note:', 'a']] }),
  },
  {
    name: 'a header of hangup',
    field: 'X-Note',
    act: session => session.hangup({ headers: [['X-Note', 'a\r\nb']] }),
  },
  {
    name: 'the text of a reason',
    field: 'reasons[0].text',
    act: session => session.hangup({ reasons: [{ protocol: 'SIP', cause: 200, text: 'a\r\nb' }] }),
  },
  {
    name: 'the protocol of a reason',
    field: 'reasons[1].protocol',
    act: session =>
      session.hangup({ reasons: ['SIP;cause=200', { protocol: 'Q 850', cause: 16, text: undefined }] }),
  },
  {
    name: 'a reason as text',
    field: 'reasons[0]',
    act: session => session.hangup({ reasons: ['SIP\r\nX-Evil: b'] }),
  },
]

for (const { name, field, act } of unwritable) {
  t.test(`${name} that cannot be written: thrown at once, and the call is as it was`, async t => {
    const world = await World.create()
    const { peer } = world
    peer.send(peer.request('INVITE', { body: sdp('offer') }))
    await world.run()
    const { session } = world
    t.throws(() => act(session), { field } as unknown as Error)
    await world.run()
    t.equal(session.state, 'trying')
    t.equal(session.answered, false)
    t.same(peer.statuses('INVITE'), [])
    t.equal(session.reject(486), true)
    await world.run()
    t.same(peer.statuses('INVITE'), [486])
    t.equal((await session.ended).statusCode, 486)
    await world.clock.runFor(world.core.close())
  })
}

t.test(
  'hangup of an answered call with what cannot be written throws; the BYE goes out when asked well',
  async t => {
    const world = await World.create()
    const { session } = await world.answered()
    for (const options of [
      { headers: [['X-Note', 'a\r\nb']] as const },
      { reasons: [{ protocol: 'SIP', cause: 200, text: 'bye\r\nX-Evil: b' }] },
    ]) {
      t.throws(() => session.hangup(options), { code: /^SIP_(OPTION|SERIALISE)$/ })
      t.equal(session.state, 'confirmed')
    }
    session.hangup({ headers: new Map([['X-Note', 'once']]).entries() })
    await world.run()
    t.equal(world.peer.lastRequest('BYE').headers.get('X-Note'), 'once', 'headers may be an iterator')
  },
)

t.test(
  'a refusal nobody can write is replaced by the bare status; the session ends all the same',
  async t => {
    const world = await World.create()
    const { peer } = world
    peer.send(peer.request('INVITE', { body: sdp('offer') }))
    await world.run()
    const { session } = world
    const body = 7 as unknown as Uint8Array
    const errors: unknown[] = []
    const listen = (event: DialogEvent): void => {
      if (event.kind === 'handler-error') errors.push(event.error)
    }
    const stop = dialogChannel.subscribe(listen)
    session.reject(486, { body: { contentType: 'application/sdp', body } })
    stop()
    await world.run()
    t.same(peer.statuses('INVITE'), [486])
    t.equal((await session.ended).cause, 'refused')
    t.equal(errors.length, 1)
    await world.clock.runFor(world.core.close())
  },
)
