/** SIPp calls SIPp by way of our proxy: 500 calls, CANCEL, forking. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Check } from './check.ts'
import { OffhookProcess } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'
import { startSipp } from './peers/sipp.ts'

type Transport = 'udp' | 'tcp'

interface ProxyScenario {
  readonly rfc: string
  readonly what: string
  readonly caller: string
  /** How the proxy rings the callees: see `proxy.ts`. */
  readonly ring: 'to' | 'all' | 'each'
  readonly callees: readonly string[]
  readonly calls?: number
  readonly perSecond?: number
}

const scenarios: Readonly<Record<string, ProxyScenario>> = {
  'proxy-load': {
    rfc: 'RFC 3261 16',
    what: '500 calls at 50 a second by way of the proxy',
    caller: 'proxy-caller',
    ring: 'to',
    callees: ['proxy-callee'],
    calls: 500,
    perSecond: 50,
  },
  'proxy-cancel': {
    rfc: 'RFC 3261 16.10',
    what: 'CANCEL goes through, 487 comes back',
    caller: 'proxy-caller-cancels',
    ring: 'to',
    callees: ['proxy-callee-cancelled'],
  },
  'proxy-fork': {
    rfc: 'RFC 3261 16.7 10',
    what: 'two ring together, one answers, the other is cancelled',
    caller: 'proxy-caller',
    ring: 'all',
    callees: ['proxy-callee-cancelled', 'proxy-callee'],
  },
  'proxy-next': {
    rfc: 'RFC 3261 16.7',
    what: 'busy, no answer in time, answered: one after another',
    caller: 'proxy-caller',
    ring: 'each',
    callees: ['proxy-callee-busy', 'proxy-callee-cancelled', 'proxy-callee'],
  },
}

export function proxyChecks(setting: {
  readonly scenarios: string
  readonly logs: string
}): readonly Check[] {
  return Object.entries(scenarios).flatMap(([name, scenario]) =>
    (['udp', 'tcp'] as const).map(transport => ({
      name: `${name}-${transport}`,
      rfc: scenario.rfc,
      what: scenario.what,
      how: `SIPp, proxy, SIPp, ${transport.toUpperCase()}`,
      run: () => run(setting, `${name}-${transport}`, scenario, transport),
    })),
  )
}

async function run(
  setting: { readonly scenarios: string; readonly logs: string },
  name: string,
  { caller, ring, callees, calls = 1, perSecond = 1 }: ProxyScenario,
  transport: Transport,
): Promise<void> {
  const port = await freePort()
  const script = fileURLToPath(new URL('proxy.js', import.meta.url))
  const proxy = new OffhookProcess(script, ['--port', String(port)])
  const folder = join(setting.logs, name)
  const common = { transport, calls, perSecond, timeoutMs: 30_000 + (calls / perSecond) * 1000 }
  const file = (scenario: string): { readonly file: string } => ({
    file: join(setting.scenarios, `${scenario}.xml`),
  })
  try {
    await proxy.event(({ event }) => event === 'listening')
    const called = []
    for (const [index, callee] of callees.entries()) {
      called.push(
        await startSipp({ ...common, scenario: file(callee), folder: join(folder, `callee-${index}`) }),
      )
    }
    const user = [ring, ...called.map(callee => callee.port)].join('-')
    const calling = await startSipp({
      ...common,
      scenario: file(caller),
      target: { port, user },
      folder: join(folder, 'caller'),
    })
    await Promise.all([calling, ...called].map(async ({ passed }) => passed))
  } finally {
    await proxy.stop()
  }
  const stopped = proxy.events.find(({ event }) => event === 'stopped')
  if (proxy.errors !== '' || stopped?.['undeliverable'] !== 0) {
    throw new Error(`the proxy said ${JSON.stringify(stopped)} ${proxy.errors}`)
  }
}
