import t from 'tap'
import { createRequest } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import type { Destination } from '../../../src/sip/transport/destination.ts'
import type { ListenAddress } from '../../../src/sip/transport/options.ts'
import type { Sent, TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { header, startLine, World } from './world.ts'

const udp: ListenAddress = { transport: 'udp', host: '10.0.0.1' }
const tcp: ListenAddress = { transport: 'tcp', host: '10.0.0.1' }

function request(body = ''): SipRequest {
  return createRequest({
    method: 'OPTIONS',
    uri: 'sip:peer@10.0.0.2',
    headers: [
      ['From', '<sip:us@10.0.0.1>;tag=us'],
      ['To', '<sip:peer@10.0.0.2>'],
      ['Call-ID', 'c'],
      ['CSeq', '1 OPTIONS'],
    ],
    body,
  })
}

const large = 'x'.repeat(1_300)

let branches = 0

function send(layer: TransportLayer, destination: Destination, body = ''): Sent | Promise<Sent> {
  return layer.sendRequest(request(body), { branch: `z9hG4bK${++branches}`, destination })
}

t.test('a numeric UDP destination is sent to at once, without a promise', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp, tcp] })
  const peer = await world.rawUdp(world.host('10.0.0.2'))
  const sent = send(layer, { host: '10.0.0.2' })
  t.notOk('then' in sent)
  await world.clock.settle()
  t.equal(peer.take().length, 1)
  await layer.close()
})

t.test('a name is looked up: every address is tried until one takes it (RFC 3263 §4.3)', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp, tcp] })
  const listener = await world.rawListener(world.host('10.0.0.3'))
  world.host('10.0.0.2')
  world.resolver.setAddresses('peer.test', ['2001:db8::1', '10.0.0.2', '10.0.0.3'])
  const sent = await world.clock.runFor(Promise.resolve(send(layer, { host: 'peer.test', transport: 'tcp' })))
  t.equal(sent.flow.remote.address, '10.0.0.3')
  await world.clock.settle()
  const text = listener.connections[0]?.take() ?? ''
  t.equal(text.match(/^Via:/gm)?.length, 1, 'the attempts before leave no Via behind')
  await layer.close()
})

t.test('a name without an address, and a resolver that never answers, are transport errors', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  await t.rejects(Promise.resolve(send(layer, { host: 'nowhere.test' })), {
    code: 'SIP_TRANSPORT',
    failure: 'unresolved',
  })
  world.resolver.address = () => new Promise(() => {})
  const waiting = t.rejects(Promise.resolve(send(layer, { host: 'silent.test' })), {
    code: 'SIP_TRANSPORT',
    failure: 'unresolved',
  })
  await world.clock.advance(10_000)
  await waiting
  await layer.close()
  t.equal(world.clock.pendingTimers, 0)
})

t.test(
  'a request over 1300 octets goes by TCP where the peer takes it, its Via rewritten (§18.1.1)',
  async t => {
    const world = new World()
    const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp, tcp] })
    const host = world.host('10.0.0.2')
    const listener = await world.rawListener(host)
    const peer = await world.rawUdp(host)
    for (let i = 0; i < 2; i++) {
      const sent = await world.clock.runFor(Promise.resolve(send(layer, { host: '10.0.0.2' }, large)))
      t.equal(sent.flow.transport, 'tcp')
    }
    await world.clock.settle()
    t.same(peer.take(), [])
    t.equal(listener.connections.length, 1)
    const text = listener.connections[0]?.take() ?? ''
    t.equal(text.match(/^Via: SIP\/2\.0\/TCP 10\.0\.0\.1:5060;/gm)?.length, 2)
    t.equal(text.match(/^Via:/gm)?.length, 2)
    t.equal(layer.stats().largeByTcp, 2)
    await layer.close()
  },
)

