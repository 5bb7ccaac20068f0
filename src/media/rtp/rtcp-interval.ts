import type { Random } from '../../runtime/runtime.ts'

export interface RtcpScheduleOptions {
  readonly random: Random
  /** Of RTP both ways with headers, octets per second: RTCP gets a twentieth of it (RFC 3550 §6.2). */
  readonly sessionBandwidth: number
  /** Least mean interval, ms: 5000 (default), or less as RFC 3550 §6.2 allows, see `reducedMinimum`. */
  readonly minimumMs?: number
}

/** Who takes part, as one member sees it. */
export interface Membership {
  /** Ourselves included. */
  readonly members: number
  /** Those who sent RTP during the last two intervals, ourselves included. */
  readonly senders: number
  readonly weSend: boolean
}

export const DEFAULT_MINIMUM_MS = 5000
/** For RTCP, of the session's bandwidth. */
const SHARE = 0.05
/** Of that, for those who send RTP, while they are a minority. */
const SENDERS_SHARE = 0.25
/** Makes up for the intervals that timer reconsideration lengthens: e - 3/2. */
const COMPENSATION = Math.E - 1.5
/** Intervals of silence after which a member is no longer counted (RFC 3550 §6.3.5). */
const PATIENCE = 5
/** Of IPv4 and UDP; the sizes of RTCP are counted with them (RFC 3550 §6.2). */
const LOWER_HEADERS = 28
/** A first guess at a compound of ours, headers included. */
const FIRST_SIZE = 150

/** The reduced minimum of RFC 3550 §6.2, ms: 360 divided by the bandwidth in kbit/s; never above the default. */
export function reducedMinimum(sessionBandwidth: number): number {
  const kilobits = (sessionBandwidth * 8) / 1000
  return Math.min(DEFAULT_MINIMUM_MS, 360_000 / kilobits)
}

/** When to send RTCP (RFC 3550 §6.3). Pure: the owner asks `due` at `dueAt`. Times in ms of one clock. */
export class RtcpSchedule {
  readonly #random: Random
  readonly #bandwidth: number
  readonly #minimumMs: number
  #averageSize = FIRST_SIZE
  #initial = true
  #lastAt: number
  #dueAt: number
  #knownMembers = 1

  constructor(now: number, options: RtcpScheduleOptions) {
    this.#random = options.random
    this.#bandwidth = options.sessionBandwidth * SHARE
    this.#minimumMs = options.minimumMs ?? DEFAULT_MINIMUM_MS
    this.#lastAt = now
    this.#dueAt = now + this.#draw({ members: 1, senders: 0, weSend: false })
  }

  /** When to ask `due`. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** How long a member may be silent before it is counted out, ms. */
  timeout(membership: Membership): number {
    return PATIENCE * this.#deterministic(membership, this.#minimumMs)
  }

  /**
   * To be asked once `dueAt` has come: true when a packet is to be sent now, `sent` follows. False when, with the members now
   * known, it is too early (timer reconsideration, §6.3.6); `dueAt` has moved then.
   */
  due(now: number, membership: Membership): boolean {
    const at = this.#lastAt + this.#draw(membership)
    this.#knownMembers = membership.members
    if (at <= now) return true
    this.#dueAt = at
    return false
  }

  /** A compound of ours went out, `octets` long. */
  sent(now: number, octets: number, membership: Membership): void {
    this.#measure(octets)
    this.#lastAt = now
    this.#initial = false
    this.#dueAt = now + this.#draw(membership)
  }

  /** A compound came in. */
  received(octets: number): void {
    this.#measure(octets)
  }

  /** Somebody left or fell silent: the next report moves nearer in proportion (reverse reconsideration, §6.3.4). */
  left(now: number, membership: Membership): void {
    if (membership.members >= this.#knownMembers) return
    const share = membership.members / this.#knownMembers
    this.#dueAt = now + (this.#dueAt - now) * share
    this.#lastAt = now - (now - this.#lastAt) * share
    this.#knownMembers = membership.members
  }

  #measure(octets: number): void {
    this.#averageSize += (octets + LOWER_HEADERS - this.#averageSize) / 16
  }

  #draw(membership: Membership): number {
    const minimum = this.#initial ? this.#minimumMs / 2 : this.#minimumMs
    const spread = 0.5 + this.#random.uint32() / 0x1_0000_0000
    return (this.#deterministic(membership, minimum) * spread) / COMPENSATION
  }

  #deterministic({ members, senders, weSend }: Membership, minimumMs: number): number {
    let bandwidth = this.#bandwidth
    let sharers = members
    if (senders <= members * SENDERS_SHARE) {
      bandwidth *= weSend ? SENDERS_SHARE : 1 - SENDERS_SHARE
      sharers = weSend ? senders : members - senders
    }
    return Math.max(minimumMs, (this.#averageSize * sharers * 1000) / bandwidth)
  }
}
