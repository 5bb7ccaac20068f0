import type { AudioFrame } from './audio-source.ts'
import { SampleQueue } from './sample-queue.ts'

/**
 * Cuts chunks of any length into frames of one length. What is short of a frame waits for the next chunk, so that
 * no chunk boundary is heard; only `flush` fills up with silence.
 */
export class Reframer {
  readonly #queue: SampleQueue
  readonly #frame: Int16Array

  constructor(frameSamples: number) {
    this.#queue = new SampleQueue(Number.MAX_SAFE_INTEGER)
    this.#frame = new Int16Array(frameSamples)
  }

  /** Samples waiting for a frame to be full. */
  get waiting(): number {
    return this.#queue.length
  }

  /** The full frames there are now, `chunk` included. Each is valid until the next one is asked for. */
  *push(chunk: Int16Array): Generator<Int16Array, void, undefined> {
    this.#queue.push(chunk)
    while (this.#queue.length >= this.#frame.length) {
      this.#queue.shift(this.#frame)
      yield this.#frame
    }
  }

  /** The rest, filled up with silence; `undefined` when nothing waits. */
  flush(): Int16Array | undefined {
    if (this.#queue.length === 0) return undefined
    this.#frame.fill(0, this.#queue.shift(this.#frame))
    return this.#frame
  }
}

/** `source` in frames of `frameSamples` samples, the last one filled up with silence. */
export async function* reframe(
  source: AsyncIterable<Int16Array | AudioFrame>,
  frameSamples: number,
): AsyncGenerator<Int16Array, void, undefined> {
  const reframer = new Reframer(frameSamples)
  for await (const chunk of source) yield* reframer.push(chunk instanceof Int16Array ? chunk : chunk.samples)
  const rest = reframer.flush()
  if (rest !== undefined) yield rest
}
