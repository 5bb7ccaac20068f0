import { test } from 'tap'
import { admitAddresses, dropOthers, dropScanners } from '../../src/sip/auth/policies.ts'
import { admitDigest } from '../../src/sip/auth/server-digest.ts'
import type { EndpointOptions } from '../../src/call/options.ts'
import type { Call } from '../../src/call/call.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'

const digest = admitDigest({
  realm: 'office',
  secretOf: async user => (user === 'alice' ? { password: 'wonderland' } : undefined),
})
const trunk = (
  password = 'wonderland',
): { aor: string; credentials: { username: string; password: string } } => ({
  aor: 'sip:alice@office',
  credentials: { username: 'alice', password },
})

/** An office that answers, and somebody who is to call it. */
async function office(
  lab: Lab,
  admission: NonNullable<EndpointOptions['admission']>,
): Promise<{ served: Call[]; stats: () => unknown; ports: () => number }> {
  const served: Call[] = []
  const endpoint = await lab.endpoint('office', { admission })
  let ports = 0
  lab.network.onDatagram(({ from }) => {
    if (from.address === '10.0.0.1' && from.port !== 5060) ports++
  })
  void endpoint.serve(async call => {
    served.push(call)
    await call.answer()
    await call.ended
  })
  return { served, stats: () => endpoint.stats().admission, ports: () => ports }
}

test('who knows the password is let in, and the record says how; BYE and hold need none', async t => {
  const lab = createLab()
  const { served, stats } = await office(lab, digest)
  const caller = lab.caller()
  await lab.run(async () => {
    const call = await caller.call('sip:agent@office', { trunk: trunk() })
    await call.hold()
    await call.resume()
    t.match(served[0]?.admission, { kind: 'admitted', by: 'digest', user: 'alice', realm: 'office' })
    t.match(stats(), { admitted: 1, challenged: 1, refused: 0, dropped: 0, pending: 0 })
    await caller.hangup()
  })
  const record = lab.records.find(({ direction }) => direction === 'inbound')
  t.match(record, { admission: { by: 'digest', realm: 'office' }, personal: { admittedUser: 'alice' } })
  t.equal(lab.records.length, 2, 'the challenged INVITE made no call')
})

test('a stranger is refused before any agent code, without a call and without a media port', async t => {
  const lab = createLab()
  const { served, stats, ports } = await office(lab, [admitAddresses(['203.0.113.0/24'])])
  const endpoint = await lab.endpoint('stranger')
  await lab.run(async () => {
    await t.rejects(endpoint.call('sip:agent@office'), { message: /403/ })
    t.equal((await endpoint.request('OPTIONS', 'sip:office')).statusCode, 403)
    t.equal((await endpoint.request('MESSAGE', 'sip:office')).statusCode, 403)
  })
  t.same(served, [])
  t.equal(ports(), 0)
  t.match(stats(), { admitted: 0, refused: 3 })
  t.notOk(lab.records.some(({ direction }) => direction === 'inbound'))
})

test('without a password, or with the wrong one, there is no call', async t => {
  const lab = createLab()
  const { served, stats } = await office(lab, digest)
  const endpoint = await lab.endpoint('stranger')
  await lab.run(async () => {
    await t.rejects(endpoint.call('sip:agent@office'), { message: /401/ })
    await t.rejects(endpoint.call('sip:agent@office', { trunk: trunk('mirror') }), { message: /403/ })
  })
  t.same(served, [])
  t.match(stats(), { admitted: 0, challenged: 2, refused: 1 })
})

test('scanners, and whoever is not known, hear nothing at all', async t => {
  const lab = createLab()
  const { served, stats } = await office(lab, [
    dropScanners(),
    admitAddresses(['10.0.0.2'], { user: 'carrier' }),
    dropOthers(),
  ])
  const carrier = await lab.endpoint('carrier')
  const scanner = await lab.endpoint('scanner', { userAgent: 'friendly-scanner' })
  let heard = 0
  lab.network.onDatagram(({ to }) => {
    if (to.address === '10.0.0.3') heard++
  })
  await lab.run(async () => {
    const call = await carrier.call('sip:agent@office')
    await call.hangup()
    await t.rejects(scanner.call('sip:agent@office'), { code: 'SIP_TIMEOUT' })
    await t.rejects(scanner.request('OPTIONS', 'sip:office'), { code: 'SIP_TIMEOUT' })
  })
  t.equal(heard, 0)
  t.equal(served.length, 1)
  t.equal(served[0]?.admission?.user, 'carrier')
  t.match(stats(), { admitted: 1, refused: 0 })
})

test('a caller who gives up while a policy thinks leaves nothing; a policy that throws is reported', async t => {
  const lab = createLab()
  const { served, stats } = await office(lab, async request => {
    await lab.clock.sleep(2_000)
    if (request.headers.has('Subject')) throw new Error('the database is away')
    return { kind: 'admitted', by: 'mine' }
  })
  const endpoint = await lab.endpoint('caller')
  await lab.run(async () => {
    const abort = new AbortController()
    const calling = endpoint.call('sip:agent@office', { signal: abort.signal })
    calling.catch(() => {})
    await lab.clock.sleep(1_000)
    abort.abort()
    await t.rejects(calling)
    await lab.clock.sleep(5_000)
    t.same(served, [])
    t.match(stats(), { pending: 0, admitted: 0 })
  })
  t.match(stats(), { failed: 0 })
})

test('a policy that throws: 500, and the endpoint tells of it', async t => {
  const lab = createLab()
  const errors: string[] = []
  const endpoint = await lab.endpoint('office', {
    admission: () => {
      throw new Error('the database is away')
    },
  })
  endpoint.on('error', error => errors.push(error.message))
  const caller = await lab.endpoint('caller')
  await lab.run(async () => {
    t.equal((await caller.request('OPTIONS', 'sip:office')).statusCode, 500)
  })
  t.match(errors[0], /admission policy threw.*database is away/)
})
