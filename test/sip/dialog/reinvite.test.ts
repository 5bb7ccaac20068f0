import t from 'tap'
import type { SipResponse } from '../../../src/sip/message/message.ts'
import { glareWaitMs } from '../../../src/sip/dialog/offer-answer.ts'
import { recorder, sdp, textOf, World } from './world.ts'

async function up(handlers = recorder()): Promise<{
  world: World
  ok: SipResponse
  handlers: ReturnType<typeof recorder>
}> {
  const world = await World.create()
  const { ok } = await world.answered({ handlers })
  handlers.log.length = 0
  return { world, ok, handlers }
}

t.test(
  'trap 6: a re-INVITE with an offer is answered by the owner, and its 200 repeated until the ACK',
  async t => {
    const { world, ok, handlers } = await up()
    const { peer } = world
    peer.send(peer.inDialog('INVITE', ok, { body: sdp('hold') }))
    await world.run(600)
    t.same(handlers.log, ['offer hold reinvite'])
    const again = peer.responses('INVITE', 200).slice(1)
    t.equal(again.length, 2)
    t.equal(textOf(again[0]), 'answer to hold')
    t.equal(String(again[0]?.contacts), '<sip:agent@192.0.2.1:5060>')
    peer.send(peer.inDialog('ACK', again[0] as SipResponse))
    await world.run(10_000)
    t.equal(peer.responses('INVITE', 200).length, 3)
    t.equal(world.session.state, 'confirmed')
  },
)

t.test('trap 6: a re-INVITE without an offer gets ours in the 200; the ACK brings the answer', async t => {
  const { world, ok, handlers } = await up()
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok))
  await world.run()
  const second = peer.responses('INVITE', 200).at(-1) as SipResponse
  t.equal(textOf(second), 'our offer')
  peer.send(peer.inDialog('ACK', second, { body: sdp('their answer') }))
  await world.run()
  t.same(handlers.log, ['offer request reinvite', 'answer their answer reinvite'])
  t.equal(world.session.state, 'confirmed')
})

t.test('an ACK without the answer that is due leaves the session as it was', async t => {
  const { world, ok, handlers } = await up()
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok))
  await world.run()
  peer.send(peer.inDialog('ACK', peer.responses('INVITE', 200).at(-1) as SipResponse))
  await world.run()
  t.same(handlers.log, ['offer request reinvite'])
  t.equal(world.session.state, 'confirmed')
  peer.send(peer.inDialog('INVITE', ok, { cseq: 3, body: sdp('next') }))
  await world.run()
  t.same(handlers.log.at(-1), 'offer next reinvite')
})

t.test('a re-INVITE nobody acknowledges ends the session after 64*T1 (§14.2, §13.3.1.4)', async t => {
  const { world, ok, handlers } = await up()
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok, { body: sdp('x') }))
  await world.run(33_000)
  t.ok(peer.requests('BYE').length > 0)
  t.same(handlers.log.at(-1), 'end timeout no-ack')
})

t.test(
  'a re-INVITE the owner refuses is answered with its status and Warning; the session goes on (§14.2)',
  async t => {
    const { world, ok } = await up(
      recorder({
        onOffer: async () => {
          throw Object.assign(new Error('no codec'), {
            statusCode: 488,
            warning: { code: 304, text: 'No "codec"' },
          })
        },
      }),
    )
    const { peer } = world
    peer.send(peer.inDialog('INVITE', ok, { body: sdp('x') }))
    await world.run()
    t.equal(peer.lastResponse('INVITE', 488).headers.get('Warning'), '304 192.0.2.1 "No \\"codec\\""')
    t.equal(world.session.state, 'confirmed')
    peer.send(peer.inDialog('INVITE', ok, { cseq: 3, body: sdp('x') }))
    await world.run()
    t.equal(peer.responses('INVITE', 488).length, 2, 'and the next may be tried')
  },
)

t.test('without handlers a re-INVITE gets 488', async t => {
  const world = await World.create()
  const { ok } = await world.answered()
  world.peer.send(world.peer.inDialog('INVITE', ok, { body: sdp('x') }))
  await world.run()
  t.same(world.peer.statuses('INVITE').slice(1), [488])
})

