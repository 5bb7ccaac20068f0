import type { WritableStream } from 'node:stream/web'
import { Resampler } from '../codec/resampler.ts'
import type { AudioSink, LiveAudioSink, PlayOptions, PlaySource } from './audio-sink.ts'
import { playInto } from './play.ts'
import type { MarkReached, Playout } from './playout.ts'
import { writableOf } from './web-streams.ts'

/** A sink written at another rate: one streaming conversion in front of the queue everybody shares. */
export class ResampledSink implements AudioSink {
  readonly sampleRate: number
  readonly #sink: LiveAudioSink
  #resampler: Resampler
  #forget: (() => void) | undefined

  constructor(sink: LiveAudioSink, sampleRate: number) {
    this.#sink = sink
    this.sampleRate = sampleRate
    this.#resampler = new Resampler(sampleRate, sink.sampleRate)
  }

  get bufferedMs(): number {
    return this.#sink.bufferedMs
  }

  get ended(): boolean {
    return this.#sink.ended
  }

  write(samples: Int16Array): Promise<void> {
    if (!(samples instanceof Int16Array)) return this.#sink.write(samples)
    // The tail of what was cleared must not be heard before the next sentence.
    this.#forget ??= this.#sink.onClear(() => {
      this.#reset()
    })
    return this.#sink.write(this.#resampler.process(samples))
  }

  flush(): Promise<Playout> {
    this.#drain()
    return this.#sink.flush()
  }

  clear(): Playout {
    return this.#sink.clear()
  }

  mark(name?: string): Promise<MarkReached> {
    return this.#sink.mark(name)
  }

  play(source: PlaySource, options: PlayOptions = {}): Promise<Playout> {
    return playInto(this.#sink, source, this.sampleRate, options.signal)
  }

  at(sampleRate: number): AudioSink {
    return sampleRate === this.sampleRate ? this : this.#sink.at(sampleRate)
  }

  toWeb(): WritableStream<Int16Array> {
    return writableOf(this)
  }

  /** What the filter still holds belongs to the audio before the flush. */
  #drain(): void {
    if (this.#forget === undefined) return
    void this.#sink.write(this.#resampler.flush())
    this.#reset()
  }

  #reset(): void {
    this.#forget?.()
    this.#forget = undefined
    this.#resampler.reset()
  }
}
