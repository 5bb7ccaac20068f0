import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { routeCalls } from '../../../src/agent/routing/route-calls.ts'
import type { Routing, RoutingOptions } from '../../../src/agent/routing/options.ts'
import { EngineError } from '../../../src/agent/engine/engine-error.ts'
import type { Agent } from '../../../src/agent/agent.ts'
import type { Call } from '../../../src/call/call.ts'
import type { Endpoint } from '../../../src/call/endpoint.ts'
import { createTrunk } from '../../../src/call/trunks/carrier-trunk.ts'
import { trunks } from '../../../src/call/trunks/options.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import type { SipError } from '../../../src/runtime/errors.ts'
import { SipResponseError } from '../../../src/sip/dialog/errors.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab } from '../../../src/testing/lab.ts'
import { heardBy, hums } from '../control/scene.ts'
import { hum } from './hum.ts'

const down: Agent = {
  run: () => Promise.reject(new EngineError('twilio', 'unreachable', 'the bot cannot be reached')),
}

/** How a call was refused. */
async function refusal(calling: Promise<unknown>): Promise<SipResponseError | undefined> {
  return calling.then(
    () => undefined,
    (error: unknown) => (error instanceof SipResponseError ? error : undefined),
  )
}

interface Scene {
  readonly lab: Lab
  readonly us: Endpoint
  readonly phone: Endpoint
  readonly routing: Routing
  readonly errors: SipError[]
}

async function scene(options: RoutingOptions, script: (scene: Scene) => Promise<void>): Promise<Lab> {
  const lab = createLab({ network: { delayMs: 10 } })
  const us = await lab.endpoint('us.lab')
  const phone = await lab.endpoint('phone.lab')
  const errors: SipError[] = []
  us.on('error', error => errors.push(error))
  await lab.run(async () => {
    const routing = routeCalls(us, { onError: error => errors.push(error), ...options })
    await script({ lab, us, phone, routing, errors })
  })
  return lab
}

t.test(
  'each caller hears the agent of its route; what none fits is refused, and the records say so',
  async t => {
    const lab = await scene(
      {
        routes: [
          { name: 'sales', match: { dialled: '+442079460018' }, to: { agent: 'sales' } },
          { name: 'support', match: { dialled: 'support' }, to: { agent: 'support' } },
          {
            name: 'gone',
            match: { dialled: 'gone' },
            to: { reject: { statusCode: 410, reasonPhrase: 'Moved Away' } },
          },
          {
            name: 'late',
            match: { dialled: 'late' },
            to: { reject: { statusCode: 503, retryAfterSeconds: 7 } },
          },
          { name: 'elsewhere', match: { dialled: 'old' }, to: { redirect: 'sip:new@other.lab' } },
        ],
        agents: { sales: hum(440), support: hum(600), 'support@staging': hum(800) },
        defaultCountry: 'GB',
      },
      async ({ phone, routing }) => {
        const sales = await phone.call('sip:02079460018@us.lab')
        t.same(await heardBy(sales), [440])
        const support = await phone.call('sip:support@us.lab')
        t.same(await heardBy(support), [600])
        t.match(await refusal(phone.call('sip:gone@us.lab')), {
          statusCode: 410,
          response: { reasonPhrase: 'Moved Away' },
        })
        const late = await refusal(phone.call('sip:late@us.lab'))
        t.equal(late?.response.headers.get('Retry-After'), '7')
        t.match(await refusal(phone.call('sip:old@us.lab')), {
          statusCode: 302,
          targets: ['sip:new@other.lab'],
        })
        t.match(await refusal(phone.call('sip:nobody@us.lab')), { statusCode: 404 })
        t.same(routing.stats.calls, { sales: 1, support: 1, gone: 1, late: 1, elsewhere: 1, none: 1 })
        await sales.hangup()
        await support.hangup()
      },
    )
    const routes = lab.records
      .filter(({ direction }) => direction === 'inbound')
      .map(record => record.routes?.[0])
    t.match(
      routes.find(step => step?.route === 'sales'),
      { action: 'agent', detail: 'sales' },
    )
    t.match(
      routes.find(step => step?.route === 'none'),
      { action: 'reject', detail: '404' },
    )
  },
)

t.test('the environment: of all calls, or as a trusted caller says', async t => {
  const options: RoutingOptions = {
    routes: [{ to: { agent: 'support' } }],
    agents: { support: hum(600), 'support@staging': hum(800) },
    environmentHeader: 'X-Environment',
  }
  const headers = [['X-Environment', 'staging']] as const
  await scene({ ...options, environment: 'staging' }, async ({ phone }) => {
    t.same(await heardBy(await phone.call('sip:x@us.lab')), [800])
  })
  await scene(options, async ({ phone }) => {
    t.same(await heardBy(await phone.call('sip:x@us.lab', { headers })), [600], 'a stranger chooses nothing')
  })
})

