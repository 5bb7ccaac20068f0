import { OptionError } from '../../runtime/errors.ts'
import type { Clock, Timer } from '../../runtime/runtime.ts'

export interface PacedStream {
  /**
   * One frame is due. `dueAt` is when (clock ms), `skipped` how many frames before it were missed and will not be asked for:
   * the stream advances its timestamp past them; `now` is the present. Adding and removing streams from within is allowed.
   */
  tick(dueAt: number, skipped: number, now: number): void
  /**
   * What `tick` left for later, called when every stream that is due together has had its tick: one step for all calls before the next for
   * any keeps the code of a step in the processor's caches.
   */
  speak?(): void
  /** What `speak` left for the kernel, whose code pushes ours out of the caches; called when every stream has spoken. */
  flush?(): void
}

export interface PacedHandle {
  /** The stream is not called again. Idempotent. */
  remove(): void
}

export interface PacerOptions {
  readonly clock: Clock
  /** Interval of streams that name none, ms. Default 20. */
  readonly intervalMs?: number
  /**
   * Width of a time slot, ms: streams of one slot share a wake-up, so this bounds wake-ups a second (1000 / slotMs) however
   * many streams there are. Must divide 10. Default 2.
   */
  readonly slotMs?: number
  /**
   * A slot takes this many streams before the next is opened: a wake-up of the process costs more than sending a few dozen
   * packets, which delays the last of them by a millisecond or two. Default 128.
   */
  readonly streamsPerSlot?: number
  /**
   * Told of what a stream threw; the stream has been removed. Without it the first error of a round is thrown from the timer,
   * after the other streams had their turn.
   */
  readonly onError?: (error: unknown, stream: PacedStream) => void
}

/** Pacing error: how far off their due time ticks ran. */
export interface PacerSnapshot {
  readonly streams: number
  readonly ticks: number
  /** Frames that were given up after stalls, all streams together. */
  readonly skipped: number
  readonly wakeups: number
  readonly errorP50Ms: number
  readonly errorP99Ms: number
  readonly errorMaxMs: number
}

interface Entry {
  readonly stream: PacedStream
  /** Interval in slots. */
  readonly interval: number
  /** Where its load is counted. */
  readonly phase: number
  /** Due time in slots since the origin. */
  due: number
  removed: boolean
  /** The entry behind it in its slot. */
  next: Entry | undefined
}

/** The entries of one slot, in the order they came: linked, because an array that is emptied gives its memory back each round. */
interface Slot {
  first: Entry | undefined
  last: Entry | undefined
}

const MAX_INTERVAL_MS = 120
/** Half of what the timers of Node are off by: a slot is run as much too early now and then as too late, for fewer wake-ups. */
const EARLY_MS = 0.5
/** Histogram of the pacing error: bins of a quarter millisecond, the last one for everything above. */
const BIN_MS = 0.25
const BINS = 256

/**
 * Ticks every stream at its interval from one timer. Due times are multiples of the interval counted from the start, so
 * lateness never adds up; phases are spread as streams become many, so that they do not all fall due at once.
 */
export class Pacer {
  readonly #clock: Clock
  readonly #origin: number
  readonly #slotMs: number
  readonly #intervalMs: number
  readonly #streamsPerSlot: number
  readonly #onError: ((error: unknown, stream: PacedStream) => void) | undefined
  // A timing wheel: an entry due at slot n lies at n % size. Longer than any interval, so a round is never crossed.
  readonly #wheel: readonly Slot[]
  // Streams by phase within the default interval.
  readonly #load: Int32Array
  #size = 0
  #timer: Timer | undefined
  #timerSlot = Infinity
  #running = false
  /** Those whose turn it is, in order. */
  readonly #round: (Entry | undefined)[] = []
  #roundSize = 0
  #failed = false
  #failure: unknown
  // The last slot that was run.
  #current = 0
  readonly #errors = new Uint32Array(BINS)
  #errorMax = 0
  #ticks = 0
  #skipped = 0
  #wakeups = 0

