import t from 'tap'
import { createRequest } from '../../../src/sip/message/build.ts'
import { MaxForwards, RecordRoute, Route } from '../../../src/sip/message/headers/index.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { Proxy } from '../../../src/sip/proxy/proxy.ts'
import type { RouteFunction, ProxyTarget } from '../../../src/sip/proxy/types.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import { sdp } from '../dialog/world.ts'
import { PROXY, World } from './world.ts'
import type { Agent } from './world.ts'

const ALICE = '192.0.2.10'
const BOB = '192.0.2.20'
const CAROL = '192.0.2.30'

/** Every user of the proxy's domain is at these places. */
function at(...targets: readonly (ProxyTarget | readonly ProxyTarget[])[]): RouteFunction {
  return () => ({ targets })
}

const bob: ProxyTarget = { uri: `sip:bob@${BOB}` }
const carol: ProxyTarget = { uri: `sip:carol@${CAROL}` }

/** A request of a peer that keeps no dialogs. */
function plain(
  method: string,
  uri: string,
  headers: readonly (readonly [string, string])[] = [],
): SipRequest {
  return createRequest({
    method,
    uri,
    headers: [
      ['Max-Forwards', '70'],
      ['From', `<sip:${ALICE}>;tag=a`],
      ['To', `<${uri}>`],
      ['Call-ID', `plain-${method}-${headers.length}`],
      ['CSeq', `1 ${method}`],
      ...headers,
    ].filter(([name], index, all) => all.findLastIndex(([other]) => other === name) === index) as [
      string,
      string,
    ][],
  })
}

/** Sends it to the proxy in a transaction of the agent's; gives the final status. */
async function ask(world: World, { layers }: Agent, request: SipRequest, ms = 1000): Promise<number[]> {
  const statuses: number[] = []
  const client = layers.transactions.request(request, { destination: { host: PROXY } })
  client.onResponse = ({ statusCode }) => statuses.push(statusCode)
  await world.run(ms)
  return statuses
}

t.test(
  'a call: set up, requests in both directions, and the end, all through the proxy (§16, §16.6 4)',
  async t => {
    const world = new World(t)
    const { proxy } = await world.proxy(at(bob))
    const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
    const call = alice.call('sip:bob@example.com')
    await world.run()
    t.equal(call.state, 'confirmed')
    t.same(world.statuses(alice), [180, 200])
    const [invite] = world.requests(callee, 'INVITE')
    t.equal(invite?.requestUri, `sip:bob@${BOB}`, 'the Request-URI is the target')
    t.equal(invite?.vias.length, 2)
    t.equal(invite?.get(MaxForwards), 69)
    t.equal(invite?.headers.has('Route'), false, 'the Route to the proxy was taken off')
    t.equal(invite?.get(RecordRoute)?.length, 1)
    t.equal(world.requests(callee, 'ACK').length, 1)
    t.equal(world.requests(callee, 'ACK')[0]?.vias.length, 2, 'the ACK came through the proxy')
    const session = callee.calls[0]
    await Promise.all([session?.request('INFO'), call.reinvite({ offer: sdp('hold') }), world.run()])
    t.equal(world.requests(alice, 'INFO')[0]?.vias.length, 2)
    t.equal(world.requests(callee, 'INVITE')[1]?.vias.length, 2)
    session?.hangup()
    await world.run()
    t.equal(world.requests(alice, 'BYE')[0]?.vias.length, 2)
    t.equal((await call.ended).cause, 'bye')
    t.equal(proxy.stats().undeliverable, 0)
    await world.assertClean(t)
  },
)

t.test('without Record-Route the proxy is out of the dialog', async t => {
  const world = new World(t)
  await world.proxy(at(bob), { recordRoute: false })
  const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
  const call = alice.call(`sip:bob@${PROXY}`, { route: [] })
  await world.run()
  t.equal(call.state, 'confirmed')
  t.equal(world.requests(callee, 'ACK')[0]?.vias.length, 1)
  call.hangup()
  await world.assertClean(t)
})

