import type { RtpView } from '../rtp/packet.ts'
import { TELEPHONE_EVENT_DIGITS } from '../rtp/telephone-event.ts'
import { withinMs } from './digit-merge.ts'

interface Told {
  readonly code: number
  readonly untilMs: number
  /** RTP timestamp of its event, once that has come. */
  timestamp: number | undefined
}

/** Remembered at a time: presses within the window of one. */
const MOST = 16

/** Presses that INFO told of, so that the events of the same presses are not sent on as well. */
export class ToldPresses {
  readonly #told: Told[] = []

  add(digit: string, now: number): void {
    const code = TELEPHONE_EVENT_DIGITS.indexOf(digit)
    this.#told.push({ code, untilMs: now + withinMs('rtp', 'info'), timestamp: undefined })
    if (this.#told.length > MOST) this.#told.shift()
  }

  /** Whether an event packet is of such a press. */
  has({ payload, timestamp }: RtpView, now: number): boolean {
    const code = payload[0]
    const told =
      this.#told.find(press => press.code === code && press.timestamp === timestamp) ??
      this.#told.find(press => press.code === code && press.timestamp === undefined && now <= press.untilMs)
    if (told === undefined) return false
    told.timestamp = timestamp
    return true
  }
}
