export interface MediaTimeoutOptions {
  /** How long the first packet may take, ms. 0 turns the wait for it off. */
  readonly initialMs?: number
  /** How long a stream that has begun may be silent, ms. 0 turns this off. */
  readonly runningMs?: number
}

/** Tells when the other side's media has stopped. Pure: the owner asks `check` now and then, or at `nextAt`. */
export class MediaTimeout {
  readonly #initialMs: number
  readonly #runningMs: number
  #since: number
  #heard = false
  #paused = false

  /** `now` and every time after it in ms of one clock; the wait for the first packet begins with `now`. */
  constructor(now: number, options: MediaTimeoutOptions = {}) {
    this.#initialMs = options.initialMs ?? 30_000
    this.#runningMs = options.runningMs ?? 15_000
    this.#since = now
  }

  packet(now: number): void {
    this.#heard = true
    this.#since = now
  }

  /** While the call is held (or we asked for no media) silence means nothing. */
  pause(): void {
    this.#paused = true
  }

  /** The wait starts over, with the patience of a first packet: the far end may need time to come back. */
  resume(now: number): void {
    if (!this.#paused) return
    this.#paused = false
    this.#heard = false
    this.#since = now
  }

  get paused(): boolean {
    return this.#paused
  }

  /** When `check` would first say true; undefined while paused or turned off. */
  get nextAt(): number | undefined {
    const patience = this.#heard ? this.#runningMs : this.#initialMs
    return this.#paused || patience === 0 ? undefined : this.#since + patience
  }

  /** True from the moment the stream counts as dead until a packet comes or it is paused. */
  check(now: number): boolean {
    const at = this.nextAt
    return at !== undefined && now >= at
  }
}
