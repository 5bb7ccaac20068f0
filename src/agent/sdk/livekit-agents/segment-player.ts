import type { AudioSink } from '../../../media/audio/audio-sink.ts'

export interface SegmentListener {
  /** The first audio of a segment goes to the caller. */
  onStarted(): void
  /** Once for each segment that was begun. */
  onFinished(playedMs: number, interrupted: boolean): void
}

/** A piece of a segment that the caller has not heard to its end. */
interface Piece {
  readonly samples: Int16Array
  readonly view: AudioSink
  /** Where it ends in the segment, milliseconds. */
  readonly endMs: number
}

interface Segment {
  pieces: Piece[]
  writtenMs: number
  /** What of it is or was in the queue: conversion holds the last few milliseconds back. */
  queuedMs: number
  /** Where play-out began anew: at a resume. */
  fromMs: number
  /** As it was when last looked at. */
  heardMs: number
  started: boolean
  flushed: boolean
  readonly over: Gate
}

interface Gate {
  readonly promise: Promise<void>
  readonly open: () => void
}

/** Audio waiting to be played at most; of a writer that does not wait, the rest is dropped. */
const MAX_WAITING_MS = 120_000

/** Segments of speech, one after the other, that can be paused in mid-word without losing any of it. */
export class SegmentPlayer {
  readonly #output: AudioSink
  readonly #listener: SegmentListener
  #segment: Segment | undefined
  #paused: Gate | undefined
  #interruptions = 0
  #droppedMs = 0

  constructor(output: AudioSink, listener: SegmentListener) {
    this.#output = output
    this.#listener = listener
  }

  /** Of writes that found too much waiting. */
  get droppedMs(): number {
    return this.#droppedMs
  }

  /** Waits for the segment before, when it is flushed and still played; false when that was interrupted, and what is to be said too. */
  async ready(): Promise<boolean> {
    const interruptions = this.#interruptions
    while (this.#segment?.flushed === true) await this.#segment.over.promise
    return interruptions === this.#interruptions
  }

  /** Begins a segment, or goes on with it. Settles when there is room for more, or it was interrupted. */
  async write(samples: Int16Array, sampleRate: number): Promise<void> {
    const segment = (this.#segment ??= newSegment())
    while (this.#paused !== undefined) {
      await Promise.race([this.#paused.promise, segment.over.promise])
      if (this.#segment !== segment) return
    }
    this.#forgetHeard(segment)
    const lengthMs = (samples.length * 1000) / sampleRate
    if (segment.writtenMs + lengthMs - segment.heardMs > MAX_WAITING_MS) {
      this.#droppedMs += lengthMs
      return
    }
    if (!segment.started) {
      segment.started = true
      this.#listener.onStarted()
    }
    segment.writtenMs += lengthMs
    const piece = { samples, view: this.#output.at(sampleRate), endMs: segment.writtenMs }
    segment.pieces.push(piece)
    await Promise.race([this.#queue(segment, () => piece.view.write(samples)), segment.over.promise])
  }

  /** The segment is complete: it is over when all of it has been heard. */
  flush(): void {
    const segment = this.#segment
    if (segment === undefined || segment.flushed) return
    segment.flushed = true
    if (this.#paused === undefined) this.#awaitEnd(segment)
  }

  /** Stops at once; what was not heard is gone. */
  clear(): void {
    this.#interruptions += 1
    const segment = this.#segment
    if (segment === undefined) return
    const playedMs = this.#heard(segment)
    if (segment.started && this.#paused === undefined) this.#output.clear()
    this.#finish(segment, playedMs, true)
  }

  /** The call is over: nobody hears the rest. */
  end(): void {
    this.#interruptions += 1
    // The queue is empty now for another reason than that it was heard.
    if (this.#segment !== undefined) this.#finish(this.#segment, this.#segment.heardMs, true)
  }

  /** Stops at once; what was not heard waits for `resume`. */
  pause(): void {
    if (this.#paused !== undefined) return
    const segment = this.#segment
    if (segment !== undefined) {
      const heardMs = this.#heard(segment)
      this.#forgetHeard(segment)
      const [first, ...rest] = segment.pieces
      // A piece of which a part was heard goes on from there.
      if (first !== undefined) {
        const { sampleRate } = first.view
        const left = Math.round(((first.endMs - heardMs) * sampleRate) / 1000)
        if (left < first.samples.length)
          segment.pieces = [
            { ...first, samples: first.samples.subarray(first.samples.length - left) },
            ...rest,
          ]
      }
      segment.fromMs = heardMs
      this.#output.clear()
    }
    this.#paused = newGate()
  }

  resume(): void {
    const gate = this.#paused
    if (gate === undefined) return
    this.#paused = undefined
    const segment = this.#segment
    if (segment !== undefined) {
      segment.queuedMs = segment.fromMs
      for (const { samples, view } of segment.pieces)
        this.#queue(segment, () => view.write(samples)).catch(() => {})
      if (segment.flushed) this.#awaitEnd(segment)
    }
    gate.open()
  }

  #awaitEnd(segment: Segment): void {
    const { fromMs } = segment
    const view = segment.pieces.at(-1)?.view ?? this.#output
    const flushed = this.#queue(segment, () => view.flush())
    segment.queuedMs = Math.max(segment.queuedMs, segment.writtenMs)
    flushed.then(
      ({ interrupted, playedMs }) => {
        // Paused meanwhile, or cleared by us: somebody else tells how it ends.
        if (this.#segment !== segment || this.#paused !== undefined || segment.fromMs !== fromMs) return
        const heardMs = Math.min(fromMs + playedMs, segment.writtenMs)
        this.#finish(segment, interrupted ? heardMs : segment.writtenMs, interrupted)
      },
      () => this.#finish(segment, segment.heardMs, true),
    )
  }

  #finish(segment: Segment, playedMs: number, interrupted: boolean): void {
    if (this.#segment !== segment) return
    this.#segment = undefined
    segment.over.open()
    this.#listener.onFinished(playedMs, interrupted)
  }

  #heard(segment: Segment): number {
    if (this.#paused === undefined && !this.#output.ended) {
      const heardMs = segment.queuedMs - this.#output.bufferedMs
      segment.heardMs = Math.max(segment.heardMs, Math.min(heardMs, segment.writtenMs))
    }
    return segment.heardMs
  }

  #forgetHeard(segment: Segment): void {
    const heardMs = this.#heard(segment)
    while ((segment.pieces[0]?.endMs ?? Infinity) <= heardMs) segment.pieces.shift()
  }

  #queue<T>(segment: Segment, act: () => Promise<T>): Promise<T> {
    const beforeMs = this.#output.bufferedMs
    const settled = act()
    segment.queuedMs += this.#output.bufferedMs - beforeMs
    return settled
  }
}

function newSegment(): Segment {
  return {
    pieces: [],
    writtenMs: 0,
    queuedMs: 0,
    fromMs: 0,
    heardMs: 0,
    started: false,
    flushed: false,
    over: newGate(),
  }
}

function newGate(): Gate {
  let open: (() => void) | undefined
  const promise = new Promise<void>(resolve => (open = resolve))
  return { promise, open: () => open?.() }
}
