import { OptionError } from '../../runtime/errors.ts'
import { DelayEstimator } from './delay-estimator.ts'
import { delayBounds } from './jitter-options.ts'
import type { JitterBufferOptions } from './jitter-options.ts'
import { NumberLine } from './number-line.ts'
import { PacketRing } from './packet-ring.ts'
import * as at from './playout.ts'
import type { PushVerdict } from './playout.ts'

/** Packets in a row that come too late before the buffer follows them. */
const LATE_RUN_LIMIT = 5
/** Numbers left free before the first packet of a new run. */
const REORDER_ROOM = 16
/** A timestamp that is off the arrival time by more than the longest delay and this is a jump, ms. */
const JUMP_MS = 1000
/** Positions nearer than this are the same, ms: the clocks of peers round. */
export const SAME_MS = 0.5
/** Added to the delay that the packets ask for, ms. */
const MARGIN_MS = 5
/** Comfort noise and the packets of discontinuous transmission are shorter than this. */
const NOISE_OCTETS = 40

/**
 * What waits to be played: takes the packets and puts them in order. What comes next is for the jitter buffer to say, which is
 * the same object, so that a packet finds all it needs in one place.
 *
 * Sequence numbers are unwrapped onto one endless line of numbers, timestamps onto one of positions, in ms of the sender's
 * clock; a new source, another clock rate or a jump is laid down right behind what is queued, so that play-out knows
 * nothing of it. While the buffer is empty the position stands still: what comes late is still played, and the delay has grown
 * by what was concealed.
 *
 * Bounds: `capacity` packets and `maxDelayMs` of delay; beyond either the oldest packets are dropped.
 */
export class PacketQueue {
  protected readonly frameMs: number
  protected readonly maxDelayMs: number
  protected readonly estimator: DelayEstimator
  protected readonly ring: PacketRing
  protected readonly line: NumberLine
  protected readonly numbers: Float64Array = new Float64Array(at.NUMBERS)
  readonly #durationMsOf: (payload: Uint8Array, payloadType: number) => number
  readonly #isNoise: ((payload: Uint8Array, payloadType: number) => boolean) | undefined

  /** Throws `OptionError` for bounds that contradict each other. */
  constructor(options: JitterBufferOptions) {
    const { frameMs = 20, capacity = 64 } = options
    const bounds = delayBounds(options)
    if (capacity < 4 || (capacity & (capacity - 1)) !== 0) {
      throw new OptionError('capacity', `${capacity} is not a power of two of at least 4`)
    }
    this.#durationMsOf = options.durationMsOf
    this.#isNoise = options.isNoise
    this.frameMs = frameMs
    this.maxDelayMs = bounds.maxDelayMs
    this.estimator = new DelayEstimator({ ...bounds, marginMs: MARGIN_MS })
    this.ring = new PacketRing(capacity)
    this.line = new NumberLine(Math.min(REORDER_ROOM, capacity >> 2), (first, last) =>
      this.#openRun(first, last),
    )
    this.numbers[at.UNITS_PER_MS] = options.clockRate / 1000
    this.numbers[at.MUST_SYNC] = 1
    this.numbers[at.RESUMED] = 1
  }

  /** From now on timestamps count so many units per second: another codec. What is queued is not touched. */
  useClock(clockRate: number): void {
    const numbers = this.numbers
    if (numbers[at.UNITS_PER_MS] === clockRate / 1000) return
    numbers[at.UNITS_PER_MS] = clockRate / 1000
    numbers[at.MUST_SYNC] = 1
  }

