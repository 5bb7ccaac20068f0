import t from 'tap'
import type { SipRequest, SipResponse } from '../../../src/sip/message/message.ts'
import type { UserAgentCoreOptions } from '../../../src/sip/dialog/core-types.ts'
import type { InviteClientSession, InviteOptions } from '../../../src/sip/dialog/session-types.ts'
import { PEER, recorder, sdp, World } from './world.ts'

type Fields = readonly (readonly [string, string])[]

/** Milliseconds from `since`, to the nearest ten: when the peer got these requests. */
function times(world: World, method: string, since: number): number[] {
  return world.peer.seen
    .filter(({ message, at }) => message.kind === 'request' && message.method === method && at > since)
    .map(({ at }) => Math.round((at - since) / 100) * 100)
}

const able: Fields = [['Supported', 'timer']]
const updates: Fields = [...able, ['Allow', 'INVITE, ACK, BYE, CANCEL, UPDATE']]

/** We call; the peer answers with those header fields. */
async function calling(
  headers: Fields,
  options: Partial<InviteOptions> = {},
  core: Partial<UserAgentCoreOptions> = {},
): Promise<{ world: World; session: InviteClientSession; invite: SipRequest; since: number }> {
  const world = await World.create({ sessionTimer: {}, ...core })
  const handlers = recorder()
  const session = world.core.invite({
    target: `sip:peer@${PEER}`,
    from: 'sip:agent@192.0.2.1',
    offer: sdp('offer'),
    handlers,
    ...options,
  })
  await world.run()
  const invite = world.peer.lastRequest('INVITE')
  world.peer.respond(invite, 200, { body: sdp('answer'), headers })
  const since = world.clock.now()
  await world.run()
  t.equal(session.state, 'confirmed')
  return { world, session, invite, since }
}

/** The peer calls with those header fields and is answered. */
async function called(
  headers: Fields,
  core: Partial<UserAgentCoreOptions> = {},
): Promise<{ world: World; ok: SipResponse; since: number }> {
  const world = await World.create({ sessionTimer: {}, ...core })
  const { ok } = await world.answered({ headers, handlers: recorder() })
  return { world, ok, since: world.clock.now() - 20 }
}

t.test('an INVITE says what we can do and ask for (RFC 4028 §7.1)', async t => {
  const { invite } = await calling([])
  t.equal(invite.headers.get('Session-Expires'), '1800')
  t.match(invite.headers.get('Supported'), /\btimer\b/)
})

t.test('off says nothing, for all calls or for one', async t => {
  const all = await calling([], {}, { sessionTimer: 'off' })
  const one = await calling([['Session-Expires', '90;refresher=uac']], { sessionTimer: 'off' })
  for (const { invite } of [all, one]) {
    t.notOk(invite.headers.has('Session-Expires'))
    t.notMatch(invite.headers.get('Supported') ?? '', /\btimer\b/)
  }
  await one.world.run(600_000)
  t.equal(one.session.state, 'confirmed')
  t.equal(one.world.peer.requests('INVITE').length, 1, 'nothing is refreshed')
  const { ok } = await called([...able, ['Session-Expires', '90']], { sessionTimer: 'off' })
  t.notOk(ok.headers.has('Session-Expires'))
})

t.test('a peer without session timers is left alone (RFC 4028 §7.2)', async t => {
  const { world, session } = await calling([])
  await world.run(4_000_000)
  t.equal(session.state, 'confirmed')
  t.same(world.peer.ladder(), ['INVITE', 'ACK'])
})

t.test('the caller refreshes by UPDATE at half the interval, over and over (RFC 4028 §7.4)', async t => {
  const { world, session, since } = await calling([...updates, ['Session-Expires', '100;refresher=uac']])
  world.peer.onMessage = message => {
    if (message.kind === 'request' && message.method === 'UPDATE') {
      world.peer.respond(message, 200, { headers: [['Session-Expires', '100;refresher=uac']] })
    }
  }
  await world.run(160_000)
  t.same(times(world, 'UPDATE', since), [50_000, 100_000, 150_000])
  const update = world.peer.lastRequest('UPDATE')
  t.equal(update.headers.get('Session-Expires'), '100;refresher=uac')
  t.equal(update.body.length, 0, 'no offer')
  t.equal(session.state, 'confirmed')
})

t.test('without UPDATE in Allow it is a re-INVITE with the offer there is (RFC 4028 §7.4)', async t => {
  const { world, session, since } = await calling([...able, ['Session-Expires', '100;refresher=uac']])
  world.peer.onMessage = message => {
    if (message.kind === 'request' && message.method === 'INVITE') {
      world.peer.respond(message, 200, {
        body: sdp('same'),
        headers: [['Session-Expires', '100;refresher=uac']],
      })
    }
  }
  await world.run(120_000)
  t.same(times(world, 'INVITE', since), [50_000, 100_000])
  t.ok(world.peer.lastRequest('INVITE').body.length > 0)
  t.equal(world.peer.requests('ACK').length, 3)
  t.equal(session.state, 'confirmed')
})

