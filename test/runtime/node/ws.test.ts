import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import t from 'tap'
import { WebSocket } from 'ws'
import { createNodeRuntime } from '../../../src/runtime/node.ts'
import type { Network, StreamConnection, StreamListener, TlsOptions } from '../../../src/runtime/runtime.ts'
import { authority, keysOf } from './keys.ts'

const host = '127.0.0.1'
const { network }: { network: Network } = createNodeRuntime()

async function listen(t: Test, tls?: TlsOptions): Promise<StreamListener> {
  const listener = await network.listenWebSocket({ host, port: 0, ...(tls !== undefined && { tls }) })
  t.teardown(() => listener.close())
  return listener
}

function accepted(listener: StreamListener): Promise<StreamConnection> {
  return new Promise(resolve => (listener.onConnection = resolve))
}

function nextData(connection: StreamConnection): Promise<string> {
  return new Promise(resolve => (connection.onData = data => resolve(Buffer.from(data).toString())))
}

for (const secure of [false, true]) {
  t.test(`${secure ? 'wss' : 'ws'}: messages go both ways whole, and pings are answered`, async t => {
    const listener = await listen(t, secure ? keysOf('localhost') : undefined)
    const server = accepted(listener)
    const client = await network.connectWebSocket({
      host,
      port: listener.local.port,
      serverName: 'localhost',
      ...(secure && { tls: { ca: authority } }),
    })
    const peer = await server
    const heard: string[] = []
    const both = new Promise<void>(resolve => {
      peer.onData = data => {
        if (heard.push(Buffer.from(data).toString()) === 2) resolve()
      }
    })
    client.write(Buffer.from('one'))
    client.write(Buffer.from('two'))
    await both
    t.same(heard, ['one', 'two'])
    const answer = nextData(client)
    peer.write(Buffer.from('three'))
    t.equal(await answer, 'three')
    await new Promise<void>(resolve => peer.ping?.(resolve))
    t.same(client.peer?.dnsNames, secure ? ['localhost'] : undefined)
    t.equal(client.remote.port, listener.local.port)
    const closed = new Promise<Error | undefined>(resolve => (client.onClose = resolve))
    peer.end()
    t.equal(await closed, undefined)
  })
}

t.test('UTF-8 is sent as text, as browsers expect it, anything else as binary; both are taken', async t => {
  const listener = await listen(t)
  const server = accepted(listener)
  const browser = new WebSocket(`ws://${host}:${listener.local.port}`, ['other', 'sip'])
  const peer = await server
  t.equal(browser.protocol === '' || browser.protocol === 'sip', true)
  const kinds: boolean[] = []
  const both = new Promise<void>(resolve => {
    browser.on('message', (_data, isBinary) => {
      if (kinds.push(isBinary) === 2) resolve()
    })
  })
  peer.write(Buffer.from('grüße'))
  peer.write(Buffer.from([0xff, 0xfe]))
  await both
  t.same(kinds, [false, true])
  const text = nextData(peer)
  browser.send('text')
  t.equal(await text, 'text')
  const binary = nextData(peer)
  browser.send(Buffer.from('binary'))
  t.equal(await binary, 'binary')
  browser.terminate()
})

t.test('a client that does not offer the subprotocol sip is refused (RFC 7118 §4.1)', async t => {
  const listener = await listen(t)
  const browser = new WebSocket(`ws://${host}:${listener.local.port}`, 'other')
  const [, response] = (await once(browser, 'unexpected-response')) as [unknown, IncomingMessage]
  t.equal(response.statusCode, 400)
  browser.on('error', () => {})
  browser.terminate()
})

t.test('plain HTTP is told to upgrade', async t => {
  const listener = await listen(t)
  const [response] = (await once(get({ host, port: listener.local.port, agent: false }), 'response')) as [
    IncomingMessage,
  ]
  t.equal(response.statusCode, 426)
  response.resume()
})

t.test('wss: a certificate nobody vouches for is refused', async t => {
  const listener = await listen(t, keysOf('stranger'))
  await t.rejects(
    network.connectWebSocket({
      host,
      port: listener.local.port,
      serverName: 'localhost',
      tls: { ca: authority },
    }),
    { code: 'SIP_TRANSPORT', message: /issued by nobody we trust/ },
  )
})

t.test('nobody there, and an attempt given up by its signal', async t => {
  const listener = await listen(t)
  const { port } = listener.local
  const controller = new AbortController()
  const attempt = network.connectWebSocket({ host, port, serverName: 'x', signal: controller.signal })
  controller.abort(new Error('given up'))
  await t.rejects(attempt, { message: 'given up' })
  await listener.close()
  await t.rejects(network.connectWebSocket({ host, port, serverName: 'x' }), {
    code: 'SIP_TRANSPORT',
    message: /nobody listens there/,
  })
})
