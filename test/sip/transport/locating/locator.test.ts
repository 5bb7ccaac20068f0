import t from 'tap'
import { parseUri } from '../../../../src/sip/message/uri.ts'
import type { Destination } from '../../../../src/sip/transport/destination.ts'
import { destinationOf } from '../../../../src/sip/transport/locate.ts'
import type { Target } from '../../../../src/sip/transport/locate.ts'
import { Locator } from '../../../../src/sip/transport/locating/locator.ts'
import { seededRandom } from '../../../../src/testing/seeded-random.ts'
import { SimulatedResolver } from '../../../../src/testing/simulated-resolver.ts'
import { VirtualClock } from '../../../../src/testing/virtual-clock.ts'

interface Setup {
  readonly clock: VirtualClock
  readonly resolver: SimulatedResolver
  readonly locator: Locator
  find(uri: string, more?: Partial<Destination>): Promise<string[]>
}

function setup(
  offered: readonly string[] = ['udp', 'tcp', 'tls'],
  families: readonly number[] = [4, 6],
  delayMs = 0,
): Setup {
  const clock = new VirtualClock()
  const resolver = new SimulatedResolver(delayMs === 0 ? {} : { clock, delayMs })
  const locator = new Locator({
    resolver,
    clock,
    random: seededRandom(1),
    offers: transport => offered.includes(transport),
    reaches: (_, family) => families.includes(family),
  })
  return {
    clock,
    resolver,
    locator,
    find: async (uri, more) => {
      const found = locator.locate({ ...destinationOf(parseUri(uri)), ...more })
      return ('then' in found ? await clock.runFor(found) : found).map(show)
    },
  }
}

function show({ transport, address, port }: Target): string {
  return `${transport} ${address} ${port}`
}

/** The zone of RFC 3263 §4.1 and §4.2. */
function zone({ resolver }: Setup): void {
  resolver.setNaptr('example.com', [
    { order: 50, preference: 50, service: 'SIPS+D2T', replacement: '_sips._tcp.example.com.' },
    { order: 90, preference: 50, service: 'SIP+D2T', replacement: '_sip._tcp.example.com' },
    { order: 100, preference: 50, service: 'SIP+D2U', replacement: '_sip._udp.example.com' },
  ])
  resolver.setSrv('_sips._tcp.example.com', [{ host: 'server1.example.com', port: 5061 }])
  resolver.setSrv('_sip._tcp.example.com', [
    { host: 'server1.example.com.', port: 5060, priority: 0, weight: 1 },
    { host: 'server2.example.com', port: 5062, priority: 1, weight: 2 },
  ])
  resolver.setSrv('_sip._udp.example.com', [{ host: 'server2.example.com', port: 5060 }])
  resolver.setAddresses('server1.example.com', ['192.0.2.1', '2001:db8::1'])
  resolver.setAddresses('server2.example.com', ['192.0.2.2'])
  resolver.setAddresses('example.com', ['192.0.2.9'])
}

t.test(
  'the examples of RFC 3263 §4: what is asked depends on the URI and on what the endpoint offers',
  async t => {
    for (const [uri, offered, expected] of [
      ['sip:u@example.com', ['udp', 'tcp', 'tls'], ['tls 192.0.2.1 5061', 'tls 2001:db8::1 5061']],
      [
        'sip:u@example.com',
        ['udp', 'tcp'],
        ['tcp 192.0.2.1 5060', 'tcp 2001:db8::1 5060', 'tcp 192.0.2.2 5062'],
      ],
      ['sip:u@example.com', ['udp'], ['udp 192.0.2.2 5060']],
      ['sips:u@example.com', ['udp', 'tcp', 'tls'], ['tls 192.0.2.1 5061', 'tls 2001:db8::1 5061']],
      ['sips:u@example.com', ['udp'], ['tls 192.0.2.1 5061', 'tls 2001:db8::1 5061']],
      ['sip:u@example.com;transport=udp', ['udp', 'tcp', 'tls'], ['udp 192.0.2.2 5060']],
      ['sip:u@example.com;transport=tls', ['tls'], ['tls 192.0.2.1 5061', 'tls 2001:db8::1 5061']],
      ['sip:u@example.com:5080', ['udp', 'tcp'], ['udp 192.0.2.9 5080']],
      ['sips:u@example.com:5081', ['udp', 'tls'], ['tls 192.0.2.9 5081']],
      ['sip:u@example.com:5080;transport=tcp', ['udp', 'tcp'], ['tcp 192.0.2.9 5080']],
      ['sip:u@example.com;transport=ws', ['ws'], ['ws 192.0.2.9 80']],
    ] as const) {
      const s = setup(offered)
      zone(s)
      t.same(await s.find(uri), expected, `${uri} with ${offered.join()}`)
    }
  },
)

