/** A step in sequence numbers beyond these is another run (RFC 3550 A.1). */
const MAX_DROPOUT = 3000
const MAX_MISORDER = 100
/** Packets in sequence of a source that was left before it is taken up again: late ones of it must not switch back. */
const RETURN_RUN = 5
/** Where the line begins; far enough up that nothing before the first packet is negative. */
const ORIGIN = 0x10000

/**
 * Lays the sequence numbers of a stream onto one endless line: round the wrap, over changes of source and restarts.
 * A new run begins behind the old one, with some numbers left free in between for packets of it that were overtaken
 * by the first one to arrive.
 */
export class NumberLine {
  /** The newest number. */
  highest: number = ORIGIN
  /** The first number of the present run; no packet older than it is of this run. */
  runFrom = 0
  /** New sources and restarts that were followed. */
  runs = 0
  readonly #room: number
  readonly #onRun: (first: number, last: number) => void
  #ssrc: number | undefined
  #wireHighest = 0
  #badSequence = -1
  #leftSsrc: number | undefined
  #returnRun = 0
  #returnNext = 0

  /** `onRun` is told of the `room` numbers left free before a new run, before `highest` moves past them. */
  constructor(room: number, onRun: (first: number, last: number) => void) {
    this.#room = room
    this.#onRun = onRun
  }

  /** The number of a packet on the line, or -1 when it is off the sequence and to be ignored. */
  unwrap(sequence: number, ssrc: number): number {
    if (ssrc !== this.#ssrc) {
      if (ssrc === this.#leftSsrc && !this.#hasReturned(sequence)) return -1
      this.#leftSsrc = this.#ssrc
      if (this.#ssrc === undefined) this.#wireHighest = (sequence - 1) & 0xffff
      else this.#begin(sequence)
      this.#ssrc = ssrc
    }
    this.#returnRun = 0
    const step = ((sequence - this.#wireHighest) << 16) >> 16
    if (step < MAX_DROPOUT && step > -MAX_MISORDER) {
      this.#badSequence = -1
      return this.highest + step
    }
    if (sequence === this.#badSequence) {
      this.#begin(sequence)
      return this.highest + 1
    }
    this.#badSequence = (sequence + 1) & 0xffff
    return -1
  }

  /** The packet of `sequence`, which lies at `number`, is the newest now. */
  advance(number: number, sequence: number): void {
    this.highest = number
    this.#wireHighest = sequence
  }

  #begin(sequence: number): void {
    const first = this.highest + 1
    const last = this.highest + this.#room
    this.#onRun(first, last)
    this.runs += 1
    this.runFrom = first
    this.highest = last
    this.#wireHighest = (sequence - 1) & 0xffff
    this.#badSequence = -1
  }

  #hasReturned(sequence: number): boolean {
    this.#returnRun = sequence === this.#returnNext ? this.#returnRun + 1 : 1
    this.#returnNext = (sequence + 1) & 0xffff
    return this.#returnRun >= RETURN_RUN
  }
}
