import { streamAgent, type Agent, type AgentSession } from '../../src/agent/index.ts'
import { PCMU } from '../../src/media/codec/g711.ts'
import { createNodeRuntime } from '../../src/runtime/node.ts'
import { isLoud, loudSamples } from './engine-phone.ts'

/** An engine of one call, as the bench drives it. */
export interface Engine {
  /** A frame of what the caller says has come. */
  onFrame: ((loud: boolean, atMs: number) => void) | undefined
  /** Says something loud of so many milliseconds, at once. */
  say(ms: number): void
  clear(): void
}

export interface EngineKind {
  readonly name: string
  readonly agent: Agent
  /** The engine of the caller of that name, as soon as its call has it. */
  engineOf(user: string): Engine
  close(): Promise<void>
}

/** Engines by caller, made when first asked for. */
class Engines {
  readonly #engines = new Map<string, Engine>()

  of(user: string): Engine {
    let engine = this.#engines.get(user)
    if (engine === undefined) {
      engine = { onFrame: undefined, say: () => {}, clear: () => {} }
      this.#engines.set(user, engine)
    }
    return engine
  }
}

/** In the process that has the call: it reads `input` and writes `output`. */
export async function inProcess(): Promise<EngineKind> {
  const engines = new Engines()
  const agent: Agent = {
    run: async ({ input, output, remote }) => {
      const engine = engines.of(userOf(remote))
      const { sampleRate } = output
      engine.say = ms => void output.write(loudSamples(sampleRate, ms))
      engine.clear = () => void output.clear()
      for await (const { samples } of input) engine.onFrame?.(isLoud(samples), performance.now())
    },
  }
  return { name: 'in process', agent, engineOf: user => engines.of(user), close: async () => {} }
}

/** A WebSocket of our own protocol: 16-bit PCM at 16 kHz. */
export function offhookSocket(): Promise<EngineKind> {
  return overSocket('WebSocket, offhook L16/16000', 'offhook', (engine, send) => {
    engine.say = ms => send(new Uint8Array(loudSamples(16_000, ms).buffer))
    engine.clear = () => send('{"type":"clear"}')
    return data =>
      typeof data === 'string' ? undefined : isLoud(new Int16Array(Uint8Array.from(data).buffer))
  })
}

/** A WebSocket of Twilio's: PCMU in base64 in JSON. */
export function twilioSocket(): Promise<EngineKind> {
  return overSocket('WebSocket, Twilio PCMU', 'twilio', (engine, send) => {
    let streamSid = ''
    const decoder = PCMU.decoder()
    engine.say = ms => {
      const samples = loudSamples(8000, ms)
      const payload = new Uint8Array(samples.length)
      PCMU.encoder().encode(samples, payload)
      const media = { payload: Buffer.from(payload).toString('base64') }
      send(JSON.stringify({ event: 'media', streamSid, media }))
    }
    engine.clear = () => send(JSON.stringify({ event: 'clear', streamSid }))
    return data => {
      const message = JSON.parse(String(data)) as {
        streamSid?: string
        media?: { readonly payload: string }
      }
      streamSid = message.streamSid ?? streamSid
      if (message.media === undefined) return undefined
      const payload = Buffer.from(message.media.payload, 'base64')
      const samples = new Int16Array(payload.length)
      decoder.decode(payload, samples)
      return isLoud(samples)
    }
  })
}

/** Whether a message is a loud frame, or a quiet one; undefined: no frame at all. */
type Read = (data: string | Uint8Array) => boolean | undefined

async function overSocket(
  name: string,
  dialect: 'offhook' | 'twilio',
  begin: (engine: Engine, send: (data: string | Uint8Array) => void) => Read,
): Promise<EngineKind> {
  const engines = new Engines()
  const { network } = createNodeRuntime()
  const listener = await network.listenHttp({
    host: '127.0.0.1',
    port: 0,
    onRequest: async () => ({ status: 404 }),
    onUpgrade: ({ url }) => ({
      accept: connection => {
        const engine = engines.of(url.slice(1))
        const read = begin(engine, data => connection.send(data))
        connection.onMessage = data => {
          const isLoudFrame = read(data)
          if (isLoudFrame !== undefined) engine.onFrame?.(isLoudFrame, performance.now())
        }
      },
    }),
  })
  const agent = streamAgent({
    dialect,
    url: ({ remote }) => ({ url: `ws://127.0.0.1:${listener.local.port}/${userOf(remote)}` }),
  })
  return { name, agent, engineOf: user => engines.of(user), close: () => listener.close() }
}

function userOf({ uri }: AgentSession['remote']): string {
  return uri.kind === 'sip' ? (uri.user ?? '') : ''
}
