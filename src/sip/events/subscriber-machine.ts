import { step } from '../dialog/session-table.ts'
import { adviceFor } from './subscription-state.ts'
import type { StateNews } from './subscription-state.ts'
import { subscriberTable } from './subscriber-table.ts'
import type { SubscriberEvent, SubscriberState } from './subscriber-table.ts'

export interface SubscriberOptions {
  /** Asked for, seconds; 0 fetches the state once (RFC 6665 §4.4.3). */
  readonly expiresSeconds: number
  /** Timer N: 64*T1, milliseconds (RFC 6665 §4.1.2.4). */
  readonly timerNMs: number
  /** Whether to subscribe again where RFC 6665 §4.1.3 advises it. */
  readonly resubscribe: boolean
  /** 0 to 1, drawn anew for each wait: many subscribers must not come back at the same moment. */
  readonly share: () => number
}

/** What the final response to a SUBSCRIBE means. */
export type Answer =
  | { readonly kind: 'answered'; readonly expiresSeconds: number | undefined }
  | { readonly kind: 'too-brief'; readonly minExpiresSeconds: number }
  | {
      readonly kind: 'refused' | 'forgotten' | 'failed'
      readonly statusCode: number | undefined
      readonly retryAfterSeconds?: number | undefined
    }

export type SubscriberEffect =
  | { readonly kind: 'subscribe' | 'resend' | 'refresh' | 'unsubscribe'; readonly expiresSeconds: number }
  | { readonly kind: 'waiting'; readonly cause: SubscriptionEndCause; readonly retryInMs: number }
  | { readonly kind: 'end'; readonly cause: SubscriptionEndCause }

/**
 * Why a subscription is over, or had to be made anew:
 * - `terminated`: the notifier said so, `reason` has its word
 * - `unsubscribed`: the owner wanted it
 * - `fetched`: the one NOTIFY of a fetch has come
 * - `refused`: the status of the SUBSCRIBE
 * - `forgotten`: 481, the notifier knows nothing of it
 * - `unanswered`: the SUBSCRIBE got no answer, or one that says nothing of the subscription
 * - `no-notify`: Timer N (RFC 6665 §4.1.2.4)
 * - `expired`: every refresh failed until the time was over
 */
export type SubscriptionEndCause =
  | 'terminated'
  | 'unsubscribed'
  | 'fetched'
  | 'refused'
  | 'forgotten'
  | 'unanswered'
  | 'no-notify'
  | 'expired'

type TimerKind = 'timer-n' | 'refresh-due' | 'expired' | 'retry-due'

/** 423 answered within one attempt. */
const MAX_ADJUSTMENTS = 3
/** Nobody needs to hear less often; keeps times within what a timer can hold. */
const MAX_SECONDS = 7 * 24 * 3600
/** A subscription that lived that long was a success: the next failure waits as briefly as the first. */
const SETTLED_MS = 60_000
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 300_000

/**
 * One subscription in one dialog: runs `subscriberTable` with its timers. It touches neither clock nor network: the caller brings the time, carries
 * out the effects and calls `due` at `nextAt`. Times are clock milliseconds.
 */
export class SubscriberMachine {
  readonly #options: SubscriberOptions
  readonly #timers = new Map<TimerKind, number>()
  readonly #fetch: boolean
  #state: SubscriberState = 'idle'
  #status: 'pending' | 'active' | undefined
  #expiresSeconds: number
  #grantedUntil: number | undefined
  #adjustments = 0
  #waits = 0
  #subscribedAt: number | undefined
  #retryAfterMs = 0
  #cause: SubscriptionEndCause = 'unsubscribed'

  constructor(options: SubscriberOptions) {
    this.#options = options
    this.#expiresSeconds = Math.min(options.expiresSeconds, MAX_SECONDS)
    this.#fetch = options.expiresSeconds === 0
  }

  get state(): SubscriberState {
    return this.#state
  }

  /** What the last NOTIFY said, while there is a subscription. */
  get status(): 'pending' | 'active' | undefined {
    return this.#status
  }

  /** When `due` is to be called; undefined: no timer runs. */
  get nextAt(): number | undefined {
    return this.#timers.size === 0 ? undefined : Math.min(...this.#timers.values())
  }

  start(now: number): readonly SubscriberEffect[] {
    return this.#feed(this.#fetch ? 'fetch' : 'start', now)
  }

