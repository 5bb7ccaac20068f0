import t from 'tap'
import type { PeerCertificate } from '../../../src/runtime/runtime.ts'
import { serverFault, sipIdentities, standsFor } from '../../../src/sip/transport/certificates.ts'

function certificate(names: Partial<PeerCertificate>): PeerCertificate {
  return { uris: [], dnsNames: [], addresses: [], commonName: undefined, trusted: true, ...names }
}

const identities: readonly (readonly [
  what: string,
  names: Partial<PeerCertificate>,
  found: readonly string[],
])[] = [
  ['a sip URI', { uris: ['sip:Example.com'] }, ['example.com']],
  ['a sip URI with a port', { uris: ['sip:example.com:5061'] }, ['example.com']],
  ['a sip URI before a DNS name', { uris: ['sip:a.example'], dnsNames: ['b.example'] }, ['a.example']],
  [
    'a DNS name where no URI is of SIP',
    { uris: ['https://a.example'], dnsNames: ['B.example'] },
    ['b.example'],
  ],
  ['no URI with a user', { uris: ['sip:alice@example.com'] }, []],
  ['no sips URI', { uris: ['sips:example.com'], commonName: 'example.com' }, []],
  ['the common name where there is nothing else', { commonName: 'CN.example' }, ['cn.example']],
  ['no common name beside a DNS name', { dnsNames: ['a.example'], commonName: 'b.example' }, ['a.example']],
  [
    'addresses, for peers called by number',
    { addresses: ['192.0.2.1'], commonName: 'b.example' },
    ['192.0.2.1'],
  ],
  ['nothing', {}, []],
]

for (const [what, names, found] of identities) {
  t.test(`a certificate stands for ${what} (RFC 5922 §7.1)`, async t => {
    t.same(sipIdentities(certificate(names)), found)
  })
}

t.test(
  'domains are compared whole and without case; wildcards stand for nothing (RFC 5922 §7.2)',
  async t => {
    t.ok(standsFor(certificate({ dnsNames: ['sip.example'] }), 'SIP.example.'))
    t.notOk(standsFor(certificate({ dnsNames: ['sip.example'] }), 'a.sip.example'))
    t.notOk(standsFor(certificate({ dnsNames: ['*.example'] }), 'sip.example'))
    t.ok(standsFor(certificate({ addresses: ['2001:DB8:0:0:0:0:0:1'] }), '2001:db8::1'))
    t.notOk(standsFor(certificate({ dnsNames: ['192.0.2.1.example'] }), '192.0.2.1'))
  },
)

t.test('what is wrong with a server names what was expected and what was found', async t => {
  t.equal(serverFault(certificate({ dnsNames: ['sip.example'] }), 'sip.example'), undefined)
  t.match(
    serverFault(certificate({ dnsNames: ['a.example', '*.b.example'] }), 'c.b.example'),
    /for a\.example, \*\.b\.example, and c\.b\.example was expected.*no wildcards/,
  )
  t.match(serverFault(certificate({}), 'c.example'), /for no SIP domain, and c\.example was expected/)
  t.match(serverFault(undefined, 'c.example'), /shows no certificate, and c\.example was expected/)
})