t.test(
  'an engine that is down: the agent after it, or a number, and at last 503; the trace says why',
  async t => {
    const lab = await scene(
      {
        routes: [
          { name: 'agent', match: { dialled: 'a' }, to: { agent: 'bot', fallback: { agent: 'spare' } } },
          {
            name: 'twice',
            match: { dialled: 'b' },
            to: { agent: 'bot', fallback: { agent: 'bot', fallback: { number: 'sip:desk@desk.lab' } } },
          },
          { name: 'unmade', match: { dialled: 'c' }, to: { agent: 'unmade' } },
          { name: 'alone', match: { dialled: 'd' }, to: { agent: 'bot' } },
          { name: 'broken', match: { dialled: 'e' }, to: { agent: 'broken', fallback: { agent: 'spare' } } },
        ],
        agents: {
          bot: down,
          spare: hum(440),
          broken: { run: () => Promise.reject(new Error('a bug')) },
          unmade: () => {
            throw new EngineError('twilio', 'unreachable', 'no bot today')
          },
        },
      },
      async ({ lab, phone, routing, errors }) => {
        const desk = await lab.endpoint('desk.lab')
        void desk.serve(async call => {
          await call.answer()
          hums(call, 1300)
          await call.ended
        })
        desk.on('error', () => {})
        const spare = await phone.call('sip:a@us.lab')
        t.same(await heardBy(spare), [440])
        t.equal(routing.stats.fellBack, 1)
        t.match(errors, [{ problem: 'unreachable' }])
        const desked = await phone.call('sip:b@us.lab')
        await desked.sleep(200)
        t.same(await heardBy(desked), [1300], 'the second fall-back')
        await desked.hangup()
        t.match(
          await refusal(phone.call('sip:c@us.lab')),
          { statusCode: 503 },
          'before the answer it is refused',
        )
        const alone = await phone.call('sip:d@us.lab')
        t.match(await alone.ended, { by: 'remote' }, 'after the answer it is hung up')
        const broken = await phone.call('sip:e@us.lab')
        t.match(await broken.ended, { by: 'remote' }, 'a bug is no engine that is down')
        await spare.hangup()
      },
    )
    const record = lab.records.find(({ routes }) => routes?.[0]?.route === 'agent')
    t.match(record?.routes, [
      { action: 'agent', detail: 'bot' },
      { action: 'agent', detail: 'spare', after: 'the bot cannot be reached' },
    ])
  },
)

t.test(
  'a number: called by the trunk that is named, the two hear each other; who is not reached leaves the status',
  async t => {
    const lab = createLab({ network: { delayMs: 10 } })
    const us = await lab.endpoint('us.lab')
    const phone = await lab.endpoint('phone.lab')
    const carrier = await lab.endpoint('carrier.lab')
    const dialled: string[] = []
    void carrier.serve(async call => {
      dialled.push(call.local.uriText)
      if (call.local.uriText.includes('550101')) return call.reject(486)
      call.ring()
      await call.sleep(500)
      const { output } = await call.answer()
      void output.play(tone({ sampleRate: 8000, hz: 1000, durationMs: 60_000, levelDbfs: -20 }))
      await call.ended
    })
    await lab.run(async () => {
      const trunk = createTrunk(
        us,
        trunks.generic({
          name: 'out',
          hosts: ['carrier.lab'],
          transport: 'udp',
          caller: '+15550199',
          health: false,
        }),
      )
      const out = new Map([['out', trunk]])
      const busy = { number: '+15550101', trunk: 'out' } as const
      const routing = routeCalls(us, {
        routes: [
          { match: { dialled: 'a' }, to: { number: '+15550100', trunk: 'out' } },
          { match: { dialled: 'b' }, to: busy },
          { match: { dialled: 'c' }, to: { ...busy, fallback: { agent: 'spare' } } },
        ],
        agents: { spare: hum(440) },
        trunks: out,
      })
      const call = await phone.call('sip:a@us.lab')
      t.same(await heardBy(call), [1000])
      t.match(dialled, [/15550100/])
      await call.hangup()
      t.match(await refusal(phone.call('sip:b@us.lab')), { statusCode: 486 })
      t.same(await heardBy(await phone.call('sip:c@us.lab')), [440])
      t.equal(routing.stats.fellBack, 1)
      await trunk.close()
    })
  },
)

t.test(
  'a queue: one after another, with music, in the order they came; the full, the tired and the late are sent on',
  async t => {
    const folder = mkdtempSync(join(tmpdir(), 'offhook-music-'))
    const music = join(folder, 'music.wav')
    writeFileSync(music, wav(tone({ sampleRate: 8000, hz: 1000, durationMs: 2000, levelDbfs: -15 })))
    await scene(
      {
        routes: [
          {
            name: 'line',
            to: {
              queue: {
                to: { agent: 'desk' },
                maxActive: 1,
                maxWaiting: 2,
                maxWaitMs: 60_000,
                music,
                overflow: { agent: 'machine' },
              },
            },
          },
        ],
        agents: { desk: hum(440), machine: hum(300) },
      },
      async ({ phone, routing }) => {
        const call = (name: string): ReturnType<Endpoint['call']> => phone.call(`sip:${name}@us.lab`)
        const first = await call('1')
        t.same(await heardBy(first), [440])
        const second = await call('2')
        const third = await call('3')
        t.same(await heardBy(second), [1000], 'music')
        t.equal(routing.stats.waiting, 2)
        t.same(await heardBy(await call('4')), [300], 'the line is full')
        await first.hangup()
        await second.sleep(500)
        t.same(await heardBy(second), [440])
        t.same(await heardBy(third), [1000])
        t.equal(routing.stats.waiting, 1)
        const fifth = await call('5')
        await third.hangup()
        await fifth.sleep(200)
        t.equal(routing.stats.waiting, 1, 'who hangs up leaves the line')
        await fifth.sleep(60_000)
        t.same(await heardBy(fifth), [300], 'waited long enough')
        const sixth = await call('6')
        await sixth.sleep(100)
        routing.drain()
        t.match(await sixth.ended, { by: 'remote' })
        t.same(await heardBy(second), [440], 'who had a turn goes on')
      },
    )
  },
)

