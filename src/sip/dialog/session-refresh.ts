import { SipError } from '../../runtime/errors.ts'
import type { Timer } from '../../runtime/runtime.ts'
import { Allow, Supported } from '../message/headers/capabilities.ts'
import type { SipMessage, SipRequest, SipResponse } from '../message/message.ts'
import type { Refusal } from './core-types.ts'
import type { SessionHost } from './session-host.ts'
import {
  agreedByResponse,
  answerTimer,
  byeAfterMs,
  raisedMinSe,
  refreshAfterMs,
  requestHeaders,
  stepTimer,
  tooSmall,
} from './session-timer.ts'
import type {
  Agreement,
  SessionTimerPolicy,
  TimerAction,
  TimerEvent,
  TimerPhase,
  TimerState,
} from './session-timer.ts'
import type { InviteSession } from './session-types.ts'

/** How often the interval is raised for one session: a peer that asks for more every time is not followed for ever. */
const MAX_RAISES = 4
/** The least wait before a refused refresh is tried again, milliseconds. */
const MIN_RETRY_MS = 5_000

/** The peer, or we, let the session interval pass without a refresh (RFC 4028 §10). */
export class SessionExpiredError extends SipError {
  override readonly name: string = 'SessionExpiredError'
  readonly seconds: number

  constructor({ seconds, refresher }: Agreement) {
    super(
      'SIP_TIMEOUT',
      `the session interval of ${seconds} s ran out: ${refresher === 'remote' ? 'the peer, which was to, did not refresh the session' : 'no refresh of ours was accepted'} (RFC 4028); see sessionTimer`,
    )
    this.seconds = seconds
  }
}

/** What a session timer needs of its session. */
export interface RefreshingSession extends Pick<
  InviteSession,
  'handlers' | 'invite' | 'reinvite' | 'request' | 'state'
> {
  readonly host: Pick<SessionHost, 'clock' | 'supported'>
  lost(error: unknown): void
}

/** The session timer of one session: puts its headers into INVITE, UPDATE and their 2xx, refreshes, and ends what nobody refreshes. */
export class SessionRefresh implements TimerState {
  policy: SessionTimerPolicy | undefined
  agreement: Agreement | undefined
  minSe = 0
  readonly #session: RefreshingSession
  #phase: TimerPhase = 'idle'
  #raises = 0
  /** Whether the peer's latest Allow has UPDATE. */
  #updateAllowed = false
  #expiresAt = 0
  #refreshTimer: Timer | undefined
  #expiryTimer: Timer | undefined

  constructor(session: RefreshingSession, policy: SessionTimerPolicy | undefined) {
    this.#session = session
    this.policy = policy
  }

  // ---- messages of ours -----------------------------------------------------------------------------------------

