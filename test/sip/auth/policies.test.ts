import { BlockList } from 'node:net'
import * as fc from 'fast-check'
import { test } from 'tap'
import { AddressList } from '../../../src/sip/auth/address-list.ts'
import { firstOf } from '../../../src/sip/auth/admission.ts'
import type { Admission, AdmissionHost, AdmissionPolicy } from '../../../src/sip/auth/admission.ts'
import {
  admitAddresses,
  admitCertificates,
  admitSecret,
  dropOthers,
  dropScanners,
  scannerUserAgents,
} from '../../../src/sip/auth/policies.ts'
import { createRequest } from '../../../src/sip/message/build.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const host: AdmissionHost = { clock: new VirtualClock(), random: seededRandom(1) }

async function ask(
  policy: AdmissionPolicy,
  { headers = [], ...flow }: Partial<Flow> & { headers?: readonly (readonly [string, string])[] } = {},
): Promise<Admission | undefined> {
  const request = createRequest({ method: 'INVITE', uri: 'sip:a@b', headers })
  return policy(request, { remote: { address: '192.0.2.1', port: 5060 }, ...flow } as Flow, host)
}

const octets = (length: number): fc.Arbitrary<number[]> =>
  fc.array(fc.nat(255), { minLength: length, maxLength: length })
const v4: fc.Arbitrary<string> = octets(4).map(bytes => bytes.join('.'))
const v6: fc.Arbitrary<string> = fc.ipV6().filter(text => !/^[0:]*:(?:0*:)?ffff:/i.test(text))

test('blocks hold the addresses that the system says they hold, IPv4 and IPv6', t => {
  for (const [family, arbitrary, most] of [
    ['ipv4', v4, 32],
    ['ipv6', v6, 128],
  ] as const) {
    fc.assert(
      fc.property(arbitrary, arbitrary, fc.integer({ min: 0, max: most }), (block, address, bits) => {
        const oracle = new BlockList()
        oracle.addSubnet(block, bits, family)
        const list = new AddressList([`${block}/${bits}`])
        return list.has(block) && list.has(address) === oracle.check(address, family)
      }),
    )
  }
  t.end()
})

test('near the edge of a block: one bit decides', t => {
  fc.assert(
    fc.property(octets(4), fc.integer({ min: 1, max: 32 }), fc.nat(31), (bytes, bits, flipped) => {
      const other = [...bytes]
      other[flipped >> 3] = (other[flipped >> 3] ?? 0) ^ (128 >> (flipped & 7))
      return new AddressList([`${bytes.join('.')}/${bits}`]).has(other.join('.')) === flipped >= bits
    }),
  )
  t.end()
})

test('spellings of one address; what is no block is named', t => {
  const list = new AddressList(['2001:db8::/32', '192.0.2.7', '::ffff:198.51.100.0/120'])
  for (const address of [
    '2001:DB8:0::1',
    '[2001:db8::2]',
    '2001:db8::1%eth0',
    '::ffff:192.0.2.7',
    '198.51.100.9',
  ])
    t.ok(list.has(address), address)
  for (const address of ['2001:db9::', '192.0.2.8', 'example.com', '', '198.51.101.1'])
    t.notOk(list.has(address))
  for (const bad of [
    '192.0.2.0/33',
    '192.0.2',
    '2001:db8::/129',
    '/8',
    'host',
    '1.2.3.4/x',
    '::ffff:1.2.3.4/95',
  ])
    t.throws(() => new AddressList([bad]), { message: /addresses\[0\]/ }, bad)
  t.end()
})

test('a source address admits, under the name of its trunk', async t => {
  const policy = admitAddresses(['192.0.2.0/24'], { user: 'carrier', trusted: true })
  t.same(await ask(policy), { kind: 'admitted', by: 'address', user: 'carrier', trusted: true })
  t.equal(await ask(policy, { remote: { family: 4, address: '198.51.100.1', port: 1 } }), undefined)
})

test('a certificate admits when it is trusted and names a domain as URI, or as DNS name where no URI is (RFC 5922 §7.1)', async t => {
  const policy = admitCertificates(['example.com'])
  const peer = { uris: [], dnsNames: ['Example.com'], addresses: [], commonName: undefined, trusted: true }
  t.match(await ask(policy, { peer }), { kind: 'admitted', by: 'certificate', user: 'example.com' })
  t.match(await ask(policy, { peer: { ...peer, uris: ['sip:example.com'], dnsNames: [] } }), {
    kind: 'admitted',
  })
  t.equal(await ask(policy, { peer: { ...peer, trusted: false } }), undefined)
  t.equal(await ask(policy, { peer: { ...peer, uris: ['sip:other.org'] } }), undefined)
  t.equal(await ask(policy, { peer: { ...peer, uris: ['sip:user@example.com'], dnsNames: [] } }), undefined)
  t.match(
    await ask(policy, { peer: { ...peer, uris: ['sip:example.com:5061;transport=tls'], dnsNames: [] } }),
    { user: 'example.com' },
  )
  t.equal(
    await ask(policy, { peer: { ...peer, uris: ['sips:example.com'], dnsNames: [] } }),
    undefined,
    'a sips URI is no identity (RFC 5922 §7.1)',
  )
  t.equal(await ask(policy), undefined, 'no certificate')
})

test('a secret header admits over TLS; over UDP only where that is said', async t => {
  const headers = [['X-Token', 'open']] as const
  const policy = admitSecret({ header: 'x-token', secrets: ['sesame', 'open'] })
  t.match(await ask(policy, { headers, secure: true }), { kind: 'admitted', by: 'secret' })
  t.equal(await ask(policy, { headers, secure: false }), undefined)
  t.equal(await ask(policy, { headers: [['X-Token', 'ope']], secure: true }), undefined)
  t.equal(await ask(policy, { secure: true }), undefined)
  const plain = admitSecret({ header: 'X-Token', secrets: ['open'], secureOnly: false })
  t.match(await ask(plain, { headers }), { kind: 'admitted' })
  t.throws(() => admitSecret({ header: 'X Token', secrets: ['a'] }), { message: /header/ })
  t.throws(() => admitSecret({ header: 'X-Token', secrets: [''] }), { message: /secrets/ })
})

test('scanners are dropped by name, others by being the last', async t => {
  for (const name of scannerUserAgents)
    t.same(await ask(dropScanners(), { headers: [['User-Agent', `${name}/1.0`]] }), { kind: 'dropped' })
  t.equal(await ask(dropScanners(), { headers: [['User-Agent', 'Offhook']] }), undefined)
  t.equal(await ask(dropScanners()), undefined)
  t.same(await ask(dropOthers()), { kind: 'dropped' })
})

test('the first policy that decides has decided, whether it needs time or not', async t => {
  const asked: string[] = []
  const policy =
    (name: string, decided?: Admission, late = false): AdmissionPolicy =>
    () => {
      asked.push(name)
      return late ? Promise.resolve(decided) : decided
    }
  const admitted = { kind: 'admitted', by: 'c' } as const
  const all = firstOf(policy('a'), policy('b', undefined, true), policy('c', admitted, true), policy('d'))
  t.same(await ask(all), admitted)
  t.same(asked, ['a', 'b', 'c'])
  t.equal(await ask(firstOf()), undefined)
})
