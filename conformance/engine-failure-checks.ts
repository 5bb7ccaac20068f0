/** Engines that misbehave, on real WebSockets: what a real phone hears of it, what the call record says, and that nothing grows. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Agent, agentSession, streamAgent, type StreamAgentOptions } from '../src/agent/index.ts'
import { createNodeRuntime } from '../src/index.ts'
import { type CallRecord, Trace } from '../src/trace/index.ts'
import type { WebSocketConnection } from '../src/runtime/web.ts'
import { sine } from './audio.ts'
import type { Check } from './check.ts'
import { onStage, type Stage, settled, stepMs, tones } from './stage.ts'

interface Row {
  readonly what: string
  /** What the engine does with its connection; undefined: nobody listens there. */
  readonly engine: ((connection: WebSocketConnection) => void) | undefined
  readonly options: Partial<StreamAgentOptions>
  /** Whom the caller hears, one after the other; `desk` is the engine, `agent` the one that takes over. */
  readonly hears: readonly (readonly string[])[]
  /** Of the record. */
  readonly end: 'engine' | 'call' | 'failed'
  readonly says?: RegExp
  /** A counter that has to be there, and how much at least. */
  readonly counter?: readonly [name: string, atLeast: number]
}

/** Says its tone until the call ends. */
const another: Agent = {
  run: async ({ output, ended }) => {
    void output.play(sine(tones.agent, 30))
    await ended
  },
}

const rows: Readonly<Record<string, Row>> = {
  dead: {
    what: 'a dead engine: another agent takes over',
    engine: undefined,
    options: { fallback: another },
    hears: [['agent']],
    end: 'failed',
    says: /cannot be reached/,
  },
  silent: {
    what: 'an engine that connects and says nothing: another agent takes over',
    engine: () => {},
    options: { fallback: another, firstAudioTimeoutMs: stepMs },
    hears: [[], ['agent']],
    end: 'failed',
    says: /audio|silent|said nothing/,
  },
  floods: {
    what: 'an engine that sends 20 times real time: heard, and bounded',
    engine: connection => {
      const second = new Uint8Array(sine(tones.desk, 1).buffer)
      const timer = setInterval(() => connection.send(second), 50)
      connection.onClose = () => clearInterval(timer)
    },
    options: { maxBufferedMs: 5_000 },
    hears: [['desk'], ['desk']],
    end: 'call',
    counter: ['droppedMs', 30_000],
  },
  halves: {
    what: 'an engine that sends half frames and half samples: one sound',
    engine: connection => {
      const sound = new Uint8Array(sine(tones.desk, 5).buffer)
      // Ahead of time by what is under way.
      for (let at = 0; at < sound.length; at += 333) connection.send(sound.slice(at, at + 333))
    },
    options: {},
    hears: [['desk'], ['desk']],
    end: 'call',
  },
  closes: {
    what: 'an engine that closes in mid-word: another agent takes over',
    engine: connection => {
      connection.send(new Uint8Array(sine(tones.desk, 10).buffer))
      setTimeout(() => connection.close(), stepMs + 400)
    },
    options: { onEngineEnd: another },
    hears: [['desk'], ['agent']],
    end: 'engine',
  },
}

export function engineFailureChecks(logs: string): readonly Check[] {
  return Object.entries(rows).map(([key, row]): Check => {
    const name = `engine-failure-${key}`
    return {
      name,
      rfc: 'RFC 6455 7',
      what: row.what,
      how: 'baresip calls, UDP and a WebSocket',
      run: async () => {
        mkdirSync(join(logs, name), { recursive: true })
        await onStage(join(logs, name), stage => play(stage, row))
      },
    }
  })
}

async function play(stage: Stage, { engine, options, hears, end, says, counter }: Row): Promise<void> {
  const { network } = createNodeRuntime()
  const listener = await network.listenHttp({
    host: '127.0.0.1',
    port: 0,
    onRequest: async () => ({ status: 404 }),
    onUpgrade: () => ({ accept: connection => engine?.(connection) }),
  })
  const url = `ws://127.0.0.1:${listener.local.port}`
  if (engine === undefined) await listener.close()
  let record: CallRecord | undefined
  const trace = new Trace({ endpoint: stage.endpoint, onRecord: ended => (record = ended) })
  try {
    const call = await stage.caller('caller', tones.caller)
    const format = { encoding: 'L16', sampleRate: 8000 } as const
    const running = streamAgent({ dialect: 'offhook', format, url, ...options }).run(agentSession(call))
    running.catch(() => {})
    await settled()
    for (const [index, caller] of hears.entries()) {
      await stage.diary.step(`part ${index + 1}`, { caller }, call.sleep(stepMs))
      await settled()
    }
    await call.hangup()
    await running
  } finally {
    trace.close()
    if (engine !== undefined) await listener.close()
  }
  const [first] = record?.engines ?? []
  if (first?.end !== end)
    throw new Error(`The record says that the engine ended by ${first?.end ?? 'nobody'}`)
  if (says !== undefined && !says.test(first.detail ?? ''))
    throw new Error(`The record says: ${first.detail ?? 'nothing'}`)
  const [name = '', least = 0] = counter ?? []
  if (counter !== undefined && !((first.counters?.[name] ?? 0) >= least))
    throw new Error(`${name} is ${first.counters?.[name] ?? 0}, not ${least} and more`)
}
