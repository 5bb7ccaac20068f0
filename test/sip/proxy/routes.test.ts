import t from 'tap'
import { createRequest } from '../../../src/sip/message/build.ts'
import { RecordRoute, Route } from '../../../src/sip/message/headers/index.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { Fingerprint } from '../../../src/sip/proxy/fingerprint.ts'
import { OwnAddresses } from '../../../src/sip/proxy/own-addresses.ts'
import { addRecordRoute, preprocess } from '../../../src/sip/proxy/routes.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import { requestText, World } from '../transport/world.ts'

const fingerprint = new Fingerprint(new Uint8Array(32))

function incoming(uri: string, routes: readonly string[] = []): SipRequest {
  return createRequest({
    method: 'BYE',
    uri,
    headers: [
      ['From', '<sip:a@example.com>;tag=a'],
      ['To', '<sip:b@example.com>;tag=b'],
      ['Call-ID', 'call-1'],
      ['CSeq', '2 BYE'],
      ...routes.map(route => ['Route', route] as const),
    ],
  })
}

/** A proxy at 10.0.0.1, UDP and TCP, also known as proxy.example; and what a request comes in by. */
async function place(): Promise<{
  world: World
  own: OwnAddresses
  flow: Flow
  record: (to: 'udp' | 'tcp') => string[]
}> {
  const world = new World()
  const host = world.host('10.0.0.1')
  const transport = await world.layer(host, {
    listen: [
      { transport: 'udp', host: '10.0.0.1' },
      { transport: 'tcp', host: '10.0.0.1', port: 5070 },
    ],
  })
  let flow: Flow | undefined
  transport.onRequest = (_request, by) => (flow = by)
  const peer = await world.rawUdp(world.host('10.0.0.2'))
  peer.say(requestText())
  await world.clock.advance(10)
  if (flow === undefined) throw new Error('nothing came in')
  const from = flow
  return {
    world,
    flow: from,
    own: new OwnAddresses(transport, host, ['proxy.example']),
    record: to => {
      const request = incoming('sip:b@10.0.0.3')
      addRecordRoute(request, transport, from, { host: '10.0.0.3', transport: to }, { fingerprint })
      return (request.get(RecordRoute) ?? []).map(String)
    },
  }
}

t.test('which URIs mean the proxy (§16.4)', async t => {
  const { own, flow } = await place()
  const rows: readonly (readonly [string, boolean])[] = [
    ['sip:10.0.0.1', true],
    ['sip:10.0.0.1:5060', true],
    ['sip:10.0.0.1:5070;transport=tcp', true],
    ['sip:10.0.0.1:5099', false],
    ['sip:PROXY.example;lr', true],
    ['sip:proxy.example:5070', true],
    ['sip:proxy.example:5099', false],
    ['sip:other.example', false],
    ['sip:other.example;maddr=10.0.0.1', true],
    ['tel:+15550100', false],
  ]
  for (const [uri, expected] of rows) {
    t.equal(own.includes(incoming(uri).uri, flow), expected, uri)
  }
})

t.test(
  'Route values of ours are taken off, one pair at most, and tell the way out (§16.4, RFC 5658)',
  async t => {
    const { own, flow, record } = await place()
    const facts = { own, fingerprint }
    t.equal(record('udp').length, 1)
    const [outward = '', inward = ''] = record('tcp')
    const both = preprocess(incoming('sip:b@10.0.0.3', [outward, inward, '<sip:10.0.0.9;lr>']), flow, facts)
    t.same(both.request.get(Route)?.map(String), ['<sip:10.0.0.9;lr>'])
    t.equal(both.bound?.transport, 'udp')
    t.equal(both.routed, true)
    const back = preprocess(incoming('sip:a@10.0.0.2', [inward, outward]), flow, facts)
    t.equal(back.request.headers.has('Route'), false)
    t.equal(back.bound?.transport, 'tcp')
    const spiral = preprocess(incoming('sip:b@10.0.0.3', [...record('udp'), ...record('udp')]), flow, facts)
    t.equal(spiral.request.get(Route)?.length, 1, 'the second pass takes the second')
  },
)

t.test('a Record-Route of another call, or one made up, is no pass', async t => {
  const { own, flow, record } = await place()
  const other = incoming('sip:b@10.0.0.3', record('udp'))
  other.headers.set('Call-ID', 'call-2')
  t.equal(preprocess(other, flow, { own, fingerprint }).routed, false)
  const anew = incoming('sip:gateway@10.0.0.9', record('udp'))
  anew.headers.set('To', '<sip:b@example.com>')
  t.equal(
    preprocess(anew, flow, { own, fingerprint }).routed,
    false,
    'nor for another call by the same Call-ID',
  )
  const guessed = incoming('sip:b@10.0.0.3', ['<sip:guess@10.0.0.1;lr>'])
  t.equal(preprocess(guessed, flow, { own, fingerprint }).routed, false)
})

t.test('a strict router in front: the Request-URI is ours, the target is the last Route (§16.4)', async t => {
  const { own, flow, record } = await place()
  const uri = record('udp')[0]?.slice(1, -1) ?? ''
  const { request, routed } = preprocess(incoming(uri, ['<sip:10.0.0.9;lr>', '<sip:b@10.0.0.3>']), flow, {
    own,
    fingerprint,
  })
  t.equal(request.requestUri, 'sip:b@10.0.0.3')
  t.same(request.get(Route)?.map(String), ['<sip:10.0.0.9;lr>'])
  t.equal(routed, true)
})

t.test('a maddr of ours is taken off the Request-URI (§16.4), a foreign one stays', async t => {
  const { own, flow } = await place()
  const after = (uri: string): string =>
    preprocess(incoming(uri), flow, { own, fingerprint }).request.requestUri
  t.equal(after('sip:b@example.com;maddr=10.0.0.1'), 'sip:b@example.com')
  t.equal(after('sip:b@example.com;maddr=10.0.0.7'), 'sip:b@example.com;maddr=10.0.0.7')
})
