import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Call } from '../call.ts'

/** How many calls a trunk has at once, both ways together, and what becomes of one more. */
export interface MaxCallsSettings {
  /** Calls that ring count, too. */
  readonly limit: number
  /** What a call from the carrier gets beyond it: 503 (default) sends most carriers to their next address; 486 and 600 tell the caller that we are busy. */
  readonly statusCode?: number
  /** Retry-After of that answer, seconds; 0 leaves it out. Default 10. */
  readonly retryAfterSeconds?: number
}

/** @throws OptionError */
export function maxCallsRule(value: number | MaxCallsSettings | undefined): Required<MaxCallsSettings> {
  const settings = typeof value === 'number' ? { limit: value } : value
  const rule = { limit: Infinity, statusCode: 503, retryAfterSeconds: 10, ...settings }
  const { limit, statusCode, retryAfterSeconds } = rule
  if (limit !== Infinity && !(Number.isInteger(limit) && limit >= 1))
    throw new OptionError('maxCalls.limit', `${limit} is no number of calls; give 1 or more`)
  if (!Number.isInteger(statusCode) || statusCode < 400 || statusCode > 699)
    throw new OptionError(
      'maxCalls.statusCode',
      `${statusCode} refuses no call; give 400 to 699, as 503 or 486`,
    )
  if (!Number.isInteger(retryAfterSeconds) || retryAfterSeconds < 0)
    throw new OptionError('maxCalls.retryAfterSeconds', `${retryAfterSeconds} is no number of seconds`)
  return rule
}

export interface CallSlotStats {
  /** Calls under way, those that ring too. */
  readonly inbound: number
  readonly outbound: number
  /** The most there were at once. */
  readonly most: number
  readonly refusedInbound: number
  /** Not dialled; a group may have found another trunk for them. */
  readonly refusedOutbound: number
}

/** The lines of a trunk: each call takes one and gives it back once. */
export class CallSlots {
  readonly rule: Required<MaxCallsSettings>
  readonly #name: string
  readonly #underWay = { inbound: 0, outbound: 0 }
  #most = 0
  readonly #refused = { inbound: 0, outbound: 0 }

  constructor(rule: Required<MaxCallsSettings>, name: string) {
    this.rule = rule
    this.#name = name
  }

  stats(): CallSlotStats {
    return {
      ...this.#underWay,
      most: this.#most,
      refusedInbound: this.#refused.inbound,
      refusedOutbound: this.#refused.outbound,
    }
  }

  /** What gives the line back; undefined, and counted, when none is free. */
  take(direction: Call['direction']): (() => void) | undefined {
    const { inbound, outbound } = this.#underWay
    if (inbound + outbound >= this.rule.limit) {
      this.#refused[direction] += 1
      return undefined
    }
    this.#underWay[direction] += 1
    this.#most = Math.max(this.#most, inbound + outbound + 1)
    let taken = true
    return () => {
      if (taken) this.#underWay[direction] -= 1
      taken = false
    }
  }

  refusal(): SipError {
    return new SipError(
      'SIP_LIMIT',
      `trunk ${this.#name} has ${this.rule.limit} calls already (maxCalls); call later, or by another trunk`,
    )
  }
}
