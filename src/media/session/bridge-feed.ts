import { SampleQueue } from '../audio/sample-queue.ts'
import { Resampler } from '../codec/resampler.ts'

/** More than this never waits; when it does, all but the next is thrown away, ms. */
const MAX_WAITING_MS = 60
const KEPT_MS = 20

/** Frames of one call on their way to another, each taken in the turn of its own call. */
export class BridgeFeed {
  readonly #resampler: Resampler | undefined
  readonly #converted: Int16Array
  readonly #queue: SampleQueue
  readonly #samplesPerMs: number
  #last = 0
  #flowing = false

  constructor(fromRate: number, toRate: number) {
    this.#resampler = fromRate === toRate ? undefined : new Resampler(fromRate, toRate)
    this.#converted = new Int16Array(this.#resampler?.maxOutput(fromRate / 50) ?? 0)
    this.#samplesPerMs = toRate / 1000
    this.#queue = new SampleQueue(2 * MAX_WAITING_MS * this.#samplesPerMs)
  }

  push(frame: Int16Array): void {
    const queue = this.#queue
    if (queue.length > MAX_WAITING_MS * this.#samplesPerMs) {
      queue.discard(queue.length - KEPT_MS * this.#samplesPerMs)
    }
    if (this.#resampler === undefined) queue.push(frame)
    else {
      const count = this.#resampler.process(frame, this.#converted)
      queue.push(this.#converted.subarray(0, count))
    }
  }

  /** Fills `out`, led into silence where nothing has come; the samples that are sound, 0 before the first. */
  readFrame(out: Int16Array): number {
    if (this.#queue.length >= out.length) {
      this.#queue.shift(out)
      this.#flowing = true
      this.#last = out[out.length - 1] ?? 0
      return out.length
    }
    for (let i = 0; i < out.length; i += 1) {
      this.#last *= 7 / 8
      out[i] = this.#last
    }
    return this.#flowing ? out.length : 0
  }

  clear(): void {
    this.#queue.discard(this.#queue.length)
    this.#flowing = false
  }
}
