import t from 'tap'
import { Endpoint } from '../../src/call/endpoint.ts'
import { trunks } from '../../src/call/trunks/options.ts'
import type { TrunkOptions, TrunkSettings } from '../../src/call/trunks/options.ts'
import { describeStep, trunk } from '../../src/cli/trunk-check.ts'
import { checkTrunk } from '../../src/cli/trunk-steps.ts'
import type { Step } from '../../src/cli/trunk-steps.ts'
import { createLab } from '../../src/testing/lab.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { createSimulatedRuntime } from '../../src/testing/simulated-network.ts'
import { admitDigest } from '../../src/sip/auth/server-digest.ts'
import { endpointOn, ourAddress } from '../call/trunks/scene.ts'
import { CarrierStandIn, password, username } from '../call/trunks/stand-in.ts'
import { standIns } from '../call/trunks/stand-ins.ts'
import type { StandIn } from '../call/trunks/stand-ins.ts'

const data: StandIn = { ...standIns.find(({ carrier }) => carrier === 'asterisk')!, challenge: 401 }
const credentials = { username, password }

interface Setting {
  readonly settings?: TrunkSettings
  /** The name in the certificate of the server. */
  readonly certificate?: string
  readonly challengeOptions?: boolean
  readonly number?: string
}

async function check({
  settings,
  certificate,
  challengeOptions = false,
  number,
}: Setting): Promise<readonly Step[]> {
  const lab = createLab({ network: { delayMs: 10 } })
  const plan: TrunkOptions = trunks.asterisk({ hosts: ['pbx.example'], ...settings })
  const theirs = endpointOn(lab, '10.1.0.1', 'pbx.example')
  if (certificate !== undefined) lab.network.host('10.1.0.1').certificate = { dnsNames: [certificate] }
  const carrier = await CarrierStandIn.open({ data, host: 'pbx.example', ourAddress, endpoint: theirs })
  const guarded = new Endpoint({
    ...endpointOn(lab, '10.1.0.2', 'guarded.example'),
    admission: admitDigest({
      realm: 'pbx',
      algorithms: ['MD5'],
      secretOf: user => (user === username ? { password } : undefined),
    }),
  })
  await guarded.open()
  const ours = endpointOn(lab, ourAddress, 'us.example')
  const endpoint = new Endpoint(ours)
  await endpoint.open()
  lab.resolver.setAddresses('silent.example', ['10.1.0.99'])
  const runtime = createSimulatedRuntime({
    clock: lab.clock,
    network: lab.network.host('10.2.0.2'),
    random: seededRandom(3),
    resolver: lab.resolver,
  })
  const used = challengeOptions ? trunks.asterisk({ hosts: ['guarded.example'], ...settings }) : plan
  let steps: readonly Step[] = []
  await lab.run(async () => {
    const told: Step[] = []
    steps = await checkTrunk(
      used,
      { runtime, endpoint, tls: {}, timeoutMs: 5_000, ...(number === undefined ? {} : { number }) },
      step => told.push(step),
    )
    t.same(told, steps)
    await Promise.all([endpoint.close(), guarded.close(), carrier.endpoint.close()])
  })
  return steps
}

function verdicts(steps: readonly Step[]): readonly string[] {
  return steps.map(({ step, verdict }) => `${step} ${verdict}`)
}

t.test('a trunk that works, step by step, and by a call', async t => {
  const steps = await check({ settings: { credentials, transport: 'tcp' }, number: '100' })
  t.same(verdicts(steps), ['resolve ok', 'connect ok', 'options ok', 'auth unknown', 'call ok'])
  t.match(steps[0], { found: 'pbx.example is tcp 10.1.0.1:5060 (pbx.example)' })
  t.match(steps[3], { found: /the call proves it/ })
  t.match(steps[4], { found: /answered; PCMU, 7\d packets of sound/ })
  const proved = await check({ settings: { credentials }, challengeOptions: true })
  t.same(verdicts(proved), ['resolve ok', 'options ok', 'auth ok'])
  const registered = await check({ settings: { credentials, auth: 'register' } })
  t.same(verdicts(registered), ['resolve ok', 'options ok', 'auth ok'])
  t.match(registered[2], { found: 'registered' })
})

t.test('what is wrong, and how to mend it', async t => {
  const rows: readonly (readonly [Setting, string, RegExp, RegExp])[] = [
    [
      { settings: { hosts: ['nowhere.example'] } },
      'resolve',
      /no address found for nowhere\.example: check the name/,
      /^$/,
    ],
    [
      { settings: { hosts: ['silent.example'] } },
      'options',
      /no answer to OPTIONS within 5000 ms/,
      /NAT and firewall/,
    ],
    [
      { settings: { hosts: ['pbx.example:5099'], transport: 'tcp' } },
      'connect',
      /5099 .*refused/i,
      /port and transport/,
    ],
    [{ settings: { secure: true }, certificate: 'else.example' }, 'tls', /else\.example/, /--tls-servername/],
    [
      { settings: { credentials: { username, password: 'wrong' } }, challengeOptions: true },
      'auth',
      /answered 403/,
      /user name and password/,
    ],
    [
      { settings: { credentials: { username, password: 'wrong' }, auth: 'register' } },
      'auth',
      /403/,
      /user name and password/,
    ],
  ]
  for (const [setting, name, found, advice] of rows) {
    const last = (await check(setting)).at(-1)!
    t.match(last, { step: name, verdict: 'failed', found }, `${name}: ${last.found}`)
    t.match(last.advice ?? '', advice, last.advice ?? name)
  }
  t.same(verdicts(await check({ settings: { secure: true } })), [
    'resolve ok',
    'tls ok',
    'options ok',
    'auth unknown',
  ])
})

t.test('each edge is looked at, whatever became of the one before', async t => {
  const steps = await check({ settings: { hosts: ['nowhere.example', 'pbx.example'] } })
  t.same(
    steps.map(({ edge, verdict }) => `${edge} ${verdict}`),
    ['nowhere.example failed', 'pbx.example ok', 'pbx.example ok', 'pbx.example unknown'],
  )
})

t.test('in words', async t => {
  t.equal(
    describeStep({
      step: 'tls',
      edge: 'any',
      verdict: 'failed',
      found: 'it names x',
      advice: 'check y',
      ms: 12,
    }),
    'any          tls      failed   it names x (12 ms)\n                               -> check y',
  )
  await t.rejects(trunk([]), { message: /offhook trunk check NAME/ })
  await t.rejects(trunk(['check', 'nobody']), { message: /^NAME: give one of twilio, telnyx/ })
  await t.rejects(trunk(['check', 'twilio']), { message: /^account: give the name of the trunk/ })
  await t.rejects(trunk(['check', 'twilio', '--account', 'a', '--transport', 'smoke']), {
    message: /^transport: /,
  })
})
