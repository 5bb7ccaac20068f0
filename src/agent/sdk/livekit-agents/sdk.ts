/** `AudioFrame` of `@livekit/rtc-node`: 16-bit PCM, channels interleaved. */
export interface LivekitFrame {
  readonly data: Int16Array
  readonly sampleRate: number
  readonly channels: number
  readonly samplesPerChannel: number
}

/** What is used of `AudioInput`. */
export interface LivekitInput {
  close(): Promise<void>
  onAttached(): void
  onDetached(): void
}

/** What is used of `AudioOutput`. */
export interface LivekitOutput {
  captureFrame(frame: never): Promise<void>
  flush(): void
  clearBuffer(): void
  pause(): void
  resume(): void
  onPlaybackStarted(createdAt: number): void
  onPlaybackFinished(options: { playbackPosition: number; interrupted: boolean }): void
}

/**
 * The parts of LiveKit's packages that are built on, as the user has imported them: `voice` of `@livekit/agents`, `AudioFrame` of
 * `@livekit/rtc-node`.
 */
export interface LivekitSdk {
  readonly AudioFrame: new (
    data: Int16Array,
    sampleRate: number,
    channels: number,
    samplesPerChannel: number,
  ) => LivekitFrame
  readonly voice: {
    readonly AudioInput: abstract new (...args: never[]) => LivekitInput
    readonly AudioOutput: abstract new (...args: never[]) => LivekitOutput
  }
}

/** What an abstract class makes. */
export type Made<Class> = Class extends abstract new (...args: never[]) => infer Instance ? Instance : never

/** The classes as they are extended here: without the SDK's own types, which this package does not import. */
export interface ExtendedBases {
  readonly AudioInput: new () => LivekitInput
  readonly AudioOutput: new (
    sampleRate: number | undefined,
    nextInChain: undefined,
    capabilities: { pause: boolean },
  ) => LivekitOutput
}