t.test('a second re-INVITE while the first waits: 500 with Retry-After 0 to 10 (§14.2)', async t => {
  const { world, ok } = await up(
    recorder({
      onOffer: () => new Promise(() => {}),
    }),
  )
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok, { body: sdp('1') }))
  await world.run()
  peer.send(peer.inDialog('INVITE', ok, { cseq: 3, body: sdp('2') }))
  await world.run()
  const refused = peer.lastResponse('INVITE', 500)
  t.ok(Number(refused.headers.get('Retry-After')) <= 10)
  t.equal(refused.cseq.sequence, 3)
})

t.test('CANCEL of a re-INVITE: 487, and the session goes on', async t => {
  const { world, ok } = await up(
    recorder({
      onOffer: () => new Promise(() => {}),
    }),
  )
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok, { branch: 'z9hG4bK-re', body: sdp('1') }))
  await world.run()
  peer.send(peer.inDialog('CANCEL', ok, { branch: 'z9hG4bK-re' }))
  await world.run()
  t.equal(peer.lastResponse('INVITE').statusCode, 487)
  t.equal(world.session.state, 'confirmed')
})

t.test(
  'BYE while a re-INVITE waits for the owner: 487 to it (§15.1.2); a late answer is not sent',
  async t => {
    const handlers = recorder({
      onOffer: async () => {
        await world.clock.sleep(1000)
        return sdp('too late')
      },
    })
    const { world, ok } = await up(handlers)
    const { peer } = world
    peer.send(peer.inDialog('INVITE', ok, { body: sdp('1') }))
    await world.run()
    peer.send(peer.inDialog('BYE', ok, { cseq: 3 }))
    await world.run(2000)
    t.same([...new Set(peer.statuses('INVITE').slice(1))], [487])
    t.same(peer.statuses('BYE'), [200])
    t.same(await world.leftovers(), { core: 0, transactions: 0 })
  },
)

t.test(
  'trap 7: glare: 491 to the peer while ours is under way (§14.2); ours is tried again after 2.1 to 4 s or 0 to 2 s (§14.1)',
  async t => {
    const { world, ok, handlers } = await up()
    const { peer, session } = world
    const change = session.reinvite({ offer: sdp('our change') })
    await world.run()
    const first = peer.lastRequest('INVITE')
    t.equal(textOf(first), 'our change')
    peer.send(peer.inDialog('INVITE', ok, { body: sdp('theirs') }))
    await world.run()
    t.equal(peer.lastResponse('INVITE').statusCode, 491)
    peer.respond(first, 491)
    await world.run(2010)
    const second = peer.lastRequest('INVITE')
    t.equal(second.cseq.sequence, first.cseq.sequence + 1, 'we did not make the Call-ID: 0 to 2 s')
    peer.respond(second, 200, { body: sdp('agreed') })
    await world.run()
    t.equal((await change).statusCode, 200)
    t.same(handlers.log, ['answer agreed reinvite'])
    t.equal(peer.lastRequest('ACK').cseq.sequence, second.cseq.sequence)
  },
)

t.test('trap 7: the waits of §14.1 stay in their bounds', async t => {
  for (let n = 0; n < 5000; n += 1) {
    const owner = glareWaitMs(true, n * 858_993)
    const other = glareWaitMs(false, n * 858_993)
    if (owner < 2100 || owner > 4000 || owner % 10 !== 0) t.fail(`owner ${owner}`)
    if (other < 0 || other > 2000 || other % 10 !== 0) t.fail(`other ${other}`)
  }
  t.equal(glareWaitMs(true, 190), 4000)
  t.equal(glareWaitMs(true, 0), 2100)
  t.equal(glareWaitMs(false, 200), 2000)
})

