import * as fc from 'fast-check'
import t from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest, SipResponse } from '../../../src/sip/message/message.ts'
import {
  armedStates,
  firstRSeq,
  judgeRSeq,
  reliabilityOf,
  reliabilityRefusal,
  reliableTable,
  withReliability,
} from '../../../src/sip/dialog/reliable-provisional.ts'
import type {
  ReliableEvent,
  ReliableRow,
  ReliableState,
} from '../../../src/sip/dialog/reliable-provisional.ts'
import { ReliableSender } from '../../../src/sip/dialog/reliable-sender.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const T1 = 500

function invite(...headers: (readonly [string, string])[]): SipRequest {
  return createRequest({
    method: 'INVITE',
    uri: 'sip:bob@example.com',
    headers: [
      ['Via', 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1'],
      ['From', '<sip:alice@example.com>;tag=a'],
      ['To', '<sip:bob@example.com>'],
      ['Call-ID', 'c'],
      ['CSeq', '1 INVITE'],
      ...headers,
    ],
  })
}

interface Sender {
  readonly clock: VirtualClock
  readonly sender: ReliableSender
  /** What went out: when, and its RSeq. */
  readonly sent: (readonly [at: number, rseq: number])[]
  readonly gaveUp: number[]
  readonly send: (body?: string) => void
  /** A PRACK; true when it was for the one that is out. */
  readonly prack: (rseq: number, sequence?: number, method?: string) => boolean
}

function sending(): Sender {
  const clock = new VirtualClock()
  const start = clock.now()
  const sent: (readonly [number, number])[] = []
  const gaveUp: number[] = []
  const sender = new ReliableSender({
    clock,
    t1: T1,
    firstRSeq: 7,
    transmit: (response: SipResponse) =>
      sent.push([clock.now() - start, Number(response.headers.get('RSeq'))]),
    giveUp: () => gaveUp.push(clock.now() - start),
  })
  return {
    clock,
    sender,
    sent,
    gaveUp,
    send: body => sender.send(createResponse(invite(), 183, { toTag: 'b', ...(body && { body }) })),
    prack: (responseSequence, sequence = 1, method = 'INVITE') => {
      const response = sender.matching({ responseSequence, sequence, method }, 1)
      if (response !== undefined) sender.acknowledge()
      return response !== undefined
    },
  }
}

t.test('repeated after T1, 2*T1, 4*T1 ... without a cap; given up after 64*T1 (RFC 3262 §3)', async t => {
  const { clock, sent, gaveUp, send } = sending()
  send()
  await clock.advance(64 * T1 + 60_000)
  t.same(
    sent.map(([at]) => at),
    [0, 500, 1500, 3500, 7500, 15_500, 31_500],
  )
  t.same(gaveUp, [32_000])
  t.equal(clock.pendingTimers, 0)
})

t.test('a PRACK stops the repeating (§3)', async t => {
  const { clock, sent, gaveUp, send, prack } = sending()
  send()
  await clock.advance(600)
  t.ok(prack(7))
  t.equal(clock.pendingTimers, 0)
  await clock.advance(60_000)
  t.equal(sent.length, 2)
  t.same(gaveUp, [])
  t.notOk(prack(7), 'a second one matches nothing')
})

t.test('the next one waits for the PRACK, and counts RSeq up by one (§3)', async t => {
  const { clock, sent, send, prack } = sending()
  send()
  send()
  send()
  await clock.advance(100)
  t.same(sent, [[0, 7]])
  prack(7)
  prack(8)
  await clock.advance(100)
  t.same(sent, [
    [0, 7],
    [100, 8],
    [100, 9],
  ])
  prack(9)
  t.equal(clock.pendingTimers, 0)
})

for (const [what, rseq, sequence, method] of [
  ['another RSeq', 8, 1, 'INVITE'],
  ['another CSeq', 7, 2, 'INVITE'],
  ['another method', 7, 1, 'UPDATE'],
] as const) {
  t.test(`RAck with ${what} acknowledges nothing (§7.2)`, async t => {
    const { clock, sent, send, prack } = sending()
    send()
    t.notOk(prack(rseq, sequence, method))
    await clock.advance(500)
    t.equal(sent.length, 2, 'it is repeated')
  })
}

t.test('a final response stops the repeating; the PRACK that is late is still taken, once (§3)', async t => {
  const { clock, sender, sent, send, prack } = sending()
  send()
  send()
  sender.final()
  t.equal(clock.pendingTimers, 0)
  await clock.advance(60_000)
  send()
  t.same(sent, [[0, 7]])
  t.ok(prack(7))
  t.notOk(prack(7))
})

t.test(
  'a 2xx is held back for a session description without PRACK, out or queued, and only for that (§3)',
  async t => {
    const { sender, send, prack } = sending()
    t.notOk(sender.holdsSuccess)
    send()
    t.notOk(sender.holdsSuccess)
    send('v=0')
    t.ok(sender.holdsSuccess, 'it waits in the queue')
    prack(7)
    t.ok(sender.holdsSuccess, 'it is out')
    prack(8)
    t.notOk(sender.holdsSuccess)
  },
)

t.test('the queue is bounded: the oldest goes, and is counted', async t => {
  const { sender, sent, send, prack } = sending()
  for (let i = 0; i < 20; i++) send()
  t.equal(sender.dropped, 11)
  for (let rseq = 7; prack(rseq); rseq++);
  t.equal(sent.length, 9)
})

t.test(
  'property: no sequence of events leaves a timer armed outside of its state, or any after the end',
  async () => {
    const step = fc.oneof(
      fc.constantFrom('send', 'send-body', 'prack', 'stray', 'final'),
      fc.integer({ min: 1, max: 40_000 }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
        const { clock, sender, sent, send, prack } = sending()
        for (const next of steps) {
          if (typeof next === 'number') await clock.advance(next)
          else if (next === 'send') send()
          else if (next === 'send-body') send('v=0')
          else if (next === 'prack') prack(sent.at(-1)?.[1] ?? 0)
          else if (next === 'stray') prack(3)
          else sender.final()
          const armed = armedStates.has(sender.state)
          if (clock.pendingTimers !== (armed ? 2 : 0)) return false
        }
        await clock.advance(64 * T1)
        return clock.pendingTimers === 0 && sent.length < 40 * 8
      }),
      { numRuns: 300 },
    )
  },
)

