import t from 'tap'
import type { WebSocketConnection } from '../../../src/runtime/web.ts'
import { webBehaviour } from '../../support/web-behaviour.ts'
import { makeLab } from './support.ts'

for (const [name, run] of webBehaviour) {
  t.test(name, t => {
    const { clock, network } = makeLab({ conditions: { delayMs: 20 } })
    network.host('10.0.0.1')
    const server = network.host('10.0.0.1')
    return run(t, {
      network: server,
      host: '10.0.0.1',
      fetch: server.fetch,
      run: work => clock.runFor(work, 60_000),
    })
  })
}

t.test('between hosts it takes the time of the network, and names come from the resolver', async t => {
  const { clock, network } = makeLab({ conditions: { delayMs: 50 } })
  const server = network.host('10.0.0.1')
  const client = network.host('10.0.0.2')
  const listener = await server.listenHttp({
    host: '10.0.0.1',
    port: 80,
    onRequest: () => Promise.resolve({ status: 200 }),
    onUpgrade: () => ({ accept: connection => (connection.onMessage = data => connection.send(data)) }),
  })
  const before = clock.now()
  const socket = await clock.runFor(client.openWebSocket({ url: 'ws://10.0.0.1/' }), 10_000)
  t.equal(clock.now() - before, 200, 'two round trips: TCP and the upgrade')
  const echo = new Promise(resolve => (socket.onMessage = resolve))
  socket.send('hello')
  t.equal(await clock.runFor(echo, 10_000), 'hello')
  t.equal(clock.now() - before, 300)
  await listener.close()
})

t.test('a host that goes down breaks its WebSockets', async t => {
  const { clock, network } = makeLab()
  const server = network.host('10.0.0.1')
  const client = network.host('10.0.0.2')
  const peers: WebSocketConnection[] = []
  await server.listenHttp({
    host: '10.0.0.1',
    port: 80,
    maxConnections: 1,
    onRequest: () => Promise.resolve({ status: 200 }),
    onUpgrade: () => ({ accept: connection => peers.push(connection) }),
  })
  const socket = await clock.runFor(client.openWebSocket({ url: 'ws://10.0.0.1/' }), 10_000)
  await t.rejects(clock.runFor(client.openWebSocket({ url: 'ws://10.0.0.1/' }), 10_000), {
    code: 'SIP_TRANSPORT',
  })
  const end = new Promise<number>(resolve => (socket.onClose = resolve))
  server.down()
  t.equal(await clock.runFor(end, 10_000), 1006)
})

t.test('the simulated certificate counts: nobody we trust, nobody connects', async t => {
  const { clock, network } = makeLab()
  const server = network.host('10.0.0.1')
  const client = network.host('10.0.0.2')
  server.certificate = { dnsNames: ['bot.example'], trusted: false }
  await server.listenHttp({
    host: '10.0.0.1',
    port: 443,
    tls: {},
    onRequest: ({ secure }) => Promise.resolve({ status: 200, body: String(secure) }),
    onUpgrade: () => ({ accept: connection => connection.close() }),
  })
  await t.rejects(clock.runFor(client.openWebSocket({ url: 'wss://10.0.0.1/' }), 10_000), {
    message: /issued by nobody we trust/,
  })
  const trusting = { url: 'wss://10.0.0.1/', tls: { verify: false } }
  t.ok(await clock.runFor(client.openWebSocket(trusting), 10_000))
  await t.rejects(clock.runFor(client.openWebSocket({ url: 'ws://10.0.0.1:443/' }), 10_000))
})
