import { step } from '../dialog/session-table.ts'
import { notifierTable } from './notifier-table.ts'
import type { NotifierAction, NotifierEvent, NotifierState } from './notifier-table.ts'
import type { TerminationReason } from './subscription-state.ts'

/**
 * Why a subscription we notified is over: as told to the subscriber; `unsubscribed` and `fetched` at its own wish; `lost` when a NOTIFY was
 * answered 481 or not at all.
 */
export type NotifierEndCause = TerminationReason | 'unsubscribed' | 'fetched' | 'lost'

/** The next NOTIFY to send; its final response goes back into `notified` or `lost`. */
export interface NotifyOrder {
  readonly kind: 'notify'
  readonly status: 'pending' | 'active' | 'terminated'
  readonly remainingSeconds: number
  readonly reason: TerminationReason | undefined
  readonly retryAfterSeconds: number | undefined
  /** Everything is to be told: after a SUBSCRIBE, and after a NOTIFY that was refused. */
  readonly full: boolean
}

export type NotifierEffect = NotifyOrder | { readonly kind: 'end'; readonly cause: NotifierEndCause }

/**
 * One subscription on the side that notifies: runs `notifierTable` with its timer and keeps NOTIFYs one after the other. A change while one is under
 * way is told by the next, so that nothing queues. It touches neither clock nor network; times are clock milliseconds.
 */
export class NotifierMachine {
  #state: NotifierState = 'idle'
  #expiresAt: number | undefined
  #armed = false
  /** A NOTIFY is under way. */
  #busy = false
  /** Another one is to follow it. */
  #due = false
  #full = true
  #cause: NotifierEndCause = 'lost'
  #reason: TerminationReason | undefined
  #retryAfterSeconds: number | undefined

  get state(): NotifierState {
    return this.#state
  }

  get nextAt(): number | undefined {
    return this.#armed ? this.#expiresAt : undefined
  }

  /** Seconds left. */
  remainingSeconds(now: number): number {
    return Math.max(0, ((this.#expiresAt ?? now) - now) / 1000)
  }

  /** The SUBSCRIBE that makes the subscription has its 2xx; 0 seconds: a fetch. */
  accept(state: 'pending' | 'active', expiresSeconds: number, now: number): readonly NotifierEffect[] {
    this.#expiresAt = now + expiresSeconds * 1000
    if (expiresSeconds > 0) return this.#feed(state === 'pending' ? 'accept-pending' : 'accept', now)
    this.#cause = 'fetched'
    this.#reason = 'timeout'
    return this.#feed('fetch', now)
  }

  /** A SUBSCRIBE in the dialog has its 2xx; 0 seconds: unsubscribed. */
  refresh(expiresSeconds: number, now: number): readonly NotifierEffect[] {
    if (this.#state === 'ending' || this.#state === 'over') return []
    this.#full = true
    this.#expiresAt = now + expiresSeconds * 1000
    if (expiresSeconds > 0) return this.#feed('refresh', now)
    this.#cause = 'unsubscribed'
    this.#reason = 'timeout'
    return this.#feed('unsubscribe', now)
  }

  authorise(now: number): readonly NotifierEffect[] {
    if (this.#state === 'pending') this.#full = true
    return this.#state === 'pending' ? this.#feed('authorise', now) : []
  }

  change(now: number): readonly NotifierEffect[] {
    return this.#feed('change', now)
  }

  terminate(
    reason: TerminationReason,
    retryAfterSeconds: number | undefined,
    now: number,
  ): readonly NotifierEffect[] {
    if (this.#state !== 'pending' && this.#state !== 'active') return []
    this.#cause = reason
    this.#reason = reason
    this.#retryAfterSeconds = retryAfterSeconds
    return this.#feed('terminate', now)
  }

  /** Runs the timer when its time has come. */
  due(now: number): readonly NotifierEffect[] {
    if (!this.#armed || (this.#expiresAt ?? Infinity) > now) return []
    this.#armed = false
    this.#cause = 'timeout'
    this.#reason = 'timeout'
    return this.#feed('expired', now)
  }

  /** The NOTIFY has a final response; `understood`: a 2xx, else the next one tells everything. */
  notified(understood: boolean, now: number): readonly NotifierEffect[] {
    if (!this.#busy) return []
    this.#busy = false
    if (!understood) this.#full = true
    return this.#due ? [this.#order(now)] : this.#feed('notified', now)
  }

  /** The NOTIFY was answered 481, or not at all (RFC 6665 §4.2.2). */
  lost(now: number): readonly NotifierEffect[] {
    if (!this.#busy) return []
    this.#busy = false
    this.#due = false
    if (this.#state !== 'ending') this.#cause = 'lost'
    return this.#feed('lost', now)
  }

  #feed(event: NotifierEvent, now: number): readonly NotifierEffect[] {
    const { to, actions } = step(notifierTable, this.#state, event)
    this.#state = to
    return actions.flatMap(action => this.#carryOut(action, now))
  }

  #carryOut(action: NotifierAction, now: number): readonly NotifierEffect[] {
    switch (action) {
      case 'notify':
      case 'notify-terminated':
        if (action === 'notify-terminated') this.#full = true
        this.#due = true
        return this.#busy ? [] : [this.#order(now)]
      case 'arm-expiry':
        this.#armed = true
        return []
      case 'disarm-expiry':
        this.#armed = false
        return []
      case 'end':
        break
    }
    return [{ kind: 'end', cause: this.#cause }]
  }

  #order(now: number): NotifyOrder {
    const full = this.#full
    this.#busy = true
    this.#due = false
    this.#full = false
    const ending = this.#state === 'ending'
    return {
      kind: 'notify',
      status: ending ? 'terminated' : this.#state === 'pending' ? 'pending' : 'active',
      remainingSeconds: this.remainingSeconds(now),
      reason: ending ? this.#reason : undefined,
      retryAfterSeconds: ending ? this.#retryAfterSeconds : undefined,
      full,
    }
  }
}
