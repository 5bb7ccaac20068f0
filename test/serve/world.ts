import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HttpRequest, WebSocketConnection } from '../../src/runtime/web.ts'
import type { ServeEvent } from '../../src/serve/events.ts'
import { loadConfig } from '../../src/serve/load.ts'
import type { ServePlan } from '../../src/serve/plan.ts'
import { startServer } from '../../src/serve/server.ts'
import type { Server } from '../../src/serve/server.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'
import type { SimulatedHost } from '../../src/testing/network/host.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { createSimulatedRuntime } from '../../src/testing/simulated-network.ts'

/** Where the server of a world is. */
export const serverAddress = '10.5.0.1'
export const dialled: string = `sip:anybody@${serverAddress}`

export interface Answer {
  readonly status: number
  readonly body: string
  readonly headers: Headers
}

export interface World {
  readonly lab: Lab
  readonly folder: string
  readonly server: Server
  readonly events: ServeEvent[]
  /** Of the bots at `ws://bot.lab`. */
  readonly bots: {
    readonly request: HttpRequest
    readonly connection: WebSocketConnection
    /** What it was sent. */
    readonly messages: Readonly<Record<string, unknown>>[]
  }[]
  /** Somebody else on the network. */
  readonly host: SimulatedHost
  /** Asks the server's health port. */
  readonly get: (path: string, method?: string) => Promise<Answer>
  /** Writes the configuration anew and has it read. */
  readonly reload: (config: string) => Promise<boolean>
}

export interface WorldOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Besides the configuration, by name. */
  readonly files?: Readonly<Record<string, string>>
  /** Refuses the bots' WebSockets with it. */
  readonly refuseBots?: number
  readonly before?: (lab: Lab) => Promise<void>
}

/** A configuration that listens in the lab, takes everybody and has a health port. */
export function configOf(rest: string): string {
  return `endpoint:\n  listen: ['udp://${serverAddress}:5060']\n  admit: everybody\nhealth: { host: ${serverAddress}, port: 9090 }\n${rest}\n`
}

/** A server of that configuration on virtual time. */
export async function inWorld(
  config: string,
  script: (world: World) => Promise<void>,
  { env = {}, files = {}, refuseBots, before }: WorldOptions = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'offhook-serve-'))
  const file = join(folder, 'serve.yaml')
  for (const [name, text] of Object.entries({ ...files, 'serve.yaml': config }))
    writeFileSync(join(folder, name), text)
  const lab = createLab({ network: { delayMs: 5 } })
  const load = (): Promise<ServePlan> => loadConfig(file, { env })
  const events: ServeEvent[] = []
  const bots: World['bots'][number][] = []
  lab.resolver.setAddresses('bot.lab', ['10.5.0.3'])
  const host = lab.network.host('10.5.0.2')
  let server: Server | undefined
  try {
    await lab.network.host('10.5.0.3').listenHttp({
      host: '10.5.0.3',
      port: 80,
      onRequest: async () => ({ status: 404 }),
      onUpgrade: request =>
        refuseBots === undefined
          ? {
              accept: connection => {
                const messages: World['bots'][number]['messages'] = []
                connection.onMessage = data => messages.push(JSON.parse(String(data)))
                bots.push({ request, connection, messages })
              },
            }
          : { status: refuseBots },
    })
    await lab.run(async () => {
      await before?.(lab)
      server = await startServer(await load(), {
        runtime: createSimulatedRuntime({
          clock: lab.clock,
          network: lab.network.host(serverAddress),
          random: seededRandom(5),
          resolver: lab.resolver,
        }),
        onEvent: event => events.push(event),
      })
      const get: World['get'] = async (path, method = 'GET') => {
        const response = await host.fetch(`http://${serverAddress}:9090${path}`, { method })
        return { status: response.status, body: await response.text(), headers: response.headers }
      }
      const up = server
      await script({
        lab,
        folder,
        server: up,
        events,
        bots,
        host,
        get,
        reload: text => {
          writeFileSync(file, text)
          return up.reload(load)
        },
      })
      await server.drain(0)
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
