/** Round trips in ms, of all reports so far. */
export interface RoundTripSnapshot {
  readonly lastMs: number
  readonly minMs: number
  readonly meanMs: number
  readonly maxMs: number
  readonly count: number
}

/** Reports of ours that the peer may still refer to. */
const REMEMBERED = 8
/** Above this the figures of a report cannot be right. */
const MOST_MS = 30_000

/**
 * The round trip by our own clock (RFC 3550 §6.4.1): from our report to the peer's that refers to it, less the time the peer kept it.
 * A reference to a report we never sent is counted and passed over.
 */
export class RoundTrip {
  readonly #sent = new Float64Array(REMEMBERED).fill(-1)
  #next = 0
  #count = 0
  #sum = 0
  #last = 0
  #min = Infinity
  #max = 0
  #doubtful = 0

  /** References that made no sense. */
  get doubtful(): number {
    return this.#doubtful
  }

  /** Undefined before the first. */
  get snapshot(): RoundTripSnapshot | undefined {
    if (this.#count === 0) return undefined
    return {
      lastMs: this.#last,
      minMs: this.#min,
      meanMs: this.#sum / this.#count,
      maxMs: this.#max,
      count: this.#count,
    }
  }

  /** A report with this time, as the middle 32 bits of NTP, went out. */
  sent(time: number): void {
    this.#sent[this.#next] = time
    this.#next = (this.#next + 1) % REMEMBERED
  }

  /** The peer refers to `reference`, which it kept for `kept` 1/65536 s; `time` is the present. 0 refers to nothing. */
  returned(reference: number, kept: number, time: number): void {
    if (reference === 0) return
    const units = (time - reference - kept) | 0
    const ms = (units * 1000) / 65_536
    if (!this.#sent.includes(reference) || ms > MOST_MS || ms < -MOST_MS) {
      this.#doubtful += 1
      return
    }
    // A clock with coarse ticks may say less than nothing.
    const measured = Math.max(0, ms)
    this.#count += 1
    this.#sum += measured
    this.#last = measured
    this.#min = Math.min(this.#min, measured)
    this.#max = Math.max(this.#max, measured)
  }
}
