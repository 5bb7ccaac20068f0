import type { Clock, Timer } from '../../runtime/runtime.ts'

/**
 * A table whose entries all live equally long, with one timer for all of them and a bound: beyond it the oldest goes,
 * counted in `dropped`.
 */
export class ExpiringMap<V> {
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #max: number
  /** In the order of expiry, since a Map keeps the order of insertion. */
  readonly #entries = new Map<string, { readonly value: V; readonly expiresAt: number }>()
  #timer: Timer | undefined
  #dropped = 0

  constructor(options: { readonly clock: Clock; readonly ttlMs: number; readonly max: number }) {
    this.#clock = options.clock
    this.#ttlMs = options.ttlMs
    this.#max = options.max
  }

  get size(): number {
    return this.#entries.size
  }

  get dropped(): number {
    return this.#dropped
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.value
  }

  /** Starts (again) the life of that entry. */
  set(key: string, value: V): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#max) {
      const oldest = this.#entries.keys().next()
      if (oldest.done !== true) {
        this.#entries.delete(oldest.value)
        this.#dropped++
      }
    }
    this.#entries.set(key, { value, expiresAt: this.#clock.now() + this.#ttlMs })
    this.#timer ??= this.#clock.setTimer(this.#clock.now() + this.#ttlMs, () => this.#expire())
  }

  clear(): void {
    this.#entries.clear()
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #expire(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt > now) {
        this.#timer = this.#clock.setTimer(expiresAt, () => this.#expire())
        return
      }
      this.#entries.delete(key)
    }
  }
}
