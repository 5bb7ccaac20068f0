import { OptionError } from '../../runtime/errors.ts'
import { DelayEstimator } from './delay-estimator.ts'
import { delayBounds } from './jitter-options.ts'
import type { JitterBufferOptions } from './jitter-options.ts'
import { NumberLine } from './number-line.ts'
import { PacketRing } from './packet-ring.ts'
import * as at from './playout.ts'
import type { JitterBufferSnapshot, Playout, PlayoutKind, PushVerdict } from './playout.ts'

const EMPTY = new Uint8Array(0)
/** Packets in a row that come too late before the buffer follows them. */
const LATE_RUN_LIMIT = 5
/** Numbers left free before the first packet of a new run. */
const REORDER_ROOM = 16
/** A timestamp that is off the arrival time by more than the longest delay and this is a jump, ms. */
const JUMP_MS = 1000
/** Positions nearer than this are the same, ms: the clocks of peers round. */
const SAME_MS = 0.5
/** Comfort noise and the packets of discontinuous transmission are shorter than this. */
const NOISE_OCTETS = 40

/** The delay is left alone while it is above its target by no more than the first, and below it by no more than the second, ms. */
const SHRINK_ABOVE_MS = 21
const GROW_BELOW_MS = 2
/** Below its target by more than this the delay grows even where it may be heard, ms. */
const SHORT_MS = 3
/** Sound is stretched at most once in this time, ms, so that it does not sound hurried; beyond so much excess, at once. */
const STRETCH_EVERY_MS = 40
const URGENT_EXCESS_MS = 40
/** The longest pitch period: more is never put into speech at a time. */
const LONGEST_GROWTH_MS = 15
/** A packet is overdue when it is later than usual by this and nothing is left to play, ms. */
const OVERDUE_MS = 5

/**
 * An adaptive jitter buffer. Pure: packets go in with their arrival time, and whenever play-out runs out of samples `pull`
 * says what comes next.
 *
 * Sequence numbers are unwrapped onto one endless line of numbers, timestamps onto one of positions, in ms of the sender's
 * clock; a new source, another clock rate or a jump is laid down right behind what is queued, so that play-out knows
 * nothing of it. While the buffer is empty the position stands still: what comes late is still played, and the delay has grown
 * by what was concealed.
 *
 * Bounds: `capacity` packets and `maxDelayMs` of delay; beyond either the oldest packets are dropped.
 */
