import t from 'tap'
import { PortPool } from '../../../src/media/rtp/port-pool.ts'
import type { PortPoolOptions } from '../../../src/media/rtp/port-pool.ts'
import { SipError } from '../../../src/runtime/errors.ts'
import type { Network } from '../../../src/runtime/runtime.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const HOST = '192.0.2.1'

function setUp(options: Partial<PortPoolOptions> = {}): {
  clock: VirtualClock
  network: Network
  pool: PortPool
} {
  const clock = new VirtualClock()
  const random = seededRandom(5)
  const network = new SimulatedNetwork({ clock, random }).host(HOST)
  const pool = new PortPool({
    network,
    clock,
    random,
    host: HOST,
    range: { min: 4000, max: 4007 },
    ...options,
  })
  return { clock, network, pool }
}

t.test('gives even ports of the range, each once', async t => {
  const { pool } = setUp()
  const ports = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire(), pool.acquire()])
  t.same(
    ports.map(({ port }) => port).toSorted((a, b) => a - b),
    [4000, 4002, 4004, 4006],
  )
  t.same(
    ports.map(({ rtp }) => rtp.local.port),
    ports.map(({ port }) => port),
  )
})

t.test('an odd range is narrowed to whole pairs', async t => {
  t.equal(setUp({ range: { min: 4001, max: 4008 } }).pool.snapshot().size, 3)
  t.equal(setUp({ range: { min: 4000, max: 4001 } }).pool.snapshot().size, 1)
})

t.test('starts somewhere at random', async t => {
  const starts = new Set<number>()
  for (let seed = 0; seed < 20; seed += 1) {
    const { pool } = setUp({ random: seededRandom(seed), range: { min: 10_000, max: 20_000 } })
    starts.add((await pool.acquire()).port)
  }
  t.ok(starts.size > 15)
})

t.test('a released port rests before it is given again', async t => {
  const { clock, pool } = setUp({ range: { min: 4000, max: 4003 }, quarantineMs: 30_000 })
  const first = await pool.acquire()
  await pool.acquire()
  first.release()
  first.release()
  t.match(pool.snapshot(), { inUse: 1, quarantined: 1 })
  await clock.advance(29_999)
  await t.rejects(pool.acquire(), { code: 'SIP_LIMIT' })
  await clock.advance(1)
  t.equal((await pool.acquire()).port, first.port)
  t.match(pool.snapshot(), { inUse: 2, quarantined: 0, exhausted: 1 })
})

t.test('ports that others have are passed over', async t => {
  const { network, pool } = setUp()
  await network.bindUdp({ host: HOST, port: 4002 })
  const ports = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
  t.same(
    ports.map(({ port }) => port).toSorted((a, b) => a - b),
    [4000, 4004, 4006],
  )
  t.ok(pool.snapshot().busy >= 1)
})

t.test('a port that was busy is tried again later', async t => {
  const { network, pool } = setUp({ range: { min: 4000, max: 4001 } })
  const other = await network.bindUdp({ host: HOST, port: 4000 })
  await t.rejects(pool.acquire(), { code: 'SIP_LIMIT' })
  other.close()
  t.equal((await pool.acquire()).port, 4000)
})

t.test('none left: the error says how things stand and what to change', async t => {
  const { network, pool } = setUp()
  await network.bindUdp({ host: HOST, port: 4000 })
  await pool.acquire()
  await pool.acquire()
  ;(await pool.acquire()).release()
  await t.rejects(pool.acquire(), {
    code: 'SIP_LIMIT',
    message: /4000-4007 on 192\.0\.2\.1: 2 in use, 1 resting, 1 taken by others; widen the port range/,
  })
})

t.test('a host that cannot be bound is reported at once, not port by port', async t => {
  let binds = 0
  const failing: Network = {
    ...setUp().network,
    bindUdp: () => {
      binds += 1
      const cause = Object.assign(new Error('bind EADDRNOTAVAIL'), { code: 'EADDRNOTAVAIL' })
      return Promise.reject(new SipError('SIP_TRANSPORT', 'cannot bind', { cause }))
    },
  }
  const { pool } = setUp({ network: failing })
  await t.rejects(pool.acquire(), { code: 'SIP_TRANSPORT' })
  t.equal(binds, 1)
  t.match(pool.snapshot(), { inUse: 0 })
})

t.test('ranges that are none are refused', async t => {
  for (const range of [
    { min: 5000, max: 4000 },
    { min: 0, max: 10 },
    { min: 4001, max: 4001 },
    { min: 65_000, max: 70_000 },
    { min: 4000, max: 4000 },
  ]) {
    t.throws(() => setUp({ range }), { code: 'SIP_OPTION' })
  }
})

t.test('the odd port is opened when it is asked for, once, and closed with the pair', async t => {
  const { network, pool } = setUp()
  const port = await pool.acquire()
  const [first, again] = await Promise.all([port.openRtcp(), port.openRtcp()])
  t.equal(first, again)
  t.equal(first.local.port, port.port + 1)
  port.release()
  await Promise.resolve()
  const other = await network.bindUdp({ host: HOST, port: port.port + 1 })
  t.equal(other.local.port, port.port + 1, 'free again')
})

t.test('the odd port that somebody else has is refused; the pair lives on without it', async t => {
  const { network, pool } = setUp({ range: { min: 4000, max: 4001 } })
  const other = await network.bindUdp({ host: HOST, port: 4001 })
  const port = await pool.acquire()
  await t.rejects(port.openRtcp())
  port.release()
  other.close()
  t.equal((await network.bindUdp({ host: HOST, port: 4000 })).local.port, 4000, 'free again')
})

t.test('a pair given back while its odd port is being opened leaves nothing open', async t => {
  const { network, pool } = setUp()
  const port = await pool.acquire()
  const opening = port.openRtcp()
  port.release()
  await opening
  const other = await network.bindUdp({ host: HOST, port: port.port + 1 })
  t.equal(other.local.port, port.port + 1)
})
