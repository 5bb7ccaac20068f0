import t from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { ListenAddress } from '../../../src/sip/transport/options.ts'
import type { Sent, TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { requestText, World } from './world.ts'

const udp: ListenAddress = { transport: 'udp', host: '10.0.0.1' }
const tcp: ListenAddress = { transport: 'tcp', host: '10.0.0.1' }

let branches = 0

function send(layer: TransportLayer, host = '10.0.0.2', body = ''): Promise<Sent> {
  const request = createRequest({
    method: 'OPTIONS',
    uri: 'sip:peer',
    headers: [['CSeq', '1 OPTIONS']],
    body,
  })
  const options = { branch: `z9hG4bK${++branches}`, destination: { host, transport: 'tcp' as const } }
  return Promise.resolve(layer.sendRequest(request, options))
}

t.test('requests to one address share one connection, also while it opens (§18.1.1)', async t => {
  const world = new World({ conditions: { delayMs: 20 } })
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  const listener = await world.rawListener(world.host('10.0.0.2'))
  const sent = await world.clock.runFor(Promise.all([send(layer), send(layer), send(layer)]))
  sent.push(await world.clock.runFor(send(layer)))
  await world.clock.advance(100)
  t.equal(new Set(sent.map(({ flow }) => flow)).size, 1)
  t.equal(listener.connections.length, 1)
  t.equal(listener.connections[0]?.take().match(/^OPTIONS /gm)?.length, 4)
  t.equal(layer.stats().connections.opened, 1)
  await layer.close()
})

t.test('a failed attempt fails everyone who waited for it; the next send tries again', async t => {
  const world = new World({ conditions: { delayMs: 20 } })
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  const host = world.host('10.0.0.2')
  const results = await world.clock.runFor(Promise.allSettled([send(layer), send(layer)]))
  t.same(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  t.equal(layer.stats().connections.failed, 1)
  const listener = await world.rawListener(host)
  await world.clock.runFor(send(layer))
  t.equal(listener.connections.length, 1)
  await layer.close()
})

t.test('no answer to a connection attempt: an error after the connect timeout', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp], timers: { connect: 3_000 } })
  world.host('10.0.0.2')
  world.network.partition('10.0.0.1', '10.0.0.2')
  await t.rejects(world.clock.runFor(send(layer)), {
    code: 'SIP_TRANSPORT',
    failure: 'connect',
    target: '10.0.0.2:5060',
  })
  t.equal(world.clock.now(), 3_000)
  await layer.close()
  t.equal(world.clock.pendingTimers, 0)
})

t.test('an idle connection is closed, one that is used or held is not', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), {
    listen: [tcp],
    timers: { idle: 10_000, keepAlive: Infinity },
  })
  layer.onRequest = (request, flow) => void layer.sendResponse(createResponse(request, 200), flow)
  const host = world.host('10.0.0.2')
  const idle = await world.connect(host)
  const used = await world.connect(host)
  const listener = await world.rawListener(host)
  const { flow } = await world.clock.runFor(send(layer))
  const release = flow.hold()
  const release2 = flow.hold()
  let closed = 0
  flow.onClose(() => closed++)
  flow.onClose(() => closed++)()
  for (let i = 0; i < 3; i++) {
    await world.clock.advance(6_000)
    used.say(requestText({ via: 'SIP/2.0/TCP 10.0.0.2;branch=z9hG4bK1' }))
  }
  await world.clock.advance(100)
  t.equal(idle.closed, true)
  t.equal(used.closed, false)
  t.equal(flow.closed, false)
  release()
  release()
  await world.clock.advance(20_000)
  t.equal(flow.closed, false, 'released twice by one holder is released once')
  release2()
  await world.clock.advance(20_001)
  t.equal(flow.closed, true)
  t.equal(closed, 1)
  t.equal(listener.connections[0]?.closed, true)
  t.throws(() => flow.send(new Uint8Array(1)), { code: 'SIP_TRANSPORT', failure: 'closed' })
  t.equal(layer.stats().connections.closedIdle, 3)
  t.equal(layer.stats().connections.open, 0)
  await layer.close()
  await world.clock.settle()
  t.equal(world.clock.pendingTimers, 0)
})

