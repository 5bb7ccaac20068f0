import t from 'tap'
import { createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import type { ListenAddress } from '../../../src/sip/transport/options.ts'
import type { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { header, requestText, responseText, startLine, World } from './world.ts'

const udp: ListenAddress = { transport: 'udp', host: '10.0.0.1' }
const tcp: ListenAddress = { transport: 'tcp', host: '10.0.0.1' }

/** Answers every request 200 and keeps it. */
function answering(layer: TransportLayer): { requests: SipRequest[]; flows: Flow[] } {
  const requests: SipRequest[] = []
  const flows: Flow[] = []
  layer.onRequest = (request, flow) => {
    requests.push(request)
    flows.push(flow)
    const sent = layer.sendResponse(createResponse(request, 200, { toTag: 'us' }), flow)
    if ('then' in sent) sent.catch(() => {})
  }
  return { requests, flows }
}

/** Via of a request sent from 10.0.0.2:5060; what the layer makes of it; the port at which the response is heard. */
const routes: readonly (readonly [name: string, via: string, noted: string, port: number])[] = [
  ['sent-by is the source', '10.0.0.2:5060;branch=z9hG4bK1', '10.0.0.2:5060;branch=z9hG4bK1', 5060],
  ['no port is 5060', '10.0.0.2;branch=z9hG4bK1', '10.0.0.2;branch=z9hG4bK1', 5060],
  [
    'a name gets received, the response goes to the sent-by port (§18.2.1, §18.2.2)',
    'pc.test:5070;branch=z9hG4bK1',
    'pc.test:5070;branch=z9hG4bK1;received=10.0.0.2',
    5070,
  ],
  [
    'another address gets received (§18.2.1)',
    '192.0.2.9:5070;branch=z9hG4bK1',
    '192.0.2.9:5070;branch=z9hG4bK1;received=10.0.0.2',
    5070,
  ],
  [
    'rport gets the source port, and received with it (RFC 3581 §4)',
    '10.0.0.2:5070;rport;branch=z9hG4bK1',
    '10.0.0.2:5070;rport=5060;branch=z9hG4bK1;received=10.0.0.2',
    5060,
  ],
  [
    'a received that somebody made up is replaced',
    '192.0.2.9:5070;received=192.0.2.10;rport=1;branch=z9hG4bK1',
    '192.0.2.9:5070;received=10.0.0.2;rport=5060;branch=z9hG4bK1',
    5060,
  ],
]

for (const [name, via, noted, port] of routes) {
  t.test(`UDP response routing: ${name}`, async t => {
    const world = new World()
    const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
    answering(layer)
    const host = world.host('10.0.0.2')
    const peer = await world.rawUdp(host)
    const other = await world.rawUdp(host, { port: 5070 })
    peer.say(requestText({ via: `SIP/2.0/UDP ${via}` }))
    await world.clock.settle()
    const heard = [
      ...peer.heard.map(({ text }) => [5060, text] as const),
      ...other.heard.map(({ text }) => [5070, text] as const),
    ]
    t.equal(heard.length, 1)
    t.equal(heard[0]?.[0], port)
    t.equal(header(heard[0]?.[1] ?? '', 'Via'), `SIP/2.0/UDP ${noted}`)
    await layer.close()
    t.equal(world.clock.pendingTimers, 0)
  })
}

t.test('UDP response routing: maddr is obeyed (§18.2.2)', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  answering(layer)
  const peer = await world.rawUdp(world.host('10.0.0.2'))
  const elsewhere = await world.rawUdp(world.host('10.0.0.3'), { port: 5070 })
  peer.say(requestText({ via: 'SIP/2.0/UDP 10.0.0.2:5070;maddr=10.0.0.3;branch=z9hG4bK1' }))
  await world.clock.settle()
  t.equal(startLine(elsewhere.take()[0] ?? ''), 'SIP/2.0 200 OK')
  world.resolver.setAddresses('there.test', ['2001:db8::1', '10.0.0.3'])
  peer.say(requestText({ via: 'SIP/2.0/UDP 10.0.0.2:5070;maddr=there.test;branch=z9hG4bK2' }))
  await world.clock.settle()
  t.equal(startLine(elsewhere.take()[0] ?? ''), 'SIP/2.0 200 OK', 'by name as well')
  t.same(peer.take(), [])
  await layer.close()
})

t.test('only the top Via is touched where several stand on one line', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  const { requests } = answering(layer)
  const peer = await world.rawUdp(world.host('10.0.0.2'))
  peer.say(
    requestText({
      via: 'SIP/2.0/UDP proxy.test;branch=z9hG4bK1 , SIP/2.0/TCP a.test;branch=z9hG4bK0\r\nv: SIP/2.0/UDP b.test;branch=z9hG4bKx',
    }),
  )
  await world.clock.settle()
  t.same(
    requests[0]?.vias.map(via => [via.host, via.received]),
    [
      ['proxy.test', '10.0.0.2'],
      ['a.test', undefined],
      ['b.test', undefined],
    ],
  )
  await layer.close()
})

