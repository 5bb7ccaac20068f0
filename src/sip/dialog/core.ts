import { OptionError, SipError } from '../../runtime/errors.ts'
import { TurnoverMap } from '../../runtime/turnover-map.ts'
import type { Admitted } from '../auth/admission.ts'
import type { DigestClient } from '../auth/client.ts'
import { isToken } from '../message/chars.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import { timerValues } from '../transaction/timers.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import type { Flow } from '../transport/flow.ts'
import type { AdmissionGate } from './admission-gate.ts'
import { checkLine } from './checked.ts'
import { CoreSessionHost } from './core-session-host.ts'
import type {
  CoreLimits,
  OutOfDialogRequest,
  Refusal,
  RequestOptions,
  UserAgentCoreOptions,
} from './core-types.ts'
import { answerOutside, checkRequest } from './defaults.ts'
import { idOfResponse, localKey } from './dialog-id.ts'
import { SipDialogStateError } from './errors.ts'
import { ExpiringMap } from './expiring-map.ts'
import { buildInitialRequest } from './initial-request.ts'
import { ClientSession } from './invite-client.ts'
import { ServerSession } from './invite-server.ts'
import { sendAuthenticated } from './outgoing.ts'
import { ServerRequest } from './server-request.ts'
import { reliabilityRefusal } from './reliable-provisional.ts'
import { intervalRefusal } from './session-refresh.ts'
import type {
  IncomingRequest,
  InviteClientSession,
  InviteOptions,
  InviteServerSession,
} from './session-types.ts'

export { dialogChannel } from './diagnostics.ts'

export const defaultCoreLimits: CoreLimits = { dialogs: 10_000, acks: 20_000 }

/** Counters since the core was made; `sessions` is a gauge. */
export interface CoreStats {
  readonly sessions: number
  /** INVITEs answered 503 for the limit or the closing. */
  readonly refused: number
  /** Kept ACKs that went before their time for `limits.acks`. */
  readonly acksDropped: number
  /** 2xx of forks that nobody wanted: acknowledged and ended. */
  readonly forksEnded: number
}

/** What it takes to end a dialog that a late 2xx makes. */
interface LateInvite {
  readonly invite: SipRequest
  readonly digest: DigestClient | undefined
}

type AnySession = ClientSession | ServerSession

/**
 * The user agent core (RFC 3261 §8, §12 to §15) on top of a transaction layer, which it takes over: it finds the dialog of a request, makes
 * sessions of INVITEs, sends requests outside dialogs with digest, and answers what nobody takes.
 */
export class UserAgentCore {
  /** A new call. Set `session.handlers`, then ring, answer, reject or redirect it. Missing: 480. */
  onInvite: ((session: InviteServerSession, admitted: Admitted | undefined) => void) | undefined
  /** Before everything else, for every request outside a dialog but ACK and CANCEL: who is not admitted gets no further. Missing: all are. */
  gate: AdmissionGate | undefined
  /** A request outside any dialog, other than INVITE. Return true when it is, or will be, answered. Missing: OPTIONS 200, others 405 or 501. */
  onRequest: ((request: OutOfDialogRequest) => boolean) | undefined
  /** A SUBSCRIBE or NOTIFY in a dialog that no call has (RFC 6665 §4.5.1). Return true when it is, or will be, answered; missing: 481. */
  onSubscription: ((request: OutOfDialogRequest) => boolean) | undefined
  /** A NOTIFY in a dialog whose call is over: a subscription may outlive it (RFC 5057 §4.1). Return true when it is answered; missing: 481. */
  onLateNotify: ((request: IncomingRequest) => boolean) | undefined
  /**
   * Asked before every request outside a dialog is looked at: a refusal is sent in place of anything else. OPTIONS passes here too, so that it gets the
   * status an INVITE would (RFC 3261 §11.2).
   */
  screen: ((request: SipRequest, flow: Flow) => Refusal | undefined) | undefined

  readonly #transactions: TransactionLayer
  readonly #host: CoreSessionHost
  readonly #limits: CoreLimits
  readonly #retryAfter: string
  readonly #sessions = new TurnoverMap<string, AnySession>()
  /**
   * The latest call and transaction, though nobody asks for them: V8 throws the compiled code of a class away when a full collection finds no
   * instance of it, and at a few hundred calls a second none may be alive at that moment.
   */
  readonly #latest: { call?: ServerSession; transaction?: ServerTransaction } = {}
  readonly #late: ExpiringMap<LateInvite>
  #closing: Promise<void> | undefined
  #refused = 0

