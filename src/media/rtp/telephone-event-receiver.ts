import { MAX_EVENT_DURATION, TELEPHONE_EVENT_DIGITS, TELEPHONE_EVENT_LENGTH } from './telephone-event.ts'

export interface ReceivedDigit {
  /** One of `TELEPHONE_EVENT_DIGITS`. */
  readonly digit: string
  /** As far as the packets that came tell. */
  readonly durationMs: number
  /** RTP timestamp of its start. */
  readonly timestamp: number
  /** False when the end was lost and the digit was delivered by time-out or by the next one. */
  readonly ended: boolean
}

/** A digit that is being held down. */
export interface StartedDigit {
  /** One of `TELEPHONE_EVENT_DIGITS`. */
  readonly digit: string
  /** How long it had been held when its first packet came; more than one packet's worth when the start was lost. */
  readonly durationMs: number
  /** RTP timestamp of its start. */
  readonly timestamp: number
}

export interface TelephoneEventReceiverOptions {
  /** Of the telephone-event payload type, Hz. */
  readonly clockRate: number
  /** How long an event may go without packets before its end counts as lost, ms. Default 250. */
  readonly timeoutMs?: number
}

export interface TelephoneEventReceiverSnapshot {
  readonly digits: number
  readonly packets: number
  /** Packets of digits already delivered: repeats, late ones. */
  readonly repeats: number
  /** Too short, or an event that is no digit. */
  readonly ignored: number
  /** Packets of a digit that came only after a later one had been delivered: the digit is lost rather than out of order. */
  readonly stale: number
}

interface Event {
  readonly code: number
  timestamp: number
  /** Where the first segment began; differs from `timestamp` in events longer than one segment. */
  origin: number
  /** Timestamp units of the current segment. */
  duration: number
  ended: boolean
  /** Newest sequence number seen for it. */
  sequence: number
  lastAt: number
}

const NONE: readonly ReceivedDigit[] = []
/** How many delivered digits are remembered to know their late packets. */
const HISTORY = 16
/** A timestamp this much older than the newest is another clock, not a late packet, ms. */
const RESTART_MS = 10_000
/** By how much more than the time since its last packet an event may have grown when its source changes, ms: jitter. */
const HELD_ON_MS = 200

/**
 * Makes digits of telephone-event packets: each digit once, in order, whatever is lost, repeated or reordered, as long as
 * one packet of it arrives. An event is known by its timestamp and code, never by the marker bit alone.
 */
export class TelephoneEventReceiver {
  readonly #unitsPerMs: number
  readonly #timeoutMs: number
  #current: Event | undefined
  #open: StartedDigit | undefined
  readonly #done: Event[] = []
  #ssrc: number | undefined
  #digits = 0
  #packets = 0
  #repeats = 0
  #ignored = 0
  #stale = 0

  constructor(options: TelephoneEventReceiverOptions) {
    this.#unitsPerMs = options.clockRate / 1000
    this.#timeoutMs = options.timeoutMs ?? 250
  }

  /** When `expire` has something to do; undefined while no digit is open. */
  get nextAt(): number | undefined {
    return this.#current === undefined ? undefined : this.#current.lastAt + this.#timeoutMs
  }

  /**
   * The digit being held down, told by its first packet, whichever that is: the same object until its end has been
   * returned. A digit of which nothing but an end came is never open.
   */
  get open(): StartedDigit | undefined {
    return this.#open
  }

  /** One packet; returns the digits it completes, usually none. Call `expire` first if `nextAt` has passed. */
  receive(
    payload: Uint8Array,
    timestamp: number,
    sequence: number,
    marker: boolean,
    ssrc: number,
    now: number,
  ): readonly ReceivedDigit[] {
    this.#packets += 1
    let delivered =
      ssrc === this.#ssrc ? NONE : this.#changeSource(ssrc, payload, timestamp, sequence, marker, now)
    if (payload.length < TELEPHONE_EVENT_LENGTH) {
      this.#ignored += 1
      return delivered
    }
    // Several events may share a packet, one after the other in time (RFC 4733 §2.5.1.5).
    let at = timestamp
    for (
      let offset = 0;
      offset + TELEPHONE_EVENT_LENGTH <= payload.length;
      offset += TELEPHONE_EVENT_LENGTH
    ) {
      const code = payload[offset]!
      const end = payload[offset + 1]! >= 0x80
      const duration = (payload[offset + 2]! << 8) | payload[offset + 3]!
      if (code < TELEPHONE_EVENT_DIGITS.length) {
        const more = this.#one(code, end, duration, at, sequence, marker, now)
        if (more.length > 0) delivered = delivered.length === 0 ? more : [...delivered, ...more]
      } else {
        this.#ignored += 1
      }
      at = (at + duration) >>> 0
    }
    return delivered
  }

