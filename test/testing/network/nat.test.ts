import t from 'tap'
import type { NatKind, NatOptions, SimulatedNat } from '../../../src/testing/network/nat.ts'
import type { SocketAddress, UdpSocket } from '../../../src/runtime/runtime.ts'
import { inbox, type Lab, makeLab, type Received, text } from './support.ts'

const KINDS: readonly NatKind[] = ['full-cone', 'restricted', 'port-restricted', 'symmetric']

interface House extends Lab {
  readonly nat: SimulatedNat
  /** Behind the NAT. */
  readonly phone: UdpSocket
  readonly phoneBox: Received[]
  /** On the internet: the same address twice, then another. */
  readonly server: UdpSocket
  readonly serverOther: UdpSocket
  readonly stranger: UdpSocket
  readonly serverBox: Received[]
  readonly strangerBox: Received[]
}

async function makeHouse(options: Partial<NatOptions> = {}): Promise<House> {
  const lab = makeLab()
  const { clock, network } = lab
  const nat = network.nat({ publicAddress: '203.0.113.1', ...options })
  const phone = await nat.host('192.168.1.10').bindUdp({ host: '0.0.0.0', port: 5060 })
  const server = await network.host('198.51.100.1').bindUdp({ host: '0.0.0.0', port: 5060 })
  const serverOther = await network.host('198.51.100.1').bindUdp({ host: '0.0.0.0', port: 5070 })
  const stranger = await network.host('198.51.100.2').bindUdp({ host: '0.0.0.0', port: 5060 })
  return {
    ...lab,
    nat,
    phone,
    phoneBox: inbox(clock, phone),
    server,
    serverOther,
    stranger,
    serverBox: inbox(clock, server),
    strangerBox: inbox(clock, stranger),
  }
}

/** Lets the phone send to the server and returns under which address the server sees it. */
async function punch({ clock, phone, serverBox }: House): Promise<SocketAddress> {
  phone.send(text('out'), 5060, '198.51.100.1')
  await clock.settle()
  return serverBox.at(-1)!.from
}

t.test('peers see the public address, and the answer comes back, with every kind', async t => {
  for (const kind of KINDS) {
    const house = await makeHouse({ kind })
    const seen = await punch(house)
    t.equal(seen.address, '203.0.113.1')
    t.equal(seen.family, 4)
    house.server.send(text('answer'), seen.port, seen.address)
    await house.clock.settle()
    t.same(house.phoneBox, [
      { text: 'answer', at: 0, from: { address: '198.51.100.1', port: 5060, family: 4 } },
    ])
  }
})

t.test('who else gets in depends on the kind', async t => {
  const letIn: Record<NatKind, string[]> = {
    'full-cone': ['other port', 'stranger'],
    restricted: ['other port'],
    'port-restricted': [],
    symmetric: [],
  }
  for (const kind of KINDS) {
    const house = await makeHouse({ kind })
    const seen = await punch(house)
    house.serverOther.send(text('other port'), seen.port, seen.address)
    house.stranger.send(text('stranger'), seen.port, seen.address)
    await house.clock.settle()
    t.same(
      house.phoneBox.map(({ text }) => text),
      letIn[kind],
      kind,
    )
    t.equal(house.nat.counters.filtered, 2 - letIn[kind].length)
    t.equal(house.network.counters.filtered, 2 - letIn[kind].length)
  }
})

t.test('only the symmetric kind takes another public port for another peer', async t => {
  for (const kind of KINDS) {
    const house = await makeHouse({ kind })
    const first = await punch(house)
    house.phone.send(text('out'), 5060, '198.51.100.2')
    await house.clock.settle()
    const second = house.strangerBox.at(-1)!.from
    t.equal(second.port !== first.port, kind === 'symmetric', kind)
    house.stranger.send(text('answer'), second.port, second.address)
    await house.clock.settle()
    t.equal(house.phoneBox.length, 1)
    t.equal((await punch(house)).port, first.port, 'the first binding stands')
  }
})

