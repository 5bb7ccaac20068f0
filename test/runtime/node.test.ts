import t from 'tap'
import { createNodeRuntime } from '../../src/runtime/node.ts'
import { SipError } from '../../src/runtime/errors.ts'
import type { SocketAddress } from '../../src/runtime/runtime.ts'

const { network, resolver, random, clock } = createNodeRuntime()

/** Whether this machine has IPv6 on loopback; where not, the tests check that binding says so. */
const hasIpv6 = network.interfaces().some(({ address }) => address === '::1')

t.test('the parts are there and real', async t => {
  t.ok(clock.now() > 0)
  t.ok(Math.abs(clock.wallTime() - Date.now()) < 60_000)
  t.equal(random.bytes(16).length, 16)
  t.match(await resolver.address('127.0.0.1'), [{ address: '127.0.0.1', family: 4 }])
})

t.test('loopback comes last among the interfaces', async t => {
  const addresses = network.interfaces()
  const first = addresses.findIndex(({ address }) => address === '127.0.0.1' || address === '::1')
  t.ok(first >= 0)
  for (const { address } of addresses.slice(first))
    t.ok(address.startsWith('127.') || address === '::1', address)
  for (const { address, family } of addresses) t.equal(family, address.includes(':') ? 6 : 4)
})

t.test('a name is bound by its address, and an unknown port is refused', async t => {
  const socket = await network.bindUdp({ host: 'localhost', port: 0 })
  t.ok(['127.0.0.1', '::1'].includes(socket.local.address))
  socket.close()
  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    await t.rejects(network.bindUdp({ host: '127.0.0.1', port }), { code: 'SIP_OPTION', field: 'port' })
    await t.rejects(network.listenTcp({ host: '127.0.0.1', port }), { code: 'SIP_OPTION', field: 'port' })
    await t.rejects(network.connectTcp({ host: '127.0.0.1', port }), { code: 'SIP_OPTION', field: 'port' })
  }
})

/** Opens two on one port. Somebody else on the machine may have the port the system chose for the first: then another. */
async function both<Socket extends { readonly local: SocketAddress; close(): unknown }>(
  open: () => Promise<Socket>,
  openAt: (port: number) => Promise<Socket>,
): Promise<[Socket, Socket]> {
  for (let tries = 10; ; tries -= 1) {
    const first = await open()
    try {
      return [first, await openAt(first.local.port)]
    } catch (error) {
      await first.close()
      if (tries === 1) throw error
    }
  }
}

t.test('IPv6 is apart from IPv4: both bind the same port', async t => {
  if (!hasIpv6) {
    await t.rejects(network.bindUdp({ host: '::1', port: 0 }), SipError)
    return
  }
  const udp = await both(
    () => network.bindUdp({ host: '::', port: 0 }),
    port => network.bindUdp({ host: '0.0.0.0', port }),
  )
  const tcp = await both(
    () => network.listenTcp({ host: '::', port: 0 }),
    port => network.listenTcp({ host: '0.0.0.0', port }),
  )
  for (const [six, four] of [udp, tcp]) {
    t.same([six.local.family, four.local.family], [6, 4])
    t.equal(four.local.port, six.local.port)
    await Promise.all([six.close(), four.close()])
  }
})