t.test(
  'UDP on one side and TCP on the other: two Record-Routes, each side comes back by its own (RFC 5658)',
  async t => {
    const world = new World(t)
    await world.proxy(at({ uri: `sip:bob@${BOB};transport=tcp` }))
    const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB, 'tcp')]
    const call = alice.call('sip:bob@example.com')
    await world.run()
    t.equal(call.state, 'confirmed')
    const routes = world.requests(callee, 'INVITE')[0]?.get(RecordRoute) ?? []
    t.match(
      routes.map(({ uriText }) => uriText),
      [/transport=tcp;lr;r2=on$/, /^sip:[^;]*;lr;r2=on$/],
    )
    const ack = world.requests(callee, 'ACK')[0]
    t.equal(ack?.via.transport, 'TCP')
    t.equal(ack?.headers.has('Route'), false, 'both Routes were taken off')
    callee.calls[0]?.hangup()
    await world.run()
    t.equal(world.requests(alice, 'BYE')[0]?.via.transport, 'UDP')
    await world.assertClean(t)
  },
)

t.test(
  'clients behind connections only: requests within the call come back over them (RFC 5626 §5.3)',
  async t => {
    const world = new World(t)
    const flows = new Map<string, Flow>()
    await world.proxy(({ request, flow, transaction }) => {
      if (request.method === 'REGISTER') {
        flows.set(request.to.uriText, flow)
        transaction?.reply(200)
        return undefined
      }
      const callee = flows.get('sip:bob@example.com')
      return {
        targets: callee === undefined ? [] : [{ uri: 'sip:bob@browser.invalid;transport=tcp', flow: callee }],
      }
    })
    const [alice, callee] = [await world.agent(ALICE, 'tcp'), await world.agent(BOB, 'tcp')]
    const contact = '<sip:x@browser.invalid;transport=tcp>'
    const register = plain('REGISTER', 'sip:example.com', [['To', '<sip:bob@example.com>']])
    callee.layers.transactions.request(register, { destination: { host: PROXY, transport: 'tcp' } })
    await world.run()
    callee.onCall = session => session.answer({ body: sdp('answer'), contact })
    const call = alice.call('sip:bob@example.com', { route: [`<sip:${PROXY};transport=tcp;lr>`], contact })
    await world.run()
    t.equal(call.state, 'confirmed')
    t.equal(world.requests(callee, 'ACK').length, 1, 'over the connection of the callee')
    callee.calls[0]?.hangup()
    await world.run()
    t.equal(world.requests(alice, 'BYE').length, 1, 'over the connection of the caller')
    await world.assertClean(t)
  },
)

t.test('CANCEL goes on to the callee; the caller gets 487 (§16.10)', async t => {
  const world = new World(t)
  const { proxy } = await world.proxy(at(bob))
  const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
  callee.onCall = session => session.ring()
  const call = alice.call('sip:bob@example.com')
  await world.run()
  call.hangup()
  await world.run()
  t.same(world.statuses(alice), [180, 487])
  t.same(world.statuses(alice, 'CANCEL'), [200])
  t.equal(world.requests(callee, 'CANCEL').length, 1)
  t.equal((await callee.calls[0]?.ended)?.cause, 'cancelled')
  t.equal(proxy.size, 0)
  await world.assertClean(t)
})

t.test('a call is cancelled while the routing function thinks: nothing is sent on', async t => {
  const world = new World(t)
  let found: (() => void) | undefined
  await world.proxy(async () => {
    await new Promise<void>(resolve => (found = resolve))
    return { targets: [bob] }
  })
  const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
  const call = alice.call('sip:bob@example.com')
  await world.run()
  call.hangup()
  await world.run()
  found?.()
  await world.run()
  t.same(world.statuses(alice), [100, 487])
  t.equal(world.requests(callee, 'INVITE').length, 0)
  await world.assertClean(t)
})

