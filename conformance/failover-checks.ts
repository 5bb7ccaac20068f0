/** SIPp as the servers of a domain, and a resolver with the records of that domain: which of them get the call. */

import { join } from 'node:path'
import { type Call, createEndpoint, createNodeRuntime, type Endpoint } from '../src/index.ts'
import { SimulatedResolver } from '../src/testing/simulated-resolver.ts'
import type { Check } from './check.ts'
import { freePort } from './peers/ports.ts'
import { startSipp } from './peers/sipp.ts'

type Transport = 'udp' | 'tcp'

interface FailoverScenario {
  readonly rfc: string
  readonly what: string
  /** What each server of `trunk.test` plays, best first; `refused`: nobody listens there. */
  readonly servers: readonly string[]
  /** Calls for each server, in the same order. */
  readonly calls: readonly number[]
  readonly run: (endpoint: Endpoint, uri: string) => Promise<void>
  readonly transports: readonly Transport[]
}

const scenarios: Readonly<Record<string, FailoverScenario>> = {
  'failover-503': {
    rfc: 'RFC 3263 4.3',
    what: '503 with Retry-After: the next server, for the next call at once',
    servers: ['callee-503', 'callee-basic'],
    calls: [1, 2],
    run: async (endpoint, uri) => {
      await talk(endpoint, uri)
      await talk(endpoint, uri)
    },
    transports: ['udp', 'tcp'],
  },
  'failover-refused': {
    rfc: 'RFC 3263 4.3',
    what: 'a refused connection: the next server',
    servers: ['refused', 'callee-basic'],
    calls: [0, 1],
    run: talk,
    transports: ['tcp'],
  },
  'failover-none-left': {
    rfc: 'RFC 3263 4.3',
    what: '503 from every server: the call fails with 503',
    servers: ['callee-503', 'callee-503'],
    calls: [1, 1],
    run: refused,
    transports: ['udp', 'tcp'],
  },
  'failover-no-double-dial': {
    rfc: 'RFC 3263 4.3',
    what: '100, then 503: no INVITE to another server',
    servers: ['callee-100-503', 'callee-503'],
    calls: [1, 0],
    run: refused,
    transports: ['udp', 'tcp'],
  },
}

export function failoverChecks(setting: {
  readonly scenarios: string
  readonly logs: string
}): readonly Check[] {
  return Object.entries(scenarios).flatMap(([name, scenario]) =>
    scenario.transports.map(transport => ({
      name: `${name}-${transport}`,
      rfc: scenario.rfc,
      what: scenario.what,
      how: `SIPp is called, ${transport.toUpperCase()}`,
      run: () => run(setting, `${name}-${transport}`, scenario, transport),
    })),
  )
}

async function run(
  setting: { readonly scenarios: string; readonly logs: string },
  name: string,
  { servers, calls, run: play }: FailoverScenario,
  transport: Transport,
): Promise<void> {
  const resolver = new SimulatedResolver()
  resolver.setAddresses('host.test', ['127.0.0.1'])
  const running: { readonly port: number; readonly passed: Promise<unknown> }[] = []
  const ports: number[] = []
  for (const [index, server] of servers.entries()) {
    const count = calls[index] ?? 0
    // A server that must not be called is a port whose connections would show: nobody is there to answer.
    if (server === 'refused' || count === 0) {
      ports.push(await freePort())
      continue
    }
    const sipp = await startSipp({
      scenario: { file: join(setting.scenarios, `${server}.xml`) },
      transport,
      calls: count,
      timeoutMs: 30_000,
      folder: join(setting.logs, `${name}-${index}`),
    })
    running.push(sipp)
    ports.push(sipp.port)
  }
  resolver.setSrv(
    `_sip._${transport}.trunk.test`,
    ports.map((port, priority) => ({ host: 'host.test', port, priority })),
  )
  const endpoint = await createEndpoint({
    listen: [`${transport}://127.0.0.1:0`],
    runtime: { ...createNodeRuntime(), resolver },
  })
  try {
    await play(endpoint, 'sip:sipp@trunk.test')
    await Promise.all(running.map(async ({ passed }) => passed))
  } finally {
    await endpoint.close()
  }
}

/** Calls, is answered, hangs up. */
async function talk(endpoint: Endpoint, uri: string): Promise<void> {
  const call: Call = await endpoint.call(uri)
  await call.sleep(500)
  await call.hangup()
}

async function refused(endpoint: Endpoint, uri: string): Promise<void> {
  const startedAt = Date.now()
  try {
    await endpoint.call(uri)
  } catch (error) {
    const { statusCode } = error as { readonly statusCode?: number }
    if (statusCode !== 503) throw error
    // Another server that is silent would have been waited for.
    if (Date.now() - startedAt > 5_000) throw new Error('the call was not refused at once', { cause: error })
    return
  }
  throw new Error('the call was answered')
}
