import type { Clock } from '../../runtime/runtime.ts'
import { PAUSE_MS, TELEPHONE_EVENT_DIGITS } from '../rtp/telephone-event.ts'
import type { CheckedDigits } from '../rtp/telephone-event.ts'

/** The signalling of a call as a road for digits; the call gives it. */
export interface DigitSignalling {
  /** The peer says that it takes such requests. */
  readonly available: boolean
  /** Settles with false when the peer takes no digits that way after all. Rejects when the request fails. */
  send(digit: string, durationMs: number): Promise<boolean>
}

export interface SignallingRun {
  readonly clock: Clock
  readonly signalling: DigitSignalling
  readonly digits: CheckedDigits
  readonly onDigit: (digit: string, durationMs: number) => void
  /** The rest is not wanted any more. */
  readonly stopped: () => boolean
  /** Settles at that time, or when the rest is not wanted any more. */
  readonly wait: (untilMs: number) => Promise<void>
}

/**
 * Sends digits by signalling, one at a time, each when the one before was answered and its time and gap are over. Settles with what the
 * peer would not take: nothing when all went out.
 */
export async function signalDigits(run: SignallingRun): Promise<CheckedDigits['keys']> {
  const { clock, signalling, digits, onDigit, stopped, wait } = run
  const { keys, durationMs, gapMs } = digits
  for (const [index, key] of keys.entries()) {
    if (stopped()) return []
    const begunAt = clock.now()
    if (key === undefined) {
      await wait(begunAt + PAUSE_MS)
      continue
    }
    const digit = TELEPHONE_EVENT_DIGITS[key]!
    if (!(await signalling.send(digit, durationMs))) return keys.slice(index)
    onDigit(digit, durationMs)
    await wait(begunAt + durationMs + gapMs)
  }
  return []
}
