import type { Random } from '../../runtime/runtime.ts'
import { PERFECT, type SettledConditions } from './conditions.ts'

/** What `Link.arrival` answers instead of a time. */
export const LOST = -1
export const OVERFLOWED = -2
export const PARTITIONED = -3

/** Octets of IP and UDP headers, which take their share of a limited bandwidth. */
const HEADER_BYTES = 28

/** How long a sender of TCP waits at least before it sends a lost segment again (RFC 6298 allows less than its 1 s). */
const MIN_RETRANSMIT_MS = 200

/** One direction between two addresses: decides when, and whether, a datagram arrives. */
export class Link {
  conditions: SettledConditions = PERFECT
  partitioned = false
  /** Addresses under which conditions may name the sender, its own first, and the address it sends to. */
  readonly from: readonly string[]
  readonly to: string
  /** When the second copy of the datagram just asked for arrives, or -1. */
  copyAt = -1
  /** Whether the datagram just asked for was held back. */
  heldBack = false

  readonly #random: Random
  #lastAt = 0
  #busyUntil = 0
  #inBurst = false

  constructor(from: readonly string[], to: string, random: Random) {
    this.from = from
    this.to = to
    this.#random = random
  }

  /** When a datagram sent now arrives, or `LOST`, `OVERFLOWED`, `PARTITIONED`; sets `copyAt` and `heldBack`. */
  arrival(now: number, length: number): number {
    this.copyAt = -1
    this.heldBack = false
    if (this.partitioned) return PARTITIONED
    if (this.#isLost()) return LOST
    const { delayMs, jitterMs, reorder, reorderMs, duplicate, queueMs } = this.conditions
    const sentAt = this.#transmit(now, length, queueMs)
    if (sentAt < 0) return OVERFLOWED
    let at = sentAt + delayMs
    if (jitterMs > 0) at += this.#float() * jitterMs
    if (reorder > 0 && this.#float() < reorder) {
      this.heldBack = true
      at += this.#float() * reorderMs
    } else {
      if (at < this.#lastAt) at = this.#lastAt
      this.#lastAt = at
    }
    if (duplicate > 0 && this.#float() < duplicate) this.copyAt = at + this.#float() * (jitterMs + 1)
    return at
  }

  /** When an ordered octet stream gets a segment sent now across: what is lost is sent again, so it is only late. */
  streamArrival(now: number, length: number): number {
    const { delayMs, jitterMs } = this.conditions
    let at = this.#transmit(now, length, Infinity) + delayMs
    if (jitterMs > 0) at += this.#float() * jitterMs
    let waitMs = Math.max(MIN_RETRANSMIT_MS, 2 * delayMs)
    // Six tries: a link that loses everything is a partition, and that is decided on arrival.
    for (let tries = 0; tries < 6 && this.#isLost(); tries++) {
      at += waitMs
      waitMs *= 2
    }
    return at
  }

  #transmit(now: number, length: number, queueMs: number): number {
    const { bitsPerSecond } = this.conditions
    if (bitsPerSecond === Infinity) return now
    const start = Math.max(now, this.#busyUntil)
    if (start - now > queueMs) return -1
    this.#busyUntil = start + ((length + HEADER_BYTES) * 8000) / bitsPerSecond
    return this.#busyUntil
  }

  #isLost(): boolean {
    const { loss, burstLoss } = this.conditions
    if (burstLoss !== undefined) {
      const turn = this.#float() < (this.#inBurst ? burstLoss.leave : burstLoss.enter)
      if (turn) this.#inBurst = !this.#inBurst
      if (this.#inBurst && this.#float() < burstLoss.loss) return true
    }
    return loss > 0 && this.#float() < loss
  }

  #float(): number {
    return this.#random.uint32() / 2 ** 32
  }
}
