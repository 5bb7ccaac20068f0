import { OptionError } from '../runtime/errors.ts'
import type { Clock, Timer } from '../runtime/runtime.ts'

/** The clock of a machine whose crystal is off: it runs `ppm` parts in a million too fast, or too slow when negative. */
export class DriftingClock implements Clock {
  readonly #clock: Clock
  readonly #rate: number
  readonly #origin: number
  readonly #wallOrigin: number

  /** @throws {OptionError} more than 10,000 ppm either way, which is no clock any more */
  constructor(clock: Clock, ppm: number) {
    if (!(Math.abs(ppm) <= 10_000)) {
      throw new OptionError('clockPpm', `${ppm} is not usable; give -10000 to 10000 parts in a million`)
    }
    this.#clock = clock
    this.#rate = 1 + ppm / 1e6
    this.#origin = clock.now()
    this.#wallOrigin = clock.wallTime()
  }

  now(): number {
    return this.#origin + (this.#clock.now() - this.#origin) * this.#rate
  }

  wallTime(): number {
    return this.#wallOrigin + (this.#clock.wallTime() - this.#wallOrigin) * this.#rate
  }

  setTimer(atMs: number, run: () => void, earlyMs?: number): Timer {
    return this.#clock.setTimer(this.#origin + (atMs - this.#origin) / this.#rate, run, earlyMs)
  }
}
