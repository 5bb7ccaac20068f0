import { DtmfGenerator } from '../audio/dtmf-generator.ts'
import { PAUSE_MS, TELEPHONE_EVENT_DIGITS } from '../rtp/telephone-event.ts'
import type { CheckedDigits } from '../rtp/telephone-event.ts'

/** Digits as tones in place of the audio, frame by frame: what `TelephoneEventSender` is for events. */
export class DigitTones {
  readonly #digits: CheckedDigits
  readonly #onDigit: (digit: string, durationMs: number) => void
  readonly #samplesPerMs: number
  readonly #generator: DtmfGenerator
  #next = 0
  /** Samples of silence before the next key. */
  #rest = 0

  constructor(
    digits: CheckedDigits,
    sampleRate: number,
    onDigit: (digit: string, durationMs: number) => void,
  ) {
    this.#digits = digits
    this.#samplesPerMs = sampleRate / 1000
    this.#generator = new DtmfGenerator({ sampleRate })
    this.#onDigit = onDigit
  }

  /** Until every digit is out, and the gap after it. */
  get active(): boolean {
    return this.#generator.active || this.#rest > 0 || this.#next < this.#digits.keys.length
  }

  /** Forgets what has not begun. */
  clear(): void {
    this.#next = this.#digits.keys.length
  }

  /** Nothing is sent for a while: the rest of the key that sounds would be another press afterwards. */
  interrupt(): void {
    this.#generator.stop()
  }

  render(out: Int16Array): void {
    out.fill(0)
    let at = 0
    while (at < out.length && this.active) {
      if (this.#generator.active) at += this.#generator.render(out, at)
      else if (this.#rest > 0) {
        const count = Math.min(this.#rest, out.length - at)
        this.#rest -= count
        at += count
      } else this.#begin()
    }
  }

  #begin(): void {
    const { keys, durationMs, gapMs, volumeDbm0 } = this.#digits
    const key = keys[this.#next]
    this.#next += 1
    if (key === undefined) {
      this.#rest = Math.round(PAUSE_MS * this.#samplesPerMs)
      return
    }
    const digit = TELEPHONE_EVENT_DIGITS[key]!
    this.#generator.start(digit, durationMs, { volumeDbm0 })
    this.#rest = Math.round(gapMs * this.#samplesPerMs)
    this.#onDigit(digit, durationMs)
  }
}
