import type { ReadableStream } from 'node:stream/web'
import { Resampler } from '../codec/resampler.ts'
import type { AudioFrame, AudioSource } from './audio-source.ts'
import { readableOf } from './web-streams.ts'

/** A source seen at another rate. It holds no frames of its own: asking it asks the source behind it. */
export class ResampledSource implements AudioSource {
  readonly sampleRate: number
  readonly #source: AudioSource

  constructor(source: AudioSource, sampleRate: number) {
    this.#source = source
    this.sampleRate = sampleRate
  }

  get droppedFrames(): number {
    return this.#source.droppedFrames
  }

  clear(): number {
    return this.#source.clear()
  }

  get muted(): boolean {
    return this.#source.muted
  }

  mute(): void {
    this.#source.mute()
  }

  unmute(): void {
    this.#source.unmute()
  }

  [Symbol.asyncIterator](): AsyncIterator<AudioFrame, undefined> {
    const inner = this.#source[Symbol.asyncIterator]()
    const resampler = new Resampler(this.#source.sampleRate, this.sampleRate)
    let buffer: Int16Array = EMPTY
    const frame = { samples: EMPTY as Int16Array, timestampMs: 0, concealed: false }
    const convert = (result: IteratorResult<AudioFrame>): IteratorResult<AudioFrame, undefined> => {
      if (result.done === true) return { done: true, value: undefined }
      const { samples } = result.value
      const room = resampler.maxOutput(samples.length)
      if (buffer.length < room) {
        buffer = new Int16Array(room)
        frame.samples = buffer
      }
      const length = resampler.process(samples, buffer)
      if (frame.samples.length !== length) frame.samples = buffer.subarray(0, length)
      frame.timestampMs = result.value.timestampMs
      frame.concealed = result.value.concealed
      return { done: false, value: frame }
    }
    return {
      next: () => inner.next().then(convert),
      return: async () => {
        await inner.return?.()
        return { done: true, value: undefined }
      },
    }
  }

  at(sampleRate: number): AudioSource {
    return sampleRate === this.sampleRate ? this : this.#source.at(sampleRate)
  }

  tee(): [AudioSource, AudioSource] {
    const [one, other] = this.#source.tee()
    return [one.at(this.sampleRate), other.at(this.sampleRate)]
  }

  toWeb(): ReadableStream<AudioFrame> {
    return readableOf(this)
  }
}

const EMPTY = new Int16Array(0)