for (const status of [405, 501]) {
  t.test(`a peer that answers ${status} to UPDATE gets re-INVITEs (RFC 3311 §5.1)`, async t => {
    const { world, since } = await calling([...updates, ['Session-Expires', '100;refresher=uac']])
    world.peer.onMessage = message => {
      if (message.kind !== 'request') return
      if (message.method === 'UPDATE') world.peer.respond(message, status)
      if (message.method === 'INVITE') {
        world.peer.respond(message, 200, {
          body: sdp('same'),
          headers: [['Session-Expires', '100;refresher=uac']],
        })
      }
    }
    await world.run(110_000)
    t.same(times(world, 'UPDATE', since), [50_000], 'once')
    t.same(times(world, 'INVITE', since), [50_000, 100_000])
  })
}

t.test('422 to the INVITE: the same call again with the interval the peer wants (RFC 4028 §7.3)', async t => {
  const world = await World.create({ sessionTimer: {} })
  const session = world.core.invite({
    target: `sip:peer@${PEER}`,
    from: 'sip:agent@192.0.2.1',
    offer: sdp('offer'),
    handlers: recorder(),
  })
  await world.run()
  const first = world.peer.lastRequest('INVITE')
  world.peer.respond(first, 422, { headers: [['Min-SE', '3600']] })
  await world.run()
  const second = world.peer.lastRequest('INVITE')
  t.equal(second.headers.get('Session-Expires'), '3600')
  t.equal(second.headers.get('Min-SE'), '3600')
  t.equal(second.callId, first.callId)
  t.equal(second.from.tag, first.from.tag)
  t.equal(second.cseq.sequence, first.cseq.sequence + 1)
  world.peer.respond(second, 422, { headers: [['Min-SE', '3600']] })
  await world.run()
  t.match(session.end, { cause: 'refused', statusCode: 422 }, 'no third time for the same')
})

t.test('422 to a refresh raises the interval and refreshes at once (RFC 4028 §7.4)', async t => {
  const { world, since } = await calling([...updates, ['Session-Expires', '100;refresher=uac']])
  let refused = false
  world.peer.onMessage = message => {
    if (message.kind !== 'request' || message.method !== 'UPDATE') return
    if (!refused) world.peer.respond(message, 422, { headers: [['Min-SE', '200']] })
    else world.peer.respond(message, 200, { headers: [['Session-Expires', '200;refresher=uac']] })
    refused = true
  }
  await world.run(160_000)
  t.same(times(world, 'UPDATE', since), [50_000, 50_000, 150_000])
  t.match(world.peer.lastRequest('UPDATE').headers.get('Min-SE'), '200')
})

t.test(
  'the callee refreshes, and falls silent: BYE a third of the interval before its end (RFC 4028 §10)',
  async t => {
    const { world, session, since } = await calling([
      ...able,
      ['Require', 'timer'],
      ['Session-Expires', '90;refresher=uas'],
    ])
    await world.run(59_900)
    t.equal(session.state, 'confirmed')
    await world.run(200)
    t.equal(times(world, 'BYE', since)[0], 60_000)
    t.match(world.peer.lastRequest('BYE').headers.get('Reason'), /SIP ?;cause=408/)
    t.match(session.end, { by: 'timeout', error: { code: 'SIP_TIMEOUT', seconds: 90 } })
    t.same(world.peer.requests('UPDATE'), [])
    world.peer.respond(world.peer.lastRequest('BYE'), 200)
    t.same(await world.leftovers(), { core: 0, transactions: 0 })
  },
)

t.test('with a long interval the BYE goes out 32 s before its end (RFC 4028 §10)', async t => {
  const { world, since } = await calling([...able, ['Session-Expires', '1800;refresher=uas']])
  await world.run(1_800_000)
  t.equal(times(world, 'BYE', since)[0], 1_768_000)
})

t.test(
  'a refresh by the peer starts the interval again, and may change who refreshes (RFC 4028 §9)',
  async t => {
    const { world, session, invite, since } = await calling([
      ...updates,
      ['Session-Expires', '90;refresher=uas'],
    ])
    await world.run(45_000)
    world.peer.send(
      world.peer.inOurDialog('UPDATE', invite, {
        cseq: 10,
        headers: [...able, ['Session-Expires', '90;refresher=uac']],
      }),
    )
    await world.run()
    const ok = world.peer.lastResponse('UPDATE', 200)
    t.equal(ok.headers.get('Session-Expires'), '90;refresher=uac')
    t.equal(ok.headers.get('Require'), 'timer')
    await world.run(45_000)
    t.equal(session.state, 'confirmed', 'the first interval is forgotten')
    world.peer.send(
      world.peer.inOurDialog('UPDATE', invite, {
        cseq: 11,
        headers: [...updates, ['Session-Expires', '90;refresher=uas']],
      }),
    )
    await world.run()
    t.equal(world.peer.lastResponse('UPDATE', 200).headers.get('Session-Expires'), '90;refresher=uas')
    t.notOk(world.peer.lastResponse('UPDATE', 200).headers.has('Require'))
    await world.run(45_300)
    t.equal(times(world, 'UPDATE', since).length, 1, 'now it is ours to refresh')
  },
)