  /** A NOTIFY of another branch made this dialog. */
  startForked(news: StateNews, now: number): readonly SubscriberEffect[] {
    this.#note(news, now)
    return [...this.#feed('forked', now), ...(news.status === 'terminated' ? this.notified(news, now) : [])]
  }

  /** The final response to the last SUBSCRIBE, or that there is none. */
  answered(answer: Answer, now: number): readonly SubscriberEffect[] {
    switch (answer.kind) {
      case 'answered':
        this.#adjustments = 0
        this.#grant(answer.expiresSeconds ?? this.#expiresSeconds, now)
        return this.#feed('answered', now)
      case 'too-brief':
        this.#adjustments++
        if (this.#adjustments > MAX_ADJUSTMENTS || answer.minExpiresSeconds <= this.#expiresSeconds) {
          return this.answered({ kind: 'refused', statusCode: 423 }, now)
        }
        this.#expiresSeconds = Math.min(answer.minExpiresSeconds, MAX_SECONDS)
        this.#cause = 'refused'
        return this.#feed('too-brief', now)
      case 'refused':
      case 'forgotten':
      case 'failed':
        break
    }
    this.#cause = answer.kind === 'failed' ? 'unanswered' : answer.kind
    this.#retryAfterMs = (answer.retryAfterSeconds ?? 0) * 1000
    return this.#feed(answer.kind, now)
  }

  notified(news: StateNews, now: number): readonly SubscriberEffect[] {
    if (news.status !== 'terminated') {
      this.#note(news, now)
      return this.#feed('notified', now)
    }
    const { again, heedsRetryAfter } = adviceFor(news.reason)
    this.#cause = 'terminated'
    this.#retryAfterMs = heedsRetryAfter ? (news.retryAfterSeconds ?? 0) * 1000 : 0
    return this.#feed(again ? 'terminated-again' : 'terminated', now)
  }

  refresh(now: number): readonly SubscriberEffect[] {
    return this.#feed('refresh', now)
  }

  unsubscribe(now: number): readonly SubscriberEffect[] {
    return this.#feed('unsubscribe', now)
  }

  /** Runs the timers whose time has come, in their order. */
  due(now: number): readonly SubscriberEffect[] {
    const effects: SubscriberEffect[] = []
    for (;;) {
      const next = [...this.#timers].toSorted(([, a], [, b]) => a - b)[0]
      if (next === undefined || next[1] > now) return effects
      const [kind] = next
      this.#timers.delete(kind)
      if (kind === 'timer-n') this.#cause = 'no-notify'
      if (kind === 'expired') this.#cause = 'expired'
      effects.push(...this.#feed(kind, now))
    }
  }

  #note(news: StateNews, now: number): void {
    if (this.#state === 'over' || this.#state === 'waiting') return
    this.#status = news.status === 'pending' ? 'pending' : 'active'
    this.#subscribedAt ??= now
    if (news.expiresSeconds !== undefined) this.#grant(news.expiresSeconds, now)
    else if (this.#grantedUntil === undefined) this.#grant(this.#expiresSeconds, now)
  }

  #grant(seconds: number, now: number): void {
    this.#grantedUntil = now + Math.min(seconds, MAX_SECONDS) * 1000
  }

  #feed(event: SubscriberEvent, now: number): readonly SubscriberEffect[] {
    const before = this.#state
    const { to, actions } = step(subscriberTable, before, event)
    this.#state = to
    if (event === 'unsubscribe') this.#cause = 'unsubscribed'
    return actions.flatMap(action => this.#carryOut(action, before, now))
  }

  #carryOut(
    action: (typeof subscriberTable)[SubscriberState][SubscriberEvent]['actions'][number],
    before: SubscriberState,
    now: number,
  ): readonly SubscriberEffect[] {
    switch (action) {
      case 'subscribe':
        this.#status = undefined
        this.#grantedUntil = undefined
        this.#subscribedAt = undefined
        return [{ kind: 'subscribe', expiresSeconds: this.#expiresSeconds }]
      case 'resend':
      case 'refresh':
        return [{ kind: action, expiresSeconds: this.#expiresSeconds }]
      case 'unsubscribe':
        return [{ kind: 'unsubscribe', expiresSeconds: 0 }]
      case 'arm-n':
        this.#timers.set('timer-n', now + this.#options.timerNMs)
        return []
      case 'disarm-n':
        this.#timers.delete('timer-n')
        return []
      case 'arm-expiry':
        this.#timers.set('expired', this.#grantedUntil ?? now)
        return []
      case 'arm-life':
        this.#armLife(now)
        return []
      case 'arm-refresh-again':
        this.#armRefreshAgain(now)
        return []
      case 'disarm-life':
        this.#timers.delete('refresh-due')
        this.#timers.delete('expired')
        return []
      case 'disarm-all':
        this.#timers.clear()
        this.#status = undefined
        return []
      case 'arm-retry':
        return this.#wait(now)
      case 'end':
        break
    }
    return [{ kind: 'end', cause: this.#endCause(before) }]
  }

  /** Refreshed when a tenth of the time is left, at least 5 s and at most half of it. */
  #armLife(now: number): void {
    const until = this.#grantedUntil ?? now
    const left = Math.max(0, until - now)
    this.#timers.set('refresh-due', until - Math.min(left / 2, Math.max(left / 10, 5_000)))
    this.#timers.set('expired', until)
  }

  #armRefreshAgain(now: number): void {
    const until = this.#grantedUntil ?? now
    const wait = Math.max((until - now) / 2, this.#retryAfterMs)
    this.#timers.set('expired', until)
    if (wait >= 1_000 && now + wait < until) this.#timers.set('refresh-due', now + wait)
    else this.#timers.delete('refresh-due')
  }

  #wait(now: number): readonly SubscriberEffect[] {
    if (!this.#options.resubscribe) {
      this.#state = 'over'
      return [{ kind: 'end', cause: this.#cause }]
    }
    if (this.#subscribedAt !== undefined && now - this.#subscribedAt >= SETTLED_MS) this.#waits = 0
    const { share } = this.#options
    // "Immediately" the first time (RFC 6665 §4.1.3), but a notifier that ends it each time is not asked in a loop.
    const backOff =
      this.#waits === 0
        ? 0
        : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#waits - 1)) * (0.5 + share() / 2)
    this.#waits++
    const retryInMs = Math.min(Math.max(this.#retryAfterMs, backOff), MAX_SECONDS * 1000)
    this.#retryAfterMs = 0
    this.#timers.set('retry-due', now + retryInMs)
    return [{ kind: 'waiting', cause: this.#cause, retryInMs }]
  }

  #endCause(before: SubscriberState): SubscriptionEndCause {
    if (before !== 'unsubscribing' && before !== 'leaving') return this.#cause
    if (!this.#fetch) return 'unsubscribed'
    return this.#cause === 'terminated' ? 'fetched' : this.#cause
  }
}
