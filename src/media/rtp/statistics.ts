import { LossBursts } from './loss-bursts.ts'
import { SequenceTracker } from './sequence.ts'
import type { SequenceOptions } from './sequence.ts'

/** What became of a packet: `accepted` goes on to the jitter buffer, the others are to be dropped. */
export type ReceptionVerdict = 'accepted' | 'duplicate' | 'ignored'

export interface ReceptionStatisticsOptions extends SequenceOptions {
  /** Of the RTP timestamps, Hz. */
  readonly clockRate: number
  /** Goes on counting those of a stream before this one. */
  readonly bursts?: LossBursts | undefined
}

/** Plain counters over the life of the stream, all sources together. */
export interface ReceptionSnapshot {
  readonly packets: number
  /** Payload octets. */
  readonly octets: number
  /** Packets that should have come, by sequence number. */
  readonly expected: number
  /** `expected` minus those that came; duplicates do not hide a loss. */
  readonly lost: number
  readonly duplicates: number
  /** Came after a packet with a higher sequence number. */
  readonly reordered: number
  /** Too far off the sequence to belong to it, or from a source not yet believed. */
  readonly ignored: number
  /** Changes of SSRC. */
  readonly sourceChanges: number
  /** Sequence numbers that began anew under the same SSRC. */
  readonly restarts: number
  /** Of the current source; undefined before the first packet. */
  readonly ssrc: number | undefined
  /** Interarrival jitter (RFC 3550 A.8), timestamp units. */
  readonly jitter: number
  readonly jitterMs: number
  readonly maxJitterMs: number
}

/** What a reception report block says (RFC 3550 §6.4.1). */
export interface ReceptionReport {
  readonly ssrc: number
  /** Lost since the last report, as a fraction of 256. */
  readonly fractionLost: number
  /** Signed 24 bits. */
  readonly cumulativeLost: number
  readonly highestSequence: number
  readonly jitter: number
}

/** Power of two, at least the misorder window: how far back a duplicate is known from a reordered packet. */
const HISTORY = 128
/** Loss is judged for so many packets at once. */
const JUDGED_AT_ONCE = 64
/** A packet that is so much older than the newest counts as lost for the bursts, even if it should still come. */
const STILL_AWAITED = 16

/** Reception statistics of one RTP stream: loss (RFC 3550 A.3), jitter (A.8), duplicates, order. */
export class ReceptionStatistics {
  readonly #bursts: LossBursts
  readonly #sequence: SequenceTracker
  readonly #unitsPerMs: number
  // The extended sequence number last seen in each place, negative once discarded: a duplicate finds its own number there.
  readonly #history = new Float64Array(HISTORY)
  /** Numbers below are judged; the next round is due with `#judgeAt`. */
  #judged = 0
  #judgeAt = Infinity
  #ssrc = -1
  #hasSource = false
  // Of the current run; the tracker's own already belong to the next one when a restart is found.
  #base = 0
  #highest = 0
  #receivedOfSource = 0
  #expectedBefore = 0
  #lostBefore = 0
  #packets = 0
  #octets = 0
  #duplicates = 0
  /** Those of runs before. */
  #duplicatesBefore = 0
  #reordered = 0
  #ignored = 0
  #sourceChanges = 0
  #restarts = 0
  #hasTransit = false
  #lastArrival = 0
  #lastTimestamp = 0
  #jitter = 0
  #maxJitter = 0
  #reportedExpected = 0
  #reportedReceived = 0

  constructor(options: ReceptionStatisticsOptions) {
    this.#bursts = options.bursts ?? new LossBursts()
    this.#sequence = new SequenceTracker(options)
    this.#unitsPerMs = options.clockRate / 1000
  }

  /** Up to the newest packets, which may still come. */
  get bursts(): LossBursts {
    this.#judge(this.#highest - STILL_AWAITED)
    return this.#bursts
  }

