import t from 'tap'
import { createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { requestWithFailover } from '../../../src/sip/transaction/failover.ts'
import type { LeftServer } from '../../../src/sip/transport/locating/left-server.ts'
import { World } from '../transport/world.ts'
import { assertClean, bench, request } from './fixture.ts'

const keys = { cert: 'simulated', key: 'simulated' }

for (const method of ['INVITE', 'BYE', 'REGISTER', 'OPTIONS']) {
  t.test(
    `${method}: a server whose certificate names another domain is left for the next (RFC 3263 §4.3, RFC 5922 §7)`,
    async t => {
      const world = new World()
      world.resolver.setSrv('_sips._tcp.trunk.test', [
        { host: 'a.test', port: 5061, priority: 1 },
        { host: 'b.test', port: 5061, priority: 2 },
      ])
      const heard: string[] = []
      for (const [name, address, names] of [
        ['a.test', '10.0.0.3', ['sip:other.test']],
        ['b.test', '10.0.0.4', ['sip:trunk.test']],
      ] as const) {
        world.resolver.setAddresses(name, [address])
        const host = world.host(address)
        host.certificate = { uris: names }
        const server = await world.layer(host, { listen: [{ transport: 'tls', host: address }], tls: keys })
        server.onRequest = (incoming: SipRequest, flow) => {
          heard.push(`${name} ${incoming.method} ${incoming.via.transport}`)
          if (incoming.method !== 'ACK')
            void server.sendResponse(createResponse(incoming, 404, { toTag: 'x' }), flow)
        }
        t.teardown(() => server.close())
      }
      const b = await bench({ world })
      const sending = requestWithFailover(b.layer, request(method, { uri: 'sips:u@trunk.test' }), {
        destination: { host: 'trunk.test', secure: true },
      })
      const answers: number[] = []
      sending.onResponse = ({ statusCode }) => answers.push(statusCode)
      await world.clock.advance(1_000)
      t.same(answers, [404])
      t.equal(heard[0], `b.test ${method} TLS`)
      t.notOk(
        heard.some(line => line.startsWith('a.test')),
        'nothing is told to the wrong one',
      )
      const [left]: readonly LeftServer[] = sending.left ?? []
      t.match(left?.reason, 'other.test')
      t.equal(left?.avoidedMs, 60_000)
      await assertClean(t, b)
    },
  )
}
