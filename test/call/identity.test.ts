import * as fc from 'fast-check'
import { test } from 'tap'
import { CallIdentity } from '../../src/call/identity.ts'
import { identityHeaders } from '../../src/call/identity-options.ts'
import type { IdentityOptions } from '../../src/call/identity-options.ts'
import { createRequest } from '../../src/sip/message/build.ts'
import { admitAddresses } from '../../src/sip/auth/policies.ts'
import { createLab } from '../../src/testing/lab.ts'

type Fields = readonly (readonly [string, string])[]

function identity(
  headers: Fields,
  trusted = true,
  from = '"Alice" <sip:alice@example.com>;tag=1',
): CallIdentity {
  const invite = createRequest({ method: 'INVITE', uri: 'sip:a@b', headers: [['From', from], ...headers] })
  return new CallIdentity(invite, { kind: 'admitted', by: 'test', trusted })
}

test('the best number: asserted, Remote-Party-ID, From; and only From of who is not trusted (RFC 3325 §2.3)', t => {
  const pai = ['P-Asserted-Identity', '"Cullen" <sip:c@example.com>, <tel:+1-408-526-4000>'] as const
  const rpid = ['Remote-Party-ID', '<sip:+15550123@carrier>;party=calling;screen=yes;privacy=off'] as const
  t.match(identity([pai, rpid]).caller, {
    source: 'P-Asserted-Identity',
    number: '+14085264000',
    restricted: false,
  })
  t.match(identity([rpid]).caller, { source: 'Remote-Party-ID', number: '+15550123' })
  t.match(identity([pai, rpid], false).caller, { source: 'From', number: undefined, displayName: 'Alice' })
  t.match(identity([], false, '<sip:+1(555)0199@x;user=phone>;tag=1').caller, {
    source: 'From',
    number: '+15550199',
  })
  t.match(identity([['P-Asserted-Identity', '<']]).caller, { source: 'From' }, 'unreadable is absent')
  t.end()
})

test('who does not want to be shown is not (RFC 3323, RFC 3325 §9.3)', t => {
  const pai = ['P-Asserted-Identity', '<tel:+14085264000>'] as const
  for (const headers of [
    [pai, ['Privacy', 'id']],
    [pai, ['Privacy', 'User;critical']],
    [['Remote-Party-ID', '<sip:+15550123@carrier>;privacy=full']],
  ] as const satisfies readonly Fields[]) {
    const { caller } = identity(headers)
    t.same(
      { ...caller, source: '' },
      { source: '', restricted: true, number: undefined, displayName: undefined, address: undefined },
    )
  }
  t.equal(identity([], false, '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1').caller.restricted, true)
  t.equal(identity([pai, ['Privacy', 'none']]).caller.number, '+14085264000')
  t.end()
})

test('Diversion, History-Info in the order of its indexes, with causes (RFC 5806, RFC 7044, RFC 4458)', t => {
  const read = identity([
    ['Diversion', '<sip:+15550101@x>;reason=user-busy;counter=2;privacy=off, <tel:+15550102>;privacy=full'],
    ['History-Info', '<sip:+15550110@x;cause=302>;index=1.10, <sip:bob@x?Reason=SIP%3Bcause%3D486>;index=1'],
    ['History-Info', '<sip:carol@x>;index=1.2'],
  ])
  t.match(read.diversion, [
    { number: '+15550101', reason: 'user-busy', counter: 2, restricted: false },
    { number: '+15550102', reason: undefined, counter: undefined, restricted: true },
  ])
  t.match(read.history, [
    { index: '1', cause: 486 },
    { index: '1.2', cause: undefined },
    { index: '1.10', cause: 302, number: '+15550110' },
  ])
  t.end()
})

test('User-to-User: hex, which is the default, and ascii (RFC 7433 §4.1)', t => {
  const [hex, bare, text] = identity([
    ['User-to-User', '56a390f3d2b7310023;encoding=hex;purpose=foo;content=bar'],
    ['User-to-User', '0048'],
    ['User-to-User', '"ticket 42";encoding=ascii'],
  ]).userToUser
  t.match(hex, { encoding: 'hex', purpose: 'foo', content: 'bar' })
  t.equal(Buffer.from(hex?.data ?? []).toString('hex'), '56a390f3d2b7310023')
  t.same([...(bare?.data ?? [])], [0, 0x48])
  t.equal(Buffer.from(text?.data ?? []).toString(), 'ticket 42')
  t.same(identity([['User-to-User', 'xyz;encoding=hex']]).userToUser, [])
  t.end()
})

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test('Identity: the parts of a PASSporT, not verified (RFC 8224, RFC 8588)', t => {
  const payload = { attest: 'A', dest: { tn: ['12155551213'] }, iat: 1443208345, orig: { tn: '12155551212' } }
  const token = `${part({ alg: 'ES256', ppt: 'shaken', typ: 'passport' })}.${part(payload)}.c2ln`
  const [full, compact] = identity([
    ['Identity', `${token};info=<https://cert.example.org/p.cer>;alg=ES256;ppt="shaken"`],
    ['Identity', '..c2ln;info=<https://cert.example.org/p.cer>'],
  ]).passports
  t.match(full, { attestation: 'A', issuedAt: 1443208345, ppt: 'shaken', alg: 'ES256', payload })
  t.match(compact, { header: undefined, payload: undefined, info: 'https://cert.example.org/p.cer' })
  t.end()
})

