import t from 'tap'
import { SipError } from '../../../src/runtime/errors.ts'
import { createNodeRuntime } from '../../../src/runtime/node.ts'
import type { SocketAddress, UdpSocket } from '../../../src/runtime/runtime.ts'

const { network } = createNodeRuntime()
const hasIpv6 = network.interfaces().some(({ address }) => address === '::1')

function nextMessage(socket: UdpSocket): Promise<{ text: string; remote: SocketAddress }> {
  return new Promise(resolve => {
    socket.onMessage = (data, remote) => resolve({ text: Buffer.from(data).toString(), remote })
  })
}

function nextError(socket: UdpSocket): Promise<NodeJS.ErrnoException> {
  return new Promise(resolve => {
    socket.onError = resolve
  })
}

for (const host of ['127.0.0.1', '::1']) {
  t.test(`datagrams go both ways on ${host}`, async t => {
    if (host === '::1' && !hasIpv6) {
      await t.rejects(network.bindUdp({ host, port: 0 }), { code: 'SIP_TRANSPORT' })
      return
    }
    const family = host === '::1' ? 6 : 4
    const a = await network.bindUdp({ host, port: 0 })
    const b = await network.bindUdp({ host, port: 0 })
    t.match(a.local, { address: host, family })
    t.ok(a.local.port > 0)
    const atB = nextMessage(b)
    a.send(Buffer.from('ping'), b.local.port, host)
    t.same(await atB, { text: 'ping', remote: a.local })
    const atA = nextMessage(a)
    b.send(Buffer.from('pong'), a.local.port, a.local.address)
    t.same(await atA, { text: 'pong', remote: b.local })
    a.close()
    b.close()
  })
}

t.test('a port that is taken is refused with what to do', async t => {
  const first = await network.bindUdp({ host: '127.0.0.1', port: 0 })
  const error: unknown = await network.bindUdp({ host: '127.0.0.1', port: first.local.port }).then(
    () => undefined,
    (error: unknown) => error,
  )
  t.type(error, SipError)
  t.match(error, {
    code: 'SIP_TRANSPORT',
    message: new RegExp(`^cannot bind udp 127.0.0.1:${first.local.port}: the port is in use: choose another`),
    cause: { code: 'EADDRINUSE' },
  })
  first.close()
  const again = await network.bindUdp({ host: '127.0.0.1', port: first.local.port })
  t.equal(again.local.port, first.local.port, 'free after close')
  again.close()
})

t.test('an address of another machine cannot be bound', async t => {
  await t.rejects(network.bindUdp({ host: '192.0.2.1', port: 0 }), {
    code: 'SIP_TRANSPORT',
    message: /does not have that address/,
    cause: { code: 'EADDRNOTAVAIL' },
  })
})

t.test('an impossible port is reported later, not thrown, and the socket stays usable', async t => {
  const a = await network.bindUdp({ host: '127.0.0.1', port: 0 })
  const failed = nextError(a)
  a.send(Buffer.from('x'), 0, '127.0.0.1')
  t.equal((await failed).code, 'ERR_SOCKET_BAD_PORT')
  const got = nextMessage(a)
  a.send(Buffer.from('to myself'), a.local.port, '127.0.0.1')
  t.equal((await got).text, 'to myself')
  a.close()
})

t.test('what the system refuses to send is reported on request', async t => {
  const loud = await network.bindUdp({ host: '127.0.0.1', port: 0, reportSendErrors: true })
  const failed = nextError(loud)
  loud.send(new Uint8Array(70_000), loud.local.port, '127.0.0.1')
  t.equal((await failed).code, 'EMSGSIZE')
  const got = nextMessage(loud)
  loud.send(Buffer.from('still here'), loud.local.port, '127.0.0.1')
  t.equal((await got).text, 'still here')
  loud.close()
})

t.test('a closed socket does nothing more', async t => {
  const a = await network.bindUdp({ host: '127.0.0.1', port: 0 })
  const b = await network.bindUdp({ host: '127.0.0.1', port: 0 })
  a.onMessage = () => t.fail('received after close')
  a.onError = () => t.fail('error after close')
  a.close()
  a.close()
  a.send(Buffer.from('x'), b.local.port, '127.0.0.1')
  b.send(Buffer.from('x'), a.local.port, '127.0.0.1')
  const got = nextMessage(b)
  b.send(Buffer.from('marker'), b.local.port, '127.0.0.1')
  t.equal((await got).text, 'marker')
  b.close()
})