t.test('parallel forking: both ring, one answers, the other is cancelled (§16.7 10)', async t => {
  const world = new World(t)
  await world.proxy(at([bob, carol]))
  const [alice, first, second] = [await world.agent(ALICE), await world.agent(BOB), await world.agent(CAROL)]
  first.onCall = session => session.ring()
  second.onCall = session => {
    session.ring()
    world.clock.setTimer(world.clock.now() + 500, () => session.answer({ body: sdp('answer') }))
  }
  const call = alice.call('sip:sales@example.com')
  await world.run(2000)
  t.equal(call.state, 'confirmed')
  t.same(world.statuses(alice), [180, 180, 200])
  t.equal(world.requests(first, 'CANCEL').length, 1)
  t.equal((await first.calls[0]?.ended)?.cause, 'cancelled')
  t.equal(world.requests(second, 'INVITE')[0]?.headers.get('Max-Breadth'), '30', 'RFC 5393 §5.3.3')
  call.hangup()
  await world.assertClean(t)
})

t.test(
  'parallel forking: two answer at once, both answers reach the caller, who ends the second (§16.7 5)',
  async t => {
    const world = new World(t)
    await world.proxy(at([bob, carol]))
    const [alice, first, second] = [
      await world.agent(ALICE),
      await world.agent(BOB),
      await world.agent(CAROL),
    ]
    const call = alice.call('sip:sales@example.com')
    await world.run(2000)
    t.equal(call.state, 'confirmed')
    t.equal(world.statuses(alice).filter(status => status === 200).length, 2)
    const byes = [first, second].map(agent => world.requests(agent, 'BYE').length)
    t.equal(byes[0], byes[1] === 0 ? 1 : 0, 'one of them is ended')
    call.hangup()
    await world.assertClean(t)
  },
)

t.test('sequential forking: busy, then no answer in time, then answered', async t => {
  const world = new World(t)
  const dave: ProxyTarget = { uri: 'sip:dave@192.0.2.40' }
  await world.proxy(at(bob, { ...carol, answerMs: 3000 }, dave))
  const alice = await world.agent(ALICE)
  const [first, second, third] = [
    await world.agent(BOB),
    await world.agent(CAROL),
    await world.agent('192.0.2.40'),
  ]
  first.onCall = session => session.reject(486)
  second.onCall = session => session.ring()
  const call = alice.call('sip:sales@example.com')
  await world.run(5000)
  t.equal(call.state, 'confirmed')
  t.same(world.statuses(alice), [180, 180, 200], 'neither 486 nor 487')
  t.equal(world.requests(second, 'CANCEL').length, 1)
  t.equal(third.calls.length, 1)
  call.hangup()
  await world.assertClean(t)
})

t.test('nobody takes the call: the best response goes back (§16.7 6)', async t => {
  const world = new World(t)
  await world.proxy(at([bob, carol]))
  const [alice, first, second] = [await world.agent(ALICE), await world.agent(BOB), await world.agent(CAROL)]
  first.onCall = session => session.reject(500)
  second.onCall = session => session.reject(486)
  const call = alice.call('sip:sales@example.com')
  await world.run()
  t.equal((await call.ended).statusCode, 486)
  await world.assertClean(t)
})

t.test(
  'a target that says nothing: 408 after Timer B; Timer C cancels one that rings for ever (§16.8)',
  async t => {
    const world = new World(t)
    await world.proxy(({ request }) => ({ targets: request.requestUri.includes('bob') ? [bob] : [carol] }), {
      timerC: 60_000,
    })
    const [alice, callee] = [await world.agent(ALICE), await world.agent(CAROL)]
    callee.onCall = session => session.ring()
    const silent = alice.call('sip:bob@example.com')
    const ringing = alice.call('sip:carol@example.com')
    await world.run(40_000)
    t.equal((await silent.ended).statusCode, 408)
    t.equal(ringing.state, 'early')
    await world.run(30_000)
    t.equal((await ringing.ended).statusCode, 487)
    t.equal(world.requests(callee, 'CANCEL').length, 1)
    await world.assertClean(t)
  },
)

