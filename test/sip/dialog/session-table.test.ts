import * as fc from 'fast-check'
import t from 'tap'
import { clientTable, publicState, serverTable, step } from '../../../src/sip/dialog/session-table.ts'
import type {
  ClientEvent,
  ClientState,
  ServerEvent,
  ServerState,
} from '../../../src/sip/dialog/session-table.ts'

const clientEvents = Object.keys(clientTable.calling) as ClientEvent[]
const serverEvents = Object.keys(serverTable.trying) as ServerEvent[]

/** Everything one machine did, counted. */
interface Trace<State> {
  readonly state: State
  readonly counts: Map<string, number>
  /** The 2xx is being repeated. */
  readonly repeating: boolean
  /** A provisional response is due every minute. */
  readonly refreshing: boolean
}

function run<State extends string, Event extends string>(
  table: Parameters<typeof step<State, Event, string>>[0],
  start: State,
  events: readonly Event[],
): Trace<State> {
  let state = start
  let repeating = false
  let refreshing = false
  const counts = new Map<string, number>()
  for (const event of events) {
    // The repeater's own time-out ends it; it cannot come when nothing is repeated.
    if (event === 'no-ack') repeating = false
    if (event === 'refresh') refreshing = false
    const { to, actions } = step(table, state, event)
    for (const action of actions) {
      counts.set(action, (counts.get(action) ?? 0) + 1)
      if (action === 'start-repeat') repeating = true
      if (action === 'stop-repeat') repeating = false
      if (action === 'arm-refresh') refreshing = true
      if (action === 'disarm-waiting') refreshing = false
    }
    state = to
  }
  return { state, counts, repeating, refreshing }
}

function total(counts: Map<string, number>, prefix: string): number {
  let sum = 0
  for (const [action, count] of counts) if (action.startsWith(prefix)) sum += count
  return sum
}

/** Actions by which the owner learns of the end. */
function ends(counts: Map<string, number>): number {
  return total(counts, 'end-') + total(counts, 'send-bye')
}

function check({ state, counts }: Trace<ClientState | ServerState>): void {
  const over = state === 'terminated' || state === 'terminating'
  if (ends(counts) !== (over ? 1 : 0)) throw new Error(`${ends(counts)} ends in ${state}`)
}

t.test('no sequence of events leaves a timer armed in a state that has no use for it', async () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...serverEvents), { maxLength: 30 }), events => {
      const { state, repeating, refreshing } = run(serverTable, 'trying', events)
      if (repeating && state !== 'accepted' && state !== 'accepted-unwanted')
        throw new Error(`2xx repeated in ${state}`)
      if (refreshing && state !== 'early') throw new Error(`1xx repeated in ${state}`)
    }),
    { numRuns: 3000 },
  )
})

t.test('every session ends at most once, and whatever is over has ended', async () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...clientEvents), { maxLength: 30 }), events => {
      check(run(clientTable, 'calling', events))
    }),
    { numRuns: 3000 },
  )
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...serverEvents), { maxLength: 30 }), events => {
      check(run(serverTable, 'trying', events))
    }),
    { numRuns: 3000 },
  )
})

t.test('a 2xx that the client takes is acknowledged exactly once, before any BYE', async () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...clientEvents), { maxLength: 30 }), events => {
      const { state, counts } = run(clientTable, 'calling', events)
      const acks = counts.get('send-ack') ?? 0
      const byes = total(counts, 'send-bye')
      if (acks > 1) throw new Error(`${acks} ACKs`)
      if (byes > 1 || (byes === 1 && acks === 0)) throw new Error(`${byes} BYEs after ${acks} ACKs`)
      if (state === 'confirmed' && acks !== 1) throw new Error('confirmed without ACK')
    }),
    { numRuns: 3000 },
  )
})

t.test('an INVITE received gets exactly one final response by the time its session is over', async () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...serverEvents), { maxLength: 30 }), events => {
      const { state, counts } = run(serverTable, 'trying', events)
      const finals =
        ['send-success', 'send-refusal', 'send-unavailable', 'send-terminated'].reduce(
          (sum, action) => sum + (counts.get(action) ?? 0),
          0,
        ) + (counts.get('end-transport') ?? 0)
      if (finals > 1) throw new Error(`${finals} final responses`)
      if (state === 'terminated' && finals !== 1) throw new Error('over without a final response')
    }),
    { numRuns: 3000 },
  )
})