t.test('a peer’s re-INVITE in our wait after 491 is worked on', async t => {
  const { world, ok, handlers } = await up()
  const { peer, session } = world
  const change = session.reinvite({ offer: sdp('ours') })
  await world.run()
  peer.respond(peer.lastRequest('INVITE'), 491)
  peer.send(peer.inDialog('INVITE', ok, { body: sdp('theirs') }))
  await world.run()
  t.same(handlers.log, ['offer theirs reinvite'])
  peer.send(peer.inDialog('ACK', peer.lastResponse('INVITE', 200)))
  await world.run(2500)
  peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('agreed') })
  await world.run()
  t.equal((await change).statusCode, 200)
})

t.test('491 for ever: given up after a few tries', async t => {
  const { world } = await up()
  const { peer, session } = world
  peer.onMessage = message => {
    if (message.kind === 'request' && message.method === 'INVITE') peer.respond(message, 491)
  }
  const change = session.reinvite({ offer: sdp('ours') })
  await t.rejects(world.clock.runFor(change), { code: 'SIP_RESPONSE', statusCode: 491 })
  t.equal(peer.requests('INVITE').length, 7)
  t.equal(session.state, 'confirmed')
})

t.test('our re-INVITE refused: the error has the response, the session stays (§14.1)', async t => {
  const { world } = await up()
  const { peer, session } = world
  const change = session.reinvite({ offer: sdp('ours') })
  await world.run()
  peer.respond(peer.lastRequest('INVITE'), 488)
  await t.rejects(world.clock.runFor(change), { code: 'SIP_RESPONSE', statusCode: 488 })
  t.equal(session.state, 'confirmed')
  const again = session.reinvite({ offer: sdp('again') })
  await world.run()
  peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('fine') })
  await world.run()
  t.equal((await again).statusCode, 200)
})

t.test('our re-INVITE challenged: answered; repeated 2xx are acknowledged again', async t => {
  const world = await World.create({ credentials: { username: 'u', password: 'p' } })
  await world.answered()
  const { peer, session } = world
  const change = session.reinvite({ offer: sdp('ours') })
  await world.run()
  peer.respond(peer.lastRequest('INVITE'), 407, {
    headers: [['Proxy-Authenticate', 'Digest realm="r", nonce="n", qop="auth"']],
  })
  await world.run()
  const second = peer.lastRequest('INVITE')
  t.match(second.headers.get('Proxy-Authorization'), /username="u"/)
  const answer = peer.respond(second, 200, { body: sdp('fine') })
  await world.run()
  await change
  const acks = peer.requests('ACK').length
  peer.send(answer)
  await world.run()
  t.equal(peer.requests('ACK').length, acks + 1)
})

t.test('our re-INVITE without an offer: the peer offers in the 200, the ACK has the answer', async t => {
  const { world, handlers } = await up()
  const { peer, session } = world
  const change = session.reinvite()
  await world.run()
  t.equal(textOf(peer.lastRequest('INVITE')), undefined)
  peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('their offer') })
  await world.run()
  await change
  t.equal(textOf(peer.lastRequest('ACK')), 'answer to their offer')
  t.same(handlers.log, ['offer their offer reinvite'])
})

for (const status of [408, 481]) {
  t.test(`our re-INVITE answered ${status}: the dialog is gone (§12.2.1.2, RFC 5057)`, async t => {
    const { world, handlers } = await up()
    const { peer, session } = world
    const change = session.reinvite({ offer: sdp('ours') })
    await world.run()
    peer.respond(peer.lastRequest('INVITE'), status)
    await t.rejects(world.clock.runFor(change), { code: 'SIP_RESPONSE' })
    await world.run()
    t.equal(peer.requests('BYE').length, 1)
    t.same(handlers.log, ['end remote dialog-lost'])
    t.equal(session.end?.statusCode, status)
  })
}

t.test('our re-INVITE never answered: the dialog is gone', async t => {
  const { world } = await up()
  const change = world.session.reinvite({ offer: sdp('ours') })
  await t.rejects(world.clock.runFor(change), { code: 'SIP_TIMEOUT' })
  t.equal(world.session.end?.by, 'timeout')
  t.equal(world.session.end?.cause, 'dialog-lost')
  t.same(await world.leftovers(), { core: 0, transactions: 0 })
})

