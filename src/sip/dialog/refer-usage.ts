import type { SipError } from '../../runtime/errors.ts'
import { SipError as SipErrorClass } from '../../runtime/errors.ts'
import type { Clock, Timer } from '../../runtime/runtime.ts'
import { SipAuthError } from '../auth/client.ts'
import { ReferSub } from '../message/headers/session.ts'
import type { SipResponse } from '../message/message.ts'
import type { ReferNews } from './refer-notify.ts'
import type { ReferAction, ReferEvent, ReferState } from './refer-table.ts'
import { referTable } from './refer-table.ts'
import { step } from './session-table.ts'

/** Why a REFER ended as it did. */
export type ReferCause =
  /** A NOTIFY with a final status. */
  | 'notified'
  /** The answer to the REFER itself. */
  | 'refer-refused'
  /** No answer to the REFER. */
  | 'refer-unanswered'
  /** Taken with `Refer-Sub: false` (RFC 4488): nobody tells. */
  | 'no-notify'
  /** The subscription was ended without a final status. */
  | 'ended-without-word'
  /** No NOTIFY, or no final one, in time. */
  | 'silence'
  /** The other side took it and hung up before it told. */
  | 'hung-up'

/** How a REFER ended. A value, never an exception. */
export interface ReferEnd {
  /**
   * - `transferred`: the other party says that it reached the target
   * - `refused`: it would not try
   * - `failed`: it tried and did not reach the target, or the REFER got no answer
   * - `unknown`: it took the REFER, and never told
   */
  readonly outcome: 'transferred' | 'refused' | 'failed' | 'unknown'
  readonly cause: ReferCause
  /** The status that decided, or, when none did, the last one heard of. */
  readonly statusCode?: number
  readonly reasonPhrase?: string
  readonly error?: SipError
}

/** Longest wait for the first NOTIFY: 64*T1 (RFC 6665 §4.1.2.4). */
const FIRST_NOTIFY_MS = 32_000
/** For the NOTIFY that follows a BYE. */
const GRACE_MS = 2_000

const ends: Readonly<Partial<Record<ReferAction, { outcome: ReferEnd['outcome']; cause: ReferCause }>>> = {
  'end-transferred': { outcome: 'transferred', cause: 'notified' },
  'end-refused': { outcome: 'refused', cause: 'refer-refused' },
  'end-unanswered': { outcome: 'failed', cause: 'refer-unanswered' },
  'end-failed': { outcome: 'failed', cause: 'notified' },
  'end-untold': { outcome: 'unknown', cause: 'no-notify' },
  'end-fell-silent': { outcome: 'unknown', cause: 'ended-without-word' },
  'end-silence': { outcome: 'unknown', cause: 'silence' },
  'end-call-ended': { outcome: 'unknown', cause: 'hung-up' },
}

const waits: Readonly<Partial<Record<ReferAction, (timeoutMs: number) => number>>> = {
  'arm-first': timeoutMs => Math.min(timeoutMs, FIRST_NOTIFY_MS),
  'arm-whole': timeoutMs => timeoutMs,
  'arm-grace': () => GRACE_MS,
}

/** One REFER we sent: runs `referTable` until it is known, or clear that it will not be, what became of it. */
export class ReferUsage {
  /** Each status of the target on the way. */
  onProgress: ((news: ReferNews) => void) | undefined
  readonly ended: Promise<ReferEnd>
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #settle: (end: ReferEnd) => void
  #state: ReferState = 'sent'
  #timer: Timer | undefined
  #id: string | undefined
  #statusCode: number | undefined
  #reasonPhrase: string | undefined
  #error: SipError | undefined

  /** `timeoutMs`: how long to wait for a final NOTIFY, from the first on. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    let settle!: (end: ReferEnd) => void
    this.ended = new Promise(resolve => {
      settle = resolve
    })
    this.#settle = settle
  }

  get over(): boolean {
    return this.#state === 'over'
  }

  /** The CSeq of the REFER, once it was answered: what NOTIFYs call it by (RFC 3515 §2.4.6). */
  get id(): string | undefined {
    return this.#id
  }

  /** The final response to the REFER. */
  answered(response: SipResponse): void {
    this.#id = String(response.cseq.sequence)
    const { statusCode, reasonPhrase } = response
    if (statusCode >= 300) {
      this.#note(statusCode, reasonPhrase)
      this.#feed('refused')
    } else {
      this.#feed(withoutNotify(response) ? 'taken-untold' : 'taken')
    }
  }

  /** There is none: nobody answered, it could not be sent, or its challenge could not be answered. */
  unanswered(error: unknown): void {
    this.#error =
      error instanceof SipErrorClass
        ? error
        : new SipErrorClass('SIP_STATE', 'the REFER could not be sent', { cause: error })
    if (error instanceof SipAuthError) this.#note(error.statusCode, error.response.reasonPhrase)
    this.#feed(error instanceof SipAuthError ? 'refused' : 'unanswered')
  }

  /** Whether that NOTIFY is about this REFER; before the REFER is answered any may be. */
  isAbout(news: ReferNews): boolean {
    return news.id === undefined || this.#id === undefined || news.id === this.#id
  }

  notified(news: ReferNews): void {
    if (this.over) return
    if (news.statusCode !== undefined) this.#note(news.statusCode, news.reasonPhrase)
    if (news.statusCode !== undefined) this.onProgress?.(news)
    this.#feed(news.event)
  }

  callEnded(): void {
    this.#feed('call-ended')
  }

  #note(statusCode: number, reasonPhrase: string | undefined): void {
    this.#statusCode = statusCode
    this.#reasonPhrase = reasonPhrase
  }

  #feed(event: ReferEvent): void {
    const { to, actions } = step(referTable, this.#state, event)
    this.#state = to
    for (const action of actions) this.#carryOut(action)
  }

  #carryOut(action: ReferAction): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const wait = waits[action]
    if (wait !== undefined) {
      const at = this.#clock.now() + wait(this.#timeoutMs)
      this.#timer = this.#clock.setTimer(at, () => this.#feed('timeout'))
      return
    }
    const end = ends[action]
    if (end === undefined) return
    this.#settle({
      ...end,
      ...(this.#statusCode === undefined ? {} : { statusCode: this.#statusCode }),
      ...(this.#reasonPhrase === undefined ? {} : { reasonPhrase: this.#reasonPhrase }),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    })
  }
}

function withoutNotify(response: SipResponse): boolean {
  try {
    return response.get(ReferSub)?.value.toLowerCase() === 'false'
  } catch {
    return false
  }
}
