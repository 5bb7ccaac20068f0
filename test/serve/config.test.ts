import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { loadConfig } from '../../src/serve/load.ts'
import { ConfigError, writeProblem } from '../../src/serve/problems.ts'
import type { ConfigProblem } from '../../src/serve/problems.ts'

const folder = mkdtempSync(join(tmpdir(), 'offhook-serve-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

let files = 0

function written(text: string, ending = 'yaml'): string {
  files += 1
  const file = join(folder, `c${files}.${ending}`)
  writeFileSync(file, text)
  return file
}

async function problemsOf(
  text: string,
  ending?: string,
  env: Readonly<Record<string, string>> = {},
): Promise<readonly ConfigProblem[]> {
  try {
    await loadConfig(written(text, ending), { env })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems
  }
}

/** What every configuration below begins with: six lines. */
const sound = `endpoint:
  listen: ['udp://127.0.0.1:5060']
  admit: everybody
agents:
  bot: { builtIn: echo }
routes: [{ to: { agent: bot } }]
`

/** Lines added to a sound configuration; where the problem is, its field, and what is said of it. */
const bad: readonly (readonly [
  what: string,
  text: string,
  line: number,
  column: number,
  field: string,
  message: RegExp,
])[] = [
  ['a section with a wrong name', `${sound}helth: { port: 1 }\n`, 7, 1, 'helth', /did you mean health\?/],
  [
    'a field with a wrong name',
    `${sound}health:\n  prot: 1\n  port: 1\n`,
    8,
    3,
    'health.prot',
    /did you mean port\?/,
  ],
  [
    'a field that is like no other',
    `${sound}drain:\n  zzzzzzz: 1\n`,
    8,
    3,
    'drain.zzzzzzz',
    /there are limitMs/,
  ],
  [
    'an interface for bots that nobody would use',
    `${sound}twilioRest: { port: 1, authToken: t }\n`,
    7,
    13,
    'twilioRest',
    /dialect: twilio/,
  ],
  [
    'an interface for bots whose trunk is not there',
    `${sound.replace('builtIn: echo', 'url: ws://bot.example/, dialect: twilio')}twilioRest:\n  port: 1\n  authToken: t\n  trunk: carier\n`,
    10,
    10,
    'twilioRest.trunk',
    /there is no trunk "carier"/,
  ],
  [
    'half a certificate of the interface for bots',
    `${sound.replace('builtIn: echo', 'url: ws://bot.example/, dialect: twilio')}twilioRest:\n  port: 1\n  authToken: t\n  tls: { key: none.pem }\n`,
    10,
    8,
    'twilioRest.tls',
    /both cert and key/,
  ],
  [
    'an account that is none',
    `${sound.replace('builtIn: echo', 'url: ws://bot.example/, dialect: twilio')}twilioRest:\n  port: 1\n  authToken: t\n  accountSid: a b\n`,
    10,
    15,
    'twilioRest.accountSid',
    /give AC/,
  ],
  [
    'a stream whose agent is not there',
    `${sound}streams:\n  port: 1\n  paths:\n    /a: { dialect: twilio, auth: { kind: none }, agent: bt }\n`,
    10,
    57,
    'streams.paths."/a".agent',
    /there is no agent "bt"; did you mean bot/,
  ],
  [
    'a stream whose secret is missing',
    `${sound}streams:\n  port: 1\n  paths:\n    /a: { dialect: twilio, auth: { kind: twilio } }\n`,
    10,
    28,
    'streams.paths."/a".auth.authToken',
    /missing|required|give/,
  ],
  [
    'a webhook of a carrier that asks nothing',
    `${sound}streams:\n  port: 1\n  paths:\n    /a: { dialect: infobip, auth: { kind: none }, webhook: /b }\n`,
    10,
    60,
    'streams.paths."/a".webhook',
    /asks nothing over HTTP/,
  ],
  [
    'an HTTP interface that a carrier has not',
    `${sound}streams:\n  port: 1\n  paths:\n    /a: { dialect: infobip, auth: { kind: none }, control: { apiKey: k } }\n`,
    10,
    60,
    'streams.paths."/a".control',
    /infobip has none/,
  ],
  [
    'a missing field',
    `${sound}health:\n  host: 127.0.0.1\n`,
    7,
    1,
    'health.port',
    /it is missing; give a number/,
  ],
  [
    'a text for a number',
    `${sound}health:\n  port: many\n`,
    8,
    9,
    'health.port',
    /it is a text; give a number/,
  ],
  ['a port beyond all', `${sound}health:\n  port: 70000\n`, 8, 9, 'health.port', /65535 at most/],
  [
    'a number that lost its plus',
    `${sound}trunks:\n  a:\n    preset: generic\n    hosts: [sbc.example]\n    caller: +15550100\n`,
    11,
    13,
    'trunks.a.caller',
    /put it into quotes/,
  ],
  [
    'an unknown preset',
    `${sound}trunks:\n  a:\n    preset: twillio\n`,
    9,
    13,
    'trunks.a.preset',
    /one of twilio, telnyx/,
  ],
  [
    'what only the carrier can say is missing',
    `${sound}trunks:\n  a:\n    preset: twilio\n    auth: address\n`,
    8,
    3,
    'trunks.a.account',
    /acme\.pstn\.twilio\.com/,
  ],
  [
    'a codec the carrier does not take',
    `${sound}trunks:\n  a:\n    preset: twilio\n    account: acme\n    codecs: [G722]\n`,
    11,
    13,
    'trunks.a.codecs',
    /does not take G722/,
  ],
  [
    'a choice of shapes, in the one that was meant',
    `${sound}trunks:\n  a:\n    preset: generic\n    hosts: [sbc.example]\n    cps:\n      limit: 5\n      exces: queue\n`,
    13,
    7,
    'trunks.a.cps.exces',
    /did you mean excess\?/,
  ],
  [
    'none of a choice of shapes',
    `${sound}trunks:\n  a:\n    preset: generic\n    hosts: [sbc.example]\n    cps: fast\n`,
    11,
    10,
    'trunks.a.cps',
    /give a number or fields of its own/,
  ],
  [
    'two trunks that ask for passwords',
    `${sound.replace('  admit: everybody\n', '')}trunks:\n  a: &a\n    preset: generic\n    hosts: [sbc.example]\n    inbound: { digest: { username: u, password: p, realm: r } }\n  b: *a\n`,
    10,
    24,
    'trunks.b.inbound.digest',
    /only one trunk/,
  ],
  [
    'a listen address that is none',
    sound.replace('udp://127.0.0.1:5060', 'udp:5060'),
    2,
    12,
    'endpoint.listen[0]',
    /udp:\/\/HOST:PORT/,
  ],
  [
    'TLS without a certificate',
    sound.replace('udp://127.0.0.1:5060', 'tls://127.0.0.1:5061'),
    1,
    1,
    'endpoint.tls',
    /needs cert and key/,
  ],
  [
    'a certificate that is not there',
    sound.replace('  admit', '  tls:\n    cert: none.pem\n  admit'),
    4,
    11,
    'endpoint.tls.cert',
    /cannot be read \(ENOENT\)/,
  ],
  [
    'a public address that is none',
    sound.replace('  admit', '  publicAddress: "a b"\n  admit'),
    3,
    18,
    'endpoint.publicAddress',
    /HOST:PORT/,
  ],
  [
    'a codec that is none',
    sound.replace('  admit', '  codecs: [PCMU, G729]\n  admit'),
    3,
    18,
    'endpoint.codecs[1]',
    /no codec "G729"/,
  ],
  [
    'ports the wrong way round',
    sound.replace('  admit', '  rtp: { minPort: 20, maxPort: 10 }\n  admit'),
    3,
    32,
    'endpoint.rtp.maxPort',
    /no even port/,
  ],
  [
    'nobody who may call',
    sound.replace('  admit: everybody\n', ''),
    1,
    1,
    'endpoint.admit',
    /nobody may call/,
  ],
  [
    'an address that is none',
    sound.replace('everybody', '[192.0.2.0/99]'),
    3,
    11,
    'endpoint.admit[0]',
    /192\.0\.2\.0\/99/,
  ],
  [
    'an agent of no kind',
    sound.replace('builtIn: echo', 'bultIn: echo'),
    5,
    8,
    'agents.bot',
    /did you mean builtIn\?/,
  ],
  [
    'a built-in agent that is none',
    sound.replace('echo', 'ecco'),
    5,
    19,
    'agents.bot.builtIn',
    /one of echo, menu/,
  ],
  [
    'an agent whose file is not there',
    sound.replace('builtIn: echo', 'module: ./none.js'),
    5,
    18,
    'agents.bot.module',
    /none\.js: it cannot be loaded/,
  ],
  [
    'a bot without its dialect',
    sound.replace('builtIn: echo', "url: 'wss://bot.example/'"),
    5,
    3,
    'agents.bot.dialect',
    /it is missing; give one of twilio/,
  ],
  [
    'a bot that is not reached by WebSocket',
    sound.replace('builtIn: echo', "url: 'https://bot.example/', dialect: twilio"),
    5,
    15,
    'agents.bot.url',
    /ws:\/\/ or wss:\/\//,
  ],
  [
    'a fall-back that is not there',
    sound.replace('builtIn: echo', "url: 'wss://bot.example/', dialect: twilio, fallback: bat"),
    5,
    64,
    'agents.bot.fallback',
    /no agent "bat"; did you mean bot\?/,
  ],
  [
    'a fall-back to itself',
    sound.replace('builtIn: echo', "url: 'wss://bot.example/', dialect: twilio, fallback: bot"),
    5,
    64,
    'agents.bot.fallback',
    /leads back/,
  ],
  [
    'what the dialect does not have',
    sound.replace('builtIn: echo', "url: 'wss://bot.example/', dialect: vonage, authToken: t"),
    5,
    65,
    'agents.bot.authToken',
    /vonage has none/,
  ],
  [
    'a model without its key',
    sound.replace('builtIn: echo', 'openai: { dialect: realtime, model: m }'),
    5,
    10,
    'agents.bot.openai.apiKey',
    /it is missing/,
  ],
  [
    'a model that goes on where nobody is',
    sound.replace('builtIn: echo', 'openai: { apiKey: k, dialect: live, model: m }, fallback: bat'),
    5,
    68,
    'agents.bot.fallback',
    /no agent "bat"/,
  ],
  [
    'recording of an agent that is not there',
    `${sound}recording:\n  folder: r\n  agents: [bat]\n`,
    9,
    12,
    'recording.agents[0]',
    /did you mean bot\?/,
  ],
  [
    'a route to nobody',
    sound.replace('{ agent: bot }', '{ agent: bat }'),
    6,
    25,
    'routes[0].to.agent',
    /no agent bat/,
  ],
  [
    'a route with a wrong name',
    sound.replace('{ to:', '{ math: { dialled: 1* }, to:'),
    6,
    12,
    'routes[0].math',
    /did you mean match\?/,
  ],
  [
    'a fall-back within a route with a wrong name',
    sound.replace(
      '{ agent: bot }',
      '{ agent: bot, fallback: { reject: { statusCode: 486, reasonPhrse: x } } }',
    ),
    6,
    69,
    'routes[0].to.fallback.reject.reasonPhrse',
    /did you mean reasonPhrase\?/,
  ],
  [
    'a status that refuses nothing',
    sound.replace('{ agent: bot }', '{ reject: { statusCode: 200 } }'),
    6,
    40,
    'routes[0].to.reject.statusCode',
    /400 to 699/,
  ],
  [
    'no routes and more than one agent',
    sound.replace(/routes.*/, '').replace('agents:', 'agents:\n  other: { builtIn: echo }'),
    1,
    1,
    'routes',
    /say who gets the calls/,
  ],
  [
    'a secret that is not set',
    `${sound}environment: "\${env:NOT_SET}"\n`,
    7,
    14,
    'environment',
    /NOT_SET is not set/,
  ],
  [
    'a secret that is empty',
    `${sound}environment: "\${env:EMPTY}"\n`,
    7,
    14,
    'environment',
    /EMPTY is empty/,
  ],
  [
    'a secret whose file is not there',
    `${sound}environment: "\${file:none}"\n`,
    7,
    14,
    'environment',
    /none cannot be read \(ENOENT\)/,
  ],
  [
    'a place secrets are not in',
    `${sound}environment: "\${vault:x}"\n`,
    7,
    14,
    'environment',
    /\$\{env:NAME\}/,
  ],
  ['what is no YAML', `${sound}drain: [1\nhealth: 1\n`, 8, 1, '', /cannot be read/],
  ['a name twice', `${sound}drain: {}\ndrain: {}\n`, 8, 1, '', /unique/],
]

t.test('each mistake is named by line, column and field, and nothing else is found fault with', async t => {
  for (const [what, text, line, column, field, message] of bad) {
    const problems = await problemsOf(text, 'yaml', { EMPTY: '' })
    t.equal(problems.length, 1, `${what}: ${problems.map(writeProblem).join('; ')}`)
    t.match(problems[0], { line, column, field, message }, what)
  }
  t.same(await problemsOf(sound), [], 'the sound one is sound')
})

t.test('all mistakes are told at once, in the order of the file, each in one line', async t => {
  const problems = await problemsOf(`${sound}health: { port: x }\nlimits: { calls: 0, colls: 1 }\ndrain: 7\n`)
  t.same(
    problems.map(({ line, field }) => [line, field]),
    [
      [7, 'health.port'],
      [8, 'limits.calls'],
      [8, 'limits.colls'],
      [9, 'drain'],
    ],
  )
  t.match(writeProblem(problems[0]!), /c\d+\.yaml:7:17: health\.port: it is a text; give a number$/)
})

t.test('JSON has lines and columns, too, and may be indented by tabs', async t => {
  const text =
    '{\n\t"endpoint": { "listen": ["udp://127.0.0.1:0"], "admit": "everybody" },\n\t"agents": { "a": { "builtIn": "ehco" } }\n}\n'
  t.match(await problemsOf(text, 'json'), [{ line: 3, column: 32, field: 'agents.a.builtIn' }])
  t.same(await problemsOf(text.replace('ehco', 'echo'), 'json'), [])
  t.match(await problemsOf('{ "endpoint": }', 'json'), [
    { line: 1, message: /cannot be read|missing|fields/ },
  ])
})

const config = (agent: string): string =>
  `export default async () => ({ endpoint: { listen: ['udp://127.0.0.1:0'], admit: 'everybody', srtp: undefined }, agents: { a: ${agent} } })`

t.test('a module says it by the field alone; it may be a function, and have agents in it', async t => {
  t.same(await problemsOf(config('{ module: { run: async () => {} } }'), 'mjs'), [])
  const [problem] = await problemsOf(config('{ module: 7 }'), 'mjs')
  t.match(problem, { field: 'agents.a.module', message: /give the path of a file/ })
  t.equal(problem?.line, undefined)
  t.match(await problemsOf('export default 7', 'mjs'), [{ message: /must export default/ }])
  t.match(await problemsOf('export default {', 'mjs'), [{ message: /cannot be loaded/ }])
})

t.test('a TypeScript file where Node.js reads none says what to do', async t => {
  const text =
    "const listen: string[] = ['udp://127.0.0.1:0']\nexport default { endpoint: { listen, admit: 'everybody' }, agents: { a: { builtIn: 'echo' } } }\n"
  const problems = await problemsOf(text, 'ts')
  if (process.features.typescript) t.same(problems, [])
  else t.match(problems, [{ message: /Node\.js 22\.18 or newer, or write it as \.js/ }])
})

t.test('a file that is not there, or of another kind', async t => {
  await t.rejects(loadConfig(join(folder, 'none.yaml')), { code: 'SIP_OPTION', message: /no such file/ })
  await t.rejects(loadConfig(join(folder, 'none.toml')), {
    code: 'SIP_OPTION',
    message: /must end in \.yaml/,
  })
})

t.test('whatever a file says, it is taken or found fault with: nothing else happens', async () => {
  const value = fc.letrec(tie => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<unknown>(
        null,
        true,
        0,
        5060,
        '',
        'udp://127.0.0.1:0',
        'everybody',
        '${env:X}',
        '${',
        'bot',
      ),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          'listen',
          'admit',
          'tls',
          'bot',
          'url',
          'builtIn',
          'to',
          'agent',
          'preset',
          'port',
          '__proto__',
        ),
        tie('any'),
        { maxKeys: 4 },
      ),
    ),
  })).any
  const config = fc.dictionary(
    fc.constantFrom(
      'endpoint',
      'trunks',
      'agents',
      'routes',
      'health',
      'limits',
      'recording',
      'traces',
      'drain',
      'x',
    ),
    value,
  )
  await fc.assert(
    fc.asyncProperty(config, async each => {
      for (const { field, message, line } of await problemsOf(JSON.stringify(each), 'json')) {
        if (message === '' || line === undefined) throw new Error(`${field}: ${message}`)
      }
    }),
    { numRuns: 300 },
  )
})