t.test(
  'TCP refused: the same request goes by UDP, and the peer is not asked again for a while (§18.1.1)',
  async t => {
    const world = new World()
    const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp, tcp] })
    const host = world.host('10.0.0.2')
    const peer = await world.rawUdp(host)
    const sent = await world.clock.runFor(Promise.resolve(send(layer, { host: '10.0.0.2' }, large)))
    t.equal(sent.flow.transport, 'udp')
    await world.clock.settle()
    const [text = ''] = peer.take()
    t.equal(text.match(/^Via: SIP\/2\.0\/UDP /gm)?.length, 1)
    t.equal(text.match(/^Via:/gm)?.length, 1)
    t.notOk('then' in send(layer, { host: '10.0.0.2' }, large), 'the refusal is remembered')
    t.equal(layer.stats().largeByUdp, 1)
    await world.clock.advance(300_001)
    const listener = await world.rawListener(host)
    const later = await world.clock.runFor(Promise.resolve(send(layer, { host: '10.0.0.2' }, large)))
    t.equal(later.flow.transport, 'tcp')
    t.equal(listener.connections.length, 1)
    await layer.close()
  },
)

t.test('TCP silently swallowed: UDP after two seconds', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  world.host('10.0.0.2')
  world.network.partition('10.0.0.1', '10.0.0.2')
  const sent = await world.clock.runFor(Promise.resolve(send(layer, { host: '10.0.0.2' }, large)))
  t.equal(sent.flow.transport, 'udp')
  t.equal(world.clock.now(), 2_000)
  await layer.close()
})

t.test('a layer closed while it connects sends nothing', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  world.network.setConditions({ delayMs: 50 })
  const listener = await world.rawListener(world.host('10.0.0.2'))
  const failed = t.rejects(Promise.resolve(send(layer, { host: '10.0.0.2', transport: 'tcp' })), {
    code: 'SIP_TRANSPORT',
    failure: 'shutdown',
  })
  await layer.close()
  await world.clock.advance(1_000)
  await failed
  t.equal(
    listener.connections.map(({ heard }) => heard.length).join(),
    listener.connections.map(() => 0).join(),
  )
  t.throws(() => send(layer, { host: '10.0.0.2' }), { code: 'SIP_TRANSPORT', failure: 'shutdown' })
  t.equal(world.clock.pendingTimers, 0)
})

t.test('a request given up while its connection opens is never sent', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  const listener = await world.rawListener(world.host('10.0.0.2'))
  const failed = t.rejects(
    Promise.resolve(
      layer.sendRequest(request(), {
        branch: 'z9hG4bKx',
        destination: { host: '10.0.0.2', transport: 'tcp' },
        stillWanted: () => false,
      }),
    ),
    { code: 'SIP_TRANSPORT', failure: 'cancelled' },
  )
  await world.clock.advance(100)
  await failed
  t.same(
    listener.connections.flatMap(({ heard }) => heard),
    [],
  )
  await layer.close()
})

t.test('what others are told: the interface towards them, or what is advertised', async t => {
  const world = new World()
  const host = world.host(['10.0.0.1', '192.168.7.1', '2001:db8::1'])
  const layer = await world.layer(host, {
    listen: [
      { transport: 'udp', host: '0.0.0.0' },
      { transport: 'tcp', host: '0.0.0.0', port: 5070 },
      { transport: 'udp', host: '::', port: 5066 },
    ],
  })
  const contact = (destination: Destination): string => String(layer.contactFor(destination, 'us'))
  t.equal(contact({ host: '10.0.0.2' }), 'sip:us@10.0.0.1:5060')
  t.equal(contact({ host: '192.168.7.99', transport: 'tcp' }), 'sip:us@192.168.7.1:5070;transport=tcp')
  t.equal(contact({ host: '2001:db8::2' }), 'sip:us@[2001:db8::1]:5066')
  t.equal(contact({ host: '[2001:db8::2]' }), 'sip:us@[2001:db8::1]:5066')
  t.equal(contact({ host: '127.0.0.1' }), 'sip:us@127.0.0.1:5060')
  t.equal(contact({ host: 'localhost' }), 'sip:us@127.0.0.1:5060')
  const peer = await world.rawUdp(world.host('192.168.7.2'))
  const sent = await send(layer, { host: '192.168.7.2' })
  t.equal(String(layer.contactFor(sent.flow)), 'sip:192.168.7.1:5060')
  await world.clock.settle()
  t.match(header(peer.take()[0] ?? '', 'Via'), /^SIP\/2\.0\/UDP 192\.168\.7\.1:5060;/)
  await layer.close()

  const natted = await world.layer(world.host('10.0.0.4'), {
    listen: [
      { transport: 'udp', host: '0.0.0.0', advertise: { host: 'sip.example.test', port: 15_060 } },
      { transport: 'tcp', host: '10.0.0.4' },
    ],
    advertise: { host: '203.0.113.5' },
  })
  t.equal(String(natted.contactFor({ host: '10.0.0.2' })), 'sip:sip.example.test:15060')
  t.equal(
    String(natted.contactFor({ host: '10.0.0.2', transport: 'tcp' })),
    'sip:203.0.113.5:5060;transport=tcp',
  )
  const udpOnly = await world.rawUdp(world.host('10.0.0.2'))
  await send(natted, { host: '10.0.0.2' })
  await world.clock.settle()
  t.match(header(udpOnly.take()[0] ?? '', 'Via'), /^SIP\/2\.0\/UDP sip\.example\.test:15060;rport;/)
  await natted.close()
})