  /** Takes a packet of audio that arrived at `now` (ms). `payload` is kept by reference until it is played. */
  push(
    sequence: number,
    timestamp: number,
    payload: Uint8Array,
    payloadType: number,
    marker: boolean,
    ssrc: number,
    now: number,
  ): PushVerdict {
    const numbers = this.numbers
    numbers[at.RECEIVED]! += 1
    const noise = payload.length < NOISE_OCTETS && this.#isNoise?.(payload, payloadType) === true
    let duration = this.#durationMsOf(payload, payloadType)
    if (!(duration > 0)) {
      if (!noise) {
        numbers[at.IGNORED]! += 1
        this.pushOther(sequence, ssrc)
        return 'ignored'
      }
      duration = this.frameMs
    }
    const number = this.line.unwrap(sequence, ssrc)
    if (number < 0) {
      numbers[at.IGNORED]! += 1
      return 'ignored'
    }
    const ring = this.ring
    if (ring.knows(number)) {
      numbers[at.DUPLICATES]! += 1
      return 'duplicate'
    }
    if (this.#isGone(number)) {
      numbers[at.LATE]! += 1
      return 'late'
    }
    const newest = number > this.line.highest
    const step = ((timestamp - numbers[at.NEWEST_TIMESTAMP]!) | 0) / numbers[at.UNITS_PER_MS]!
    let position = numbers[at.NEWEST_POSITION]! + step
    if (numbers[at.MUST_SYNC] === 1 || (newest && this.#isJump(position, marker, now))) {
      position = this.#resync(now)
    }
    const delayMs = this.estimator.observe(now - position, now)
    if (numbers[at.PLAYING] === 1 && this.#isTooLate(position, delayMs)) {
      if (!newest || numbers[at.LATE_RUN]! < LATE_RUN_LIMIT) {
        if (newest) {
          numbers[at.LATE_RUN]! += 1
          this.#makeRoom(number)
          this.line.advance(number, sequence)
          this.#advanceTime(position, timestamp, duration)
        }
        numbers[at.LATE]! += 1
        return 'late'
      }
      position = this.#resync(now)
    }
    numbers[at.LATE_RUN] = 0
    this.#makeRoom(number)
    if (newest) {
      this.line.advance(number, sequence)
      numbers[at.OTHER_NEWEST] = 0
    }
    if (newest || position > numbers[at.NEWEST_POSITION]!) this.#advanceTime(position, timestamp, duration)
    ring.put(number, position, duration, payload, payloadType, timestamp, marker, noise)
    return 'queued'
  }

  /**
   * Takes note of a packet of the same stream that is no audio, a telephone event above all, so that its sequence number does
   * not look like a loss.
   */
  pushOther(sequence: number, ssrc: number): void {
    const number = this.line.unwrap(sequence, ssrc)
    if (number < 0 || this.#isGone(number)) return
    if (this.ring.knows(number)) return
    this.#makeRoom(number)
    this.ring.putOther(number)
    if (number <= this.line.highest) return
    this.line.advance(number, sequence)
    this.numbers[at.OTHER_NEWEST] = 1
  }

  /** Nobody has listened for a while: what waits is old and let go of, and what comes next begins anew. Nothing of it is lost. */
  forget(): void {
    const numbers = this.numbers
    if (numbers[at.NEXT]! > 0 || this.ring.depth > 0) {
      for (let number = this.oldest(); number <= this.line.highest; number += 1) {
        if (this.ring.has(number)) this.ring.remove(number)
      }
      numbers[at.NEXT] = this.line.highest + 1
    }
    numbers[at.PLAYING] = 0
    numbers[at.IN_NOISE] = 0
    numbers[at.CONCEAL_RUN] = 0
    numbers[at.DRY] = 0
    numbers[at.RESUMED] = 1
  }

  /** Packets waiting. */
  get depth(): number {
    return this.ring.depth
  }

  // Whether the time of a number has passed, whatever its timestamp.
  #isGone(number: number): boolean {
    return (
      number < this.numbers[at.NEXT]! ||
      number < this.line.runFrom ||
      number <= this.line.highest - this.ring.capacity
    )
  }

  #openRun(first: number, last: number): void {
    this.#makeRoom(last)
    for (let number = first; number <= last; number += 1) this.ring.reserve(number)
    this.numbers[at.MUST_SYNC] = 1
  }

