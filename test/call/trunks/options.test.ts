import t from 'tap'
import { carriers } from '../../../src/call/trunks/carriers.ts'
import { trunks } from '../../../src/call/trunks/options.ts'
import type { TrunkSettings } from '../../../src/call/trunks/options.ts'
import { srtpProfiles } from '../../../src/media/srtp/profiles.ts'

const credentials = { username: 'acme', password: 'secret' }

t.test('a trunk is a name and what is ours; the preset says the rest', async t => {
  const trunk = trunks.twilio({ account: 'acme', credentials, edges: ['ashburn', 'dublin'], secure: true })
  t.same(
    trunk.edges.map(({ uri }) => uri),
    ['sip:acme.pstn.ashburn.twilio.com;transport=tls', 'sip:acme.pstn.dublin.twilio.com;transport=tls'],
  )
  t.match(trunk, { name: 'twilio', auth: 'digest', transport: 'tls', cps: { limit: 30 } })
  t.same(trunk.srtp, { mode: 'required', suites: ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32'] })
  t.equal(trunks.twilio({ account: 'acme' }).auth, 'address')
  t.equal(trunks.twilio({ account: 'acme' }).srtp, 'off', 'without Secure Trunking SRTP is rejected')
  t.equal(
    trunks.vonage({ account: 'acme', credentials, edges: ['eu'] }).edges[0]!.host,
    'acme.sip-eu.vonage.com',
  )
  t.equal(
    trunks.livekit({ account: 'acme', credentials, edges: ['us'] }).edges[0]!.host,
    'acme.us.sip.livekit.cloud',
  )
  t.equal(trunks.openai({ account: 'proj_1' }).edges[0]!.uri, 'sip:sip.api.openai.com;transport=tls')
  t.equal(trunks.openai({ account: 'proj_1' }).health, undefined, 'nothing is known of its OPTIONS')
  t.equal(trunks.telnyx({ token: 't' }).auth, 'token')
  t.same(trunks.telnyx({ token: 't' }).headers, [['X-Telnyx-Token', 't']])
  t.same(trunks.telnyx({ credentials }).headers, [['X-Telnyx-Username', 'acme']])
  t.same(
    trunks.generic({ hosts: ['a.example', 'b.example:5080'] }).edges.map(({ uri }) => uri),
    ['sip:a.example', 'sip:b.example:5080'],
  )
})

t.test('what is wrong is named, with what to do', async t => {
  const rows: readonly (readonly [keyof typeof carriers, TrunkSettings, string, RegExp])[] = [
    ['twilio', {}, 'account', /the name of the trunk: acme of/],
    ['twilio', { account: 'a b' }, 'account', /letters/],
    ['twilio', { account: 'a', auth: 'digest' }, 'credentials', /username, password/],
    ['twilio', { account: 'a', auth: 'register' }, 'auth', /knows digest, address/],
    ['twilio', { account: 'a', headers: [['X-Twilio-Foo', '1']] }, 'headers', /reserved/],
    ['twilio', { account: 'a', headers: [['Via', '1']] }, 'headers', /written by Offhook/],
    ['twilio', { account: 'a', caller: '555 0100' }, 'caller', /country code/],
    ['twilio', { account: 'a', transport: 'udp', secure: true }, 'transport', /secure means tls/],
    ['twilio', { account: 'a', codecs: ['G722'] }, 'codecs', /it takes PCMU, PCMA/],
    ['twilio', { account: 'a', dtmf: { send: 'info' } }, 'dtmf.send', /it takes rtp/],
    ['twilio', { account: 'a', cps: 0 }, 'cps.limit', /no call/],
    ['twilio', { account: 'a', health: { intervalMs: 10 } }, 'health.intervalMs', /too often/],
    ['vonage', { account: 'a', edges: ['mars'] }, 'edges[0]', /there are us, eu, ap/],
    ['infobip', {}, 'hosts', /give the host/],
    ['infobip', { hosts: ['i.example'], headers: [['X-Foo', '1']] }, 'headers', /rename X-Foo/],
    ['openai', { account: 'proj_1', transport: 'udp' }, 'transport', /by tls/],
    ['generic', { hosts: ['sip:a.example'] }, 'hosts[0]', /HOST:PORT/],
    ['generic', { hosts: ['a.example:'] }, 'hosts[0]', /HOST:PORT/],
    ['generic', { hosts: ['a.example'], auth: 'token' }, 'token', /secret/],
    ['generic', { hosts: ['a.example'], numbers: 'national' }, 'numbers.national', /function/],
  ]
  for (const [name, settings, field, message] of rows)
    t.throws(() => trunks[name](settings), { code: 'SIP_OPTION', field, message }, `${name}: ${field}`)
  t.ok(trunks.infobip({ hosts: ['i.example'], headers: [['X-Client-Order', '7']] }))
})

t.test('the table of carriers holds together', async t => {
  for (const [name, carrier] of Object.entries(carriers)) {
    t.equal(carrier.name, name)
    t.ok(carrier.transports.length > 0 && carrier.auth.length > 0, name)
    for (const suite of carrier.srtpSuites ?? []) t.ok(suite in srtpProfiles, suite)
    const known = carrier.knownCodecs?.map(codec => codec.toLowerCase())
    for (const codec of carrier.codecs ?? [])
      t.ok(known?.includes(codec.toLowerCase()) ?? true, `${name} ${codec}`)
    for (const template of Object.values(carrier.edges))
      t.equal(
        template.includes('{account}') || carrier.fixedUser !== undefined,
        carrier.account !== undefined,
        name,
      )
  }
})
