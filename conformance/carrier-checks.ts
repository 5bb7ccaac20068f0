/** A stand-in of each carrier on real sockets, found by SRV under the carrier's own name: a call each way, digits, a transfer, a refusal. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CarrierTrunk,
  type Endpoint,
  type EndpointOptions,
  type TrunkOptions,
  admitTrunk,
  carriers,
  createEndpoint,
  createNodeRuntime,
  createTrunk,
  type IncomingCall,
  TrunkCallError,
  trunkOf,
  trunks,
} from '../src/index.ts'
import { SimulatedResolver } from '../src/testing/simulated-resolver.ts'
import { settingsFor } from '../test/call/trunks/scene.ts'
import { CarrierStandIn } from '../test/call/trunks/stand-in.ts'
import { type StandIn, standIns } from '../test/call/trunks/stand-ins.ts'
import { repositoryRoot } from '../test/support/repository.ts'
import type { Check } from './check.ts'

const here = '127.0.0.1'

export function carrierChecks(): readonly Check[] {
  return standIns.map(data => ({
    name: `carrier-${data.carrier}`,
    rfc: 'RFC 3261 22, 3263',
    what: `a trunk of ${carriers[data.carrier].title}: calls both ways, who is let in, digits, transfers, refusals, its ids`,
    how: `a stand-in${quirksOf(data)}, ${carriers[data.carrier].transports[0]!.toUpperCase()}`,
    run: () => run(data),
  }))
}

function quirksOf({
  wire = [],
  plainDigest,
  ringsEveryMs,
  holds,
  pings,
  refersToItself,
  asksToRefer,
}: StandIn): string {
  const quirks = [
    ...wire.map(quirk => quirk.replaceAll('-', ' ')),
    ...(plainDigest === true ? ['digest without qop'] : []),
    ...(ringsEveryMs === undefined ? [] : ['rings again and again']),
    ...(holds === true ? ['puts on hold'] : []),
    ...(pings === true ? ['asks by OPTIONS'] : []),
    ...(refersToItself === true ? ['transfers to its own host only'] : []),
    ...(asksToRefer === true ? ['sends REFER'] : []),
  ]
  return quirks.length === 0 ? '' : ` (${quirks.join(', ')})`
}

/** Ours on one side, the carrier on the other. */
interface Scene {
  readonly data: StandIn
  readonly carrier: CarrierStandIn
  readonly us: Endpoint
  /** HOST:PORT of ours. */
  readonly our: string
  readonly options: TrunkOptions
  readonly trunk: CarrierTrunk
  /** The calls to us. */
  readonly served: readonly IncomingCall[]
  readonly common: EndpointOptions
}

async function run(data: StandIn): Promise<void> {
  const certificates = join(repositoryRoot, 'test', 'certificates')
  const pem = (name: string): string => readFileSync(join(certificates, name), 'utf8')
  const tls = { cert: pem('localhost.pem'), key: pem('localhost.key'), ca: pem('authority.pem') }
  const resolver = new SimulatedResolver()
  const common = {
    listen: [`udp://${here}:0`, `tcp://${here}:0`, `tls://${here}:0`],
    // The stand-in has a certificate of its own name, not of the carrier's.
    tls: { ...tls, servername: 'localhost' },
    runtime: { ...createNodeRuntime(), resolver },
  }
  const options = trunks[data.carrier]({ ...settingsFor(data), sources: [here] })
  const { host } = options.edges[0]!
  const carrier = await CarrierStandIn.open({
    data,
    host,
    ourAddress: here,
    endpoint: common,
    // A busy machine holds calls up on their way; the unit tests have the whole second.
    cpsWindowMs: 500,
  })
  const us = await createEndpoint({ ...common, admission: admitTrunk(options) })
  resolver.setAddresses('stand-in.test', [here])
  for (const [transport, service] of [
    ['udp', '_sip._udp'],
    ['tcp', '_sip._tcp'],
    ['tls', '_sips._tcp'],
  ] as const) {
    const port = portOf(carrier.endpoint.listening, transport)
    resolver.setSrv(`${service}.${host}`, [{ host: 'stand-in.test', port }])
  }
  const served: IncomingCall[] = []
  void us.serve(async call => {
    served.push(call)
    call.on('transfer', request => void request.accept().catch(() => {}))
    await call.answer()
    await call.ended
  })
  const our = `${here}:${portOf(us.listening, 'udp')}`
  const trunk = createTrunk(us, options)
  const scene = { data, carrier, us, our, options, trunk, served, common }
  try {
    await trunk.registration?.ready
    await outbound(scene)
    await refusals(scene)
    await inbound(scene)
    await unknownIsRefused(scene)
  } finally {
    await trunk.close()
    await Promise.all([us.close(), carrier.endpoint.close()])
  }
}

