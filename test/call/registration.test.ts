import t from 'tap'
import type { Registration } from '../../src/call/registration.ts'
import type { SipError } from '../../src/runtime/errors.ts'
import { createLab } from '../../src/testing/lab.ts'
import { granted, RegistrarPeer } from '../sip/registration/registrar-peer.ts'

const pbx = '10.9.0.1'
const aor = 'sip:alice@pbx.lab'
const credentials = { username: 'alice', password: 'wonderland' }

function eventsOf(registration: Registration): string[] {
  const seen: string[] = []
  registration.on('registered', () => seen.push('registered'))
  registration.on('failed', error => seen.push(`failed: ${error.message}`))
  registration.on('unregistered', () => seen.push('unregistered'))
  return seen
}

t.test(
  'it registers, refreshes before the expiry with one Call-ID and rising CSeq, and unregisters (RFC 3261 10.2)',
  async t => {
    const lab = createLab()
    const registrar = await RegistrarPeer.open(lab, pbx)
    const endpoint = await lab.endpoint('phone.lab')
    await lab.run(async () => {
      const registration = endpoint.register({ aor, expiresSeconds: 100 })
      const seen = eventsOf(registration)
      t.equal(registration.state, 'registering')
      await registration.ready
      t.equal(registration.state, 'registered')
      t.equal(registration.expiresSeconds, 100)
      t.equal(registration.contact, 'sip:alice@10.0.0.1:5060')
      await lab.clock.sleep(350_000)
      const times = registrar.heard.map(({ at }) => at)
      for (let index = 1; index < times.length; index++) {
        const gap = (times[index] ?? 0) - (times[index - 1] ?? 0)
        t.ok(gap >= 75_000 && gap <= 90_100, `refreshed after ${gap} ms`)
      }
      t.ok(times.length >= 4)
      await registration.unregister()
      t.equal(registration.state, 'unregistered')
      t.same(seen, ['registered', 'unregistered'], 'refreshes are silent')
    })
    const { requests } = registrar
    t.equal(new Set(requests.map(({ callId }) => callId)).size, 1)
    t.same(
      requests.map(({ cseq }) => cseq.sequence),
      requests.map((_, index) => index + 1),
    )
    t.equal(requests[0]?.requestUri, 'sip:pbx.lab')
    t.equal(registrar.expiries.at(-1), '0')
    t.equal(requests.at(-1)?.headers.get('Contact'), '<sip:alice@10.0.0.1:5060>')
    t.equal(lab.clock.pendingTimers, 0)
  },
)

t.test('closing the endpoint unregisters', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const registration = endpoint.register({ aor })
    await registration.ready
    await endpoint.close()
    t.equal(registration.state, 'unregistered')
    await registration.unregister()
  })
  t.same(registrar.expiries, ['600', '0'])
})

t.test(
  'closing while the first REGISTER is under way waits for its answer, then takes the binding away',
  async t => {
    const lab = createLab({ network: { delayMs: 50 } })
    const registrar = await RegistrarPeer.open(lab, pbx)
    const endpoint = await lab.endpoint('phone.lab')
    await lab.run(async () => {
      endpoint.register({ aor })
      await endpoint.close()
    })
    t.same(registrar.expiries, ['600', '0'])
  },
)

t.test('423 is followed with Min-Expires at once (RFC 3261 10.2.8)', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  registrar.answer = request =>
    Number(request.headers.get('Expires')) < 3600 && request.headers.get('Expires') !== '0'
      ? { statusCode: 423, headers: [['Min-Expires', '3600']] }
      : granted(request)
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const registration = endpoint.register({ aor, expiresSeconds: 60 })
    await registration.ready
    t.equal(registration.expiresSeconds, 3600)
  })
  t.same(registrar.expiries, ['60', '3600', '0'])
})

t.test('a 423 that asks for less than was asked is not followed for ever', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  registrar.answer = () => ({ statusCode: 423, headers: [['Min-Expires', '30']] })
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const registration = endpoint.register({ aor })
    await t.rejects(registration.ready, { message: /423/ })
  })
  t.equal(registrar.heard.length, 1)
})

t.test('403 ends it with an error that says what to check', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  registrar.answer = () => ({ statusCode: 403 })
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const registration = endpoint.register({ aor, credentials })
    await t.rejects(registration.ready, { message: /403.*check the user name, the password/ })
    t.equal(registration.state, 'failed')
    await lab.clock.sleep(3_000_000)
    t.equal(registrar.heard.length, 1, 'nothing is tried again')
    await registration.unregister()
    t.equal(registration.state, 'unregistered')
  })
})

t.test('a redirection is not followed; the error says where it points', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  registrar.answer = () => ({ statusCode: 302, headers: [['Contact', '<sip:other.lab>']] })
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    await t.rejects(endpoint.register({ aor }).ready, { message: /sip:other\.lab/ })
  })
})

t.test('503 waits as long as Retry-After says, and then registers', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  registrar.answer = (request, count) =>
    count === 1 ? { statusCode: 503, headers: [['Retry-After', '120']] } : granted(request)
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const registration = endpoint.register({ aor })
    let wait: number | undefined
    registration.on('failed', (_error: SipError, retryInMs) => (wait = retryInMs))
    await registration.ready
    t.ok(wait !== undefined && wait >= 120_000 && wait <= 132_000, `waited ${wait}`)
  })
})

