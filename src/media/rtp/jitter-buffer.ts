import { OptionError } from '../../runtime/errors.ts'
import { DelayEstimator } from './delay-estimator.ts'
import { NumberLine } from './number-line.ts'
import { PacketRing } from './packet-ring.ts'

export interface JitterBufferOptions {
  /** Of the RTP timestamps, Hz (8000 for G.711 and G.722, 48000 for Opus). */
  readonly clockRate: number
  /** How much time the packet's sound takes, in timestamp units; 0 for a payload that cannot be played, which is dropped. */
  readonly durationOf: (payload: Uint8Array, payloadType: number) => number
  /** How much time a concealed or silent result stands for, ms. Default 20. */
  readonly frameMs?: number
  /** Bounds of the play-out delay, ms. Defaults 40 and 400. */
  readonly minDelayMs?: number
  readonly maxDelayMs?: number
  /** Delay before anything is known about the network, ms. Default 60. */
  readonly startDelayMs?: number
  /** Payload type of comfort noise (RFC 3389): after such a packet nothing is silence, not loss. */
  readonly comfortNoisePayloadType?: number
  /** How long a gap is concealed before it counts as a pause of the other side, ms. Default 120. */
  readonly maxConcealMs?: number
  /** Packets held at most, a power of two; a packet more drops the oldest. Default 64. */
  readonly capacity?: number
}

/**
 * - `frame`: decode and play `payload`
 * - `comfort-noise`: the other side fell silent; `payload` describes the noise (RFC 3389)
 * - `conceal`: sound is missing; make `duration` of it up
 * - `silence`: nothing is being said (or nothing has come yet); no fault
 */
export type PlayoutKind = 'frame' | 'comfort-noise' | 'conceal' | 'silence'

/** What to play next. Reused: valid until the next `pull`. */
export interface Playout {
  kind: PlayoutKind
  /** How much time the result stands for, timestamp units. */
  duration: number
  payload: Uint8Array
  payloadType: number
  /** RTP timestamp as received; only of `frame` and `comfort-noise`. */
  timestamp: number
  /** The first sound after a silence, a gap or a change of source. */
  resumed: boolean
  /** Units left out just before this frame, to catch up: 0 but for a shrinking buffer. */
  skipped: number
}

/**
 * - `queued`
 * - `duplicate`: already there, or already played
 * - `late`: its time has passed
 * - `ignored`: far off the sequence, or not playable
 */
export type PushVerdict = 'queued' | 'duplicate' | 'late' | 'ignored'

/** Plain counters. Times in ms. */
export interface JitterBufferSnapshot {
  /** Packets pushed, those of other payloads not counted. */
  readonly received: number
  readonly played: number
  /** Missing when their time came; `late` ones among them came afterwards. */
  readonly lost: number
  readonly late: number
  readonly duplicates: number
  readonly ignored: number
  /** Dropped, oldest first, because the buffer was full or had fallen too far behind. */
  readonly overflowed: number
  /** Left out to shrink the delay. */
  readonly skippedMs: number
  readonly concealedMs: number
  /** Concealed results. */
  readonly concealedFrames: number
  /** Of the concealed time, what was put in to let the delay grow. */
  readonly insertedMs: number
  readonly silenceMs: number
  /** Times the buffer ran empty in the middle of sound. */
  readonly underruns: number
  /** Changes of source, jumps of timestamp or sequence that were followed. */
  readonly resyncs: number
  /** Packets waiting. */
  readonly depth: number
  /** How long the sound now being played has waited behind the fastest packets. */
  readonly delayMs: number
  readonly targetDelayMs: number
}

const EMPTY = new Uint8Array(0)
/** Packets in a row that come too late before the buffer follows them. */
const LATE_RUN = 5
/** Numbers left free before the first packet of a new run. */
const REORDER_ROOM = 16
/** A timestamp that is off the arrival time by more than the longest delay and this is a jump, ms. */
const JUMP_MS = 1000
/** How long the delay may exceed its target before sound that is not quiet is left out, ms. */
const SHRINK_PATIENCE_MS = 1000
/**
 * An adaptive jitter buffer. Pure: packets go in with their arrival time, and whenever play-out runs out of samples `pull`
 * says what comes next.
 *
 * Sequence numbers and timestamps are unwrapped onto one endless line of numbers and positions; a new source or a jump is
 * laid down right behind what is queued, so that play-out knows nothing of it.
 *
 * Bounds: `capacity` packets and `maxDelayMs` of delay; beyond either the oldest packets are dropped.
 */
export class JitterBuffer {
  readonly #unitsPerMs: number
  readonly #durationOf: (payload: Uint8Array, payloadType: number) => number
  readonly #frameMs: number
  readonly #frame: number
  readonly #maxConceal: number
  readonly #maxDelayMs: number
  readonly #comfortNoise: number
  readonly #estimator: DelayEstimator
  readonly #ring: PacketRing
  readonly #line: NumberLine

