/**
 * The life of an INVITE session as two tables, one for each side: `step(table, state, event)` says where to go and what to do. No I/O, no
 * time: the session carries out the actions and feeds events back.
 */
import type { SessionState } from './session-types.ts'

export interface Row<State extends string, Action extends string> {
  readonly to: State
  readonly actions: readonly Action[]
}

/** A row for every state and every event: a missing one does not compile. */
export type Table<State extends string, Event extends string, Action extends string> = {
  readonly [S in State]: { readonly [E in Event]: Row<State, Action> }
}

export function step<State extends string, Event extends string, Action extends string>(
  table: Table<State, Event, Action>,
  state: State,
  event: Event,
): Row<State, Action> {
  return table[state][event]
}

/** What can happen to a session once there is a dialog, whichever side it is on. */
export type CommonEvent =
  /** The owner wants it to end. */
  | 'hangup'
  /** A BYE came. */
  | 'bye'
  /** Our BYE has its final response, or never will. */
  | 'bye-done'
  /** A request of ours in the dialog was answered 481 or 408, or not at all (RFC 5057 §5.1). */
  | 'lost'
  /** The offer/answer exchange is complete. */
  | 'settled'
  /** It cannot be completed: refused by the owner, or the answer is missing. */
  | 'unsettled'
  /** 64*T1 without an ACK for a 2xx of ours. */
  | 'no-ack'

export type CommonAction =
  | 'send-bye'
  /** The 2xx crossed the owner's wish to give up. */
  | 'send-bye-unwanted'
  | 'send-bye-lost'
  | 'send-bye-failed'
  | 'send-bye-no-ack'
  /** 200 to the BYE. */
  | 'answer-bye'
  /** 481 to the BYE. */
  | 'refuse-bye'
  | 'end-bye'
  | 'confirm'

// ---- client ----------------------------------------------------------------------------------------------------

export type ClientState =
  | 'calling'
  /** Given up by the owner before any response: CANCEL waits for one (RFC 3261 §9.1). */
  | 'calling-unwanted'
  | 'proceeding'
  | 'early'
  /** The INVITE was answered 401 or 407, credentials are being found. */
  | 'authenticating'
  /** CANCEL sent, the final response to the INVITE is awaited. */
  | 'cancelling'
  /** A 2xx came; the ACK waits for the owner. */
  | 'accepted'
  | 'confirmed'
  | 'terminating'
  | 'terminated'

export type ClientEvent =
  | CommonEvent
  /** 1xx without a To tag, or 100. */
  | 'provisional'
  /** 101 to 199 with a To tag. */
  | 'early'
  | 'success'
  /** 401 or 407 that we may be able to answer. */
  | 'challenge'
  /** It can be answered. */
  | 'retry'
  | 'refusal'
  /** Timer B, 64*T1 after a CANCEL without news (RFC 3261 §9.1), or the transport gave up. */
  | 'failure'

export type ClientAction =
  | CommonAction
  | 'send-cancel'
  /** Finds credentials; `retry` or `refusal` follows. */
  | 'answer-challenge'
  /** A new transaction: next CSeq, same Call-ID and From tag (RFC 3261 §22.2). */
  | 'send-invite'
  /** Hands the body of the 2xx to the owner; `settled` or `unsettled` follows. */
  | 'take-answer'
  | 'send-ack'
  | 'end-cancelled'
  | 'end-refused'
  | 'end-no-response'

// ---- server ----------------------------------------------------------------------------------------------------

export type ServerState =
  | 'trying'
  | 'early'
  /** A 2xx is out and repeated until its ACK comes. */
  | 'accepted'
  /** As `accepted`, and the owner has hung up: BYE has to wait for the ACK (RFC 3261 §15). */
  | 'accepted-unwanted'
  /** The ACK came and waits for the owner, if it brought an answer. */
  | 'acked'
  | 'confirmed'
  | 'terminating'
  | 'terminated'

export type ServerEvent =
  | CommonEvent
  | 'ring'
  | 'answer'
  /** Any final response of 300 or above by the owner. */
  | 'reject'
  | 'cancel'
  | 'ack'
  /** The response could not be sent before a 2xx was. */
  | 'broken'
  /** A minute has passed since the last provisional response. */
  | 'refresh'
  /** The INVITE's Expires has run out (RFC 3261 §13.3.1). */
  | 'expire'
  /** 64*T1 without a PRACK for a reliable provisional response (RFC 3262 §3). */
  | 'no-prack'

export type ServerAction =
  | CommonAction
  | 'send-provisional'
  /** Starts the minute again. */
  | 'arm-refresh'
  /** Stops the minute and the Expires of the INVITE. */
  | 'disarm-waiting'
  | 'send-success'
  | 'start-repeat'
  | 'stop-repeat'
  | 'send-refusal'
  /** 480, the owner gave no status. */
  | 'send-unavailable'
  /** 487 to the INVITE. */
  | 'send-terminated'
  | 'take-ack'
  | 'end-cancelled'
  | 'end-expired'
  | 'end-no-prack'
  | 'end-refused'
  | 'end-transport'