t.test(
  'BYE while our re-INVITE is under way: it rejects at once; a 2xx to it is still acknowledged',
  async t => {
    const { world, ok } = await up()
    const { peer, session } = world
    const change = session.reinvite({ offer: sdp('ours') })
    await world.run()
    const invite = peer.lastRequest('INVITE')
    peer.send(peer.inDialog('BYE', ok))
    const over = t.rejects(change, { code: 'SIP_STATE' })
    await world.run()
    await over
    const acks = peer.requests('ACK').length
    peer.respond(invite, 200, { body: sdp('late') })
    await world.run()
    t.equal(peer.requests('ACK').length, acks + 1)
    t.same(await world.leftovers(), { core: 0, transactions: 0 })
  },
)

t.test('one change at a time, and none before or after', async t => {
  const { world } = await up()
  const { session } = world
  const first = session.reinvite({ offer: sdp('1') })
  await t.rejects(session.reinvite({ offer: sdp('2') }), { code: 'SIP_STATE' })
  await world.run()
  world.peer.respond(world.peer.lastRequest('INVITE'), 200, { body: sdp('fine') })
  await world.run()
  await first
  session.hangup()
  await t.rejects(session.reinvite({ offer: sdp('3') }), { code: 'SIP_STATE' })
})

t.test('UPDATE: without a body it refreshes the target, with one it is answered (RFC 3311 §5.2)', async t => {
  const { world, ok, handlers } = await up()
  const { peer } = world
  peer.send(peer.inDialog('UPDATE', ok, { contact: '<sip:moved@192.0.2.2>' }))
  await world.run()
  t.same(peer.statuses('UPDATE'), [200])
  peer.send(peer.inDialog('UPDATE', ok, { cseq: 3, body: sdp('new') }))
  await world.run()
  t.equal(textOf(peer.lastResponse('UPDATE', 200)), 'answer to new')
  t.same(handlers.log, ['offer new update'])
  world.session.hangup()
  await world.run()
  t.equal(peer.lastRequest('BYE').requestUri, 'sip:peer@192.0.2.2')
})

t.test(
  'UPDATE in the early dialog, while the offer of the INVITE waits: 500 with Retry-After (RFC 3311 §5.2)',
  async t => {
    const world = await World.create()
    const { peer } = world
    peer.send(peer.request('INVITE', { body: sdp('offer') }))
    await world.run()
    world.session.ring()
    await world.run()
    const ringing = peer.lastResponse('INVITE', 180)
    peer.send(peer.inDialog('UPDATE', ringing, { body: sdp('other') }))
    await world.run()
    t.ok(peer.lastResponse('UPDATE', 500).headers.has('Retry-After'))
  },
)

t.test('UPDATE with an offer while ours is open: 491', async t => {
  const { world, ok } = await up()
  const { peer, session } = world
  const change = session.reinvite({ offer: sdp('ours') })
  await world.run()
  peer.send(peer.inDialog('UPDATE', ok, { body: sdp('theirs') }))
  await world.run()
  t.same(peer.statuses('UPDATE'), [491])
  peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('fine') })
  await world.run()
  await change
})

t.test('re-INVITEs that are never acknowledged are bounded: 500 to the ninth', async t => {
  const { world, ok } = await up()
  const { peer } = world
  for (let cseq = 2; cseq <= 10; cseq++) {
    peer.send(peer.inDialog('INVITE', ok, { cseq, body: sdp('x') }))
    await world.run()
  }
  t.equal(peer.lastResponse('INVITE', 500).cseq.sequence, 10)
})

t.test('a re-INVITE that overtakes the ACK is answered (RFC 5407 §3.1)', async t => {
  const world = await World.create()
  const handlers = recorder()
  const { session, ok } = await world.answered({ ack: false, handlers })
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok, { body: sdp('quick') }))
  await world.run()
  const second = peer.responses('INVITE', 200).find(({ cseq }) => cseq.sequence === 2)
  t.equal(textOf(second), 'answer to quick')
  peer.send(peer.inDialog('ACK', ok))
  peer.send(peer.inDialog('ACK', second as SipResponse))
  await world.run(5000)
  t.equal(session.state, 'confirmed')
})

