import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { SipResponseError } from '../../src/sip/dialog/errors.ts'
import { readCalls } from '../../src/trace/call-journal.ts'
import { configOf, dialled, inWorld, serverAddress } from './world.ts'

/** An agent in a file of its own: says a tone until the call ends. */
const toneAgent = (hz: number): string => `
const samples = Int16Array.from({ length: 8000 }, (_, i) => 8000 * Math.sin((2 * Math.PI * ${hz} * i) / 8000))
export default {
  async run({ output, signal }) {
    while (!signal.aborted) await output.at(8000).write(samples)
  },
}
`
const files = { 'low.mjs': toneAgent(440), 'high.mjs': toneAgent(1000) }
const lowAgent = 'agents: { bot: { module: ./low.mjs } }\n'
const highAgent = 'agents: { bot: { module: ./high.mjs } }\n'

t.test('it takes calls, and says that it is well and ready', async t => {
  await inWorld(
    configOf(lowAgent),
    async ({ lab, get, events }) => {
      t.match(events, [
        {
          event: 'listening',
          listen: [`udp://${serverAddress}:5060`],
          health: `http://${serverAddress}:9090`,
        },
      ])
      t.match(await get('/healthz'), { status: 200, body: '{"status":"ok"}\n' })
      t.match(await get('/readyz'), { status: 200, body: '{"ready":true,"reasons":[]}\n' })
      const caller = lab.caller()
      await caller.call(dialled)
      await caller.hears({ toneHz: 440 })
      t.match((await get('/metrics')).body, 'offhook_calls{direction="inbound"} 1')
      await caller.hangup()
      await caller.waits(100)
      const { body, headers } = await get('/metrics?x=1')
      t.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
      t.match(body, 'offhook_calls_taken_total{direction="inbound"} 1\n')
      t.match(body, 'offhook_calls_ended_total{cause="hangup"} 1\n')
      t.match(body, /^# HELP offhook_ready .+\n# TYPE offhook_ready gauge\noffhook_ready 1\n/)
      for (const line of body.trimEnd().split('\n'))
        t.match(line, /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{(?:\w+="[^"]*",?)+\})? \d+)$/)
      t.equal((await get('/other')).status, 404)
      t.equal((await get('/readyz', 'POST')).status, 405)
      t.match(await get('/readyz', 'HEAD'), { status: 200, body: '' })
      t.same(
        events.map(({ event }) => event),
        ['listening', 'call', 'ended'],
      )
    },
    { files },
  )
})

const trunks = (wanted: string): string =>
  configOf(`${lowAgent}trunks:
  a: { preset: generic, hosts: [sbc.example], health: { intervalMs: 1000, timeoutMs: 500, downAfter: 1 } }
  b: { preset: generic, hosts: [10.5.0.99], health: { intervalMs: 1000, timeoutMs: 500, downAfter: 1 } }
`).replace('9090 }', `9090, trunks: ${wanted} }`)

const before = async (lab: { endpoint(name: string): Promise<unknown> }): Promise<void> =>
  void (await lab.endpoint('sbc.example'))

t.test('ready is who has a trunk that answers', async t => {
  await inWorld(
    trunks('any'),
    async ({ lab, get, events }) => {
      t.match(await get('/readyz'), { status: 503, body: /trunk a has not answered yet/ })
      await lab.clock.sleep(2_000)
      t.equal((await get('/readyz')).status, 200)
      t.match(
        (await get('/metrics')).body,
        /offhook_trunk_up\{trunk="a"\} 1\noffhook_trunk_up\{trunk="b"\} 0\n/,
      )
      t.match(
        events
          .filter(({ event }) => event === 'trunk')
          .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
        [
          { trunk: 'a', state: 'up' },
          { trunk: 'b', state: 'down' },
        ],
      )
    },
    { files, before },
  )
  await inWorld(
    trunks('all'),
    async ({ lab, get }) => {
      await lab.clock.sleep(2_000)
      t.match(await get('/readyz'), { status: 503, body: '{"ready":false,"reasons":["trunk b is down"]}\n' })
    },
    { files, before },
  )
  await inWorld(trunks('none'), async ({ get }) => void t.equal((await get('/readyz')).status, 200), {
    files,
    before,
  })
})

t.test('a new configuration holds for new calls; those under way go on as they are', async t => {
  await inWorld(
    configOf(lowAgent),
    async ({ lab, reload, events, get }) => {
      const [first, second] = [lab.caller(), lab.caller()]
      await first.call(dialled)
      await first.hears({ toneHz: 440 })
      t.equal(await reload(configOf(highAgent)), true)
      await second.call(dialled)
      await second.hears({ toneHz: 1000 })
      await first.hears({ toneHz: 440 })
      t.match(events.at(-2), { event: 'reloaded', trunks: [], agents: 1, needRestart: [] })
      t.match((await get('/metrics')).body, 'offhook_reloads_total{result="applied"} 1')
    },
    { files },
  )
})

t.test('a configuration that is no good is refused with what is wrong, and the old one goes on', async t => {
  await inWorld(
    configOf(lowAgent),
    async ({ lab, reload, events, get }) => {
      t.equal(await reload(configOf('agents: { bot: { builtIn: nonsense } }')), false)
      t.match(events.at(-1), {
        event: 'reload-refused',
        problems: [{ line: 5, column: 27, field: 'agents.bot.builtIn' }],
      })
      const caller = lab.caller()
      await caller.call(dialled)
      await caller.hears({ toneHz: 440 })
      t.match((await get('/metrics')).body, 'offhook_reloads_total{result="refused"} 1')
      t.equal((await get('/readyz')).status, 200)
    },
    { files },
  )
})

t.test('what only a restart can change is named, and the rest is taken', async t => {
  await inWorld(
    configOf(lowAgent),
    async ({ lab, reload, events, server }) => {
      const next = configOf(`${highAgent}limits: { calls: 5, callsPerTrunk: 2 }`)
        .replace(':5060', ':5070')
        .replace('9090 }', '9090, trunks: all }')
        .replace('everybody', '[10.0.0.0/8]')
      t.equal(await reload(next), true)
      t.match(events.at(-1), { event: 'reloaded', needRestart: ['endpoint.listen', 'limits.calls'] })
      t.same(server.endpoint.listening, [`udp://${serverAddress}:5060`])
      const caller = lab.caller()
      await caller.call(dialled)
      await caller.hears({ toneHz: 1000 })
      t.equal(await reload(next.replace('10.0.0.0/8', '192.0.2.1')), true)
      const stranger = await lab.caller().endpoint()
      await t.rejects(stranger.call(dialled), { code: 'SIP_RESPONSE', message: /403/ })
    },
    { files },
  )
})

const trunk = (name: string, host: string): string =>
  `  ${name}: { preset: generic, hosts: [${host}], health: false }\n`

t.test('trunks that are the same stay, others are made anew', async t => {
  await inWorld(
    configOf(`${lowAgent}trunks:\n${trunk('a', 'a.example')}${trunk('b', 'b.example')}`),
    async ({ reload, events }) => {
      await reload(
        configOf(
          `${lowAgent}trunks:\n${trunk('a', 'a.example')}${trunk('b', 'x.example')}${trunk('c', 'c.example')}`,
        ),
      )
      t.match(events.at(-1), { event: 'reloaded', trunks: ['b', 'c'] })
      await reload(configOf(`${lowAgent}trunks:\n${trunk('c', 'c.example')}`))
      t.match(events.at(-1), { event: 'reloaded', trunks: ['a', 'b'] })
    },
    { files },
  )
})

t.test('a drain refuses new calls at once, lets those under way end, and hangs up at the limit', async t => {
  await inWorld(
    configOf(`${lowAgent}drain: { limitMs: 10000 }`),
    async ({ lab, server, get, events, reload }) => {
      const [short, long, late] = [lab.caller(), lab.caller(), lab.caller()]
      await short.call(dialled)
      await long.call(dialled)
      await long.hears({ toneHz: 440 })
      const began = lab.clock.now()
      const drained = server.drain()
      t.equal(server.drain(1), drained, 'once')
      t.match(await get('/readyz'), {
        status: 503,
        body: '{"ready":false,"reasons":["it is being drained"]}\n',
      })
      t.equal((await get('/healthz')).status, 200)
      const phone = await late.endpoint()
      const error: unknown = await phone.call(dialled).catch((refused: unknown) => refused)
      t.match(error, { statusCode: 503 })
      t.equal((error as SipResponseError).response.headers.get('Retry-After'), '10')
      t.match((await get('/metrics')).body, 'offhook_calls_refused_total{reason="draining"} 1')
      await t.rejects(reload(configOf(lowAgent)), { code: 'SIP_STATE' })
      await short.hangup()
      await long.hears({ toneHz: 440 })
      await drained
      t.ok(
        lab.clock.now() - began >= 10_000 && lab.clock.now() - began < 12_500,
        `${lab.clock.now() - began} ms`,
      )
      t.match(await long.isHungUp(), { by: 'remote', cause: 'hangup' })
      t.match(
        events.filter(({ event }) => event !== 'call' && event !== 'ended').map(({ event }) => event),
        ['listening', 'draining', 'stopped'],
      )
      await t.rejects(get('/healthz'))
    },
    { files },
  )
})

t.test('a drain is over when the last call is', async t => {
  await inWorld(
    configOf(lowAgent),
    async ({ lab, server }) => {
      const caller = lab.caller()
      await caller.call(dialled)
      const drained = server.drain()
      await caller.waits(3_000)
      await caller.hangup()
      const before = lab.clock.now()
      await drained
      t.ok(lab.clock.now() - before < 1_000)
    },
    { files },
  )
})

t.test('calls are recorded and traced where that is asked for', async t => {
  await inWorld(
    configOf(
      `${lowAgent}recording: { folder: sound, format: pcmu, agents: [bot] }\ntraces: { folder: traces, records: true, maskDigits: true }`,
    ),
    async ({ lab, folder }) => {
      const caller = lab.caller()
      await caller.call(dialled)
      await caller.hears({ toneHz: 440 })
      await caller.press('5')
      await caller.hangup()
      await caller.waits(1_000)
      const [record] = readCalls(join(folder, 'traces', 'calls.jsonl'))
      t.match(record, { state: 'ended', personal: { digitsReceived: '*' } })
      t.same(record?.recordings, [join(folder, 'sound', `${record?.id}.wav`)])
      t.ok(existsSync(record?.recordings[0] ?? ''))
      t.same(
        readdirSync(join(folder, 'traces')).toSorted(),
        [`${record?.id}.json`, `${record?.id}.ladder.txt`, 'calls.jsonl'].toSorted(),
      )
      t.match(JSON.parse(readFileSync(join(folder, 'traces', `${record?.id}.json`), 'utf8')), {
        id: record?.id,
      })
    },
    { files },
  )
})

t.test('only the agents that are named are recorded', async t => {
  await inWorld(
    configOf(
      `agents: { bot: { module: ./low.mjs }, other: { builtIn: echo } }\nroutes: [{ to: { agent: bot } }]\nrecording: { folder: sound, agents: [other] }`,
    ),
    async ({ lab, folder }) => {
      const caller = lab.caller()
      await caller.call(dialled)
      await caller.hangup()
      t.same(readdirSync(join(folder, 'sound')), [])
    },
    { files },
  )
})

t.test('an engine that is down: its fall-back takes the call, and it is counted', async t => {
  await inWorld(
    configOf(`agents:
  bot: { url: 'ws://bot.lab/', dialect: twilio, fallback: tone }
  tone: { module: ./low.mjs }
routes: [{ to: { agent: bot } }]`),
    async ({ lab, get, events }) => {
      const caller = lab.caller()
      await caller.call(dialled)
      await caller.hears({ toneHz: 440 })
      await caller.hangup()
      await caller.waits(100)
      t.match((await get('/metrics')).body, 'offhook_engine_failures_total{engine="twilio"} 1')
      t.match(events.at(-1), { event: 'ended', engines: [{ engine: 'twilio', end: 'failed' }] })
    },
    { files, refuseBots: 503 },
  )
})
