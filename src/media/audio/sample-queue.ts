/**
 * First in, first out, of 16-bit samples: a ring that grows by doubling up to `maxSamples` and gives the
 * memory back when it has run empty. What does not fit is refused, so that the caller can count it.
 */
export class SampleQueue {
  readonly maxSamples: number
  #buffer: Int16Array = EMPTY
  #head = 0
  #length = 0

  constructor(maxSamples: number) {
    this.maxSamples = maxSamples
  }

  get length(): number {
    return this.#length
  }

  /** Appends a copy and returns how many samples were taken; fewer than given means the queue is full. */
  push(samples: Int16Array): number {
    const count = Math.min(samples.length, this.maxSamples - this.#length)
    if (count <= 0) return 0
    if (this.#length + count > this.#buffer.length) this.#grow(this.#length + count)
    const buffer = this.#buffer
    let at = this.#head + this.#length
    if (at >= buffer.length) at -= buffer.length
    if (count === samples.length && at + count <= buffer.length) buffer.set(samples, at)
    else {
      for (let i = 0; i < count; i += 1) {
        buffer[at] = samples[i] as number
        at = at + 1 === buffer.length ? 0 : at + 1
      }
    }
    this.#length += count
    return count
  }

  /** Moves up to `count` samples to the start of `out` and returns how many there were. */
  shift(out: Int16Array, count: number = out.length): number {
    const taken = Math.min(count, this.#length)
    if (taken === 0) return 0
    const buffer = this.#buffer
    // A loop, because cutting a view for `set` costs more than to copy a frame.
    const first = Math.min(taken, buffer.length - this.#head)
    const head = this.#head
    for (let i = 0; i < first; i += 1) out[i] = buffer[head + i] as number
    for (let i = first; i < taken; i += 1) out[i] = buffer[i - first] as number
    this.discard(taken)
    return taken
  }

  discard(count: number): void {
    const taken = Math.min(count, this.#length)
    this.#length -= taken
    if (this.#length > 0) {
      this.#head = (this.#head + taken) % this.#buffer.length
      return
    }
    this.#head = 0
    if (this.#buffer.length > KEEP_SAMPLES) this.#buffer = EMPTY
  }

  #grow(needed: number): void {
    let size = Math.max(this.#buffer.length, START_SAMPLES)
    while (size < needed) size *= 2
    const grown = new Int16Array(size)
    const first = Math.min(this.#length, this.#buffer.length - this.#head)
    grown.set(this.#buffer.subarray(this.#head, this.#head + first), 0)
    if (first < this.#length) grown.set(this.#buffer.subarray(0, this.#length - first), first)
    this.#buffer = grown
    this.#head = 0
  }
}

const EMPTY = new Int16Array(0)
const START_SAMPLES = 1024
/** An empty queue keeps a buffer of this size, so that a steady stream allocates nothing. */
const KEEP_SAMPLES = 16_384