t.test('redirections are followed where that was asked for, and passed on where not', async t => {
  const world = new World(t)
  await world.proxy(at(bob), { redirections: 2 })
  const [alice, first, second] = [await world.agent(ALICE), await world.agent(BOB), await world.agent(CAROL)]
  first.onCall = session => session.redirect([`<sip:nobody@${CAROL}>;q=0.1`, `<sip:carol@${CAROL}>;q=0.9`])
  const call = alice.call('sip:bob@example.com')
  await world.run()
  t.equal(call.state, 'confirmed')
  t.equal(second.calls[0]?.invite.requestUri, `sip:carol@${CAROL}`)
  call.hangup()
  await world.assertClean(t)

  const other = new World(t)
  await other.proxy(at(bob))
  const [caller, callee] = [await other.agent(ALICE), await other.agent(BOB)]
  callee.onCall = session => session.redirect([`sip:carol@${CAROL}`])
  const redirected = caller.call('sip:bob@example.com')
  await other.run()
  t.equal((await redirected.ended).statusCode, 302)
  await other.assertClean(t)
})

t.test('what a proxy refuses (§16.3)', async t => {
  const world = new World(t)
  const { proxy } = await world.proxy(at(bob), { extensions: ['known'] })
  const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
  const uri = `sip:bob@${PROXY}`
  t.same(await ask(world, alice, plain('MESSAGE', uri, [['Max-Forwards', '0']])), [483])
  t.same(await ask(world, alice, plain('OPTIONS', uri, [['Max-Forwards', '0']])), [200])
  t.same(await ask(world, alice, plain('MESSAGE', 'mailto:bob@example.com')), [416])
  t.same(
    await ask(
      world,
      alice,
      plain('MESSAGE', uri, [
        ['Max-Forwards', '1'],
        ['Proxy-Require', 'known, secret'],
      ]),
    ),
    [420],
  )
  t.equal(world.responses(alice, 'MESSAGE').at(-1)?.headers.get('Unsupported'), 'secret')
  t.same(world.heard(callee), [], 'nothing was sent on')
  t.equal(proxy.stats().answered, 4)
  await world.assertClean(t)
})

t.test('a routing function may answer, throw, or have no target', async t => {
  const world = new World(t)
  const errors: unknown[] = []
  await world.proxy(
    ({ request }) => {
      if (request.requestUri.includes('gone'))
        return { statusCode: 410, headers: [['Warning', '399 proxy "moved"']] }
      if (request.requestUri.includes('nowhere')) return { targets: [] }
      if (request.requestUri.includes('odd')) return { targets: [{ uri: 'no uri' }] }
      throw new Error('database')
    },
    { onError: error => errors.push(error) },
  )
  const alice = await world.agent(ALICE)
  t.same(await ask(world, alice, plain('MESSAGE', `sip:gone@${PROXY}`)), [410])
  t.same(await ask(world, alice, plain('MESSAGE', `sip:nowhere@${PROXY}`, [['Subject', 'x']])), [480])
  t.same(await ask(world, alice, plain('OPTIONS', `sip:odd@${PROXY}`)), [500])
  t.same(await ask(world, alice, plain('OPTIONS', `sip:fails@${PROXY}`, [['Subject', 'x']])), [500])
  t.equal(errors.length, 1)
  await world.assertClean(t)
})

t.test(
  'the servers of a domain are tried in turn, each with a branch of its own (§16.6 7, RFC 3263 §4.3)',
  async t => {
    const world = new World(t)
    world.resolver.setAddresses('branch.example', [BOB, CAROL])
    await world.proxy(at({ uri: 'sip:office@branch.example:5060' }))
    const [alice, first, second] = [
      await world.agent(ALICE),
      await world.agent(BOB),
      await world.agent(CAROL),
    ]
    first.onCall = session => session.reject(503)
    const call = alice.call('sip:office@example.com')
    await world.run()
    t.equal(call.state, 'confirmed')
    const invites = [first, second].map(agent => world.requests(agent, 'INVITE')[0])
    t.not(invites[0]?.via.branch, invites[1]?.via.branch)
    t.equal(invites[1]?.vias.length, 2)
    call.hangup()
    await world.assertClean(t)
  },
)

