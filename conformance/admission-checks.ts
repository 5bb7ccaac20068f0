/** SIPp calls an endpoint that asks who is there. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Check } from './check.ts'
import { OffhookProcess } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'
import { startSipp } from './peers/sipp.ts'

interface AdmissionScenario {
  readonly rfc: string
  readonly what: string
  readonly user?: string
  /** Of nonces, milliseconds. */
  readonly lifetime?: number
  /** Calls that reach the handler. */
  readonly served: number
}

const scenarios: Readonly<Record<string, AdmissionScenario>> = {
  'admission-answered': { rfc: 'RFC 3261 22.1', what: 'challenged with MD5, answered, let in', served: 1 },
  'admission-stranger': {
    rfc: 'RFC 3261 21.4.4',
    what: 'a stranger is refused before any agent code',
    user: 'stranger',
    served: 0,
  },
  'admission-wrong-password': { rfc: 'RFC 3261 22.1', what: 'a wrong password is refused', served: 0 },
  'admission-stale': { rfc: 'RFC 7616 3.3', what: 'a stale nonce, and the next', lifetime: 1000, served: 1 },
}

export function admissionChecks(setting: {
  readonly scenarios: string
  readonly logs: string
}): readonly Check[] {
  return Object.entries(scenarios).flatMap(([name, scenario]) =>
    (['udp', 'tcp'] as const).map(transport => ({
      name: `${name}-${transport}`,
      rfc: scenario.rfc,
      what: scenario.what,
      how: `SIPp calls, ${transport.toUpperCase()}`,
      run: async () => {
        const port = await freePort()
        const script = fileURLToPath(new URL('admission-endpoint.js', import.meta.url))
        const endpoint = new OffhookProcess(script, [
          '--listen',
          `${transport}://127.0.0.1:${port}`,
          '--lifetime',
          String(scenario.lifetime ?? 300_000),
        ])
        try {
          await endpoint.event(({ event }) => event === 'listening')
          const { passed } = await startSipp({
            scenario: { file: join(setting.scenarios, `${name}.xml`) },
            transport,
            target: { port, user: scenario.user ?? 'agent' },
            folder: join(setting.logs, `${name}-${transport}`),
          })
          await passed
        } finally {
          await endpoint.stop()
        }
        const stopped = endpoint.events.find(({ event }) => event === 'stopped')
        if (stopped?.['served'] !== scenario.served)
          throw new Error(
            `${scenario.served} calls should have reached the handler: ${JSON.stringify(stopped)}`,
          )
      },
    })),
  )
}
