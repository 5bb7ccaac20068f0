/** Peers that did not take TCP when a large request was tried that way, for a while (RFC 3261 §18.1.1). */
export class RefusedTcp {
  readonly #until = new Map<string, number>()
  readonly #forMs: number
  readonly #bound: number

  constructor(forMs: number, bound: number) {
    this.#forMs = forMs
    this.#bound = bound
  }

  get size(): number {
    return this.#until.size
  }

  has(key: string, now: number): boolean {
    const until = this.#until.get(key)
    if (until === undefined) return false
    if (now < until) return true
    this.#until.delete(key)
    return false
  }

  add(key: string, now: number): void {
    this.#until.delete(key)
    if (this.#until.size >= this.#bound) {
      for (const oldest of this.#until.keys()) {
        this.#until.delete(oldest)
        break
      }
    }
    if (this.#bound > 0) this.#until.set(key, now + this.#forMs)
  }
}
