import t from 'tap'
import { runAgent } from '../../src/agent/agent.ts'
import { demoMenu } from '../../src/agent/demo-menu.ts'
import { echoAgent } from '../../src/agent/echo.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { LabOptions } from '../../src/testing/lab.ts'

const hostile = { delayMs: 30, jitterMs: 60, loss: 0.05, reorder: 0.03, duplicate: 0.02 }
const digits = '01234567890123456789'

interface Outcome {
  readonly fingerprint: string
  readonly digits: string
  readonly virtualMs: number
}

async function playDigits(options: LabOptions): Promise<Outcome> {
  const lab = createLab(options)
  const endpoint = await lab.endpoint('agent.lab')
  let heard = ''
  void endpoint.serve(async call => {
    await call.answer()
    for await (const { digit } of call.dtmf()) heard += digit
  })
  const caller = lab.caller()
  void caller.call('sip:x@agent.lab')
  void caller.press(digits, { durationMs: 80, gapMs: 60 })
  void caller.waits(1000)
  void caller.hangup()
  await lab.run()
  return { fingerprint: lab.fingerprint, digits: heard, virtualMs: lab.clock.now() }
}

t.test('twenty digits over loss, reordering, duplication and jitter arrive once each, in order', async t => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { digits: heard } = await playDigits({ seed, network: hostile })
    t.equal(heard, digits, `seed ${seed}`)
  }
})

t.test('the same seed gives the same trace, another seed another', async t => {
  const one = await playDigits({ seed: 11, network: hostile })
  const again = await playDigits({ seed: 11, network: hostile })
  const other = await playDigits({ seed: 12, network: hostile })
  t.same(again, one)
  t.not(other.fingerprint, one.fingerprint)
})

t.test('a tone comes back from an echo agent on that network', async t => {
  const lab = createLab({ seed: 21, network: hostile })
  const endpoint = await lab.endpoint('agent.lab')
  void runAgent(endpoint, echoAgent())
  const caller = lab.caller()
  await lab.run(async () => {
    const call = await caller.call('sip:echo@agent.lab')
    void call.media.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 2000 }))
    await caller.hears({ toneHz: 1000, levelDbfs: -22 })
    await caller.waits(2000)
    await caller.hangup()
  })
  t.match(lab.records[0]?.media, { codec: 'PCMU' })
  t.ok((lab.records[0]?.media?.lost ?? 0) > 0, 'although packets were lost')
})

t.test('on that network the RTP timestamps of the pacer never jump, nor does it burst', async t => {
  const lab = createLab({ seed: 22, network: hostile })
  const endpoint = await lab.endpoint('agent.lab')
  void runAgent(endpoint, echoAgent())
  const sent = new Map<string, { readonly timestamp: number; readonly sentAtMs: number }[]>()
  lab.network.onDatagram(({ from, data, copy, sentAtMs }) => {
    if (copy || data.length !== 172) return
    const timestamp = new DataView(data.buffer, data.byteOffset).getUint32(4)
    sent.set(from.address, [...(sent.get(from.address) ?? []), { timestamp, sentAtMs }])
  })
  const caller = lab.caller()
  void caller.call('sip:echo@agent.lab')
  void caller.waits(5000)
  void caller.hangup()
  await lab.run()
  t.equal(sent.size, 2, 'both sides sent audio')
  for (const [address, unordered] of sent) {
    const packets = unordered.toSorted((a, b) => a.sentAtMs - b.sentAtMs)
    t.ok(packets.length >= 249, `${address} sent ${packets.length} packets in 5 s`)
    const steps = packets.slice(1).map((packet, index) => {
      const before = packets[index] ?? packet
      return `${(packet.timestamp - before.timestamp) >>> 0} in ${Math.round(packet.sentAtMs - before.sentAtMs)} ms`
    })
    t.same([...new Set(steps)], ['160 in 20 ms'], address)
  }
})

t.test('ten minutes between two endpoints are played to the end', async t => {
  const lab = createLab({ seed: 23, network: { delayMs: 20 } })
  const endpoint = await lab.endpoint('agent.lab')
  void runAgent(endpoint, echoAgent())
  const caller = lab.caller()
  void caller.call('sip:echo@agent.lab')
  void caller.waits(600_000)
  void caller.hangup()
  await lab.run()
  const [record] = lab.records
  t.ok((record?.durationMs ?? 0) >= 600_000)
  t.ok((record?.media?.packetsReceived ?? 0) > 29_900)
})

t.test('the menu agent: barge-in, the tone, goodbye', async t => {
  const lab = createLab({ seed: 7, network: hostile })
  const endpoint = await lab.endpoint('agent.lab')
  void runAgent(endpoint, await demoMenu())
  const caller = lab.caller()
  void caller.call('sip:menu@agent.lab')
  void caller.hears({ speech: true })
  void caller.press('2')
  void caller.hears({ toneHz: 440 }, { withinMs: 1500 })
  void caller.press('9')
  const ended = caller.isHungUp({ withinMs: 10_000 })
  await lab.run()
  t.match(await ended, { by: 'remote', cause: 'hangup' })
})

t.test('behind each kind of NAT audio flows both ways and the caller can be hung up on', async t => {
  for (const nat of ['full-cone', 'restricted', 'port-restricted', 'symmetric'] as const) {
    const lab = createLab({ seed: 5, network: { delayMs: 20, nat } })
    const endpoint = await lab.endpoint('agent.lab')
    void endpoint.serve(async call => {
      const { output } = await call.answer()
      await output.write(tone({ sampleRate: 8000, hz: 500, durationMs: 3000 }))
      await output.flush()
    })
    const caller = lab.caller()
    void caller.call('sip:x@agent.lab')
    void caller.hears({ toneHz: 500 }, { withinMs: 2000 })
    const ended = caller.isHungUp()
    await lab.run()
    t.match(await ended, { by: 'remote' }, nat)
  }
})

/** What `lab.run()` makes of an agent with a bug. */
async function buggyAgent(listen: boolean): Promise<unknown> {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  if (listen) endpoint.on('error', () => {})
  void runAgent(endpoint, {
    async run() {
      throw new Error('a bug in the agent')
    },
  })
  const caller = lab.caller()
  void caller.call('sip:x@agent.lab')
  void caller.isHungUp()
  return lab.run().catch((error: unknown) => error)
}

t.test('a lab fails when the agent under test throws, unless somebody listens for it', async t => {
  t.match(await buggyAgent(false), { message: /a bug in the agent/ })
  t.equal(await buggyAgent(true), undefined)
})

t.test('a script that goes wrong says which line and why', async t => {
  const lab = createLab()
  await lab.endpoint('agent.lab')
  const caller = lab.caller()
  void caller.press('1')
  await t.rejects(lab.run(), { code: 'SIP_STATE', message: /call\(\)/ })
  const other = createLab()
  const endpoint = await other.endpoint('agent.lab')
  void endpoint.serve(async call => {
    await call.answer()
    await call.ended
  })
  const listener = other.caller()
  void listener.call('sip:x@agent.lab')
  void listener.hears({ speech: true }, { withinMs: 500 })
  await t.rejects(other.run(), { code: 'SIP_TIMEOUT', message: /silent/ })
})