// ---- rows ------------------------------------------------------------------------------------------------------

function go<State extends string, Action extends string>(
  to: State,
  ...actions: Action[]
): Row<State, Action> {
  return { to, actions }
}

/** §15.1.2: a BYE outside a dialog we know of. */
const refuseBye = ['refuse-bye'] as const

type Rest<State extends string, Event extends string, Action extends string> = Record<
  Event,
  Row<State, Action>
>

/** Every event of the client passed over in `state`; rows that matter are spread over it. */
function clientRest(state: ClientState): Rest<ClientState, ClientEvent, ClientAction> {
  const stay: Row<ClientState, ClientAction> = { to: state, actions: [] }
  return {
    provisional: stay,
    early: stay,
    success: stay,
    challenge: stay,
    retry: stay,
    refusal: stay,
    failure: stay,
    hangup: stay,
    bye: { to: state, actions: refuseBye },
    'bye-done': stay,
    lost: stay,
    settled: stay,
    unsettled: stay,
    'no-ack': stay,
  }
}

function serverRest(state: ServerState): Rest<ServerState, ServerEvent, ServerAction> {
  const stay: Row<ServerState, ServerAction> = { to: state, actions: [] }
  return {
    ring: stay,
    answer: stay,
    reject: stay,
    cancel: stay,
    ack: stay,
    broken: stay,
    refresh: stay,
    expire: stay,
    'no-prack': stay,
    hangup: stay,
    bye: { to: state, actions: refuseBye },
    'bye-done': stay,
    lost: stay,
    settled: stay,
    unsettled: stay,
    'no-ack': stay,
  }
}

/** Before the final response, wanted: the same in `calling`, `proceeding` and `early` but for the hang-up. */
const unanswered = {
  early: go('early'), // §12.1.2, one early dialog for each To tag
  success: go('accepted', 'take-answer'), // §13.2.2.4
  challenge: go('authenticating', 'answer-challenge'), // §22.2
  refusal: go('terminated', 'end-refused'), // §13.2.2.3
  failure: go('terminated', 'end-no-response'), // §13.2.1, §8.1.3.1
} satisfies Partial<Record<ClientEvent, Row<ClientState, ClientAction>>>

const cancelNow: Row<ClientState, ClientAction> = go('cancelling', 'send-cancel') // §9.1
/** §9.1, §15: the 2xx won the race; it is acknowledged, then the session ended. */
const answeredTooLate = ['send-ack', 'send-bye-unwanted'] as const

export const clientTable: Table<ClientState, ClientEvent, ClientAction> = {
  calling: {
    ...clientRest('calling'),
    ...unanswered,
    provisional: go('proceeding'), // §13.2.2.1
    // §9.1: the transaction keeps the CANCEL until a provisional response comes
    hangup: go('calling-unwanted', 'send-cancel'),
  },
  'calling-unwanted': {
    ...clientRest('calling-unwanted'),
    provisional: go('cancelling'),
    early: go('cancelling'),
    success: go('terminating', ...answeredTooLate),
    challenge: go('terminated', 'end-cancelled'),
    refusal: go('terminated', 'end-cancelled'),
    failure: go('terminated', 'end-cancelled'),
  },
  proceeding: {
    ...clientRest('proceeding'),
    ...unanswered,
    hangup: cancelNow,
  },
  early: {
    ...clientRest('early'),
    ...unanswered,
    hangup: cancelNow,
    // §15: the callee must not send BYE in an early dialog. Its request is answered; the INVITE's own response decides.
    bye: go('early', 'answer-bye'),
  },
  authenticating: {
    ...clientRest('authenticating'),
    retry: go('calling', 'send-invite'),
    refusal: go('terminated', 'end-refused'),
    hangup: go('terminated', 'end-cancelled'), // nothing is under way
  },
  cancelling: {
    ...clientRest('cancelling'),
    challenge: go('terminated', 'end-cancelled'),
    success: go('terminating', ...answeredTooLate),
    refusal: go('terminated', 'end-cancelled'), // 487, or whatever crossed
    failure: go('terminated', 'end-cancelled'), // §9.1, 64*T1
    bye: go('cancelling', 'answer-bye'),
  },
  accepted: {
    ...clientRest('accepted'),
    settled: go('confirmed', 'send-ack', 'confirm'), // §13.2.2.4
    unsettled: go('terminating', 'send-ack', 'send-bye-failed'), // §13.2.2.4, last paragraph
    hangup: go('terminating', 'send-ack', 'send-bye'),
    lost: go('terminating', 'send-ack', 'send-bye-lost'),
    bye: go('terminated', 'send-ack', 'answer-bye', 'end-bye'), // early by §15, but the ACK stops its 2xx
  },
  confirmed: {
    ...clientRest('confirmed'),
    hangup: go('terminating', 'send-bye'), // §15.1.1
    bye: go('terminated', 'answer-bye', 'end-bye'), // §15.1.2
    lost: go('terminating', 'send-bye-lost'), // §12.2.1.2
    'no-ack': go('terminating', 'send-bye-no-ack'), // §14.2, of a re-INVITE
  },
  terminating: {
    ...clientRest('terminating'),
    'bye-done': go('terminated'), // §15.1.1
    bye: go('terminating', 'answer-bye'), // the two BYEs crossed, RFC 5407 §3.2.1
  },
  terminated: clientRest('terminated'),
}

