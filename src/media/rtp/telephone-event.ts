/** DTMF digits as telephone-events in RTP (RFC 4733): the digits, the payload, and the generator that sends them. */
import { OptionError } from '../../runtime/errors.ts'

/**
 * Event codes 0 … 16 (RFC 4733 §3.2) as the characters users see: the index is the code.
 * `!` is the hook flash (16).
 */
export const TELEPHONE_EVENT_DIGITS = '0123456789*#ABCD!'

/** Octets of one event in a payload. */
export const TELEPHONE_EVENT_LENGTH = 4

const END_BIT = 0x80
/** The longest duration one segment can say, timestamp units (RFC 4733 §2.5.1.3). */
export const MAX_EVENT_DURATION = 0xffff
/** Times the last packet of an event is sent (RFC 4733 §2.5.1.4). */
const END_PACKETS = 3

/** Writes one event; `volume` is the level in -dBm0, 0 … 63. */
export function writeTelephoneEvent(
  out: Uint8Array,
  event: number,
  end: boolean,
  volume: number,
  duration: number,
): void {
  out[0] = event
  out[1] = (end ? END_BIT : 0) | (volume & 0x3f)
  out[2] = duration >> 8
  out[3] = duration
}

export interface TelephoneEventOptions {
  /** How long each digit sounds, ms. Default 160. */
  readonly durationMs?: number
  /** Silence after each digit, ms. Default 80. */
  readonly gapMs?: number
  /** Level in dBm0, -63 … 0. Default -10. */
  readonly volumeDbm0?: number
}

export interface TelephoneEventSenderOptions {
  /** Of the telephone-event payload type, Hz; the timestamps given to `next` count in it. */
  readonly clockRate: number
  /** How much time one call of `next` stands for, ms. Default 20. */
  readonly frameMs?: number
  /**
   * Of the timestamps given to `next`, Hz, where the stream has another clock than its events: Opus beside events at 8000. Those go out
   * with the timestamps of the stream and durations of their own clock. Default `clockRate`.
   */
  readonly timestampRate?: number
}

/** What to send in place of one frame of audio. Reused: valid until the next call of `next`. */
export interface TelephoneEventFrame {
  /** Four octets, or undefined in a pause between digits: then send nothing, or silence. */
  payload: Uint8Array | undefined
  /** Of the RTP packet: the start of the event (or of its current segment). */
  timestamp: number
  /** Set on the first packet of an event. */
  marker: boolean
  /** The digit being sent; undefined in a pause. */
  digit: string | undefined
}

/** What `w` and `,` wait, ms. */
export const PAUSE_MS = 500
const MAX_DURATION_MS = 60_000

/** Digits to send, checked. */
export interface CheckedDigits extends Required<TelephoneEventOptions> {
  /** Event codes in order; undefined for a pause of `PAUSE_MS`. */
  readonly keys: readonly (number | undefined)[]
}

/**
 * Reads `0`-`9`, `*`, `#`, `A`-`D` (either case), `!` for a flash, `w` or `,` for a pause of half a second, whichever road they will
 * take. @throws OptionError naming the field
 */
export function checkDigits(digits: string, options: TelephoneEventOptions = {}): CheckedDigits {
  const { durationMs = 160, gapMs = 80, volumeDbm0 = -10 } = options
  checkRange('durationMs', durationMs, 1, MAX_DURATION_MS)
  checkRange('gapMs', gapMs, 0, MAX_DURATION_MS)
  checkRange('volumeDbm0', volumeDbm0, -63, 0)
  const keys = digits.split('').map((character, position) => {
    if (character === 'w' || character === 'W' || character === ',') return undefined
    const event = TELEPHONE_EVENT_DIGITS.indexOf(character.toUpperCase())
    if (event >= 0) return event
    throw new OptionError(
      'digits',
      `character ${position + 1} is not a digit; use 0-9, *, #, A-D, ! (flash) or w (pause)`,
    )
  })
  if (keys.length > MAX_QUEUE) {
    throw new OptionError('digits', `more than ${MAX_QUEUE} digits would be waiting; send them in parts`)
  }
  return { keys, durationMs, gapMs, volumeDbm0 }
}

interface Item {
  /** Undefined: a pause. */
  readonly event: number | undefined
  readonly units: number
  readonly gap: number
  readonly volume: number
}

/** Longest queue of digits and pauses. */
const MAX_QUEUE = 1024

/**
 * Turns digits into event packets, one per frame. Pure: the owner calls `next` once per frame with the RTP timestamp that
 * frame has in the audio clock, which goes on meanwhile; when it says undefined, audio has the frame.
 */
