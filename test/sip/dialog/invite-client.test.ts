import t from 'tap'
import type { SipMessage } from '../../../src/sip/message/message.ts'
import type { InviteClientSession, InviteOptions } from '../../../src/sip/dialog/session-types.ts'
import { recorder, sdp, textOf, World } from './world.ts'

type Log = ReturnType<typeof recorder>

function call(
  world: World,
  options: Partial<InviteOptions> = {},
): { session: InviteClientSession; handlers: Log } {
  const handlers = recorder()
  const session = world.core.invite({
    target: 'sip:peer@192.0.2.2',
    from: '"Agent" <sip:agent@example.com>',
    offer: sdp('offer'),
    handlers,
    ...options,
  })
  return { session, handlers }
}

t.test(
  'a call is placed, rings, is answered, acknowledged and hung up (RFC 3261 §13.2, §15.1.1)',
  async t => {
    const world = await World.create()
    const { peer } = world
    const { session, handlers } = call(world)
    await world.run()
    const invite = peer.lastRequest('INVITE')
    t.equal(invite.requestUri, 'sip:peer@192.0.2.2')
    t.equal(invite.headers.get('Max-Forwards'), '70')
    t.equal(String(invite.contacts), '<sip:agent@192.0.2.1:5060>')
    t.equal(invite.from.displayName, 'Agent')
    t.equal(invite.to.tag, undefined)
    t.match(invite.headers.get('Allow'), /UPDATE/)
    t.equal(textOf(invite), 'offer')
    peer.respond(invite, 100)
    await world.run()
    t.equal(session.state, 'proceeding')
    peer.respond(invite, 180)
    await world.run()
    t.equal(session.state, 'early')
    peer.respond(invite, 200, { body: sdp('answer') })
    await world.run()
    const ack = peer.lastRequest('ACK')
    t.equal(ack.cseq.sequence, invite.cseq.sequence)
    t.equal(ack.requestUri, 'sip:peer@192.0.2.2')
    t.not(ack.via.branch, invite.via.branch)
    t.same(handlers.log, ['progress 180 peer', 'accepted 200', 'answer answer initial', 'confirmed'])
    session.hangup()
    await world.run()
    const bye = peer.lastRequest('BYE')
    t.equal(bye.cseq.sequence, invite.cseq.sequence + 1)
    peer.respond(bye, 200)
    await world.run()
    t.same(handlers.log.slice(4), ['end local bye'])
    t.same(await world.leftovers(), { core: 0, transactions: 0 })
  },
)

t.test(
  'trap 1: every repeated 2xx gets its ACK again, also when the INVITE transaction is gone, and after BYE',
  async t => {
    const world = await World.create()
    const { peer } = world
    const { session } = call(world)
    await world.run()
    const ok = peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('answer') })
    await world.run()
    t.equal(peer.requests('ACK').length, 1)
    await world.run(31_000)
    peer.send(ok)
    await world.run()
    t.equal(peer.requests('ACK').length, 2, 'within Timer M')
    session.hangup()
    await world.run()
    peer.respond(peer.lastRequest('BYE'), 200)
    await world.run()
    t.equal(session.state, 'terminated')
    peer.send(ok)
    await world.run()
    t.equal(peer.requests('ACK').length, 3, 'after BYE')
    const [first, , third] = peer.requests('ACK')
    t.equal(third?.requestUri, first?.requestUri)
    t.equal(peer.requests('BYE').length, 1)
  },
)

t.test('trap 1: a 2xx repeated after Timer M is acknowledged by the core while the ACK is kept', async t => {
  const world = await World.create()
  const { peer } = world
  call(world)
  await world.run()
  // The last repeat leaves the peer just before its Timer L, and arrives after our Timer M.
  const ok = peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('answer') })
  await world.run(10)
  world.transactions.close()
  peer.send(ok)
  await world.run()
  t.equal(peer.requests('ACK').length, 2)
})

t.test('the ACK waits for the owner’s answer to a late offer (§13.2.1)', async t => {
  const world = await World.create()
  const { peer } = world
  const { handlers } = call(world, { offer: undefined as never })
  await world.run()
  t.equal(textOf(peer.lastRequest('INVITE')), undefined)
  peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('their offer') })
  await world.run()
  t.equal(textOf(peer.lastRequest('ACK')), 'answer to their offer')
  t.same(handlers.log, ['accepted 200', 'offer their offer initial', 'confirmed'])
})

