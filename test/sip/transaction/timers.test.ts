import t from 'tap'
import { inviteClient } from '../../../src/sip/transaction/invite-client.ts'
import { inviteServer } from '../../../src/sip/transaction/invite-server.ts'
import { nonInviteClient } from '../../../src/sip/transaction/non-invite-client.ts'
import { nonInviteServer } from '../../../src/sip/transaction/non-invite-server.ts'
import { anyMachine, timeline } from './timeline.ts'
import type { AnyMachine, TimelineOptions } from './timeline.ts'

/** Every lettered timer with the exact times it acts at: name, machine, what happens, what follows. */
const cases: readonly (readonly [
  name: string,
  machine: AnyMachine,
  options: TimelineOptions,
  expected: readonly string[],
])[] = [
  [
    'A and B, UDP: an INVITE nobody answers (RFC 3261 §17.1.1.2)',
    anyMachine(inviteClient),
    {},
    [
      '0 send',
      '500 resend',
      '1500 resend',
      '3500 resend',
      '7500 resend',
      '15500 resend',
      '31500 resend',
      '32000 timeout B',
      '32000 end',
    ],
  ],
  [
    'B, TCP: the same without a retransmission (RFC 3261 §17.1.1.2)',
    anyMachine(inviteClient),
    { reliable: true },
    ['0 send', '32000 timeout B', '32000 end'],
  ],
  [
    'A and B stop at a provisional response (RFC 3261 §17.1.1.2)',
    anyMachine(inviteClient),
    { events: [[600, '101-199']], untilMs: 590_000 },
    ['0 send', '500 resend', '600 deliver'],
  ],
  [
    'C: the far end rings without news; then 64*T1 after the CANCEL (RFC 3261 §16.8, §9.1)',
    anyMachine(inviteClient),
    {
      timers: { c: 181_000 },
      events: [
        [100, '100'],
        [1_000, '101-199'],
        [182_000, 'cancel sent'],
      ],
    },
    ['0 send', '100 deliver', '1000 deliver', '182000 send-cancel', '214000 timeout cancelled', '214000 end'],
  ],
  [
    'C starts again with every 101-199, not with a 100 (RFC 3261 §16.7 2)',
    anyMachine(inviteClient),
    {
      timers: { c: 181_000 },
      events: [
        [1_000, '101-199'],
        [100_000, '101-199'],
        [150_000, '100'],
      ],
      untilMs: 281_000,
    },
    ['0 send', '500 resend', '1000 deliver', '100000 deliver', '150000 deliver', '281000 send-cancel'],
  ],
  [
    'D, UDP: repeated refusals are acknowledged for 32 s (RFC 3261 §17.1.1.2)',
    anyMachine(inviteClient),
    {
      events: [
        [100, '300-699'],
        [600, '300-699'],
        [32_099, '300-699'],
        [32_200, '300-699'],
      ],
    },
    ['0 send', '100 ack', '100 deliver', '600 ack', '32099 ack', '32100 end'],
  ],
  [
    'D, TCP: zero (RFC 3261 §17.1.1.2)',
    anyMachine(inviteClient),
    { reliable: true, events: [[100, '300-699']] },
    ['0 send', '100 ack', '100 deliver', '100 end'],
  ],
  [
    'E and F, UDP: a request nobody answers (RFC 3261 §17.1.2.2)',
    anyMachine(nonInviteClient),
    {},
    [
      '0 send',
      '500 resend',
      '1500 resend',
      '3500 resend',
      '7500 resend',
      '11500 resend',
      '15500 resend',
      '19500 resend',
      '23500 resend',
      '27500 resend',
      '31500 resend',
      '32000 timeout F',
      '32000 end',
    ],
  ],
  [
    'F, TCP: the same without a retransmission (RFC 3261 §17.1.2.2)',
    anyMachine(nonInviteClient),
    { reliable: true },
    ['0 send', '32000 timeout F', '32000 end'],
  ],
  [
    'E goes to T2 at once after a provisional response, F runs on (RFC 3261 §17.1.2.2)',
    anyMachine(nonInviteClient),
    { events: [[600, '1xx']] },
    [
      '0 send',
      '500 resend',
      '600 deliver',
      '1500 resend',
      '5500 resend',
      '9500 resend',
      '13500 resend',
      '17500 resend',
      '21500 resend',
      '25500 resend',
      '29500 resend',
      '32000 timeout F',
      '32000 end',
    ],
  ],
  [
    'K, UDP: repeated final responses are absorbed for T4 (RFC 3261 §17.1.2.2)',
    anyMachine(nonInviteClient),
    {
      events: [
        [100, '200-699'],
        [700, '200-699'],
      ],
    },
    ['0 send', '100 deliver', '5100 end'],
  ],
  [
    'K, TCP: zero (RFC 3261 §17.1.2.2)',
    anyMachine(nonInviteClient),
    { reliable: true, events: [[100, '200-699']] },
    ['0 send', '100 deliver', '100 end'],
  ],
  [
    'G and H, UDP: a refusal nobody acknowledges (RFC 3261 §17.2.1)',
    anyMachine(inviteServer),
    { events: [[100, 'send 300-699']] },
    [
      '0 deliver',
      '100 send',
      '600 resend',
      '1600 resend',
      '3600 resend',
      '7600 resend',
      '11600 resend',
      '15600 resend',
      '19600 resend',
      '23600 resend',
      '27600 resend',
      '31600 resend',
      '32100 timeout H',
      '32100 end',
    ],
  ],
  [
    'H, TCP: the same without a retransmission (RFC 3261 §17.2.1)',
    anyMachine(inviteServer),
    { reliable: true, events: [[100, 'send 300-699']] },
    ['0 deliver', '100 send', '32100 timeout H', '32100 end'],
  ],
  [
    'I, UDP: repeated ACKs are absorbed for T4 (RFC 3261 §17.2.1)',
    anyMachine(inviteServer),
    {
      events: [
        [100, 'send 300-699'],
        [150, 'ack'],
        [700, 'ack'],
        [800, 'request'],
      ],
    },
    ['0 deliver', '100 send', '5150 end'],
  ],
  [
    'I, TCP: zero (RFC 3261 §17.2.1)',
    anyMachine(inviteServer),
    {
      reliable: true,
      events: [
        [100, 'send 300-699'],
        [150, 'ack'],
      ],
    },
    ['0 deliver', '100 send', '150 end'],
  ],
  [
    'J, UDP: a repeated request gets the stored response for 64*T1 (RFC 3261 §17.2.2)',
    anyMachine(nonInviteServer),
    {
      events: [
        [50, 'request'],
        [100, 'send 200-699'],
        [600, 'request'],
        [32_099, 'request'],
      ],
    },
    ['0 deliver', '100 send', '600 resend', '32099 resend', '32100 end'],
  ],
  [
    'J, TCP: zero (RFC 3261 §17.2.2)',
    anyMachine(nonInviteServer),
    { reliable: true, events: [[100, 'send 200-699']] },
    ['0 deliver', '100 send', '100 end'],
  ],
  [
    'L, UDP: repeated INVITEs are absorbed, further 2xx pass, for 64*T1 (RFC 6026 §7.1)',
    anyMachine(inviteServer),
    {
      events: [
        [100, 'send 2xx'],
        [600, 'request'],
        [600, 'send 2xx'],
        [700, 'ack'],
      ],
    },
    ['0 deliver', '100 send', '600 send', '700 deliver', '32100 end'],
  ],
  [
    'L, TCP: the same length (RFC 6026 §7.1)',
    anyMachine(inviteServer),
    { reliable: true, events: [[100, 'send 2xx']] },
    ['0 deliver', '100 send', '32100 end'],
  ],
  [
    'M, UDP: every further 2xx goes to the user for 64*T1, other responses do not (RFC 6026 §7.2)',
    anyMachine(inviteClient),
    {
      events: [
        [100, '2xx'],
        [200, '101-199'],
        [600, '2xx'],
        [700, '300-699'],
      ],
    },
    ['0 send', '100 deliver', '600 deliver', '32100 end'],
  ],
  [
    'M, TCP: the same length (RFC 6026 §7.2)',
    anyMachine(inviteClient),
    { reliable: true, events: [[100, '2xx']] },
    ['0 send', '100 deliver', '32100 end'],
  ],
  [
    '100 goes out for a user who is silent for 200 ms, once (RFC 3261 §17.2.1)',
    anyMachine(inviteServer),
    { events: [[900, 'request']], untilMs: 100_000 },
    ['0 deliver', '200 send-100', '900 resend'],
  ],
  [
    'no 100 where the user was faster (RFC 3261 §17.2.1)',
    anyMachine(inviteServer),
    { events: [[199, 'send 1xx']], untilMs: 100_000 },
    ['0 deliver', '199 send'],
  ],
  [
    '100 to another request only when Timer E has reached T2; then the wait ends quietly (RFC 4320 §4.2)',
    anyMachine(nonInviteServer),
    { events: [[3_600, 'request']] },
    ['0 deliver', '3500 send-100', '3600 resend', '35500 timeout expire', '35500 end'],
  ],
]

for (const [name, machine, options, expected] of cases) {
  t.test(name, async t => {
    t.same(timeline(machine, options), expected)
  })
}

t.test('every lettered timer is in the table above', async t => {
  for (const letter of 'ABCDEFGHIJKLM') {
    t.ok(
      cases.some(([name]) =>
        (name.split(/[,:(]| (?:starts|stop|goes)/)[0] ?? '').split(' and ').includes(letter),
      ),
      letter,
    )
  }
})