/** A call by the trunk: digits both ways, its hold, our transfer. */
async function outbound({ data, carrier, trunk, our }: Scene): Promise<void> {
  const call = await trunk.call('+15550100')
  const heard: string[] = []
  void (async () => {
    for await (const { digit } of call.dtmf()) heard.push(digit)
  })()
  await call.sendDtmf('15')
  const theirs = carrier.calls[0]!
  await theirs.sendDtmf('9')
  for (let waited = 0; waited < 3_000 && (carrier.digits.length < 2 || heard.length < 1); waited += 50)
    await call.sleep(50)
  expect(`${carrier.digits.join('')} ${heard.join('')}`, '15 9', 'the digits')
  if (data.holds === true) {
    const seen: string[] = []
    call.on('hold', (by, active) => seen.push(`${by} ${active}`))
    await theirs.hold()
    await call.sleep(100)
    await theirs.resume()
    await call.sleep(100)
    expect(seen.join(', '), 'remote true, remote false', 'its hold')
  }
  const desk = `sip:desk@${our}`
  if (data.refersToItself === true) {
    expect((await call.transfer(desk)).statusCode, 403, 'the status of a REFER to elsewhere')
    carrier.desk = desk
  }
  const result = await call.transfer(data.refersToItself === true ? trunk.target('+15550101') : desk)
  if (data.refer === 'takes') {
    expect(result.outcome, 'transferred', 'the transfer')
    return
  }
  expect(result.statusCode, data.refer.statusCode, 'the status of the REFER')
  expect(call.state, 'confirmed', 'the call whose REFER was refused')
  await call.hangup()
}

/** What it refuses calls with is read, its own codes too. */
async function refusals({ data, trunk }: Scene): Promise<void> {
  for (const { statusCode, code } of data.failures) {
    const error = await trunk.call(`+1555010${statusCode}`).catch((caught: unknown) => caught)
    if (!(error instanceof TrunkCallError)) throw new Error(`a number that gets ${statusCode} was called`)
    expect(error.statusCode, statusCode, 'the status of the refusal')
    expect(error.failure?.code, code, `the carrier's code beside ${statusCode}`)
  }
}

/** A call of its own: by whom, its headers, its transfer, its OPTIONS. */
async function inbound({ data, carrier, served, our }: Scene): Promise<void> {
  const before = served.length
  const target = carrier.registered ?? `sip:+15550199@${our}`
  if (data.pings === true)
    expect((await carrier.endpoint.request('OPTIONS', `sip:${our}`)).statusCode, 200, 'our answer to OPTIONS')
  const incoming = await carrier.endpoint.call(target, { headers: data.headers })
  const taken = served[before]
  if (taken === undefined) throw new Error('the call of the carrier did not arrive')
  expect(trunkOf(taken), data.carrier, 'the trunk of its call')
  for (const [name, value] of data.headers) expect(taken.headers.get(name), value, name)
  if (data.asksToRefer === true) {
    const desk = `sip:+15550100@${here}:${portOf(carrier.endpoint.listening, 'udp')}`
    const result = await incoming.transfer(desk)
    expect(result.cause, 'notified', 'what the carrier learns of its transfer')
  }
  await incoming.hangup()
}

/** Whoever has another password, or another address, gets no call through. */
async function unknownIsRefused({ data, options, us, common }: Scene): Promise<void> {
  const { challenge, sources } = data
  if (challenge === undefined && sources === undefined) return
  const elsewhere = { ...common, listen: ['udp://127.0.0.2:0', 'tcp://127.0.0.2:0', 'tls://127.0.0.2:0'] }
  const other = sources === undefined ? us : await createEndpoint(elsewhere)
  const wrong = { ...options, auth: 'digest' as const, credentials: { username: 'acme', password: 'wrong' } }
  const stranger = createTrunk(other, sources === undefined ? wrong : options)
  try {
    const error = await stranger
      .call('+15550100', { ringTimeoutMs: 1_500 })
      .catch((caught: unknown) => caught)
    if (!(error instanceof TrunkCallError)) throw new Error('somebody unknown got a call through')
    expect(error.statusCode, sources === 'silence' ? undefined : 403, 'what somebody unknown gets')
  } finally {
    await stranger.close()
    if (other !== us) await other.close({ giveUpMs: 300 })
  }
}

function portOf(listening: readonly string[], transport: string): number {
  const port = listening
    .find(url => url.startsWith(`${transport}:`))
    ?.split(':')
    .at(-1)
  return Number(port)
}

function expect(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)} in place of ${String(expected)}`)
}
