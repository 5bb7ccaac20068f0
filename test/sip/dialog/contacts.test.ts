import t from 'tap'
import { Contacts } from '../../../src/sip/dialog/contacts.ts'
import { SipUri } from '../../../src/sip/message/uri.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import type { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

function flow(address: string): Flow {
  return {
    transport: 'udp',
    local: { address: '192.0.2.1', port: 5060, family: 4 },
    remote: { address, port: 5060, family: 4 },
    send: () => {},
  } as unknown as Flow
}

t.test('a Contact is found once a second for each peer, user and flow', async t => {
  const clock = new VirtualClock()
  let asked = 0
  const transport = {
    contactFor: (_: unknown, user?: string) => {
      asked++
      return new SipUri({ host: `h${asked}.example`, user })
    },
  } as unknown as TransportLayer
  const contacts = new Contacts(clock, transport)
  t.equal(contacts.for(flow('192.0.2.2'), 'a'), '<sip:a@h1.example>')
  t.equal(contacts.for(flow('192.0.2.2'), 'a'), '<sip:a@h1.example>')
  t.equal(contacts.for(flow('192.0.2.2'), undefined), '<sip:h2.example>')
  t.equal(contacts.for(flow('192.0.2.3'), 'a'), '<sip:a@h3.example>')
  await clock.advance(1000)
  t.equal(contacts.for(flow('192.0.2.2'), 'a'), '<sip:a@h4.example>', 'an address that has changed is seen')
  t.equal(contacts.for({ host: 'x' }, 'a'), '<sip:a@h5.example>')
  t.equal(contacts.for({ host: 'x' }, 'a'), '<sip:a@h6.example>')
})