t.test('responses leave from the socket the request came in by (RFC 3581 §4), over IPv6 too', async t => {
  const world = new World()
  const layer = await world.layer(world.host(['10.0.0.1', '2001:db8::1']), {
    listen: [
      udp,
      { transport: 'udp', host: '10.0.0.1', port: 5090 },
      { transport: 'udp', host: '2001:db8::1' },
    ],
  })
  answering(layer)
  const peer = await world.rawUdp(world.host('10.0.0.2'), { toPort: 5090 })
  peer.say(requestText())
  await world.clock.settle()
  t.equal(peer.heard[0]?.remote.port, 5090)
  const six = await world.rawUdp(world.host('2001:db8::2'), { address: '2001:db8::2', to: '2001:db8::1' })
  six.say(requestText({ via: 'SIP/2.0/UDP [2001:DB8:0::2];branch=z9hG4bK1' }))
  six.say(requestText({ via: 'SIP/2.0/UDP [2001:db8::9]:5060;rport;branch=z9hG4bK2' }))
  await world.clock.settle()
  const vias = six.take().map(text => header(text, 'Via') ?? '')
  t.equal(vias[0], 'SIP/2.0/UDP [2001:DB8:0::2];branch=z9hG4bK1', 'the same address in another spelling')
  t.match(vias[1] ?? '', /;rport=5060;branch=z9hG4bK2;received="?\[?2001:db8::2\]?"?$/)
  await layer.close()
})

t.test('a response whose Via is not ours is dropped (§18.1.2)', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  const responses: number[] = []
  layer.onResponse = response => responses.push(response.statusCode)
  const peer = await world.rawUdp(world.host('10.0.0.2'))
  const ours = 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1'
  peer.say(responseText(requestText({ via: ours }), '200 OK'))
  await world.clock.settle()
  t.same(responses, [], 'nothing was ever sent under that name')
  const { createRequest } = await import('../../../src/sip/message/build.ts')
  const request = createRequest({ method: 'OPTIONS', uri: 'sip:10.0.0.2', headers: [['CSeq', '1 OPTIONS']] })
  await layer.sendRequest(request, { branch: 'z9hG4bK1', destination: { host: '10.0.0.2' } })
  for (const via of [
    ours,
    'SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1',
    'SIP/2.0/UDP 10.0.0.1:5061;branch=z9hG4bK1',
  ]) {
    peer.say(responseText(requestText({ via }), '200 OK'))
  }
  peer.say(
    responseText(
      requestText({ via: `${ours}\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK0` }),
      '202 Accepted',
    ),
  )
  await world.clock.settle()
  t.same(responses, [200, 202], 'several Vias are for the user agent to judge')
  t.equal(layer.stats().dropped.foreignResponse, 3)
  await layer.close()
})

