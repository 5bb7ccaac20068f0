/** How much of what was written the other party was sent. */
export interface Playout {
  /** Sent since the boundary before: the last flush that completed, or the last clear. */
  readonly playedMs: number
  /** Written, but thrown away instead of sent. What a source had not given yet is not counted. */
  readonly droppedMs: number
  /** A clear, an abort or the end of the call came before everything was sent. */
  readonly interrupted: boolean
}

/** Whether play-out got to where the mark was set. */
export interface MarkReached {
  readonly name: string
  /** False when the audio before the mark was cleared, or the call ended first. */
  readonly reached: boolean
}

interface Entry {
  readonly position: number
  /** A boundary starts a new count of played and dropped; a mark does not. */
  readonly boundary: boolean
  settle(playout: Playout): void
}

/**
 * Counts samples through the sink: positions written, sent and dropped, and what waits for a position.
 * Pure: it is told of writes, sends and clears, and calls `settle` of what they reached.
 */
export class PlayoutLedger {
  readonly #samplesPerMs: number
  #written = 0
  #position = 0
  #played = 0
  #dropped = 0
  readonly #entries: Entry[] = []

  constructor(sampleRate: number) {
    this.#samplesPerMs = sampleRate / 1000
  }

  /** Whether something waits for audio that has been written already: a partial frame must then go out padded. */
  get awaited(): boolean {
    return this.#entries.length > 0
  }

  /** Positions waited for; the sink bounds them. */
  get pending(): number {
    return this.#entries.length
  }

  wrote(samples: number): void {
    this.#written += samples
  }

  /** Samples refused by a full queue, charged to the segment being played. */
  refused(samples: number): void {
    this.#dropped += samples
  }

  sent(samples: number): void {
    this.#position += samples
    this.#played += samples
    this.#settleReached()
  }

  /** What a clear at this moment would report: everything since the boundary reached last. */
  sinceBoundary(): Playout {
    const unsent = this.#written - this.#position
    return this.#count(this.#dropped + unsent, unsent > 0 || this.#entries.length > 0)
  }

  /** Drops all that was not sent; everything that waits is settled as interrupted, each with its own share. */
  clear(): void {
    for (const entry of this.#entries.splice(0)) {
      entry.settle(this.#count(this.#dropped + entry.position - this.#position, true))
      if (!entry.boundary) continue
      this.#played = 0
      this.#dropped = 0
      this.#position = entry.position
    }
    this.#position = this.#written
    this.#played = 0
    this.#dropped = 0
  }

  /** Calls `settle` once all that was written before this call was sent; at once when nothing is left. */
  wait(boundary: boolean, settle: (playout: Playout) => void): void {
    this.#entries.push({ position: this.#written, boundary, settle })
    this.#settleReached()
  }

  #settleReached(): void {
    for (;;) {
      const entry = this.#entries[0]
      if (entry === undefined || entry.position > this.#position) return
      this.#entries.shift()
      const beyond = this.#position - entry.position
      this.#played -= beyond
      entry.settle(this.#count(this.#dropped, false))
      if (entry.boundary) {
        this.#played = 0
        this.#dropped = 0
      }
      this.#played += beyond
    }
  }

  #count(dropped: number, interrupted: boolean): Playout {
    return {
      playedMs: this.#played / this.#samplesPerMs,
      droppedMs: dropped / this.#samplesPerMs,
      interrupted,
    }
  }
}