  /** Delivers the open digit when its end has not come in time. */
  expire(now: number): readonly ReceivedDigit[] {
    const at = this.nextAt
    return at !== undefined && now >= at ? this.#finish() : NONE
  }

  /** Delivers the open digit, if any: at the end of a call, or before the stream changes. */
  flush(): readonly ReceivedDigit[] {
    return this.#finish()
  }

  snapshot(): TelephoneEventReceiverSnapshot {
    return {
      digits: this.#digits,
      packets: this.#packets,
      repeats: this.#repeats,
      ignored: this.#ignored,
      stale: this.#stale,
    }
  }

  #one(
    code: number,
    end: boolean,
    duration: number,
    timestamp: number,
    sequence: number,
    marker: boolean,
    now: number,
  ): readonly ReceivedDigit[] {
    const current = this.#current
    if (current !== undefined) {
      if (continues(current, code, duration, timestamp, sequence, marker)) {
        this.#extend(current, end, duration, timestamp, sequence, now)
        return end ? this.#finish() : NONE
      }
      if (signed32(timestamp - current.timestamp) < 0 && !this.#isRestart(current, timestamp)) {
        return this.#before(code, duration, timestamp, sequence, now)
      }
    }
    if (this.#isRepeat(code, end, duration, timestamp, sequence, marker)) {
      this.#repeats += 1
      return NONE
    }
    const last = this.#done.at(-1)
    if (
      current === undefined &&
      last !== undefined &&
      signed32(timestamp - last.timestamp) < 0 &&
      !this.#isRestart(last, timestamp)
    ) {
      this.#stale += 1
      return NONE
    }
    // The next digit: whatever is open has ended, even if nobody said so.
    const finished = this.#finish()
    const opened: Event = { code, timestamp, origin: timestamp, duration, ended: end, sequence, lastAt: now }
    this.#current = opened
    if (!end) {
      this.#open = {
        digit: TELEPHONE_EVENT_DIGITS[code]!,
        durationMs: duration / this.#unitsPerMs,
        timestamp,
      }
      return finished
    }
    const own = this.#finish()
    return finished.length === 0 ? own : [...finished, ...own]
  }

  #extend(
    event: Event,
    end: boolean,
    duration: number,
    timestamp: number,
    sequence: number,
    now: number,
  ): void {
    const ahead = signed32(timestamp - event.timestamp)
    if (ahead > 0) {
      event.timestamp = timestamp
      event.duration = duration
    } else if (ahead === 0 && duration > event.duration) event.duration = duration
    if (end) event.ended = true
    if (signed16(sequence - event.sequence) > 0) event.sequence = sequence
    event.lastAt = now
  }

  // A packet older than the open digit: of one delivered, or of one of which nothing has come yet.
  #before(
    code: number,
    duration: number,
    timestamp: number,
    sequence: number,
    now: number,
  ): readonly ReceivedDigit[] {
    if (this.#done.some(event => event.code === code && covers(event, timestamp))) {
      this.#repeats += 1
      return NONE
    }
    const last = this.#done.at(-1)
    if (last !== undefined && signed32(timestamp - last.timestamp) < 0) {
      this.#stale += 1
      return NONE
    }
    return [
      this.#deliver({ code, timestamp, origin: timestamp, duration, ended: false, sequence, lastAt: now }),
    ]
  }

  #isRepeat(
    code: number,
    end: boolean,
    duration: number,
    timestamp: number,
    sequence: number,
    marker: boolean,
  ): boolean {
    const event = this.#done.findLast(event => event.code === code && covers(event, timestamp))
    if (event === undefined) return this.#isLateSegment(code, timestamp)
    // Senders that never move the timestamp: the same digit pressed again starts over, in a newer packet, after an end.
    const again =
      event.ended && !end && marker && duration < event.duration && signed16(sequence - event.sequence) > 0
    if (again) return false
    if (signed16(sequence - event.sequence) > 0) event.sequence = sequence
    return true
  }

  // A long event was given up as timed out, and then its next segment comes.
  #isLateSegment(code: number, timestamp: number): boolean {
    const last = this.#done.at(-1)
    if (last === undefined || last.ended || last.code !== code) return false
    if (!isNextSegment(last, timestamp)) return false
    last.timestamp = timestamp
    return true
  }

  #isRestart(event: Event, timestamp: number): boolean {
    return Math.abs(signed32(timestamp - event.timestamp)) > RESTART_MS * this.#unitsPerMs
  }

  #finish(): readonly ReceivedDigit[] {
    const event = this.#current
    if (event === undefined) return NONE
    const told = this.#open?.timestamp
    this.#current = undefined
    this.#open = undefined
    return [this.#deliver(event, told)]
  }

  #deliver(event: Event, startedAt: number = event.origin): ReceivedDigit {
    this.#done.push(event)
    if (this.#done.length > HISTORY) this.#done.shift()
    this.#digits += 1
    return {
      digit: TELEPHONE_EVENT_DIGITS[event.code]!,
      durationMs: (((event.timestamp - event.origin) >>> 0) + event.duration) / this.#unitsPerMs,
      timestamp: startedAt,
      ended: event.ended,
    }
  }

  #changeSource(
    ssrc: number,
    payload: Uint8Array,
    timestamp: number,
    sequence: number,
    marker: boolean,
    now: number,
  ): readonly ReceivedDigit[] {
    const first = this.#ssrc === undefined
    this.#ssrc = ssrc
    this.#done.length = 0
    const open = this.#current
    if (open !== undefined && this.#isHeldOn(open, payload, marker, now)) {
      open.origin = (open.origin + timestamp - open.timestamp) >>> 0
      open.timestamp = timestamp
      open.sequence = sequence
      return NONE
    }
    return first ? NONE : this.#finish()
  }

  // The same key goes on under another source: its duration, too, goes on from where it was.
  #isHeldOn(open: Event, payload: Uint8Array, marker: boolean, now: number): boolean {
    if (marker || payload.length < TELEPHONE_EVENT_LENGTH || payload[0] !== open.code) return false
    const grown = ((payload[2]! << 8) | payload[3]!) - open.duration
    return grown >= 0 && grown <= (now - open.lastAt + HELD_ON_MS) * this.#unitsPerMs
  }
}

