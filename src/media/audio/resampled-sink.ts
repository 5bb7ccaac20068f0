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
  readonly #resampler: Resampler
  #buffer: Int16Array = EMPTY
  /** Samples still to leave out: what the filter's delay puts before the first sound. */
  #lead = 0
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

  get volumeDb(): number {
    return this.#sink.volumeDb
  }

  set volumeDb(volumeDb: number) {
    this.#sink.volumeDb = volumeDb
  }

  get muted(): boolean {
    return this.#sink.muted
  }

  mute(): void {
    this.#sink.mute()
  }

  unmute(): void {
    this.#sink.unmute()
  }

  write(samples: Int16Array): Promise<void> {
    if (!(samples instanceof Int16Array)) return this.#sink.write(samples)
    // The tail of what was cleared must not be heard before the next sentence.
    if (this.#forget === undefined) {
      this.#forget = this.#sink.onClear(() => {
        this.#reset()
      })
      this.#lead = Math.round((this.#resampler.delayMs * this.#sink.sampleRate) / 1000)
    }
    const room = this.#resampler.maxOutput(samples.length)
    if (this.#buffer.length < room) this.#buffer = new Int16Array(room)
    return this.#sink.write(this.#afterLead(this.#resampler.process(samples, this.#buffer)))
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
    if (this.#buffer.length < this.#resampler.maxFlush)
      this.#buffer = new Int16Array(this.#resampler.maxFlush)
    void this.#sink.write(this.#afterLead(this.#resampler.flush(this.#buffer)))
    this.#reset()
  }

  #afterLead(length: number): Int16Array {
    const lead = Math.min(this.#lead, length)
    this.#lead -= lead
    return this.#buffer.subarray(lead, length)
  }

  #reset(): void {
    this.#forget?.()
    this.#forget = undefined
    this.#resampler.reset()
  }
}

const EMPTY = new Int16Array(0)