  /** @throws OptionError */
  constructor(options: UserAgentCoreOptions) {
    const { transactions, runtime } = options
    const { t1 } = timerValues(options.timers)
    this.#transactions = transactions
    this.#limits = { ...defaultCoreLimits, ...options.limits }
    this.#retryAfter = String(options.retryAfterSeconds ?? 10)
    const kept = { clock: runtime.clock, ttlMs: 64 * t1, max: this.#limits.acks }
    this.#late = new ExpiringMap(kept)
    checkIdentity(options)
    this.#host = new CoreSessionHost(this, options, this.#limits.acks)
    transactions.onRequest = transaction => this.#receive(transaction)
    transactions.onAck = (ack, flow) => this.#receiveAck(ack, flow)
    transactions.onStrayResponse = (response, flow) => this.#receiveStray(response, flow)
  }

  /** Sessions, and what is kept for a while after them: 0 when nothing is left at all. */
  get size(): number {
    return this.#sessions.size + this.#late.size + this.#host.size
  }

  stats(): CoreStats {
    return {
      sessions: this.#sessions.size,
      refused: this.#refused,
      acksDropped: this.#host.acksDropped,
      forksEnded: this.#host.forksEnded,
    }
  }

  // ---- out ------------------------------------------------------------------------------------------------------

  /**
   * Sends an INVITE. The session is under way when this returns; its callbacks run later.
   * @throws OptionError an address that cannot be read
   * @throws SipTransportError a target that names no host
   * @throws SipError SIP_STATE when closing; SIP_LIMIT at `limits.dialogs`
   */
  invite(options: InviteOptions): InviteClientSession {
    if (this.#closing !== undefined) throw new SipDialogStateError('the core is closing: no new calls')
    this.#checkRoom()
    const session = new ClientSession(this.#host, options, gone => {
      const key = localKey(gone.callId, gone.localTag)
      this.#sessions.delete(key)
      this.#late.set(key, { invite: gone.invite, digest: gone.digest })
    })
    const key = localKey(session.callId, session.localTag)
    this.#sessions.set(key, session)
    try {
      session.start()
    } catch (error) {
      this.#sessions.delete(key)
      throw error
    }
    return session
  }

  /**
   * Sends a request outside any dialog and gives its final response, whatever its status. 401 and 407 are answered when there are credentials.
   * @throws OptionError, SipTimeoutError, SipTransportError, SipAuthError
   */
  async request(options: RequestOptions): Promise<SipResponse> {
    const initial = buildInitialRequest(this.#host, {
      ...options,
      callId: options.callId ?? this.#host.newCallId(),
      localTag: this.#host.newTag(),
    })
    let sequence = options.cseq ?? 1
    const { response } = await sendAuthenticated(
      this.#transactions,
      options.digest ?? this.#host.digest(options.credentials),
      () => ({
        request: initial.create(sequence++, options.body),
        destination: initial.destination,
        prepare: (request, destination) => void initial.readdress(request, destination),
      }),
    )
    return response
  }

