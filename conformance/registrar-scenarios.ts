/** SIPp registers with our registrar, and is the registrar we register with: every `registrant-` and `registrar-` file in `sipp/`. */

import { join } from 'node:path'
import { createEndpoint } from '../src/call/endpoint.ts'
import type { RegistrationOptions } from '../src/sip/registration/client-options.ts'
import { createNodeRuntime } from '../src/runtime/node.ts'
import { UserAgentCore } from '../src/sip/dialog/core.ts'
import { MemoryLocationStore } from '../src/sip/registration/location-store.ts'
import { Registrar } from '../src/sip/registration/registrar.ts'
import { registrarExtensions } from '../src/sip/registration/registrar-options.ts'
import { TransactionLayer } from '../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../src/sip/transport/transport-layer.ts'
import type { Check } from './check.ts'
import { startSipp } from './peers/sipp.ts'
import { describe } from './sipp-checks.ts'

type Transport = 'udp' | 'tcp'

export interface RegistrarSetting {
  /** The folder with the scenario files. */
  readonly scenarios: string
  readonly logs: string
}

const registrants: readonly string[] = [
  'registrant-binds',
  'registrant-star',
  'registrant-brief',
  'registrant-out-of-order',
  'registrant-unknown',
  'registrant-foreign',
  'registrant-too-many',
  'registrant-extension',
  'registrant-path',
  'registrant-outbound',
]

/** With the options of our side; `alice` and her password are the default. */
const registrars: Readonly<Record<string, Partial<RegistrationOptions>>> = {
  'registrar-basic': {},
  'registrar-challenge': {},
  'registrar-stale': {},
  'registrar-brief': {},
  'registrar-busy': { backOff: { baseMs: 100 } },
  'registrar-forbidden': {},
  'registrar-no-outbound': { instanceId: 'urn:uuid:1', outbound: true },
  'registrar-short': {},
}

export function registrarScenarioChecks(setting: RegistrarSetting): readonly Check[] {
  return [
    ...checksOf(setting, registrants, 'SIPp registers', registers),
    ...checksOf(setting, Object.keys(registrars), 'SIPp is the registrar', isRegisteredAt),
  ]
}

function checksOf(
  setting: RegistrarSetting,
  names: readonly string[],
  how: string,
  run: (file: string, name: string, transport: Transport, folder: string) => Promise<void>,
): readonly Check[] {
  return names.flatMap(name =>
    (['udp', 'tcp'] as const).map(transport => {
      const file = join(setting.scenarios, `${name}.xml`)
      const { title, rfc } = describe(file)
      return {
        name: `${name}-${transport}`,
        rfc,
        what: title,
        how: `${how}, ${transport.toUpperCase()}`,
        run: () => run(file, name, transport, join(setting.logs, `${name}-${transport}`)),
      }
    }),
  )
}

async function registers(file: string, _name: string, transport: Transport, folder: string): Promise<void> {
  const runtime = createNodeRuntime()
  const { clock, random } = runtime
  const layer = new TransportLayer({ runtime, listen: [{ transport, host: '127.0.0.1', port: 0 }] })
  const transactions = new TransactionLayer({ transport: layer, clock, random })
  const core = new UserAgentCore({ transactions, transport: layer, runtime, supported: registrarExtensions })
  const store = new MemoryLocationStore({ clock })
  const registrar = new Registrar({
    clock,
    store,
    domains: ['127.0.0.1'],
    maxContacts: 2,
    serviceRoute: ['<sip:127.0.0.1;lr>'],
    knows: aor => !aor.startsWith('sip:nobody@'),
  })
  core.onRequest = request => registrar.take(request)
  await layer.open()
  try {
    const target = { port: layer.bound[0]?.local.port ?? 0 }
    const { passed } = await startSipp({ scenario: { file }, transport, target, folder, timeoutMs: 15_000 })
    await passed
  } finally {
    store.clear()
    transactions.close()
    await layer.close()
  }
}

async function isRegisteredAt(
  file: string,
  name: string,
  transport: Transport,
  folder: string,
): Promise<void> {
  const sipp = await startSipp({ scenario: { file }, transport, folder, timeoutMs: 20_000 })
  const endpoint = await createEndpoint({ listen: [`${transport}://127.0.0.1:0`] })
  try {
    const registration = endpoint.register({
      aor: 'sip:alice@127.0.0.1',
      registrar: `sip:127.0.0.1:${sipp.port};transport=${transport}`,
      credentials: { username: 'alice', password: 'wonderland' },
      keepAliveMs: 0,
      ...registrars[name],
    })
    const refused = name === 'registrar-forbidden'
    const error: unknown = await Promise.race([registration.ready, sipp.passed]).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (!refused && error !== undefined) throw error
    // Time for a refresh to come.
    if (name === 'registrar-short') await new Promise(resolve => setTimeout(resolve, 4000))
    if (!refused) await registration.unregister()
    await sipp.passed
  } finally {
    await endpoint.close({ giveUpMs: 1000 })
  }
}
