import { createEndpoint } from '../call/endpoint.ts'
import type { EndpointOptions } from '../call/options.ts'
import type { TrunkAuth, TrunkTransport } from '../call/trunks/carrier.ts'
import { carriers } from '../call/trunks/carriers.ts'
import type { CarrierName } from '../call/trunks/carriers.ts'
import { trunks } from '../call/trunks/options.ts'
import type { TrunkOptions, TrunkSettings } from '../call/trunks/options.ts'
import { OptionError } from '../runtime/errors.ts'
import { createNodeRuntime } from '../runtime/node.ts'
import { readArgs } from './args.ts'
import { endpointOptions, endpointOptionsConfig, giveUpMs, tlsHelp } from './endpoint-options.ts'
import { Reporter } from './reporter.ts'
import { checkTrunk } from './trunk-steps.ts'
import type { Step } from './trunk-steps.ts'

export const trunkHelp: string = `offhook trunk check NAME: finds out what is wrong with a trunk, and says how to mend it; status 0 only if nothing is
  NAME: ${Object.keys(carriers).join(', ')}

  --account NAME      what is ours in the carrier's host: acme of acme.pstn.twilio.com
  --edge NAME         an edge or region, several in the order to try them
  --host HOST[:PORT]  a host in place of the preset's
  --transport NAME    udp, tcp or tls
  --secure            TLS and SRTP
  --auth MODE         digest, register, address, token, certificate or none
  --user U            user name
  --password P        its password; better in the environment as OFFHOOK_PASSWORD, for ps shows arguments
  --token T           for --auth token; better in the environment as OFFHOOK_TOKEN
  --caller NUMBER     who calls
  --call NUMBER       also make a call there: it may cost money, and rings a phone
  --timeout SECONDS   how long to wait for each answer (default 5)
  --listen URL, --advertise HOST, --rtp MIN-MAX, --codecs LIST, --srtp MODE as for answer
${tlsHelp}
  --json              one JSON object a line`

const config = {
  ...endpointOptionsConfig,
  account: { type: 'string' },
  edge: { type: 'string', multiple: true },
  host: { type: 'string', multiple: true },
  transport: { type: 'string' },
  secure: { type: 'boolean', default: false },
  auth: { type: 'string' },
  user: { type: 'string' },
  password: { type: 'string' },
  token: { type: 'string' },
  caller: { type: 'string' },
  call: { type: 'string' },
  timeout: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

type Args = ReturnType<typeof readArgs>

/** Resolves to the exit status. */
export async function trunk(args: readonly string[]): Promise<number> {
  const options = readArgs(args, config, { allowPositionals: true })
  const [what, name, ...rest] = options.positionals
  if (what !== 'check') throw new OptionError('trunk', 'say what to do: offhook trunk check NAME')
  if (rest.length > 0) throw new OptionError('NAME', `one trunk at a time; what is "${rest.join(' ')}"?`)
  const plan = trunkOf(name, options, endpointOptions(options, 'udp://0.0.0.0:0'))
  const reporter = new Reporter({ json: options.flag('json') })
  // To listen by TLS takes a certificate; to call by it does not.
  const listening = plan.transport === 'udp' ? 'udp' : 'tcp'
  const { tls = {}, ...endpointPlan } = endpointOptions(options, `${listening}://0.0.0.0:0`)
  const seconds = options.number('timeout', 60) ?? 5
  const number = options.text('call')
  const runtime = createNodeRuntime()
  const endpoint = await createEndpoint({ ...endpointPlan, tls, runtime })
  try {
    const steps = await checkTrunk(
      plan,
      {
        runtime,
        endpoint,
        tls,
        timeoutMs: Math.max(seconds, 0.1) * 1_000,
        ...(number === undefined ? {} : { number }),
      },
      step => reporter.say({ event: 'step', trunk: plan.name, ...step }, describeStep(step)),
    )
    const bad = steps.filter(({ verdict }) => verdict === 'failed')
    const untold = steps.filter(({ verdict }) => verdict === 'unknown').length
    reporter.say(
      { event: 'checked', trunk: plan.name, ok: bad.length === 0, failed: bad.length, unknown: untold },
      bad.length > 0
        ? `${plan.name}: ${bad.length} of ${steps.length} failed`
        : `${plan.name}: nothing is wrong${untold === 0 ? '' : `, as far as can be told: ${untold} of ${steps.length} could not be`}`,
    )
    return bad.length === 0 ? 0 : 1
  } finally {
    await endpoint.close({ giveUpMs })
    reporter.end()
  }
}

/** `any       tls      ok       the server takes connections (31 ms)`, and how to mend it below. */
export function describeStep({ step, edge, verdict, found, advice, ms }: Step): string {
  const line = `${edge.padEnd(12)} ${step.padEnd(8)} ${verdict.padEnd(8)} ${found} (${ms} ms)`
  return advice === undefined ? line : `${line}\n${' '.repeat(31)}-> ${advice}`
}

/** @throws OptionError in the words of the command line */
function trunkOf(
  name: string | undefined,
  args: Args,
  { codecs, srtp }: Pick<EndpointOptions, 'codecs' | 'srtp'>,
): TrunkOptions {
  if (name === undefined || !Object.hasOwn(trunks, name))
    throw new OptionError('NAME', `give one of ${Object.keys(trunks).join(', ')}`)
  const username = args.text('user')
  const password = args.text('password') ?? process.env['OFFHOOK_PASSWORD']
  const token = args.text('token') ?? process.env['OFFHOOK_TOKEN']
  if (username !== undefined && password === undefined)
    throw new OptionError('--password', 'give it, better in the environment as OFFHOOK_PASSWORD')
  const hosts = args.texts('host')
  const edges = args.texts('edge')
  const account = args.text('account')
  const caller = args.text('caller')
  const transport = args.text('transport') as TrunkTransport | undefined
  const auth = args.text('auth') as TrunkAuth | undefined
  const settings: TrunkSettings = {
    ...(account === undefined ? {} : { account }),
    ...(hosts.length === 0 ? {} : { hosts }),
    ...(edges.length === 0 ? {} : { edges }),
    ...(transport === undefined ? {} : { transport }),
    ...(auth === undefined ? {} : { auth }),
    ...(username === undefined || password === undefined ? {} : { credentials: { username, password } }),
    ...(token === undefined ? {} : { token }),
    ...(caller === undefined ? {} : { caller }),
    ...(codecs === undefined ? {} : { codecs }),
    ...(srtp === undefined ? {} : { srtp }),
    secure: args.flag('secure'),
  }
  return trunks[name as CarrierName](settings)
}
