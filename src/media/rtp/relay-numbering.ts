import type { RtpView } from './packet.ts'

/** Where the stream that goes on stands: what the next packet would carry had nothing been relayed. */
export interface StreamPosition {
  readonly sequence: number
  readonly timestamp: number
}

/** A forward step in the sequence beyond which it is another run (RFC 3550 appendix A.1, MAX_DROPOUT). */
const MAX_DROPOUT = 3000
/** Packets that may still come after newer ones. */
const MAX_MISORDER = 128
/** A pause between two packets is no packet length: beyond this, ms, it says nothing. */
const LONGEST_PACKET_MS = 120

/**
 * Maps sequence numbers and timestamps of a relayed stream onto those of the stream that carries it on. Pure. Within a run of the
 * source the distances between packets are kept, so that losses and reordering look to the far end as they did here; a run begins behind all
 * that was sent, so that the far end never meets a number twice, which SRTP must not (RFC 3711 §9.1).
 */
export class RelayNumbering {
  /** Of the packet mapped last. */
  sequence = 0
  timestamp = 0
  /** The packet mapped last was the first of a run. */
  begins = false
  #running = false
  #ssrc = 0
  /** Of the source: newest in the run. */
  #highest = 0
  /** Numbers in the run so far. */
  #span = 0
  #sequenceOffset = 0
  #timestampOffset = 0
  /** A run that may have begun elsewhere: its next number, or -1. */
  #elsewhere = -1
  readonly #seen = new Uint8Array(MAX_MISORDER)
  #unitsPerMs = 8
  /** Of the newest packet, as sent: timestamp, time, and how much audio such packets hold. */
  #newestTimestamp = 0
  #newestAt = 0
  #units = 160
  #dropped = 0

  /** Packets that came twice, too late, or before the run began, and were not relayed. */
  get dropped(): number {
    return this.#dropped
  }

  get running(): boolean {
    return this.#running
  }

  /**
   * Sets `sequence` and `timestamp` for a packet that arrived at `now` (ms); false when it must not be relayed. A run begins where
   * `position` is; `timed` is false for telephone events, whose timestamp is that of their beginning.
   */
  map(view: RtpView, now: number, position: StreamPosition, timed: boolean): boolean {
    const { sequence, timestamp, ssrc } = view
    if (!this.#running) this.#begin(view, now, position.sequence, position.timestamp)
    else if (ssrc !== this.#ssrc) this.#begin(view, now, position.sequence, this.timestampAt(now))
    else {
      const step = ((sequence - this.#highest) << 16) >> 16
      if (step > 0 && step < MAX_DROPOUT) this.#advance(sequence, step)
      else if (step <= 0 && step > -MAX_MISORDER) {
        if (-step >= this.#span || this.#seen[sequence % MAX_MISORDER] === 1) return this.#drop()
        this.#seen[sequence % MAX_MISORDER] = 1
        this.begins = false
      } else if (sequence === this.#elsewhere)
        this.#begin(view, now, position.sequence, this.timestampAt(now))
      else {
        this.#elsewhere = (sequence + 1) & 0xffff
        return this.#drop()
      }
    }
    this.sequence = (sequence + this.#sequenceOffset) & 0xffff
    this.timestamp = (timestamp + this.#timestampOffset) >>> 0
    if (timed && sequence === this.#highest) this.#note(now)
    return true
  }

  /** The timestamp of audio that would be sent at `now`, behind all that was relayed. Only while a run is on. */
  timestampAt(now: number): number {
    const elapsed = Math.round((now - this.#newestAt) * this.#unitsPerMs)
    return (this.#newestTimestamp + Math.max(this.#units, elapsed)) >>> 0
  }

  /** The timestamp of the sound of this moment. */
  timestampNow(now: number): number {
    return (this.#newestTimestamp + Math.round((now - this.#newestAt) * this.#unitsPerMs)) >>> 0
  }

  /** The next packet begins a run. `clockRate` is that of timestamps from then on. */
  stop(clockRate: number): void {
    this.#running = false
    this.#unitsPerMs = clockRate / 1000
    this.#units = clockRate / 50
  }

  #begin(view: RtpView, now: number, sequence: number, timestamp: number): void {
    this.#running = true
    this.begins = true
    this.#ssrc = view.ssrc
    this.#highest = view.sequence
    this.#span = 1
    this.#elsewhere = -1
    this.#seen.fill(0)
    this.#seen[view.sequence % MAX_MISORDER] = 1
    this.#sequenceOffset = sequence - view.sequence
    this.#timestampOffset = timestamp - view.timestamp
    this.#newestTimestamp = timestamp
    this.#newestAt = now
  }

  #advance(sequence: number, step: number): void {
    const clear = Math.min(step, MAX_MISORDER)
    for (let i = 0; i < clear; i += 1) this.#seen[(sequence - i) & (MAX_MISORDER - 1)] = 0
    this.#seen[sequence % MAX_MISORDER] = 1
    this.#highest = sequence
    this.#span += step
    this.#elsewhere = -1
    this.begins = false
  }

  #note(now: number): void {
    const units = (this.timestamp - this.#newestTimestamp) | 0
    if (units > 0 && units <= LONGEST_PACKET_MS * this.#unitsPerMs) this.#units = units
    this.#newestTimestamp = this.timestamp
    this.#newestAt = now
  }

  #drop(): boolean {
    this.#dropped += 1
    return false
  }
}
