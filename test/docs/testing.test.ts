import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runAgent } from '../../src/agent/agent.ts'
import { demoMenu } from '../../src/agent/demo-menu.ts'
import * as testing from '../../src/testing/index.ts'
import { repositoryRoot } from '../support/repository.ts'

const { createLab, createSimulatedRuntime, seededRandom, SimulatedNetwork, SimulatedResolver, VirtualClock } =
  testing

/** Text without the indentation, which differs between the page and this file. */
function flat(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join('\n')
}

const page = readFileSync(join(repositoryRoot, 'docs/testing.md'), 'utf8')
const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)

t.test('every piece of code on the page is in this file', async t => {
  const source = flat(readFileSync(join(repositoryRoot, 'test/docs/testing.test.ts'), 'utf8'))
  const [imports, ...pieces] = blocks
  t.ok(pieces.length >= 7)
  for (const piece of pieces) t.ok(source.includes(flat(piece)), flat(piece).slice(0, 60))
  const names = /\{([\s\S]*)\}/
    .exec(imports!)![1]!
    .split(',')
    .map(name => name.trim())
  for (const name of names.filter(Boolean)) t.ok(name in testing, name)
})

t.test('a lab', async t => {
  const lab = createLab({ seed: 7, network: { delayMs: 40, jitterMs: 60, loss: 0.05, nat: 'symmetric' } })
  const endpoint = await lab.endpoint('agent.lab')
  void runAgent(endpoint, await demoMenu())

  const caller = lab.caller()
  void caller.call('sip:menu@agent.lab')
  void caller.hears({ speech: true })
  void caller.press('2') // in the middle of the prompt
  void caller.hears({ toneHz: 440 }, { withinMs: 1500 })
  void caller.press('9')
  void caller.isHungUp()
  await lab.run()

  t.match(lab.records[0], { ended: { cause: 'hangup' } })
  t.match(lab.ladder(lab.records[0]!.id), /digit 9/)
})

t.test('time', async t => {
  const clock = new VirtualClock()
  const log: string[] = []
  clock.setTimer(clock.now() + 30_000, () => log.push('no answer'))
  await clock.advance(29_999)
  t.same(log, [])
  await clock.advance(1)
  t.same(log, ['no answer'])
})

t.test('real work', async t => {
  const clock = new VirtualClock()
  const log: string[] = []
  clock.setTimer(1000, () => {
    const reading = clock.hold(readFile(new URL(import.meta.url), 'utf8'))
    void reading.then(text => log.push(`${text.length > 0} at ${clock.now()}`))
  })
  await clock.advance(5000)
  t.same(log, ['true at 1000'])
})

t.test('a network', async t => {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const network = new SimulatedNetwork({
    clock,
    random: random.fork('network'),
    conditions: { delayMs: 40, jitterMs: 60, loss: 0.05, reorder: 0.02 },
  })
  const caller = await network.host('10.0.0.1').bindUdp({ host: '10.0.0.1', port: 4000 })
  const agent = await network.host('10.0.0.2').bindUdp({ host: '10.0.0.2', port: 4000 })
  let heard = 0
  agent.onMessage = () => heard++
  for (let frame = 0; frame < 30_000; frame++) {
    clock.setTimer(frame * 20, () => caller.send(new Uint8Array(172), 4000, '10.0.0.2'))
  }
  await clock.runUntilIdle()
  t.equal(heard, network.counters.delivered)
  t.equal(heard + network.counters.lost, 30_000)

  network.setConditions({ loss: 1 }, { from: '10.0.0.1', to: '10.0.0.2' })
  network.partition('10.0.0.1', '10.0.0.2')
  network.heal()

  const trace: string[] = []
  const stop = network.onDatagram(({ sentAtMs, atMs, from, to, fate }) => {
    trace.push(`${sentAtMs} ${atMs} ${from.address} > ${to.address} ${fate}`)
  })
  const now = clock.now()
  caller.send(new Uint8Array(172), 4000, '10.0.0.2')
  stop()
  t.same(trace, [`${now} ${now} 10.0.0.1 > 10.0.0.2 lost`])
})

t.test('behind a NAT', async t => {
  const clock = new VirtualClock()
  const network = new SimulatedNetwork({ clock, random: seededRandom(1) })
  const nat = network.nat({ publicAddress: '203.0.113.1', kind: 'symmetric', bindingTimeoutMs: 30_000 })
  const phone = await nat.host('192.168.1.10').bindUdp({ host: '192.168.1.10', port: 5060 })
  const server = await network.host('198.51.100.1').bindUdp({ host: '198.51.100.1', port: 5060 })
  const seen: number[] = []
  server.onMessage = (_data, from) => seen.push(from.port)
  for (const waitMs of [20_000, 20_000, 31_000]) {
    phone.send(Buffer.from('\r\n\r\n'), 5060, '198.51.100.1')
    await clock.advance(waitMs)
  }
  phone.send(Buffer.from('\r\n\r\n'), 5060, '198.51.100.1')
  await clock.runUntilIdle()
  t.equal(new Set(seen.slice(0, 3)).size, 1)
  t.not(seen[3], seen[0])
})

t.test('a runtime for one endpoint', async t => {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const network = new SimulatedNetwork({ clock, random: random.fork('network') })
  const resolver = new SimulatedResolver()
  resolver.setAddresses('pbx.example', ['10.0.0.2'])
  resolver.setSrv('_sip._udp.example.com', [{ host: 'pbx.example', port: 5060 }])
  const runtime = createSimulatedRuntime({
    clock,
    network: network.host('10.0.0.1'),
    random: random.fork('10.0.0.1'),
    resolver,
  })
  t.match(await runtime.resolver.address('pbx.example'), [{ address: '10.0.0.2' }])
  t.match(await runtime.resolver.srv('_sip._udp.example.com'), [{ host: 'pbx.example', port: 5060 }])
  t.equal((await runtime.network.bindUdp({ host: '10.0.0.1', port: 0 })).local.address, '10.0.0.1')
})
