import { addressKey } from '../addresses.ts'
import type { Target } from '../locate.ts'

/** How long a server that gave no answer, or could not be connected to, is tried last. */
export const AVOID_MS = 60_000
/** The longest `Retry-After` that is believed: a server must not put itself out of service for days. */
export const MAX_RETRY_AFTER_MS = 3_600_000
/** Servers kept in mind; the oldest goes for a new one. */
const MAX_AVOIDED = 1024

/** Which servers are tried last for a while, because they failed (RFC 3263 §4.3, RFC 3261 §21.5.4). */
export class ServerHealth {
  readonly #until = new Map<string, number>()
  #dropped = 0

  get size(): number {
    return this.#until.size
  }

  /** Servers forgotten before their time for want of room. */
  get dropped(): number {
    return this.#dropped
  }

  avoid(target: Target, untilMs: number): void {
    const key = keyOf(target)
    const known = this.#until.get(key) ?? 0
    this.#until.delete(key)
    if (this.#until.size >= MAX_AVOIDED) {
      const [oldest] = this.#until.keys()
      if (oldest !== undefined) this.#until.delete(oldest)
      this.#dropped++
    }
    this.#until.set(key, Math.max(known, untilMs))
  }

  /** It answered. */
  recovered(target: Target): void {
    if (this.#until.size > 0) this.#until.delete(keyOf(target))
  }

  isAvoided(target: Target, now: number): boolean {
    if (this.#until.size === 0) return false
    const key = keyOf(target)
    const until = this.#until.get(key)
    if (until === undefined) return false
    if (until > now) return true
    this.#until.delete(key)
    return false
  }

  /** Avoided servers last, otherwise in the order given; the same array when there is nothing to change. */
  order(targets: readonly Target[], now: number): readonly Target[] {
    if (this.#until.size === 0 || targets.length < 2) return targets
    const good: Target[] = []
    const avoided: Target[] = []
    for (const target of targets) (this.isAvoided(target, now) ? avoided : good).push(target)
    return avoided.length === 0 ? targets : [...good, ...avoided]
  }
}

function keyOf({ transport, address, port }: Target): string {
  return `${transport} ${addressKey(address, port)}`
}
