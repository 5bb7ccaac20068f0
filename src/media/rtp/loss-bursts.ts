/** Received packets in a row that end a burst (RFC 3611 §4.7.2). */
export const GMIN = 16

/**
 * Losses told apart by how they cluster (RFC 3611 §4.7.2). A burst begins and ends with a packet that is lost or discarded and has no
 * run of `GMIN` good ones in it; what is not burst is gap, and a loss alone in it belongs to the gap.
 */
export interface BurstSnapshot {
  /** Packets judged so far: the youngest ones may still come. */
  readonly packets: number
  /** Of those, lost. */
  readonly lost: number
  /** Of those, received but not played. */
  readonly discarded: number
  readonly bursts: number
  /** Packets within bursts, and those of them that were lost or discarded. */
  readonly burstPackets: number
  readonly burstLost: number
  readonly gapPackets: number
  readonly gapLost: number
  /** Gaps between bursts, before the first and behind the last. */
  readonly gaps: number
  /** Runs of packets missing in a row. */
  readonly runs: number
  readonly longestRun: number
}

/** Gaps and bursts of one stream. Packets are told in the order of their sequence numbers. */
export class LossBursts {
  #packets = 0
  #lost = 0
  #discarded = 0
  // The burst that may be under way, from its first missing packet to its last.
  #openPackets = 0
  #openMissing = 0
  /** Good packets since the last missing one. */
  #good = GMIN
  #bursts = 0
  /** Whether a gap came before the first burst: 1 or 0. */
  #leading = 0
  #burstPackets = 0
  #burstLost = 0
  #gapLost = 0
  #run = 0
  #runs = 0
  #longestRun = 0

  received(): void {
    this.#packets += 1
    this.#good += 1
    this.#run = 0
    if (this.#good >= GMIN && this.#openMissing > 0) this.#close()
  }

  missing(discarded: boolean): void {
    this.#packets += 1
    if (discarded) this.#discarded += 1
    else this.#lost += 1
    this.#run += 1
    if (this.#run === 1) this.#runs += 1
    if (this.#run > this.#longestRun) this.#longestRun = this.#run
    this.#openPackets += this.#openMissing > 0 ? this.#good + 1 : 1
    this.#openMissing += 1
    this.#good = 0
  }

  /** What is under way counts as it stands. */
  snapshot(): BurstSnapshot {
    const open = this.#openMissing > 1
    const bursts = this.#bursts + (open ? 1 : 0)
    const burstPackets = this.#burstPackets + (open ? this.#openPackets : 0)
    const burstLost = this.#burstLost + (open ? this.#openMissing : 0)
    const gapPackets = this.#packets - burstPackets
    return {
      packets: this.#packets,
      lost: this.#lost,
      discarded: this.#discarded,
      bursts,
      burstPackets,
      burstLost,
      gapPackets,
      gapLost: this.#gapLost + (this.#openMissing === 1 ? 1 : 0),
      gaps: this.#gaps(bursts),
      runs: this.#runs,
      longestRun: this.#longestRun,
    }
  }

  /** Every burst that has ended is followed by a gap. */
  #gaps(bursts: number): number {
    if (bursts === 0) return this.#packets > 0 ? 1 : 0
    if (this.#bursts > 0) return this.#leading + this.#bursts
    return this.#precededByGap()
  }

  #precededByGap(): number {
    return this.#packets - this.#good > this.#openPackets ? 1 : 0
  }

  #close(): void {
    if (this.#openMissing === 1) this.#gapLost += 1
    else {
      if (this.#bursts === 0) this.#leading = this.#precededByGap()
      this.#bursts += 1
      this.#burstPackets += this.#openPackets
      this.#burstLost += this.#openMissing
    }
    this.#openPackets = 0
    this.#openMissing = 0
  }
}