t.test('a 2xx while the owner still thinks is not acknowledged twice', async t => {
  const world = await World.create()
  const { peer } = world
  call(world, {
    handlers: { onAnswer: () => world.clock.sleep(1000) },
  })
  await world.run()
  const ok = peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('answer') })
  await world.run()
  peer.send(ok)
  await world.run()
  t.equal(peer.requests('ACK').length, 0)
  await world.run(1000)
  t.equal(peer.requests('ACK').length, 1)
})

t.test('an answer the owner refuses, and a 2xx without one: ACK, then BYE (§13.2.2.4)', async t => {
  for (const body of [sdp('bad'), undefined]) {
    const world = await World.create()
    const { peer } = world
    const { session } = call(world, {
      handlers: {
        onAnswer: () => {
          throw new Error('no codec')
        },
      },
    })
    await world.run()
    peer.respond(peer.lastRequest('INVITE'), 200, body === undefined ? {} : { body })
    await world.run()
    t.same(peer.ladder(), ['INVITE', 'ACK', 'BYE'])
    t.equal((await session.ended).cause, 'failed')
  }
})

t.test('the answer of a 183 serves when the 200 repeats none', async t => {
  const world = await World.create()
  const { peer } = world
  const { handlers } = call(world)
  await world.run()
  peer.respond(peer.lastRequest('INVITE'), 183, { body: sdp('early') })
  await world.run()
  peer.respond(peer.lastRequest('INVITE'), 200)
  await world.run()
  t.ok(handlers.log.includes('answer early initial'))
  t.equal(peer.requests('BYE').length, 0)
})

t.test(
  'forks: an early dialog for each To tag; the first 2xx wins, the other is ACKed and BYEd (§13.2.2.4)',
  async t => {
    const world = await World.create()
    const { peer } = world
    const { session, handlers } = call(world)
    await world.run()
    const invite = peer.lastRequest('INVITE')
    peer.respond(invite, 180, { toTag: 'a', contact: '<sip:a@192.0.2.2>' })
    peer.respond(invite, 180, { toTag: 'b', contact: '<sip:b@192.0.2.2>' })
    peer.respond(invite, 180, { toTag: undefined })
    await world.run()
    t.same(handlers.log, ['progress 180 a', 'progress 180 b', 'progress 180 -'])
    peer.respond(invite, 200, { toTag: 'b', contact: '<sip:b@192.0.2.2>', body: sdp('from b') })
    await world.run()
    const late = peer.respond(invite, 200, { toTag: 'a', contact: '<sip:a@192.0.2.2>', body: sdp('from a') })
    await world.run()
    t.equal(session.remoteTag, 'b')
    t.same(
      peer.requests('ACK').map(({ to, requestUri }) => [to.tag, requestUri]),
      [
        ['b', 'sip:b@192.0.2.2'],
        ['a', 'sip:a@192.0.2.2'],
      ],
    )
    t.same(
      peer.requests('BYE').map(({ to }) => to.tag),
      ['a'],
    )
    peer.respond(peer.lastRequest('BYE'), 200)
    peer.send(late)
    await world.run()
    t.equal(peer.requests('ACK').at(-1)?.to.tag, 'a')
    t.equal(peer.requests('BYE').length, 1)
    t.equal(session.state, 'confirmed')
    session.hangup()
    t.same(await world.leftovers(), { core: 0, transactions: 0 })
  },
)

t.test('a 200 without To tag is tolerated, and the dialog found by what the peer sends later', async t => {
  const world = await World.create()
  const { peer } = world
  const { session, handlers } = call(world)
  await world.run()
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 200, { toTag: undefined, body: sdp('answer') })
  await world.run()
  t.equal(peer.lastRequest('ACK').to.tag, undefined)
  t.equal(session.state, 'confirmed')
  const bye = peer.inOurDialog('BYE', invite, { contact: undefined })
  bye.headers.set('From', '<sip:peer@192.0.2.2>')
  peer.send(bye)
  await world.run()
  t.same(peer.statuses('BYE'), [200])
  t.same(handlers.log.at(-1), 'end remote bye')
})

