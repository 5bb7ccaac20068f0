// The global of that name is a getter, and dear where time is read several times a message.
import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../runtime.ts'
import { TimerQueue } from '../timers.ts'

/**
 * Time of the machine: `performance.now()` and one `setTimeout` for all timers.
 *
 * A timer never runs before its time, but for what it allows. Node counts its time-outs in whole milliseconds of a clock that it reads once
 * per turn, so an alarm can come up to one millisecond early (then it is set again for the rest) and is usually less
 * than one late. Due times are absolute: what is late by a bit does not make the next one late.
 *
 * While a timer is pending it keeps the process alive, like `setTimeout`; with none pending nothing of the clock does.
 * What should not hold up the end of the process has to be cancelled, which is what closing an endpoint does.
 */
export class NodeClock implements Clock {
  readonly #queue: TimerQueue
  readonly #fire: () => void
  #timeout: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #armedAt = Infinity

  constructor() {
    this.#queue = new TimerQueue({
      now: () => performance.now(),
      arm: atMs => this.#arm(atMs),
      disarm: () => this.#disarm(),
    })
    this.#fire = () => {
      this.#timeout = undefined
      this.#immediate = undefined
      this.#armedAt = Infinity
      this.#queue.runDue(performance.now())
    }
  }

  now(): number {
    return performance.now()
  }

  wallTime(): number {
    return Date.now()
  }

  setTimer(atMs: number, run: () => void, earlyMs?: number): Timer {
    return this.#queue.set(atMs, run, earlyMs)
  }

  #arm(atMs: number): void {
    // An alarm that comes too early finds nothing due and is set again: cheaper than to move it with every change.
    if (this.#armedAt <= atMs) return
    this.#disarm()
    this.#armedAt = atMs
    const waitMs = atMs - performance.now()
    if (waitMs <= 0) this.#immediate = setImmediate(this.#fire)
    else this.#timeout = setTimeout(this.#fire, Math.min(Math.ceil(waitMs), 0x7fffffff))
  }

  #disarm(): void {
    if (this.#timeout !== undefined) clearTimeout(this.#timeout)
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    this.#timeout = undefined
    this.#immediate = undefined
    this.#armedAt = Infinity
  }
}