t.test(
  'a registrar that does not answer is tried again at growing, random intervals, half an hour at most (RFC 5626 4.5)',
  async t => {
    const lab = createLab({ limitMs: 40_000_000 })
    const registrar = await RegistrarPeer.open(lab, pbx)
    registrar.answer = () => undefined
    const waits: number[] = []
    const endpoint = await lab.endpoint('phone.lab')
    await lab.run(async () => {
      const registration = endpoint.register({ aor })
      registration.on('failed', (error, retryInMs) => {
        t.equal(error.code, 'SIP_TIMEOUT')
        waits.push(retryInMs ?? 0)
      })
      await lab.clock.sleep(10_000_000)
      registrar.answer = request => granted(request)
      await registration.ready
      t.equal(registration.state, 'registered')
    })
    for (const [index, wait] of waits.entries()) {
      const most = Math.min(1_800_000, 30_000 * 2 ** index)
      t.ok(wait >= most / 2 && wait <= most, `wait ${index + 1}: ${wait} of at most ${most}`)
    }
    t.ok(waits.length >= 6)
  },
)

t.test('a refresh that fails is told, tried again, and told when it works', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  registrar.answer = (request, count) => (count === 2 ? { statusCode: 500 } : granted(request))
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const registration = endpoint.register({ aor, expiresSeconds: 60 })
    const seen = eventsOf(registration)
    await lab.clock.sleep(150_000)
    t.match(seen, ['registered', /^failed: REGISTER was answered 500/, 'registered'])
  })
})

t.test('a UDP flow is kept open by double CRLF well under every 30 s (RFC 5626 4.4.1)', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const registration = endpoint.register({ aor, expiresSeconds: 3600 })
    await registration.ready
    await lab.clock.sleep(600_000)
  })
  t.ok(registrar.pings.length >= 30)
  registrar.pings.reduce((before, at) => {
    t.ok(at - before <= 20_100 && at - before >= 15_900, `${at - before}`)
    return at
  }, registrar.heard[0]?.at ?? 0)
})

t.test(
  'contacts, q, instance, reg-id, GRUU, Service-Route and Flow-Timer (RFC 5626, 5627, 3608)',
  async t => {
    const lab = createLab()
    const registrar = await RegistrarPeer.open(lab, pbx)
    const instanceId = 'urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF'
    registrar.answer = request => {
      const [first] = request.contacts === '*' ? [] : request.contacts
      const contact = first
        ?.withParam('expires', '300')
        .withParam('pub-gruu', 'sip:alice@pbx.lab;gr=urn:uuid:1')
        .withParam('temp-gruu', 'sip:x@pbx.lab;gr')
      return {
        statusCode: 200,
        headers: [
          ['Contact', `${String(contact)}, <sip:somebody@else.lab>;expires=20`],
          ['Service-Route', '<sip:sr1.lab;lr>, <sip:sr2.lab;lr>'],
          ['Flow-Timer', '10'],
          ['Require', 'outbound'],
        ],
      }
    }
    const endpoint = await lab.endpoint('phone.lab')
    await lab.run(async () => {
      const registration = endpoint.register({
        aor: '"Alice" <sip:alice@pbx.lab>',
        contacts: ['<sip:+15550100@gateway.lab>;q=0.2'],
        q: 0.8,
        instanceId,
        outbound: { regId: 2 },
      })
      await registration.ready
      t.equal(registration.expiresSeconds, 300, 'ours, not what somebody else has bound')
      t.equal(registration.publicGruu, 'sip:alice@pbx.lab;gr=urn:uuid:1')
      t.equal(registration.temporaryGruu, 'sip:x@pbx.lab;gr')
      t.same(registration.serviceRoute, ['<sip:sr1.lab;lr>', '<sip:sr2.lab;lr>'])
      await lab.clock.sleep(100_000)
      t.ok(registrar.pings.length >= 10 && registrar.pings.length <= 13, 'Flow-Timer')
    })
    const [request] = registrar.requests
    t.equal(
      request?.headers.get('Contact'),
      `<sip:alice@10.0.0.1:5060>;q=0.8;+sip.instance="<${instanceId}>";reg-id=2, <sip:+15550100@gateway.lab>;q=0.2`,
    )
    t.equal(request?.headers.get('Supported'), 'path, gruu, outbound')
    t.match(request?.headers.get('From'), /^"Alice" <sip:alice@pbx\.lab>;tag=/)
  },
)

t.test('439 drops outbound and registers without (RFC 5626 11.6)', async t => {
  const lab = createLab()
  const registrar = await RegistrarPeer.open(lab, pbx)
  registrar.answer = request =>
    request.headers.get('Contact')?.includes('reg-id') === true ? { statusCode: 439 } : granted(request)
  const endpoint = await lab.endpoint('phone.lab')
  await lab.run(() => endpoint.register({ aor, instanceId: 'urn:uuid:1', outbound: true }).ready)
  t.equal(registrar.heard.length, 3)
})

t.test('what cannot work is refused before anything is sent', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('phone.lab')
  const wrong = [
    [{ aor: 'alice' }, 'aor'],
    [{ aor: 'sip:pbx.lab' }, 'aor'],
    [{ aor, expiresSeconds: 0 }, 'expiresSeconds'],
    [{ aor, q: 2 }, 'q'],
    [{ aor, outbound: true }, 'instanceId'],
    [{ aor, instanceId: 'x' }, 'instanceId'],
    [{ aor, instanceId: 'urn:uuid:1', outbound: { regId: 0 } }, 'outbound.regId'],
    [{ aor, keepAliveMs: 10 }, 'keepAliveMs'],
    [{ aor, registrar: 'tel:1' }, 'registrar'],
    [{ aor, contacts: ['nobody at all'] }, 'contacts[0]'],
    [{ aor, backOff: { baseMs: 0 } }, 'backOff.baseMs'],
  ] as const
  for (const [options, field] of wrong) {
    t.throws(() => endpoint.register(options), { message: `${field}: ` }, field)
  }
  await lab.close()
})
