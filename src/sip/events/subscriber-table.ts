/** What becomes of a subscription on the side that asked for it, as a table. No I/O, no time. */
import type { Table } from '../dialog/session-table.ts'

export type SubscriberState =
  | 'idle'
  /** SUBSCRIBE sent, no NOTIFY yet: Timer N runs. */
  | 'subscribing'
  /** A NOTIFY said pending or active. */
  | 'subscribed'
  /** SUBSCRIBE sent again in the dialog, no NOTIFY since: Timer N runs, and so does the time granted. */
  | 'refreshing'
  /** The owner has had enough before the first NOTIFY: there is no dialog yet to unsubscribe in. */
  | 'leaving'
  /** SUBSCRIBE with Expires 0 sent, at the end or as a fetch: Timer N runs. */
  | 'unsubscribing'
  /** Ended by a reason that lets us subscribe again, at a time that is set. */
  | 'waiting'
  | 'over'

export type SubscriberEvent =
  | 'start'
  /** A start with Expires 0 (§4.4.3). */
  | 'fetch'
  /** A NOTIFY of another branch of a forked SUBSCRIBE made this dialog (§4.4.1). */
  | 'forked'
  /** 2xx to the last SUBSCRIBE. */
  | 'answered'
  /** 423, and the longer interval can be asked for. */
  | 'too-brief'
  /** A status that ends the subscription; to the first SUBSCRIBE any of 300 and above. */
  | 'refused'
  /** 481 to a refresh: the notifier has forgotten. */
  | 'forgotten'
  /** No answer, or a status that leaves the subscription as it was (§4.1.2.2). */
  | 'failed'
  /** NOTIFY: pending or active. */
  | 'notified'
  /** NOTIFY: terminated, and not to be asked for again. */
  | 'terminated'
  /** NOTIFY: terminated, for a reason after which one subscribes again. */
  | 'terminated-again'
  /** Timer N. */
  | 'timer-n'
  | 'refresh-due'
  /** The time granted is over. */
  | 'expired'
  | 'retry-due'
  /** The owner wants the full state once more. */
  | 'refresh'
  /** The owner has had enough. */
  | 'unsubscribe'

export type SubscriberAction =
  /** The first SUBSCRIBE, with a new Call-ID and tag. */
  | 'subscribe'
  /** The same once more, with the next CSeq. */
  | 'resend'
  | 'refresh'
  | 'unsubscribe'
  | 'arm-n'
  | 'disarm-n'
  | 'arm-expiry'
  /** Refresh and expiry, from the time granted. */
  | 'arm-life'
  /** Half of the time that is left, while it is worth it. */
  | 'arm-refresh-again'
  | 'disarm-life'
  | 'arm-retry'
  | 'disarm-all'
  | 'end'

type Rows = Table<SubscriberState, SubscriberEvent, SubscriberAction>
type Row = Rows[SubscriberState][SubscriberEvent]

function go(to: SubscriberState, ...actions: readonly SubscriberAction[]): Row {
  return { to, actions }
}

function stay(state: SubscriberState): Rows[SubscriberState] {
  const same = go(state)
  return {
    start: same,
    fetch: same,
    forked: same,
    answered: same,
    'too-brief': same,
    refused: same,
    forgotten: same,
    failed: same,
    notified: same,
    terminated: same,
    'terminated-again': same,
    'timer-n': same,
    'refresh-due': same,
    expired: same,
    'retry-due': same,
    refresh: same,
    unsubscribe: same,
  }
}

const over = go('over', 'disarm-all', 'end')
const again = go('waiting', 'disarm-all', 'arm-retry')
const unsubscribing = go('unsubscribing', 'disarm-life', 'arm-n', 'unsubscribe')

export const subscriberTable: Rows = {
  idle: {
    ...stay('idle'),
    start: go('subscribing', 'arm-n', 'subscribe'), // §4.1.2.4
    fetch: go('unsubscribing', 'arm-n', 'subscribe'), // §4.4.3
    forked: go('subscribed', 'arm-life'), // §4.4.1
    unsubscribe: over,
  },
  subscribing: {
    ...stay('subscribing'),
    'too-brief': go('subscribing', 'arm-n', 'resend'), // §4.1.2.1, RFC 3261 §10.2.8
    refused: over, // §4.1.2.1
    forgotten: over,
    failed: over,
    notified: go('subscribed', 'disarm-n', 'arm-life'), // §4.1.2.4
    terminated: over, // §4.1.3
    'terminated-again': again, // §4.1.3
    'timer-n': over, // §4.1.2.4
    unsubscribe: go('leaving'),
  },
  subscribed: {
    ...stay('subscribed'),
    // The 2xx came after its NOTIFY, which §4.1.2.4 allows.
    answered: go('subscribed', 'arm-life'),
    'too-brief': go('refreshing', 'arm-n', 'refresh'),
    refused: over, // §4.1.2.2
    forgotten: again, // §4.1.2.2
    failed: go('subscribed', 'arm-refresh-again'), // §4.1.2.2
    notified: go('subscribed', 'arm-life'), // §4.1.3
    terminated: over, // §4.1.3
    'terminated-again': again, // §4.1.3
    'refresh-due': go('refreshing', 'arm-n', 'refresh'), // §4.1.2.2
    refresh: go('refreshing', 'arm-n', 'refresh'), // §4.1.2.2
    expired: again, // §4.1.2.2
    unsubscribe: unsubscribing, // §4.1.2.3
  },
  refreshing: {
    ...stay('refreshing'),
    answered: go('refreshing', 'arm-expiry'), // §4.1.2.2: granted anew, and the NOTIFY still to come
    'too-brief': go('refreshing', 'arm-n', 'refresh'), // §4.1.2.2
    refused: over, // §4.1.2.2
    forgotten: again, // §4.1.2.2
    failed: go('subscribed', 'disarm-n', 'arm-refresh-again'), // §4.1.2.2
    notified: go('subscribed', 'disarm-n', 'arm-life'), // §4.1.2.2
    terminated: over, // §4.1.3
    'terminated-again': again, // §4.1.3
    'timer-n': again, // §4.1.2.2
    expired: again, // §4.1.2.2
    unsubscribe: unsubscribing, // §4.1.2.3
  },
  leaving: {
    ...stay('leaving'),
    'too-brief': over,
    refused: over,
    forgotten: over,
    failed: over,
    notified: unsubscribing, // §4.1.2.3
    terminated: over,
    'terminated-again': over,
    'timer-n': over, // §4.1.2.4
  },
  unsubscribing: {
    ...stay('unsubscribing'),
    'too-brief': over,
    refused: over,
    forgotten: over,
    failed: over,
    terminated: over, // §4.1.2.3
    'terminated-again': over,
    'timer-n': over, // §4.1.2.3
  },
  waiting: {
    ...stay('waiting'),
    'retry-due': go('subscribing', 'arm-n', 'subscribe'), // §4.1.3
    unsubscribe: over,
  },
  over: stay('over'),
}