t.test('our refresh refused: tried again while there is time, then BYE (RFC 4028 §10)', async t => {
  const { world, session, since } = await calling([...updates, ['Session-Expires', '90;refresher=uac']])
  world.peer.onMessage = message => {
    if (message.kind === 'request' && message.method === 'UPDATE') world.peer.respond(message, 503)
  }
  await world.run(61_000)
  t.same(times(world, 'UPDATE', since), [45_000, 50_000, 55_000])
  t.equal(times(world, 'BYE', since)[0], 60_000)
  t.match(session.end, { by: 'timeout' })
})

for (const status of [408, 481]) {
  t.test(`${status} to a refresh ends the session (RFC 3261 §12.2.1.2)`, async t => {
    const { world, session, since } = await calling([...updates, ['Session-Expires', '90;refresher=uac']])
    world.peer.onMessage = message => {
      if (message.kind === 'request' && message.method === 'UPDATE') world.peer.respond(message, status)
    }
    await world.run(46_000)
    t.equal(times(world, 'BYE', since)[0], 45_000)
    t.match(session.end, { cause: 'dialog-lost', statusCode: status })
  })
}

t.test('a caller that asks for too little gets 422 with Min-SE, and no call (RFC 4028 §9)', async t => {
  const world = await World.create({ sessionTimer: { minSeconds: 120 } })
  world.peer.send(
    world.peer.request('INVITE', { body: sdp('offer'), headers: [...able, ['Session-Expires', '100']] }),
  )
  await world.run()
  t.equal(world.peer.lastResponse('INVITE').statusCode, 422)
  t.equal(world.peer.lastResponse('INVITE').headers.get('Min-SE'), '120')
  t.equal(world.incoming.length, 0)
})

t.test('so does a refresh in the dialog, which stays as it was', async t => {
  const { world, ok } = await called([...able, ['Session-Expires', '1800']])
  world.peer.send(world.peer.inDialog('UPDATE', ok, { headers: [...able, ['Session-Expires', '30']] }))
  await world.run()
  t.equal(world.peer.lastResponse('UPDATE').statusCode, 422)
  t.equal(world.session.state, 'confirmed')
})

t.test('a callee refreshes where it was told to (RFC 4028 §9)', async t => {
  const { world, ok, since } = await called([...updates, ['Session-Expires', '90;refresher=uas']])
  t.equal(ok.headers.get('Session-Expires'), '90;refresher=uas')
  t.notOk(ok.headers.has('Require'))
  world.peer.onMessage = message => {
    if (message.kind === 'request' && message.method === 'UPDATE') {
      world.peer.respond(message, 200, { headers: [['Session-Expires', '90;refresher=uac']] })
    }
  }
  await world.run(91_000)
  t.same(times(world, 'UPDATE', since), [45_000, 90_000])
  t.equal(world.session.state, 'confirmed')
})

t.test('a callee ends what its caller does not refresh (RFC 4028 §10)', async t => {
  const { world, ok, since } = await called([...able, ['Session-Expires', '90']])
  t.equal(ok.headers.get('Session-Expires'), '90;refresher=uac')
  t.equal(ok.headers.get('Require'), 'timer')
  await world.run(60_100)
  t.equal(times(world, 'BYE', since)[0], 60_000)
})

t.test('a caller without session timers: nothing, unless we insist on refreshing (RFC 4028 §9)', async t => {
  const { ok } = await called([])
  t.notOk(ok.headers.has('Session-Expires'))
  const insisting = await called([], { sessionTimer: { refresher: 'local', expiresSeconds: 90 } })
  t.equal(insisting.ok.headers.get('Session-Expires'), '90;refresher=uas')
  await insisting.world.run(46_000)
  t.equal(times(insisting.world, 'INVITE', insisting.since)[0], 45_000)
})

t.test('no timer is left armed when the call ends before it expires', async t => {
  const { world, session } = await calling([...able, ['Session-Expires', '1800;refresher=uas']])
  session.hangup()
  await world.run()
  world.peer.respond(world.peer.lastRequest('BYE'), 200)
  await world.run(70_000)
  t.equal(world.clock.pendingTimers, 0)
})

t.test('an UPDATE before the answer is no refresh', async t => {
  const world = await World.create({ sessionTimer: {} })
  world.peer.send(world.peer.request('INVITE', { body: sdp('offer'), headers: able }))
  await world.run()
  world.session.handlers = recorder()
  world.session.ring()
  await world.run()
  world.peer.send(
    world.peer.inDialog('UPDATE', world.peer.lastResponse('INVITE', 180), {
      headers: [...able, ['Session-Expires', '90;refresher=uac']],
    }),
  )
  await world.run()
  t.notOk(world.peer.lastResponse('UPDATE').headers.has('Session-Expires'))
  await world.run(100_000)
  t.same(times(world, 'BYE', 0), [], 'nothing expires')
  world.session.answer({ body: sdp('answer') })
  await world.run()
  t.equal(world.peer.lastResponse('INVITE', 200).headers.get('Session-Expires'), '1800;refresher=uac')
})
