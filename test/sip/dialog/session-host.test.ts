import t from 'tap'
import { isPrivate } from '../../../src/sip/transport/addresses.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import { createRequest } from '../../../src/sip/message/build.ts'
import { parseUri } from '../../../src/sip/message/uri.ts'
import { routeOver } from '../../../src/sip/dialog/session-host.ts'

function flowFrom(address: string, transport: 'udp' | 'tcp' = 'udp', closed = false): Flow {
  const local = { address: '203.0.113.1', port: 5060, family: 4 } as const
  return {
    id: 'flow',
    transport,
    reliable: transport === 'tcp',
    secure: false,
    local,
    remote: { address, port: 40_000, family: 4 },
    bound: undefined,
    closed,
    send: () => {},
    hold: () => () => {},
    onClose: () => () => {},
  }
}

function where(contact: string, flow: Flow | undefined, route?: string): string {
  const request = createRequest({
    method: 'BYE',
    uri: contact,
    headers: route === undefined ? [] : [['Route', route]],
  })
  const nextHop = parseUri(route === undefined ? contact : route.slice(1, -1))
  const { host, port = 5060, transport = 'udp' } = routeOver({ request, nextHop }, flow)
  return `${transport} ${host}:${port}`
}

const routed = '<sip:10.1.1.1;lr>'
const cases: readonly (readonly [
  name: string,
  flow: Flow | undefined,
  contact: string,
  route: string | undefined,
  expected: string,
])[] = [
  [
    'a Contact behind a NAT: the flow it was heard by',
    flowFrom('198.51.100.7'),
    'sip:a@192.168.1.5',
    undefined,
    'udp 198.51.100.7:40000',
  ],
  [
    'carrier NAT (RFC 6598)',
    flowFrom('198.51.100.7'),
    'sip:a@100.64.0.9',
    undefined,
    'udp 198.51.100.7:40000',
  ],
  [
    'a public Contact is believed',
    flowFrom('198.51.100.7'),
    'sip:a@198.51.100.9:5070',
    undefined,
    'udp 198.51.100.9:5070',
  ],
  [
    'a recorded route is followed, private or not',
    flowFrom('198.51.100.7'),
    'sip:a@192.168.1.5',
    routed,
    'udp 10.1.1.1:5060',
  ],
  [
    'both in private networks: the Contact is believed',
    flowFrom('10.0.0.7'),
    'sip:a@192.168.1.5',
    undefined,
    'udp 192.168.1.5:5060',
  ],
  ['a name is believed', flowFrom('198.51.100.7'), 'sip:a@pbx.example', undefined, 'udp pbx.example:5060'],
  [
    'an open connection is kept',
    flowFrom('198.51.100.7', 'tcp'),
    'sip:a@198.51.100.9',
    undefined,
    'tcp 198.51.100.7:40000',
  ],
  [
    'a closed one is not',
    flowFrom('198.51.100.7', 'tcp', true),
    'sip:a@198.51.100.9',
    undefined,
    'udp 198.51.100.9:5060',
  ],
  ['no flow', undefined, 'sip:a@192.168.1.5:5062', undefined, 'udp 192.168.1.5:5062'],
]

for (const [name, flow, contact, route, expected] of cases) {
  t.test(`where a request in a dialog goes: ${name}`, async t => {
    t.equal(where(contact, flow, route), expected)
  })
}

t.test('private addresses', async t => {
  for (const address of [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '100.127.0.1',
    '169.254.1.1',
    'fd00::1',
    '[fe80::1]',
    '::ffff:10.0.0.1',
  ]) {
    t.ok(isPrivate(address), address)
  }
  for (const address of [
    '172.32.0.1',
    '100.128.0.1',
    '11.0.0.1',
    '8.8.8.8',
    '2001:db8::1',
    'ten.example',
    '10.example',
  ]) {
    t.notOk(isPrivate(address), address)
  }
})