t.test('property: every path through the table ends, and nothing but a PRACK leads back to idle', async t => {
  const events = Object.keys(reliableTable.idle) as ReliableEvent[]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events)), path => {
      let state: ReliableState = 'idle'
      let timers = false
      for (const event of path) {
        const row: ReliableRow = reliableTable[state][event]
        const { to, actions } = row
        if (actions.includes('arm')) timers = true
        if (actions.includes('disarm')) timers = false
        if (to === 'idle' && state === 'unacknowledged' && event !== 'prack') return false
        if (armedStates.has(to) !== timers) return false
        state = to
      }
      return true
    }),
  )
  t.pass('held')
})

t.test('the other side takes them in order, each once (§4)', async t => {
  t.equal(judgeRSeq(undefined, 812), 'take', 'whatever the first is')
  t.equal(judgeRSeq(812, 813), 'take')
  t.equal(judgeRSeq(812, 812), 'repeated')
  t.equal(judgeRSeq(812, 814), 'out-of-order')
  t.equal(judgeRSeq(812, 811), 'out-of-order')
})

t.test('the first RSeq is from 1 to 2^31 - 1 (§3)', async t => {
  for (const random of [0, 1, 0x7fff_ffff, 0xffff_ffff]) {
    t.ok(firstRSeq(random) >= 1 && firstRSeq(random) < 2 ** 31 - 1000)
  }
})

t.test('what an INVITE says of 100rel', async t => {
  t.equal(reliabilityOf(invite()), 'off')
  t.equal(reliabilityOf(invite(['Supported', 'timer'])), 'off')
  t.equal(reliabilityOf(invite(['Supported', 'timer, 100rel'])), 'supported')
  t.equal(reliabilityOf(invite(['Supported', '100rel'], ['Require', '100rel'])), 'required')
})

t.test('421 names what is required (RFC 3261 §21.4.15)', async t => {
  t.same(reliabilityRefusal(invite(), 'required'), { statusCode: 421, headers: [['Require', '100rel']] })
  t.equal(reliabilityRefusal(invite(['Supported', '100rel']), 'required'), undefined)
  t.equal(reliabilityRefusal(invite(), 'supported'), undefined)
})

t.test('100rel and PRACK are listed both, or neither', async t => {
  t.same(withReliability('off', ['INVITE', 'PRACK'], ['timer', '100rel']), {
    allow: ['INVITE'],
    supported: ['timer'],
  })
  t.same(withReliability('supported', ['INVITE'], []), { allow: ['INVITE', 'PRACK'], supported: ['100rel'] })
})
