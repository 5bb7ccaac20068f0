/** Options of how long calls ring and last, what keeps them alive, and what else is taken from the other side. */
import { OptionError } from '../runtime/errors.ts'
import type { RedirectOptions } from '../sip/dialog/redirect.ts'
import type { SessionTimerOptions } from '../sip/dialog/session-timer.ts'
import type { Reliability } from '../sip/dialog/reliable-provisional.ts'
import type { RequestHandlers } from './requests.ts'

/** What may be said for the endpoint, and otherwise for one call. */
export interface CallControlOptions {
  /**
   * Session timers (RFC 4028): the call is refreshed now and then, and ended when the other side is gone. Default: 1,800 s where the other
   * side knows them, intervals of 90 s and above taken.
   */
  readonly sessionTimer?: SessionTimerOptions | 'off'
  /** Hangs up that long after the answer, in milliseconds. Default: never. */
  readonly maxDurationMs?: number
  /** `expiring` is emitted that long before `maxDurationMs` ends the call. Default 60,000, at most half of `maxDurationMs`. */
  readonly expiringNoticeMs?: number
}

export interface EndpointControlOptions extends CallControlOptions {
  /**
   * Provisional responses that are acknowledged by PRACK (RFC 3262): `off`, `supported` (with those who can; default), or `required`: who cannot is
   * answered 421, and calls we make are refused with 420 by those.
   */
  readonly reliableProvisionals?: Reliability
  /**
   * An incoming call that nobody answered for so long is refused: 480 if it rang, 408 if the handler did nothing with it. Default 180,000; 0 lets
   * it ring until the caller gives up.
   */
  readonly ringTimeoutMs?: number
  /** Calls follow 3xx answers to so many further addresses (RFC 3261 §8.1.3.4). Default: a 3xx is the end of the call. */
  readonly followRedirects?: RedirectOptions
  /**
   * What answers requests other than INVITE, by method: `{ MESSAGE: … , INFO: … }`, in a call and outside any. They are named in Allow.
   * Without one OPTIONS and an empty INFO get 200, others 405, 415, 489 or 501.
   */
  readonly requests?: RequestHandlers
}

const reliabilities: ReadonlySet<unknown> = new Set<Reliability>(['off', 'supported', 'required'])

/** @throws OptionError */
export function reliabilityOption(value: Reliability | undefined): Reliability {
  if (value === undefined) return 'supported'
  if (reliabilities.has(value)) return value
  throw new OptionError('reliableProvisionals', `${value as string} is none of off, supported, required`)
}

/** Three minutes: what trunks allow a phone to ring. */
const defaultRingTimeoutMs = 180_000
const defaultNoticeMs = 60_000

/** When a call is warned, and when it ends, milliseconds after the answer. */
export interface DurationLimit {
  readonly warnAtMs: number
  readonly endAtMs: number
}

/** @throws OptionError naming the field */
export function durationLimit(options: CallControlOptions): DurationLimit | undefined {
  const { maxDurationMs, expiringNoticeMs = defaultNoticeMs } = options
  if (maxDurationMs === undefined) return undefined
  if (!(maxDurationMs > 0)) {
    throw new OptionError('maxDurationMs', `${maxDurationMs} lets nobody talk; give milliseconds above 0`)
  }
  if (!(expiringNoticeMs >= 0)) {
    throw new OptionError(
      'expiringNoticeMs',
      `${expiringNoticeMs} is not a time; give milliseconds, 0 or more`,
    )
  }
  if (maxDurationMs === Infinity) return undefined
  return { warnAtMs: maxDurationMs - Math.min(expiringNoticeMs, maxDurationMs / 2), endAtMs: maxDurationMs }
}

/** Undefined: for ever. @throws OptionError */
export function ringLimit(ringTimeoutMs: number = defaultRingTimeoutMs): number | undefined {
  if (!(ringTimeoutMs >= 0)) {
    throw new OptionError(
      'ringTimeoutMs',
      `${ringTimeoutMs} is not a time; give milliseconds, 0 for no limit`,
    )
  }
  return ringTimeoutMs === 0 || ringTimeoutMs === Infinity ? undefined : ringTimeoutMs
}
