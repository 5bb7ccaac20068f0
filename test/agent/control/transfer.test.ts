import t from 'tap'
import type { Call } from '../../../src/call/call.ts'
import type { Endpoint } from '../../../src/call/endpoint.ts'
import type { IncomingCall } from '../../../src/call/incoming-call.ts'
import { passOn } from '../../../src/agent/control/pass-on.ts'
import type { WarmTransferResult } from '../../../src/agent/control/warm-transfer.ts'
import { warmTransfer } from '../../../src/agent/control/warm-transfer.ts'
import { agentSession } from '../../../src/agent/agent.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab } from '../../../src/testing/lab.ts'
import { heardBy, hums, prompt } from './scene.ts'

/** Who can be told by which tone: the caller 440, the desk 600, the hold music 1000, the whisper 1300, the agent 300. */
interface Scene {
  readonly lab: Lab
  readonly endpoint: Endpoint
  /** The agent's call with the caller. */
  readonly inbound: Call
  /** The far ends. */
  readonly caller: Call
  readonly desk: () => Call
}

async function scene(
  desk: (call: IncomingCall) => Promise<void>,
  script: (scene: Scene) => Promise<void>,
): Promise<void> {
  const lab = createLab({ network: { delayMs: 20 } })
  const endpoint = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const other = await lab.endpoint('desk.lab')
  let atDesk: Call | undefined
  void other.serve(async call => {
    atDesk = call
    await desk(call)
  })
  await lab.run(async () => {
    const { caller, inbound } = await dial(phone, endpoint)
    hums(caller, 440)
    await script({ lab, endpoint, inbound, caller, desk: () => atDesk! })
  })
}

async function dial(phone: Endpoint, endpoint: Endpoint): Promise<{ caller: Call; inbound: Call }> {
  let inbound: Call | undefined
  void endpoint.serve(async call => {
    await call.answer()
    inbound = call
    await call.ended
  })
  const caller = await phone.call('sip:agent@agent.lab')
  await caller.sleep(100)
  return { caller, inbound: inbound! }
}

const holdMusic = (): AsyncGenerator<Int16Array> => prompt(1000, 2000)

async function answers(call: IncomingCall): Promise<void> {
  call.ring()
  await call.sleep(2000)
  await call.answer()
  hums(call, 600)
  await call.ended
}

t.test('warm transfer: music, whisper, three together, then the two alone', async t => {
  await scene(answers, async ({ lab, endpoint, inbound, caller, desk }) => {
    const steps: Record<string, unknown> = {}
    const transferring = warmTransfer(inbound, 'sip:desk@desk.lab', {
      endpoint,
      holdMusic,
      whisper: () => prompt(1300, 1500),
      decide: async consultation => {
        steps['aside'] = [await heardBy(caller), await heardBy(desk())]
        const { seat } = consultation.threeWay()
        void seat.output.at(8000).play(prompt(300, 3000))
        await lab.clock.sleep(300)
        steps['three'] = [await heardBy(caller), await heardBy(desk())]
        consultation.aside()
        await lab.clock.sleep(300)
        steps['aside again'] = [await heardBy(caller), await heardBy(desk())]
        return true
      },
    })
    await lab.clock.sleep(1000)
    steps['ringing'] = await heardBy(caller)
    await lab.clock.sleep(1500)
    steps['whisper'] = [await heardBy(caller), await heardBy(desk())]
    const result = await transferring
    await lab.clock.sleep(500)
    steps['connected'] = [await heardBy(caller), await heardBy(desk())]
    t.strictSame(steps, {
      ringing: [1000],
      whisper: [[1000], [1300]],
      aside: [[1000], []],
      three: [
        [300, 600],
        [300, 440],
      ],
      'aside again': [[1000], []],
      connected: [[600], [440]],
    })
    t.equal(result.outcome, 'connected')
    await caller.hangup()
    t.match(await desk().ended, { by: 'remote' }, 'who is left is hung up')
    t.match(await (result as Extract<WarmTransferResult, { outcome: 'connected' }>).bridge.ended, {
      cause: 'call-ended',
    })
  })
})

for (const [what, desk, expected] of [
  ['busy', async call => call.reject(486), { outcome: 'busy', statusCode: 486 }],
  ['refused', async call => call.reject(603), { outcome: 'refused', statusCode: 603 }],
  ['unanswered', async call => void (await call.ended), { outcome: 'unanswered' }],
  [
    'hung up amid the whisper',
    async call => {
      await call.answer()
      await call.sleep(500)
    },
    { outcome: 'hung-up' },
  ],
  ['declined', answers, { outcome: 'declined' }],
] as const satisfies readonly (readonly [string, (call: IncomingCall) => Promise<void>, object])[]) {
  t.test(`warm transfer, ${what}: the agent has the caller back`, async t => {
    await scene(desk, async ({ lab, endpoint, inbound, caller, desk }) => {
      const result = await warmTransfer(inbound, 'sip:desk@desk.lab', {
        endpoint,
        holdMusic,
        ringTimeoutMs: 3000,
        whisper: () => prompt(1300, 1500),
        decide: () => Promise.resolve(false),
      })
      t.match(result, expected)
      await lab.clock.sleep(300)
      t.strictSame(await heardBy(caller), [], 'no music any more')
      void inbound.media.output.play(prompt(300, 1000))
      await lab.clock.sleep(300)
      t.strictSame(await heardBy(caller), [300])
      t.strictSame(await heardBy(inbound), [440])
      t.not(desk().endedValue, undefined)
    })
  })
}

