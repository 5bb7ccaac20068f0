/**
 * Adds what several parties say and gives each the sum without its own voice (N-1).
 * Sums that would not fit in 16 bits are bent, not cut off: see `limit`.
 */
export class Mixer {
  readonly #sum: Int32Array

  /** `frameSamples` is the length of every frame given and returned. */
  constructor(frameSamples: number) {
    this.#sum = new Int32Array(frameSamples)
  }

  /** Forgets the frames added so far. */
  start(): void {
    this.#sum.fill(0)
  }

  add(frame: Int16Array): void {
    const sum = this.#sum
    for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] as number) + (frame[i] ?? 0)
  }

  /** Takes back a frame that was added. */
  remove(frame: Int16Array): void {
    const sum = this.#sum
    for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] as number) - (frame[i] ?? 0)
  }

  /** Everybody added, but for `own`; written to `out` and returned. */
  mix(out: Int16Array, own?: Int16Array): Int16Array {
    const sum = this.#sum
    for (let i = 0; i < sum.length; i += 1) out[i] = limit((sum[i] as number) - (own?.[i] ?? 0))
    return out
  }
}

/** Unchanged up to 24576 (-2.5 dBFS); beyond, an ever flatter curve that never reaches full scale. */
export function limit(sample: number): number {
  if (sample <= KNEE && sample >= -KNEE) return sample
  const over = (sample < 0 ? -sample : sample) - KNEE
  const bent = KNEE + Math.floor((ROOM * over) / (over + ROOM))
  return sample < 0 ? -bent : bent
}

const KNEE = 24_576
const ROOM = 32_767 - KNEE
