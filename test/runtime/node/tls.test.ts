import { once } from 'node:events'
import { connect } from 'node:tls'
import type { Test } from 'tap'
import t from 'tap'
import { createNodeRuntime } from '../../../src/runtime/node.ts'
import type { Network, StreamConnection, StreamListener, TlsOptions } from '../../../src/runtime/runtime.ts'
import { authority, keysOf } from './keys.ts'

const host = '127.0.0.1'
const { network }: { network: Network } = createNodeRuntime()

async function listen(t: Test, tls: TlsOptions): Promise<StreamListener> {
  const listener = await network.listenTls({ host, port: 0, tls })
  t.teardown(() => listener.close())
  return listener
}

/** What the listener is handed next. */
function accepted(listener: StreamListener): Promise<StreamConnection> {
  return new Promise(resolve => (listener.onConnection = resolve))
}

function dial(
  listener: StreamListener,
  tls: TlsOptions,
  serverName = 'localhost',
): Promise<StreamConnection> {
  return network.connectTls({ host, port: listener.local.port, tls, serverName })
}

function nextData(connection: StreamConnection): Promise<string> {
  return new Promise(resolve => (connection.onData = data => resolve(Buffer.from(data).toString())))
}

t.test('octets go both ways; the client sees the names of the server', async t => {
  const listener = await listen(t, keysOf('localhost'))
  const server = accepted(listener)
  const client = await dial(listener, { ca: authority })
  const peer = await server
  const heard = nextData(peer)
  client.write(Buffer.from('hello'))
  t.equal(await heard, 'hello')
  const answer = nextData(client)
  peer.write(Buffer.from('there'))
  t.equal(await answer, 'there')
  t.match(client.peer, { dnsNames: ['localhost'], commonName: 'localhost', trusted: true })
  t.ok(client.peer?.addresses.includes('127.0.0.1'))
  t.equal(peer.peer, undefined, 'a client that was not asked shows nothing')
  t.equal(client.remote.port, listener.local.port)
  client.destroy()
  peer.destroy()
})

t.test('names of every kind are read; whom the certificate names is not checked here', async t => {
  const listener = await listen(t, keysOf('sip-domain'))
  listener.onConnection = connection => connection.destroy()
  const client = await dial(listener, { ca: authority })
  t.same(client.peer?.uris, ['sip:sip.example', 'sips:other.example'])
  t.same(client.peer?.dnsNames, ['dns.example'])
  client.destroy()
})

t.test('a certificate nobody vouches for is refused unless verify is off', async t => {
  const listener = await listen(t, keysOf('stranger'))
  listener.onConnection = connection => connection.destroy()
  await t.rejects(dial(listener, { ca: authority }), {
    code: 'SIP_TRANSPORT',
    message: /issued by nobody we trust/,
  })
  const client = await dial(listener, { ca: authority, verify: false })
  t.equal(client.peer?.trusted, false)
  client.destroy()
})

t.test('a client certificate: shown when asked for, and trusted or not', async t => {
  const listener = await listen(t, keysOf('localhost', { requestCert: 'optional' }))
  for (const [tls, trusted] of [
    [keysOf('client'), true],
    [keysOf('stranger'), false],
  ] as const) {
    const server = accepted(listener)
    const client = await dial(listener, tls)
    t.equal((await server).peer?.trusted, trusted)
    client.destroy()
  }
})

t.test('a client without a certificate does not get in where one is required', async t => {
  const listener = await listen(t, keysOf('localhost', { requestCert: true, minVersion: 'TLSv1.3' }))
  let letIn = 0
  listener.onConnection = () => letIn++
  const failed = new Promise<Error>(resolve => (listener.onError = resolve))
  const client = await dial(listener, { ca: authority }).catch(() => undefined)
  const closed = client && new Promise<void>(resolve => (client.onClose = () => resolve()))
  await failed
  await closed
  t.equal(letIn, 0)
})

t.test('SNI carries the name; ALPN is off unless it is given', async t => {
  const plain = await listen(t, keysOf('localhost'))
  const sip = await listen(t, keysOf('localhost', { alpn: ['sip'] }))
  for (const [listener, negotiated] of [
    [plain, false],
    [sip, 'sip'],
  ] as const) {
    listener.onConnection = () => {}
    const socket = connect({
      host,
      port: listener.local.port,
      ca: authority,
      servername: 'localhost',
      ALPNProtocols: ['sip'],
    })
    await once(socket, 'secureConnect')
    t.equal(socket.alpnProtocol, negotiated)
    socket.destroy()
  }
})

t.test('a client of TLS 1.1 is refused', async t => {
  const listener = await listen(t, keysOf('localhost'))
  const socket = connect({
    host,
    port: listener.local.port,
    ca: authority,
    servername: 'localhost',
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  const [error] = (await once(socket, 'error')) as [Error]
  t.ok(error)
})

t.test('a key that does not belong to the certificate is an OptionError', async t => {
  const { key } = keysOf('client')
  const tls = keysOf('localhost', key === undefined ? {} : { key })
  await t.rejects(network.listenTls({ host, port: 0, tls }), { code: 'SIP_OPTION', field: 'tls' })
  await t.rejects(network.connectTls({ host, port: 1, tls, serverName: 'x' }), {
    code: 'SIP_OPTION',
    field: 'tls',
  })
})

t.test('an attempt is given up by its signal', async t => {
  const listener = await listen(t, keysOf('localhost'))
  const controller = new AbortController()
  const attempt = network.connectTls({
    host,
    port: listener.local.port,
    tls: {},
    serverName: 'localhost',
    signal: controller.signal,
  })
  controller.abort(new Error('given up'))
  await t.rejects(attempt, { message: 'given up' })
})
