import t from 'tap'
import { registeredTargets } from '../../../src/sip/proxy/registered.ts'
import { MemoryLocationStore } from '../../../src/sip/registration/location-store.ts'
import type { Reachable } from '../../../src/sip/registration/registrar.ts'
import { Registrar } from '../../../src/sip/registration/registrar.ts'
import { sdp } from '../dialog/world.ts'
import { PROXY, World } from './world.ts'

t.test(
  'phones register with the registrar of a proxy and call each other, one over a connection it cannot be called on',
  async t => {
    const world = new World(t)
    const { clock } = world
    const store = new MemoryLocationStore({ clock })
    const registrar = new Registrar({ clock, store, domains: ['example.com'] })
    await world.proxy(
      async ({ request, flow }) => {
        if (request.method === 'REGISTER') return registrar.answer(request, flow)
        return { targets: registeredTargets(await registrar.lookup(request.uri)) }
      },
      { names: ['example.com'] },
    )
    const [alice, bob] = [await world.agent('192.0.2.10'), await world.agent('192.0.2.20', 'tcp')]
    const contact = '<sip:bob@browser.invalid;transport=tcp>'
    const answered = bob.core.request({
      method: 'REGISTER',
      target: 'sip:example.com',
      from: 'sip:bob@example.com',
      to: 'sip:bob@example.com',
      destination: { host: PROXY, transport: 'tcp' },
      headers: [['Contact', contact]],
    })
    await world.run()
    t.equal((await answered).statusCode, 200)
    bob.onCall = session => session.answer({ body: sdp('answer'), contact })
    const call = alice.call('sip:bob@example.com')
    await world.run()
    t.equal(call.state, 'confirmed')
    call.hangup()
    await world.run()
    t.equal(world.requests(bob, 'BYE').length, 1, 'over the connection that registered')
    const nobody = alice.call('sip:carol@example.com')
    await world.run()
    t.equal((await nobody.ended).statusCode, 480)
    store.clear()
    await world.assertClean(t)
  },
)

function reachable(name: string, q: number, route: readonly string[] = []): Reachable {
  return {
    target: `sip:${name}@192.0.2.9`,
    route,
    destination: undefined,
    binding: {
      uri: '',
      params: '',
      q,
      callId: '',
      sequence: 1,
      expiresAt: 0,
      updatedAt: 0,
      path: route,
      displayName: undefined,
      instance: undefined,
      regId: undefined,
      source: { transport: 'udp', address: '', port: 0, flow: '' },
      userAgent: undefined,
    },
  }
}

t.test('bindings become targets by q, each with its way', t => {
  const groups = registeredTargets(
    [reachable('a', 1), reachable('b', 0.5, ['<sip:edge;lr>']), reachable('c', 1)],
    {
      answerMs: 5000,
    },
  )
  t.match(groups, [
    [{ uri: 'sip:a@192.0.2.9', answerMs: 5000 }, { uri: 'sip:c@192.0.2.9' }],
    [{ uri: 'sip:b@192.0.2.9', route: ['<sip:edge;lr>'], answerMs: 5000 }],
  ])
  t.end()
})
