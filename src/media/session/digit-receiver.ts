import type { ReceivedDigit, StartedDigit } from '../rtp/telephone-event-receiver.ts'
import { TelephoneEventReceiver } from '../rtp/telephone-event-receiver.ts'
import type { RtpView } from '../rtp/packet.ts'

export interface DigitReceiverOptions {
  /** A digit began: its first packet came. Exactly once, and before `onDigit`, for every digit. */
  readonly onDigitStart: (digit: StartedDigit) => void
  /** A digit ended. */
  readonly onDigit: (digit: ReceivedDigit) => void
}

/** The digits of one clock rate, and which of them the owner was told of. */
interface Line {
  readonly clockRate: number
  readonly events: TelephoneEventReceiver
  told: StartedDigit | undefined
}

/** Tells of each digit twice, when it begins and when it ends, whichever of its packets arrive. */
export class DigitReceiver {
  readonly #options: DigitReceiverOptions
  /** One for each clock rate agreed on: two or three at most, none before the first digit. */
  readonly #lines: Line[] = []

  constructor(options: DigitReceiverOptions) {
    this.#options = options
  }

  packet(view: RtpView, clockRate: number, now: number): void {
    const line = this.#lineAt(clockRate)
    // A digit whose end was lost with its clock is over when the next one comes in another.
    for (const other of this.#lines) if (other !== line) this.#tell(other, other.events.flush())
    const { payload, timestamp, sequence, marker, ssrc } = view
    this.#tell(line, line.events.receive(payload, timestamp, sequence, marker, ssrc, now))
  }

  /** Digits whose end was lost are given up for ended. */
  expire(now: number): void {
    for (const line of this.#lines) {
      const { nextAt } = line.events
      if (nextAt !== undefined && now >= nextAt) this.#tell(line, line.events.expire(now))
    }
  }

  /** Delivers a digit still open: the call is over. */
  flush(): void {
    for (const line of this.#lines) this.#tell(line, line.events.flush())
  }

  #lineAt(clockRate: number): Line {
    let line = this.#lines.find(known => known.clockRate === clockRate)
    if (line === undefined) {
      line = { clockRate, events: new TelephoneEventReceiver({ clockRate }), told: undefined }
      this.#lines.push(line)
    }
    return line
  }

  #tell(line: Line, ended: readonly ReceivedDigit[]): void {
    const { onDigitStart, onDigit } = this.#options
    for (const digit of ended) {
      const { told } = line
      if (told?.digit === digit.digit && told.timestamp === digit.timestamp) line.told = undefined
      else onDigitStart(digit)
      onDigit(digit)
    }
    const { open } = line.events
    if (open === undefined || open === line.told) return
    line.told = open
    onDigitStart(open)
  }
}
