import t from 'tap'
import type { InviteClientSession, SessionHandlers } from '../../../src/sip/dialog/session-types.ts'
import { sdp, textOf, World } from './world.ts'

interface Calling {
  readonly world: World
  readonly session: InviteClientSession
  readonly log: string[]
}

async function calling(offer: boolean, handlers: SessionHandlers = {}): Promise<Calling> {
  const world = await World.create()
  const log: string[] = []
  const session = world.core.invite({
    target: 'sip:peer@192.0.2.2',
    from: 'sip:agent@example.com',
    ...(offer ? { offer: sdp('offer') } : {}),
    handlers: {
      onEarlyAnswer: (body, { dialogTag, reliable }) => {
        log.push(`early ${textOf(body)} ${dialogTag} ${reliable}`)
        return true
      },
      onAnswer: body => void log.push(`answer ${textOf(body)}`),
      onOffer: (body, { phase }) => {
        log.push(`offer ${textOf(body)} ${phase}`)
        return sdp('ours')
      },
      onConfirmed: () => void log.push('confirmed'),
      onEnd: ({ cause }) => void log.push(`end ${cause}`),
      ...handlers,
    },
  })
  await world.run()
  return { world, session, log }
}

function reliably(rseq: number): readonly (readonly [string, string])[] {
  return [
    ['Require', '100rel'],
    ['RSeq', String(rseq)],
  ]
}

t.test('each fork gets its own PRACK; the one that answers needs no other answer (RFC 3262 §4)', async t => {
  const { world, log } = await calling(true)
  const { peer } = world
  const invite = peer.lastRequest('INVITE')
  for (const [toTag, rseq] of [
    ['a', 10],
    ['b', 500],
  ] as const) {
    peer.respond(invite, 183, { toTag, headers: reliably(rseq), body: sdp(`of ${toTag}`) })
    await world.run()
    const prack = peer.lastRequest('PRACK')
    t.equal(prack.headers.get('RAck'), `${rseq} ${invite.cseq.sequence} INVITE`)
    t.equal(prack.to.tag, toTag)
    peer.respond(prack, 200, { toTag })
  }
  peer.respond(invite, 200, { toTag: 'b' })
  await world.run()
  t.same(log, ['early of a a true', 'early of b b true', 'confirmed'])
  t.equal(peer.lastRequest('ACK').to.tag, 'b')
})

t.test('the fork that was not heard last wins: its answer counts then', async t => {
  const { world, log } = await calling(true)
  const { peer } = world
  const invite = peer.lastRequest('INVITE')
  for (const toTag of ['a', 'b']) {
    peer.respond(invite, 183, { toTag, headers: reliably(1), body: sdp(`of ${toTag}`) })
    await world.run()
    peer.respond(peer.lastRequest('PRACK'), 200, { toTag })
  }
  peer.respond(invite, 200, { toTag: 'a' })
  await world.run()
  t.same(log.slice(2), ['answer of a', 'confirmed'])
})

t.test('an unreliable preview is shown once, and the 2xx decides', async t => {
  const { world, log } = await calling(true)
  const { peer } = world
  const invite = peer.lastRequest('INVITE')
  for (let i = 0; i < 3; i++) {
    peer.respond(invite, 183, { body: sdp('preview') })
    await world.run()
  }
  peer.respond(invite, 200, { body: sdp('final') })
  await world.run()
  t.same(log, ['early preview peer false', 'answer final', 'confirmed'])
  t.same(peer.requests('PRACK'), [])
})

t.test('no offer in the INVITE: it comes in the 183, its answer goes in the PRACK (RFC 3262 §5)', async t => {
  const { world, log } = await calling(false)
  const { peer } = world
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 183, { headers: reliably(3), body: sdp('theirs') })
  await world.run()
  const prack = peer.lastRequest('PRACK')
  t.equal(textOf(prack), 'ours')
  peer.respond(prack, 200)
  peer.respond(invite, 200)
  await world.run()
  t.same(log, ['offer theirs initial', 'confirmed'])
  t.equal(peer.lastRequest('ACK').body.length, 0)
})

t.test('an offer before the 2xx that nobody can answer: PRACK, then CANCEL', async t => {
  const { world, log } = await calling(false, {
    onOffer: () => {
      throw new Error('nothing in common')
    },
  })
  const { peer } = world
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 183, { headers: reliably(3), body: sdp('theirs') })
  await world.run()
  t.equal(peer.lastRequest('PRACK').body.length, 0)
  t.match(peer.lastRequest('CANCEL').headers.get('Reason'), /488/)
  peer.respond(peer.lastRequest('CANCEL'), 200)
  peer.respond(invite, 487)
  await world.run()
  t.same(log, ['end cancelled'])
})

