import type { ReportBlock } from '../rtp/rtcp.ts'
import type { VoipMetrics } from '../rtp/rtcp-xr.ts'

/** Our stream as `RtpSender` counts it. */
export interface OwnSource {
  readonly ssrc: number
  readonly packets: number
  readonly firstSequence: number
}

/** What the peer says of itself and of our stream. */
export class RtcpPeer {
  /** The last sender report: whose, the middle of its NTP time, and when it came. */
  senderReport: { readonly ssrc: number; readonly time: number; readonly at: number } | undefined
  /** The last receiver reference time (RFC 3611 §4.4), as above. */
  referenceTime: { readonly ssrc: number; readonly time: number; readonly at: number } | undefined
  metrics: VoipMetrics | undefined
  /** It said BYE, and no RTCP of it has come since. */
  bye = false
  #block: ReportBlock | undefined
  #lossRatio = 0
  #reports = 0
  #clockRate = 8000

  get reports(): number {
    return this.#reports
  }

  /** Of our stream as the peer counts it, since its beginning; undefined before the first report. */
  get reception():
    | { readonly lost: number; readonly lossRatio: number; readonly jitterMs: number }
    | undefined {
    const block = this.#block
    if (block === undefined) return undefined
    return {
      lost: block.cumulativeLost,
      lossRatio: this.#lossRatio,
      jitterMs: (block.jitter * 1000) / this.#clockRate,
    }
  }

  /** A report on our stream. */
  reported(block: ReportBlock, source: OwnSource, clockRate: number): void {
    this.#block = block
    this.#clockRate = clockRate
    this.#reports += 1
    // A peer that missed our first packets counts from its own first; one that numbers cycles in its own way makes no sense here.
    const numbered = block.highestSequence - source.firstSequence + 1
    const expected = numbered > 0 && numbered <= source.packets ? numbered : source.packets
    this.#lossRatio = expected === 0 ? 0 : Math.min(1, Math.max(0, block.cumulativeLost / expected))
  }
}