t.test('warm transfer: the caller hangs up while it rings, or while the desk is told', async t => {
  for (const afterMs of [1000, 3000]) {
    await scene(answers, async ({ lab, endpoint, inbound, caller, desk }) => {
      const transferring = warmTransfer(inbound, 'sip:desk@desk.lab', {
        endpoint,
        holdMusic,
        whisper: () => prompt(1300, 5000),
      })
      await lab.clock.sleep(afterMs)
      void caller.hangup()
      t.strictSame(await transferring, { outcome: 'caller-gone' })
      await lab.clock.sleep(300)
      t.not(desk().endedValue, undefined, 'the desk is not left ringing, nor with a machine')
    })
  }
})

t.test('warm transfer: whoever asked gives up', async t => {
  for (const afterMs of [1000, 3000]) {
    await scene(answers, async ({ lab, endpoint, inbound, caller, desk }) => {
      const stop = new AbortController()
      const { signal } = stop
      const transferring = warmTransfer(inbound, 'sip:desk@desk.lab', {
        endpoint,
        holdMusic,
        signal,
        whisper: () => prompt(1300, 5000),
      })
      await lab.clock.sleep(afterMs)
      stop.abort()
      t.strictSame(await transferring, { outcome: 'aborted' })
      await lab.clock.sleep(300)
      t.not(desk().endedValue, undefined)
      t.equal(caller.endedValue, undefined)
      t.strictSame(await heardBy(caller), [])
    })
  }
})

for (const [what, end, expected] of [
  ['the caller hangs up', ({ caller }) => void caller.hangup(), { outcome: 'caller-gone' }],
  ['whoever asked gives up', ({ stop }) => stop.abort(), { outcome: 'aborted' }],
] as const satisfies readonly (readonly [
  string,
  (of: { readonly caller: Call; readonly stop: AbortController }) => void,
  object,
])[]) {
  t.test(`warm transfer: ${what} amid the three-way: what the agent listens to is over`, async t => {
    for (const throws of [false, true]) {
      await scene(answers, async ({ lab, endpoint, inbound, caller, desk }) => {
        const stop = new AbortController()
        const transferring = warmTransfer(inbound, 'sip:desk@desk.lab', {
          endpoint,
          holdMusic,
          signal: stop.signal,
          decide: async consultation => {
            const { seat } = consultation.threeWay()
            for await (const { samples } of seat.input) if (samples.length === 0) return true
            if (throws) throw new Error('nobody speaks any more')
            return true
          },
        })
        await lab.clock.sleep(3000)
        end({ caller, stop })
        const result = await Promise.race([transferring, lab.clock.sleep(2000).then(() => 'still listening')])
        t.strictSame(result, expected)
        await lab.clock.sleep(300)
        t.not(desk().endedValue, undefined)
      })
    }
  })
}

t.test('passOn: REFER refused, so they are bridged: blind, and attended', async t => {
  for (const attended of [false, true]) {
    await scene(answers, async ({ lab, endpoint, inbound, caller, desk }) => {
      // Nobody listens for `transfer` at the phone: it declines with 603.
      const target = attended ? await endpoint.call('sip:desk@desk.lab') : 'sip:desk@desk.lab'
      const result = await passOn(inbound, target, { endpoint, holdMusic })
      t.match(result, { outcome: 'bridged', transfer: { outcome: 'refused', statusCode: 603 } })
      await lab.clock.sleep(500)
      t.strictSame([await heardBy(caller), await heardBy(desk())], [[600], [440]])
      await desk().hangup()
      t.match(await caller.ended, { by: 'remote' })
    })
  }
})

t.test(
  'passOn: REFER taken, so nothing is bridged; refused and the desk is busy, so the caller is back',
  async t => {
    await scene(answers, async ({ endpoint, inbound, caller }) => {
      caller.on('transfer', request => void request.accept())
      const result = await passOn(inbound, 'sip:desk@desk.lab', { endpoint })
      t.match(result, { outcome: 'transferred' })
      t.equal(endpoint.calls.length, 1)
    })
    await scene(
      async call => call.reject(486),
      async ({ lab, endpoint, inbound, caller }) => {
        t.match(await passOn(inbound, 'sip:desk@desk.lab', { endpoint, holdMusic }), {
          outcome: 'busy',
          transfer: { outcome: 'refused' },
        })
        await lab.clock.sleep(300)
        void agentSession(inbound).output.play(prompt(300, 1000))
        await lab.clock.sleep(300)
        t.strictSame(await heardBy(caller), [300])
      },
    )
  },
)

t.test(
  'warm transfer: what decides throws amid a three-way, so the desk is hung up and the caller is back',
  async t => {
    await scene(answers, async ({ lab, endpoint, inbound, caller, desk }) => {
      const transferring = warmTransfer(inbound, 'sip:desk@desk.lab', {
        endpoint,
        holdMusic,
        decide: async consultation => {
          consultation.threeWay()
          await lab.clock.sleep(500)
          throw new Error('no idea')
        },
      })
      await t.rejects(transferring, { message: 'no idea' })
      await lab.clock.sleep(300)
      t.not(desk().endedValue, undefined)
      void inbound.media.output.play(prompt(300, 1000))
      await lab.clock.sleep(300)
      t.strictSame([await heardBy(caller), await heardBy(inbound)], [[300], [440]])
    })
  },
)
