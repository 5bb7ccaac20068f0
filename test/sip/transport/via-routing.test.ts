import t from 'tap'
import { Via } from '../../../src/sip/message/via.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import {
  datagramResponseTarget,
  ownVia,
  streamResponseTarget,
} from '../../../src/sip/transport/via-routing.ts'

function from(address: string, port: number, family: 4 | 6): Flow {
  const remote = { address, port, family }
  return {
    id: '',
    transport: 'udp',
    reliable: false,
    secure: false,
    local: remote,
    remote,
    bound: undefined,
    closed: false,
    send: () => {},
    hold: () => () => {},
    onClose: () => () => {},
  }
}

t.test('where a response goes over UDP (RFC 3261 §18.2.2, RFC 3581 §4)', async t => {
  const flow = from('10.0.0.2', 4_000, 4)
  for (const [via, host, port, family] of [
    ['pc.test:5070;received=10.0.0.2;rport=4000', '10.0.0.2', 4_000, 4],
    ['pc.test:5070;received=10.0.0.2', '10.0.0.2', 5_070, 4],
    ['pc.test;received=10.0.0.2', '10.0.0.2', 5_060, 4],
    ['pc.test;rport', 'pc.test', 5_060, 0],
    ['10.0.0.9:5070', '10.0.0.9', 5_070, 4],
    ['pc.test:5070;maddr=10.0.0.3;received=10.0.0.2;rport=4000', '10.0.0.3', 5_070, 4],
    ['pc.test:5070;maddr=10.0.0.3', '10.0.0.3', 5_070, 4],
  ] as const) {
    t.same(datagramResponseTarget(Via.parse(`SIP/2.0/UDP ${via}`), flow), { host, port, family }, via)
  }
})

t.test('a dual-stack socket is given the address in its own form', async t => {
  const via = Via.parse('SIP/2.0/UDP pc.test:5070;received=10.0.0.2;rport=4000')
  t.same(datagramResponseTarget(via, from('::ffff:10.0.0.2', 4_000, 6)), {
    host: '::ffff:10.0.0.2',
    port: 4_000,
    family: 6,
  })
})

t.test(
  'where a response goes when its connection is gone: never to the ephemeral port (§18.2.2)',
  async t => {
    for (const [via, host, port, family] of [
      ['pc.test:5070;received=10.0.0.2;rport=4000', '10.0.0.2', 5_070, 4],
      ['pc.test', 'pc.test', 5_060, 0],
      ['[2001:db8::2]:5071', '2001:db8::2', 5_071, 6],
    ] as const) {
      t.same(streamResponseTarget(Via.parse(`SIP/2.0/TCP ${via}`), 'tcp'), { host, port, family }, via)
    }
  },
)

t.test('our own Via asks for rport and brackets IPv6', async t => {
  t.equal(
    ownVia('tcp', { host: '2001:db8::1', port: 5060 }, 'z9hG4bK1'),
    'SIP/2.0/TCP [2001:db8::1]:5060;rport;branch=z9hG4bK1',
  )
})
