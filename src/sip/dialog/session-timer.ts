/**
 * Session timers (RFC 4028) as values and a table: what goes into requests and responses, what both sides agreed, and what to do when. No I/O,
 * no clock; `session-refresh.ts` carries it out.
 */
import { OptionError } from '../../runtime/errors.ts'
import { Require, Supported } from '../message/headers/capabilities.ts'
import { MinSe, SessionExpires } from '../message/headers/session.ts'
import type { SipMessage, SipRequest, SipResponse } from '../message/message.ts'

/** The least that a session interval and Min-SE may be, seconds (RFC 4028 §4, §5). */
export const LEAST_SECONDS = 90

export interface SessionTimerOptions {
  /** The session interval we ask for, seconds. Default 1800 (RFC 4028 §4). */
  readonly expiresSeconds?: number
  /** The shortest interval we take, seconds; shorter ones are refused with 422. Default and least 90. */
  readonly minSeconds?: number
  /**
   * Who refreshes, where it is ours to choose. Default: the side that sent the INVITE, if it can. `local` also keeps the timer with a caller
   * that knows nothing of session timers.
   */
  readonly refresher?: 'local' | 'remote'
}

export interface SessionTimerPolicy {
  readonly expiresSeconds: number
  readonly minSeconds: number
  readonly refresher: 'local' | 'remote' | undefined
}

export const defaultSessionTimer: SessionTimerPolicy = {
  expiresSeconds: 1800,
  minSeconds: LEAST_SECONDS,
  refresher: undefined,
}

/** Undefined means off. @throws OptionError naming the field */
export function resolveSessionTimer(
  options: SessionTimerOptions | 'off' | undefined,
  base: SessionTimerPolicy | undefined = defaultSessionTimer,
): SessionTimerPolicy | undefined {
  if (options === 'off') return undefined
  if (options === undefined) return base
  const policy: SessionTimerPolicy = { ...defaultSessionTimer, ...base, ...options }
  checkSeconds('sessionTimer.minSeconds', policy.minSeconds, LEAST_SECONDS)
  checkSeconds('sessionTimer.expiresSeconds', policy.expiresSeconds, policy.minSeconds)
  const { refresher } = policy
  if (refresher !== undefined && refresher !== 'local' && refresher !== 'remote') {
    throw new OptionError(
      'sessionTimer.refresher',
      `${String(refresher)} refreshes nothing; give local or remote`,
    )
  }
  return policy
}

function checkSeconds(field: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= 0x7fff_ffff) return
  throw new OptionError(
    field,
    `${value} is not a time a session may take; give whole seconds, ${least} or more`,
  )
}

/** What both sides hold to until the next refresh. */
export interface Agreement {
  /** The session interval, seconds. */
  readonly seconds: number
  /** Who refreshes. */
  readonly refresher: 'local' | 'remote'
}

/** A session's own part of the negotiation. */
export interface TimerState {
  readonly policy: SessionTimerPolicy | undefined
  readonly agreement: Agreement | undefined
  /** The largest Min-SE we met, seconds (RFC 4028 §7.4); 0 before there was one. */
  readonly minSe: number
}

type Pair = readonly [name: string, value: string]

// ---- requests we send ------------------------------------------------------------------------------------------

/** Session-Expires and Min-SE of an INVITE or UPDATE of ours (RFC 4028 §7.1, §7.4). Supported is the core's to send. */
export function requestHeaders({ policy, agreement, minSe }: TimerState): readonly Pair[] {
  if (policy === undefined) return []
  const least = Math.max(policy.minSeconds, minSe)
  const seconds = Math.max(agreement?.seconds ?? policy.expiresSeconds, least)
  // §7.4: in a refresh the parameter names who refreshes now; in the first INVITE only if we care.
  const refresher = agreement?.refresher ?? policy.refresher
  const param = refresher === undefined ? '' : `;refresher=${refresher === 'local' ? 'uac' : 'uas'}`
  const pairs: Pair[] = [['Session-Expires', `${seconds}${param}`]]
  if (least > LEAST_SECONDS || minSe > 0) pairs.push(['Min-SE', String(least)])
  return pairs
}

