import t from 'tap'
import { SimulatedResolver } from '../../../src/testing/simulated-resolver.ts'
import { inbox, makeLab, text } from './support.ts'

t.test('a datagram arrives with its sender, never within send', async t => {
  const { clock, network } = makeLab()
  const a = await network.host('10.0.0.1').bindUdp({ host: '10.0.0.1', port: 5060 })
  const b = await network.host('10.0.0.2').bindUdp({ host: '0.0.0.0', port: 5060 })
  const got = inbox(clock, b)
  a.send(text('hello'), 5060, '10.0.0.2')
  t.same(got, [])
  await clock.settle()
  t.same(got, [{ text: 'hello', at: 0, from: { address: '10.0.0.1', port: 5060, family: 4 } }])
})

t.test('what arrives is the receiver’s own: neither side sees the other change it', async t => {
  const { clock, network } = makeLab({ conditions: { duplicate: 1 } })
  const a = await network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 0 })
  const b = await network.host('10.0.0.2').bindUdp({ host: '0.0.0.0', port: 9 })
  const sent = text('same')
  const got: string[] = []
  b.onMessage = data => {
    got.push(Buffer.from(data).toString())
    data.fill(0)
  }
  a.send(sent, 9, '10.0.0.2')
  await clock.runUntilIdle()
  t.same(got, ['same', 'same'])
  t.equal(Buffer.from(sent).toString(), 'same')
})

t.test('a host with two addresses answers from the one of the right family', async t => {
  const { clock, network } = makeLab()
  const both = network.host(['10.0.0.1', '2001:DB8:0:0::1'])
  const six = await both.bindUdp({ host: '::', port: 5060 })
  const peer = await network.host('2001:db8::2').bindUdp({ host: '2001:db8::2', port: 5060 })
  const got = inbox(clock, peer)
  six.send(text('over six'), 5060, '2001:DB8::2')
  await clock.settle()
  t.same(got[0]?.from, { address: '2001:db8::1', port: 5060, family: 6 })
  t.same(
    both.interfaces().map(({ address }) => address),
    ['10.0.0.1', '2001:db8::1', '127.0.0.1', '::1'],
    'loopback last',
  )
})

t.test('a host talks to itself over loopback and its own address, whatever the network does', async t => {
  const { clock, network } = makeLab({ conditions: { loss: 1 } })
  const host = network.host('10.0.0.1')
  const a = await host.bindUdp({ host: '0.0.0.0', port: 1000 })
  const b = await host.bindUdp({ host: '127.0.0.1', port: 2000 })
  const gotA = inbox(clock, a)
  const gotB = inbox(clock, b)
  a.send(text('x'), 2000, '127.0.0.1')
  b.send(text('y'), 1000, '127.0.0.1')
  a.send(text('z'), 1000, '10.0.0.1')
  await clock.settle()
  t.same(
    gotB.map(({ from }) => from.address),
    ['127.0.0.1'],
  )
  t.same(
    gotA.map(({ text }) => text),
    ['y', 'z'],
  )
})

t.test('a port is bound once per address, and free again after close', async t => {
  const { network } = makeLab()
  const host = network.host(['10.0.0.1', '10.0.0.3'])
  const all = await host.bindUdp({ host: '0.0.0.0', port: 5060 })
  await t.rejects(host.bindUdp({ host: '10.0.0.1', port: 5060 }), {
    code: 'SIP_TRANSPORT',
    message: /in use: choose another/,
    cause: { code: 'EADDRINUSE' },
  })
  all.close()
  all.close()
  const one = await host.bindUdp({ host: '10.0.0.1', port: 5060 })
  const other = await host.bindUdp({ host: '10.0.0.3', port: 5060 })
  t.equal(one.local.port, other.local.port)
  await host.listenTcp({ host: '10.0.0.1', port: 5060 })
})

t.test('ports are chosen by the seed and never twice', async t => {
  const { network } = makeLab()
  const host = network.host('10.0.0.1')
  const ports = new Set<number>()
  for (let index = 0; index < 500; index++) {
    ports.add((await host.bindUdp({ host: '0.0.0.0', port: 0 })).local.port)
  }
  t.equal(ports.size, 500)
  const again = await makeLab().network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 0 })
  t.equal(again.local.port, [...ports][0])
})

t.test('what cannot be bound is refused with what to do', async t => {
  const { network } = makeLab()
  const host = network.host('10.0.0.1')
  await t.rejects(host.bindUdp({ host: '10.0.0.9', port: 0 }), {
    code: 'SIP_TRANSPORT',
    cause: { code: 'EADDRNOTAVAIL' },
  })
  await t.rejects(host.bindUdp({ host: 'pbx.example', port: 0 }), { code: 'SIP_TRANSPORT' })
  await t.rejects(host.bindUdp({ host: '10.0.0.1', port: 70_000 }), { code: 'SIP_OPTION', field: 'port' })
  t.throws(() => network.host('pbx.example'), { code: 'SIP_OPTION' })
  t.throws(() => network.host([]), { code: 'SIP_OPTION' })
  t.equal(network.host('10.0.0.1'), host, 'the same address is the same host')
  t.throws(() => network.host(['10.0.0.1', '10.0.0.2']), { code: 'SIP_OPTION' })
})

t.test('names are bound through the resolver of the network', async t => {
  const resolver = new SimulatedResolver()
  resolver.setAddresses('pbx.example', ['10.0.0.1'])
  const { network } = makeLab({ resolver })
  const host = network.host('10.0.0.1')
  t.equal((await host.bindUdp({ host: 'pbx.example', port: 5060 })).local.address, '10.0.0.1')
  t.equal((await host.bindUdp({ host: 'localhost', port: 5060 })).local.address, '127.0.0.1')
})

