import { Endpoint } from '../../../src/call/endpoint.ts'
import type { EndpointOptions } from '../../../src/call/options.ts'
import { trunks } from '../../../src/call/trunks/options.ts'
import type { TrunkOptions, TrunkSettings } from '../../../src/call/trunks/options.ts'
import { carriers } from '../../../src/call/trunks/carriers.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab } from '../../../src/testing/lab.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { createSimulatedRuntime } from '../../../src/testing/simulated-network.ts'
import { CarrierStandIn, password, username } from './stand-in.ts'
import type { StandIn } from './stand-ins.ts'

export const ourAddress = '10.2.0.1'

/** Ours and the carrier's side on one simulated network. */
export interface Scene {
  readonly lab: Lab
  readonly us: Endpoint
  readonly carrier: CarrierStandIn
  readonly options: TrunkOptions
}

/** How a trunk to that stand-in is set up, by who read the page of its carrier. */
export function settingsFor({ carrier, sources }: StandIn): TrunkSettings {
  const { account, edges, fixedUser } = carriers[carrier]
  const noHost = Object.keys(edges).length === 0
  return {
    caller: '+15550199',
    ...(account === undefined ? {} : { account: fixedUser === undefined ? 'acme' : 'proj_acme' }),
    ...(noHost ? { hosts: [`${carrier}.example`] } : {}),
    ...(sources === undefined && fixedUser === undefined ? { credentials: { username, password } } : {}),
    health: false,
  }
}

/** An endpoint on a host of its own, whose certificate names it. */
export function endpointOn(lab: Lab, address: string, name: string): EndpointOptions {
  const host = lab.network.host(address)
  host.certificate = { dnsNames: [name] }
  lab.resolver.setAddresses(name, [address])
  const seed = Buffer.from(address).reduce((sum, octet) => (sum * 31 + octet) >>> 0, 7)
  return {
    listen: [`udp://${address}:5060`, `tcp://${address}:5060`, `tls://${address}:5061`],
    tls: { cert: 'simulated', key: 'simulated' },
    rtp: { timeoutMs: 0 },
    runtime: createSimulatedRuntime({
      clock: lab.clock,
      network: host,
      random: seededRandom(seed),
      resolver: lab.resolver,
    }),
  }
}

export async function scene(
  data: StandIn,
  script: (scene: Scene) => Promise<void>,
  more: { readonly settings?: TrunkSettings; readonly us?: (options: TrunkOptions) => EndpointOptions } = {},
): Promise<void> {
  const lab = createLab({ network: { delayMs: 10 } })
  const options = trunks[data.carrier]({ ...settingsFor(data), ...more.settings })
  const { host } = options.edges[0]!
  const carrier = await CarrierStandIn.open({
    data,
    host,
    ourAddress,
    endpoint: endpointOn(lab, '10.1.0.1', host),
  })
  const us = new Endpoint({ ...endpointOn(lab, ourAddress, 'us.example'), ...more.us?.(options) })
  await us.open()
  await lab.run(async () => {
    try {
      await script({ lab, us, carrier, options })
    } finally {
      await Promise.all([us.close(), carrier.endpoint.close()])
    }
  })
}