export class JitterBuffer {
  readonly #durationMsOf: (payload: Uint8Array, payloadType: number) => number
  readonly #isNoise: ((payload: Uint8Array, payloadType: number) => boolean) | undefined
  readonly #recovers: ((payloadType: number) => boolean) | undefined
  readonly #frameMs: number
  readonly #maxConcealMs: number
  readonly #maxDelayMs: number
  readonly #estimator: DelayEstimator
  readonly #ring: PacketRing
  readonly #line: NumberLine
  readonly #numbers = new Float64Array(at.NUMBERS)
  readonly #result: Playout = {
    kind: 'silence',
    durationMs: 0,
    payload: EMPTY,
    payloadType: 0,
    timestamp: 0,
    resumed: false,
    stretchMs: 0,
    urgent: false,
  }

  /** Throws `OptionError` for bounds that contradict each other. */
  constructor(options: JitterBufferOptions) {
    const { frameMs = 20, maxConcealMs = 120, capacity = 64 } = options
    const bounds = delayBounds(options)
    if (capacity < 4 || (capacity & (capacity - 1)) !== 0) {
      throw new OptionError('capacity', `${capacity} is not a power of two of at least 4`)
    }
    this.#durationMsOf = options.durationMsOf
    this.#isNoise = options.isNoise
    this.#recovers = options.recovers
    this.#frameMs = frameMs
    this.#maxConcealMs = maxConcealMs
    this.#maxDelayMs = bounds.maxDelayMs
    this.#estimator = new DelayEstimator({ ...bounds, marginMs: 5 })
    this.#ring = new PacketRing(capacity)
    this.#line = new NumberLine(Math.min(REORDER_ROOM, capacity >> 2), (first, last) =>
      this.#openRun(first, last),
    )
    this.#numbers[at.UNITS_PER_MS] = options.clockRate / 1000
    this.#numbers[at.MUST_SYNC] = 1
    this.#numbers[at.RESUMED] = 1
  }

  /** From now on timestamps count so many units per second: another codec. What is queued is not touched. */
  useClock(clockRate: number): void {
    const numbers = this.#numbers
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
    const numbers = this.#numbers
    numbers[at.RECEIVED]! += 1
    const noise = payload.length < NOISE_OCTETS && this.#isNoise?.(payload, payloadType) === true
    let duration = this.#durationMsOf(payload, payloadType)
    if (!(duration > 0)) {
      if (!noise) {
        numbers[at.IGNORED]! += 1
        this.pushOther(sequence, ssrc)
        return 'ignored'
      }
      duration = this.#frameMs
    }
    const number = this.#line.unwrap(sequence, ssrc)
    if (number < 0) {
      numbers[at.IGNORED]! += 1
      return 'ignored'
    }
    const ring = this.#ring
    if (ring.knows(number)) {
      numbers[at.DUPLICATES]! += 1
      return 'duplicate'
    }
    if (this.#isGone(number)) {
      numbers[at.LATE]! += 1
      return 'late'
    }
    const newest = number > this.#line.highest
    const step = ((timestamp - numbers[at.NEWEST_TIMESTAMP]!) | 0) / numbers[at.UNITS_PER_MS]!
    let position = numbers[at.NEWEST_POSITION]! + step
    if (numbers[at.MUST_SYNC] === 1 || (newest && this.#isJump(position, marker, now))) {
      position = this.#resync(now)
    }
    const delayMs = this.#estimator.observe(now - position, now)
    if (numbers[at.PLAYING] === 1 && this.#isTooLate(position, delayMs)) {
      if (!newest || numbers[at.LATE_RUN]! < LATE_RUN_LIMIT) {
        if (newest) {
          numbers[at.LATE_RUN]! += 1
          this.#makeRoom(number)
          this.#line.advance(number, sequence)
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
      this.#line.advance(number, sequence)
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
    const number = this.#line.unwrap(sequence, ssrc)
    if (number < 0 || this.#isGone(number)) return
    if (this.#ring.knows(number)) return
    this.#makeRoom(number)
    this.#ring.putOther(number)
    if (number <= this.#line.highest) return
    this.#line.advance(number, sequence)
    this.#numbers[at.OTHER_NEWEST] = 1
  }

  /**
   * What to play next; call it whenever play-out has less than a frame of samples left. `roomMs` is how much is missing of the
   * frame that is heard from `now` on (ms, on the clock of `push`).
   */
  pull(now: number, roomMs: number = this.#frameMs): Playout {
    const result = this.#result
    result.payload = EMPTY
    result.stretchMs = 0
    result.resumed = false
    const head = this.#head()
    if (head < 0) return this.#underrun(now, roomMs)
    const numbers = this.#numbers
    if (numbers[at.PLAYING] === 0) return this.#begin(head, now, roomMs)
    const ring = this.#ring
    const gap = ring.position(head) - numbers[at.POSITION]! - numbers[at.CONCEAL_RUN]!
    if (gap <= SAME_MS) return this.#continue(head, now, roomMs)
    const missing = this.#missingBefore(head)
    if (missing === 0 && gap < this.#frameMs) return this.#continue(head, now, roomMs)
    if (this.#isPause(head, gap, missing)) {
      numbers[at.PLAYING] = 0
      return this.#begin(head, now, roomMs)
    }
    numbers[at.DRY] = 0
    if (gap <= ring.duration(head) + SAME_MS && this.#recovers?.(ring.payloadType(head)) === true) {
      return this.#recover(head, gap)
    }
    return this.#conceal(Math.min(gap, this.#frameMs))
  }

  /**
   * After `shrink`: the packet right behind the one just returned, to be played with it (kind `normal`); `undefined` when there
   * is none.
   */
  follow(): Playout | undefined {
    const head = this.#head()
    if (head < 0 || this.#ring.isNoise(head)) return undefined
    if (Math.abs(this.#ring.position(head) - this.#numbers[at.POSITION]!) > SAME_MS) return undefined
    this.#result.stretchMs = 0
    return this.#play(head, 'normal')
  }

  /** After `shrink` or `grow`: sound became longer by `ms`, or shorter when negative; `unheard` when it was next to silence. */
  stretched(ms: number, unheard: boolean, now: number): void {
    if (ms < 0) this.#numbers[at.ACCELERATED]! -= ms
    else this.#numbers[at.EXPANDED]! += ms
    if (!unheard) this.#numbers[at.STRETCH_AT] = now + STRETCH_EVERY_MS
  }

  /** After `recover`: the packet did not remember, and `durationMs` were concealed after all. */
  concealedInstead(durationMs: number): void {
    this.#numbers[at.RECOVERED]! -= durationMs
    this.#numbers[at.CONCEALED]! += durationMs
    this.#numbers[at.CONCEALED_FRAMES]! += 1
  }

  /** Packets waiting. */
  get depth(): number {
    return this.#ring.depth
  }

  snapshot(): JitterBufferSnapshot {
    const numbers = this.#numbers
    return {
      received: numbers[at.RECEIVED]!,
      played: numbers[at.PLAYED]!,
      lost: numbers[at.LOST]!,
      late: numbers[at.LATE]!,
      duplicates: numbers[at.DUPLICATES]!,
      ignored: numbers[at.IGNORED]!,
      overflowed: numbers[at.OVERFLOWED]!,
      acceleratedMs: numbers[at.ACCELERATED]!,
      expandedMs: numbers[at.EXPANDED]!,
      concealedMs: numbers[at.CONCEALED]!,
      concealedFrames: numbers[at.CONCEALED_FRAMES]!,
      recoveredMs: numbers[at.RECOVERED]!,
      silenceMs: numbers[at.SILENCE]!,
      noiseMs: numbers[at.NOISE]!,
      underruns: numbers[at.UNDERRUNS]!,
      resyncs: numbers[at.RESYNCS]! + this.#line.runs,
      depth: this.#ring.depth,
      delayMs: numbers[at.DELAY]!,
      targetDelayMs: this.#estimator.targetMs,
      baselineMs: this.#estimator.baselineMs,
    }
  }

  // Whether the time of a number has passed, whatever its timestamp.
  #isGone(number: number): boolean {
    return (
      number < this.#numbers[at.NEXT]! ||
      number < this.#line.runFrom ||
      number <= this.#line.highest - this.#ring.capacity
    )
  }

  #openRun(first: number, last: number): void {
    this.#makeRoom(last)
    for (let number = first; number <= last; number += 1) this.#ring.reserve(number)
    this.#numbers[at.MUST_SYNC] = 1
  }

  // Whether the timestamp of a packet that is newer by sequence cannot be of the same clock.
  #isJump(position: number, marker: boolean, now: number): boolean {
    if (position > this.#numbers[at.NEWEST_POSITION]!) {
      const delayMs = this.#delayAt(position, now)
      const tolerance = this.#maxDelayMs + (marker ? 0 : JUMP_MS)
      const idle = this.#numbers[at.PLAYING] === 0 && this.#ring.depth === 0
      if (delayMs <= (idle ? this.#maxDelayMs : tolerance) && delayMs >= -tolerance) return false
    }
    this.#numbers[at.RESYNCS]! += 1
    return true
  }

  // A position as if the packet had come without delay, but behind all that is queued.
  #resync(now: number): number {
    const numbers = this.#numbers
    numbers[at.MUST_SYNC] = 0
    const baseline = this.#estimator.baselineMs
    const arrived = Number.isNaN(baseline) ? now : now - baseline
    return Math.max(arrived, numbers[at.NEWEST_END]!, numbers[at.POSITION]!)
  }

  #isTooLate(position: number, delayMs: number): boolean {
    const numbers = this.#numbers
    // With nothing queued the sound that comes late is still worth playing: the delay grows by what was concealed.
    if (numbers[at.DRY] === 1) return delayMs > this.#maxDelayMs
    if (this.#ring.depth === 0) return delayMs > this.#maxDelayMs
    return position + SAME_MS < numbers[at.POSITION]! + numbers[at.CONCEAL_RUN]!
  }

  #advanceTime(position: number, timestamp: number, duration: number): void {
    const numbers = this.#numbers
    numbers[at.NEWEST_POSITION] = position
    numbers[at.NEWEST_END] = position + duration
    numbers[at.NEWEST_TIMESTAMP] = timestamp
  }

  #makeRoom(number: number): void {
    const lowest = number - this.#ring.capacity + 1
    if (lowest > this.#oldest()) this.#dropBelow(lowest)
  }

  #oldest(): number {
    return Math.max(this.#numbers[at.NEXT]!, this.#line.highest - this.#ring.capacity + 1)
  }

  #dropBelow(lowest: number): void {
    const ring = this.#ring
    const numbers = this.#numbers
    const next = numbers[at.NEXT]!
    let present = 0
    for (let number = this.#oldest(); number < lowest && number <= this.#line.highest; number += 1) {
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

  // The first packet of audio waiting, or -1.
  #head(): number {
    const ring = this.#ring
    if (ring.depth === 0) return -1
    let number = this.#oldest()
    while (!ring.isAudio(number)) number += 1
    return number
  }

  #missingBefore(head: number): number {
    const next = this.#numbers[at.NEXT]!
    if (next === 0 || next === head) return 0
    let missing = 0
    for (let number = next; number < head; number += 1) if (!this.#ring.has(number)) missing += 1
    return missing
  }

  #delayAt(position: number, now: number): number {
    const baseline = this.#estimator.baselineMs
    return Number.isNaN(baseline) ? 0 : now - baseline - position
  }

  // Whether the gap before `head` is a pause of the other side rather than lost sound.
  #isPause(head: number, gap: number, missing: number): boolean {
    const numbers = this.#numbers
    if (missing === 0 || numbers[at.IN_NOISE] === 1 || numbers[at.CONCEAL_RUN]! >= this.#maxConcealMs) {
      return true
    }
    return this.#ring.marker(head) && gap > (missing + 1) * this.#ring.duration(head)
  }

  #underrun(now: number, roomMs: number): Playout {
    const numbers = this.#numbers
    if (numbers[at.PLAYING] === 1) {
      // During a telephone event, or after comfort noise, nothing is missing.
      const expected = numbers[at.IN_NOISE] === 0 && numbers[at.OTHER_NEWEST] === 0
      if (expected && numbers[at.CONCEAL_RUN]! < this.#maxConcealMs) {
        if (numbers[at.CONCEAL_RUN] === 0) numbers[at.UNDERRUNS]! += 1
        numbers[at.DRY] = 1
        numbers[at.DELAY] = this.#delayAt(numbers[at.POSITION]!, now)
        return this.#conceal(Math.min(this.#within(roomMs), this.#maxConcealMs - numbers[at.CONCEAL_RUN]!))
      }
      numbers[at.PLAYING] = 0
    }
    return this.#silent(roomMs)
  }

  // After silence play-out goes by the clock, which is where the delay follows its target for free.
  #begin(head: number, now: number, roomMs: number): Playout {
    const numbers = this.#numbers
    const position = this.#ring.position(head)
    if (this.#delayAt(position, now) < this.#estimator.targetMs - this.#frameMs / 2) {
      return this.#silent(roomMs)
    }
    numbers[at.PLAYING] = 1
    numbers[at.RESUMED] = 1
    return this.#continue(head, now, roomMs)
  }

  #continue(head: number, now: number, roomMs: number): Playout {
    const ring = this.#ring
    const numbers = this.#numbers
    const estimator = this.#estimator
    const delayMs = this.#delayAt(ring.position(head), now)
    const excess = delayMs - estimator.targetMs
    numbers[at.DELAY] = delayMs + this.#frameMs - roomMs
    if (excess > SHRINK_ABOVE_MS) {
      if (delayMs > this.#maxDelayMs + this.#frameMs && ring.depth > 1) return this.#catchUp(head, now)
      return this.#shrink(head, delayMs, excess, now)
    }
    const overdue = ring.depth === 1 && delayMs - ring.duration(head) > estimator.usualMs + OVERDUE_MS
    if (overdue || (excess < -GROW_BELOW_MS && now >= numbers[at.STRETCH_AT]!)) {
      return this.#stretch(head, 'grow', Math.max(LONGEST_GROWTH_MS, -excess), overdue || excess < -SHORT_MS)
    }
    return this.#play(head, 'normal')
  }

  #catchUp(first: number, now: number): Playout {
    const ring = this.#ring
    let head = first
    let delayMs = this.#delayAt(ring.position(head), now)
    while (delayMs > this.#estimator.targetMs && ring.depth > 1) {
      this.#dropBelow(head + 1)
      head = this.#head()
      delayMs = this.#delayAt(ring.position(head), now)
    }
    this.#numbers[at.DELAY] = delayMs
    return this.#play(head, 'normal')
  }

  // A peak of delay is rarely alone: what it asked for is kept a little while.
  #shrink(head: number, delayMs: number, excess: number, now: number): Playout {
    const urgent = excess > URGENT_EXCESS_MS
    const due = urgent || now >= this.#numbers[at.STRETCH_AT]!
    if (!due || !this.#ring.isAudio(head + 1) || delayMs <= this.#estimator.peakMs(now)) {
      return this.#play(head, 'normal')
    }
    return this.#stretch(head, 'shrink', excess, urgent)
  }

  #stretch(head: number, kind: 'shrink' | 'grow', stretchMs: number, urgent: boolean): Playout {
    // What comes after a gap is faded in; that is change enough. Noise is as long as it is asked for.
    if (this.#numbers[at.RESUMED] === 1 || this.#ring.isNoise(head)) return this.#play(head, 'normal')
    this.#result.stretchMs = stretchMs
    this.#result.urgent = urgent
    return this.#play(head, kind)
  }

  // Takes a packet out, and counts what is missing before it as lost.
  #retire(head: number): void {
    const numbers = this.#numbers
    const ring = this.#ring
    if (numbers[at.NEXT] !== head) {
      numbers[at.LOST]! += this.#missingBefore(head)
      for (let number = this.#oldest(); number < head; number += 1) if (ring.has(number)) ring.remove(number)
    }
    ring.remove(head)
    numbers[at.NEXT] = head + 1
  }

  #play(head: number, kind: PlayoutKind): Playout {
    const ring = this.#ring
    const numbers = this.#numbers
    const result = this.#result
    const noise = ring.isNoise(head)
    const duration = ring.duration(head)
    result.kind = noise ? 'noise' : kind
    result.durationMs = duration
    result.payload = ring.payload(head)
    result.payloadType = ring.payloadType(head)
    result.timestamp = ring.timestamp(head)
    result.resumed = numbers[at.RESUMED] === 1
    numbers[at.POSITION] = ring.position(head) + duration
    this.#retire(head)
    numbers[at.PLAYED]! += 1
    if (noise) numbers[at.NOISE]! += duration
    numbers[at.RESUMED] = 0
    numbers[at.CONCEAL_RUN] = 0
    numbers[at.DRY] = 0
    numbers[at.IN_NOISE] = noise ? 1 : 0
    return result
  }

  #recover(head: number, durationMs: number): Playout {
    const numbers = this.#numbers
    const result = this.#result
    numbers[at.CONCEAL_RUN]! += durationMs
    numbers[at.RECOVERED]! += durationMs
    numbers[at.RESUMED] = 1
    result.kind = 'recover'
    result.durationMs = durationMs
    result.payload = this.#ring.payload(head)
    result.payloadType = this.#ring.payloadType(head)
    result.timestamp = this.#ring.timestamp(head)
    return result
  }

  #conceal(durationMs: number): Playout {
    const numbers = this.#numbers
    numbers[at.CONCEAL_RUN]! += durationMs
    numbers[at.CONCEALED]! += durationMs
    numbers[at.CONCEALED_FRAMES]! += 1
    numbers[at.RESUMED] = 1
    this.#result.kind = 'conceal'
    this.#result.durationMs = durationMs
    return this.#result
  }

  // Never so little that nobody would get on.
  #within(roomMs: number): number {
    return Math.min(this.#frameMs, Math.max(SAME_MS, roomMs))
  }

  #silent(roomMs: number): Playout {
    const numbers = this.#numbers
    const noise = numbers[at.IN_NOISE] === 1
    const durationMs = this.#within(roomMs)
    numbers[noise ? at.NOISE : at.SILENCE]! += durationMs
    numbers[at.CONCEAL_RUN] = 0
    numbers[at.DRY] = 0
    numbers[at.RESUMED] = 1
    this.#result.kind = noise ? 'noise' : 'silence'
    this.#result.durationMs = durationMs
    return this.#result
  }
}
