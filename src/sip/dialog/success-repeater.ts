import type { Clock, Timer } from '../../runtime/runtime.ts'

/**
 * Repeats a 2xx to an INVITE until its ACK comes: after T1, then doubling up to T2, for 64*T1 in all, over reliable transports too, since the
 * ACK travels end to end (RFC 3261 §13.3.1.4).
 */
export class SuccessRepeater {
  readonly #clock: Clock
  readonly #t2: number
  readonly #deadline: number
  readonly #resend: () => void
  readonly #giveUp: () => void
  #interval: number
  #timer: Timer | undefined

  constructor(options: {
    readonly clock: Clock
    readonly t1: number
    readonly t2: number
    readonly resend: () => void
    readonly giveUp: () => void
  }) {
    this.#clock = options.clock
    this.#t2 = options.t2
    this.#interval = options.t1
    this.#resend = options.resend
    this.#giveUp = options.giveUp
    this.#deadline = this.#clock.now() + 64 * options.t1
    this.#arm()
  }

  get running(): boolean {
    return this.#timer !== undefined
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(): void {
    const at = Math.min(this.#clock.now() + this.#interval, this.#deadline)
    this.#timer = this.#clock.setTimer(at, () => this.#fire())
  }

  #fire(): void {
    this.#timer = undefined
    if (this.#clock.now() >= this.#deadline) {
      this.#giveUp()
      return
    }
    this.#interval = Math.min(this.#interval * 2, this.#t2)
    this.#arm()
    this.#resend()
  }
}
