import type { ReconnectSettings } from './options.ts'

/** A connection that lasted so long was a good one: the attempts after it count anew. */
const STEADY_MS = 10_000

/** When a connection that broke is made again. Pure: times are those of any clock, in milliseconds. */
export class Redial {
  readonly #settings: Required<ReconnectSettings>
  #attempts = 0
  #upAt: number | undefined

  constructor(settings: Required<ReconnectSettings>) {
    this.#settings = settings
  }

  /** The session is set up. */
  up(now: number): void {
    this.#upAt = now
  }

  /** How long to wait before the next attempt; undefined: there is none. */
  next(now: number): number | undefined {
    const { attempts, delayMs, maxDelayMs } = this.#settings
    // A server that takes each session and drops it at once would otherwise be dialled for as long as the caller bears the silence.
    if (this.#upAt !== undefined && now - this.#upAt >= STEADY_MS) this.#attempts = 0
    this.#upAt = undefined
    if (this.#attempts >= attempts) return undefined
    const waitMs = Math.min(maxDelayMs, delayMs * 2 ** this.#attempts)
    this.#attempts += 1
    return waitMs
  }
}
