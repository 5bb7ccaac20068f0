import type { Agent } from '../../../src/agent/agent.ts'
import { runAgent } from '../../../src/agent/agent.ts'
import type { StreamPath, StreamServerOptions } from '../../../src/agent/stream-server/options.ts'
import { streamServer } from '../../../src/agent/stream-server/server.ts'
import type { StreamServer } from '../../../src/agent/stream-server/server.ts'
import { streamAgent } from '../../../src/agent/streams/client.ts'
import type { StreamAgentOptions } from '../../../src/agent/streams/options.ts'
import type { WebSocketConnection } from '../../../src/runtime/web.ts'
import type { ScriptedCaller } from '../../../src/testing/caller.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab } from '../../../src/testing/lab.ts'
import type { CallRecord } from '../../../src/trace/call-record.ts'
import { Trace } from '../../../src/trace/trace.ts'

export interface WorldOptions extends Omit<Partial<StreamServerOptions>, 'streams' | 'runtime'> {
  readonly stream: Omit<StreamPath, 'path'>
  readonly agent: StreamServerOptions['agent']
}

export interface World {
  readonly lab: Lab
  readonly server: StreamServer
  readonly errors: Error[]
  readonly refusals: string[]
  readonly records: CallRecord[]
  readonly trace: Trace
  readonly dial: (headers?: Record<string, string>, path?: string) => Promise<WebSocketConnection>
}

export const serverUrl = 'ws://streams.lab/in'

/** A stream server at ws://streams.lab/in on virtual time. */
export async function world(options: WorldOptions, script: (world: World) => Promise<void>): Promise<World> {
  const { stream, ...more } = options
  const lab = createLab({ network: { delayMs: 5 } })
  lab.resolver.setAddresses('streams.lab', ['10.8.0.1'])
  const runtime = {
    clock: lab.clock,
    network: lab.network.host('10.8.0.1'),
    random: {
      bytes: (length: number) => Uint8Array.from({ length }, () => (seed += 7) & 255),
      uint32: () => 1,
    },
  }
  let seed = 0
  const errors: Error[] = []
  const refusals: string[] = []
  const records: CallRecord[] = []
  const client = lab.network.host('10.8.0.2')
  let made: World | undefined
  await lab.run(async () => {
    const server = await streamServer({
      listen: { host: '10.8.0.1', port: 80 },
      streams: [{ path: '/in', ...stream }],
      onError: error => errors.push(error),
      onRefused: ({ why }) => refusals.push(why),
      ...more,
      runtime,
    })
    const trace = new Trace({
      endpoint: options.endpoint ?? server,
      onRecord: record => records.push(record),
    })
    made = {
      lab,
      server,
      errors,
      refusals,
      records,
      trace,
      dial: (headers = {}, path = '/in') => client.openWebSocket({ url: `ws://streams.lab${path}`, headers }),
    }
    try {
      await script(made)
    } finally {
      await server.close()
      trace.close()
    }
  })
  return made as World
}

/** Somebody with a phone calls an endpoint of ours, which plays the carrier towards the stream server. */
export async function phoneWorld(
  options: WorldOptions,
  script: (caller: ScriptedCaller, world: World) => Promise<void>,
  carrier: Partial<StreamAgentOptions> = {},
): Promise<World> {
  return world(options, async all => {
    const { lab } = all
    const endpoint = await lab.endpoint('carrier.lab')
    endpoint.on('error', error => all.errors.push(error))
    const { dialect } = options.stream
    const runtime = { clock: lab.clock, network: lab.network.host('10.8.0.3') }
    void runAgent(endpoint, streamAgent({ url: serverUrl, dialect, ...carrier, runtime }))
    const caller = lab.caller()
    await caller.call('sip:+15550199@carrier.lab')
    await script(caller, all)
  })
}

/** An agent of one function. */
export function agentOf(run: Agent['run']): Agent {
  return { run }
}