/** Before the final response: the same in `trying` and `early`. */
const pending = {
  ring: go('early', 'send-provisional', 'arm-refresh'), // §13.3.1.1
  answer: go('accepted', 'disarm-waiting', 'send-success', 'start-repeat'), // §13.3.1.4
  reject: go('terminated', 'disarm-waiting', 'send-refusal', 'end-refused'), // §13.3.1.3
  hangup: go('terminated', 'disarm-waiting', 'send-unavailable', 'end-refused'),
  cancel: go('terminated', 'disarm-waiting', 'send-terminated', 'end-cancelled'), // §9.2
  bye: go('terminated', 'disarm-waiting', 'answer-bye', 'send-terminated', 'end-bye'), // §15.1.2
  broken: go('terminated', 'disarm-waiting', 'end-transport'), // §17.2.4
  expire: go('terminated', 'disarm-waiting', 'send-terminated', 'end-expired'), // §13.3.1
  'no-prack': go('terminated', 'disarm-waiting', 'send-refusal', 'end-no-prack'), // RFC 3262 §3
} satisfies Partial<Record<ServerEvent, Row<ServerState, ServerAction>>>

export const serverTable: Table<ServerState, ServerEvent, ServerAction> = {
  trying: { ...serverRest('trying'), ...pending },
  early: {
    ...serverRest('early'),
    ...pending,
    // §13.3.1.1: every minute, or proxies on the way give the call up.
    refresh: go('early', 'send-provisional', 'arm-refresh'),
  },
  accepted: {
    ...serverRest('accepted'),
    ack: go('acked', 'stop-repeat', 'take-ack'), // §13.3.1.4
    hangup: go('accepted-unwanted'), // §15: no BYE before the ACK
    'no-ack': go('terminating', 'send-bye-no-ack'), // §13.3.1.4
    bye: go('terminated', 'stop-repeat', 'answer-bye', 'end-bye'), // BYE overtook the ACK, RFC 5407 §3.1.4
    lost: go('terminating', 'stop-repeat', 'send-bye-lost'),
  },
  'accepted-unwanted': {
    ...serverRest('accepted-unwanted'),
    ack: go('terminating', 'stop-repeat', 'send-bye'), // §15
    'no-ack': go('terminating', 'send-bye'), // §15, §13.3.1.4
    bye: go('terminated', 'stop-repeat', 'answer-bye', 'end-bye'),
  },
  acked: {
    ...serverRest('acked'),
    settled: go('confirmed', 'confirm'),
    unsettled: go('terminating', 'send-bye-failed'), // §13.3.1.4, RFC 6337 §3.1.1
    hangup: go('terminating', 'send-bye'),
    bye: go('terminated', 'answer-bye', 'end-bye'),
    lost: go('terminating', 'send-bye-lost'),
  },
  confirmed: {
    ...serverRest('confirmed'),
    hangup: go('terminating', 'send-bye'), // §15.1.1
    bye: go('terminated', 'answer-bye', 'end-bye'), // §15.1.2
    lost: go('terminating', 'send-bye-lost'), // §12.2.1.2
    'no-ack': go('terminating', 'send-bye-no-ack'), // §14.2, of a re-INVITE
  },
  terminating: {
    ...serverRest('terminating'),
    'bye-done': go('terminated'),
    bye: go('terminating', 'answer-bye'), // RFC 5407 §3.2.1
  },
  terminated: serverRest('terminated'),
}

/** What the owner sees of a machine state (RFC 4235 §3.7.1): over as soon as the BYE is sent (RFC 3261 §15.1.1). */
export const publicState: Readonly<Record<ClientState | ServerState, SessionState>> = {
  calling: 'trying',
  'calling-unwanted': 'trying',
  trying: 'trying',
  proceeding: 'proceeding',
  early: 'early',
  authenticating: 'trying',
  cancelling: 'proceeding',
  accepted: 'confirmed',
  'accepted-unwanted': 'confirmed',
  acked: 'confirmed',
  confirmed: 'confirmed',
  terminating: 'terminated',
  terminated: 'terminated',
}