t.test('a re-INVITE without a Contact keeps the target', async t => {
  const { world, ok } = await up()
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok, { contact: undefined, body: sdp('x') }))
  await world.run()
  const second = peer.responses('INVITE', 200).at(-1) as SipResponse
  t.equal(second.cseq.sequence, 2)
  peer.send(peer.inDialog('ACK', second))
  await world.run()
  world.session.hangup()
  await world.run()
  t.equal(peer.lastRequest('BYE').requestUri, 'sip:peer@192.0.2.2')
})

t.test(
  'a re-INVITE before the ACK of the call waits for it (RFC 3261 §14.1): the 2xx is still being repeated',
  async t => {
    const world = await World.create()
    const { peer } = world
    const { session, ok } = await world.answered({ ack: false })
    const offers: number[] = []
    const change = session.reinvite({
      offer: () => {
        offers.push(world.clock.now())
        return sdp('hold')
      },
    })
    await world.run(1000)
    t.equal(peer.requests('INVITE').length, 0)
    t.same(offers, [], 'the offer is made when it can be sent')
    peer.send(peer.inDialog('ACK', ok))
    await world.run()
    t.equal(textOf(peer.lastRequest('INVITE')), 'hold')
    peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('held') })
    await world.run()
    t.equal((await change).statusCode, 200)
  },
)

t.test('a re-INVITE that waits for an ACK which never comes ends with the session', async t => {
  const world = await World.create()
  const { session } = await world.answered({ ack: false })
  const change = t.rejects(session.reinvite({ offer: sdp('hold') }), { code: 'SIP_STATE' })
  await world.run(40_000)
  await change
  t.equal(session.end?.cause, 'no-ack')
  t.equal(world.peer.requests('INVITE').length, 0)
})

t.test('hung up before the ACK: no re-INVITE any more, whether it was asked for before or after', async t => {
  const world = await World.create()
  const { session, ok } = await world.answered({ ack: false })
  const early = t.rejects(session.reinvite({ offer: sdp('hold') }), { code: 'SIP_STATE' })
  session.hangup()
  await t.rejects(session.reinvite({ offer: sdp('hold') }), { code: 'SIP_STATE' })
  world.peer.send(world.peer.inDialog('ACK', ok))
  await world.run()
  await early
  t.same(world.peer.requests('INVITE').length, 0)
})

t.test(
  'an offer given as a function is made afresh for every attempt, after the last one lapsed',
  async t => {
    const log: string[] = []
    const world = await World.create({ credentials: { username: 'u', password: 'p' } })
    await world.answered({
      handlers: {
        onOfferLapsed: () => {
          log.push('lapsed')
        },
      },
    })
    const { peer, session } = world
    const change = session.reinvite({
      offer: () => {
        log.push('offer')
        return sdp(`offer ${log.length}`)
      },
    })
    await world.run()
    peer.respond(peer.lastRequest('INVITE'), 491)
    await world.run()
    t.same(log, ['offer', 'lapsed'], 'nothing is in flight while we wait')
    await world.run(2500)
    t.equal(textOf(peer.lastRequest('INVITE')), 'offer 3')
    peer.respond(peer.lastRequest('INVITE'), 407, {
      headers: [['Proxy-Authenticate', 'Digest realm="r", nonce="n", qop="auth"']],
    })
    await world.run()
    t.equal(textOf(peer.lastRequest('INVITE')), 'offer 5')
    peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('fine') })
    await world.run()
    t.equal((await change).statusCode, 200)
    t.same(log, ['offer', 'lapsed', 'offer', 'lapsed', 'offer'])
  },
)

