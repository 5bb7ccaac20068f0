import type { Clock, Timer } from '../../../src/runtime/runtime.ts'

/** A clock whose timers do not run while the process "stands still": a blocked event loop, in virtual time. */
export class StallingClock implements Clock {
  readonly #inner: Clock
  #until = -Infinity

  constructor(inner: Clock) {
    this.#inner = inner
  }

  /** From now on nothing runs for `ms`. */
  stall(ms: number): void {
    this.#until = this.now() + ms
  }

  now(): number {
    return this.#inner.now()
  }

  wallTime(): number {
    return this.#inner.wallTime()
  }

  setTimer(atMs: number, run: () => void): Timer {
    let timer = this.#inner.setTimer(atMs, () => {
      if (this.now() >= this.#until) run()
      else timer = this.setTimer(this.#until, run)
    })
    return { cancel: () => timer.cancel() }
  }
}