t.test(
  'UPDATE of ours before the answer: only once both went reliably; 491 is tried again (RFC 3311 §5)',
  async t => {
    const { world, session, log } = await calling(true)
    const { peer } = world
    const invite = peer.lastRequest('INVITE')
    await t.rejects(session.update({ offer: sdp('change') }), { code: 'SIP_STATE' })
    peer.respond(invite, 183, { headers: reliably(1), body: sdp('early') })
    await world.run()
    peer.respond(peer.lastRequest('PRACK'), 200)
    await world.run()
    const changed = session.update({ offer: sdp('change') })
    await world.run()
    peer.respond(peer.lastRequest('UPDATE'), 491)
    await world.run(4100)
    const again = peer.lastRequest('UPDATE')
    t.equal(textOf(again), 'change')
    peer.respond(again, 200, { body: sdp('changed'), contact: '<sip:elsewhere@192.0.2.2>' })
    await world.run()
    t.equal((await changed).statusCode, 200)
    const refreshed = session.update()
    await world.run()
    t.equal(peer.lastRequest('UPDATE').requestUri, 'sip:elsewhere@192.0.2.2', 'the target was refreshed')
    peer.respond(peer.lastRequest('UPDATE'), 200)
    await world.run()
    t.equal((await refreshed).statusCode, 200)
    peer.respond(invite, 200)
    await world.run()
    t.same(log, ['early early peer true', 'answer changed', 'confirmed'])
  },
)

t.test('what is heard of a PRACK does not touch the call: 481, or nothing at all', async t => {
  const { world, session, log } = await calling(true)
  const { peer } = world
  const invite = peer.lastRequest('INVITE')
  peer.respond(invite, 183, { headers: reliably(1), body: sdp('early') })
  await world.run()
  peer.respond(peer.lastRequest('PRACK'), 481)
  await world.run()
  peer.respond(invite, 180, { headers: reliably(2) })
  await world.run(33_000)
  peer.respond(invite, 200)
  await world.run()
  t.equal(session.state, 'confirmed')
  t.same(log, ['early early peer true', 'confirmed'])
})

t.test(
  'a fork that is not heard changes its session before it wins: the owner is not handed its old answer',
  async t => {
    const { world, log } = await calling(true)
    const { peer } = world
    const invite = peer.lastRequest('INVITE')
    for (const toTag of ['a', 'b']) {
      peer.respond(invite, 183, { toTag, headers: reliably(1), body: sdp(`of ${toTag}`) })
      await world.run()
      peer.respond(peer.lastRequest('PRACK'), 200, { toTag })
    }
    peer.send(peer.inOurDialog('UPDATE', invite, { tag: 'a', fromTag: 'a', cseq: 10, body: sdp('moved') }))
    await world.run()
    t.equal(textOf(peer.lastResponse('UPDATE', 200)), 'ours')
    peer.respond(invite, 183, { toTag: 'a', headers: reliably(2) })
    await world.run()
    peer.respond(invite, 200, { toTag: 'a' })
    await world.run()
    t.same(log, ['early of a a true', 'early of b b true', 'offer moved update', 'confirmed'])
  },
)

t.test(
  'a fork that changed its session, and then another that was heard later, wins with its last description',
  async t => {
    const { world, session, log } = await calling(true)
    const { peer } = world
    const invite = peer.lastRequest('INVITE')
    peer.respond(invite, 183, { toTag: 'a', headers: reliably(1), body: sdp('of a') })
    await world.run()
    peer.respond(peer.lastRequest('PRACK'), 200, { toTag: 'a' })
    await world.run()
    const changed = session.update({ offer: sdp('change') })
    await world.run()
    peer.respond(peer.lastRequest('UPDATE'), 200, { toTag: 'a', body: sdp('changed') })
    await world.run()
    await changed
    peer.respond(invite, 183, { toTag: 'b', headers: reliably(1), body: sdp('of b') })
    await world.run()
    peer.respond(invite, 200, { toTag: 'a' })
    await world.run()
    t.same(log, ['early of a a true', 'answer changed', 'early of b b true', 'answer changed', 'confirmed'])
  },
)