t.test('a datagram for nobody is counted, and reported only where ICMP is on', async t => {
  for (const icmp of [false, true]) {
    const { clock, network } = makeLab({ icmp, conditions: { delayMs: 10 } })
    const a = await network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 0 })
    network.host('10.0.0.2')
    const errors: string[] = []
    a.onError = error => errors.push(`${(error as NodeJS.ErrnoException).code} at ${clock.now()}`)
    a.send(text('x'), 9, '10.0.0.2')
    a.send(text('x'), 9, '10.9.9.9')
    await clock.runUntilIdle()
    t.equal(network.counters.unreachable, 2)
    t.same(errors, icmp ? ['ECONNREFUSED at 20'] : [])
  }
})

t.test('send errors are reported on request, in a later turn', async t => {
  const { clock, network } = makeLab()
  const host = network.host('10.0.0.1')
  const quiet = await host.bindUdp({ host: '0.0.0.0', port: 0 })
  const loud = await host.bindUdp({ host: '0.0.0.0', port: 0, reportSendErrors: true })
  const codes: Record<string, string[]> = { quiet: [], loud: [] }
  for (const [name, socket] of Object.entries({ quiet, loud })) {
    socket.onError = error => codes[name]!.push((error as NodeJS.ErrnoException).code!)
    socket.send(new Uint8Array(70_000), 9, '10.0.0.2')
    socket.send(text('x'), 9, '2001:db8::1')
    socket.send(text('x'), 0, '10.0.0.2')
  }
  t.same(codes, { quiet: [], loud: [] })
  await clock.settle()
  t.same(codes, {
    quiet: ['ERR_SOCKET_BAD_PORT'],
    loud: ['EMSGSIZE', 'ENETUNREACH', 'ERR_SOCKET_BAD_PORT'],
  })
})

t.test('a closed socket neither sends nor receives', async t => {
  const { clock, network } = makeLab({ conditions: { delayMs: 5 } })
  const a = await network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 0 })
  const b = await network.host('10.0.0.2').bindUdp({ host: '0.0.0.0', port: 9 })
  const got = inbox(clock, b)
  a.send(text('late'), 9, '10.0.0.2')
  b.close()
  await clock.runUntilIdle()
  b.send(text('x'), a.local.port, '10.0.0.1')
  t.same(got, [])
  t.equal(network.counters.sent, 1)
  t.equal(network.counters.unreachable, 1)
})

t.test('a host that is down neither sends nor hears; up again it does', async t => {
  const { clock, network } = makeLab({ conditions: { delayMs: 5 } })
  const hostB = network.host('10.0.0.2')
  const a = await network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 7 })
  const b = await hostB.bindUdp({ host: '0.0.0.0', port: 9 })
  const gotA = inbox(clock, a)
  const gotB = inbox(clock, b)
  a.send(text('under way'), 9, '10.0.0.2')
  hostB.down()
  b.send(text('x'), 7, '10.0.0.1')
  await clock.runUntilIdle()
  t.same([gotA, gotB], [[], []])
  t.equal(network.counters.partitioned, 2)
  hostB.up()
  a.send(text('back'), 9, '10.0.0.2')
  await clock.runUntilIdle()
  t.same(
    gotB.map(({ text }) => text),
    ['back'],
  )
})

t.test('too many datagrams under way are dropped and counted', async t => {
  const { clock, network } = makeLab({ maxInFlight: 10, conditions: { delayMs: 5 } })
  const a = await network.host('10.0.0.1').bindUdp({ host: '0.0.0.0', port: 0 })
  const b = await network.host('10.0.0.2').bindUdp({ host: '0.0.0.0', port: 9 })
  const got = inbox(clock, b)
  for (let index = 0; index < 25; index++) a.send(text(index), 9, '10.0.0.2')
  t.equal(network.inFlight, 10)
  await clock.runUntilIdle()
  t.equal(got.length, 10)
  t.equal(network.counters.overflowed, 15)
  t.equal(network.inFlight, 0)
})

t.test('a listener sees every datagram with its fate, before the receiver does', async t => {
  const { clock, network } = makeLab({ conditions: { delayMs: 5 } })
  const a = await network.host('10.0.0.1').bindUdp({ host: '10.0.0.1', port: 7 })
  const b = await network.host('10.0.0.2').bindUdp({ host: '0.0.0.0', port: 9 })
  const log: string[] = []
  const stop = network.onDatagram(({ sentAtMs, atMs, from, to, data, fate }) => {
    log.push(
      `${sentAtMs}-${atMs} ${from.address}:${from.port} > ${to.address}:${to.port} ${Buffer.from(data).toString()} ${fate}`,
    )
  })
  b.onMessage = data => {
    log.push('received')
    data.fill(0)
  }
  a.send(text('one'), 9, '10.0.0.2')
  a.send(text('two'), 10, '10.0.0.2')
  network.setConditions({ loss: 1 })
  a.send(text('three'), 9, '10.0.0.2')
  await clock.runUntilIdle()
  stop()
  network.setConditions({})
  a.send(text('four'), 9, '10.0.0.2')
  await clock.runUntilIdle()
  t.same(log, [
    '0-0 10.0.0.1:7 > 10.0.0.2:9 three lost',
    '0-5 10.0.0.1:7 > 10.0.0.2:9 one delivered',
    'received',
    '0-5 10.0.0.1:7 > 10.0.0.2:10 two unreachable',
    'received',
  ])
})