  /**
   * Counts a packet that arrived at `now` (ms). `timed` is false for packets whose timestamp is not their sampling time,
   * telephone events above all: they count for loss but would spoil the jitter.
   */
  receive(
    sequence: number,
    timestamp: number,
    ssrc: number,
    payloadLength: number,
    now: number,
    timed: boolean = true,
  ): ReceptionVerdict {
    if (ssrc !== this.#ssrc || !this.#hasSource) this.#changeSource(ssrc)
    const tracker = this.#sequence
    const verdict = tracker.update(sequence)
    if (verdict === 'jump' || verdict === 'probation') {
      this.#ignored += 1
      return 'ignored'
    }
    if (verdict === 'restart') {
      this.#restarts += 1
      this.#closeRun()
      this.#hasTransit = false
    }
    const extended = tracker.extended
    const place = extended & (HISTORY - 1)
    if (
      verdict === 'repeat' ||
      (verdict === 'old' && Math.abs(this.#history[place] as number) === extended)
    ) {
      this.#duplicates += 1
      return 'duplicate'
    }
    if (extended >= this.#judgeAt) this.#judge(extended - STILL_AWAITED)
    this.#history[place] = extended
    if (verdict === 'old') {
      this.#reordered += 1
      // Older than the first packet of the run: the run began earlier than thought.
      if (extended < this.#base) this.#base = extended
    } else {
      this.#highest = extended
      if (verdict !== 'next') this.#beginRun(extended)
    }
    this.#packets += 1
    this.#receivedOfSource += 1
    this.#octets += payloadLength
    if (timed) this.#updateJitter(timestamp, now)
    return 'accepted'
  }

  /** The packet last received was not played: it came too late. */
  discard(): void {
    const { extended } = this.#sequence
    const place = extended & (HISTORY - 1)
    if (this.#history[place] === extended) this.#history[place] = -extended
  }

  snapshot(): ReceptionSnapshot {
    const expected = this.#expectedBefore + this.#expectedOfRun()
    const lost = this.#lostBefore + this.#expectedOfRun() - this.#receivedOfSource
    return {
      packets: this.#packets,
      octets: this.#octets,
      expected,
      lost: Math.max(0, lost),
      duplicates: this.#duplicates,
      reordered: this.#reordered,
      ignored: this.#ignored,
      sourceChanges: this.#sourceChanges,
      restarts: this.#restarts,
      ssrc: this.#hasSource ? this.#ssrc : undefined,
      jitter: this.#jitter,
      jitterMs: this.#jitter / this.#unitsPerMs,
      maxJitterMs: this.#maxJitter / this.#unitsPerMs,
    }
  }

  /** The figures of a report block; the fraction lost counts from the report before. Undefined before the first packet. */
  takeReport(): ReceptionReport | undefined {
    if (!this.#hasSource || this.#receivedOfSource === 0) return undefined
    const expected = this.#expectedOfRun()
    // Here what came twice counts twice: the loss that is reported may be negative (RFC 3550 §6.4.1, A.3).
    const received = this.#receivedOfSource + this.#duplicates - this.#duplicatesBefore
    const expectedInterval = expected - this.#reportedExpected
    const lostInterval = expectedInterval - (received - this.#reportedReceived)
    this.#reportedExpected = expected
    this.#reportedReceived = received
    return {
      ssrc: this.#ssrc,
      fractionLost:
        expectedInterval <= 0 || lostInterval <= 0
          ? 0
          : Math.min(255, Math.floor((lostInterval * 256) / expectedInterval)),
      cumulativeLost: Math.min(0x7fffff, Math.max(-0x800000, expected - received)),
      // The first cycle of the tracker is an offset of its own, not a wrap that happened.
      highestSequence: (this.#highest - 0x10000) >>> 0,
      jitter: Math.floor(this.#jitter),
    }
  }

  #expectedOfRun(): number {
    return this.#receivedOfSource === 0 ? 0 : this.#highest - this.#base + 1
  }

  #changeSource(ssrc: number): void {
    if (this.#hasSource) {
      this.#sourceChanges += 1
      this.#closeRun()
    }
    this.#sequence.reset()
    this.#ssrc = ssrc
    this.#hasSource = true
    this.#hasTransit = false
    this.#jitter = 0
  }

  #beginRun(first: number): void {
    this.#base = first
    this.#judged = first
    this.#judgeAt = first + JUDGED_AT_ONCE
  }

  /** Tells the bursts of the packets below `end`. */
  #judge(end: number): void {
    for (let number = this.#judged; number < end; number += 1) {
      const seen = this.#history[number & (HISTORY - 1)]
      if (seen === number) this.#bursts.received()
      else this.#bursts.missing(seen === -number)
    }
    if (end <= this.#judged) return
    this.#judged = end
    this.#judgeAt = end + STILL_AWAITED + JUDGED_AT_ONCE
  }

  #closeRun(): void {
    this.#judge(this.#highest + 1)
    this.#judgeAt = Infinity
    const expected = this.#expectedOfRun()
    this.#expectedBefore += expected
    this.#lostBefore += expected - this.#receivedOfSource
    this.#receivedOfSource = 0
    this.#duplicatesBefore = this.#duplicates
    this.#reportedExpected = 0
    this.#reportedReceived = 0
    this.#history.fill(0)
  }

  #updateJitter(timestamp: number, now: number): void {
    if (this.#hasTransit) {
      const sent = (timestamp - this.#lastTimestamp) | 0
      const deviation = Math.abs((now - this.#lastArrival) * this.#unitsPerMs - sent)
      this.#jitter += (deviation - this.#jitter) / 16
      if (this.#jitter > this.#maxJitter) this.#maxJitter = this.#jitter
    }
    this.#hasTransit = true
    this.#lastArrival = now
    this.#lastTimestamp = timestamp
  }
}
