import { ReadableStream } from 'node:stream/web'
import { OptionError } from '../../../runtime/errors.ts'
import type { Clock } from '../../../runtime/runtime.ts'
import type { AgentSession } from '../../agent.ts'
import { defaultRuntime } from '../../engine/default-runtime.ts'
import type { ExtendedBases, LivekitFrame, LivekitInput, LivekitOutput, LivekitSdk, Made } from './sdk.ts'
import { SegmentPlayer } from './segment-player.ts'

export interface PhoneAudioOptions {
  /** Samples per second of the frames to the session. Default: what the call has (8,000 for G.711). */
  readonly sampleRate?: number
  /** Where the time comes from. Default: this machine. */
  readonly runtime?: { readonly clock: Clock }
}

/** Both ends of a call for an `AgentSession`: `session.input.audio = input; session.output.audio = output`. */
export interface PhoneAudio<Sdk extends LivekitSdk> {
  readonly input: Made<Sdk['voice']['AudioInput']>
  readonly output: Made<Sdk['voice']['AudioOutput']>
}

/**
 * A phone call as `AudioInput` and `AudioOutput` of `@livekit/agents`, which the caller of this function imports.
 * @throws OptionError no SDK, or a rate that cannot be made
 */
export function phoneAudio<Sdk extends LivekitSdk>(
  call: AgentSession,
  sdk: Sdk,
  options: PhoneAudioOptions = {},
): PhoneAudio<Sdk> {
  const { AudioFrame, voice } = sdk
  if (typeof AudioFrame !== 'function')
    throw new OptionError('AudioFrame', 'it is missing; give AudioFrame of @livekit/rtc-node')
  if (typeof voice?.AudioInput !== 'function' || typeof voice.AudioOutput !== 'function')
    throw new OptionError('voice', 'it has no AudioInput and AudioOutput; give voice of @livekit/agents')
  const { clock } = options.runtime ?? defaultRuntime()
  const source = options.sampleRate === undefined ? call.input : call.input.at(options.sampleRate)
  const bases = voice as unknown as ExtendedBases
  const input = inputOf(bases, call, source.sampleRate, AudioFrame)
  const output = outputOf(bases, call, clock)
  return { input, output } as unknown as PhoneAudio<Sdk>
}

function inputOf(
  { AudioInput }: ExtendedBases,
  call: AgentSession,
  sampleRate: number,
  Frame: LivekitSdk['AudioFrame'],
): LivekitInput {
  let attached = true
  const frames = call.input.at(sampleRate)[Symbol.asyncIterator]()
  const stream = new ReadableStream<LivekitFrame>(
    {
      async pull(controller) {
        for (;;) {
          const { done, value } = await frames.next()
          if (done === true) return controller.close()
          if (!attached) continue
          // The next frame is read into the same memory.
          const samples = value.samples.slice()
          return controller.enqueue(new Frame(samples, sampleRate, 1, samples.length))
        }
      },
      async cancel() {
        await frames.return?.()
      },
    },
    { highWaterMark: 0 },
  )
  const attach = (now: boolean): void => {
    // What was said meanwhile was not meant for the session.
    if (now && !attached) call.input.clear()
    attached = now
  }
  class PhoneInput extends AudioInput {
    get stream(): ReadableStream<LivekitFrame> {
      return stream
    }

    setAttached(now: boolean): void {
      attach(now)
    }

    override onAttached(): void {
      attach(true)
    }

    override onDetached(): void {
      attach(false)
    }

    override async close(): Promise<void> {
      // Ends what waits for a frame, and with it the stream.
      await frames.return?.()
      await super.close()
    }
  }
  return new PhoneInput()
}

function outputOf({ AudioOutput }: ExtendedBases, call: AgentSession, clock: Clock): LivekitOutput {
  class PhoneOutput extends AudioOutput {
    readonly #player: SegmentPlayer

    constructor() {
      // Any rate will do: it is converted here.
      super(undefined, undefined, { pause: true })
      this.#player = new SegmentPlayer(call.output, {
        onStarted: () => this.onPlaybackStarted(clock.wallTime()),
        onFinished: (playedMs, interrupted) =>
          this.onPlaybackFinished({ playbackPosition: playedMs / 1000, interrupted }),
      })
      const hungUp = (): void => {
        super.flush()
        this.#player.end()
      }
      call.signal.addEventListener('abort', hungUp, { once: true })
    }

    override async captureFrame(frame: LivekitFrame): Promise<void> {
      if (!(await this.#player.ready())) return
      await super.captureFrame(frame as never)
      await this.#player.write(monoOf(frame), frame.sampleRate)
    }

    override flush(): void {
      super.flush()
      this.#player.flush()
    }

    override clearBuffer(): void {
      super.flush()
      this.#player.clear()
    }

    override pause(): void {
      super.pause()
      this.#player.pause()
    }

    override resume(): void {
      super.resume()
      this.#player.resume()
    }
  }
  return new PhoneOutput()
}

function monoOf({ data, channels, samplesPerChannel }: LivekitFrame): Int16Array {
  // A copy: it is kept until it has been heard, and may be said again after a pause.
  if (channels === 1) return data.slice(0, samplesPerChannel)
  return Int16Array.from({ length: samplesPerChannel }, (_, at) => {
    let sum = 0
    for (let channel = 0; channel < channels; channel += 1) sum += data[at * channels + channel] ?? 0
    return Math.round(sum / channels)
  })
}