t.test('a binding expires without traffic from inside; the next datagram gets a new port', async t => {
  const house = await makeHouse({ bindingTimeoutMs: 30_000 })
  const first = await punch(house)
  await house.clock.advance(29_000)
  house.server.send(text('in time'), first.port, first.address)
  await house.clock.settle()
  t.equal(house.nat.bindings, 1)
  await house.clock.advance(1000)
  house.server.send(text('too late'), first.port, first.address)
  await house.clock.settle()
  t.same(
    house.phoneBox.map(({ text }) => text),
    ['in time'],
  )
  t.equal(house.nat.bindings, 0)
  const second = await punch(house)
  t.not(second.port, first.port)
  t.equal(house.nat.counters.expired, 1)
  house.server.send(text('again'), second.port, second.address)
  await house.clock.settle()
  t.equal(house.phoneBox.at(-1)?.text, 'again')
})

t.test('keep-alives from inside hold a binding; from outside only where the NAT says so', async t => {
  for (const refreshOnInbound of [false, true]) {
    const house = await makeHouse({ bindingTimeoutMs: 30_000, refreshOnInbound })
    const seen = await punch(house)
    for (let round = 0; round < 5; round++) {
      await house.clock.advance(20_000)
      t.equal((await punch(house)).port, seen.port)
    }
    house.phoneBox.length = 0
    for (let round = 0; round < 5; round++) {
      await house.clock.advance(20_000)
      house.server.send(text('ping'), seen.port, seen.address)
      await house.clock.settle()
    }
    t.equal(house.phoneBox.length, refreshOnInbound ? 5 : 1)
  }
})

t.test('a NAT that restarts forgets its bindings', async t => {
  const house = await makeHouse()
  const first = await punch(house)
  house.nat.forgetBindings()
  house.server.send(text('lost'), first.port, first.address)
  await house.clock.settle()
  t.same(house.phoneBox, [])
  t.not((await punch(house)).port, first.port)
})

t.test('the table is bounded: the oldest binding gives way', async t => {
  const house = await makeHouse({ maxBindings: 3 })
  const host = house.nat.host('192.168.1.10')
  await punch(house)
  for (let index = 0; index < 3; index++) {
    const socket = await host.bindUdp({ host: '0.0.0.0', port: 0 })
    socket.send(text('x'), 5060, '198.51.100.1')
  }
  t.equal(house.nat.bindings, 3)
  t.equal(house.nat.counters.evicted, 1)
})

t.test('a forwarded port is open to all, by UDP and TCP', async t => {
  const house = await makeHouse({ kind: 'symmetric' })
  house.nat.forward({ publicPort: 5060, address: '192.168.1.10', port: 5060 })
  house.stranger.send(text('ring'), 5060, '203.0.113.1')
  await house.clock.settle()
  t.equal(house.phoneBox.at(-1)?.text, 'ring')
  const listener = await house.nat.host('192.168.1.10').listenTcp({ host: '0.0.0.0', port: 5060 })
  let remote: SocketAddress | undefined
  listener.onConnection = connection => {
    remote = connection.remote
  }
  const stranger = house.network.host('198.51.100.2')
  await house.clock.runFor(stranger.connectTcp({ host: '203.0.113.1', port: 5060 }))
  t.equal(remote?.address, '198.51.100.2')
  await t.rejects(house.clock.runFor(stranger.connectTcp({ host: '203.0.113.1', port: 5061 })), {
    code: 'SIP_TRANSPORT',
    cause: { code: 'ECONNREFUSED' },
  })
})

t.test('a TCP connection from inside shows the public address', async t => {
  const house = await makeHouse()
  const listener = await house.network.host('198.51.100.1').listenTcp({ host: '0.0.0.0', port: 5060 })
  let remote: SocketAddress | undefined
  listener.onConnection = connection => {
    remote = connection.remote
    connection.write(text('welcome'))
  }
  const phone = house.nat.host('192.168.1.10')
  const connection = await house.clock.runFor(phone.connectTcp({ host: '198.51.100.1', port: 5060 }))
  let got = ''
  connection.onData = data => {
    got += Buffer.from(data).toString()
  }
  await house.clock.runUntilIdle()
  t.equal(remote?.address, '203.0.113.1')
  t.equal(connection.local.address, '192.168.1.10')
  t.equal(got, 'welcome')
})

