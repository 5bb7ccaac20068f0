import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import { createEndpoint, type Endpoint } from '../../src/call/endpoint.ts'
import type { EndpointOptions } from '../../src/call/options.ts'
import type { MessageEvent } from '../../src/sip/transport/diagnostics.ts'
import { createLab, type Lab } from '../../src/testing/lab.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { createSimulatedRuntime } from '../../src/testing/simulated-network.ts'

const keys = { cert: 'simulated', key: 'simulated' }
const offer = [
  'v=0',
  'o=- 1 1 IN IP4 10.0.0.2',
  's=-',
  'c=IN IP4 10.0.0.2',
  't=0 0',
  'm=audio 4000 RTP/AVP 0',
  '',
].join('\r\n')

function endpoint(lab: Lab, address: string, options: EndpointOptions): Promise<Endpoint> {
  const host = lab.network.host(address)
  host.certificate = { dnsNames: [address === '10.0.0.1' ? 'a.example' : 'b.example'] }
  const runtime = createSimulatedRuntime({
    clock: lab.clock,
    network: host,
    random: seededRandom(address.length),
    resolver: lab.resolver,
  })
  return createEndpoint({ tls: keys, ...options, runtime })
}

/** From a carrier whose Contact says nothing of TLS. */
function requestText(method: string, to: string, body: string): Buffer {
  return Buffer.from(
    [
      `${method} sip:echo@10.0.0.2 SIP/2.0`,
      `Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK${method}`,
      'Max-Forwards: 70',
      'From: <sip:carrier@a.example>;tag=1',
      `To: ${to}`,
      'Call-ID: one@a.example',
      `CSeq: 1 ${method}`,
      'Contact: <sip:carrier@10.0.0.1>',
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  )
}

t.test(
  'a call for a sips URI goes by TLS to its end, with sips Contacts (RFC 3261 §12.1, RFC 5630 §3.1)',
  async t => {
    const lab = createLab({ network: { delayMs: 10 } })
    lab.resolver.setAddresses('b.example', ['10.0.0.2'])
    const seen: MessageEvent[] = []
    const note = (event: unknown): number => seen.push(event as MessageEvent)
    subscribe('offhook:sip:message', note)
    t.teardown(() => unsubscribe('offhook:sip:message', note))
    const a = await endpoint(lab, '10.0.0.1', { listen: ['tls://10.0.0.1', 'udp://10.0.0.1:5060'] })
    const b = await endpoint(lab, '10.0.0.2', { listen: ['tls://10.0.0.2', 'udp://10.0.0.2:5060'] })
    void b.serve(async call => {
      await call.answer()
      await call.ended
    })
    await lab.clock.runFor(
      a.call('sips:echo@b.example').then(async call => {
        await call.hangup()
      }),
    )
    const sent = seen.filter(({ direction }) => direction === 'out')
    const methods = sent.flatMap(({ message }) => (message?.kind === 'request' ? [message.method] : []))
    t.same(methods, ['INVITE', 'ACK', 'BYE'])
    t.same([...new Set(sent.map(({ transport }) => transport))], ['tls'])
    const contacts = sent.flatMap(({ message }) => message?.headers.getAll('Contact') ?? [])
    t.ok(contacts.length >= 2)
    for (const contact of contacts) t.match(contact, /^<sips:/)
    await lab.clock.runFor(Promise.all([a.close(), b.close()]))
  },
)

t.test('requests in a call stay on its TLS connection though the Contact names no transport', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const b = await endpoint(lab, '10.0.0.2', { listen: ['tls://10.0.0.2', 'udp://10.0.0.2:5060'] })
  void b.serve(async call => {
    await call.answer()
    await call.sleep(500)
  })
  const connection = await lab.clock.runFor(
    lab.network
      .host('10.0.0.1')
      .connectTls({ host: '10.0.0.2', port: 5061, tls: { verify: false }, serverName: 'b.example' }),
  )
  let heard = ''
  connection.onData = data => (heard += Buffer.from(data).toString())
  connection.write(requestText('INVITE', '<sip:echo@b.example>', offer))
  await lab.clock.advance(100)
  const to = /SIP\/2\.0 200 OK[^]*?\r\nTo: ([^\r\n]*)/.exec(heard)?.[1] ?? ''
  t.match(to, /;tag=/)
  t.match(heard, /\r\nContact: <sip:[^>]*;transport=tls>/)
  connection.write(requestText('ACK', to, ''))
  await lab.clock.advance(1_000)
  t.match(heard, /\r\nBYE sip:carrier@10\.0\.0\.1 SIP\/2\.0\r\nVia: SIP\/2\.0\/TLS /)
  await lab.clock.runFor(b.close())
})