t.test(
  'without a TCP listener, the Via of a connection names its own port and Contact stays with UDP',
  async t => {
    const world = new World()
    const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
    const listener = await world.rawListener(world.host('10.0.0.2'))
    const { flow } = await world.clock.runFor(
      Promise.resolve(send(layer, { host: '10.0.0.2', transport: 'tcp' })),
    )
    await world.clock.settle()
    t.match(
      header(listener.connections[0]?.take() ?? '', 'Via'),
      new RegExp(`^SIP/2\\.0/TCP 10\\.0\\.0\\.1:${flow.local.port};`),
    )
    t.equal(String(layer.contactFor(flow)), 'sip:10.0.0.1:5060')
    await layer.close()
  },
)

t.test('the flow of a dialog is used while it is open, and the address after that', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp, { ...udp, port: 5090 }, tcp] })
  const host = world.host('10.0.0.2')
  const listener = await world.rawListener(host)
  const flows: Sent['flow'][] = []
  layer.onRequest = (_, flow) => flows.push(flow)
  const incoming = await world.connect(host)
  const { requestText } = await import('./world.ts')
  incoming.say(requestText({ via: 'SIP/2.0/TCP 10.0.0.2;branch=z9hG4bK1' }))
  await world.clock.settle()
  const [flow] = flows
  if (flow === undefined) throw new Error('no request')
  const destination: Destination = { host: '10.0.0.2', transport: 'tcp', flow }
  t.notOk('then' in send(layer, destination))
  await world.clock.settle()
  t.equal(startLine(incoming.take()), 'OPTIONS sip:peer@10.0.0.2 SIP/2.0')
  incoming.connection.destroy()
  await world.clock.advance(100)
  t.equal(flow.closed, true)
  await world.clock.runFor(Promise.resolve(send(layer, destination)))
  await world.clock.settle()
  t.equal(startLine(listener.connections[0]?.take() ?? ''), 'OPTIONS sip:peer@10.0.0.2 SIP/2.0')

  const peer = await world.rawUdp(host, { toPort: 5090 })
  peer.say(requestText())
  await world.clock.settle()
  const [, datagrams] = flows
  if (datagrams === undefined) throw new Error('no request')
  await send(layer, { host: '10.0.0.9', flow: datagrams })
  await world.clock.settle()
  t.equal(peer.heard[0]?.remote.port, 5090, 'from the port the peer knows')
  await layer.close()
})

t.test('options that cannot work are refused with the field that is wrong', async t => {
  const world = new World()
  const host = world.host('10.0.0.1')
  for (const [options, field] of [
    [{ listen: [] }, 'listen'],
    [{ listen: [{ transport: 'udp', host: '' }] }, 'listen'],
    [{ listen: [{ transport: 'udp', host: '10.0.0.1', port: 70_000 }] }, 'listen'],
    [{ listen: [udp], timers: { idle: 0 } }, 'timers.idle'],
    [{ listen: [udp], limits: { connections: -1 } }, 'limits.connections'],
  ] as const) {
    await t.rejects(world.layer(host, options), { code: 'SIP_OPTION', field })
  }
  const first = await world.layer(host, { listen: [udp] })
  await t.rejects(world.layer(host, { listen: [tcp, udp] }), { code: 'SIP_TRANSPORT' }, 'the port is taken')
  const second = await world.layer(host, { listen: [tcp] })
  await t.rejects(second.open(), { code: 'SIP_STATE' })
  await first.close()
  await second.close()
  await second.close()
})
