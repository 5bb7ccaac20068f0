import { absorb, arm, armLongest, never, row, stay } from './machine.ts'
import type { Machine, TimerEvent } from './machine.ts'

export type NonInviteClientState = 'trying' | 'proceeding' | 'completed' | 'terminated'

export type NonInviteClientEvent = '1xx' | '200-699' | 'transport error' | TimerEvent<'E' | 'F' | 'K'>

/** RFC 3261 §17.1.2. */
export const nonInviteClient: Machine<NonInviteClientState, NonInviteClientEvent> = {
  name: 'non-INVITE client',
  initial: 'trying',
  start: row('RFC 3261 §17.1.2.2', 'trying', 'send', arm('E'), arm('F')),
  states: {
    trying: {
      timers: ['E', 'F'],
      on: {
        '1xx': row('RFC 3261 §17.1.2.2', 'proceeding', 'deliver'),
        '200-699': row('RFC 3261 §17.1.2.2', 'completed', 'deliver', arm('K')),
        'transport error': row('RFC 3261 §17.1.4', 'terminated', 'failure'),
        'timer E': stay('RFC 3261 §17.1.2.2', 'resend', arm('E')),
        'timer F': row('RFC 3261 §17.1.2.2', 'terminated', 'timeout'),
        'timer K': never('not running'),
      },
    },
    proceeding: {
      timers: ['E', 'F'],
      on: {
        '1xx': stay('RFC 3261 §17.1.2.2', 'deliver'),
        '200-699': row('RFC 3261 §17.1.2.2', 'completed', 'deliver', arm('K')),
        'transport error': row('RFC 3261 §17.1.4', 'terminated', 'failure'),
        'timer E': stay('RFC 3261 §17.1.2.2', 'resend', armLongest('E')),
        'timer F': row('RFC 3261 §17.1.2.2', 'terminated', 'timeout'),
        'timer K': never('not running'),
      },
    },
    completed: {
      timers: ['K'],
      on: {
        '1xx': absorb('RFC 3261 §17.1.2.2'),
        '200-699': absorb('RFC 3261 §17.1.2.2'),
        'transport error': absorb('RFC 3261 §17.1.2.2'),
        'timer E': never('not running'),
        'timer F': never('not running'),
        'timer K': row('RFC 3261 §17.1.2.2', 'terminated'),
      },
    },
    terminated: {
      timers: [],
      on: {
        '1xx': absorb('RFC 3261 §17.1.2.2'),
        '200-699': absorb('RFC 3261 §17.1.2.2'),
        'transport error': absorb('RFC 3261 §17.1.4'),
        'timer E': never('not running'),
        'timer F': never('not running'),
        'timer K': never('not running'),
      },
    },
  },
}