/** The Min-SE to go on with after a 422 (RFC 4028 §7.3); undefined when it asks for no more than we sent, so that trying again is no use. */
export function raisedMinSe(
  response: SipResponse,
  { policy, agreement, minSe }: TimerState,
): number | undefined {
  if (response.statusCode !== 422 || policy === undefined) return undefined
  const asked = minSeOf(response)
  const sent = Math.max(agreement?.seconds ?? policy.expiresSeconds, policy.minSeconds, minSe)
  return asked !== undefined && asked > sent ? asked : undefined
}

/** What a 2xx to our INVITE or UPDATE settles (RFC 4028 §7.2): without Session-Expires the session does not expire. */
export function agreedByResponse(response: SipResponse, { policy }: TimerState): Agreement | undefined {
  if (policy === undefined) return undefined
  const expires = sessionExpiresOf(response)
  if (expires === undefined) return undefined
  // Without the parameter, which §9 demands, it is ours to refresh: somebody should.
  return {
    seconds: Math.max(expires.seconds, LEAST_SECONDS),
    refresher: expires.refresher === 'uas' ? 'remote' : 'local',
  }
}

// ---- requests we receive ---------------------------------------------------------------------------------------

/** Min-SE for the 422 to an INVITE or UPDATE that asks for too little (RFC 4028 §9); one that would not understand it is let pass. */
export function tooSmall(request: SipRequest, policy: SessionTimerPolicy | undefined): number | undefined {
  if (policy === undefined || !supportsTimer(request)) return undefined
  const expires = sessionExpiresOf(request)
  return expires !== undefined && expires.seconds < policy.minSeconds ? policy.minSeconds : undefined
}

/** Our side of a 2xx to an INVITE or UPDATE (RFC 4028 §9, table 2): its headers, and what both hold to from now on. */
export function answerTimer(
  request: SipRequest,
  { policy, agreement }: TimerState,
): { readonly headers: readonly Pair[]; readonly agreement: Agreement | undefined } {
  if (policy === undefined) return { headers: [], agreement: undefined }
  const asked = sessionExpiresOf(request)
  const able = supportsTimer(request)
  // Nobody asked: it is ours to want one, and to refresh if the peer cannot.
  if (asked === undefined && !able && policy.refresher !== 'local' && agreement?.refresher !== 'local') {
    return { headers: [], agreement: undefined }
  }
  const least = Math.max(minSeOf(request) ?? 0, LEAST_SECONDS)
  const wanted = agreement?.seconds ?? policy.expiresSeconds
  const seconds = Math.max(Math.min(asked?.seconds ?? wanted, wanted), least)
  const refresher = able ? chooseRefresher(asked?.refresher, policy, agreement) : 'uas'
  const headers: Pair[] = [['Session-Expires', `${seconds};refresher=${refresher}`]]
  // §9: who is to refresh has to know that there is a timer.
  if (refresher === 'uac') headers.push(['Require', 'timer'])
  return { headers, agreement: { seconds, refresher: refresher === 'uac' ? 'remote' : 'local' } }
}

/** The UAC's word stands (table 2); else it stays as it was, or is as we like it, or the UAC does it. */
function chooseRefresher(
  asked: 'uac' | 'uas' | undefined,
  policy: SessionTimerPolicy,
  agreement: Agreement | undefined,
): 'uac' | 'uas' {
  if (asked !== undefined) return asked
  return (agreement?.refresher ?? policy.refresher ?? 'remote') === 'local' ? 'uas' : 'uac'
}

function supportsTimer(message: SipMessage): boolean {
  try {
    return [...(message.get(Supported) ?? []), ...(message.get(Require) ?? [])].some(isTimer)
  } catch {
    return false
  }
}

function isTimer(tag: string): boolean {
  return tag.toLowerCase() === 'timer'
}

/** A value that cannot be read asks for nothing. */
function sessionExpiresOf(
  message: SipMessage,
): { readonly seconds: number; readonly refresher: 'uac' | 'uas' | undefined } | undefined {
  try {
    return message.get(SessionExpires)
  } catch {
    return undefined
  }
}

function minSeOf(message: SipMessage): number | undefined {
  try {
    return message.get(MinSe)?.value
  } catch {
    return undefined
  }
}

