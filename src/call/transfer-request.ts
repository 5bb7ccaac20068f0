import { SipAuthError } from '../sip/auth/client.ts'
import { OptionError, SipError } from '../runtime/errors.ts'
import type { Clock } from '../runtime/runtime.ts'
import { SipResponseError } from '../sip/dialog/errors.ts'
import { ReferNotifier } from '../sip/dialog/refer-notifier.ts'
import type { ReferOrder } from '../sip/dialog/refer-target.ts'
import { honouredHeaders } from '../sip/dialog/refer-target.ts'
import { refusalOf } from '../sip/dialog/refusal.ts'
import type { IncomingRequest, InviteSession } from '../sip/dialog/session-types.ts'
import { Replaces } from '../sip/message/headers/session.ts'
import type { SipRequest } from '../sip/message/message.ts'
import { NameAddr } from '../sip/message/name-addr.ts'
import { telToSip } from '../sip/message/uri.ts'
import type { Call } from './call.ts'
import { checkHeaders, parseTarget } from './checks.ts'
import { ringLimit } from './control-options.ts'
import type { RejectOptions } from './incoming-call.ts'
import type { CallOptions } from './outgoing-call.ts'

/** A REFER should be answered at once (RFC 4320); who has not decided by then is taken to decline. */
const DECIDE_MS = 20_000

/** Added to the ring time: the subscription lasts until the outcome is known. */
const SUBSCRIPTION_SLACK_MS = 30_000

/** What the subscription counts with when the new call may ring for ever. */
const LONGEST_RING_MS = 3_600_000

export interface TransferAcceptOptions extends CallOptions {
  /** Whom to call in place of what was asked for: a number made into a URI of the trunk, for example. */
  readonly target?: string
}

/** @internal */
export interface TransferRequestInit {
  readonly call: Call
  readonly session: InviteSession
  readonly incoming: IncomingRequest
  readonly order: ReferOrder
  readonly clock: Clock
  readonly place: (target: string, options: CallOptions) => Promise<Call>
  readonly onDecided: (accepted: boolean) => void
}

/**
 * The other party of a call asks us to call somebody else (REFER). Listen with `call.on('transfer', request => …)` and `accept` or `reject` it within
 * 20 seconds; what nobody decides on is declined with 603.
 */
export class TransferRequest {
  /** The call it came in. */
  readonly call: Call
  /** Whom we are to call. */
  readonly target: NameAddr
  /** Who says that it asks (RFC 3892): a claim, not a proof. */
  readonly referredBy: NameAddr | undefined
  /** An attended transfer: the new call takes the place of one that the target has. */
  readonly attended: boolean
  /** Headers that were put into the Refer-To URI; `accept` passes the harmless ones on (docs/transfers.md). */
  readonly targetHeaders: ReferOrder['headers']
  /** The REFER as it came. */
  readonly refer: SipRequest
  readonly #init: TransferRequestInit
  #decided = false