t.test('a numeric host is answered at once and without a question (§4.2)', async t => {
  const { locator, resolver } = setup()
  for (const [uri, expected] of [
    ['sip:u@192.0.2.7', 'udp 192.0.2.7 5060'],
    ['sips:u@192.0.2.7', 'tls 192.0.2.7 5061'],
    ['sip:u@[2001:db8::7];transport=tcp', 'tcp 2001:db8::7 5060'],
    ['sip:u@pc.test;maddr=192.0.2.7', 'udp 192.0.2.7 5060'],
  ] as const) {
    const found = locator.locate(destinationOf(parseUri(uri)))
    t.ok(Array.isArray(found), 'no promise')
    t.same((found as Target[]).map(show), [expected], uri)
  }
  t.equal(resolver.queries, 0)
  const udpLess = setup(['tcp'])
  t.same(await udpLess.find('sip:u@192.0.2.7'), ['tcp 192.0.2.7 5060'], 'an endpoint without UDP')
})

t.test('without NAPTR: SRV of each transport on offer; without SRV: addresses (§4.1, §4.2)', async t => {
  const s = setup(['udp', 'tcp'])
  s.resolver.setSrv('_sip._tcp.a.test', [{ host: 'h.a.test', port: 5065 }])
  s.resolver.setAddresses('h.a.test', ['192.0.2.3'])
  s.resolver.setAddresses('a.test', ['192.0.2.4'])
  t.same(await s.find('sip:u@a.test'), ['tcp 192.0.2.3 5065'])
  s.resolver.setAddresses('b.test', ['192.0.2.5'])
  t.same(await s.find('sip:u@b.test'), ['udp 192.0.2.5 5060'])
  t.same(await s.find('sip:u@b.test;transport=tcp'), ['tcp 192.0.2.5 5060'])
  s.resolver.setNaptr('c.test', [{ service: 'SIP+D2U', flags: 'a', replacement: 'h.a.test' }])
  t.same(await s.find('sip:u@c.test'), ['udp 192.0.2.3 5060'], 'NAPTR straight to addresses')
  s.resolver.setAddresses('pbx', ['192.0.2.6'])
  const before = s.resolver.queries
  t.same(await s.find('sip:u@pbx'), ['udp 192.0.2.6 5060'])
  t.equal(s.resolver.queries - before, 1, 'a name of one label is only looked up')
})

t.test('an SRV target of "." says that the service is not there (RFC 2782)', async t => {
  const s = setup(['udp'])
  s.resolver.setSrv('_sip._udp.a.test', [{ host: '.', port: 0 }])
  s.resolver.setAddresses('a.test', ['192.0.2.4'])
  await t.rejects(s.find('sip:u@a.test'), { failure: 'unresolved', message: /offers no such service/ })
})

t.test('addresses of families that nothing listens on are left out', async t => {
  const s = setup(['udp'], [6])
  s.resolver.setAddresses('a.test', ['192.0.2.4', '2001:db8::4'])
  t.same(await s.find('sip:u@a.test'), ['udp 2001:db8::4 5060'])
  s.resolver.setAddresses('b.test', ['192.0.2.4'])
  await t.rejects(s.find('sip:u@b.test'), {
    failure: 'no-route',
    message: /listen on an address of that family/,
  })
})

t.test(
  'what was found is kept for the shortest time to live, and then answered without a promise',
  async t => {
    const s = setup(['udp'])
    s.resolver.setSrv('_sip._udp.a.test', [{ host: 'h.a.test', port: 5060, ttlSeconds: 300 }])
    s.resolver.setAddresses('h.a.test', ['192.0.2.3'], 100)
    await s.find('sip:u@a.test;transport=udp')
    const { queries } = s.resolver
    const again = s.locator.locate({ host: 'A.test', transport: 'udp' })
    t.ok(Array.isArray(again), 'no promise')
    t.equal(s.locator.locate({ host: 'a.test', transport: 'udp' }), again, 'and nothing made anew')
    await s.clock.advance(99_999)
    t.equal(s.resolver.queries, queries)
    s.resolver.setAddresses('h.a.test', ['192.0.2.8'], 100)
    await s.clock.advance(1)
    t.same(await s.find('sip:u@a.test;transport=udp'), ['udp 192.0.2.8 5060'])
  },
)