  constructor(options: PacerOptions) {
    const slotMs = options.slotMs ?? 2
    if (!(slotMs > 0) || 10 % slotMs !== 0)
      throw new OptionError('slotMs', `${slotMs} does not divide 10; use 1, 2, 5 or 10`)
    this.#clock = options.clock
    this.#origin = options.clock.now()
    this.#slotMs = slotMs
    this.#intervalMs = options.intervalMs ?? 20
    this.#streamsPerSlot = options.streamsPerSlot ?? 128
    this.#onError = options.onError
    this.#wheel = Array.from({ length: MAX_INTERVAL_MS / slotMs + 1 }, () => ({
      first: undefined,
      last: undefined,
    }))
    this.#load = new Int32Array(this.#slotsOf(this.#intervalMs))
  }

  /** Starts calling `stream.tick` every `intervalMs`, first within one interval from now. */
  add(stream: PacedStream, intervalMs: number = this.#intervalMs): PacedHandle {
    const interval = this.#slotsOf(intervalMs)
    const due = this.#choosePhase(interval)
    const phase = due % this.#load.length
    const entry: Entry = { stream, interval, phase, due, removed: false, next: undefined }
    this.#load[phase]! += 1
    this.#size += 1
    this.#put(entry)
    this.#arm(due)
    return {
      remove: () => {
        this.#drop(entry)
        if (this.#size === 0) this.#disarm()
      },
    }
  }

  get size(): number {
    return this.#size
  }

  /** Percentiles are the upper edges of quarter-millisecond bins; above 64 ms only the maximum tells. */
  snapshot(): PacerSnapshot {
    return {
      streams: this.#size,
      ticks: this.#ticks,
      skipped: this.#skipped,
      wakeups: this.#wakeups,
      errorP50Ms: this.#percentile(0.5),
      errorP99Ms: this.#percentile(0.99),
      errorMaxMs: this.#errorMax,
    }
  }

  /** Removes every stream. */
  close(): void {
    for (const slot of this.#wheel) {
      for (let entry = takeAll(slot); entry !== undefined; entry = entry.next) entry.removed = true
    }
    this.#load.fill(0)
    this.#size = 0
    this.#disarm()
  }

  #slotsOf(intervalMs: number): number {
    const slots = intervalMs / this.#slotMs
    if (!Number.isInteger(slots) || slots < 1 || intervalMs > MAX_INTERVAL_MS) {
      throw new OptionError(
        'intervalMs',
        `${intervalMs} must be a multiple of ${this.#slotMs} up to ${MAX_INTERVAL_MS}`,
      )
    }
    return slots
  }

  // One of the slots within one interval from now: one that is in use but not full, else an empty one far from those in use,
  // else the least loaded.
  #choosePhase(interval: number): number {
    const next = Math.max(this.#current, this.#slotAt(this.#clock.now())) + 1
    let best = next
    let bestRank = -Infinity
    for (let slot = next; slot < next + interval; slot += 1) {
      const phase = slot % this.#load.length
      const load = this.#load[phase]!
      let rank = -load
      if (load === 0) rank = this.#distanceToUsed(phase)
      else if (load < this.#streamsPerSlot) rank = this.#load.length + load
      if (rank > bestRank) {
        best = slot
        bestRank = rank
      }
    }
    return best
  }

  #distanceToUsed(phase: number): number {
    const length = this.#load.length
    for (let distance = 1; distance <= length / 2; distance += 1) {
      if (this.#load[(phase + distance) % length]! > 0) return distance
      if (this.#load[(phase + length - distance) % length]! > 0) return distance
    }
    return length
  }

  #slotAt(now: number): number {
    return Math.floor((now - this.#origin) / this.#slotMs)
  }

  #put(entry: Entry): void {
    const slot = this.#wheel[entry.due % this.#wheel.length]!
    entry.next = undefined
    if (slot.last === undefined) slot.first = entry
    else slot.last.next = entry
    slot.last = entry
  }

  #arm(slot: number): void {
    if (this.#running || slot >= this.#timerSlot) return
    this.#timer?.cancel()
    this.#timerSlot = slot
    this.#timer = this.#clock.setTimer(this.#origin + slot * this.#slotMs, this.#run, EARLY_MS)
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerSlot = Infinity
  }

  readonly #run = (): void => {
    this.#timer = undefined
    this.#timerSlot = Infinity
    this.#running = true
    this.#wakeups += 1
    const reached = this.#slotAt(this.#clock.now() + EARLY_MS)
    // After a stall of more than a round each slot is visited once; its entries know how much they missed.
    const first = Math.max(this.#current + 1, reached - this.#wheel.length + 1)
    for (let slot = first; slot <= reached; slot += 1) {
      // Taken out first, so that ticks may fill the slot anew.
      let waiting = takeAll(this.#wheel[slot % this.#wheel.length]!)
      if (waiting !== undefined) this.#current = slot
      while (waiting !== undefined) {
        const entry = waiting
        waiting = entry.next
        if (entry.removed) continue
        if (entry.due > reached) {
          this.#put(entry)
          continue
        }
        try {
          this.#tick(entry, reached)
          this.#round[this.#roundSize] = entry
          this.#roundSize += 1
        } catch (error) {
          this.#fails(entry, error)
        }
      }
    }
    this.#endRound()
    this.#current = Math.max(this.#current, reached)
    this.#running = false
    this.#armNext()
    if (!this.#failed) return
    const failure = this.#failure
    this.#failed = false
    this.#failure = undefined
    throw failure
  }

  #endRound(): void {
    const round = this.#round
    const size = this.#roundSize
    for (let i = 0; i < size; i += 1) {
      const entry = round[i]!
      if (entry.removed) continue
      try {
        entry.stream.speak?.()
      } catch (error) {
        this.#fails(entry, error)
      }
    }
    for (let i = 0; i < size; i += 1) {
      const entry = round[i]!
      round[i] = undefined
      if (entry.removed) continue
      try {
        entry.stream.flush?.()
      } catch (error) {
        this.#fails(entry, error)
      }
    }
    this.#roundSize = 0
  }

  #fails(entry: Entry, error: unknown): void {
    this.#drop(entry)
    if (this.#onError !== undefined) this.#onError(error, entry.stream)
    else if (!this.#failed) {
      this.#failed = true
      this.#failure = error
    }
  }

  #tick(entry: Entry, reached: number): void {
    const { interval } = entry
    const missed = Math.floor((reached - entry.due) / interval)
    const due = entry.due + missed * interval
    entry.due = due + interval
    this.#put(entry)
    const dueAt = this.#origin + due * this.#slotMs
    const now = this.#clock.now()
    const error = Math.abs(now - dueAt)
    const bin = Math.floor(error / BIN_MS)
    this.#errors[bin < BINS ? bin : BINS - 1]! += 1
    if (error > this.#errorMax) this.#errorMax = error
    this.#ticks += 1
    this.#skipped += missed
    entry.stream.tick(dueAt, missed, now)
  }

  #drop(entry: Entry): void {
    if (entry.removed) return
    entry.removed = true
    this.#load[entry.phase]! -= 1
    this.#size -= 1
  }

  #armNext(): void {
    if (this.#size === 0) return
    const length = this.#wheel.length
    for (let slot = this.#current + 1; slot <= this.#current + length; slot += 1) {
      if (this.#wheel[slot % length]!.first !== undefined) {
        this.#arm(slot)
        return
      }
    }
  }

  #percentile(share: number): number {
    let total = 0
    for (const count of this.#errors) total += count
    if (total === 0) return 0
    let seen = 0
    for (const [bin, count] of this.#errors.entries()) {
      seen += count
      if (seen >= total * share) return (bin + 1) * BIN_MS
    }
    return BINS * BIN_MS
  }
}

/** Empties the slot and returns the chain of what was in it. */
function takeAll(slot: Slot): Entry | undefined {
  const { first } = slot
  slot.first = undefined
  slot.last = undefined
  return first
}
