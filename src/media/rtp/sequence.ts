/**
 * - `first`: the first packet of a source
 * - `next`: newer than all before it (packets may be missing in between)
 * - `old`: older than the newest, within the misorder window: reordered or a duplicate
 * - `repeat`: the newest once more
 * - `jump`: too far off to be the same run; believed only when its successor follows, so the packet is to be ignored
 * - `restart`: the second packet in a row of a new run: counting started anew with it
 * - `probation`: not yet enough packets in a row to believe in the source
 */
export type SequenceVerdict = 'first' | 'next' | 'old' | 'repeat' | 'jump' | 'restart' | 'probation'

export interface SequenceOptions {
  /** Packets in a row before a source is believed. 1, as the address of a call's media is known from its SDP. */
  readonly minSequential?: number
  /** A larger gap forward is a jump. */
  readonly maxDropout?: number
  /** A larger step back is a jump. */
  readonly maxMisorder?: number
}

/** The sequence numbers of one source, extended past 16 bits (RFC 3550 A.1). */
export class SequenceTracker {
  /** Extended number of the first packet counted. */
  base = 0
  /** Extended number of the newest packet. */
  highest = 0
  /** Extended number of the packet last given to `update`, when it was not a jump and not on probation. */
  extended = 0

  #started = false
  #probation: number
  #bad = -1
  readonly #minSequential: number
  readonly #maxDropout: number
  readonly #maxMisorder: number

  constructor(options: SequenceOptions = {}) {
    this.#minSequential = options.minSequential ?? 1
    this.#maxDropout = options.maxDropout ?? 3000
    this.#maxMisorder = options.maxMisorder ?? 100
    this.#probation = this.#minSequential
  }

  /** Forgets the source: the next packet is a first one. */
  reset(): void {
    this.#started = false
    this.#probation = this.#minSequential
    this.#bad = -1
  }

  update(sequence: number): SequenceVerdict {
    if (!this.#started) return this.#begin(sequence)
    const ahead = (sequence - this.highest) & 0xffff
    if (ahead === 0) {
      this.#bad = -1
      this.extended = this.highest
      return 'repeat'
    }
    if (ahead < this.#maxDropout) {
      this.#bad = -1
      this.highest += ahead
      this.extended = this.highest
      return 'next'
    }
    if (ahead >= 0x10000 - this.#maxMisorder) {
      this.extended = this.highest - (0x10000 - ahead)
      return 'old'
    }
    if (sequence === this.#bad) {
      this.#restartAt(sequence)
      return 'restart'
    }
    this.#bad = (sequence + 1) & 0xffff
    return 'jump'
  }

  #begin(sequence: number): SequenceVerdict {
    if (this.#probation < this.#minSequential && sequence !== this.#bad) this.#probation = this.#minSequential
    this.#probation -= 1
    this.#bad = (sequence + 1) & 0xffff
    if (this.#probation > 0) return 'probation'
    this.#started = true
    this.#restartAt(sequence)
    return 'first'
  }

  // One cycle up, so that a packet from before the first one still has a positive extended number.
  #restartAt(sequence: number): void {
    this.#bad = -1
    this.base = 0x10000 + sequence
    this.highest = this.base
    this.extended = this.base
  }
}
