/**
 * An agent on `@livekit/agents`, with a voice of its own that hums, as a module of `offhook serve`. It tells what happens, a line of JSON each.
 * Of the environment: `PACKAGES`, the folder that the SDK is installed in.
 */

import type { Agent } from '../../src/agent/index.ts'
import { livekitAgent } from '../../src/agent/sdk/livekit-agents/index.ts'
import type {
  LivekitFrame,
  LivekitInput,
  LivekitOutput,
  LivekitSdk,
} from '../../src/agent/sdk/livekit-agents/index.ts'
import { requireFrom } from '../peers/on-demand.ts'

const hz = 440
const sampleRate = 24_000
const { PACKAGES: folder = '' } = process.env

interface Speech {
  interrupt(): void
  waitForPlayout(): Promise<void>
}

interface Session {
  readonly input: { audio: LivekitInput | null }
  readonly output: {
    audio: (LivekitOutput & { on(event: string, tell: (event: object) => void): void }) | null
  }
  start(options: { agent: object }): Promise<void>
  close(): Promise<void>
  say(text: string): Speech
  shutdown(): void
}

interface Agents {
  readonly initializeLogger: (options: { pretty: boolean; level: string }) => void
  readonly voice: LivekitSdk['voice'] & {
    readonly Agent: new (options: { instructions: string }) => object
    readonly AgentSession: new (options: object) => Session
  }
  readonly stt: {
    readonly STT: new (capabilities: { streaming: boolean; interimResults: boolean }) => object
    readonly SpeechStream: new (stt: object) => { readonly input: AsyncIterable<LivekitFrame | symbol> }
  }
  readonly tts: {
    readonly TTS: new (sampleRate: number, channels: number, capabilities: { streaming: boolean }) => object
    readonly ChunkedStream: new (
      text: string,
      tts: object,
    ) => { readonly queue: { put(audio: object): void; close(): void } }
  }
}

const { voice, stt, tts, initializeLogger } = requireFrom(folder, '@livekit/agents') as Agents
const { AudioFrame } = requireFrom(folder, '@livekit/rtc-node') as Pick<LivekitSdk, 'AudioFrame'>
initializeLogger({ pretty: false, level: 'error' })

/** Eight seconds of a hum, in frames of 20 ms, at once. */
class HumStream extends tts.ChunkedStream {
  readonly label = 'hum'

  run(): Promise<void> {
    const length = sampleRate / 50
    for (let at = 0; at < 8 * sampleRate; at += length) {
      const data = Int16Array.from(
        { length },
        (_, i) => 8192 * Math.sin((2 * Math.PI * hz * (at + i)) / sampleRate),
      )
      const frame = new AudioFrame(data, sampleRate, 1, length)
      this.queue.put({ requestId: 'r', segmentId: 's', frame, final: at + length >= 8 * sampleRate })
    }
    this.queue.close()
    return Promise.resolve()
  }
}

class Hum extends tts.TTS {
  readonly label = 'hum'

  constructor() {
    super(sampleRate, 1, { streaming: false })
  }

  synthesize(text: string): HumStream {
    return new HumStream(text, this)
  }
}

/** Hears what comes in, in place of a recogniser. */
class EarStream extends stt.SpeechStream {
  readonly label = 'ear'

  async run(): Promise<void> {
    for await (const frame of this.input) {
      if (typeof frame === 'symbol') continue
      ears.at(-1)?.heard.push(...frame.data)
    }
  }
}

class Recogniser extends stt.STT {
  readonly label = 'ear'
  readonly heard: number[] = []

  constructor() {
    super({ streaming: true, interimResults: false })
  }

  _recognize(): Promise<never> {
    return Promise.reject(new Error('it hears as it comes'))
  }

  stream(): EarStream {
    return new EarStream(this)
  }
}

const ears: Recogniser[] = []
const sessions = livekitAgent({
  sdk: { voice, AudioFrame },
  // One call at a time: the ear of the last session is that of the call.
  session: () => {
    const ear = new Recogniser()
    ears.push(ear)
    // A phone has no echo to be learnt: by default the caller is not heard for the first 3 s.
    return new voice.AgentSession({ tts: new Hum(), stt: ear, aecWarmupDuration: null })
  },
  start: () => ({ agent: new voice.Agent({ instructions: 'Hum.' }) }),
  onSession: (session, call) => {
    for (const event of ['playbackStarted', 'playbackFinished'])
      session.output.audio?.on(event, details => tell({ event, ...details }))
    const speech = session.say('hum')
    void (async () => {
      for await (const { digit } of call.dtmf()) {
        tell({ event: 'key', digit })
        if (digit === '1') speech.interrupt()
        if (digit === '*') session.output.audio?.pause()
        if (digit === '0') session.output.audio?.resume()
        if (digit === '#') session.shutdown()
      }
    })()
  },
})

const agent: Agent = {
  async run(call) {
    await sessions.run(call)
    const heard = Buffer.from(Int16Array.from(ears.at(-1)?.heard ?? []).buffer)
    tell({ event: 'over', heard: heard.toString('base64') })
  },
}

export default agent

function tell(event: object): void {
  console.log(JSON.stringify(event))
}