t.test('what cannot be read or written is answered, and nothing is left', async t => {
  const world = new World(t)
  const { proxy } = await world.proxy(async ({ request }) => {
    await Promise.resolve()
    if (request.method === 'INFO') return { statusCode: 99 }
    if (request.method === 'OPTIONS') return { statusCode: 403, headers: [['Warning', 'two\r\nlines']] }
    return { targets: [bob] }
  })
  const alice = await world.agent(ALICE)
  const uri = `sip:bob@${PROXY}`
  t.same(await ask(world, alice, plain('MESSAGE', uri, [['Max-Breadth', 'wide']])), [400])
  t.same(
    await ask(
      world,
      alice,
      plain('MESSAGE', uri, [
        ['Max-Breadth', '0'],
        ['Subject', 'x'],
      ]),
    ),
    [440],
  )
  t.same(await ask(world, alice, plain('INFO', uri)), [500])
  t.same(await ask(world, alice, plain('OPTIONS', uri)), [500])
  t.equal(proxy.size, 0)
  await world.assertClean(t)
})

t.test(
  'a request that comes round unchanged is a loop: 482 (§16.3 4); one with another target is a spiral',
  async t => {
    const world = new World(t)
    const { proxy } = await world.proxy(({ request }) => {
      if (request.requestUri.includes('spiral')) return { targets: [{ uri: `sip:bob@${PROXY}` }] }
      return { targets: request.requestUri.includes('loop') ? [{ uri: `sip:loop@${PROXY}` }] : [bob] }
    })
    const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
    const looping = alice.call(`sip:loop@${PROXY}`, { route: [] })
    await world.run()
    t.equal((await looping.ended).statusCode, 482)
    t.equal(proxy.stats().loops, 1)
    const spiral = alice.call(`sip:spiral@${PROXY}`, { route: [] })
    await world.run()
    t.equal(spiral.state, 'confirmed')
    t.equal(callee.calls[0]?.invite.vias.length, 3)
    spiral.hangup()
    await world.run()
    t.equal(world.requests(callee, 'BYE')[0]?.vias.length, 3, 'the BYE goes the same way')
    await world.assertClean(t)
  },
)

t.test('two proxies in a row: both stay in the path, and a loop between them ends', async t => {
  const world = new World(t)
  const edge = '192.0.2.2'
  const secret = new Uint8Array(32).fill(9)
  const { proxy } = await world.proxy(
    ({ request }) => ({ targets: [{ uri: request.uri, route: [`<sip:${edge};lr>`] }] }),
    { secret },
  )
  await world.proxy(
    ({ request }) => ({
      targets: [
        request.requestUri.includes('loop') ? { uri: request.uri, route: [`<sip:${PROXY};lr>`] } : bob,
      ],
    }),
    { secret },
    edge,
  )
  const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
  const call = alice.call('sip:bob@example.com')
  await world.run()
  t.equal(call.state, 'confirmed')
  callee.calls[0]?.hangup()
  await world.run()
  t.equal(world.requests(alice, 'BYE')[0]?.vias.length, 3)
  const looping = alice.call('sip:loop@example.com')
  await world.run()
  t.equal((await looping.ended).statusCode, 482)
  t.equal(proxy.stats().loops, 1)
  await world.assertClean(t)
})

t.test(
  'a strict router is next: it gets itself as Request-URI, and the target last in Route (§16.6 6)',
  async t => {
    const world = new World(t)
    await world.proxy(at({ ...bob, route: [`<sip:${CAROL}>`, '<sip:192.0.2.40;lr>'] }))
    const [alice, router] = [await world.agent(ALICE), await world.agent(CAROL)]
    await ask(world, alice, plain('MESSAGE', `sip:bob@${PROXY}`))
    const [message] = world.requests(router, 'MESSAGE')
    t.equal(message?.requestUri, `sip:${CAROL}`)
    t.same(
      message?.get(Route)?.map(({ uriText }) => uriText),
      ['sip:192.0.2.40;lr', `sip:bob@${BOB}`],
    )
    await world.assertClean(t)
  },
)

