import { OptionError } from '../../runtime/errors.ts'
import type { SipError } from '../../runtime/errors.ts'
import type { Timer } from '../../runtime/runtime.ts'
import { createResponse } from '../message/build.ts'
import { Expires } from '../message/headers/session.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import { sessionBodyOf } from './bodies.ts'
import { Dialog } from './dialog.ts'
import { SipDialogStateError } from './errors.ts'
import { checkProvisional, inviteResponse, readTarget } from './invite-responses.ts'
import { InviteSessionBase } from './invite-session.ts'
import { consult } from './owner.ts'
import { reasonsOf } from './reason.ts'
import { optionTag, reliabilityOf } from './reliable-provisional.ts'
import { ReliableProgress } from './reliable-progress.ts'
import type { SessionHost } from './session-host.ts'
import { serverTable } from './session-table.ts'
import type { ServerAction, ServerEvent, ServerState } from './session-table.ts'
import type {
  AnswerOptions,
  HeaderList,
  InviteServerSession,
  RejectOptions,
  RespondOptions,
  RingOptions,
  SessionBody,
} from './session-types.ts'
import { SuccessRepeater } from './success-repeater.ts'

/** Longest Expires kept, seconds: no call rings for a day. */
const MAX_EXPIRES = 86_400

/** A provisional response is repeated so often while nothing else is sent (RFC 3261 §13.3.1.1). */
const REFRESH_MS = 60_000

