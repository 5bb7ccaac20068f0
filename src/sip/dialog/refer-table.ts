/** What becomes of a REFER we sent, as a table: `step(referTable, state, event)`. No I/O, no time. */
import type { Table } from './session-table.ts'

export type ReferState =
  /** REFER sent, no final response yet. */
  | 'sent'
  /** The same, and the call ended meanwhile. */
  | 'sent-ended'
  /** Taken (2xx), no NOTIFY yet. */
  | 'accepted'
  /** A NOTIFY with a provisional status came. */
  | 'notified'
  /** Taken, and then the call ended: word may still come (RFC 5057 §4.1). */
  | 'ended'
  | 'over'

export type ReferEvent =
  /** 2xx to the REFER. */
  | 'taken'
  /** 2xx with `Refer-Sub: false` (RFC 4488 §4): nobody will tell. */
  | 'taken-untold'
  /** 300 and above. */
  | 'refused'
  /** No response, or it could not be sent. */
  | 'unanswered'
  /** NOTIFY with 1xx. */
  | 'trying'
  /** NOTIFY with 2xx. */
  | 'success'
  /** NOTIFY with 300 and above. */
  | 'failure'
  /** `Subscription-State: terminated` without a final status. */
  | 'fell-silent'
  /** The timer armed last ran out. */
  | 'timeout'
  /** BYE, either way. */
  | 'call-ended'

export type ReferAction =
  /** 64*T1 for the first NOTIFY (RFC 6665 §4.1.2.4, Timer N). */
  | 'arm-first'
  /** What the owner is willing to wait. */
  | 'arm-whole'
  /** A moment for the NOTIFY that follows a BYE. */
  | 'arm-grace'
  | 'end-transferred'
  | 'end-refused'
  | 'end-unanswered'
  | 'end-failed'
  | 'end-untold'
  | 'end-fell-silent'
  | 'end-silence'
  | 'end-call-ended'

type Rows = Table<ReferState, ReferEvent, ReferAction>
type Row = Rows[ReferState][ReferEvent]

function go(to: ReferState, ...actions: readonly ReferAction[]): Row {
  return { to, actions }
}

/** NOTIFYs that decide, in whatever state: one may overtake the 202 (RFC 3515 §2.4.4). */
const decided = {
  success: go('over', 'end-transferred'), // §2.4.5
  failure: go('over', 'end-failed'), // §2.4.5
  'fell-silent': go('over', 'end-fell-silent'), // RFC 6665 §4.1.3
}

function stay(state: ReferState): Rows[ReferState] {
  const same = go(state)
  return {
    taken: same,
    'taken-untold': same,
    refused: same,
    unanswered: same,
    trying: same,
    success: same,
    failure: same,
    'fell-silent': same,
    timeout: same,
    'call-ended': same,
  }
}

export const referTable: Rows = {
  sent: {
    ...stay('sent'),
    ...decided,
    taken: go('accepted', 'arm-first'), // §2.4.2
    'taken-untold': go('over', 'end-untold'), // RFC 4488 §4
    refused: go('over', 'end-refused'), // §2.4.2
    unanswered: go('over', 'end-unanswered'),
    'call-ended': go('sent-ended'),
  },
  'sent-ended': {
    ...stay('sent-ended'),
    ...decided,
    taken: go('ended', 'arm-grace'),
    'taken-untold': go('over', 'end-untold'),
    refused: go('over', 'end-refused'),
    unanswered: go('over', 'end-unanswered'),
  },
  accepted: {
    ...stay('accepted'),
    ...decided,
    trying: go('notified', 'arm-whole'),
    timeout: go('over', 'end-silence'),
    'call-ended': go('ended', 'arm-grace'),
  },
  notified: {
    ...stay('notified'),
    ...decided,
    timeout: go('over', 'end-silence'),
    'call-ended': go('ended', 'arm-grace'),
  },
  ended: {
    ...stay('ended'),
    ...decided,
    timeout: go('over', 'end-call-ended'),
  },
  over: stay('over'),
}