t.test('a queue within a queue is another line', async t => {
  const inner = {
    queue: { to: { agent: 'desk' }, maxActive: 1, overflow: { agent: 'machine' }, maxWaiting: 0 },
  }
  await scene(
    {
      routes: [{ to: { queue: { to: { agent: 'bot', fallback: inner }, maxActive: 2, overflow: inner } } }],
      agents: { bot: down, desk: hum(440), machine: hum(300) },
    },
    async ({ phone }) => {
      t.same(await heardBy(await phone.call('sip:1@us.lab')), [440], 'it does not wait for itself')
      t.same(await heardBy(await phone.call('sip:2@us.lab')), [300], 'and the second line has its own end')
    },
  )
})

t.test('who comes to a queue in the drain does not wait', async t => {
  const late: Agent = {
    run: async ({ sleep }) => {
      await sleep(1000)
      throw new EngineError('twilio', 'broken', 'the connection to the engine broke')
    },
  }
  const queue = { queue: { to: { agent: 'desk' }, maxActive: 1 } }
  await scene(
    {
      routes: [
        { match: { dialled: 'desk' }, to: queue },
        { match: { dialled: 'bot' }, to: { agent: 'bot', fallback: { ...queue } } },
      ],
      agents: { bot: late, desk: hum(440) },
    },
    async ({ phone, routing, lab }) => {
      const calls = [await phone.call('sip:bot@us.lab')]
      await lab.clock.sleep(500)
      calls.push(await phone.call('sip:bot@us.lab'))
      await lab.clock.sleep(300)
      routing.drain()
      await lab.clock.sleep(1000)
      t.same(await heardBy(calls[0] as Call), [440], 'a turn that is free is given')
      t.match(calls[1]?.endedValue, { by: 'remote', cause: 'hangup' })
    },
  )
})

t.test('what an engine that broke had yet to say is not heard before the fallback', async t => {
  const breaks: Agent = {
    run: async ({ output, sleep }) => {
      void output.write(tone({ sampleRate: output.sampleRate, hz: 1000, durationMs: 5000 }))
      await sleep(500)
      throw new EngineError('twilio', 'broken', 'the connection to the engine broke')
    },
  }
  await scene(
    {
      routes: [{ to: { agent: 'bot', fallback: { agent: 'spare' } } }],
      agents: { bot: breaks, spare: hum(440) },
    },
    async ({ phone }) => {
      const call = await phone.call('sip:x@us.lab')
      await call.sleep(700)
      t.same(await heardBy(call), [440])
    },
  )
})

t.test('who has been answered already hears that the number rings', async t => {
  await scene(
    {
      routes: [{ to: { agent: 'bot', fallback: { number: 'sip:desk@desk.lab' } } }],
      agents: { bot: down },
    },
    async ({ lab, phone }) => {
      const desk = await lab.endpoint('desk.lab')
      void desk.serve(async call => {
        call.ring()
        await call.sleep(6000)
        await call.answer()
        hums(call, 1300)
        await call.ended
      })
      const call = await phone.call('sip:x@us.lab')
      t.same(await heardBy(call), [440], 'as in America, where no country is said')
      await call.sleep(6000)
      t.same(await heardBy(call), [1300])
    },
  )
})

t.test('other routes hold for calls to come; bad ones change nothing', async t => {
  const agents = { a: hum(440), b: hum(600) }
  await scene({ routes: [{ to: { agent: 'a' } }], agents }, async ({ phone, routing }) => {
    const before = await phone.call('sip:x@us.lab')
    t.throws(() => routing.replace({ routes: [{ to: { agent: 'c' } }], agents }), /there is no agent c/)
    t.same(await heardBy(await phone.call('sip:x@us.lab')), [440])
    routing.replace({ routes: [{ to: { agent: 'b' } }], agents })
    t.same(await heardBy(await phone.call('sip:x@us.lab')), [600])
    t.same(await heardBy(before), [440])
  })
})

/** 16-bit mono at 8 kHz. */
function wav(samples: Int16Array): Buffer {
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + samples.byteLength, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(8000, 24)
  header.writeUInt32LE(16_000, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.byteLength, 40)
  return Buffer.concat([header, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)])
}
