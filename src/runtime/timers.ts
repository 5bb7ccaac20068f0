import { OptionError, SipError } from './errors.ts'
import type { Timer } from './runtime.ts'

/** What a `TimerQueue` stands on: a clock and one alarm. */
export interface TimerHost {
  now(): number
  /** Sets the one alarm, replacing the one before; a `runDue` before `atMs` may find nothing due and arms it again. */
  arm(atMs: number): void
  disarm(): void
}

/**
 * Any number of timers over one alarm of the host.
 *
 * A binary heap in which every timer knows its place: setting and cancelling cost O(log n), and a cancelled timer
 * leaves at once, so the queue never holds more than the timers that are pending. Timers due at the same time run in
 * the order in which they were set.
 */
export class TimerQueue {
  readonly #host: TimerHost
  readonly #heap: QueuedTimer[] = []
  #sequence = 0
  #armedAt: number | undefined
  /** The time of the `runDue` under way. */
  #runningAt: number | undefined

  constructor(host: TimerHost) {
    this.#host = host
  }

  /** Pending timers. */
  get size(): number {
    return this.#heap.length
  }

  /** When the next timer is due. */
  get nextAt(): number | undefined {
    return this.#heap[0]?.atMs
  }

  /**
   * Runs `run` once at `atMs`; a time in the past means with the next `runDue`, `Infinity` means never. A `runDue` up to
   * `earlyMs` before its time takes it along when it is the next one.
   * @throws {OptionError} `atMs` is not a number.
   */
  set(atMs: number, run: () => void, earlyMs: number = 0): Timer {
    if (Number.isNaN(atMs)) throw new OptionError('atMs', 'NaN is not a time: check the sum it comes from')
    // A timer set by a running one waits behind all that are due already, so that none can starve the others.
    const at = this.#runningAt !== undefined && atMs < this.#runningAt ? this.#runningAt : atMs
    const timer = new QueuedTimer(this, at, this.#sequence++, run, earlyMs)
    this.#up(timer, this.#heap.length)
    this.#arm()
    return timer
  }

  /**
   * Runs the timers due at `now` in order, without the ones they set themselves: those wait for the next call.
   * What a timer throws passes through; the others stay pending and are armed. The alarm counts as gone off.
   * @returns how many ran
   * @throws {SipError} `SIP_STATE` when called by a timer.
   */
  runDue(now: number): number {
    if (this.#runningAt !== undefined) {
      throw new SipError('SIP_STATE', 'a timer ran the timer queue again: let the clock run it')
    }
    this.#armedAt = undefined
    this.#runningAt = now
    const end = this.#sequence
    let count = 0
    try {
      for (;;) {
        const next = this.#heap[0]
        if (next === undefined || next.atMs - next.earlyMs > now || next.sequence >= end) break
        this.remove(next)
        count++
        next.run()
      }
    } finally {
      this.#runningAt = undefined
      this.#arm()
    }
    return count
  }

  /** What `timer.cancel()` does. */
  remove(timer: QueuedTimer): void {
    const heap = this.#heap
    const index = timer.index
    if (index < 0) return
    timer.index = -1
    const last = heap.pop()
    if (last !== timer && last !== undefined) {
      if (index > 0 && before(last, heap[(index - 1) >> 1]!)) this.#up(last, index)
      else this.#down(last, index)
    }
    if (index === 0) this.#arm()
  }

  #arm(): void {
    if (this.#runningAt !== undefined) return
    const at = this.#heap[0]?.atMs
    if (at === this.#armedAt) return
    this.#armedAt = at
    if (at === undefined || at === Infinity) this.#host.disarm()
    else this.#host.arm(at)
  }

  #up(timer: QueuedTimer, from: number): void {
    const heap = this.#heap
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex]!
      if (!before(timer, parent)) break
      heap[index] = parent
      parent.index = index
      index = parentIndex
    }
    heap[index] = timer
    timer.index = index
  }

  #down(timer: QueuedTimer, from: number): void {
    const heap = this.#heap
    const size = heap.length
    let index = from
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= size) break
      let child = heap[childIndex]!
      const right = heap[childIndex + 1]
      if (right !== undefined && before(right, child)) {
        child = right
        childIndex++
      }
      if (!before(child, timer)) break
      heap[index] = child
      child.index = index
      index = childIndex
    }
    heap[index] = timer
    timer.index = index
  }
}

class QueuedTimer implements Timer {
  readonly #queue: TimerQueue
  readonly atMs: number
  readonly sequence: number
  readonly run: () => void
  readonly earlyMs: number
  /** Place in the heap, -1 once it ran or was cancelled. */
  index = -1

  constructor(queue: TimerQueue, atMs: number, sequence: number, run: () => void, earlyMs: number) {
    this.#queue = queue
    this.atMs = atMs
    this.sequence = sequence
    this.run = run
    this.earlyMs = earlyMs
  }

  cancel(): void {
    if (this.index >= 0) this.#queue.remove(this)
  }
}

function before(a: QueuedTimer, b: QueuedTimer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}
