import { SipError } from '../../runtime/errors.ts'
import type { LeftServer } from '../transport/locating/left-server.ts'
import type { TimerName } from './timers.ts'

/** Nobody answered in time (RFC 3261 §17.1.1.2 Timer B, §17.1.2.2 Timer F), or nobody acknowledged (§17.2.1 Timer H). */
export class SipTimeoutError extends SipError {
  override readonly name: string = 'SipTimeoutError'
  /** The timer that ran out. */
  readonly timer: TimerName
  /** Provisional responses seen before: 0 means that the other party gave no sign of life at all. */
  readonly provisionals: number
  /** Every server that was tried, where there were several (RFC 3263 §4.3). */
  readonly left: readonly LeftServer[]

  constructor(
    timer: TimerName,
    provisionals: number,
    message: string,
    options: ErrorOptions & { readonly left?: readonly LeftServer[] } = {},
  ) {
    super('SIP_TIMEOUT', message, options)
    this.left = options.left ?? []
    this.timer = timer
    this.provisionals = provisionals
  }
}