t.test('two hosts behind one NAT meet inside, and at its public address only with hairpinning', async t => {
  for (const hairpinning of [false, true]) {
    const house = await makeHouse({ kind: 'full-cone', hairpinning })
    const other = await house.nat.host('192.168.1.11').bindUdp({ host: '0.0.0.0', port: 5060 })
    const seen = await punch(house)
    other.send(text('inside'), 5060, '192.168.1.10')
    other.send(text('around'), seen.port, seen.address)
    await house.clock.settle()
    t.same(
      house.phoneBox.map(({ text }) => text),
      hairpinning ? ['inside', 'around'] : ['inside'],
    )
    t.equal(house.phoneBox[0]?.from.address, '192.168.1.11')
    if (hairpinning) t.equal(house.phoneBox[1]?.from.address, '203.0.113.1')
  }
})

t.test('a NAT behind a NAT translates twice, and the answer finds its way', async t => {
  const house = await makeHouse()
  const home = house.nat.nat({ publicAddress: '192.168.1.20', kind: 'symmetric' })
  const phone = await home.host('10.1.1.1').bindUdp({ host: '0.0.0.0', port: 5060 })
  const box = inbox(house.clock, phone)
  phone.send(text('deep'), 5060, '198.51.100.1')
  await house.clock.settle()
  const seen = house.serverBox.at(-1)!.from
  t.equal(seen.address, '203.0.113.1')
  house.server.send(text('answer'), seen.port, seen.address)
  await house.clock.settle()
  t.same(
    box.map(({ text, from }) => [text, from.address]),
    [['answer', '198.51.100.1']],
  )
})

t.test('private addresses mean nothing outside, and may repeat behind another NAT', async t => {
  const house = await makeHouse()
  const twin = house.network.nat({ publicAddress: '203.0.113.2' })
  const phone = await twin.host('192.168.1.10').bindUdp({ host: '0.0.0.0', port: 5060 })
  phone.send(text('twin'), 5060, '198.51.100.1')
  house.server.send(text('x'), 5060, '192.168.1.10')
  await house.clock.settle()
  t.equal(house.serverBox.at(-1)?.from.address, '203.0.113.2')
  t.same(house.phoneBox, [])
  t.equal(house.network.counters.unreachable, 1)
})

t.test('conditions and partitions name a host behind a NAT by its own address or the public one', async t => {
  for (const from of ['192.168.1.10', '203.0.113.1']) {
    const house = await makeHouse()
    house.network.setConditions({ delayMs: 40 }, { from })
    house.phone.send(text('out'), 5060, '198.51.100.1')
    await house.clock.runUntilIdle()
    t.equal(house.serverBox.at(-1)?.at, 40)
    const seen = house.serverBox.at(-1)!.from
    house.network.partition(from, '198.51.100.1')
    house.phone.send(text('out'), 5060, '198.51.100.1')
    house.server.send(text('in'), seen.port, seen.address)
    await house.clock.runUntilIdle()
    t.equal(house.serverBox.length, 1)
    t.equal(house.phoneBox.length, 0)
    t.equal(house.network.counters.partitioned, 2)
  }
})

t.test('options that cannot be are refused by name', async t => {
  const { network } = makeLab()
  network.host('203.0.113.1')
  t.throws(() => network.nat({ publicAddress: '203.0.113.1' }), {
    code: 'SIP_OPTION',
    field: 'publicAddress',
  })
  t.throws(() => network.nat({ publicAddress: 'nat.example' }), {
    code: 'SIP_OPTION',
    field: 'publicAddress',
  })
  t.throws(() => network.nat({ publicAddress: '203.0.113.2', kind: 'cone' as NatKind }), {
    code: 'SIP_OPTION',
    field: 'kind',
  })
})
