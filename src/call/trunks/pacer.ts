import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock, Timer } from '../../runtime/runtime.ts'

/** How many calls a trunk begins in any one second, and what becomes of one more. */
export interface CpsSettings {
  readonly limit: number
  /** `queue` (default): it waits for its turn, first come first served. `refuse`: it fails with SIP_LIMIT, or goes to the next trunk of a group. */
  readonly excess?: 'queue' | 'refuse'
  /** Calls that wait at once; one more is refused. Default 100. */
  readonly queue?: number
  /** A call that waited for so long is refused, milliseconds. Default 10,000. */
  readonly maxWaitMs?: number
}

/** @throws OptionError */
export function cpsRule(value: number | CpsSettings | undefined): Required<CpsSettings> {
  const settings = typeof value === 'number' ? { limit: value } : value
  const rule = { limit: Infinity, excess: 'queue' as const, queue: 100, maxWaitMs: 10_000, ...settings }
  const { limit, excess, queue, maxWaitMs } = rule
  if (!(limit > 0)) throw new OptionError('cps.limit', `${limit} lets no call begin; give calls a second`)
  if (excess !== 'queue' && excess !== 'refuse')
    throw new OptionError('cps.excess', `${String(excess)} is none of queue, refuse`)
  if (!(queue >= 0)) throw new OptionError('cps.queue', `${queue} is not a number of calls`)
  if (!(maxWaitMs >= 0))
    throw new OptionError('cps.maxWaitMs', `${maxWaitMs} is not a number of milliseconds`)
  return rule
}

export interface PacerStats {
  readonly begun: number
  /** Of them those that had to wait. */
  readonly delayed: number
  readonly refused: number
  readonly waiting: number
}

interface Waiting {
  readonly until: number
  readonly begin: () => void
  readonly refuse: (error: unknown) => void
}

/** The carrier counts when calls arrive, and the way there, a challenge or a lookup on it, takes one longer than the next: of the window, so much more. */
const SPARE = 0.05

/** Lets at most `limit` calls begin in any second: a window that slides, since carriers count so and a bucket that was filled would burst. */
export class Pacer {
  readonly #clock: Clock
  readonly #rule: Required<CpsSettings>
  readonly #name: string
  /** When the last calls began: as many as may begin in one window. */
  readonly #begun: number[] = []
  readonly #perWindow: number
  readonly #windowMs: number
  #waiting: Waiting[] = []
  #timer: Timer | undefined
  #counts = { begun: 0, delayed: 0, refused: 0 }

  constructor(clock: Clock, rule: Required<CpsSettings>, name: string) {
    this.#clock = clock
    this.#rule = rule
    this.#name = name
    // Half a call a second is one in two.
    this.#perWindow = rule.limit === Infinity ? 0 : Math.max(1, Math.floor(rule.limit))
    this.#windowMs = rule.limit === Infinity ? 0 : (this.#perWindow / rule.limit) * 1_000 * (1 + SPARE)
  }

  stats(): PacerStats {
    return { ...this.#counts, waiting: this.#waiting.length }
  }

  /** Resolves when the call may begin. Rejects with SIP_LIMIT, or with the reason of `signal`. */
  async turn(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const now = this.#clock.now()
    if (this.#waiting.length === 0 && this.#freeAt() <= now) {
      this.#note(now)
      return
    }
    const { excess, queue, maxWaitMs } = this.#rule
    if (excess === 'refuse') throw this.#refusal('')
    if (this.#waiting.length >= queue) throw this.#refusal(`, and ${queue} calls wait already (cps.queue)`)
    this.#counts.delayed++
    await new Promise<void>((resolve, reject) => {
      const forget = (): void => signal?.removeEventListener('abort', onAbort)
      const waiting: Waiting = {
        until: now + maxWaitMs,
        begin: () => {
          forget()
          resolve()
        },
        refuse: error => {
          forget()
          reject(error)
        },
      }
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter(each => each !== waiting)
        waiting.refuse(signal?.reason)
        this.#arm()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(waiting)
      this.#arm()
    })
  }

  /** Whoever waits is refused. */
  close(): void {
    this.#timer?.cancel()
    for (const waiting of this.#waiting.splice(0))
      waiting.refuse(new SipError('SIP_STATE', `trunk ${this.#name} is closed`))
  }

  #freeAt(): number {
    const oldest = this.#begun[this.#begun.length - this.#perWindow]
    return this.#perWindow === 0 || oldest === undefined ? -Infinity : oldest + this.#windowMs
  }

  #note(now: number): void {
    this.#counts.begun++
    if (this.#perWindow === 0) return
    this.#begun.push(now)
    if (this.#begun.length > this.#perWindow) this.#begun.shift()
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const [first] = this.#waiting
    if (first === undefined) return
    this.#timer = this.#clock.setTimer(Math.min(this.#freeAt(), first.until), () => this.#run())
  }

  #run(): void {
    const now = this.#clock.now()
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#freeAt() <= now) {
        this.#note(now)
        first.begin()
      } else if (first.until <= now) {
        first.refuse(this.#refusal(`; the call waited ${this.#rule.maxWaitMs} ms (cps.maxWaitMs)`))
      } else break
      this.#waiting.shift()
    }
    this.#arm()
  }

  #refusal(more: string): SipError {
    this.#counts.refused++
    return new SipError(
      'SIP_LIMIT',
      `trunk ${this.#name} begins at most ${this.#rule.limit} calls a second (cps)${more}; call later, or by another trunk`,
    )
  }
}