// ---- when ------------------------------------------------------------------------------------------------------

/** Half the interval (RFC 4028 §7.2, §10). */
export function refreshAfterMs(seconds: number): number {
  return seconds * 500
}

/** The BYE goes out a third of the interval, 32 s at most, before the session expires (RFC 4028 §10). */
export function byeAfterMs(seconds: number): number {
  return (seconds - Math.min(32, seconds / 3)) * 1000
}

export type TimerPhase =
  /** No timer was agreed. */
  | 'idle'
  /** We refresh, at half the interval. */
  | 'refresher'
  /** Our refresh is out. */
  | 'refreshing'
  /** The peer refreshes; we watch the clock. */
  | 'watching'
  | 'over'

export type TimerEvent =
  /** A 2xx, sent or received, made us the refresher. */
  | 'agreed-local'
  | 'agreed-remote'
  /** A 2xx without Session-Expires. */
  | 'agreed-none'
  /** Half the interval has passed. */
  | 'refresh-due'
  /** 405 or 501 to UPDATE: re-INVITE from now on. */
  | 'update-refused'
  /** 422, and the interval was raised. */
  | 'too-small'
  /** Any other refusal, or it was not the time for a refresh. */
  | 'refused'
  /** Time for the BYE. */
  | 'expiry-due'
  /** The session is over. */
  | 'end'

export type TimerAction =
  /** Both timers anew: the refresh at half the interval, the BYE before its end. */
  | 'arm-refresh'
  /** The BYE alone. */
  | 'arm-expiry'
  /** The refresh again, soon. */
  | 'arm-retry'
  | 'disarm'
  | 'send-refresh'
  | 'expire'

interface TimerRow {
  readonly to: TimerPhase
  readonly actions: readonly TimerAction[]
}

type TimerTable = Readonly<Record<TimerPhase, Readonly<Record<TimerEvent, TimerRow>>>>

function go(to: TimerPhase, ...actions: TimerAction[]): TimerRow {
  return { to, actions }
}

/** What a new agreement, and the end, do in every phase but the last. */
const agreed = {
  'agreed-local': go('refresher', 'arm-refresh'), // §7.2, §9
  'agreed-remote': go('watching', 'arm-expiry'), // §7.2, §9
  'agreed-none': go('idle', 'disarm'), // §7.2
  end: go('over', 'disarm'),
} satisfies Partial<Record<TimerEvent, TimerRow>>

export const timerTable: TimerTable = {
  idle: {
    ...agreed,
    'refresh-due': go('idle'),
    'update-refused': go('idle'),
    'too-small': go('idle'),
    refused: go('idle'),
    'expiry-due': go('idle'),
  },
  refresher: {
    ...agreed,
    'refresh-due': go('refreshing', 'send-refresh'), // §7.2: half the interval
    'update-refused': go('refresher'),
    'too-small': go('refresher'),
    refused: go('refresher'),
    'expiry-due': go('over', 'disarm', 'expire'), // §10
  },
  refreshing: {
    ...agreed,
    'refresh-due': go('refreshing'),
    'update-refused': go('refreshing', 'send-refresh'), // §7.4: UPDATE is not for everybody
    'too-small': go('refreshing', 'send-refresh'), // §7.3, §7.4
    refused: go('refresher', 'arm-retry'), // §10: the session lives until it expires
    'expiry-due': go('over', 'disarm', 'expire'), // §10: no 2xx to the refresh
  },
  watching: {
    ...agreed,
    'refresh-due': go('watching'),
    'update-refused': go('watching'),
    'too-small': go('watching'),
    refused: go('watching'),
    'expiry-due': go('over', 'disarm', 'expire'), // §10: no refresh came
  },
  over: {
    'agreed-local': go('over'),
    'agreed-remote': go('over'),
    'agreed-none': go('over'),
    'refresh-due': go('over'),
    'update-refused': go('over'),
    'too-small': go('over'),
    refused: go('over'),
    'expiry-due': go('over'),
    end: go('over', 'disarm'),
  },
}

export function stepTimer(phase: TimerPhase, event: TimerEvent): TimerRow {
  return timerTable[phase][event]
}
