import { createHash } from 'node:crypto'
import t from 'tap'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { createSimulatedRuntime, SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** Ten minutes of 50 packets a second each way, through bad weather; every event goes into the digest. */
async function tenMinutes(
  seed: number,
): Promise<{ digest: string; delivered: number; pendingTimers: number }> {
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const network = new SimulatedNetwork({
    clock,
    random: random.fork('network'),
    conditions: { delayMs: 40, jitterMs: 60, loss: 0.05, reorder: 0.02, duplicate: 0.01 },
  })
  const hash = createHash('sha256')
  network.onDatagram(({ atMs, from, fate }) => hash.update(`${atMs} ${from.address} ${fate}\n`))
  const addresses = ['10.0.0.1', '10.0.0.2'] as const
  const sockets = await Promise.all(addresses.map(host => network.host(host).bindUdp({ host, port: 4000 })))
  const frame = new Uint8Array(172)
  for (const [index, socket] of sockets.entries()) {
    const peer = addresses[1 - index]!
    const send = (count: number): void => {
      socket.send(frame, 4000, peer)
      if (count > 1) clock.setTimer(index * 7 + (30_001 - count) * 20, () => send(count - 1))
    }
    send(30_000)
  }
  await clock.runUntilIdle()
  return {
    digest: hash.digest('hex'),
    delivered: network.counters.delivered,
    pendingTimers: clock.pendingTimers,
  }
}

t.test('a ten-minute call runs to its end, twice the same from one seed', async t => {
  const first = await tenMinutes(1)
  t.ok(first.delivered > 56_000 && first.delivered < 59_000, `${first.delivered} of 60000`)
  t.equal(first.pendingTimers, 0)
  t.same(await tenMinutes(1), first)
  t.not((await tenMinutes(2)).digest, first.digest)
})

t.test('a runtime for one host has the clock of all and randomness of its own', async t => {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const network = new SimulatedNetwork({ clock, random: random.fork('network') })
  const runtime = createSimulatedRuntime({
    clock,
    network: network.host('10.0.0.1'),
    random: random.fork('10.0.0.1'),
  })
  t.equal(runtime.clock, clock)
  const socket = await runtime.network.bindUdp({ host: '10.0.0.1', port: 5060 })
  t.equal(socket.local.address, '10.0.0.1')
  t.same(await runtime.resolver.address('nobody.example'), [])
  t.equal(runtime.random.uint32(), seededRandom(1).fork('10.0.0.1').uint32())
})
