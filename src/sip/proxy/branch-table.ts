/** One branch of a response context: a request that was sent on, and what has come of it. */
export type BranchState =
  /** Sent, nothing heard. */
  | 'trying'
  /** A provisional response has come. */
  | 'proceeding'
  /** It is to end: CANCEL was asked for, its final response is waited for. */
  | 'cancelling'
  /** Given up without news and counted as 408; a 2xx may still come. */
  | 'abandoned'
  /** A 2xx has come; others may follow (RFC 6026 §7.2). */
  | 'accepted'
  /** Its final response, or what stands for it, is in. */
  | 'done'

export type BranchEvent =
  | '100'
  | '101-199'
  | '2xx'
  | '300-599'
  | '6xx'
  /** The client transaction has timed out: Timer B or F, or a CANCEL that changed nothing. */
  | 'timeout'
  /** The request could not be sent, or the transport was lost. */
  | 'failure'
  /** No news for too long (§16.8). */
  | 'timer C'
  /** The time that the routing function gave the target is over. */
  | 'timer answer'
  /** The context wants it to end: another branch has answered, or the caller has given up. */
  | 'give up'
  /** The client transaction is over. */
  | 'terminated'

export type BranchEffect =
  /** Send the response on at once, if it still may be sent. */
  | 'forward'
  /** A candidate for the best response. */
  | 'keep'
  | 'keep 408'
  | 'keep 503'
  | 'restart C'
  /** Send CANCEL, or as soon as it may be sent (§9.1). */
  | 'cancel'
  /** Give up every other branch and the targets not tried yet. */
  | 'end others'

export interface BranchRow {
  /** `undefined`: stay. */
  readonly next: BranchState | undefined
  readonly effects: readonly BranchEffect[]
  readonly rfc: string
}

function go(rfc: string, next: BranchState, ...effects: BranchEffect[]): BranchRow {
  return { next, effects, rfc }
}

function stay(rfc: string, ...effects: BranchEffect[]): BranchRow {
  return { next: undefined, effects, rfc }
}

const late = 'the final response is in'

/**
 * RFC 3261 §16.7 to §16.10 for one branch. Its two timers, C and the one of its target, run in `trying` and
 * `proceeding` only: leaving these stops them.
 */
export const branchTable: {
  readonly [state in BranchState]: { readonly [event in BranchEvent]: BranchRow }
} = {
  trying: {
    '100': go('RFC 3261 §16.7 5', 'proceeding'),
    '101-199': go('RFC 3261 §16.7 2, 5', 'proceeding', 'restart C', 'forward'),
    '2xx': go('RFC 3261 §16.7 5, 10', 'accepted', 'forward', 'end others'),
    '300-599': go('RFC 3261 §16.7 4', 'done', 'keep'),
    '6xx': go('RFC 3261 §16.7 5', 'done', 'keep', 'end others'),
    timeout: go('RFC 3261 §16.9', 'done', 'keep 408'),
    failure: go('RFC 3261 §16.9', 'done', 'keep 503'),
    'timer C': go('RFC 3261 §16.8', 'abandoned', 'cancel', 'keep 408'),
    'timer answer': go('RFC 3261 §16.8', 'abandoned', 'cancel', 'keep 408'),
    'give up': go('RFC 3261 §16.7 10', 'cancelling', 'cancel'),
    terminated: go('RFC 3261 §16.9', 'done', 'keep 503'),
  },
  proceeding: {
    '100': stay('RFC 3261 §16.7 5'),
    '101-199': stay('RFC 3261 §16.7 2, 5', 'restart C', 'forward'),
    '2xx': go('RFC 3261 §16.7 5, 10', 'accepted', 'forward', 'end others'),
    '300-599': go('RFC 3261 §16.7 4', 'done', 'keep'),
    '6xx': go('RFC 3261 §16.7 5', 'done', 'keep', 'end others'),
    timeout: go('RFC 3261 §16.9', 'done', 'keep 408'),
    failure: go('RFC 3261 §16.9', 'done', 'keep 503'),
    'timer C': go('RFC 3261 §16.8', 'cancelling', 'cancel'),
    'timer answer': go('RFC 3261 §16.8', 'cancelling', 'cancel'),
    'give up': go('RFC 3261 §16.7 10', 'cancelling', 'cancel'),
    terminated: go('RFC 3261 §16.9', 'done', 'keep 503'),
  },
  cancelling: {
    '100': stay('RFC 3261 §16.7 5'),
    '101-199': stay('RFC 3261 §16.7 5', 'forward'),
    // Answer and CANCEL have crossed.
    '2xx': go('RFC 3261 §9.1, §16.7 5', 'accepted', 'forward', 'end others'),
    '300-599': go('RFC 3261 §16.7 4', 'done', 'keep'),
    '6xx': go('RFC 3261 §16.7 5', 'done', 'keep', 'end others'),
    timeout: go('RFC 3261 §9.1, §16.8', 'done', 'keep 408'),
    failure: go('RFC 3261 §16.9', 'done', 'keep 408'),
    'timer C': stay('not running'),
    'timer answer': stay('not running'),
    'give up': stay('asked for already'),
    terminated: go('RFC 3261 §16.9', 'done', 'keep 408'),
  },
  abandoned: {
    '100': stay('RFC 3261 §16.8'),
    '101-199': stay('RFC 3261 §16.8'),
    '2xx': go('RFC 3261 §16.7 5, 10', 'accepted', 'forward', 'end others'),
    '300-599': go('RFC 3261 §16.8', 'done'),
    '6xx': go('RFC 3261 §16.8', 'done'),
    timeout: go('RFC 3261 §16.8', 'done'),
    failure: go('RFC 3261 §16.8', 'done'),
    'timer C': stay('not running'),
    'timer answer': stay('not running'),
    'give up': stay('asked for already'),
    terminated: go('RFC 3261 §16.8', 'done'),
  },
  accepted: {
    '100': stay(late),
    '101-199': stay(late),
    '2xx': stay('RFC 3261 §16.7 5, RFC 6026 §7.2', 'forward'),
    '300-599': stay(late),
    '6xx': stay(late),
    timeout: stay(late),
    failure: stay(late),
    'timer C': stay('not running'),
    'timer answer': stay('not running'),
    'give up': stay(late),
    terminated: go('RFC 6026 §7.2', 'done'),
  },
  done: {
    '100': stay(late),
    '101-199': stay(late),
    // The transaction lets none through; should one come nevertheless, it is the caller who can end its call.
    '2xx': stay('RFC 3261 §16.7 5', 'forward'),
    '300-599': stay(late),
    '6xx': stay(late),
    timeout: stay(late),
    failure: stay(late),
    'timer C': stay('not running'),
    'timer answer': stay('not running'),
    'give up': stay(late),
    terminated: stay(late),
  },
}

/** The final response is not in: the context cannot answer yet. */
export function isPending(state: BranchState): boolean {
  return state === 'trying' || state === 'proceeding' || state === 'cancelling'
}