  /** An INVITE or UPDATE of ours, before it goes out. */
  outgoing(request: SipRequest): void {
    if (this.#isEarly(request.method)) return
    for (const [name, value] of requestHeaders(this)) request.headers.set(name, value)
    if (this.policy === undefined && this.#session.host.supported.includes('timer')) {
      const others = this.#session.host.supported.filter(tag => tag !== 'timer')
      if (others.length === 0) request.headers.delete('Supported')
      else request.set(Supported, others)
    }
  }

  /** A 2xx to an INVITE or UPDATE of ours. */
  accepted(response: SipResponse): void {
    this.#noteAllow(response)
    if (this.#isEarly(response.cseq.method)) return
    this.#agree(agreedByResponse(response, this))
  }

  /** A 422 to an INVITE or UPDATE of ours: true when the interval was raised, and it is worth sending again (RFC 4028 §7.3). */
  raise(response: SipResponse): boolean {
    const minSe = raisedMinSe(response, this)
    if (minSe === undefined || this.#raises >= MAX_RAISES) return false
    this.#raises++
    this.minSe = minSe
    return true
  }

  // ---- messages of the peer's -----------------------------------------------------------------------------------

  /** An INVITE or UPDATE of the peer's: its refusal, when it asks for too short an interval. */
  judge(request: SipRequest): Refusal | undefined {
    return this.#isEarly(request.method) ? undefined : intervalRefusal(request, this.policy)
  }

  /** Our 2xx to an INVITE or UPDATE, before it goes out. */
  answering(request: SipRequest, response: SipResponse): void {
    this.#noteAllow(request)
    if (this.#isEarly(request.method)) return
    const { headers, agreement } = answerTimer(request, this)
    for (const [name, value] of headers) response.headers.set(name, value)
    this.#agree(agreement)
  }

  /** There is no session to refresh before the INVITE is answered: what its 2xx says counts. */
  #isEarly(method: string): boolean {
    return method === 'UPDATE' && this.#session.state !== 'confirmed'
  }

  /** The session is over. */
  close(): void {
    this.#feed('end')
  }

  // ---- the machine ----------------------------------------------------------------------------------------------

  #agree(agreement: Agreement | undefined): void {
    this.agreement = agreement
    this.#feed(agreement === undefined ? 'agreed-none' : `agreed-${agreement.refresher}`)
  }

  #feed(event: TimerEvent): void {
    const { to, actions } = stepTimer(this.#phase, event)
    this.#phase = to
    for (const action of actions) this.#carryOut(action)
  }

  #carryOut(action: TimerAction): void {
    const { agreement } = this
    switch (action) {
      case 'disarm':
        this.#disarm()
        break
      case 'arm-refresh':
      case 'arm-expiry':
        if (agreement !== undefined) this.#arm(agreement, action === 'arm-refresh')
        break
      case 'arm-retry':
        this.#armRetry()
        break
      case 'send-refresh':
        void this.#refresh()
        break
      case 'expire':
        if (agreement !== undefined) this.#session.lost(new SessionExpiredError(agreement))
        break
    }
  }

  #arm({ seconds }: Agreement, ours: boolean): void {
    const { clock } = this.#session.host
    const now = clock.now()
    this.#disarm()
    this.#expiresAt = now + byeAfterMs(seconds)
    this.#expiryTimer = clock.setTimer(this.#expiresAt, () => this.#feed('expiry-due'))
    if (!ours) return
    this.#refreshTimer = clock.setTimer(now + refreshAfterMs(seconds), () => this.#feed('refresh-due'))
  }

  /** A quarter of the time that is left, so that several attempts fit in. */
  #armRetry(): void {
    const { clock } = this.#session.host
    const now = clock.now()
    this.#refreshTimer?.cancel()
    const at = now + Math.max(MIN_RETRY_MS, (this.#expiresAt - now) / 4)
    this.#refreshTimer = clock.setTimer(at, () => this.#feed('refresh-due'))
  }

  #disarm(): void {
    this.#refreshTimer?.cancel()
    this.#expiryTimer?.cancel()
    this.#refreshTimer = undefined
    this.#expiryTimer = undefined
  }

  // ---- the refresh ----------------------------------------------------------------------------------------------

  /** UPDATE where the peer takes it, for it moves no media; else the offer that holds already, in a re-INVITE (RFC 4028 §7.4). */
  async #refresh(): Promise<void> {
    try {
      if (this.#updateAllowed) await this.#update()
      else await this.#reinvite()
    } catch {
      // What ends the session has ended it; anything else leaves it until it expires.
      this.#feed('refused')
    }
  }

  async #update(): Promise<void> {
    const response = await this.#session.request('UPDATE')
    const { statusCode } = response
    if (statusCode < 300) return
    if (statusCode === 405 || statusCode === 501) {
      this.#updateAllowed = false
      this.#feed('update-refused')
    } else {
      this.#feed(this.raise(response) ? 'too-small' : 'refused')
    }
  }

  async #reinvite(): Promise<void> {
    const { handlers, invite } = this.#session
    const ask = handlers.onOfferRequest?.bind(handlers)
    const context = { message: invite, phase: 'reinvite' } as const
    await this.#session.reinvite(ask === undefined ? {} : { offer: () => ask(context) })
  }

  /** RFC 3261 §20.5: no Allow says nothing; what was known holds. */
  #noteAllow(message: SipMessage): void {
    try {
      const allow = message.get(Allow)
      if (allow !== undefined) this.#updateAllowed = allow.includes('UPDATE')
    } catch {
      // One that cannot be read says nothing either.
    }
  }
}

/** 422 with Min-SE (RFC 4028 §9). */
export function intervalRefusal(
  request: SipRequest,
  policy: SessionTimerPolicy | undefined,
): Refusal | undefined {
  if (request.method !== 'INVITE' && request.method !== 'UPDATE') return undefined
  const minSe = tooSmall(request, policy)
  return minSe === undefined ? undefined : { statusCode: 422, headers: [['Min-SE', String(minSe)]] }
}