  /** Refuses what is new, ends every session, and resolves when all are over and their last messages answered or given up. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      const open = [...this.#sessions.values()]
      for (const session of open) session.hangup()
      await Promise.all(open.map(session => session.settled))
      // What is kept for repeated 2xx would hold the process up; with the transport closed nobody comes for it.
      this.#host.forgetAcks()
      this.#late.clear()
    })()
    return this.#closing
  }

  /** What `close()` still waits for ends now: nobody is waited for any more, neither for an ACK nor for the answer to a BYE. */
  abandon(): void {
    for (const session of this.#sessions.values()) session.abandon()
  }

  #checkRoom(): void {
    if (this.#sessions.size < this.#limits.dialogs) return
    throw new SipError(
      'SIP_LIMIT',
      `${this.#limits.dialogs} calls are up: wait for one to end or raise limits.dialogs`,
    )
  }

  // ---- in -------------------------------------------------------------------------------------------------------

  #receive(transaction: ServerTransaction): void {
    this.#latest.transaction = transaction
    const { request } = transaction
    const { tag } = request.to
    if (tag === undefined) {
      this.#receiveOutside(transaction)
      return
    }
    const session = this.#sessions.get(localKey(request.callId, tag))
    if (session === undefined && this.#receiveForSubscription(transaction)) return
    if (session?.end !== undefined || session === undefined) {
      const late = request.method === 'NOTIFY' ? this.onLateNotify : undefined
      if (late?.(new ServerRequest(this.#host, transaction)) === true) return
    }
    if (session !== undefined) session.receive(transaction)
    else this.#answer(transaction, checkRequest(request, this.#host) ?? { statusCode: 481 }) // §12.2.2
  }

  #receiveForSubscription(transaction: ServerTransaction): boolean {
    const { request } = transaction
    if (request.method !== 'SUBSCRIBE' && request.method !== 'NOTIFY') return false
    const { onSubscription } = this
    if (onSubscription === undefined || checkRequest(request, this.#host) !== undefined) return false
    let taken = false
    const refused = this.#ask(() => {
      taken = onSubscription(new ServerRequest(this.#host, transaction))
      return undefined
    })
    if (refused !== undefined) this.#answer(transaction, refused)
    return taken || refused !== undefined
  }

  #receiveOutside(transaction: ServerTransaction): void {
    if (transaction.merged) {
      this.#answer(transaction, { statusCode: 482 }) // §8.2.2.2
      return
    }
    if (this.gate === undefined || transaction.request.method === 'CANCEL') {
      this.#receiveAdmitted(transaction, undefined)
      return
    }
    this.gate.pass(transaction, {
      // A policy may have taken its time: nobody up the stack would catch what is thrown now.
      admitted: admitted =>
        this.#transactions.guard(transaction, () => this.#receiveAdmitted(transaction, admitted)),
      refused: refusal => this.#answer(transaction, refusal),
    })
  }

  #receiveAdmitted(transaction: ServerTransaction, admitted: Admitted | undefined): void {
    const { request, flow } = transaction
    const refusal =
      this.#ask(() => this.screen?.(request, flow)) ??
      this.#checkCapacity(request) ??
      checkRequest(request, this.#host) ??
      intervalRefusal(request, this.#host.sessionTimer) ??
      reliabilityRefusal(request, this.#host.reliability)
    if (refusal !== undefined) {
      this.#answer(transaction, refusal)
      return
    }
    if (request.method === 'INVITE') {
      this.#receiveInvite(transaction, admitted)
      return
    }
    const incoming = new ServerRequest(this.#host, transaction)
    let taken = false
    const refused = this.#ask(() => {
      taken = this.onRequest?.(incoming) === true
      return undefined
    })
    if (taken || incoming.responded) return
    if (refused !== undefined) this.#answer(transaction, refused)
    else if (request.method === 'BYE') this.#answer(transaction, { statusCode: 481 }) // §15.1.2
    else this.#answer(transaction, answerOutside(request, this.#host))
  }

  /** Asks the owner; what it throws is published, and the request answered 500. */
  #ask(question: () => Refusal | undefined): Refusal | undefined {
    try {
      return question()
    } catch (error) {
      if (this.#host.hasSubscribers) this.#host.publish({ kind: 'handler-error', error })
      return { statusCode: 500 }
    }
  }

  #checkCapacity(request: SipRequest): Refusal | undefined {
    if (request.method !== 'INVITE' && request.method !== 'OPTIONS') return undefined
    if (this.#closing === undefined && this.#sessions.size < this.#limits.dialogs) return undefined
    if (request.method === 'INVITE') this.#refused++
    return { statusCode: 503, headers: [['Retry-After', this.#retryAfter]] } // §21.5.4
  }

  #receiveInvite(transaction: ServerTransaction, admitted: Admitted | undefined): void {
    const { onInvite } = this
    if (onInvite === undefined) {
      this.#answer(transaction, { statusCode: 480 })
      return
    }
    const key = localKey(transaction.request.callId, transaction.toTag)
    const session: ServerSession = new ServerSession(this.#host, transaction, () => {
      this.#sessions.delete(key)
      this.#latest.call = session
    })
    this.#sessions.set(key, session)
    try {
      onInvite(session, admitted)
    } catch (error) {
      session.reportError(error)
      session.reject(500)
    }
  }

  #receiveAck(ack: SipRequest, flow: Flow): void {
    const { tag } = ack.to
    // An ACK that belongs to nothing is passed over: there is no answer to an ACK.
    if (tag !== undefined) this.#sessions.get(localKey(ack.callId, tag))?.receiveAck(ack, flow)
  }

  /** A response whose transaction is gone: of interest is a 2xx to an INVITE (RFC 3261 §13.2.2.4). */
  #receiveStray(response: SipResponse, flow: Flow): void {
    const { statusCode } = response
    if (statusCode < 200 || statusCode > 299 || response.cseq.method !== 'INVITE') return
    if (response.vias.length > 1 || this.#host.repeatAck(response)) return
    const { callId, localTag } = idOfResponse(response)
    const key = localKey(callId, localTag)
    const session = this.#sessions.get(key)
    if (session instanceof ClientSession) {
      if (response.cseq.sequence === session.invite.cseq.sequence) session.receiveSuccess(response, flow)
      return
    }
    const late = this.#late.get(key)
    if (late !== undefined) this.#host.dropFork(late.invite, response, late.digest, flow)
  }

  #answer(transaction: ServerTransaction, refusal: Refusal): void {
    new ServerRequest(this.#host, transaction).respond(refusal.statusCode, refusal)
  }
}

/** What goes into every message: a mistake here would keep each of them from being sent. @throws OptionError */
function checkIdentity(options: UserAgentCoreOptions): void {
  checkLine('userAgent', options.userAgent)
  for (const field of ['allow', 'supported'] as const) {
    for (const name of options[field] ?? []) {
      if (!isToken(name)) throw new OptionError(field, `${JSON.stringify(name)} is not a token`)
    }
  }
  for (const type of options.accept ?? []) checkLine('accept', type)
}
