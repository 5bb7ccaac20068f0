import type { ReportBlock } from '../rtp/rtcp.ts'
import type { OwnSource } from './rtcp-peer.ts'

/** How long the peer's reports must show nothing of ours: three of them at the usual 5 s, ms. */
const PATIENCE_MS = 12_000
/** What must have been sent meanwhile, packets: on hold, and in pauses of comfort noise, nothing is missed. */
const MISSED_PACKETS = 50

/**
 * Whether our audio reaches the peer, as its own reports have it (RFC 3550 §6.4): while packets of ours arrive, the highest sequence number it
 * has seen goes on. The other half of one-way audio; our own silence shows in what comes.
 */
export class Unheard {
  readonly #onUnheard: () => void
  #ssrc = 0
  #highest: number | undefined
  #since = NaN
  #sentBefore = 0
  #lastAt = 0
  #told = false

  /** How long its reports have shown nothing of ours, ms; 0 while they do, or there are none. */
  get ms(): number {
    return this.#told ? this.#lastAt - this.#since : 0
  }

  /** `onUnheard`: from now on we count as unheard; once until the peer hears us again. */
  constructor(onUnheard: () => void) {
    this.#onUnheard = onUnheard
  }

  /** The report blocks of a compound packet; `own` is our stream. */
  reported(blocks: readonly ReportBlock[], own: OwnSource, now: number): void {
    const highest = blocks.find(({ ssrc }) => ssrc === own.ssrc)?.highestSequence
    const sent = own.packets
    this.#lastAt = now
    if (own.ssrc !== this.#ssrc) {
      // Another stream of ours, as with new keys: its packets are counted anew, and the patience with it.
      this.#ssrc = own.ssrc
      this.#highest = undefined
      this.#since = NaN
    }
    if (Number.isNaN(this.#since) || (highest !== undefined && highest !== this.#highest)) {
      this.#highest = highest
      this.#since = now
      this.#sentBefore = sent
      this.#told = false
      return
    }
    if (this.#told || now - this.#since < PATIENCE_MS || sent - this.#sentBefore < MISSED_PACKETS) return
    this.#told = true
    this.#onUnheard()
  }
}
