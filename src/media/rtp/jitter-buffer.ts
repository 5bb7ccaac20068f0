import type { JitterBufferOptions } from './jitter-options.ts'
import { PacketQueue, SAME_MS } from './packet-queue.ts'
import * as at from './playout.ts'
import type { JitterBufferSnapshot, Playout, PlayoutKind } from './playout.ts'

const EMPTY = new Uint8Array(0)
/** The delay is left alone while it is above its target by no more than the first, and below it by no more than the second, ms. */
const SHRINK_ABOVE_MS = 22
const GROW_BELOW_MS = 2
/** After silence sound begins with no less than the target but for this, ms: with less it would have to grow at once. */
const BEGIN_BELOW_MS = 1
/** Below its target by more than this the delay grows even where it may be heard, ms. */
const SHORT_MS = 3
/** Sound is stretched at most once in this time, ms, so that it does not sound hurried; beyond so much excess, at once. */
const STRETCH_EVERY_MS = 40
/**
 * Where nothing in the sound repeats, nothing is looked for again so soon, ms, and each time later than the time before, to the second of them:
 * the search is the dearest thing in a call. Beyond the third it is in vain even where it is urgent.
 */
const STRETCH_AGAIN_MS = 80
const STRETCH_AGAIN_AT_LAST_MS = 1280
const STRETCH_IN_VAIN_MS = 300
const STRETCH_AGAIN_GROWTH = 1.3
const URGENT_EXCESS_MS = 40
/** The longest pitch period: more is never put into speech at a time. */
const LONGEST_GROWTH_MS = 15
/** A packet is overdue when it is later than usual by this and nothing is left to play, ms. */
const OVERDUE_MS = 5

/**
 * An adaptive jitter buffer. Pure: packets go in with their arrival time, and whenever play-out runs out of samples `pull`
 * says what comes next.
 */