t.test('every BYE received is answered, in every state', async t => {
  for (const [state, row] of [...Object.entries(clientTable), ...Object.entries(serverTable)]) {
    const { actions } = row.bye
    const answers = (actions as readonly string[]).filter(
      action => action === 'answer-bye' || action === 'refuse-bye',
    )
    t.equal(answers.length, 1, state)
  }
})

t.test('nothing brings a session back from its end', async t => {
  for (const event of clientEvents) t.equal(clientTable.terminated[event].to, 'terminated', event)
  for (const event of serverEvents) t.equal(serverTable.terminated[event].to, 'terminated', event)
})

t.test('what the owner sees never goes back from confirmed or from over', async () => {
  const rank = { trying: 0, proceeding: 0, early: 0, confirmed: 1, terminated: 2 } as const
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...clientEvents), { maxLength: 30 }),
      fc.array(fc.constantFrom(...serverEvents), { maxLength: 30 }),
      (forClient, forServer) => {
        let client: ClientState = 'calling'
        for (const event of forClient) {
          const to: ClientState = step(clientTable, client, event).to
          if (rank[publicState[to]] < rank[publicState[client]]) throw new Error(`${client} -> ${to}`)
          client = to
        }
        let server: ServerState = 'trying'
        for (const event of forServer) {
          const to: ServerState = step(serverTable, server, event).to
          if (rank[publicState[to]] < rank[publicState[server]]) throw new Error(`${server} -> ${to}`)
          server = to
        }
      },
    ),
    { numRuns: 3000 },
  )
})

const clientRows: readonly [
  what: string,
  state: ClientState,
  event: ClientEvent,
  to: ClientState,
  actions: readonly string[],
][] = [
  [
    '§9.1: hang-up before a response keeps the CANCEL',
    'calling',
    'hangup',
    'calling-unwanted',
    ['send-cancel'],
  ],
  ['§9.1: hang-up while ringing', 'early', 'hangup', 'cancelling', ['send-cancel']],
  ['§9.1: 200 crosses CANCEL', 'cancelling', 'success', 'terminating', ['send-ack', 'send-bye-unwanted']],
  ['§9.1: 487', 'cancelling', 'refusal', 'terminated', ['end-cancelled']],
  ['§22.2: challenge', 'proceeding', 'challenge', 'authenticating', ['answer-challenge']],
  ['§22.2: next attempt', 'authenticating', 'retry', 'calling', ['send-invite']],
  ['§13.2.2.4: 2xx', 'early', 'success', 'accepted', ['take-answer']],
  ['§13.2.2.4: ACK', 'accepted', 'settled', 'confirmed', ['send-ack', 'confirm']],
  ['§15.1.1', 'confirmed', 'hangup', 'terminating', ['send-bye']],
  ['§12.2.1.2', 'confirmed', 'lost', 'terminating', ['send-bye-lost']],
]

const serverRows: readonly [
  what: string,
  state: ServerState,
  event: ServerEvent,
  to: ServerState,
  actions: readonly string[],
][] = [
  ['§13.3.1.4: 2xx', 'trying', 'answer', 'accepted', ['disarm-waiting', 'send-success', 'start-repeat']],
  ['§13.3.1.4: ACK', 'accepted', 'ack', 'acked', ['stop-repeat', 'take-ack']],
  ['§13.3.1.4: no ACK', 'accepted', 'no-ack', 'terminating', ['send-bye-no-ack']],
  ['§15: hang-up before ACK waits', 'accepted', 'hangup', 'accepted-unwanted', []],
  ['§15: and goes when it comes', 'accepted-unwanted', 'ack', 'terminating', ['stop-repeat', 'send-bye']],
  ['§9.2: CANCEL', 'early', 'cancel', 'terminated', ['disarm-waiting', 'send-terminated', 'end-cancelled']],
  ['§9.2: CANCEL after 2xx', 'accepted', 'cancel', 'accepted', []],
  [
    '§15.1.2: BYE in early',
    'early',
    'bye',
    'terminated',
    ['disarm-waiting', 'answer-bye', 'send-terminated', 'end-bye'],
  ],
  ['RFC 5407 §3.2.1: BYE crosses BYE', 'terminating', 'bye', 'terminating', ['answer-bye']],
]

t.test('rows', async t => {
  for (const [what, state, event, to, actions] of clientRows)
    t.same(step(clientTable, state, event), { to, actions }, what)
  for (const [what, state, event, to, actions] of serverRows)
    t.same(step(serverTable, state, event), { to, actions }, what)
})
