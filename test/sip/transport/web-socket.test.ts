import t from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import type { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { requestText, World } from './world.ts'

const requestHeaders: readonly (readonly [string, string])[] = [
  ['Max-Forwards', '70'],
  ['From', '<sip:us@us.example>;tag=1'],
  ['To', '<sip:peer@peer.example>'],
  ['Call-ID', 'one@us.example'],
  ['CSeq', '1 OPTIONS'],
]

async function server(world: World, timers: Record<string, number> = {}): Promise<TransportLayer> {
  return world.layer(world.host('10.0.0.1'), {
    listen: [{ transport: 'ws', host: '10.0.0.1' }],
    timers,
  })
}

async function browser(world: World): Promise<ReturnType<World['rawTcp']>> {
  const connection = world.host('10.0.0.2').connectWebSocket({ host: '10.0.0.1', port: 80, serverName: 'x' })
  return world.rawTcp(await world.clock.runFor(connection))
}

t.test('a browser is answered over its connection, whatever its Via says (RFC 7118 §5, §8)', async t => {
  const world = new World()
  const layer = await server(world)
  layer.onRequest = (request, flow) => {
    void layer.sendResponse(createResponse(request, 200, { toTag: 'x' }), flow)
  }
  const raw = await browser(world)
  raw.say(requestText({ via: 'SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK1' }))
  await world.clock.advance(100)
  const heard = raw.take()
  t.match(heard, /^SIP\/2\.0 200 OK\r\n/)
  t.match(heard, /Via: SIP\/2\.0\/WS df7jal23ls0d\.invalid;branch=z9hG4bK1;received=10\.0\.0\.2\r\n/)
  await layer.close()
})

t.test('a message is what its frame holds, Content-Length or not (RFC 7118 §5.1)', async t => {
  const world = new World()
  const layer = await server(world)
  const bodies: string[] = []
  layer.onRequest = request => bodies.push(Buffer.from(request.body).toString())
  const raw = await browser(world)
  const text = requestText({ via: 'SIP/2.0/WS a.invalid;branch=z9hG4bK1' })
  raw.say(`${text.replace(/Content-Length:.*\r\n/, '').replace(/\r\n\r\n$/, '')}\r\n\r\nhello`)
  raw.say(text)
  await world.clock.advance(100)
  t.same(bodies, ['hello', ''])
  await layer.close()
})

t.test('requests go back to a browser over its flow; our Via there says WS', async t => {
  const world = new World()
  const layer = await server(world)
  let known: Flow | undefined
  layer.onRequest = (_request, flow) => (known = flow)
  const raw = await browser(world)
  raw.say(requestText({ via: 'SIP/2.0/WS a.invalid;branch=z9hG4bK1' }))
  await world.clock.advance(100)
  if (known === undefined) throw new Error('nothing was received')
  t.equal(layer.contactFor(known, 'u').toString(), 'sip:u@10.0.0.1:80;transport=ws')
  const request = createRequest({ method: 'OPTIONS', uri: 'sip:x@a.invalid;transport=ws', headers: [] })
  await layer.sendRequest(request, {
    branch: 'z9hG4bK2',
    destination: { transport: 'ws', host: '10.0.0.2', flow: known },
  })
  await world.clock.advance(100)
  t.match(raw.take(), /^OPTIONS .*\r\nVia: SIP\/2\.0\/WS 10\.0\.0\.1:80;rport;branch=z9hG4bK2\r\n/)
  await layer.close()
})

t.test(
  'keep-alives: CRLF CRLF in a message is answered by CRLF; our own are ping frames, and a pong is enough',
  async t => {
    const world = new World()
    const layer = await server(world, { keepAlive: 1_000, pong: 500, idle: Infinity })
    const raw = await browser(world)
    raw.say('\r\n\r\n')
    await world.clock.advance(100)
    t.equal(raw.take(), '\r\n')
    await world.clock.advance(10_000)
    t.equal(raw.closed, false, 'the pongs of the simulated browser count')
    t.equal(layer.stats().connections.open, 1)
    t.equal(raw.take(), '', 'no octets but ping frames')
    await layer.close()
  },
)

t.test(
  'as a client without a listener, Via and Contact have an invalid host and no port (RFC 7118 §5.2)',
  async t => {
    const world = new World()
    const layer = await server(world)
    const requests: SipRequest[] = []
    layer.onRequest = (request, flow) => {
      requests.push(request)
      void layer.sendResponse(createResponse(request, 200, { toTag: 'x' }), flow)
    }
    const client = await world.layer(world.host('10.0.0.3'), {
      listen: [{ transport: 'udp', host: '10.0.0.3' }],
    })
    let answered = 0
    client.onResponse = () => answered++
    const destination = { transport: 'ws', host: '10.0.0.1' } as const
    const request = createRequest({ method: 'OPTIONS', uri: 'sip:peer', headers: requestHeaders })
    await world.clock.runFor(
      Promise.resolve(client.sendRequest(request, { branch: 'z9hG4bK1', destination })),
    )
    await world.clock.advance(100)
    t.equal(answered, 1)
    t.match(requests[0]?.headers.get('Via'), /^SIP\/2\.0\/WS [0-9a-f]{12}\.invalid;rport=/)
    t.match(client.contactFor(destination, 'u').toString(), /^sip:u@[0-9a-f]{12}\.invalid;transport=ws$/)
    t.equal(client.hostFor(destination), '10.0.0.3', 'media has an address all the same')
    await Promise.all([layer.close(), client.close()])
  },
)

t.test('plain WebSocket is no way to a wss listener, nor TCP to a WebSocket', async t => {
  const world = new World()
  const layer = await server(world)
  const host = world.host('10.0.0.2')
  await t.rejects(world.clock.runFor(host.connectTcp({ host: '10.0.0.1', port: 80 })), {
    code: 'SIP_TRANSPORT',
  })
  await layer.close()
})
