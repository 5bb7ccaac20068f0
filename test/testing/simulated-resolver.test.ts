import t from 'tap'
import { SimulatedResolver } from '../../src/testing/simulated-resolver.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

t.test('names resolve without regard to case and final dot', async t => {
  const resolver = new SimulatedResolver()
  resolver.setAddresses('PBX.example.', ['10.0.0.1', '2001:db8::1'], 60)
  t.same(await resolver.address('pbx.EXAMPLE'), [
    { address: '10.0.0.1', family: 4, ttlSeconds: 60 },
    { address: '2001:db8::1', family: 6, ttlSeconds: 60 },
  ])
})

t.test('what does not exist gives an empty list', async t => {
  const resolver = new SimulatedResolver()
  t.same(await resolver.address('nobody.example'), [])
  t.same(await resolver.srv('_sip._udp.nobody.example'), [])
  t.same(await resolver.naptr('nobody.example'), [])
  resolver.setAddresses('gone.example', ['10.0.0.1'])
  resolver.remove('gone.example')
  t.same(await resolver.address('gone.example'), [])
})

t.test('a numeric host resolves to itself and asks nobody', async t => {
  const resolver = new SimulatedResolver()
  t.match(await resolver.address('10.0.0.1'), [{ address: '10.0.0.1', family: 4 }])
  t.match(await resolver.address('2001:db8::1'), [{ address: '2001:db8::1', family: 6 }])
  t.equal(resolver.queries, 0)
})

t.test('records get the usual values where they name none', async t => {
  const resolver = new SimulatedResolver()
  resolver.setSrv('_sip._udp.example.com', [{ host: 'a.example.com', port: 5060, priority: 10 }])
  resolver.setNaptr('example.com', [{ service: 'SIP+D2U', replacement: '_sip._udp.example.com' }])
  t.same(await resolver.srv('_sip._udp.example.com'), [
    { host: 'a.example.com', port: 5060, priority: 10, weight: 0, ttlSeconds: 3600 },
  ])
  t.same(await resolver.naptr('example.com'), [
    {
      order: 0,
      preference: 0,
      flags: 's',
      service: 'SIP+D2U',
      replacement: '_sip._udp.example.com',
      ttlSeconds: 3600,
    },
  ])
  t.equal(resolver.queries, 2)
})

t.test('a name can be made to fail, and to work again', async t => {
  const resolver = new SimulatedResolver()
  resolver.setAddresses('pbx.example', ['10.0.0.1'])
  resolver.fail('pbx.example')
  await t.rejects(resolver.address('pbx.example'), { code: 'SIP_RESOLVE' })
  resolver.fail('pbx.example', false)
  t.equal((await resolver.address('pbx.example')).length, 1)
})

t.test('with a clock an answer takes its time', async t => {
  const clock = new VirtualClock()
  const resolver = new SimulatedResolver({ clock, delayMs: 40 })
  resolver.setAddresses('pbx.example', ['10.0.0.1'])
  t.equal((await clock.runFor(resolver.address('pbx.example'))).length, 1)
  t.equal(clock.now(), 40)
})