t.test('a Route alone does not make the proxy a relay: the routing function is asked', async t => {
  const world = new World(t)
  const asked: string[] = []
  await world.proxy(({ request }) => {
    asked.push(request.requestUri)
    return { statusCode: 403 }
  })
  const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
  const relayed = plain('MESSAGE', `sip:bob@${BOB}`, [
    ['To', `<sip:bob@${BOB}>;tag=made-up`],
    ['Route', `<sip:guess@${PROXY};lr>`],
  ])
  t.same(await ask(world, alice, relayed), [403])
  t.same(asked, [`sip:bob@${BOB}`])
  t.same(world.heard(callee), [])
  await world.assertClean(t)
})

t.test('a challenge of the callee and its answer pass through', async t => {
  const world = new World(t)
  await world.proxy(at(bob))
  const [alice, callee] = [await world.agent(ALICE), await world.agent(BOB)]
  callee.onCall = session => {
    if (session.invite.headers.has('Authorization')) session.answer({ body: sdp('answer') })
    else
      session.reject(401, {
        headers: [['WWW-Authenticate', 'Digest realm="bob", nonce="n", algorithm=SHA-256, qop="auth"']],
      })
  }
  const call = alice.call('sip:bob@example.com', { credentials: { username: 'alice', password: 'secret' } })
  await world.run()
  t.equal(call.state, 'confirmed')
  call.hangup()
  await world.assertClean(t)
})

t.test('bounds: contexts and targets', async t => {
  const world = new World(t)
  const { proxy } = await world.proxy(at([bob, bob, carol]), { limits: { contexts: 1, branches: 1 } })
  const [alice, callee, other] = [await world.agent(ALICE), await world.agent(BOB), await world.agent(CAROL)]
  callee.onCall = session => session.ring()
  const call = alice.call('sip:bob@example.com')
  await world.run()
  t.equal(callee.calls.length, 1, 'the same target twice is one target (§16.5)')
  t.equal(other.calls.length, 0)
  t.equal(proxy.stats().targetsDropped, 1)
  const second = alice.call('sip:bob@example.com')
  await world.run()
  t.equal((await second.ended).statusCode, 503)
  t.equal(proxy.stats().refused, 1)
  call.hangup()
  await world.assertClean(t)
})

t.test('options that cannot work are refused', async t => {
  const world = new World(t)
  const layers = await world.bare(PROXY)
  const make = (options: object) => () => new Proxy({ ...layers, route: at(bob), ...options })
  t.throws(make({ secret: new Uint8Array(4) }), { code: 'SIP_OPTION', field: 'secret' })
  t.throws(make({ timerC: 0 }), { code: 'SIP_OPTION', field: 'timerC' })
  t.throws(make({ limits: { branches: 0 } }), { code: 'SIP_OPTION', field: 'branches' })
  await world.assertClean(t)
})

t.test('calls with a tenth of all datagrams lost: every call comes up, and ends', async t => {
  const world = new World(t, { delayMs: 20, jitterMs: 10, loss: 0.1 })
  const { proxy } = await world.proxy(at([bob, carol]))
  const [alice, first, second] = [await world.agent(ALICE), await world.agent(BOB), await world.agent(CAROL)]
  second.onCall = session => session.ring()
  first.onCall = session => {
    session.ring()
    world.clock.setTimer(world.clock.now() + 2000, () => session.answer({ body: sdp('answer') }))
  }
  const calls = Array.from({ length: 40 }, () => alice.call('sip:sales@example.com'))
  await world.run(30_000)
  t.same([...new Set(calls.map(({ state }) => state))], ['confirmed'])
  for (const call of calls) call.hangup()
  await world.run(60_000)
  const ends = await Promise.all(calls.map(({ ended }) => ended))
  t.same([...new Set(ends.map(({ cause }) => cause))], ['bye'])
  t.equal(first.calls.filter(({ end }) => end?.cause === 'bye').length, 40)
  t.equal(second.calls.filter(({ end }) => end?.cause === 'cancelled').length, 40)
  t.equal(proxy.size, 0)
  await world.assertClean(t)
})
