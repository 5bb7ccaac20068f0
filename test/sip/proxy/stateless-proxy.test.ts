import t from 'tap'
import { StatelessProxy } from '../../../src/sip/proxy/stateless-proxy.ts'
import type { StatelessProxyOptions } from '../../../src/sip/proxy/stateless-proxy.ts'
import { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { createSimulatedRuntime } from '../../../src/testing/simulated-network.ts'
import { header, requestText, responseText, startLine, World } from '../transport/world.ts'
import { World as Calls, PROXY } from './world.ts'

const listen = (host: string) =>
  [
    { transport: 'udp', host },
    { transport: 'tcp', host },
  ] as const

async function start(
  world: Pick<World, 'clock' | 'network'>,
  host: string,
  options: Partial<StatelessProxyOptions> & Pick<StatelessProxyOptions, 'route'>,
): Promise<StatelessProxy> {
  const runtime = createSimulatedRuntime({
    clock: world.clock,
    network: world.network.host(host),
    random: seededRandom(3),
  })
  const transport = new TransportLayer({ runtime, listen: listen(host) })
  await world.clock.runFor(transport.open())
  return new StatelessProxy({ transport, runtime, ...options })
}

t.test(
  'every copy of a request gets the same branch, its CANCEL and ACK too, another request another (§16.11)',
  async t => {
    const world = new World()
    await start(world, '10.0.0.1', { route: () => ({ targets: [{ uri: 'sip:b@10.0.0.3' }] }) })
    const caller = await world.rawUdp(world.host('10.0.0.2'))
    const callee = await world.rawUdp(world.host('10.0.0.3'))
    const invite = requestText({ method: 'INVITE', headers: ['Contact: <sip:peer@10.0.0.2>'] })
    const cancel = requestText({ method: 'CANCEL' })
    const ack = requestText({ method: 'ACK', to: '<sip:us@10.0.0.1>;tag=remote' })
    const other = requestText({
      method: 'INVITE',
      branch: 'z9hG4bK-peer-2',
      headers: ['Contact: <sip:peer@10.0.0.2>'],
    })
    for (const text of [invite, invite, cancel, ack, other]) caller.say(text)
    await world.clock.advance(10)
    const branches = callee.take().map(text => /branch=([^;\r]*)/.exec(text)?.[1])
    t.equal(branches.length, 5)
    t.equal(new Set(branches.slice(0, 4)).size, 1)
    t.not(branches[4], branches[0])
    t.match(branches[0], /^z9hG4bK/)
  },
)

t.test('responses go back by their Vias, one after the other, whatever became of them before', async t => {
  const world = new World()
  const proxy = await start(world, '10.0.0.1', { route: () => ({ targets: [{ uri: 'sip:b@10.0.0.3' }] }) })
  const caller = await world.rawUdp(world.host('10.0.0.2'))
  const callee = await world.rawUdp(world.host('10.0.0.3'))
  caller.say(requestText())
  await world.clock.advance(10)
  const [request = ''] = callee.take()
  callee.say(responseText(request, '200 OK'))
  callee.say(responseText(request, '200 OK'))
  await world.clock.advance(10)
  const answers = caller.take()
  t.same(answers.map(startLine), ['SIP/2.0 200 OK', 'SIP/2.0 200 OK'])
  t.equal(header(answers[0] ?? '', 'Via'), 'SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK-peer-1')
  callee.say(responseText(request.replace(/^Via: SIP\/2.0\/UDP 10.0.0.2.*\r\n/m, ''), '200 OK'))
  await world.clock.advance(10)
  t.same(caller.take(), [], 'without another Via it goes nowhere')
  t.equal(proxy.stats().undeliverable, 1)
})

t.test('a response finds the connection its request came by', async t => {
  const world = new World()
  await start(world, '10.0.0.1', { route: () => ({ targets: [{ uri: 'sip:b@10.0.0.3' }] }) })
  const caller = await world.connect(world.host('10.0.0.2'))
  const callee = await world.rawUdp(world.host('10.0.0.3'))
  caller.say(requestText({ via: 'SIP/2.0/TCP 10.0.0.2:5060;branch=z9hG4bK-t' }))
  await world.clock.advance(10)
  callee.say(responseText(callee.take()[0] ?? '', '200 OK'))
  await world.clock.advance(10)
  t.equal(startLine(caller.take()), 'SIP/2.0 200 OK')
})

t.test('what it answers itself, it answers without state; an ACK never', async t => {
  const world = new World()
  const proxy = await start(world, '10.0.0.1', {
    route: ({ request }) => {
      if (request.method === 'INFO') throw new Error('database')
      return request.method === 'OPTIONS' ? { statusCode: 403 } : { targets: [] }
    },
  })
  const caller = await world.rawUdp(world.host('10.0.0.2'))
  for (const method of ['OPTIONS', 'MESSAGE', 'INFO', 'ACK']) caller.say(requestText({ method }))
  caller.say(requestText({ method: 'MESSAGE' }).replace('Max-Forwards: 70', 'Max-Forwards: 0'))
  await world.clock.advance(10)
  const answers = caller.take()
  t.same(
    answers.map(text => startLine(text).slice(8, 11)),
    ['403', '480', '500', '483'],
  )
  t.match(header(answers[0] ?? '', 'To'), /;tag=/)
  t.equal(proxy.stats().routeErrors, 1)
})

t.test('a loop is noticed', async t => {
  const world = new World()
  const proxy = await start(world, '10.0.0.1', { route: () => ({ targets: [{ uri: 'sip:us@10.0.0.1' }] }) })
  const caller = await world.rawUdp(world.host('10.0.0.2'))
  caller.say(requestText())
  await world.clock.advance(10)
  t.same(caller.take().map(startLine), ['SIP/2.0 482 Loop Detected'])
  t.equal(proxy.stats().loops, 1)
})

t.test('calls through it, with datagrams lost and a CANCEL: the ends do all the repeating', async t => {
  const world = new Calls(t, { delayMs: 20, loss: 0.1 })
  await start(world, PROXY, { route: () => ({ targets: [{ uri: 'sip:bob@192.0.2.20' }] }) })
  const [alice, bob] = [await world.agent('192.0.2.10'), await world.agent('192.0.2.20')]
  const calls = Array.from({ length: 20 }, () => alice.call('sip:bob@example.com'))
  await world.run(30_000)
  t.same([...new Set(calls.map(({ state }) => state))], ['confirmed'])
  bob.onCall = session => session.ring()
  const given = alice.call('sip:bob@example.com')
  await world.run(10_000)
  given.hangup()
  for (const call of calls) call.hangup()
  await world.run(60_000)
  t.equal((await given.ended).cause, 'cancelled')
  t.equal(
    (await Promise.all(calls.map(({ ended }) => ended))).filter(({ cause }) => cause === 'bye').length,
    20,
  )
})