t.test('octets that never become a message do not keep a connection open', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [tcp], timers: { idle: 10_000 } })
  const raw = await world.connect(world.host('10.0.0.2'))
  for (const letter of 'INVITE sip:us@10.0.0.1') {
    raw.say(letter)
    await world.clock.advance(1_000)
  }
  t.equal(raw.closed, true)
  await layer.close()
})

t.test('a double CRLF is answered by one CRLF (RFC 5626 §4.4.1)', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [tcp] })
  const raw = await world.connect(world.host('10.0.0.2'))
  raw.say('\r\n\r\n')
  await world.clock.settle()
  t.equal(raw.take(), '\r\n')
  await layer.close()
})

t.test('connections we opened are pinged at 80 to 100 % of the interval (RFC 5626 §4.4)', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), {
    listen: [udp],
    timers: { keepAlive: 30_000, idle: Infinity },
  })
  const listener = await world.rawListener(world.host('10.0.0.2'))
  const { flow } = await world.clock.runFor(send(layer))
  await world.clock.advance(1)
  const [peer] = listener.connections
  peer?.take()
  await world.clock.advance(200_000)
  const times = [...new Set(peer?.heard.map(({ at }) => at))]
  t.ok(times.length >= 6)
  for (const [index, at] of times.entries()) {
    const gap = at - (times[index - 1] ?? 0)
    t.ok(gap >= 24_000 && gap <= 30_001, `${gap} ms`)
  }
  t.equal(peer?.take(), '\r\n\r\n'.repeat(times.length))
  t.equal(flow.closed, false, 'a peer that has never answered a ping is not held to it')
  await layer.close()
})

t.test('a peer that answered pings and stops is taken for dead (RFC 5626 §4.4.1)', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), {
    listen: [udp],
    timers: { keepAlive: 30_000, idle: Infinity, pong: 10_000 },
  })
  const listener = await world.rawListener(world.host('10.0.0.2'))
  const { flow } = await world.clock.runFor(send(layer))
  await world.clock.advance(1)
  const [peer] = listener.connections
  peer?.take()
  for (let pings = 0; pings < 3;) {
    await world.clock.advance(1_000)
    if (peer?.take() !== '\r\n\r\n') continue
    peer?.say('\r\n')
    pings++
  }
  await world.clock.advance(24_000)
  t.equal(flow.closed, false)
  await world.clock.advance(17_000)
  t.equal(flow.closed, true)
  t.equal(layer.stats().connections.closedDead, 1)
  await layer.close()
  await world.clock.settle()
  t.equal(world.clock.pendingTimers, 0)
})

t.test('limits on connections: the surplus is refused and counted, in both directions', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), {
    listen: [tcp],
    limits: { connections: 3, connectionsPerRemote: 2 },
  })
  const host = world.host('10.0.0.2')
  const first = await world.connect(host)
  await world.connect(host)
  const third = await world.connect(host)
  await world.clock.advance(10)
  t.equal(third.closed, true, 'the third of one address')
  const other = await world.connect(world.host('10.0.0.3'))
  const fourth = await world.connect(world.host('10.0.0.4'))
  await world.clock.advance(10)
  t.equal(other.closed, false)
  t.equal(fourth.closed, true, 'the fourth in all')
  await t.rejects(world.clock.runFor(send(layer, '10.0.0.5')), { code: 'SIP_LIMIT' })
  t.equal(layer.stats().connections.refused, 3)
  first.connection.destroy()
  await world.clock.advance(10)
  const again = await world.connect(host)
  await world.clock.advance(10)
  t.equal(again.closed, false, 'a place that was freed can be used')
  await layer.close()
})

t.test('a peer that does not read loses its connection before it costs memory', async t => {
  const world = new World({ conditions: { bitsPerSecond: 8_000 } })
  const layer = await world.layer(world.host('10.0.0.1'), {
    listen: [udp],
    limits: { bufferedBytes: 50_000 },
  })
  await world.rawListener(world.host('10.0.0.2'))
  const { flow } = await world.clock.runFor(send(layer))
  let failure: unknown
  for (let i = 0; i < 200 && failure === undefined; i++) {
    try {
      flow.send(new Uint8Array(1_000))
    } catch (error) {
      failure = error
    }
  }
  t.match(failure, { code: 'SIP_TRANSPORT', failure: 'closed' })
  t.equal(flow.closed, true)
  t.equal(layer.stats().connections.closedSlow, 1)
  await layer.close()
})
