import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { createNodeRuntime } from '../../../src/runtime/node.ts'
import type { WebSocketConnection } from '../../../src/runtime/web.ts'
import { webBehaviour } from '../../support/web-behaviour.ts'
import { authority, keysOf } from './keys.ts'

const { network } = createNodeRuntime()
const host = '127.0.0.1'
const notFound = (): Promise<{ status: number }> => Promise.resolve({ status: 404 })

for (const [name, run] of webBehaviour) {
  t.test(name, t => run(t, { network, host, fetch: globalThis.fetch, run: work => work }))
}

t.test('wss and https: the name in the URL must be in the certificate, unless verify is false', async t => {
  let peer: WebSocketConnection | undefined
  const listener = await network.listenHttp({
    host,
    port: 0,
    tls: keysOf('localhost'),
    onRequest: async ({ secure }) => ({ status: 200, body: String(secure) }),
    onUpgrade: () => ({ accept: connection => (peer = connection) }),
  })
  t.teardown(() => listener.close())
  const { port } = listener.local
  const client = await network.openWebSocket({ url: `wss://localhost:${port}/`, tls: { ca: authority } })
  client.send('safe')
  const heard = await new Promise(resolve => {
    if (peer !== undefined) peer.onMessage = resolve
  })
  t.equal(heard, 'safe')
  client.destroy()
  const [response] = (await once(
    get({ host, port, ca: authority, servername: 'localhost', agent: false }),
    'response',
  )) as [IncomingMessage]
  let body = ''
  for await (const chunk of response) body += String(chunk)
  t.equal(body, 'true')
  const other = await network.listenHttp({
    host,
    port: 0,
    tls: keysOf('sip-domain'),
    onRequest: notFound,
    onUpgrade: () => ({ accept: connection => connection.destroy() }),
  })
  t.teardown(() => other.close())
  const url = `wss://localhost:${other.local.port}/`
  await t.rejects(network.openWebSocket({ url, tls: { ca: authority } }), { code: 'SIP_TRANSPORT' })
  const unchecked = await network.openWebSocket({ url, tls: { verify: false } })
  unchecked.destroy()
  await t.rejects(network.openWebSocket({ url: `wss://localhost:${port}/` }), {
    message: /issued by nobody we trust/,
  })
})

t.test('what is no HTTP is closed and told of; more connections than allowed are closed', async t => {
  const listener = await network.listenHttp({ host, port: 0, maxConnections: 1, onRequest: notFound })
  t.teardown(() => listener.close())
  const told = new Promise<Error>(resolve => (listener.onError = resolve))
  const first = connect(listener.local.port, host)
  await once(first, 'connect')
  const second = connect(listener.local.port, host)
  second.on('error', () => {})
  await once(second, 'close')
  first.on('error', () => {})
  first.resume()
  first.write('NOT HTTP\r\n\r\n')
  t.match((await told).message, /Parse Error/)
  await once(first, 'close')
})

t.test('a port in use is told with what to do', async t => {
  const listener = await network.listenHttp({ host, port: 0, onRequest: notFound })
  t.teardown(() => listener.close())
  await t.rejects(network.listenHttp({ host, port: listener.local.port, onRequest: notFound }), {
    code: 'SIP_TRANSPORT',
    message: /the port is in use/,
  })
})
