/** A stand-in of each carrier on real sockets, found by SRV under the carrier's own name: a call each way, digits, a transfer, a refusal. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
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
    what: `a trunk of ${carriers[data.carrier].title}: calls both ways, digits, a transfer, a refusal, its ids`,
    how: `a stand-in, ${carriers[data.carrier].transports[0]!.toUpperCase()}`,
    run: () => run(data),
  }))
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
  const carrier = await CarrierStandIn.open({ data, host, ourAddress: here, endpoint: common })
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
    await call.answer()
    await call.ended
  })
  const our = `${here}:${portOf(us.listening, 'udp')}`
  const trunk = createTrunk(us, options)
  try {
    await trunk.registration?.ready
    const call = await trunk.call('+15550100')
    const heard: string[] = []
    void (async () => {
      for await (const { digit } of call.dtmf()) heard.push(digit)
    })()
    await call.sendDtmf('15')
    await carrier.calls[0]!.sendDtmf('9')
    for (let waited = 0; waited < 3_000 && (carrier.digits.length < 2 || heard.length < 1); waited += 50)
      await call.sleep(50)
    expect(`${carrier.digits.join('')} ${heard.join('')}`, '15 9', 'the digits')
    const result = await call.transfer(`sip:desk@${our}`)
    if (data.refer === 'takes') expect(result.outcome, 'transferred', 'the transfer')
    else {
      expect(result.statusCode, data.refer.statusCode, 'the status of the REFER')
      await call.hangup()
    }
    const [failure] = data.failures
    if (failure !== undefined) {
      const error = await trunk.call(`+1555010${failure.statusCode}`).catch((caught: unknown) => caught)
      if (!(error instanceof TrunkCallError)) throw new Error('a call to a busy number was not refused')
      expect(error.statusCode, failure.statusCode, 'the status of the refusal')
    }
    const before = served.length
    const incoming = await carrier.endpoint.call(`sip:+15550199@${our}`, { headers: data.headers })
    const taken = served[before]
    if (taken === undefined) throw new Error('the call of the carrier did not arrive')
    expect(trunkOf(taken), data.carrier, 'the trunk of its call')
    for (const [name, value] of data.headers) expect(taken.headers.get(name), value, name)
    await incoming.hangup()
  } finally {
    await trunk.close()
    await Promise.all([us.close(), carrier.endpoint.close()])
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