t.test('two who ask at once share the questions', async t => {
  const s = setup(['udp'], [4], 50)
  s.resolver.setAddresses('a.test', ['192.0.2.3'])
  const both = [1, 2].map(() => Promise.resolve(s.locator.locate({ host: 'a.test', port: 5060 })))
  await s.clock.runFor(Promise.all(both))
  t.equal(s.resolver.queries, 1)
})

t.test(
  'NAPTR and SRV questions that fail, or that nobody answers, do not keep addresses from being found',
  async t => {
    const failing = setup(['udp', 'tcp'])
    failing.resolver.setAddresses('a.test', ['192.0.2.3'], 3_600)
    failing.resolver.fail('_sip._udp.a.test')
    failing.resolver.fail('_sip._tcp.a.test')
    t.same(await failing.find('sip:u@a.test'), ['udp 192.0.2.3 5060'])
    const { queries } = failing.resolver
    await failing.clock.advance(30_000)
    await failing.find('sip:u@a.test')
    t.ok(failing.resolver.queries > queries, 'asked again soon')

    const silent = setup(['udp'])
    silent.resolver.setAddresses('a.test', ['192.0.2.3'])
    silent.resolver.naptr = () => new Promise(() => {})
    silent.resolver.srv = () => new Promise(() => {})
    t.same(await silent.find('sip:u@a.test'), ['udp 192.0.2.3 5060'])
    t.equal(silent.clock.now(), 5_000, 'after half of the time a look-up may take')
  },
)

t.test('one server of several that cannot be looked up is left out', async t => {
  const s = setup(['udp'])
  s.resolver.setSrv('_sip._udp.a.test', [
    { host: 'gone.a.test', port: 5060, priority: 1 },
    { host: 'h.a.test', port: 5060, priority: 2 },
  ])
  s.resolver.fail('gone.a.test')
  s.resolver.setAddresses('h.a.test', ['192.0.2.3'])
  t.same(await s.find('sip:u@a.test'), ['udp 192.0.2.3 5060'])
})

t.test('servers that failed come last; the wanted one first, unless it failed', async t => {
  const s = setup(['udp'])
  s.resolver.setAddresses('a.test', ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
  const found = await s.clock.runFor(Promise.resolve(s.locator.locate({ host: 'a.test', port: 5060 })))
  const [one, two] = found
  if (one === undefined || two === undefined) throw new Error('no targets')
  s.locator.health.avoid(one, 60_000)
  t.same(await s.find('sip:u@a.test:5060'), [
    'udp 192.0.2.2 5060',
    'udp 192.0.2.3 5060',
    'udp 192.0.2.1 5060',
  ])
  t.equal(
    (await s.find('sip:u@a.test:5060', { first: { ...two, address: '192.0.2.3' } }))[0],
    'udp 192.0.2.3 5060',
  )
  t.equal((await s.find('sip:u@a.test:5060', { first: one }))[0], 'udp 192.0.2.2 5060')
  await s.clock.advance(60_000)
  t.equal((await s.find('sip:u@a.test:5060'))[0], 'udp 192.0.2.1 5060')
})

t.test('1024 domains are kept, and the oldest goes', async t => {
  const s = setup(['udp'])
  s.resolver.setAddresses('a.test', ['192.0.2.1'])
  for (let port = 1; port <= 1_025; port++) await s.find(`sip:u@a.test:${port}`)
  t.equal(s.locator.size, 1_024)
  t.equal(s.locator.dropped, 1)
})

t.test(
  'a certificate is to name the domain asked for, not the host that SRV led to (RFC 5922 §7.1)',
  async t => {
    const s = setup(['tls'])
    zone(s)
    const found = await s.clock.runFor(
      Promise.resolve(s.locator.locate({ host: 'example.com', secure: true })),
    )
    t.same(
      found.map(({ host }) => host),
      ['example.com', 'example.com'],
    )
  },
)
