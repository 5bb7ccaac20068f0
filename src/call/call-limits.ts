import type { Clock, Timer } from '../runtime/runtime.ts'
import { durationLimit } from './control-options.ts'
import type { CallControlOptions, DurationLimit } from './control-options.ts'
import { MaxDuration } from './max-duration.ts'

export interface CallLimitsInit {
  readonly clock: Clock
  /** The endpoint's limit. */
  readonly duration: DurationLimit | undefined
  readonly onExpiring: (remainingMs: number) => void
  readonly onExpired: (limit: DurationLimit) => void
}

/** How long a call may ring and last. No timer is armed once it is over. */
export class CallLimits {
  readonly #init: CallLimitsInit
  #ringing: Timer | undefined
  #limit: DurationLimit | undefined
  #duration: MaxDuration | undefined

  constructor(init: CallLimitsInit) {
    this.#init = init
    this.#limit = init.duration
  }

  /** Undefined: for ever. */
  ring(ms: number | undefined, onTimeout: () => void): void {
    const { clock } = this.#init
    if (ms !== undefined) this.#ringing = clock.setTimer(clock.now() + ms, onTimeout)
  }

  /** Options of this call in place of the endpoint's. @throws OptionError naming the field */
  set(options: CallControlOptions): void {
    if (options.maxDurationMs !== undefined) this.#limit = durationLimit(options)
  }

  /** A second time is nothing new. */
  answered(): void {
    this.#ringing?.cancel()
    if (this.#limit === undefined || this.#duration !== undefined) return
    this.#duration = new MaxDuration(this.#init)
    this.#duration.start(this.#limit)
  }

  over(): void {
    this.#ringing?.cancel()
    this.#duration?.cancel()
  }
}
