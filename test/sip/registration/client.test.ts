import t from 'tap'
import { RegistrationClient } from '../../../src/sip/registration/client.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { header, responseText, World } from '../transport/world.ts'

t.test(
  'the Contact follows the transport of the server that takes the REGISTER, and takes the one before away (RFC 3263 §4.3)',
  async t => {
    const world = new World()
    const { clock, resolver } = world
    const transport = await world.layer(world.host('10.0.0.1'), {
      listen: [
        { transport: 'udp', host: '10.0.0.1' },
        { transport: 'tcp', host: '10.0.0.1' },
      ],
    })
    const random = seededRandom(4)
    const transactions = new TransactionLayer({ transport, clock, random })
    resolver.setNaptr('pbx.test', [
      { order: 1, preference: 1, service: 'SIP+D2T', replacement: '_sip._tcp.pbx.test' },
      { order: 1, preference: 2, service: 'SIP+D2U', replacement: '_sip._udp.pbx.test' },
    ])
    resolver.setSrv('_sip._tcp.pbx.test', [{ host: 's2.test', port: 5060 }])
    resolver.setSrv('_sip._udp.pbx.test', [{ host: 's3.test', port: 5060 }])
    resolver.setAddresses('s2.test', ['10.0.0.2'])
    resolver.setAddresses('s3.test', ['10.0.0.3'])
    const listener = await world.rawListener(world.host('10.0.0.2'), 5060)
    const second = await world.rawUdp(world.host('10.0.0.3'))
    const registration = new RegistrationClient(
      { transactions, transport, clock, random },
      { aor: 'sip:us@pbx.test' },
    )
    const states: string[] = []
    registration.handlers = {
      onRegistered: () => void states.push('registered'),
      onUnregistered: () => void states.push('unregistered'),
    }
    registration.start()
    await clock.advance(10)
    const [first] = listener.connections
    const byTcp = first?.take() ?? ''
    t.equal(header(byTcp, 'Contact'), '<sip:us@10.0.0.1:5060;transport=tcp>', 'of the first server alone')
    first?.say(responseText(byTcp, '503 Service Unavailable'))
    await clock.advance(10)
    const [byUdp = ''] = second.take()
    t.equal(
      header(byUdp, 'Contact'),
      '<sip:us@10.0.0.1:5060>, <sip:us@10.0.0.1:5060;transport=tcp>;expires=0',
    )
    second.say(responseText(byUdp, '200 OK', { headers: ['Contact: <sip:us@10.0.0.1:5060>;expires=600'] }))
    await clock.advance(10)
    t.equal(registration.contact, 'sip:us@10.0.0.1:5060')
    registration.stop()
    await clock.advance(10)
    const [removing = ''] = second.take()
    t.equal(header(removing, 'Contact'), '<sip:us@10.0.0.1:5060>')
    second.say(responseText(removing, '200 OK'))
    await clock.advance(40_000)
    t.same(states, ['registered', 'unregistered'])
    transactions.close()
    await transport.close()
  },
)
