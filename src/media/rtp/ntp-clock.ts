import type { Clock } from '../../runtime/runtime.ts'

/** Seconds from 1900 to 1970. */
const UNIX_EPOCH = 2_208_988_800
const WORD = 0x1_0000_0000

/** The 64 bits of an NTP time (RFC 3550 §4). */
export interface NtpTime {
  readonly seconds: number
  readonly fraction: number
}

/** NTP times that a change of the wall clock does not move: it is read once, and the steady clock goes on from there. */
export class NtpClock {
  readonly #offsetMs: number

  constructor(clock: Clock) {
    this.#offsetMs = clock.wallTime() - clock.now()
  }

  /** `now` in ms of the steady clock. */
  at(now: number): NtpTime {
    const ms = now + this.#offsetMs
    const whole = Math.floor(ms / 1000)
    return {
      seconds: (whole + UNIX_EPOCH) % WORD,
      fraction: Math.min(WORD - 1, Math.floor(((ms - whole * 1000) / 1000) * WORD)),
    }
  }
}

/** The middle 32 bits: 1/65536 s, as reports carry it. */
export function shortNtp({ seconds, fraction }: NtpTime): number {
  return (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0
}

/** Milliseconds in 1/65536 s, for a delay since a report came. */
export function delayUnits(ms: number): number {
  return Math.min(WORD - 1, Math.max(0, Math.round((ms * 65_536) / 1000)))
}