/** An INVITE received outside any dialog, and the session it may become (RFC 3261 §13.3). */
export class ServerSession
  extends InviteSessionBase<ServerState, ServerEvent, ServerAction>
  implements InviteServerSession
{
  readonly role = 'server' as const
  readonly invite: SipRequest
  readonly offer: SessionBody | undefined
  readonly #transaction: ServerTransaction
  readonly #onGone: () => void
  #contact: string | undefined
  #answered = false
  #early: SessionBody | undefined
  /** Made with the first provisional response that goes reliably. */
  #reliable: ReliableProgress | undefined
  /** The latest provisional response, when it went reliably: after a minute it goes again, as another one. */
  #again: RingOptions | undefined
  /** A 2xx that waits for a PRACK (RFC 3262 §3). */
  #held: AnswerOptions | undefined
  #provisional: SipResponse | undefined
  #success: SipResponse | undefined
  #refusal: SipResponse | undefined
  #cancel: SipRequest | undefined
  #broken: SipError | undefined
  #ack: SipRequest | undefined
  #repeater: SuccessRepeater | undefined
  #refresh: Timer | undefined
  readonly #expiry: Timer | undefined

  constructor(host: SessionHost, transaction: ServerTransaction, onGone: () => void) {
    const { request, flow } = transaction
    super({
      host,
      table: serverTable,
      state: 'trying',
      callId: request.callId,
      localTag: transaction.toTag,
      digest: host.digest(undefined),
      sessionTimer: host.sessionTimer,
      handlers: {},
    })
    this.invite = request
    this.offer = sessionBodyOf(request, host.accept)
    this.#transaction = transaction
    this.#onGone = onGone
    this.negotiation.invite = 'server'
    // Without an offer, one of ours is due first: until then the peer may not make one (RFC 3311 §5.1).
    this.negotiation.offer = this.offer === undefined ? 'local-offer' : 'remote-offer'
    this.setDialog(Dialog.fromRequest(request, this.localTag))
    this.useFlow(flow)
    this.#expiry = this.#armExpiry()
    // Not assigned where they are written: V8 puts a function that is straight into its old space, and with it, once the
    // call is over, all the garbage of the call until the next full collection.
    const cancelled = (cancel: SipRequest): void => {
      this.#cancel = cancel
      this.feed('cancel')
    }
    const broken = (error: SipError): void => {
      this.#broken = error
      this.feed('broken')
    }
    transaction.onCancel = cancelled
    transaction.onTransportError = broken
  }

  get answered(): boolean {
    return this.#answered || this.machineState === 'terminated'
  }

  ring(options: RingOptions = {}): void {
    if (this.answered) return
    const body = this.#reliable?.agreed === true ? undefined : (options.body ?? this.#early)
    const reliable = this.#ringsReliably(options, body)
    if (body !== undefined && this.offer === undefined && !reliable) {
      throw new SipDialogStateError(
        'the INVITE brought no offer, and the caller does not take reliable provisional responses: answer the call instead',
      )
    }
    const statusCode = options.statusCode ?? (body === undefined ? 180 : 183)
    checkProvisional(statusCode)
    const headers: (readonly [string, string])[] = [
      ...this.targetHeaders('response'),
      ...(options.headers ?? []),
    ]
    if (reliable) headers.push(['Require', optionTag])
    const response = inviteResponse(this.invite, this.localTag, statusCode, headers, {
      reasonPhrase: options.reasonPhrase,
      body,
    })
    this.#early = body ?? this.#early
    this.#provisional = reliable ? undefined : response
    this.#again = reliable ? { statusCode, reliable } : undefined
    this.feed('ring')
    if (reliable) this.#reliably().send(response)
  }

  get canRingReliably(): boolean {
    return this.host.reliability !== 'off' && reliabilityOf(this.invite) !== 'off'
  }

  /** RFC 3262 §3: as the owner likes where the caller can, and always where one side requires it. */
  #ringsReliably({ reliable }: RingOptions, body: SessionBody | undefined): boolean {
    const { reliability } = this.host
    if (reliability === 'off') return false
    const wanted = reliability === 'required' || (reliable ?? body !== undefined)
    // A plain 180 asks nobody.
    if (!wanted && !this.invite.headers.has('Require')) return false
    const peer = reliabilityOf(this.invite)
    return peer === 'required' || (wanted && peer === 'supported')
  }

  #reliably(): ReliableProgress {
    this.#reliable ??= new ReliableProgress(this, this.invite, this.offer !== undefined, {
      transmit: response => this.tell(() => this.#transaction.respond(response)),
      giveUp: () => {
        this.#refusal = this.#refusalWith(504, { reasonPhrase: 'No PRACK' })
        this.feed('no-prack')
      },
      refused: () => {
        this.#refusal = this.#refusalWith(488)
        this.feed('reject')
      },
      settled: () => this.#release(),
    })
    return this.#reliable
  }

  protected override receivePrack(transaction: ServerTransaction): void {
    if (this.#reliable === undefined) this.respond(transaction, 481)
    else this.#reliable.receive(transaction)
  }

  /** A 2xx that waited for a PRACK goes now. */
  #release(): void {
    const held = this.#held
    if (held === undefined || this.#reliable?.holdsSuccess === true) return
    if (this.machineState === 'terminated') return
    this.#held = undefined
    this.#succeed(held.statusCode ?? 200, held)
  }

  answer(options: AnswerOptions = {}): boolean {
    if (this.answered) return false
    const statusCode = options.statusCode ?? 200
    if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 299) {
      throw new OptionError('statusCode', `${statusCode} does not answer a call; give 200 to 299`)
    }
    if (this.#reliable?.holdsSuccess === true) {
      // Made to see that it can be; when it goes offer and answer may have come further.
      void this.#successWith(statusCode, options)
      this.#held = { ...options, statusCode }
      this.#answered = true
      return true
    }
    this.#succeed(statusCode, options)
    return true
  }

  #successWith(statusCode: number, options: AnswerOptions): SipResponse {
    // After a reliable answer the 2xx brings none (RFC 6337 §3.1.1).
    const body = this.#reliable?.agreed === true ? undefined : (options.body ?? this.#early)
    const contact = options.contact ?? this.contact()
    const headers = [
      ['Contact', contact] as const,
      ...this.host.capabilities('response'),
      ...(options.headers ?? []),
    ]
    return inviteResponse(this.invite, this.localTag, statusCode, headers, { body })
  }

  #succeed(statusCode: number, options: AnswerOptions): void {
    const success = this.#successWith(statusCode, options)
    this.#success = success
    this.timer?.answering(this.invite, success)
    this.#answered = true
    const { negotiation } = this
    negotiation.invite = 'none'
    if (this.#reliable?.agreed !== true) {
      negotiation.offer = this.offer === undefined && success.body.length > 0 ? 'local-offer' : 'stable'
    }
    this.dialog?.confirm()
    this.feed('answer')
  }

  reject(statusCode: number, options: RejectOptions = {}): boolean {
    if (!Number.isInteger(statusCode) || statusCode < 300 || statusCode > 699) {
      throw new OptionError('statusCode', `${statusCode} does not refuse a call; give 400 to 699`)
    }
    if (this.answered) return false
    this.#refusal = this.#refusalWith(statusCode, options)
    this.#answered = true
    this.feed('reject')
    return true
  }

  redirect(
    targets: readonly string[],
    options: { readonly permanent?: boolean; readonly headers?: HeaderList } = {},
  ): boolean {
    if (targets.length === 0) throw new OptionError('targets', 'give at least one address to redirect to')
    const contacts = targets.map((target, index) => ['Contact', readTarget(target, index)] as const)
    return this.reject(options.permanent === true ? 301 : 302, {
      headers: [...contacts, ...(options.headers ?? [])],
    })
  }

  protected contact(): string {
    const { uri } = this.invite
    const { flow } = this.#transaction
    const sip = uri.kind === 'sip' ? uri : undefined
    this.#contact ??= this.host.contact(flow, sip?.user, flow.secure && sip?.scheme === 'sips')
    return this.#contact
  }

  protected override acknowledged(ack: SipRequest): void {
    if (ack.cseq.sequence !== this.invite.cseq.sequence) {
      super.acknowledged(ack)
      return
    }
    this.#ack = ack
    this.feed('ack')
  }

  protected act(action: ServerAction): void {
    switch (action) {
      case 'send-provisional':
        if (this.#provisional !== undefined) this.#transaction.respond(this.#provisional)
        break
      case 'arm-refresh':
        this.#refresh?.cancel()
        this.#refresh = this.#armRefresh()
        break
      case 'disarm-waiting':
        this.#refresh?.cancel()
        this.#expiry?.cancel()
        this.#reliable?.final()
        break
      case 'send-success':
        this.#sendSuccess()
        break
      case 'start-repeat':
        this.#startRepeat()
        break
      case 'stop-repeat':
        this.#repeater?.stop()
        break
      case 'send-refusal':
        this.#refuse(this.#refusal?.statusCode ?? 500, () => this.#refusal)
        break
      case 'send-unavailable':
        this.#refuse(480, () => this.#refusalWith(480, { headers: this.wish.headers }))
        break
      case 'send-terminated':
        this.#refuse(487, () => this.#refusalWith(487))
        break
      case 'take-ack':
        this.#takeAck()
        break
      case 'end-cancelled':
        this.finishWith({
          by: 'remote',
          cause: 'cancelled',
          statusCode: 487,
          request: this.#cancel,
          reasons: this.#cancel === undefined ? [] : reasonsOf(this.#cancel),
        })
        break
      case 'end-expired':
        this.finishWith({ by: 'timeout', cause: 'cancelled', statusCode: 487 })
        break
      case 'end-no-prack':
        this.finishWith({ by: 'timeout', cause: 'no-ack', statusCode: 504 })
        break
      case 'end-refused':
        this.finishWith({
          by: 'local',
          cause: 'refused',
          statusCode: this.#transaction.response?.statusCode,
          reasons: this.#transaction.response === undefined ? [] : reasonsOf(this.#transaction.response),
        })
        break
      case 'end-transport':
        this.finishWith({ by: 'transport', cause: 'no-response', error: this.#broken })
        break
    }
  }

  #armRefresh(): Timer {
    const { clock } = this.host
    return clock.setTimer(clock.now() + REFRESH_MS, () => {
      if (this.#again === undefined) this.feed('refresh')
      else this.tell(() => this.ring(this.#again))
    })
  }

  #after(ms: number, event: ServerEvent): Timer {
    const { clock } = this.host
    return clock.setTimer(clock.now() + ms, () => this.feed(event))
  }

  /** How long the caller wants to wait (§13.3.1); a value that cannot be read is passed over. */
  #armExpiry(): Timer | undefined {
    try {
      const seconds = this.invite.get(Expires)
      return seconds === undefined ? undefined : this.#after(Math.min(seconds, MAX_EXPIRES) * 1000, 'expire')
    } catch {
      return undefined
    }
  }

  #sendSuccess(): void {
    const success = this.#success
    if (success === undefined) return
    // What callbacks could tell now, a CANCEL or a transport error, changes nothing any more.
    this.#transaction.detach()
    this.#transaction.respond(success)
    this.tell(() => this.handlers.onAccepted?.(success))
  }

  #startRepeat(): void {
    const { clock, t1, t2 } = this.host
    this.#repeater = new SuccessRepeater({
      clock,
      t1,
      t2,
      resend: () =>
        this.tell(() => {
          if (this.#success !== undefined) this.#transaction.respond(this.#success)
        }),
      giveUp: () => this.feed('no-ack'),
    })
  }

  /** @throws OptionError, SipSerialiseError what cannot be sent */
  #refusalWith(statusCode: number, options: RespondOptions = {}): SipResponse {
    const headers = [...this.host.identity('response'), ...(options.headers ?? [])]
    return inviteResponse(this.invite, this.#transaction.toTag, statusCode, headers, options)
  }

  /** The final response; when that one cannot be sent the bare status, for the caller is owed an end. */
  #refuse(statusCode: number, make: () => SipResponse | undefined): void {
    this.#answered = true
    try {
      const response = make()
      if (response !== undefined) this.#transaction.respond(response)
    } catch (error) {
      this.reportError(error)
    }
    if ((this.#transaction.response?.statusCode ?? 0) >= 200) return
    this.#transaction.respond(createResponse(this.invite, statusCode, { toTag: this.#transaction.toTag }))
  }

  /** The ACK completes the session; when our offer went in the 2xx, it brings the answer (RFC 3261 §13.2.1). */
  #takeAck(): void {
    const ack = this.#ack
    if (ack === undefined || this.#reliable?.agreed === true || this.negotiation.offer !== 'local-offer') {
      this.feed('settled')
      return
    }
    this.negotiation.offer = 'stable'
    const answer = sessionBodyOf(ack, this.host.accept)
    if (answer === undefined) {
      this.unsettled(new SipDialogStateError('the ACK brought no answer to the offer in our 2xx'))
      return
    }
    consult(
      () => this.handlers.onAnswer?.(answer, { message: ack, phase: 'initial' }),
      () => this.feed('settled'),
      error => this.unsettled(error),
    )
  }

  protected onTerminated(): void {
    this.#repeater?.stop()
    // The transaction outlives the session by half a minute; it must not keep it.
    this.#transaction.detach()
    this.#onGone()
  }
}
