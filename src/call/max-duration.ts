import type { Clock, Timer } from '../runtime/runtime.ts'
import type { DurationLimit } from './control-options.ts'

/** The timers that warn of the end of a call and bring it about; none is left armed once the call is over. */
export class MaxDuration {
  readonly #clock: Clock
  readonly #onExpiring: (remainingMs: number) => void
  readonly #onExpired: (limit: DurationLimit) => void
  #timers: readonly Timer[] = []

  constructor(options: {
    readonly clock: Clock
    readonly onExpiring: (remainingMs: number) => void
    readonly onExpired: (limit: DurationLimit) => void
  }) {
    this.#clock = options.clock
    this.#onExpiring = options.onExpiring
    this.#onExpired = options.onExpired
  }

  /** From the answer on. */
  start(limit: DurationLimit): void {
    this.cancel()
    const now = this.#clock.now()
    const { warnAtMs, endAtMs } = limit
    this.#timers = [
      this.#clock.setTimer(now + warnAtMs, () => this.#onExpiring(endAtMs - warnAtMs)),
      this.#clock.setTimer(now + endAtMs, () => this.#onExpired(limit)),
    ]
  }

  cancel(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers = []
  }
}
