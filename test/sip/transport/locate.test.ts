import t from 'tap'
import { createRequest } from '../../../src/sip/message/build.ts'
import { parseUri } from '../../../src/sip/message/uri.ts'
import { destinationOf, nextHop } from '../../../src/sip/transport/locate.ts'
import { RefusedTcp } from '../../../src/sip/transport/refused-tcp.ts'
import { transportNamed } from '../../../src/sip/transport/transports.ts'

t.test('where a URI points to (RFC 3263 §4.1, §4.2)', async t => {
  for (const [uri, expected] of [
    ['sip:a@10.0.0.1', { host: '10.0.0.1' }],
    ['sip:a@pc.test:5070', { host: 'pc.test', port: 5070 }],
    ['sip:a@pc.test;transport=TCP', { host: 'pc.test', transport: 'tcp' }],
    [
      'sip:a@pc.test:5070;maddr=10.0.0.9;transport=udp',
      { host: '10.0.0.9', port: 5070, transport: 'udp', domain: 'pc.test' },
    ],
    ['sip:a@[2001:db8::1]:5070', { host: '2001:db8::1', port: 5070 }],
    ['sip:a@pc.test;maddr=[2001:db8::1]', { host: '2001:db8::1', domain: 'pc.test' }],
    ['sips:a@pc.test', { host: 'pc.test', secure: true }],
    ['sips:a@pc.test;transport=tcp', { host: 'pc.test', transport: 'tls', secure: true }],
  ] as const) {
    t.same(destinationOf(parseUri(uri)), expected, uri)
  }
})

t.test('a URI that cannot be sent to says what to do instead', async t => {
  for (const [uri, failure, message] of [
    ['tel:+15550100', 'unresolved', /sip URI or give a route/],
    ['mailto:a@b.test', 'unresolved', /sip URI or give a route/],
    ['sips:a@b.test;transport=udp', 'no-route', /sips cannot go by transport udp/],
    ['sip:a@b.test;transport=sctp', 'no-route', /use udp, tcp/],
  ] as const) {
    t.throws(() => destinationOf(parseUri(uri)), { code: 'SIP_TRANSPORT', failure, message }, uri)
  }
  t.equal(transportNamed('constructor'), undefined)
})

t.test('the next hop is the first Route, else the Request-URI (§8.1.2)', async t => {
  const request = createRequest({ method: 'BYE', uri: 'sip:a@far.test' })
  t.same(nextHop(request), { host: 'far.test' })
  request.headers.append('Route', '<sip:p1.test:5080;lr;transport=tcp>, <sip:p2.test;lr>')
  t.same(nextHop(request), { host: 'p1.test', port: 5080, transport: 'tcp' })
})

t.test('refusals of TCP are remembered for a time and up to a number', async t => {
  const refused = new RefusedTcp(1_000, 2)
  refused.add('a', 0)
  refused.add('b', 10)
  t.equal(refused.has('a', 999), true)
  t.equal(refused.has('a', 1_000), false)
  refused.add('c', 20)
  refused.add('d', 30)
  t.equal(refused.size, 2)
  t.equal(refused.has('b', 31), false, 'the oldest went')
  t.equal(refused.has('d', 31), true)
})