export class JitterBuffer extends PacketQueue {
  readonly #recovers: ((payloadType: number) => boolean) | undefined
  readonly #maxConcealMs: number
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
    super(options)
    this.#recovers = options.recovers
    this.#maxConcealMs = options.maxConcealMs ?? 120
    this.numbers[at.STRETCH_WAIT] = STRETCH_AGAIN_MS
  }

  /**
   * What to play next; call it whenever play-out has less than a frame of samples left. `roomMs` is how much is missing of the
   * frame that is heard from `now` on (ms, on the clock of `push`).
   */
  pull(now: number, roomMs: number = this.frameMs): Playout {
    const result = this.#result
    result.payload = EMPTY
    result.stretchMs = 0
    result.resumed = false
    const head = this.head()
    if (head < 0) return this.#underrun(now, roomMs)
    const numbers = this.numbers
    if (numbers[at.PLAYING] === 0) return this.#begin(head, now, roomMs)
    const ring = this.ring
    const gap = ring.position(head) - numbers[at.POSITION]! - numbers[at.CONCEAL_RUN]!
    if (gap <= SAME_MS) return this.#continue(head, now, roomMs)
    const missing = this.missingBefore(head)
    if (missing === 0 && gap < this.frameMs) return this.#continue(head, now, roomMs)
    if (this.#isPause(head, gap, missing)) {
      numbers[at.PLAYING] = 0
      return this.#begin(head, now, roomMs)
    }
    numbers[at.DRY] = 0
    if (gap <= ring.duration(head) + SAME_MS && this.#recovers?.(ring.payloadType(head)) === true) {
      return this.#recover(head, gap)
    }
    return this.#conceal(Math.min(gap, this.frameMs))
  }

  /**
   * After `shrink`: the packet right behind the one just returned, to be played with it (kind `normal`); `undefined` when there
   * is none.
   */
  follow(): Playout | undefined {
    const head = this.head()
    if (head < 0 || this.ring.isNoise(head)) return undefined
    if (Math.abs(this.ring.position(head) - this.numbers[at.POSITION]!) > SAME_MS) return undefined
    this.#result.stretchMs = 0
    return this.#play(head, 'normal')
  }

  /** After `shrink` or `grow`: sound became longer by `ms`, or shorter when negative; `unheard` when it was next to silence. */
  stretched(ms: number, unheard: boolean, now: number): void {
    if (ms < 0) this.numbers[at.ACCELERATED]! -= ms
    else this.numbers[at.EXPANDED]! += ms
    this.numbers[at.STRETCH_AT] = unheard ? now : now + STRETCH_EVERY_MS
    this.numbers[at.STRETCH_WAIT] = STRETCH_AGAIN_MS
  }

  /** After `recover`: the packet did not remember, and `durationMs` were concealed after all. */
  concealedInstead(durationMs: number): void {
    this.numbers[at.RECOVERED]! -= durationMs
    this.numbers[at.CONCEALED]! += durationMs
    this.numbers[at.CONCEALED_FRAMES]! += 1
  }

  snapshot(): JitterBufferSnapshot {
    const numbers = this.numbers
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
      resyncs: numbers[at.RESYNCS]! + this.line.runs,
      depth: this.ring.depth,
      delayMs: numbers[at.DELAY]!,
      targetDelayMs: this.estimator.targetMs,
      maxDelayMs: this.maxDelayMs,
      baselineMs: this.estimator.baselineMs,
    }
  }

  // Whether the gap before `head` is a pause of the other side rather than lost sound.
  #isPause(head: number, gap: number, missing: number): boolean {
    const numbers = this.numbers
    if (missing === 0 || numbers[at.IN_NOISE] === 1 || numbers[at.CONCEAL_RUN]! >= this.#maxConcealMs) {
      return true
    }
    return this.ring.marker(head) && gap > (missing + 1) * this.ring.duration(head)
  }

  #underrun(now: number, roomMs: number): Playout {
    const numbers = this.numbers
    if (numbers[at.PLAYING] === 1) {
      // During a telephone event, or after comfort noise, nothing is missing.
      const expected = numbers[at.IN_NOISE] === 0 && numbers[at.OTHER_NEWEST] === 0
      if (expected && numbers[at.CONCEAL_RUN]! < this.#maxConcealMs) {
        if (numbers[at.CONCEAL_RUN] === 0) numbers[at.UNDERRUNS]! += 1
        numbers[at.DRY] = 1
        numbers[at.DELAY] = this.delayAt(numbers[at.POSITION]!, now)
        return this.#conceal(Math.min(this.#within(roomMs), this.#maxConcealMs - numbers[at.CONCEAL_RUN]!))
      }
      numbers[at.PLAYING] = 0
    }
    return this.#silent(roomMs)
  }

  // After silence play-out goes by the clock, which is where the delay follows its target for free.
  #begin(head: number, now: number, roomMs: number): Playout {
    const numbers = this.numbers
    const position = this.ring.position(head)
    if (this.delayAt(position, now) < this.estimator.targetMs - BEGIN_BELOW_MS) {
      return this.#silent(roomMs)
    }
    numbers[at.PLAYING] = 1
    numbers[at.RESUMED] = 1
    return this.#continue(head, now, roomMs)
  }

  #continue(head: number, now: number, roomMs: number): Playout {
    const ring = this.ring
    const numbers = this.numbers
    const estimator = this.estimator
    const delayMs = this.delayAt(ring.position(head), now)
    const excess = delayMs - estimator.targetMs
    numbers[at.DELAY] = delayMs + this.frameMs - roomMs
    if (excess > SHRINK_ABOVE_MS) {
      if (delayMs > this.maxDelayMs + this.frameMs && ring.depth > 1) return this.#catchUp(head, now)
      return this.#shrink(head, delayMs, excess, now)
    }
    const overdue = ring.depth === 1 && delayMs - ring.duration(head) > estimator.usualMs + OVERDUE_MS
    if (overdue || (excess < -GROW_BELOW_MS && now >= numbers[at.STRETCH_AT]!)) {
      const urgent = overdue || excess < -SHORT_MS
      return this.#stretch(head, 'grow', Math.max(LONGEST_GROWTH_MS, -excess), urgent, now)
    }
    return this.#play(head, 'normal')
  }

  #catchUp(first: number, now: number): Playout {
    const ring = this.ring
    let head = first
    let delayMs = this.delayAt(ring.position(head), now)
    while (delayMs > this.estimator.targetMs && ring.depth > 1) {
      this.dropBelow(head + 1)
      head = this.head()
      delayMs = this.delayAt(ring.position(head), now)
    }
    this.numbers[at.DELAY] = delayMs
    return this.#play(head, 'normal')
  }

  // A peak of delay is rarely alone: what it asked for is kept a little while.
  #shrink(head: number, delayMs: number, excess: number, now: number): Playout {
    const urgent = excess > URGENT_EXCESS_MS
    const numbers = this.numbers
    const inVain = numbers[at.STRETCH_WAIT]! > STRETCH_IN_VAIN_MS
    const due = (urgent && !inVain) || now >= numbers[at.STRETCH_AT]!
    if (!due || !this.ring.isAudio(head + 1) || delayMs <= this.estimator.peakMs(now)) {
      return this.#play(head, 'normal')
    }
    return this.#stretch(head, 'shrink', excess, urgent, now)
  }

  #stretch(head: number, kind: 'shrink' | 'grow', stretchMs: number, urgent: boolean, now: number): Playout {
    // What comes after a gap is faded in; that is change enough. Noise is as long as it is asked for.
    if (this.numbers[at.RESUMED] === 1 || this.ring.isNoise(head)) return this.#play(head, 'normal')
    // Taken for futile until `stretched` tells otherwise.
    const numbers = this.numbers
    const waitMs = numbers[at.STRETCH_WAIT]!
    numbers[at.STRETCH_AT] = now + waitMs
    numbers[at.STRETCH_WAIT] = Math.min(STRETCH_AGAIN_AT_LAST_MS, STRETCH_AGAIN_GROWTH * waitMs)
    this.#result.stretchMs = stretchMs
    this.#result.urgent = urgent
    return this.#play(head, kind)
  }

  // Takes a packet out, and counts what is missing before it as lost.
  #retire(head: number): void {
    const numbers = this.numbers
    const ring = this.ring
    if (numbers[at.NEXT] !== head) {
      numbers[at.LOST]! += this.missingBefore(head)
      for (let number = this.oldest(); number < head; number += 1) if (ring.has(number)) ring.remove(number)
    }
    ring.remove(head)
    numbers[at.NEXT] = head + 1
  }

  #play(head: number, kind: PlayoutKind): Playout {
    const ring = this.ring
    const numbers = this.numbers
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
    const numbers = this.numbers
    const result = this.#result
    numbers[at.CONCEAL_RUN]! += durationMs
    numbers[at.RECOVERED]! += durationMs
    numbers[at.RESUMED] = 1
    result.kind = 'recover'
    result.durationMs = durationMs
    result.payload = this.ring.payload(head)
    result.payloadType = this.ring.payloadType(head)
    result.timestamp = this.ring.timestamp(head)
    return result
  }

  #conceal(durationMs: number): Playout {
    const numbers = this.numbers
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
    return Math.min(this.frameMs, Math.max(SAME_MS, roomMs))
  }

  #silent(roomMs: number): Playout {
    const numbers = this.numbers
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