t.test('trap 4: CANCEL before any response waits for one (§9.1)', async t => {
  const world = await World.create()
  const { peer } = world
  const { session, handlers } = call(world)
  await world.run()
  session.hangup({ reasons: [{ protocol: 'SIP', cause: 487, text: 'gave up' }] })
  await world.run(100)
  t.same(peer.requests('CANCEL'), [])
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 180)
  await world.run()
  const cancel = peer.lastRequest('CANCEL')
  t.equal(cancel.via.branch, invite.via.branch)
  t.equal(cancel.headers.get('Reason'), 'SIP;cause=487;text="gave up"')
  peer.respond(cancel, 200)
  peer.respond(invite, 487)
  await world.run()
  t.same(handlers.log, ['end local cancelled'])
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('trap 4: the 200 crosses the CANCEL: ACK, then BYE', async t => {
  const world = await World.create()
  const { peer } = world
  const { session, handlers } = call(world)
  await world.run()
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 180)
  await world.run()
  session.hangup()
  peer.respond(invite, 200, { body: sdp('answer') })
  await world.run()
  t.same(peer.ladder(), ['INVITE', 'CANCEL', 'ACK', 'BYE'])
  t.same(handlers.log.slice(1), ['end local cancelled'])
  peer.respond(peer.lastRequest('CANCEL'), 200)
  peer.respond(peer.lastRequest('BYE'), 200)
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('trap 4: a 200 long after the CANCEL gave up is still ACKed and BYEd', async t => {
  const world = await World.create()
  const { peer } = world
  const { session } = call(world)
  await world.run()
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 180)
  await world.run()
  session.hangup()
  await world.run(33_000)
  t.equal((await session.ended).cause, 'cancelled', '64*T1 after the CANCEL')
  const seen = peer.seen.length
  peer.respond(invite, 200, { body: sdp('answer') })
  await world.run()
  t.same(peer.ladder().slice(seen), ['ACK', 'BYE'])
  peer.respond(peer.lastRequest('BYE'), 200)
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

for (const [status, challenge, answer] of [
  [401, 'WWW-Authenticate', 'Authorization'],
  [407, 'Proxy-Authenticate', 'Proxy-Authorization'],
] as const) {
  t.test(
    `trap 4, ${status}: new branch and CSeq, same Call-ID and From tag; the ACK carries the credentials (§22.1, §22.2)`,
    async t => {
      const world = await World.create()
      const { peer } = world
      const { session, handlers } = call(world, { credentials: { username: 'alice', password: 'secret' } })
      await world.run()
      const first = peer.lastRequest('INVITE')
      peer.respond(first, status, { headers: [[challenge, 'Digest realm="r", nonce="n", qop="auth"']] })
      await world.run()
      const second = peer.lastRequest('INVITE')
      t.not(second.via.branch, first.via.branch)
      t.equal(second.cseq.sequence, first.cseq.sequence + 1)
      t.equal(second.callId, first.callId)
      t.equal(second.from.tag, first.from.tag)
      t.equal(second.to.tag, undefined)
      t.match(second.headers.get(answer), /uri="sip:peer@192.0.2.2".*nc=00000001/)
      t.equal(textOf(second), 'offer')
      peer.respond(second, 200, { body: sdp('answer') })
      await world.run()
      const ack = peer.requests('ACK').at(-1)
      t.equal(ack?.cseq.sequence, second.cseq.sequence)
      t.equal(ack?.headers.get(answer), second.headers.get(answer))
      t.equal(session.state, 'confirmed')
      session.hangup()
      await world.run()
      const bye = peer.lastRequest('BYE')
      t.equal(bye.cseq.sequence, second.cseq.sequence + 1)
      t.match(bye.headers.get(answer), /nc=00000002/, 'the nonce is used again at once')
      t.same(handlers.log.at(-1), 'end local bye')
    },
  )
}

t.test('trap 17: wrong password: the second 401 is the end, with SIP_AUTH', async t => {
  const world = await World.create()
  const { peer } = world
  const { session, handlers } = call(world, {
    credentials: async () => ({ username: 'alice', password: 'wrong' }),
  })
  peer.onMessage = message => {
    if (message.kind === 'request' && message.method === 'INVITE') {
      peer.respond(message, 401, { headers: [['WWW-Authenticate', 'Digest realm="r", nonce="n"']] })
    }
  }
  await world.run(100)
  t.equal(peer.requests('INVITE').length, 2)
  t.same(handlers.log, ['end remote refused'])
  t.match(session.end, { statusCode: 401, error: { code: 'SIP_AUTH', realm: 'r' } })
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('hang-up while credentials are being found: no second INVITE', async t => {
  const world = await World.create()
  const { peer } = world
  const { session } = call(world, {
    credentials: async () => {
      await world.clock.sleep(500)
      return { username: 'a', password: 'b' }
    },
  })
  await world.run()
  peer.respond(peer.lastRequest('INVITE'), 401, {
    headers: [['WWW-Authenticate', 'Digest realm="r", nonce="n"']],
  })
  await world.run()
  session.hangup()
  await world.run(1000)
  t.equal(peer.requests('INVITE').length, 1)
  t.equal((await session.ended).cause, 'cancelled')
})

t.test('without credentials a 401 is a refusal like any other; so is a 3xx', async t => {
  for (const status of [401, 302, 486, 503, 603]) {
    const world = await World.create()
    const { peer } = world
    const { session } = call(world)
    await world.run()
    peer.respond(peer.lastRequest('INVITE'), status, { headers: [['Reason', 'Q.850;cause=17']] })
    await world.run()
    const end = await session.ended
    t.equal(end.cause, 'refused')
    t.equal(end.statusCode, status)
    t.equal(end.reasons[0]?.cause, 17)
    t.equal(end.error?.code, 'SIP_RESPONSE')
    t.same(peer.ladder(), ['INVITE', 'ACK'])
    t.same(await world.leftovers(), { core: 0, transactions: 0 })
  }
})

t.test('Timer B: nobody answers at all, and the error says how many provisionals came', async t => {
  const world = await World.create()
  const { session } = call(world)
  await world.run(33_000)
  const end = await session.ended
  t.equal(end.by, 'timeout')
  t.equal(end.cause, 'no-response')
  t.match(end.error, { code: 'SIP_TIMEOUT', timer: 'B', provisionals: 0 })
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('hang-up before any response, and none ever: it ends as cancelled', async t => {
  const world = await World.create()
  const { session } = call(world)
  await world.run()
  session.hangup()
  await world.run(33_000)
  t.equal((await session.ended).cause, 'cancelled')
})

t.test(
  'trap 5: the route set is that of the 2xx, turned round, and stays; the ACK copies nothing of the INVITE’s Route',
  async t => {
    const world = await World.create()
    const { peer } = world
    const proxy = await world.peerAt('192.0.2.7')
    const { session } = call(world, { route: ['<sip:192.0.2.2;lr>'] })
    await world.run()
    const invite = peer.lastRequest('INVITE')
    t.equal(invite.headers.get('Route'), '<sip:192.0.2.2;lr>')
    t.equal(invite.requestUri, 'sip:peer@192.0.2.2')
    peer.respond(invite, 200, {
      body: sdp('answer'),
      contact: '<sip:desk@192.0.2.9>',
      headers: [['Record-Route', '<sip:far@192.0.2.8;lr>, <sip:192.0.2.7;lr>']],
    })
    await world.run()
    const ack = proxy.lastRequest('ACK')
    t.equal(ack.requestUri, 'sip:desk@192.0.2.9')
    t.same(ack.headers.getAll('Route'), ['<sip:192.0.2.7;lr>', '<sip:far@192.0.2.8;lr>'])
    // A re-INVITE of the peer moves the target, its Record-Route counts for nothing.
    peer.send(
      peer.inOurDialog('INVITE', invite, {
        contact: '<sip:moved@192.0.2.10>',
        headers: [['Record-Route', '<sip:192.0.2.99;lr>']],
        body: sdp('offer 2'),
      }),
    )
    await world.run()
    t.same(peer.statuses('INVITE'), [200])
    session.hangup()
    await world.run()
    const bye = proxy.lastRequest('BYE')
    t.equal(bye.requestUri, 'sip:moved@192.0.2.10')
    t.same(bye.headers.getAll('Route'), ['<sip:192.0.2.7;lr>', '<sip:far@192.0.2.8;lr>'])
  },
)

t.test('a strict router on the way gets itself as Request-URI (§12.2.1.1)', async t => {
  const world = await World.create()
  const { peer } = world
  const strict = await world.peerAt('192.0.2.7')
  call(world)
  await world.run()
  peer.respond(peer.lastRequest('INVITE'), 200, {
    body: sdp('answer'),
    contact: '<sip:desk@192.0.2.9>',
    headers: [['Record-Route', '<sip:last@192.0.2.8;lr>, <sip:strict@192.0.2.7>']],
  })
  await world.run()
  const ack = strict.lastRequest('ACK')
  t.equal(ack.requestUri, 'sip:strict@192.0.2.7')
  t.same(ack.headers.getAll('Route'), ['<sip:last@192.0.2.8;lr>', '<sip:desk@192.0.2.9>'])
})

t.test('BYE from the callee in an early dialog is answered, the INVITE goes on (§15)', async t => {
  const world = await World.create()
  const { peer } = world
  const { session } = call(world)
  await world.run()
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 180)
  await world.run()
  peer.send(peer.inOurDialog('BYE', invite, { contact: undefined }))
  await world.run()
  t.same(peer.statuses('BYE'), [200])
  t.equal(session.state, 'early')
})

t.test('BYE right after the 200, before our ACK could arrive', async t => {
  const world = await World.create()
  const { peer } = world
  const { handlers } = call(world, { handlers: undefined as never })
  await world.run()
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 200, { body: sdp('answer') })
  peer.send(peer.inOurDialog('BYE', invite, { contact: undefined }))
  await world.run()
  t.same(peer.ladder(), ['INVITE', 'ACK', '200 BYE'])
  t.same(handlers.log, [])
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('addresses that cannot be read are named', async t => {
  const world = await World.create()
  t.throws(() => call(world, { target: 'nonsense' }), { code: 'SIP_OPTION', field: 'target' })
  t.throws(() => call(world, { from: 'x y' }), { code: 'SIP_OPTION', field: 'from' })
  t.throws(() => call(world, { route: ['<'] }), { code: 'SIP_OPTION', field: 'route[0]' })
  t.throws(() => call(world, { headers: [['X-Bad', 'a\r\nVia: evil']] }), { code: 'SIP_SERIALISE' })
  t.equal(world.core.size, 0)
})

t.test('a target nobody listens at ends as a transport failure or time-out, never hangs', async t => {
  const world = await World.create()
  const { session } = call(world, { target: 'sip:x@no.such.host' })
  await world.run(40_000)
  const end = await session.ended
  t.equal(end.cause, 'no-response')
  t.match(end.error, { code: 'SIP_TRANSPORT' })
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test('requests in the dialog stay on its connection, though the Contact names no transport', async t => {
  const world = await World.create({}, [
    { transport: 'udp', host: '192.0.2.1', port: 5060 },
    { transport: 'tcp', host: '192.0.2.1', port: 5060 },
  ])
  const { StreamFramer } = await import('../../../src/sip/message/framer.ts')
  const { parseMessage } = await import('../../../src/sip/message/parser.ts')
  const { serialise } = await import('../../../src/sip/message/serialiser.ts')
  const { createResponse } = await import('../../../src/sip/message/build.ts')
  const seen: SipMessage[] = []
  const listener = await world.clock.runFor(
    world.network.host('192.0.2.2').listenTcp({ host: '192.0.2.2', port: 5060 }),
  )
  let connections = 0
  listener.onConnection = connection => {
    connections++
    const framer = new StreamFramer()
    connection.onData = data => {
      for (const frame of framer.push(data)) {
        if (frame.kind !== 'message') continue
        const message = parseMessage(frame.bytes, { framing: 'stream' })
        seen.push(message)
        if (message.kind === 'request' && message.method === 'INVITE') {
          const ok = createResponse(message, 200, {
            toTag: 'tcp',
            headers: [['Contact', '<sip:peer@192.0.2.2>']],
            body: sdp('answer').body,
            contentType: 'application/sdp',
          })
          connection.write(serialise(ok))
        }
      }
    }
  }
  const { session } = call(world, { target: 'sip:peer@192.0.2.2;transport=tcp' })
  await world.run(500)
  session.hangup()
  await world.run(500)
  t.same(
    seen.map(message => (message.kind === 'request' ? message.method : message.statusCode)),
    ['INVITE', 'ACK', 'BYE'],
  )
  t.equal(connections, 1)
  t.same(world.peer.ladder(), [])
})

for (const [name, value] of [
  ['Contact', '<foo>'],
  ['Contact', 'sip:a@b, *'],
  ['Expires', 'soon'],
  ['Record-Route', '<'],
] as const) {
  t.test(
    `a refusal with ${name}: ${value} refuses all the same (RFC 3261 §8.2: what is not needed is not judged)`,
    async t => {
      const world = await World.create()
      const { session } = call(world)
      await world.run()
      world.peer.respond(world.peer.lastRequest('INVITE'), 302, {
        contact: undefined,
        headers: [[name, value]],
      })
      await world.run()
      t.match(session.end, { by: 'remote', cause: 'refused', statusCode: 302 })
      t.equal(world.peer.requests('ACK').length, 1)
    },
  )
}

t.test('hangup with what cannot be written throws; the CANCEL goes out when asked well (§9.1)', async t => {
  const world = await World.create()
  const { session } = call(world)
  await world.run()
  world.peer.respond(world.peer.lastRequest('INVITE'), 180)
  await world.run()
  t.throws(() => session.hangup({ headers: [['X-Note', 'a\r\nb']] }), { code: 'SIP_SERIALISE' })
  t.throws(() => session.hangup({ reasons: ['SIP\r\n'] }), { code: 'SIP_OPTION' })
  t.equal(session.state, 'early')
  session.hangup({ reasons: ['SIP;cause=200'] })
  await world.run()
  t.equal(world.peer.lastRequest('CANCEL').headers.get('Reason'), 'SIP;cause=200')
})
