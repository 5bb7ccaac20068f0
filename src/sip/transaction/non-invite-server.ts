import { absorb, arm, never, row, stay } from './machine.ts'
import type { Machine, TimerEvent } from './machine.ts'

export type NonInviteServerState = 'trying' | 'proceeding' | 'completed' | 'terminated'

export type NonInviteServerEvent =
  | 'request'
  | 'send 1xx'
  | 'send 200-699'
  | 'transport error'
  | TimerEvent<'late' | 'expire' | 'J'>

const finalIsOut = 'RFC 3261 §17.2.2: the final response has been given; the layer refuses another'

/** RFC 3261 §17.2.2 as amended by RFC 4320 §4. */
export const nonInviteServer: Machine<NonInviteServerState, NonInviteServerEvent> = {
  name: 'non-INVITE server',
  initial: 'trying',
  start: row('RFC 3261 §17.2.2', 'trying', arm('late'), 'deliver'),
  states: {
    trying: {
      timers: ['late'],
      on: {
        request: absorb('RFC 3261 §17.2.2'),
        'send 1xx': row('RFC 3261 §17.2.2', 'proceeding', 'send', arm('expire')),
        'send 200-699': row('RFC 3261 §17.2.2', 'completed', 'send', arm('J')),
        'transport error': row('RFC 3261 §17.2.4', 'terminated', 'failure'),
        'timer late': row('RFC 4320 §4.2', 'proceeding', 'send-100', arm('expire')),
        'timer expire': never('not running'),
        'timer J': never('not running'),
      },
    },
    proceeding: {
      timers: ['expire'],
      on: {
        request: stay('RFC 3261 §17.2.2', 'resend'),
        'send 1xx': stay('RFC 3261 §17.2.2', 'send'),
        'send 200-699': row('RFC 3261 §17.2.2', 'completed', 'send', arm('J')),
        'transport error': row('RFC 3261 §17.2.4', 'terminated', 'failure'),
        'timer late': never('not running'),
        'timer expire': row('RFC 4320 §3', 'terminated', 'timeout'),
        'timer J': never('not running'),
      },
    },
    completed: {
      timers: ['J'],
      on: {
        request: stay('RFC 3261 §17.2.2', 'resend'),
        'send 1xx': never(finalIsOut),
        'send 200-699': never(finalIsOut),
        'transport error': row('RFC 3261 §17.2.4', 'terminated', 'failure'),
        'timer late': never('not running'),
        'timer expire': never('not running'),
        'timer J': row('RFC 3261 §17.2.2', 'terminated'),
      },
    },
    terminated: {
      timers: [],
      on: {
        request: absorb('RFC 3261 §17.2.2'),
        'send 1xx': never(finalIsOut),
        'send 200-699': never(finalIsOut),
        'transport error': absorb('RFC 3261 §17.2.4'),
        'timer late': never('not running'),
        'timer expire': never('not running'),
        'timer J': never('not running'),
      },
    },
  },
}