t.test(
  'malformed requests get one stateless answer; ACKs, responses and noise get none (§8.2.7, §18.3)',
  async t => {
    const world = new World()
    const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
    const { requests } = answering(layer)
    const peer = await world.rawUdp(world.host('10.0.0.2'))
    const bad = requestText({ cseq: '1 INVITE', via: 'SIP/2.0/UDP pc.test;rport;branch=z9hG4bK1' })
    peer.say(bad)
    peer.say(bad)
    await world.clock.settle()
    const [first = '', second = ''] = peer.take()
    t.match(startLine(first), /^SIP\/2\.0 400 /)
    t.match(header(first, 'Via'), /;received=10\.0\.0\.2$/)
    t.match(header(first, 'To'), /;tag=.+/)
    t.equal(first, second, 'the same answer to a retransmission')

    peer.say(requestText().replace('SIP/2.0\r\n', 'SIP/7.0\r\n'))
    await world.clock.settle()
    t.match(startLine(peer.take()[0] ?? ''), /^SIP\/2\.0 505 /)

    peer.say(requestText({ method: 'ACK', cseq: '1 INVITE' }))
    peer.say(responseText(requestText(), '200 OK').replace('CSeq: 1 OPTIONS', 'CSeq: many OPTIONS'))
    peer.say('hello, is this a telephone?')
    peer.say(requestText().replace(/^Via: .*\r\n/m, ''))
    await world.clock.settle()
    t.same(peer.take(), [])
    t.same(requests, [])
    const { rejected, parseErrors, parserFaults, dropped } = layer.stats()
    t.same(
      { rejected, parseErrors, parserFaults, malformed: dropped.malformed },
      { rejected: 3, parseErrors: 7, parserFaults: 0, malformed: 4 },
    )
    await layer.close()
  },
)

t.test('keep-alive datagrams are dropped without a word (RFC 5626 §3.5)', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [udp] })
  answering(layer)
  const peer = await world.rawUdp(world.host('10.0.0.2'))
  for (const text of ['\r\n\r\n', '\r\n', '\0\0\0\0', '']) peer.say(text)
  peer.say(requestText())
  await world.clock.settle()
  t.equal(peer.take().length, 1)
  t.equal(layer.stats().dropped.keepAlive, 4)
  t.equal(layer.stats().received, 1)
  await layer.close()
})

t.test('a stream: pipelined and split messages, answers over the connection (§18.2.2, §18.3)', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [tcp] })
  const { requests, flows } = answering(layer)
  const raw = await world.connect(world.host('10.0.0.2'))
  const one = requestText({ via: 'SIP/2.0/TCP elsewhere.test:5070;branch=z9hG4bK1', body: 'v=0' })
  const two = one.replaceAll('z9hG4bK1', 'z9hG4bK2')
  raw.say(one + two + one.slice(0, 100))
  await world.clock.settle()
  raw.say(one.slice(100))
  await world.clock.settle()
  t.equal(requests.length, 3)
  t.equal(new Set(flows.map(({ id }) => id)).size, 1)
  t.equal(raw.take().match(/^SIP\/2\.0 200 OK/gm)?.length, 3)
  t.same(Buffer.from(requests[2]?.body ?? []).toString(), 'v=0')
  await layer.close()
  t.equal(raw.closed || (await world.clock.settle(), raw.closed), true)
})

t.test('a stream whose framing is lost: an answer if there can be one, then it is closed', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [tcp] })
  const { requests } = answering(layer)
  const host = world.host('10.0.0.2')
  const via = 'SIP/2.0/TCP 10.0.0.2:5060;branch=z9hG4bK1'
  for (const length of ['-1', 'many', '99999999999']) {
    const raw = await world.connect(host)
    raw.say(
      requestText({ via }) + requestText({ via }).replace('Content-Length: 0', `Content-Length: ${length}`),
    )
    await world.clock.settle()
    t.match(raw.take(), /^SIP\/2\.0 200 OK[^]*\nSIP\/2\.0 (400|413|513) /, `Content-Length: ${length}`)
    t.equal(raw.closed, true)
  }
  const raw = await world.connect(host)
  raw.say('\x16\x03\x01 this is not SIP'.repeat(4_000))
  await world.clock.settle()
  t.equal(raw.closed, true)
  t.equal(raw.take(), '')
  t.equal(requests.length, 3)
  t.equal(layer.stats().connections.closedBroken, 4)
  t.equal(layer.stats().connections.open, 0)
  await layer.close()
})

t.test('a malformed message with sound framing is answered, and the connection lives on', async t => {
  const world = new World()
  const layer = await world.layer(world.host('10.0.0.1'), { listen: [tcp] })
  answering(layer)
  const raw = await world.connect(world.host('10.0.0.2'))
  const via = 'SIP/2.0/TCP 10.0.0.2:5060;branch=z9hG4bK1'
  raw.say(requestText({ via, cseq: '1 INVITE' }) + requestText({ via }))
  await world.clock.settle()
  t.same(raw.take().match(/^SIP\/2\.0 \d+/gm), ['SIP/2.0 400', 'SIP/2.0 200'])
  t.equal(raw.closed, false)
  await layer.close()
})
