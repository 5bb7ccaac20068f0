import type { Call } from '../../call/call.ts'
import type { Clock, Timer } from '../../runtime/runtime.ts'

export type Waited = 'turn' | 'full' | 'too-long' | 'gone' | 'closed'

export interface LineLimits {
  readonly maxActive: number
  readonly maxWaiting: number
  readonly maxWaitMs: number
}

interface Waiting {
  readonly settle: (how: Waited) => void
}

/** Who waits for a turn, first come first served. */
export class WaitLine {
  readonly #clock: Clock
  readonly #waiting: Waiting[] = []
  #active = 0
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get active(): number {
    return this.#active
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Whether somebody who comes now has to wait. */
  isBusy({ maxActive }: LineLimits): boolean {
    return this.#active >= maxActive || this.#waiting.length > 0
  }

  /** At once, or a promise that settles when it is the call's turn; then call `done` once. Never rejects. */
  enter(call: Call, limits: LineLimits): Waited | Promise<Waited> {
    if (call.endedValue !== undefined) return 'gone'
    if (!this.isBusy(limits)) {
      this.#active += 1
      return 'turn'
    }
    if (this.#closed) return 'closed'
    if (this.#waiting.length >= limits.maxWaiting) return 'full'
    return new Promise(resolve => {
      let timer: Timer | undefined = undefined
      const entry: Waiting = {
        settle: how => {
          timer?.cancel()
          call.signal.removeEventListener('abort', gone)
          resolve(how)
        },
      }
      const leave = (how: Waited): void => {
        const at = this.#waiting.indexOf(entry)
        if (at < 0) return
        this.#waiting.splice(at, 1)
        entry.settle(how)
      }
      const gone = (): void => leave('gone')
      timer = this.#clock.setTimer(this.#clock.now() + limits.maxWaitMs, () => leave('too-long'))
      call.signal.addEventListener('abort', gone, { once: true })
      this.#waiting.push(entry)
    })
  }

  /** Whose turn it was is through; the next one's begins, unless fewer may be active by now. */
  done(maxActive: number): void {
    this.#active -= 1
    while (this.#active < maxActive) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#active += 1
      next.settle('turn')
    }
  }

  /** Nobody waits any longer, who comes later neither. */
  close(): void {
    this.#closed = true
    for (const { settle } of this.#waiting.splice(0)) settle('closed')
  }
}