/** Whether a packet belongs to the open event. */
function continues(
  open: Event,
  code: number,
  duration: number,
  timestamp: number,
  sequence: number,
  marker: boolean,
): boolean {
  if (code !== open.code) return false
  const ahead = signed32(timestamp - open.timestamp)
  if (ahead === 0) return true
  // Late, from an earlier segment of the same event.
  if (ahead < 0) return covers(open, timestamp)
  if (isNextSegment(open, timestamp)) return true
  // Senders that move the timestamp with every packet: nothing was lost in between, and the duration goes on growing.
  return !marker && ((sequence - open.sequence) & 0xffff) === 1 && duration > open.duration
}

/** A long event goes on under a new timestamp (RFC 4733 §2.5.1.3); a few segments may be lost in between. */
function isNextSegment(event: Event, timestamp: number): boolean {
  const ahead = signed32(timestamp - event.timestamp)
  return ahead > 0 && ahead % MAX_EVENT_DURATION === 0 && ahead <= 8 * MAX_EVENT_DURATION
}

/** Whether a timestamp is one that packets of this event carried. */
function covers(event: Event, timestamp: number): boolean {
  if (timestamp === event.timestamp) return true
  const ahead = signed32(timestamp - event.origin)
  return ahead >= 0 && signed32(event.timestamp - timestamp) > 0
}

function signed32(value: number): number {
  return value | 0
}

function signed16(value: number): number {
  return (value << 16) >> 16
}
