import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { createNodeRuntime } from '../../../src/runtime/node.ts'
import type { StreamConnection, StreamListener } from '../../../src/runtime/runtime.ts'

const { network } = createNodeRuntime()
const hasIpv6 = network.interfaces().some(({ address }) => address === '::1')

function nextConnection(listener: StreamListener): Promise<StreamConnection> {
  return new Promise(resolve => {
    listener.onConnection = resolve
  })
}

/** Everything until the end of the connection, and how it ended. */
function collect(
  connection: StreamConnection,
): Promise<{ text: string; error: Error | undefined; closes: number }> {
  return new Promise(resolve => {
    let text = ''
    let closes = 0
    connection.onData = data => {
      text += Buffer.from(data).toString()
    }
    connection.onClose = error => {
      closes++
      // A second call would come in the same turn or the next.
      setImmediate(() => resolve({ text, error, closes }))
    }
  })
}

for (const host of ['127.0.0.1', '::1']) {
  t.test(`a connection carries octets both ways and ends in order on ${host}`, async t => {
    if (host === '::1' && !hasIpv6) {
      await t.rejects(network.listenTcp({ host, port: 0 }), { code: 'SIP_TRANSPORT' })
      return
    }
    const family = host === '::1' ? 6 : 4
    const listener = await network.listenTcp({ host, port: 0 })
    t.match(listener.local, { address: host, family })
    const accepted = nextConnection(listener)
    const client = await network.connectTcp({ host, port: listener.local.port })
    const fromServer = collect(client)
    const server = await accepted
    const fromClient = collect(server)
    t.same(client.remote, listener.local)
    t.same(server.remote, client.local)
    t.same(server.local, client.remote)
    client.write(Buffer.from('question'))
    client.end()
    client.write(Buffer.from('too late'))
    server.write(Buffer.from('answer'))
    t.same(await fromClient, { text: 'question', error: undefined, closes: 1 })
    t.same(await fromServer, { text: 'answer', error: undefined, closes: 1 })
    t.equal(client.bufferedBytes, 0)
    client.destroy()
    await listener.close()
    await listener.close()
  })
}

t.test('a port that is taken is refused with what to do', async t => {
  const first = await network.listenTcp({ host: '127.0.0.1', port: 0 })
  await t.rejects(network.listenTcp({ host: '127.0.0.1', port: first.local.port }), {
    code: 'SIP_TRANSPORT',
    message: /^cannot listen tcp 127\.0\.0\.1:\d+: the port is in use: choose another/,
    cause: { code: 'EADDRINUSE' },
  })
  await first.close()
})

t.test('nobody listening refuses the connection', async t => {
  const listener = await network.listenTcp({ host: '127.0.0.1', port: 0 })
  const { port } = listener.local
  await listener.close()
  await t.rejects(network.connectTcp({ host: '127.0.0.1', port }), {
    code: 'SIP_TRANSPORT',
    message: /nobody listens there/,
    cause: { code: 'ECONNREFUSED' },
  })
})

t.test('closing the listener leaves its connections alone', async t => {
  const listener = await network.listenTcp({ host: '127.0.0.1', port: 0 })
  const accepted = nextConnection(listener)
  const client = await network.connectTcp({ host: '127.0.0.1', port: listener.local.port })
  const server = await accepted
  await listener.close()
  const got = collect(server)
  const end = collect(client)
  client.write(Buffer.from('still here'))
  client.end()
  t.equal((await got).text, 'still here')
  await end
})

t.test('a connection that nobody takes is closed', async t => {
  const listener = await network.listenTcp({ host: '127.0.0.1', port: 0 })
  const client = await network.connectTcp({ host: '127.0.0.1', port: listener.local.port })
  t.equal((await collect(client)).closes, 1)
  await listener.close()
})

t.test('a reset of the peer is an error at the end, told once', async t => {
  const listener = await network.listenTcp({ host: '127.0.0.1', port: 0 })
  const accepted = nextConnection(listener)
  const peer = connect(listener.local.port, '127.0.0.1')
  await once(peer, 'connect')
  const end = collect(await accepted)
  peer.resetAndDestroy()
  const { error, closes } = await end
  t.match(error, { code: 'ECONNRESET' })
  t.equal(closes, 1)
  await listener.close()
})

t.test('destroy closes at once, and once', async t => {
  const listener = await network.listenTcp({ host: '127.0.0.1', port: 0 })
  const accepted = nextConnection(listener)
  const client = await network.connectTcp({ host: '127.0.0.1', port: listener.local.port })
  const end = collect(client)
  const peerEnd = collect(await accepted)
  client.destroy()
  client.destroy()
  client.write(Buffer.from('nothing'))
  t.match(await end, { error: undefined, closes: 1 })
  t.match(await peerEnd, { text: '', closes: 1 })
  await listener.close()
})

t.test('an abort gives up the attempt with its own reason', async t => {
  await t.rejects(
    network.connectTcp({ host: '127.0.0.1', port: 9, signal: AbortSignal.abort(new Error('before')) }),
    /before/,
  )
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const abort = new AbortController()
  const attempt = network.connectTcp({ host: '127.0.0.1', port, signal: abort.signal })
  abort.abort(new Error('changed my mind'))
  await t.rejects(attempt, /changed my mind/)
  server.close()
})

t.test('what the peer does not read is counted as buffered', async t => {
  const listener = await network.listenTcp({ host: '127.0.0.1', port: 0 })
  const peer = connect(listener.local.port, '127.0.0.1').pause()
  const server = await nextConnection(listener)
  for (let round = 0; round < 32; round++) server.write(new Uint8Array(1024 * 1024))
  t.ok(server.bufferedBytes > 0)
  const end = collect(server)
  server.destroy()
  await end
  t.equal(server.bufferedBytes >= 0, true)
  peer.destroy()
  await listener.close()
})