  // The newest packet of audio: its position on the line, and its timestamp on the wire.
  #newestPosition = 0
  #newestEnd = 0
  #wireNewestTimestamp = 0
  #mustSync = true
  #lateRun = 0
  #otherNewest = false

  // Play-out. Numbers below `next` are done with; 0 before anything was played.
  #playing = false
  #next = 0
  #position = 0
  #concealRun = 0
  #inNoise = false
  #grown = false
  #resumed = true
  #excessSince = -1

  #received = 0
  #played = 0
  #lost = 0
  #late = 0
  #duplicates = 0
  #ignored = 0
  #overflowed = 0
  #skipped = 0
  #concealed = 0
  #concealedFrames = 0
  #inserted = 0
  #silence = 0
  #underruns = 0
  #resyncs = 0
  #delayMs = 0

  readonly #result: Playout = {
    kind: 'silence',
    duration: 0,
    payload: EMPTY,
    payloadType: 0,
    timestamp: 0,
    resumed: false,
    skipped: 0,
  }

  /** Throws `OptionError` for bounds that contradict each other. */
  constructor(options: JitterBufferOptions) {
    const { minDelayMs = 40, maxDelayMs = 400, frameMs = 20, maxConcealMs = 120, capacity = 64 } = options
    const startDelayMs = options.startDelayMs ?? Math.min(Math.max(60, minDelayMs), maxDelayMs)
    if (!(minDelayMs >= 0 && minDelayMs <= startDelayMs && startDelayMs <= maxDelayMs)) {
      throw new OptionError(
        'startDelayMs',
        `delays must satisfy 0 <= min <= start <= max, not ${minDelayMs}, ${startDelayMs}, ${maxDelayMs}`,
      )
    }
    if (capacity < 4 || (capacity & (capacity - 1)) !== 0) {
      throw new OptionError('capacity', `${capacity} is not a power of two of at least 4`)
    }
    this.#unitsPerMs = options.clockRate / 1000
    this.#durationOf = options.durationOf
    this.#frameMs = frameMs
    this.#frame = Math.round(frameMs * this.#unitsPerMs)
    this.#maxConceal = maxConcealMs * this.#unitsPerMs
    this.#maxDelayMs = maxDelayMs
    this.#comfortNoise = options.comfortNoisePayloadType ?? -1
    this.#estimator = new DelayEstimator({ minDelayMs, maxDelayMs, startDelayMs, marginMs: frameMs / 2 })
    this.#ring = new PacketRing(capacity)
    this.#line = new NumberLine(Math.min(REORDER_ROOM, capacity >> 2), (first, last) =>
      this.#openRun(first, last),
    )
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
    this.#received += 1
    const duration = payloadType === this.#comfortNoise ? this.#frame : this.#durationOf(payload, payloadType)
    if (!(duration > 0)) {
      this.#ignored += 1
      this.pushOther(sequence, ssrc)
      return 'ignored'
    }
    const number = this.#line.unwrap(sequence, ssrc)
    if (number < 0) {
      this.#ignored += 1
      return 'ignored'
    }
    const ring = this.#ring
    if (ring.knows(number)) {
      this.#duplicates += 1
      return 'duplicate'
    }
    if (this.#isGone(number)) {
      this.#late += 1
      return 'late'
    }
    const newest = number > this.#line.highest
    let position = this.#newestPosition + ((timestamp - this.#wireNewestTimestamp) | 0)
    if (this.#mustSync || (newest && this.#isJump(position, marker, now))) position = this.#resync(now)
    const delayMs = this.#estimator.observe(now - position / this.#unitsPerMs, now)
    if (this.#playing && this.#isTooLate(position, delayMs)) {
      if (!newest || this.#lateRun < LATE_RUN) {
        if (newest) {
          this.#lateRun += 1
          this.#line.advance(number, sequence)
          this.#advanceTime(position, timestamp, duration)
        }
        this.#late += 1
        return 'late'
      }
      position = this.#resync(now)
    }
    this.#lateRun = 0
    this.#makeRoom(number)
    if (newest) {
      this.#line.advance(number, sequence)
      this.#otherNewest = false
    }
    if (newest || position > this.#newestPosition) this.#advanceTime(position, timestamp, duration)
    ring.put(number, position, duration, payload, payloadType, timestamp, marker)
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
    this.#otherNewest = true
  }

  /**
   * What to play next; call it whenever play-out has less than a frame of samples left. `quiet` says that the sound just played
   * was quiet, so that leaving out or putting in a frame now would not be heard.
   */
  pull(now: number, quiet: boolean = false): Playout {
    const result = this.#result
    result.payload = EMPTY
    result.skipped = 0
    result.resumed = false
    const head = this.#head()
    if (head < 0) return this.#underrun(now)
    if (!this.#playing) return this.#begin(head, now, quiet)

    const gap = this.#ring.position(head) - this.#position
    if (gap <= 0) return this.#continue(head, now, quiet)
    const missing = this.#missingBefore(head)
    if (missing === 0 && gap < this.#frame) return this.#continue(head, now, quiet)
    if (this.#isPause(head, gap, missing)) {
      this.#playing = false
      return this.#begin(head, now, quiet)
    }
    // The gap is where the delay may grow unheard, and what is missing gets a second chance to come.
    if (!this.#grown && this.#delayAt(this.#position, now) < this.#estimator.targetMs - this.#frameMs / 2) {
      this.#grown = true
      return this.#insert()
    }
    const duration = Math.min(gap, this.#frame)
    this.#position += duration
    return this.#conceal(duration)
  }

  /** Packets waiting. */
  get depth(): number {
    return this.#ring.depth
  }

  snapshot(): JitterBufferSnapshot {
    const perMs = this.#unitsPerMs
    return {
      received: this.#received,
      played: this.#played,
      lost: this.#lost,
      late: this.#late,
      duplicates: this.#duplicates,
      ignored: this.#ignored,
      overflowed: this.#overflowed,
      skippedMs: this.#skipped / perMs,
      concealedMs: this.#concealed / perMs,
      concealedFrames: this.#concealedFrames,
      insertedMs: this.#inserted / perMs,
      silenceMs: this.#silence / perMs,
      underruns: this.#underruns,
      resyncs: this.#resyncs + this.#line.runs,
      depth: this.#ring.depth,
      delayMs: this.#delayMs,
      targetDelayMs: this.#estimator.targetMs,
    }
  }

  // Whether the time of a number has passed, whatever its timestamp.
  #isGone(number: number): boolean {
    return (
      number < this.#next || number < this.#line.runFrom || number <= this.#line.highest - this.#ring.capacity
    )
  }

  #openRun(first: number, last: number): void {
    this.#makeRoom(last)
    for (let number = first; number <= last; number += 1) this.#ring.reserve(number)
    this.#mustSync = true
  }

  // Whether the timestamp of a packet that is newer by sequence cannot be of the same clock.
  #isJump(position: number, marker: boolean, now: number): boolean {
    if (position <= this.#newestPosition) return this.#countResync()
    const delayMs = this.#delayAt(position, now)
    const tolerance = this.#maxDelayMs + (marker ? 0 : JUMP_MS)
    const idle = !this.#playing && this.#ring.depth === 0
    if (delayMs > (idle ? this.#maxDelayMs : tolerance) || delayMs < -tolerance) return this.#countResync()
    return false
  }

  #countResync(): true {
    this.#resyncs += 1
    return true
  }

  // A position as if the packet had come without delay, but behind all that is queued.
  #resync(now: number): number {
    this.#mustSync = false
    const baseline = this.#estimator.baselineMs
    const arrived = Math.round((Number.isNaN(baseline) ? now : now - baseline) * this.#unitsPerMs)
    return Math.max(arrived, this.#newestEnd, this.#position)
  }

  #isTooLate(position: number, delayMs: number): boolean {
    // With nothing queued the sound that comes late is still worth playing: the delay grows by what was concealed.
    return this.#ring.depth > 0 ? position < this.#position : delayMs > this.#maxDelayMs
  }

  #advanceTime(position: number, timestamp: number, duration: number): void {
    this.#newestPosition = position
    this.#newestEnd = position + duration
    this.#wireNewestTimestamp = timestamp
  }

  #makeRoom(number: number): void {
    const lowest = number - this.#ring.capacity + 1
    if (lowest > this.#oldest()) this.#dropBelow(lowest)
  }

  #oldest(): number {
    return Math.max(this.#next, this.#line.highest - this.#ring.capacity + 1)
  }

  #dropBelow(lowest: number): void {
    const ring = this.#ring
    let present = 0
    for (let number = this.#oldest(); number < lowest && number <= this.#line.highest; number += 1) {
      if (!ring.has(number)) continue
      present += 1
      if (ring.isAudio(number)) {
        this.#overflowed += 1
        this.#position = Math.max(this.#position, ring.position(number) + ring.duration(number))
      }
      ring.remove(number)
    }
    // Before the first packet is played nobody knows where the stream began, so nothing is missing.
    if (this.#next > 0) this.#lost += Math.max(0, lowest - this.#next - present)
    if (this.#next > 0 || present > 0) this.#next = Math.max(this.#next, lowest)
    this.#resumed = true
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
    if (this.#next === 0) return 0
    let missing = 0
    for (let number = this.#next; number < head; number += 1) if (!this.#ring.has(number)) missing += 1
    return missing
  }

  #delayAt(position: number, now: number): number {
    const baseline = this.#estimator.baselineMs
    return Number.isNaN(baseline) ? 0 : now - baseline - position / this.#unitsPerMs
  }

  // Whether the gap before `head` is a pause of the other side rather than lost sound.
  #isPause(head: number, gap: number, missing: number): boolean {
    if (missing === 0 || this.#inNoise || this.#concealRun >= this.#maxConceal) return true
    return this.#ring.marker(head) && gap > (missing + 1) * this.#ring.duration(head)
  }

  #underrun(now: number): Playout {
    if (this.#playing) {
      // During a telephone event, or after comfort noise, nothing is missing.
      if (!this.#inNoise && !this.#otherNewest && this.#concealRun < this.#maxConceal) {
        if (this.#concealRun === 0) this.#underruns += 1
        this.#position += this.#frame
        this.#delayMs = this.#delayAt(this.#position, now)
        return this.#conceal(this.#frame)
      }
      this.#playing = false
    }
    return this.#silent()
  }

  // After silence play-out goes by the clock, which is where the delay follows its target for free.
  #begin(head: number, now: number, quiet: boolean): Playout {
    const position = this.#ring.position(head)
    if (this.#delayAt(position, now) < this.#estimator.targetMs - this.#frameMs / 2) return this.#silent()
    this.#playing = true
    this.#resumed = true
    this.#position = position
    return this.#continue(head, now, quiet)
  }

  #continue(first: number, now: number, quiet: boolean): Playout {
    const ring = this.#ring
    let head = first
    this.#position = ring.position(head)
    const targetMs = this.#estimator.targetMs
    let delayMs = this.#delayAt(this.#position, now)
    if (delayMs > this.#maxDelayMs + this.#frameMs && ring.depth > 1) {
      while (delayMs > targetMs && ring.depth > 1) {
        this.#dropBelow(head + 1)
        head = this.#head()
        this.#position = ring.position(head)
        delayMs = this.#delayAt(this.#position, now)
      }
    } else if (quiet && delayMs < targetMs - this.#frameMs) {
      return this.#insert()
    } else if (this.#shouldSkip(head, delayMs - targetMs, now, quiet)) {
      const duration = ring.duration(head)
      this.#retire(head)
      this.#skipped += duration
      this.#result.skipped = duration
      head = this.#head()
      this.#position = ring.position(head)
      delayMs = this.#delayAt(this.#position, now)
    }
    this.#delayMs = delayMs
    return this.#play(head)
  }

  #shouldSkip(head: number, excessMs: number, now: number, quiet: boolean): boolean {
    if (excessMs <= this.#ring.duration(head) / this.#unitsPerMs + this.#frameMs / 2) {
      this.#excessSince = -1
      return false
    }
    if (this.#excessSince < 0) this.#excessSince = now
    if (!quiet && now - this.#excessSince < SHRINK_PATIENCE_MS) return false
    if (!this.#ring.isAudio(head + 1)) return false
    this.#excessSince = now
    return true
  }

  // Takes a packet out, and counts what is missing before it as lost.
  #retire(head: number): void {
    this.#lost += this.#missingBefore(head)
    for (let number = this.#oldest(); number <= head; number += 1) {
      if (this.#ring.has(number)) this.#ring.remove(number)
    }
    this.#next = head + 1
  }

  #play(head: number): Playout {
    const ring = this.#ring
    const result = this.#result
    const noise = ring.payloadType(head) === this.#comfortNoise
    result.kind = noise ? 'comfort-noise' : 'frame'
    result.duration = ring.duration(head)
    result.payload = ring.payload(head)
    result.payloadType = ring.payloadType(head)
    result.timestamp = ring.timestamp(head)
    result.resumed = this.#resumed
    this.#position += result.duration
    this.#retire(head)
    this.#played += 1
    this.#resumed = false
    this.#grown = false
    this.#concealRun = 0
    this.#inNoise = noise
    return result
  }

  #conceal(duration: number): Playout {
    this.#concealRun += duration
    this.#concealed += duration
    this.#concealedFrames += 1
    this.#resumed = true
    this.#result.kind = 'conceal'
    this.#result.duration = duration
    return this.#result
  }

  #insert(): Playout {
    this.#inserted += this.#frame
    return this.#conceal(this.#frame)
  }

  #silent(): Playout {
    this.#silence += this.#frame
    this.#concealRun = 0
    this.#resumed = true
    this.#result.kind = 'silence'
    this.#result.duration = this.#frame
    return this.#result
  }
}
