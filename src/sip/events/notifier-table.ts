/** What becomes of a subscription on the side that notifies, as a table. No I/O, no time. */
import type { Table } from '../dialog/session-table.ts'

export type NotifierState =
  | 'idle'
  /** Accepted, the owner has not decided yet. */
  | 'pending'
  | 'active'
  /** The NOTIFY that says terminated is under way, or waits for the one before. */
  | 'ending'
  | 'over'

export type NotifierEvent =
  /** SUBSCRIBE taken, still to be authorised. */
  | 'accept-pending'
  | 'accept'
  /** SUBSCRIBE with Expires 0 taken: the state is told once. */
  | 'fetch'
  /** SUBSCRIBE in the dialog. */
  | 'refresh'
  /** SUBSCRIBE in the dialog with Expires 0. */
  | 'unsubscribe'
  /** The owner has decided. */
  | 'authorise'
  /** What is subscribed to has changed. */
  | 'change'
  /** The owner ends it. */
  | 'terminate'
  /** The time granted is over. */
  | 'expired'
  /** The NOTIFY has its answer, and the subscription goes on. */
  | 'notified'
  /** The NOTIFY was answered 481, or not at all. */
  | 'lost'

export type NotifierAction = 'notify' | 'notify-terminated' | 'arm-expiry' | 'disarm-expiry' | 'end'

type Rows = Table<NotifierState, NotifierEvent, NotifierAction>
type Row = Rows[NotifierState][NotifierEvent]

function go(to: NotifierState, ...actions: readonly NotifierAction[]): Row {
  return { to, actions }
}

function stay(state: NotifierState): Rows[NotifierState] {
  const same = go(state)
  return {
    'accept-pending': same,
    accept: same,
    fetch: same,
    refresh: same,
    unsubscribe: same,
    authorise: same,
    change: same,
    terminate: same,
    expired: same,
    notified: same,
    lost: same,
  }
}

const ending = go('ending', 'disarm-expiry', 'notify-terminated')
const over = go('over', 'disarm-expiry', 'end')

function live(state: 'pending' | 'active'): Rows[NotifierState] {
  return {
    ...stay(state),
    refresh: go(state, 'arm-expiry', 'notify'), // §4.2.1.2, §4.2.2: every SUBSCRIBE is followed by a NOTIFY
    unsubscribe: ending, // §4.2.1.4
    authorise: go('active', 'notify'), // §4.2.1.3
    change: go(state, 'notify'), // §4.2.2
    terminate: ending, // §4.2.2
    expired: ending, // §4.2.2: reason=timeout
    lost: over, // §4.2.2
  }
}

export const notifierTable: Rows = {
  idle: {
    ...stay('idle'),
    'accept-pending': go('pending', 'arm-expiry', 'notify'), // §4.2.1.3
    accept: go('active', 'arm-expiry', 'notify'), // §4.2.1.2
    fetch: go('ending', 'notify-terminated'), // §4.4.3
  },
  // A change is none of the subscriber's business before it is authorised.
  pending: { ...live('pending'), change: go('pending') },
  active: live('active'),
  ending: {
    ...stay('ending'),
    notified: go('over', 'end'), // §4.2.2
    lost: over, // §4.2.2
  },
  over: stay('over'),
}