export class TelephoneEventSender {
  readonly #clockRate: number
  readonly #frame: number
  /** Units of an event's duration for each of the timestamp. */
  readonly #scale: number
  readonly #queue: Item[] = []
  #item: Item | undefined
  #startedAt = 0
  #elapsed = 0
  #segmentAt = 0
  #segmentBase = 0
  #repeats = 0
  /** When the pause behind the digit is over, units of the event's clock from `#startedAt` on; 0 while there is none. */
  #restUntil = 0
  readonly #result: TelephoneEventFrame = {
    payload: undefined,
    timestamp: 0,
    marker: false,
    digit: undefined,
  }

  constructor(options: TelephoneEventSenderOptions) {
    this.#clockRate = options.clockRate
    this.#frame = Math.round(((options.frameMs ?? 20) * options.clockRate) / 1000)
    this.#scale = options.clockRate / (options.timestampRate ?? options.clockRate)
  }

  /** True until every digit, its end packets and the gap after it are out. */
  get active(): boolean {
    return this.#item !== undefined || this.#restUntil > 0 || this.#queue.length > 0
  }

  /**
   * Appends digits: `0`-`9`, `*`, `#`, `A`-`D` (either case), `!` for a flash, `w` or `,` for a pause of half a second.
   * Throws `OptionError` for anything else, before anything is queued.
   */
  start(digits: string, options: TelephoneEventOptions = {}): void {
    this.append(checkDigits(digits, options))
  }

  /** The same for digits that have been checked. */
  append({ keys, durationMs, gapMs, volumeDbm0 }: CheckedDigits): void {
    const volume = Math.round(-volumeDbm0)
    const units = this.#units(durationMs)
    const gap = this.#units(gapMs)
    const items = keys.map((event): Item =>
      event === undefined
        ? { event, units: this.#units(PAUSE_MS), gap: 0, volume }
        : { event, units, gap, volume },
    )
    if (this.#queue.length + items.length > MAX_QUEUE) {
      throw new OptionError('digits', `more than ${MAX_QUEUE} digits would be waiting; send them in parts`)
    }
    this.#queue.push(...items)
  }

  /** Drops what has not begun; a digit that sounds is ended properly. Returns how many digits were dropped. */
  clear(): number {
    const dropped = this.#queue.filter(item => item.event !== undefined).length
    this.#queue.length = 0
    return dropped
  }

  /** Takes back what has not begun, digits and pauses, for another sender to go on with. */
  takeRest(): CheckedDigits['keys'] {
    return this.#queue.splice(0).map(({ event }) => event)
  }

  /**
   * What takes the place of the audio frame that begins at `timestamp`; undefined when audio may have it.
   * After a stall call it once with the timestamp of now: durations and pauses follow the timestamp, frames are not made up for.
   */
  next(timestamp: number): TelephoneEventFrame | undefined {
    if (this.#restUntil > 0 && this.#since(timestamp) >= this.#restUntil) this.#restUntil = 0
    if (this.#item === undefined && this.#restUntil === 0) {
      const item = this.#queue.shift()
      if (item === undefined) return undefined
      this.#begin(item, timestamp)
    }
    const item = this.#item
    if (item === undefined || item.event === undefined) return this.#pause(timestamp)
    return this.#event(item, item.event, timestamp)
  }

  #begin(item: Item, timestamp: number): void {
    this.#startedAt = timestamp
    this.#elapsed = 0
    if (item.event === undefined) {
      this.#restUntil = item.units
      return
    }
    this.#item = item
    this.#segmentAt = timestamp
    this.#segmentBase = 0
    this.#repeats = 0
  }

  #event(item: Item, event: number, timestamp: number): TelephoneEventFrame {
    const first = this.#elapsed === 0
    const ended = this.#repeats > 0
    if (!ended) this.#elapsed = Math.min(item.units, this.#since(timestamp) + this.#frame)
    let duration = this.#elapsed - this.#segmentBase
    const end = this.#elapsed >= item.units && duration <= MAX_EVENT_DURATION
    if (duration > MAX_EVENT_DURATION) duration = MAX_EVENT_DURATION

    const result = this.#result
    // A fresh payload: the packet made of the one before may still be waiting to be sent.
    const payload = new Uint8Array(TELEPHONE_EVENT_LENGTH)
    writeTelephoneEvent(payload, event, end, item.volume, duration)
    result.payload = payload
    result.timestamp = this.#segmentAt
    result.marker = first
    result.digit = TELEPHONE_EVENT_DIGITS[event]

    if (duration === MAX_EVENT_DURATION && !end) {
      this.#segmentBase += MAX_EVENT_DURATION
      this.#segmentAt = (this.#segmentAt + Math.round(MAX_EVENT_DURATION / this.#scale)) >>> 0
    }
    if (end) {
      this.#repeats += 1
      if (this.#repeats === END_PACKETS) {
        this.#item = undefined
        this.#restAfter(timestamp, item.units + item.gap)
      }
    }
    return result
  }

  #pause(timestamp: number): TelephoneEventFrame {
    this.#restAfter(timestamp, this.#restUntil)
    const result = this.#result
    result.payload = undefined
    result.timestamp = timestamp
    result.marker = false
    result.digit = undefined
    return result
  }

  // What is left of a pause behind the frame at `timestamp`.
  #restAfter(timestamp: number, until: number): void {
    this.#restUntil = this.#since(timestamp) + this.#frame < until ? until : 0
  }

  /** Units of the event's clock since its start. */
  #since(timestamp: number): number {
    return Math.round(((timestamp - this.#startedAt) >>> 0) * this.#scale)
  }

  #units(ms: number): number {
    return Math.round((ms * this.#clockRate) / 1000)
  }
}

function checkRange(field: string, value: number, min: number, max: number): void {
  if (!(value >= min && value <= max)) throw new OptionError(field, `${value} is not within ${min} … ${max}`)
}
