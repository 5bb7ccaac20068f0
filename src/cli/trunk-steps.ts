/** What `offhook trunk check` looks at, one thing after the other, and what it says about each. */
import type { Endpoint } from '../call/endpoint.ts'
import { adviceFor } from '../call/trunks/advice.ts'
import { createTrunk } from '../call/trunks/carrier-trunk.ts'
import { isSick, TrunkCallError } from '../call/trunks/failures.ts'
import type { TrunkEdge, TrunkOptions } from '../call/trunks/options.ts'
import type { Clock, Runtime } from '../runtime/runtime.ts'
import { SipAuthError } from '../sip/auth/client.ts'
import { parseUri } from '../sip/message/uri.ts'
import { serverFault } from '../sip/transport/certificates.ts'
import { destinationOf } from '../sip/transport/locate.ts'
import type { Target } from '../sip/transport/locate.ts'
import { writeTarget } from '../sip/transport/locating/left-server.ts'
import { Locator } from '../sip/transport/locating/locator.ts'
import { connectStream } from '../sip/transport/streams.ts'
import type { TransportTlsOptions } from '../sip/transport/streams.ts'

export type StepName = 'resolve' | 'connect' | 'tls' | 'options' | 'auth' | 'call'

/** `unknown`: it cannot be told this way. */
export interface Step {
  readonly step: StepName
  readonly edge: string
  readonly verdict: 'ok' | 'failed' | 'unknown'
  /** What was found. */
  readonly found: string
  /** How to mend it. */
  readonly advice?: string
  readonly ms: number
}

export interface CheckSetting {
  readonly runtime: Runtime
  readonly endpoint: Endpoint
  readonly tls: TransportTlsOptions
  /** For each single thing, milliseconds. */
  readonly timeoutMs: number
  /** Called when all else is well. */
  readonly number?: string
}

type Finding = Pick<Step, 'verdict' | 'found' | 'advice'>

/** Looks at every edge; an edge that fails at one thing is left. */
export async function checkTrunk(
  options: TrunkOptions,
  setting: CheckSetting,
  onStep: (step: Step) => void,
): Promise<readonly Step[]> {
  const steps: Step[] = []
  const { clock } = setting.runtime
  for (const edge of options.edges) {
    const run = async (name: StepName, look: () => Promise<Finding>): Promise<boolean> => {
      const startedAt = clock.now()
      const finding = await look().catch((error: unknown): Finding => failed(messageOf(error)))
      const step = { step: name, edge: edge.name, ...finding, ms: Math.round(clock.now() - startedAt) }
      steps.push(step)
      onStep(step)
      return step.verdict !== 'failed'
    }
    let targets: readonly Target[] = []
    const found = await run('resolve', async () => {
      targets = await locate(options, edge, setting.runtime)
      return ok(`${edge.host} is ${targets.map(writeTarget).join(', ')}`)
    })
    if (!found) continue
    if (options.transport !== 'udp') {
      const name = options.transport === 'tls' ? 'tls' : 'connect'
      if (!(await run(name, () => connect(targets, setting)))) continue
    }
    let challenged = false
    const asked = await run('options', async () => {
      const finding = await ask(edge, options, setting)
      challenged = finding.challenged
      return finding.finding
    })
    if (!asked) continue
    if (!(await run('auth', () => authenticate(edge, options, setting, challenged)))) continue
    const { number } = setting
    if (number !== undefined) await run('call', () => place(edge, options, setting, number))
  }
  return steps
}

function ok(found: string): Finding {
  return { verdict: 'ok', found }
}

function failed(found: string, advice?: string): Finding {
  return { verdict: 'failed', found, ...(advice === undefined ? {} : { advice }) }
}

async function locate(
  { transport }: TrunkOptions,
  { uri }: TrunkEdge,
  { resolver, clock, random }: Runtime,
): Promise<readonly Target[]> {
  const locator = new Locator({
    resolver,
    clock,
    random,
    offers: name => name === transport,
    reaches: () => true,
  })
  return locator.locate(destinationOf(parseUri(uri)))
}

/** The first of the servers that takes a connection; all that failed are told of. */
async function connect(
  targets: readonly Target[],
  { runtime, tls, timeoutMs }: CheckSetting,
): Promise<Finding> {
  const faults: string[] = []
  let certificate = false
  let reached = 0
  for (const target of targets) {
    const abort = new AbortController()
    const timer = runtime.clock.setTimer(runtime.clock.now() + timeoutMs, () => abort.abort())
    try {
      const connection = await connectStream(runtime.network, target, tls, abort.signal)
      const fault =
        target.transport === 'tls' && tls.verify !== false
          ? serverFault(connection.peer, tls.servername ?? target.host)
          : undefined
      connection.destroy()
      if (fault === undefined) reached += 1
      else {
        certificate = true
        faults.push(`${writeTarget(target)}: ${fault}`)
      }
    } catch (error) {
      const said = abort.signal.aborted ? `no connection within ${timeoutMs} ms` : messageOf(error)
      if (/certificate|self.signed|issuer|altname/i.test(said)) certificate = true
      faults.push(`${writeTarget(target)}: ${said}`)
    } finally {
      timer.cancel()
    }
  }
  if (faults.length === 0)
    return ok(`${reached === 1 ? 'the server takes' : `${reached} servers take`} connections`)
  const advice = certificate
    ? 'check the host; give --tls-ca for an authority of your own, --tls-servername for another name'
    : 'check port and transport, and that a firewall lets TCP out to it'
  // One that works will do for calls.
  return reached > 0
    ? {
        verdict: 'ok',
        found: `${reached} of ${targets.length} servers take connections; ${faults.join('; ')}`,
      }
    : failed(faults.join('; '), advice)
}

