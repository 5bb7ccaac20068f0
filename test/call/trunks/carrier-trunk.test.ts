import t from 'tap'
import { Endpoint } from '../../../src/call/endpoint.ts'
import { admitTrunk } from '../../../src/call/trunks/admit.ts'
import { createTrunk, trunkOf } from '../../../src/call/trunks/carrier-trunk.ts'
import { trunks } from '../../../src/call/trunks/options.ts'
import { createTrunkGroup } from '../../../src/call/trunks/trunk-group.ts'
import { admitCertificates, admitSecret, dropOthers } from '../../../src/sip/auth/policies.ts'
import { createLab } from '../../../src/testing/lab.ts'
import { RawPhone } from '../raw-phone.ts'
import { endpointOn, scene } from './scene.ts'
import { standIns } from './stand-ins.ts'
import type { StandIn } from './stand-ins.ts'

function standInOf(name: StandIn['carrier']): StandIn {
  return standIns.find(({ carrier }) => carrier === name)!
}

t.test('secure is TLS and SRTP, by the suites the carrier takes', async t => {
  for (const name of ['twilio', 'telnyx', 'plivo', 'vonage', 'livekit', 'asterisk'] as const) {
    await scene(
      standInOf(name),
      async ({ us, carrier, options }) => {
        const trunk = createTrunk(us, options)
        const call = await trunk.call('+15550100')
        t.equal(call.media.encryption, 'AES_CM_128_HMAC_SHA1_80', name)
        t.equal(carrier.calls[0]!.invite.via.transport, 'TLS', name)
        await call.hangup()
        await trunk.close()
      },
      { settings: { secure: true } },
    )
  }
})

t.test('what the trunk says goes with each call; what the call says goes before it', async t => {
  await scene(
    standInOf('freeswitch'),
    async ({ lab, us, carrier, options }) => {
      const trunk = createTrunk(us, options)
      const call = await trunk.call('2001', {
        caller: '3003',
        headers: [['X-Call', '2']],
        codecs: ['PCMA'],
      })
      const { invite } = carrier.calls[0]!
      t.same([invite.headers.get('X-Trunk'), invite.headers.get('X-Call')], ['1', '2'])
      t.same([carrier.called, carrier.callers], [['2001'], ['3003']])
      t.match(invite.from.displayName, 'Acme')
      t.equal(call.media.codec.name, 'PCMA')
      const startedAt = lab.clock.now()
      const ended = await call.ended
      t.equal(Math.round((lab.clock.now() - startedAt) / 1_000), 5, 'maxDurationMs')
      t.equal(ended.by, 'local')
      t.equal(trunk.target('2001'), 'sip:2001@freeswitch.example')
      t.match(trunk.trunk, { aor: 'sip:3000@freeswitch.example', credentials: { username: 'acme' } })
      await trunk.close()
      await t.rejects(trunk.call('2001'), { code: 'SIP_STATE' })
    },
    {
      settings: {
        caller: '3000',
        displayName: 'Acme',
        headers: [['X-Trunk', '1']],
        codecs: ['G722', 'PCMU'],
        maxDurationMs: 5_000,
      },
    },
  )
})

t.test(
  'headers the carrier would refuse, and numbers it could not read, stop before anything is sent',
  async t => {
    await scene(standInOf('twilio'), async ({ us, carrier, options }) => {
      const trunk = createTrunk(us, options)
      await t.rejects(trunk.call('+15550100', { headers: [['X-Twilio-CallSid', 'x']] }), {
        message: /^headers: .*reserved/,
      })
      await t.rejects(trunk.call('555 0100'), { message: /^to: / })
      await t.rejects(trunk.call('+15550100', { caller: 'me' }), { message: /^caller: / })
      t.equal(carrier.calls.length, 0)
      t.equal(trunk.stats().cps.begun, 0)
      await trunk.close()
    })
  },
)

t.test('a trunk known by a token, and one known by its certificate', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const byToken = new Endpoint({
    ...endpointOn(lab, '10.1.0.1', 'sip.telnyx.com'),
    admission: [admitSecret({ header: 'X-Telnyx-Token', secrets: ['s3cret'] }), dropOthers()],
  })
  const byCertificate = endpointOn(lab, '10.1.0.2', 'pbx.example')
  const guarded = new Endpoint({
    ...byCertificate,
    tls: { ...byCertificate.tls, requestCert: true },
    admission: [admitCertificates(['us.example']), dropOthers()],
  })
  const us = new Endpoint(endpointOn(lab, '10.2.0.1', 'us.example'))
  const seen: string[] = []
  for (const endpoint of [byToken, guarded]) {
    await endpoint.open()
    void endpoint.serve(async call => {
      seen.push(call.admission?.by ?? '')
      await call.answer()
      await call.ended
    })
  }
  await us.open()
  await lab.run(async () => {
    const telnyx = createTrunk(
      us,
      trunks.telnyx({ token: 's3cret', secure: true, srtp: 'off', health: false }),
    )
    await (await telnyx.call('+15550100')).hangup()
    const pbx = createTrunk(
      us,
      trunks.asterisk({
        hosts: ['pbx.example'],
        auth: 'certificate',
        secure: true,
        srtp: 'off',
        health: false,
      }),
    )
    await (await pbx.call('100')).hangup()
    await Promise.all([telnyx.close(), pbx.close(), us.close(), byToken.close(), guarded.close()])
  })
  t.same(seen, ['secret', 'certificate'])
})

