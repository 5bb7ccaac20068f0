/** Registrar and proxy for softphones, on the public toolkit: who registers, with the password, can be called. */

import { createNodeRuntime } from '../src/index.ts'
import {
  admitDigest,
  MemoryLocationStore,
  Proxy,
  registeredTargets,
  Registrar,
  TransactionLayer,
  TransportLayer,
} from '../src/sip/index.ts'

export const password = 'wonderland'

export interface Switchboard {
  readonly port: number
  /** The address of record of a user. */
  readonly uriOf: (user: string) => string
  /** Resolves when that many bindings are there; rejects after five seconds. */
  readonly untilBindings: (count: number) => Promise<void>
  /** Rejects when the proxy could not deliver something, or routing failed. */
  readonly stop: () => Promise<void>
}

/** On UDP and TCP of one port of 127.0.0.1. */
export async function startSwitchboard(port: number, algorithm: 'SHA-256' | 'MD5'): Promise<Switchboard> {
  const runtime = createNodeRuntime()
  const { clock, random } = runtime
  const host = '127.0.0.1'
  const transport = new TransportLayer({
    runtime,
    listen: (['udp', 'tcp'] as const).map(name => ({ transport: name, host, port })),
  })
  const transactions = new TransactionLayer({ transport, clock, random })
  const store = new MemoryLocationStore({ clock })
  const registrar = new Registrar({
    clock,
    store,
    random,
    domains: [host],
    authorize: admitDigest({ realm: host, algorithms: [algorithm], secretOf: () => ({ password }) }),
  })
  const failures: unknown[] = []
  registrar.onError = error => failures.push(error)
  const proxy = new Proxy({
    transactions,
    transport,
    runtime,
    // A GRUU of ours has no port.
    names: [host],
    route: async ({ request, flow }) => {
      if (request.method === 'REGISTER') return registrar.answer(request, flow)
      const contacts = await registrar.lookup(request.uri)
      if (contacts.length === 0) return { statusCode: 480 }
      return { targets: registeredTargets(contacts, { answerMs: 10_000 }) }
    },
    onError: error => failures.push(error),
  })
  await transport.open()
  return {
    port,
    uriOf: user => `sip:${user}@${host}:${port}`,
    untilBindings: async count => {
      for (const start = performance.now(); store.size < count;) {
        if (performance.now() - start > 5000)
          throw new Error(`Not ${count} registered within 5 seconds but ${store.size}`)
        await new Promise(resolve => setTimeout(resolve, 25))
      }
    },
    stop: async () => {
      proxy.cancelAll()
      store.clear()
      transactions.close()
      await transport.close()
      if (failures.length > 0) throw new Error('The switchboard failed', { cause: failures[0] })
    },
  }
}
