import { absorb, arm, never, row, stay } from './machine.ts'
import type { Machine, TimerEvent } from './machine.ts'

export type InviteClientState = 'calling' | 'proceeding' | 'completed' | 'accepted' | 'terminated'

export type InviteClientEvent =
  | '100'
  | '101-199'
  | '2xx'
  | '300-699'
  | 'cancel sent'
  | 'transport error'
  | TimerEvent<'A' | 'B' | 'C' | 'D' | 'M' | 'cancelled'>

/** RFC 3261 §17.1.1 as amended by RFC 6026 §7.2 and §8.4. */
export const inviteClient: Machine<InviteClientState, InviteClientEvent> = {
  name: 'INVITE client',
  initial: 'calling',
  start: row('RFC 3261 §17.1.1.2', 'calling', 'send', arm('A'), arm('B')),
  states: {
    calling: {
      timers: ['A', 'B'],
      on: {
        '100': row('RFC 3261 §17.1.1.2', 'proceeding', 'deliver', arm('C')),
        '101-199': row('RFC 3261 §17.1.1.2', 'proceeding', 'deliver', arm('C')),
        '2xx': row('RFC 6026 §8.4', 'accepted', 'deliver', arm('M')),
        '300-699': row('RFC 3261 §17.1.1.2', 'completed', 'ack', 'deliver', arm('D')),
        'cancel sent': never('RFC 3261 §9.1: a CANCEL waits for a provisional response'),
        'transport error': row('RFC 3261 §17.1.4', 'terminated', 'failure'),
        'timer A': row('RFC 3261 §17.1.1.2', 'calling', 'resend', arm('A')),
        'timer B': row('RFC 3261 §17.1.1.2', 'terminated', 'timeout'),
        'timer C': never('not running'),
        'timer D': never('not running'),
        'timer M': never('not running'),
        'timer cancelled': never('not running'),
      },
    },
    proceeding: {
      timers: ['C', 'cancelled'],
      on: {
        '100': stay('RFC 3261 §17.1.1.2', 'deliver'),
        '101-199': stay('RFC 3261 §17.1.1.2, §16.7 2', 'deliver', arm('C')),
        '2xx': row('RFC 6026 §8.4', 'accepted', 'deliver', arm('M')),
        '300-699': row('RFC 3261 §17.1.1.2', 'completed', 'ack', 'deliver', arm('D')),
        'cancel sent': stay('RFC 3261 §9.1', arm('cancelled')),
        'transport error': row('RFC 3261 §17.1.4', 'terminated', 'failure'),
        'timer A': never('not running'),
        'timer B': never('not running'),
        'timer C': stay('RFC 3261 §16.8', 'send-cancel'),
        'timer D': never('not running'),
        'timer M': never('not running'),
        'timer cancelled': row('RFC 3261 §9.1', 'terminated', 'timeout'),
      },
    },
    completed: {
      timers: ['D'],
      on: {
        '100': absorb('RFC 3261 §17.1.1.2'),
        '101-199': absorb('RFC 3261 §17.1.1.2'),
        '2xx': absorb('RFC 3261 §17.1.1.2'),
        '300-699': stay('RFC 3261 §17.1.1.2', 'ack'),
        'cancel sent': absorb('RFC 3261 §9.1'),
        'transport error': row('RFC 3261 §17.1.1.2', 'terminated', 'failure'),
        'timer A': never('not running'),
        'timer B': never('not running'),
        'timer C': never('not running'),
        'timer D': row('RFC 3261 §17.1.1.2', 'terminated'),
        'timer M': never('not running'),
        'timer cancelled': never('not running'),
      },
    },
    accepted: {
      timers: ['M'],
      on: {
        '100': absorb('RFC 6026 §8.4'),
        '101-199': absorb('RFC 6026 §8.4'),
        '2xx': stay('RFC 6026 §8.4', 'deliver'),
        '300-699': absorb('RFC 6026 §8.4'),
        'cancel sent': absorb('RFC 3261 §9.1'),
        'transport error': absorb('RFC 6026 §8.4'),
        'timer A': never('not running'),
        'timer B': never('not running'),
        'timer C': never('not running'),
        'timer D': never('not running'),
        'timer M': row('RFC 6026 §8.4', 'terminated'),
        'timer cancelled': never('not running'),
      },
    },
    terminated: {
      timers: [],
      on: {
        '100': absorb('RFC 3261 §17.1.1.2'),
        '101-199': absorb('RFC 3261 §17.1.1.2'),
        '2xx': absorb('RFC 3261 §17.1.1.2'),
        '300-699': absorb('RFC 3261 §17.1.1.2'),
        'cancel sent': absorb('RFC 3261 §9.1'),
        'transport error': absorb('RFC 3261 §17.1.4'),
        'timer A': never('not running'),
        'timer B': never('not running'),
        'timer C': never('not running'),
        'timer D': never('not running'),
        'timer M': never('not running'),
        'timer cancelled': never('not running'),
      },
    },
  },
}