t.test(
  'calls of a trunk are known by address, secret or password; without any of them nothing is',
  async t => {
    t.throws(() => admitTrunk(trunks.generic({ hosts: ['a.example'] })), { message: /^sources: / })
    const lab = createLab({ network: { delayMs: 10 } })
    const options = trunks.generic({ name: 'acme', hosts: ['a.example'], sources: ['10.1.0.1'] })
    const digest = { realm: 'us', username: 'acme', password: 'secret' }
    const header = { name: 'X-Key', secret: 'k', secureOnly: false }
    const us = new Endpoint({
      ...endpointOn(lab, '10.2.0.1', 'us.example'),
      admission: admitTrunk(options, { header, digest, trusted: true }),
    })
    await us.open()
    const known: unknown[] = []
    void us.serve(async call => {
      known.push([call.admission?.by, trunkOf(call), call.identity.trusted])
      await call.answer()
      await call.ended
    })
    const from = async (address: string): Promise<Endpoint> => {
      const endpoint = new Endpoint(endpointOn(lab, address, `h${address}`))
      await endpoint.open()
      return endpoint
    }
    const [carrier, stranger] = [await from('10.1.0.1'), await from('10.1.0.2')]
    await lab.run(async () => {
      const target = 'sip:+15550100@us.example'
      await (await carrier.call(target)).hangup()
      await (await stranger.call(target, { headers: [['X-Key', 'k']] })).hangup()
      const aor = 'sip:acme@us.example'
      await (await stranger.call(target, { trunk: { aor, credentials: digest } })).hangup()
      await t.rejects(stranger.call(target, { trunk: { aor, credentials: { ...digest, password: 'no' } } }), {
        code: 'SIP_RESPONSE',
        message: /403/,
      })
      await t.rejects(stranger.call(target), { code: 'SIP_RESPONSE', message: /401/ })
      await Promise.all([us.close(), carrier.close(), stranger.close()])
    })
    t.same(known, [
      ['address', 'acme', true],
      ['secret', 'acme', true],
      ['digest', 'acme', true],
    ])
  },
)

t.test('its state follows OPTIONS, and a group tries what is down last', async t => {
  const lab = createLab({ network: { delayMs: 5 } })
  const [first, second] = [await RawPhone.in(lab, '10.9.0.1'), await RawPhone.in(lab, '10.9.0.2')]
  let mood: 'well' | 'silent' | 'ill' = 'well'
  let asked = 0
  for (const phone of [first, second])
    phone.onRequest = request => {
      if (request.method !== 'OPTIONS') return false
      if (phone === first) asked += 1
      if (phone !== first || mood === 'well') phone.respond(request, phone === first ? 404 : 200)
      else if (mood === 'ill') phone.respond(request, 503)
      return true
    }
  const us = await lab.endpoint('us.lab', { rtp: { timeoutMs: 0 } })
  const states: string[] = []
  await lab.run(async () => {
    const health = { intervalMs: 10_000, downAfter: 2 }
    const one = createTrunk(us, trunks.generic({ name: 'one', hosts: ['10.9.0.1'], health }))
    const other = createTrunk(us, trunks.generic({ name: 'other', hosts: ['10.9.0.2'], health }))
    one.on('state', (state, before, reason) =>
      states.push(`${before} ${state}${reason === undefined ? '' : ` ${reason}`}`),
    )
    await lab.clock.sleep(60_000)
    t.equal(one.state, 'up', 'a 404 is an answer')
    t.ok(asked >= 5 && asked <= 7, `${asked} OPTIONS in a minute`)
    t.equal(one.stats().probes, asked)
    mood = 'silent'
    await lab.clock.sleep(120_000)
    t.equal(one.state, 'down')
    const call = await createTrunkGroup([one, other]).call('100')
    t.equal(trunkOf(call), 'other')
    await call.hangup()
    mood = 'well'
    await lab.clock.sleep(200_000)
    t.equal(one.state, 'up')
    mood = 'ill'
    await lab.clock.sleep(60_000)
    t.equal(one.state, 'down')
    await Promise.all([one.close(), other.close()])
  })
  t.same(states, [
    'unknown up',
    'up degraded no answer to OPTIONS within 5000 ms',
    'degraded down no answer to OPTIONS within 5000 ms',
    'down up',
    'up degraded OPTIONS was answered 503',
    'degraded down OPTIONS was answered 503',
  ])
  await lab.clock.advance(40_000)
  t.equal(lab.clock.pendingTimers, 0, 'nothing is asked any more')
})

t.test('a trunk that registers says when it could not', async t => {
  await scene(
    standInOf('freeswitch'),
    async ({ us, carrier, options }) => {
      const trunk = createTrunk(us, options)
      await t.rejects(trunk.registration!.ready, { message: /403/ })
      t.not(trunk.state, 'up')
      t.match(trunk.stats().edges[0], { reason: /403/ })
      t.equal(carrier.registered, undefined)
      await trunk.close()
    },
    { settings: { auth: 'register', credentials: { username: 'acme', password: 'wrong' } } },
  )
  await scene(
    standInOf('freeswitch'),
    async ({ us, carrier, options }) => {
      const trunk = createTrunk(us, options)
      await trunk.registration!.ready
      t.match(carrier.registered, /^sip:acme@10\.2\.0\.1/)
      t.equal(trunk.state, 'up')
      let rang = 0
      void us.serve(async call => {
        rang += 1
        await call.answer()
        await call.ended
      })
      await (await carrier.endpoint.call(carrier.registered!)).hangup()
      t.equal(rang, 1, 'calls come where it registered')
      await trunk.close()
    },
    { settings: { auth: 'register' } },
  )
})