async function ask(
  edge: TrunkEdge,
  options: TrunkOptions,
  { endpoint, runtime, timeoutMs }: CheckSetting,
): Promise<{ readonly finding: Finding; readonly challenged: boolean }> {
  const from = createFrom(edge, options)
  const status = await within(runtime.clock, timeoutMs, endpoint.request('OPTIONS', edge.uri, { from }))
  if (status === undefined) {
    const silence = `no answer to OPTIONS within ${timeoutMs} ms`
    if (!options.carrier.options)
      return {
        finding: { verdict: 'unknown', found: `${silence}; it is not known to answer any` },
        challenged: false,
      }
    const advice =
      options.transport === 'udp'
        ? 'check host and port, that UDP comes back through NAT and firewall, and that our address is entered at the carrier: many say nothing to strangers'
        : 'check that our address is entered at the carrier: many say nothing to strangers'
    return { finding: failed(silence, advice), challenged: false }
  }
  const { statusCode, reasonPhrase } = status
  const said = `OPTIONS was answered ${statusCode} ${reasonPhrase}`.trimEnd()
  const challenged = statusCode === 401 || statusCode === 407
  if (isSick(statusCode)) return { finding: failed(said, adviceFor(statusCode)), challenged }
  return { finding: ok(challenged ? `${said}: it asks for a password` : said), challenged }
}

async function authenticate(
  edge: TrunkEdge,
  options: TrunkOptions,
  { endpoint, runtime, timeoutMs, number }: CheckSetting,
  challenged: boolean,
): Promise<Finding> {
  const { auth, credentials, carrier } = options
  const byCall = number === undefined ? 'a call proves it: add --call NUMBER' : 'the call proves it'
  if (auth === 'register') {
    const trunk = createTrunk(endpoint, { ...options, edges: [edge], health: undefined })
    try {
      const ready = trunk.registration?.ready.then(() => 'registered' as const)
      const state = ready === undefined ? undefined : await within(runtime.clock, timeoutMs, ready)
      if (state !== undefined) return ok('registered')
      return failed(
        `not registered within ${timeoutMs} ms${trunk.stats().edges[0]?.reason === undefined ? '' : `: ${trunk.stats().edges[0]?.reason}`}`,
        'check user name and password, and that the trunk is one that registers',
      )
    } catch (error) {
      return refusedPassword(error)
    } finally {
      await within(runtime.clock, timeoutMs, trunk.close())
    }
  }
  if (auth !== 'digest' || credentials === undefined) {
    return { verdict: 'unknown', found: `${carrier.title} knows us by ${auth}; ${byCall}` }
  }
  if (!challenged) return { verdict: 'unknown', found: `OPTIONS was answered without a password; ${byCall}` }
  try {
    const trunk = { aor: createFrom(edge, options), credentials }
    const response = await within(runtime.clock, timeoutMs, endpoint.request('OPTIONS', edge.uri, { trunk }))
    if (response === undefined) return failed(`no answer to the password within ${timeoutMs} ms`)
    const { statusCode, reasonPhrase } = response
    if (statusCode === 401 || statusCode === 403 || statusCode === 407)
      return failed(`the password was answered ${statusCode} ${reasonPhrase}`, adviceFor(statusCode))
    return ok('user name and password are right')
  } catch (error) {
    return refusedPassword(error)
  }
}

function refusedPassword(error: unknown): Finding {
  const status = error instanceof SipAuthError ? error.statusCode : 403
  return failed(messageOf(error), adviceFor(status))
}

async function place(
  edge: TrunkEdge,
  options: TrunkOptions,
  { endpoint }: CheckSetting,
  number: string,
): Promise<Finding> {
  const trunk = createTrunk(endpoint, { ...options, edges: [edge], health: undefined })
  try {
    const call = await trunk.call(number, { ringTimeoutMs: 60_000 })
    await call.sleep(1_500)
    const { codec, encryption } = call.media
    const { packetsReceived } = call.media.stats()
    await call.hangup()
    const what = `answered; ${codec.name}${encryption === undefined ? '' : `, ${encryption}`}, ${packetsReceived} packets of sound in 1.5 s`
    return packetsReceived > 0
      ? ok(what)
      : failed(
          `${what}: nothing is heard`,
          'give --advertise with our public address, and let UDP in to the ports of --rtp',
        )
  } catch (error) {
    return failed(
      error instanceof TrunkCallError ? (error.left.at(-1)?.reason ?? error.message) : messageOf(error),
    )
  } finally {
    await trunk.close()
  }
}

function createFrom({ host }: TrunkEdge, { credentials, account }: TrunkOptions): string {
  const user =
    credentials !== undefined && typeof credentials !== 'function'
      ? credentials.username
      : (account ?? 'offhook')
  return `sip:${encodeURIComponent(user)}@${host}`
}

/** What it gives, or undefined when that takes too long. */
async function within<Value>(clock: Clock, ms: number, work: Promise<Value>): Promise<Value | undefined> {
  let stop: (() => void) | undefined
  const late = new Promise<undefined>(resolve => {
    const timer = clock.setTimer(clock.now() + ms, () => resolve(undefined))
    stop = () => timer.cancel()
  })
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    stop?.()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
