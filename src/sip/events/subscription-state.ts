/** Subscription-State, read and written (RFC 6665 §4.1.3, §8.2.3). */
import { SubscriptionState } from '../message/headers/session.ts'
import type { SipRequest } from '../message/message.ts'

export type SubscriptionStatus = 'pending' | 'active' | 'terminated'

/** Why a notifier ended a subscription; one that no RFC names counts as none. */
export type TerminationReason =
  | 'deactivated'
  | 'probation'
  | 'rejected'
  | 'timeout'
  | 'giveup'
  | 'noresource'
  | 'invariant'

export interface StateNews {
  /** An unknown value is taken as `active`, which keeps what there is (RFC 6665 §8.2.3 lets extensions add some). */
  readonly status: SubscriptionStatus
  /** What is left of the subscription. */
  readonly expiresSeconds: number | undefined
  /** The word of the notifier, in lower case. */
  readonly reason: string | undefined
  readonly retryAfterSeconds: number | undefined
}

/** Whether to subscribe again after `terminated`, and whether to heed `retry-after`. */
export interface Advice {
  readonly again: boolean
  readonly heedsRetryAfter: boolean
}

const atOnce: Advice = { again: true, heedsRetryAfter: false }
const later: Advice = { again: true, heedsRetryAfter: true }
const never: Advice = { again: false, heedsRetryAfter: false }

/** RFC 6665 §4.1.3. */
const advice: Readonly<Record<TerminationReason, Advice>> = {
  deactivated: atOnce, // "retry immediately": it moves to another node
  probation: later, // "at some later time"
  rejected: never, // "SHOULD NOT retry": the policy changed
  timeout: atOnce, // it was not refreshed in time
  giveup: later, // nobody could authorise it in time
  noresource: never, // "SHOULD NOT retry": what it was about is gone
  invariant: never, // "SHOULD NOT retry": it will not change any more
}

/** What a reason advises; none, or an unknown one: later (RFC 6665 §4.1.3). */
export function adviceFor(reason: string | undefined): Advice {
  return reason !== undefined && Object.hasOwn(advice, reason) ? advice[reason as TerminationReason] : later
}

/** Undefined when the header is missing or cannot be read: the NOTIFY is then answered 400. */
export function readSubscriptionState(notify: SipRequest): StateNews | undefined {
  try {
    const state = notify.get(SubscriptionState)
    if (state === undefined) return undefined
    const word = state.value.toLowerCase()
    return {
      status: word === 'pending' || word === 'terminated' ? word : 'active',
      expiresSeconds: seconds(state.params.value('expires')),
      reason: state.params.value('reason')?.toLowerCase(),
      retryAfterSeconds: seconds(state.params.value('retry-after')),
    }
  } catch {
    return undefined
  }
}

function seconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

/** The header for a NOTIFY; seconds are rounded up, so that a live subscription never says 0. */
export function writeSubscriptionState(
  state:
    | { readonly status: 'pending' | 'active'; readonly expiresSeconds: number }
    | {
        readonly status: 'terminated'
        readonly reason?: TerminationReason | undefined
        readonly retryAfterSeconds?: number | undefined
      },
): string {
  if (state.status !== 'terminated') {
    return `${state.status};expires=${Math.max(1, Math.ceil(state.expiresSeconds))}`
  }
  const { reason, retryAfterSeconds } = state
  return `terminated${reason === undefined ? '' : `;reason=${reason}`}${
    retryAfterSeconds === undefined ? '' : `;retry-after=${Math.ceil(retryAfterSeconds)}`
  }`
}
