import t from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import type { Destination } from '../../../src/sip/transport/destination.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import type { TransportOptions } from '../../../src/sip/transport/options.ts'
import type { Sent, TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import type { SimulatedCertificate } from '../../../src/testing/network/session.ts'
import { World } from './world.ts'

const keys = { cert: 'simulated', key: 'simulated' }

interface Party {
  readonly layer: TransportLayer
  readonly requests: { readonly request: SipRequest; readonly flow: Flow }[]
}

async function party(
  world: World,
  address: string,
  certificate: SimulatedCertificate | undefined,
  options: Partial<TransportOptions> = {},
): Promise<Party> {
  const host = world.host(address)
  host.certificate = certificate
  const layer = await world.layer(host, {
    listen: [{ transport: 'tls', host: address }],
    tls: keys,
    ...options,
  })
  const requests: Party['requests'][number][] = []
  layer.onRequest = (request, flow) => {
    requests.push({ request, flow })
    void layer.sendResponse(createResponse(request, 200, { toTag: 'x' }), flow)
  }
  return { layer, requests }
}

const requestHeaders: readonly (readonly [string, string])[] = [
  ['Max-Forwards', '70'],
  ['From', '<sip:us@us.example>;tag=1'],
  ['To', '<sip:peer@peer.example>'],
  ['Call-ID', 'one@us.example'],
  ['CSeq', '1 OPTIONS'],
]

let branches = 0

function send(world: World, { layer }: Party, destination: Destination): Promise<Sent> {
  const request = createRequest({ method: 'OPTIONS', uri: 'sip:peer', headers: requestHeaders })
  const sent = layer.sendRequest(request, {
    branch: `z9hG4bK${++branches}`,
    destination: { transport: 'tls', ...destination },
  })
  return world.clock.runFor(Promise.resolve(sent))
}

async function worldOf(names: Readonly<Record<string, string>>): Promise<World> {
  const world = new World({ conditions: { delayMs: 10 } })
  for (const [name, address] of Object.entries(names)) world.resolver.setAddresses(name, [address])
  return world
}

t.test('a request goes by TLS to a server whose certificate names the domain; Via says TLS', async t => {
  const world = await worldOf({ 'sip.example': '10.0.0.2' })
  const a = await party(world, '10.0.0.1', undefined)
  const b = await party(world, '10.0.0.2', { uris: ['sip:sip.example'] })
  let answered = 0
  a.layer.onResponse = () => answered++
  const { flow } = await send(world, a, { host: 'sip.example' })
  await world.clock.advance(100)
  t.equal(flow.transport, 'tls')
  t.equal(flow.secure, true)
  t.same(flow.peer?.uris, ['sip:sip.example'])
  t.equal(answered, 1)
  t.match(b.requests[0]?.request.headers.get('Via'), /^SIP\/2\.0\/TLS 10\.0\.0\.1:5061;rport=\d+;alias;/)
  await Promise.all([a.layer.close(), b.layer.close()])
})

t.test(
  'a certificate for another domain: the error names what was expected and found, nothing is sent',
  async t => {
    const world = await worldOf({ 'sip.example': '10.0.0.2' })
    const a = await party(world, '10.0.0.1', undefined)
    const b = await party(world, '10.0.0.2', { dnsNames: ['other.example'] })
    await t.rejects(send(world, a, { host: 'sip.example' }), {
      code: 'SIP_TRANSPORT',
      failure: 'certificate',
      message: /the certificate is for other\.example, and sip\.example was expected/,
    })
    await world.clock.advance(100)
    t.equal(b.requests.length, 0)
    t.equal(a.layer.stats().connections.failed, 1)
    t.equal(a.layer.stats().connections.open, 0)
    await Promise.all([a.layer.close(), b.layer.close()])
  },
)

t.test('a certificate nobody vouches for is refused, and taken when verify is off', async t => {
  const world = await worldOf({ 'sip.example': '10.0.0.2' })
  const careful = await party(world, '10.0.0.1', undefined)
  const careless = await party(world, '10.0.0.3', undefined, { tls: { ...keys, verify: false } })
  const b = await party(world, '10.0.0.2', { dnsNames: ['sip.example'], trusted: false })
  await t.rejects(send(world, careful, { host: 'sip.example' }), {
    failure: 'certificate',
    message: /nobody we trust/,
  })
  await send(world, careless, { host: 'sip.example' })
  await world.clock.advance(100)
  t.equal(b.requests.length, 1)
  await Promise.all([careful.layer.close(), careless.layer.close(), b.layer.close()])
})

t.test('tls.servername is expected in place of the host that is called', async t => {
  const world = await worldOf({})
  const a = await party(world, '10.0.0.1', undefined, { tls: { ...keys, servername: 'sip.example' } })
  const b = await party(world, '10.0.0.2', { dnsNames: ['sip.example'] })
  await send(world, a, { host: '10.0.0.2' })
  await world.clock.advance(100)
  t.equal(b.requests.length, 1)
  await Promise.all([a.layer.close(), b.layer.close()])
})

t.test(
  'a client without a certificate is refused where one is required; its names are known where it has one',
  async t => {
    const world = await worldOf({ 'sip.example': '10.0.0.2' })
    const nobody = await party(world, '10.0.0.1', undefined)
    const known = await party(world, '10.0.0.3', { dnsNames: ['client.example'] })
    const b = await party(
      world,
      '10.0.0.2',
      { dnsNames: ['sip.example'] },
      { tls: { ...keys, requestCert: true } },
    )
    await t.rejects(send(world, nobody, { host: 'sip.example' }), {
      code: 'SIP_TRANSPORT',
      failure: 'connect',
    })
    await send(world, known, { host: 'sip.example' })
    await world.clock.advance(100)
    t.same(
      b.requests.map(({ flow }) => flow.peer?.dnsNames),
      [['client.example']],
    )
    await Promise.all([nobody.layer.close(), known.layer.close(), b.layer.close()])
  },
)

t.test(
  'a connection is used again only for domains its certificate was checked for (RFC 5922 §7.3)',
  async t => {
    const world = await worldOf({ 'a.example': '10.0.0.2', 'b.example': '10.0.0.2', 'c.example': '10.0.0.2' })
    const a = await party(world, '10.0.0.1', undefined)
    const b = await party(world, '10.0.0.2', { dnsNames: ['a.example', 'b.example'] })
    const first = await send(world, a, { host: 'a.example' })
    const again = await send(world, a, { host: 'A.example' })
    const other = await send(world, a, { host: 'b.example' })
    t.equal(again.flow, first.flow)
    t.not(other.flow, first.flow)
    await t.rejects(send(world, a, { host: 'c.example' }), { code: 'SIP_TRANSPORT', failure: 'certificate' })
    await Promise.all([a.layer.close(), b.layer.close()])
  },
)

t.test(
  'requests go back over the connection of a peer that has proved its domain and offers alias (RFC 5923 §8)',
  async t => {
    const names = { 'client.example': '10.0.0.1', 'sip.example': '10.0.0.2' }
    for (const requestCert of [true, false]) {
      const world = await worldOf(names)
      const a = await party(world, '10.0.0.1', { dnsNames: ['client.example'] })
      const b = await party(
        world,
        '10.0.0.2',
        { dnsNames: ['sip.example'] },
        { tls: { ...keys, requestCert } },
      )
      await send(world, a, { host: 'sip.example' })
      await world.clock.advance(100)
      const back = await send(world, b, { host: 'client.example' })
      t.equal(
        back.flow === b.requests[0]?.flow,
        requestCert,
        requestCert ? 'reused' : 'an unknown peer is not',
      )
      await Promise.all([a.layer.close(), b.layer.close()])
    }
  },
)

t.test('a peer cannot have requests for a domain that is not its own (RFC 5923 §9.1)', async t => {
  const world = await worldOf({ 'sip.example': '10.0.0.2', 'victim.example': '10.0.0.1' })
  const a = await party(world, '10.0.0.1', { dnsNames: ['client.example'] })
  const b = await party(
    world,
    '10.0.0.2',
    { dnsNames: ['sip.example'] },
    { tls: { ...keys, requestCert: true } },
  )
  await send(world, a, { host: 'sip.example' })
  await world.clock.advance(100)
  await t.rejects(send(world, b, { host: 'victim.example' }), {
    code: 'SIP_TRANSPORT',
    failure: 'certificate',
  })
  await Promise.all([a.layer.close(), b.layer.close()])
})

t.test(
  'Contacts: transport=tls over TLS, sips for a sips destination, an error where nothing secure is listened on',
  async t => {
    const world = await worldOf({})
    const a = await party(world, '10.0.0.1', undefined)
    const plain = await party(world, '10.0.0.2', undefined, {
      listen: [{ transport: 'udp', host: '10.0.0.2' }],
    })
    const tls: Destination = { transport: 'tls', host: '10.0.0.9' }
    t.equal(a.layer.contactFor(tls, 'u').toString(), 'sip:u@10.0.0.1:5061;transport=tls')
    t.equal(a.layer.contactFor({ ...tls, secure: true }, 'u').toString(), 'sips:u@10.0.0.1:5061')
    t.throws(() => plain.layer.contactFor({ ...tls, secure: true }), {
      failure: 'no-route',
      message: /listen on tls/,
    })
    await Promise.all([a.layer.close(), plain.layer.close()])
  },
)

t.test('listening by TLS needs a certificate and a key', async t => {
  const world = await worldOf({})
  const listen = [{ transport: 'tls', host: '10.0.0.1' }] as const
  await t.rejects(world.layer(world.host('10.0.0.1'), { listen }), { code: 'SIP_OPTION', field: 'tls.cert' })
  await t.rejects(world.layer(world.host('10.0.0.1'), { listen, tls: { cert: 'x' } }), {
    code: 'SIP_OPTION',
    field: 'tls.key',
  })
})