  /** @internal */
  constructor(init: TransferRequestInit) {
    const { order, clock } = init
    this.#init = init
    this.call = init.call
    this.target = order.target
    this.referredBy = order.referredBy
    this.attended = order.replaces !== undefined
    this.targetHeaders = order.headers
    this.refer = init.incoming.request
    const timer = clock.setTimer(clock.now() + DECIDE_MS, () => this.reject())
    const undecided = (): void => this.#refuse(481)
    init.call.signal.addEventListener('abort', undecided, { once: true })
    this.#settle = () => {
      timer.cancel()
      init.call.signal.removeEventListener('abort', undecided)
    }
  }

  readonly #settle: () => void

  /** Whether it was accepted or refused, by us or by the clock. */
  get decided(): boolean {
    return this.#decided
  }

  /**
   * Places the call: 202, and a NOTIFY for every step of it. Resolves with the new call once it is answered; the old one stays up until the
   * other party, or we, hang up. The new call goes from who we are in the old one, unless `from` or `trunk` say otherwise.
   * @throws OptionError; SipError SIP_STATE when it was decided before; and what `endpoint.call()` throws, after the other party was told
   */
  async accept(options: TransferAcceptOptions = {}): Promise<Call> {
    checkHeaders(options.headers)
    const { target, ...plan } = this.#plan(options)
    if (this.#decided) {
      throw new SipError(
        'SIP_STATE',
        'the transfer was accepted or declined already, or the call is over; decide within 20 seconds',
      )
    }
    this.#decide(true)
    const { incoming, session, clock, order, place } = this.#init
    incoming.respond(202, order.notify ? {} : { headers: [['Refer-Sub', 'false']] }) // RFC 4488 §4
    const notifier = new ReferNotifier({
      session,
      clock,
      id: incoming.request.cseq.sequence,
      expiresMs: (ringLimit(options.ringTimeoutMs) ?? LONGEST_RING_MS) + SUBSCRIPTION_SLACK_MS,
      silent: !order.notify,
    })
    notifier.tell(100)
    try {
      const call = await place(target, {
        ...plan,
        onProgress: progress => {
          notifier.tell(progress.statusCode, progress.reasonPhrase)
          options.onProgress?.(progress)
        },
      })
      notifier.tell(200)
      return call
    } catch (error) {
      const { statusCode, reasonPhrase } = statusOf(error)
      notifier.tell(statusCode, reasonPhrase)
      throw error
    }
  }

  /** Declines, with a status from 400 to 699; default 603. Nothing happens when it was decided before. */
  reject(statusCode = 603, options: RejectOptions = {}): void {
    if (!Number.isInteger(statusCode) || statusCode < 400 || statusCode > 699) {
      throw new OptionError('statusCode', `${statusCode} does not refuse a transfer; give 400 to 699`)
    }
    checkHeaders(options.headers)
    this.#refuse(statusCode, options)
  }

  #refuse(statusCode: number, options: RejectOptions = {}): void {
    if (this.#decided) return
    this.#decide(false)
    this.#init.incoming.respond(statusCode, options)
  }

  #decide(accepted: boolean): void {
    this.#decided = true
    this.#settle()
    this.#init.onDecided(accepted)
  }

  #plan(options: TransferAcceptOptions): CallOptions & { readonly target: string } {
    const { target, ...rest } = options
    const { replaces, referredBy, headers } = this.#init.order
    const own: (readonly [string, string])[] = [...honouredHeaders(headers)]
    if (referredBy !== undefined) own.push(['Referred-By', referredBy.toString()]) // RFC 3892 §2.2
    if (replaces !== undefined) {
      // Required, or a target that does not know Replaces would ring as for a stranger (RFC 5589 §7.3).
      own.push(['Require', 'replaces'], ['Replaces', Replaces.write(replaces).join()])
    }
    const local = this.call.local.uri
    return {
      ...rest,
      ...(rest.from !== undefined || rest.trunk !== undefined || local.kind !== 'sip'
        ? {}
        : { from: new NameAddr({ uri: local.with({ params: undefined, headers: undefined }) }).toString() }),
      headers: [...own, ...(rest.headers ?? [])],
      target: target === undefined ? this.#asked(rest) : parseTarget(target, 'target').toString(),
    }
  }

  /** A number is called at the trunk, or else where the other party is at home (RFC 3261 §19.1.6). */
  #asked({ trunk }: CallOptions): string {
    const { uri } = this.target
    if (uri.kind !== 'tel') return this.target.toString()
    const home =
      trunk === undefined
        ? ((this.referredBy?.uri.kind === 'sip' ? this.referredBy : undefined) ?? this.call.remote)
        : parseTarget(trunk.aor, 'trunk.aor')
    if (home.uri.kind !== 'sip') {
      throw new OptionError('target', 'a number was asked for; give the URI to call it at, or a trunk')
    }
    return telToSip(uri, home.uri.host, home.uri.port).toString()
  }
}

/** What the other party is told of a call that did not come about. */
function statusOf(error: unknown): { readonly statusCode: number; readonly reasonPhrase?: string } {
  if (error instanceof SipResponseError || error instanceof SipAuthError) {
    const { statusCode, reasonPhrase } = error.response
    return { statusCode, reasonPhrase }
  }
  if (error instanceof Error && error.name === 'AbortError') return { statusCode: 487 }
  const code = error instanceof SipError ? error.code : undefined
  return { statusCode: (code === undefined ? undefined : statuses[code]) ?? refusalOf(error).statusCode }
}

const statuses: Readonly<Partial<Record<SipError['code'], number>>> = {
  SIP_TIMEOUT: 408,
  SIP_TRANSPORT: 503,
  SIP_RESOLVE: 503,
  SIP_LIMIT: 503,
  SIP_CALL_ENDED: 487,
}
