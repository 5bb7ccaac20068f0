import { EventEmitter } from 'node:events'

/** As little of `@livekit/rtc-node` and `@livekit/agents` as the adapters touch, so that they run on virtual time. */
export class AudioFrame {
  readonly data: Int16Array
  readonly sampleRate: number
  readonly channels: number
  readonly samplesPerChannel: number

  constructor(data: Int16Array, sampleRate: number, channels: number, samplesPerChannel: number) {
    this.data = data
    this.sampleRate = sampleRate
    this.channels = channels
    this.samplesPerChannel = samplesPerChannel
  }
}

abstract class AudioInput {
  closed = false

  get stream(): AsyncIterable<AudioFrame> {
    throw new Error('overridden')
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }

  onAttached(): void {}
  onDetached(): void {}
}

export interface Finished {
  readonly playbackPosition: number
  readonly interrupted: boolean
}

/** Counts segments as the SDK does: one that is told to be finished without having been begun is a fault. */
abstract class AudioOutput extends EventEmitter {
  readonly canPause: boolean
  readonly finished: Finished[] = []
  readonly started: number[] = []
  begun = 0
  faults = 0
  #capturing = false
  #waiting: (() => void)[] = []

  constructor(_sampleRate?: number, _next?: AudioOutput, capabilities = { pause: false }) {
    super()
    this.canPause = capabilities.pause
  }

  captureFrame(_frame: AudioFrame): Promise<void> {
    if (!this.#capturing) this.begun += 1
    this.#capturing = true
    return Promise.resolve()
  }

  flush(): void {
    this.#capturing = false
  }

  abstract clearBuffer(): void
  pause(): void {}
  resume(): void {}

  onPlaybackStarted(createdAt: number): void {
    this.started.push(createdAt)
    this.emit('playbackStarted', { createdAt })
  }

  onPlaybackFinished(options: Finished): void {
    if (this.finished.length >= this.begun) this.faults += 1
    this.finished.push(options)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async waitForPlayout(): Promise<Finished | undefined> {
    const wanted = this.begun
    while (this.finished.length < wanted) await new Promise<void>(resolve => this.#waiting.push(resolve))
    return this.finished.at(-1)
  }
}

export const voice: { readonly AudioInput: typeof AudioInput; readonly AudioOutput: typeof AudioOutput } = {
  AudioInput,
  AudioOutput,
}
export type { AudioInput, AudioOutput }