  // Whether the timestamp of a packet that is newer by sequence cannot be of the same clock.
  #isJump(position: number, marker: boolean, now: number): boolean {
    if (position > this.numbers[at.NEWEST_POSITION]!) {
      const delayMs = this.delayAt(position, now)
      const tolerance = this.maxDelayMs + (marker ? 0 : JUMP_MS)
      const idle = this.numbers[at.PLAYING] === 0 && this.ring.depth === 0
      if (delayMs <= (idle ? this.maxDelayMs : tolerance) && delayMs >= -tolerance) return false
    }
    this.numbers[at.RESYNCS]! += 1
    return true
  }

  // A position as if the packet had come without delay, but behind all that is queued.
  #resync(now: number): number {
    const numbers = this.numbers
    numbers[at.MUST_SYNC] = 0
    const baseline = this.estimator.baselineMs
    const arrived = Number.isNaN(baseline) ? now : now - baseline
    return Math.max(arrived, numbers[at.NEWEST_END]!, numbers[at.POSITION]!)
  }

  #isTooLate(position: number, delayMs: number): boolean {
    const numbers = this.numbers
    // With nothing queued the sound that comes late is still worth playing: the delay grows by what was concealed.
    if (numbers[at.DRY] === 1) return delayMs > this.maxDelayMs
    if (this.ring.depth === 0) return delayMs > this.maxDelayMs
    return position + SAME_MS < numbers[at.POSITION]! + numbers[at.CONCEAL_RUN]!
  }

  #advanceTime(position: number, timestamp: number, duration: number): void {
    const numbers = this.numbers
    numbers[at.NEWEST_POSITION] = position
    numbers[at.NEWEST_END] = position + duration
    numbers[at.NEWEST_TIMESTAMP] = timestamp
  }

  #makeRoom(number: number): void {
    const lowest = number - this.ring.capacity + 1
    if (lowest > this.oldest()) this.dropBelow(lowest)
  }

  /** The lowest number that may be held. */
  protected oldest(): number {
    return Math.max(this.numbers[at.NEXT]!, this.line.highest - this.ring.capacity + 1)
  }

  /** Lets go of everything below that number. */
  protected dropBelow(lowest: number): void {
    const ring = this.ring
    const numbers = this.numbers
    const next = numbers[at.NEXT]!
    let present = 0
    for (let number = this.oldest(); number < lowest && number <= this.line.highest; number += 1) {
      if (!ring.has(number)) continue
      present += 1
      if (ring.isAudio(number)) {
        numbers[at.OVERFLOWED]! += 1
        numbers[at.POSITION] = Math.max(numbers[at.POSITION]!, ring.position(number) + ring.duration(number))
      }
      ring.remove(number)
    }
    // Before the first packet is played nobody knows where the stream began, so nothing is missing.
    if (next > 0) numbers[at.LOST]! += Math.max(0, lowest - next - present)
    if (next > 0 || present > 0) numbers[at.NEXT] = Math.max(next, lowest)
    numbers[at.RESUMED] = 1
    numbers[at.CONCEAL_RUN] = 0
  }

  /** The first packet of audio waiting, or -1. */
  protected head(): number {
    const ring = this.ring
    if (ring.depth === 0) return -1
    let number = this.oldest()
    while (!ring.isAudio(number)) number += 1
    return number
  }

  /** How many numbers before `head` nobody accounts for. */
  protected missingBefore(head: number): number {
    const next = this.numbers[at.NEXT]!
    if (next === 0 || next === head) return 0
    let missing = 0
    for (let number = next; number < head; number += 1) if (!this.ring.has(number)) missing += 1
    return missing
  }

  /** How long what stands at `position` has waited at `now`, against the fastest packets, ms. */
  protected delayAt(position: number, now: number): number {
    const baseline = this.estimator.baselineMs
    return Number.isNaN(baseline) ? 0 : now - baseline - position
  }
}