/** What makes an offer of ours come to nothing. */
const lapses: readonly {
  readonly name: string
  act: (world: World, ok: SipResponse) => void | Promise<void>
}[] = [
  { name: 'a refusal', act: ({ peer }) => void peer.respond(peer.lastRequest('INVITE'), 488) },
  {
    name: 'a 2xx without an answer',
    act: ({ peer }) => void peer.respond(peer.lastRequest('INVITE'), 200),
  },
  {
    name: 'an answer the owner cannot use',
    act: ({ peer }) => void peer.respond(peer.lastRequest('INVITE'), 200, { body: sdp('bad') }),
  },
  { name: 'no answer at all', act: world => world.run(40_000) },
  { name: 'a BYE', act: ({ peer }, ok) => peer.send(peer.inDialog('BYE', ok)) },
]

for (const { name, act } of lapses) {
  t.test(`our offer lapses once by ${name}, before the owner learns that the change failed`, async t => {
    let lapsed = 0
    const handlers = recorder({
      onOfferLapsed: () => {
        lapsed++
      },
      onAnswer: answer => {
        if (textOf(answer) === 'bad') throw new Error('cannot be used')
      },
    })
    const { world, ok } = await up(handlers)
    let atRejection: number | undefined
    const change = world.session.reinvite({ offer: sdp('ours') }).catch(() => {
      atRejection = lapsed
    })
    await world.run()
    await act(world, ok)
    await world.run()
    await change
    t.equal(atRejection, 1)
    await world.leftovers()
    t.equal(lapsed, 1)
  })
}

t.test('an offer of ours in a 2xx lapses when the ACK brings no answer', async t => {
  let lapsed = 0
  const { world, ok } = await up(
    recorder({
      onOfferLapsed: () => {
        lapsed++
      },
    }),
  )
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok))
  await world.run()
  t.equal(lapsed, 0)
  peer.send(peer.inDialog('ACK', peer.lastResponse('INVITE', 200)))
  await world.run()
  t.equal(lapsed, 1)
})

t.test('a re-INVITE whose headers cannot be written: refused before an offer is made', async t => {
  const { world } = await up()
  const { session } = world
  const offer = (): never => t.fail('no offer is wanted') as never
  await t.rejects(session.reinvite({ offer, headers: [['X-Note', 'a\r\nb']] }), { code: 'SIP_SERIALISE' })
  t.equal(session.state, 'confirmed')
  const change = session.reinvite({ offer: sdp('ours') })
  await world.run()
  world.peer.respond(world.peer.lastRequest('INVITE'), 200, { body: sdp('fine') })
  await world.run()
  t.equal((await change).statusCode, 200)
})

t.test('an offer that cannot be made: nothing is sent, and the session goes on', async t => {
  const { world } = await up()
  const { session } = world
  const broken = session.reinvite({
    offer: () => {
      throw new Error('no port left')
    },
  })
  await t.rejects(broken, { message: 'no port left' })
  await world.run()
  t.equal(world.peer.requests('INVITE').length, 0)
  t.equal(session.state, 'confirmed')
})

t.test('an offer of ours that comes when its re-INVITE is cancelled already lapses', async t => {
  let lapsed = 0
  const handlers = recorder({
    onOfferRequest: async () => {
      await world.clock.sleep(1000)
      return sdp('too late')
    },
    onOfferLapsed: () => {
      lapsed++
    },
  })
  const { world, ok } = await up(handlers)
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok, { branch: 'z9hG4bK-re' }))
  await world.run()
  peer.send(peer.inDialog('CANCEL', ok, { branch: 'z9hG4bK-re' }))
  await world.run(500)
  t.equal(lapsed, 0, 'there is no offer yet')
  await world.run(2000)
  t.equal(peer.lastResponse('INVITE').statusCode, 487)
  t.equal(lapsed, 1)
})

t.test('an offer of ours that cannot be sent lapses, and the peer is refused', async t => {
  let lapsed = 0
  const { world, ok } = await up(
    recorder({
      onOfferRequest: () => ({ contentType: 'application/sdp\r\nX-Evil: 1', body: Buffer.from('v=0') }),
      onOfferLapsed: () => {
        lapsed++
      },
    }),
  )
  const { peer } = world
  peer.send(peer.inDialog('INVITE', ok))
  await world.run()
  t.equal(peer.lastResponse('INVITE').statusCode, 500)
  t.equal(lapsed, 1)
  t.equal(world.session.state, 'confirmed')
})