test('verstat: in the asserted address, in From, or in a header of the carrier; of trusted senders alone', t => {
  const inTel = ['P-Asserted-Identity', '<tel:+12155551212;verstat=TN-Validation-Passed-A>'] as const
  t.match(identity([inTel]).verstat, { result: 'passed', attestation: 'A', value: 'TN-Validation-Passed-A' })
  t.equal(identity([inTel], false).verstat, undefined)
  const from = '<sip:+12155551212;verstat=TN-Validation-Failed@x;user=phone>;tag=1'
  t.match(identity([], true, from).verstat, { result: 'failed', attestation: undefined })
  t.equal(identity([], true, from).caller.number, '+12155551212')
  t.match(identity([['X-Twilio-VerStat', 'No-TN-Validation']]).verstat, { result: 'none' })
  t.equal(identity([['X-Twilio-VerStat', 'maybe']]).verstat, undefined)
  t.end()
})

test('what goes out comes in again', async t => {
  const lab = createLab()
  const office = await lab.endpoint('office', {
    admission: admitAddresses(['10.0.0.0/8'], { trusted: true }),
  })
  let read: CallIdentity | undefined
  void office.serve(async call => {
    read = call.identity
    await call.answer()
    await call.ended
  })
  const caller = await lab.endpoint('caller')
  await lab.run(async () => {
    const call = await caller.call('sip:agent@office', {
      identity: {
        asserted: ['"Front desk" <sip:desk@example.com>', 'tel:+15550100'],
        preferred: 'sip:desk@example.com',
        privacy: ['none'],
        remoteParty: { address: 'sip:+15550100@example.com' },
        diversion: [{ address: 'tel:+15550101', reason: 'no-answer', counter: 1 }],
        history: [{ address: 'sip:bob@example.com', cause: 302 }, { address: 'sip:carol@example.com' }],
        userToUser: 'ticket 42',
        chargeInfo: 'sip:+15550100@example.com',
      },
    })
    await call.hangup()
  })
  t.match(read?.caller, { source: 'P-Asserted-Identity', number: '+15550100' })
  t.equal(read?.preferred.length, 1)
  t.same(read?.privacy, ['none'])
  t.equal(read?.remoteParty[0]?.params.value('screen'), 'yes')
  t.match(read?.diversion, [{ number: '+15550101', reason: 'no-answer', counter: 1 }])
  t.match(read?.history, [{ index: '1', cause: 302 }, { index: '1.1' }])
  t.equal(Buffer.from(read?.userToUser[0]?.data ?? []).toString(), 'ticket 42')
  t.equal(read?.chargeInfo?.uriText, 'sip:+15550100@example.com')
})

test('what cannot go out is named', t => {
  const bad: Readonly<Record<string, IdentityOptions>> = {
    'identity.asserted': { asserted: ['sip:a@b', 'sip:c@d'] },
    'identity.preferred': { preferred: 'mailto:a@b' },
    'identity.privacy': { privacy: ['none', 'id'] },
    'identity.diversion[0].counter': { diversion: [{ address: 'sip:a@b', counter: 0 }] },
    'identity.diversion[0].reason': { diversion: [{ address: 'sip:a@b', reason: 'no answer' }] },
    'identity.history[0].index': { history: [{ address: 'sip:a@b', index: '0.1' }] },
    'identity.history[0].cause': { history: [{ address: 'tel:+1555', cause: 302 }] },
    'identity.userToUser': { userToUser: 'é' },
    'identity.chargeInfo': { chargeInfo: 'nobody' },
  }
  for (const [field, options] of Object.entries(bad)) {
    try {
      identityHeaders(options)
      t.fail(field)
    } catch (error) {
      t.equal((error as { field?: string }).field, field)
    }
  }
  t.throws(() => identityHeaders({ userToUser: new Uint8Array(129) }))
  t.end()
})

test('user-to-user data of any octets, and any printable text, comes through', t => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 128 }), data => {
      const [found] = identity(identityHeaders({ userToUser: data })).userToUser
      return Buffer.from(found?.data ?? []).equals(Buffer.from(data))
    }),
  )
  const printable = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme-ascii' })
  fc.assert(
    fc.property(printable, text => {
      const [found] = identity(identityHeaders({ userToUser: text })).userToUser
      return Buffer.from(found?.data ?? []).toString() === text
    }),
  )
  t.end()
})

test('whatever stands in the headers, reading them throws nothing', t => {
  const names = [
    'P-Asserted-Identity',
    'Privacy',
    'Remote-Party-ID',
    'Diversion',
    'History-Info',
    'User-to-User',
    'Identity',
  ]
  const value = fc.string({ maxLength: 60, unit: 'grapheme-ascii' })
  fc.assert(
    fc.property(fc.constantFrom(...names), value, (name, text) => {
      const read = identity([[name, text]])
      void [
        read.caller,
        read.verstat,
        read.history,
        read.diversion,
        read.userToUser,
        read.passports,
        read.privacy,
      ]
      return true
    }),
  )
  t.end()
})
