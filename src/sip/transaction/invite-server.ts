import { absorb, arm, disarm, never, row, stay } from './machine.ts'
import type { Machine, TimerEvent } from './machine.ts'

export type InviteServerState = 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated'

export type InviteServerEvent =
  | 'request'
  | 'ack'
  | 'send 1xx'
  | 'send 2xx'
  | 'send 300-699'
  | 'transport error'
  | TimerEvent<'trying' | 'G' | 'H' | 'I' | 'L'>

const finalIsOut = 'RFC 3261 §17.2.1: the final response has been given; the layer refuses another'

/** RFC 3261 §17.2.1 as amended by RFC 6026 §7.1 and §8.7. */
export const inviteServer: Machine<InviteServerState, InviteServerEvent> = {
  name: 'INVITE server',
  initial: 'proceeding',
  start: row('RFC 3261 §17.2.1', 'proceeding', arm('trying'), 'deliver'),
  states: {
    proceeding: {
      timers: ['trying'],
      on: {
        request: stay('RFC 3261 §17.2.1', 'resend'),
        ack: absorb('RFC 3261 §17.2.1'),
        'send 1xx': stay('RFC 3261 §17.2.1', 'send', disarm('trying')),
        'send 2xx': row('RFC 6026 §8.7', 'accepted', 'send', arm('L')),
        'send 300-699': row('RFC 3261 §17.2.1', 'completed', 'send', arm('G'), arm('H')),
        'transport error': stay('RFC 6026 §8.7', 'failure'),
        'timer trying': stay('RFC 3261 §17.2.1', 'send-100'),
        'timer G': never('not running'),
        'timer H': never('not running'),
        'timer I': never('not running'),
        'timer L': never('not running'),
      },
    },
    completed: {
      timers: ['G', 'H'],
      on: {
        request: stay('RFC 3261 §17.2.1', 'resend'),
        ack: row('RFC 3261 §17.2.1', 'confirmed', arm('I')),
        'send 1xx': never(finalIsOut),
        'send 2xx': never(finalIsOut),
        'send 300-699': never(finalIsOut),
        'transport error': stay('RFC 6026 §8.7', 'failure'),
        'timer trying': never('not running'),
        'timer G': stay('RFC 3261 §17.2.1', 'resend', arm('G')),
        'timer H': row('RFC 3261 §17.2.1', 'terminated', 'timeout'),
        'timer I': never('not running'),
        'timer L': never('not running'),
      },
    },
    confirmed: {
      timers: ['I'],
      on: {
        request: absorb('RFC 3261 §17.2.1'),
        ack: absorb('RFC 3261 §17.2.1'),
        'send 1xx': never(finalIsOut),
        'send 2xx': never(finalIsOut),
        'send 300-699': never(finalIsOut),
        'transport error': absorb('RFC 3261 §17.2.1'),
        'timer trying': never('not running'),
        'timer G': never('not running'),
        'timer H': never('not running'),
        'timer I': row('RFC 3261 §17.2.1', 'terminated'),
        'timer L': never('not running'),
      },
    },
    accepted: {
      timers: ['L'],
      on: {
        request: absorb('RFC 6026 §7.1'),
        ack: stay('RFC 6026 §7.1', 'deliver'),
        'send 1xx': never(finalIsOut),
        'send 2xx': stay('RFC 6026 §7.1', 'send'),
        'send 300-699': never(finalIsOut),
        'transport error': stay('RFC 6026 §8.7', 'failure'),
        'timer trying': never('not running'),
        'timer G': never('not running'),
        'timer H': never('not running'),
        'timer I': never('not running'),
        'timer L': row('RFC 6026 §7.1', 'terminated'),
      },
    },
    terminated: {
      timers: [],
      on: {
        request: absorb('RFC 3261 §17.2.1'),
        ack: absorb('RFC 3261 §17.2.1'),
        'send 1xx': never(finalIsOut),
        'send 2xx': never(finalIsOut),
        'send 300-699': never(finalIsOut),
        'transport error': absorb('RFC 3261 §17.2.4'),
        'timer trying': never('not running'),
        'timer G': never('not running'),
        'timer H': never('not running'),
        'timer I': never('not running'),
        'timer L': never('not running'),
      },
    },
  },
}
