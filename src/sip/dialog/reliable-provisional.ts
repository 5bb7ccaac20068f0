/** Reliable provisional responses (RFC 3262) as tables: what the side that sends them does, and which of them the other side takes. No I/O, no time. */
import { Require, Supported } from '../message/headers/capabilities.ts'
import { RSeq } from '../message/headers/session.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { Refusal } from './core-types.ts'

/** What we make of 100rel: never, where the other side can, or only with those who can. */
export type Reliability = 'off' | 'supported' | 'required'

export const optionTag = '100rel'

// ---- the side that sends them ------------------------------------------------------------------------------------

export type ReliableState =
  | 'idle'
  /** One is out and repeated until its PRACK comes. */
  | 'unacknowledged'
  /** The final response overtook the PRACK, which is still taken. */
  | 'released'
  | 'closed'

export type ReliableEvent =
  /** The owner has one to send. */
  | 'send'
  /** A PRACK for the one that is out. */
  | 'prack'
  /** A PRACK for anything else. */
  | 'stray'
  /** The wait since the last transmission is over. */
  | 'repeat'
  /** 64*T1 after the first transmission. */
  | 'expire'
  /** The INVITE gets its final response. */
  | 'final'

export type ReliableAction =
  | 'transmit'
  /** Starts both timers: T1, and 64*T1 in all. */
  | 'arm'
  | 'queue'
  /** The same response, octet for octet. */
  | 'retransmit'
  /** Twice the last wait. */
  | 'double'
  | 'disarm'
  | 'acknowledge'
  /** The next in the queue, if there is one. */
  | 'next'
  /** 481 to the PRACK. */
  | 'refuse'
  /** 5xx to the INVITE. */
  | 'give-up'

export interface ReliableRow {
  readonly to: ReliableState
  readonly actions: readonly ReliableAction[]
}

function go(to: ReliableState, ...actions: ReliableAction[]): ReliableRow {
  return { to, actions }
}

export const reliableTable: {
  readonly [S in ReliableState]: { readonly [E in ReliableEvent]: ReliableRow }
} = {
  idle: {
    send: go('unacknowledged', 'transmit', 'arm'), // §3
    prack: go('idle', 'refuse'),
    stray: go('idle', 'refuse'), // §3: matches no unacknowledged response
    repeat: go('idle'),
    expire: go('idle'),
    final: go('closed'),
  },
  unacknowledged: {
    send: go('unacknowledged', 'queue'), // §3: no second one before the first is acknowledged
    prack: go('idle', 'disarm', 'acknowledge', 'next'), // §3
    stray: go('unacknowledged', 'refuse'), // §3
    repeat: go('unacknowledged', 'double', 'retransmit'), // §3: T1, doubled every time, without a cap
    expire: go('closed', 'disarm', 'give-up'), // §3: 64*T1
    final: go('released', 'disarm'), // §3: not repeated any more, its PRACK is still processed
  },
  released: {
    send: go('released'), // §3: none after the final response
    prack: go('closed', 'acknowledge'),
    stray: go('released', 'refuse'),
    repeat: go('released'),
    expire: go('released'),
    final: go('released'),
  },
  closed: {
    send: go('closed'),
    prack: go('closed', 'refuse'),
    stray: go('closed', 'refuse'),
    repeat: go('closed'),
    expire: go('closed'),
    final: go('closed'),
  },
}

/** The states in which timers run. */
export const armedStates: ReadonlySet<ReliableState> = new Set(['unacknowledged'])

/** The first RSeq: 1 to 2^31 - 1, chosen at random (§3); room is left to count up. */
export function firstRSeq(uint32: number): number {
  return (uint32 % 0x3fff_ffff) + 1
}

// ---- the side that takes them ------------------------------------------------------------------------------------

/** What a response with this RSeq is, `last` being the latest that was taken in its dialog (§4). */
export function judgeRSeq(last: number | undefined, rseq: number): 'take' | 'repeated' | 'out-of-order' {
  if (last === undefined || rseq === last + 1) return 'take'
  return rseq === last ? 'repeated' : 'out-of-order'
}

/** The RSeq of a response that is to be acknowledged by PRACK; undefined: it came unreliably. */
export function reliableSequence(response: SipResponse): number | undefined {
  if (!response.headers.has('RSeq')) return undefined
  return lists(() => response.get(Require)) ? response.get(RSeq) : undefined
}

// ---- who can ---------------------------------------------------------------------------------------------------

/** What the INVITE says of 100rel. Costs nothing where it says nothing. */
export function reliabilityOf(invite: SipRequest): Reliability {
  const { headers } = invite
  if (headers.has('Require') && lists(() => invite.get(Require))) return 'required'
  return headers.has('Supported') && lists(() => invite.get(Supported)) ? 'supported' : 'off'
}

function lists(read: () => readonly string[] | undefined): boolean {
  try {
    return read()?.some(tag => tag.toLowerCase() === optionTag) ?? false
  } catch {
    return false
  }
}

/** 421 to an INVITE of a caller that lacks what we require (RFC 3261 §21.4.15, RFC 3262 §3). */
export function reliabilityRefusal(request: SipRequest, mode: Reliability): Refusal | undefined {
  if (mode !== 'required' || request.method !== 'INVITE' || reliabilityOf(request) !== 'off') return undefined
  return { statusCode: 421, headers: [['Require', optionTag]] }
}

/** Allow and Supported as the mode has them: 100rel and PRACK, both or neither. */
export function withReliability(
  mode: Reliability,
  allow: readonly string[],
  supported: readonly string[],
): { readonly allow: readonly string[]; readonly supported: readonly string[] } {
  const others = supported.filter(tag => tag !== optionTag)
  const methods = allow.filter(method => method !== 'PRACK')
  return mode === 'off'
    ? { allow: methods, supported: others }
    : { allow: [...methods, 'PRACK'], supported: [...others, optionTag] }
}
