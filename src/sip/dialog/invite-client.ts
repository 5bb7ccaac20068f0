import type { SipError } from '../../runtime/errors.ts'
import type { DigestExchange } from '../auth/client.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { requestWithFailover } from '../transaction/failover.ts'
import type { ClientRequest } from '../transaction/failover.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import { sessionBodyOf } from './bodies.ts'
import { Dialog } from './dialog.ts'
import { EarlyDialogs } from './early-dialogs.ts'
import { SipDialogStateError, SipResponseError } from './errors.ts'
import { buildInitialRequest } from './initial-request.ts'
import type { InitialRequest } from './initial-request.ts'
import { InviteSessionBase } from './invite-session.ts'
import { asSipError } from './session-end.ts'
import { addCredentials, isChallenge, towards } from './outgoing.ts'
import { consult } from './owner.ts'
import { reasonsOf } from './reason.ts'
import { checkRedirects, Redirects } from './redirect.ts'
import type { RedirectTarget } from './redirect.ts'
import { optionTag } from './reliable-provisional.ts'
import type { SessionHost } from './session-host.ts'
import { resolveSessionTimer } from './session-timer.ts'
import type { SessionTimerPolicy } from './session-timer.ts'
import { clientTable } from './session-table.ts'
import type { ClientAction, ClientEvent, ClientState } from './session-table.ts'
import type { InviteClientSession, InviteOptions, SessionBody } from './session-types.ts'

/** An INVITE sent, its forks, and the session it may become (RFC 3261 §13.2). */
export class ClientSession
  extends InviteSessionBase<ClientState, ClientEvent, ClientAction>
  implements InviteClientSession
{
  readonly role = 'client' as const
  invite: SipRequest
  readonly #options: InviteOptions
  readonly #redirects: Redirects | undefined
  #initial: InitialRequest
  #destination: Destination
  #offer: SessionBody | undefined
  readonly #exchange: DigestExchange | undefined
  readonly #onGone: (session: ClientSession) => void
  readonly #early: EarlyDialogs
  /** It follows the transport to the server that took the INVITE. */
  #contact: string
  #sequence = 0
  #transaction: ClientRequest | undefined
  /** The 2xx that won. */
  #success: SipResponse | undefined
  /** Our answer to the offer in it, for the ACK. */
  #ackBody: SessionBody | undefined
  #refusal: SipResponse | undefined
  #error: SipError | undefined

  constructor(host: SessionHost, options: InviteOptions, onGone: (session: ClientSession) => void) {
    const callId = options.callId ?? host.newCallId()
    const localTag = host.newTag()
    super({
      host,
      table: clientTable,
      state: 'calling',
      callId,
      localTag,
      digest: host.digest(options.credentials),
      sessionTimer: sessionTimerOf(host, options),
      handlers: options.handlers ?? {},
    })
    this.#onGone = onGone
    this.#options = options
    this.#offer = options.offer
    this.#early = new EarlyDialogs(this, options.offer !== undefined)
    this.#exchange = this.digest?.exchange()
    this.#initial = buildInitialRequest(host, { ...options, method: 'INVITE', callId, localTag })
    this.#destination = this.#initial.destination
    this.#contact = this.#initial.contact
    this.negotiation.invite = 'client'
    if (options.offer !== undefined) this.negotiation.offer = 'local-offer'
    this.invite = this.#build()
    const { followRedirects } = options
    checkRedirects(followRedirects)
    if (followRedirects !== undefined) this.#redirects = new Redirects(followRedirects, this.invite.uri)
  }

  /** Sends the INVITE; the core calls it once the session can be found. */
  start(): void {
    this.#send(this.invite)
  }

  #build(): SipRequest {
    this.#sequence++
    const invite = this.#initial.create(this.#sequence, this.#offer)
    if (this.host.reliability === 'required') invite.headers.append('Require', optionTag)
    this.timer?.outgoing(invite)
    return invite
  }

  #send(invite: SipRequest): void {
    addCredentials(invite, this.#exchange)
    this.invite = invite
    const transaction = requestWithFailover(this.host.transactions, invite, {
      destination: towards(this.#destination, this.#transaction?.target),
      prepare: (request, destination) => {
        this.invite = request
        this.#contact = this.#initial.readdress(request, destination)
      },
    })
    this.#transaction = transaction
    transaction.onResponse = (response, flow) => {
      // What an earlier attempt still gets is of no interest, but for a 2xx, which would leave a call behind.
      if (isSuccess(response)) this.receiveSuccess(response, flow)
      else if (transaction === this.#transaction && this.#success === undefined) {
        this.receiveResponse(response, flow)
      }
    }
    const failed = (error: SipError): void => {
      if (transaction !== this.#transaction || this.#success !== undefined) return
      this.#error = error
      this.feed(this.#follow(this.#redirects?.take()) ? 'challenge' : 'failure')
    }
    transaction.onTimeout = failed
    transaction.onTransportError = failed
  }

  // ---- responses ------------------------------------------------------------------------------------------------

  receiveResponse(response: SipResponse, flow: Flow): void {
    const { statusCode } = response
    if (statusCode < 200) this.#receiveProvisional(response, flow)
    else if (isChallenge(response) && this.#exchange !== undefined) {
      this.#refusal = response
      this.feed('challenge')
    } else {
      this.#refusal = response
      const again =
        this.timer?.raise(response) === true ||
        this.#offerAnother(response) ||
        this.#follow(this.#redirects?.next(response))
      this.feed(again ? 'challenge' : 'refusal')
    }
  }

  /** A peer that would take another offer is asked again with the same Call-ID, as 415 and 420 are answered (RFC 3261 §8.1.3.5). */
  #offerAnother(response: SipResponse): boolean {
    if (this.#offer === undefined || (response.statusCode !== 488 && response.statusCode !== 606))
      return false
    let offer: SessionBody | undefined
    this.tell(() => {
      offer = this.handlers.onOfferRefused?.(response)
    })
    if (offer === undefined) return false
    this.#offer = offer
    return true
  }

  /** Makes the next attempt one at that address (RFC 3261 §8.1.3.4); false: there is none we could call. */
  #follow(first: RedirectTarget | undefined): boolean {
    const { target, to = target, headers = [], route, ...others } = this.#options
    for (let next = first; next !== undefined; next = this.#redirects?.take()) {
      const through = next.route === undefined ? route : [next.route]
      try {
        this.#initial = buildInitialRequest(this.host, {
          from: others.from,
          ...(others.contact === undefined ? {} : { contact: others.contact }),
          ...(through === undefined ? {} : { route: through }),
          method: 'INVITE',
          target: next.target,
          to,
          headers: [...headers, ...next.headers],
          callId: this.callId,
          localTag: this.localTag,
        })
        this.#destination = this.#initial.destination
        this.#contact = this.#initial.contact
        this.#error = undefined
        return true
      } catch (error) {
        this.reportError(error)
      }
    }
    return false
  }

  #receiveProvisional(response: SipResponse, flow: Flow): void {
    const { statusCode, reasonPhrase } = response
    const { tag } = response.to
    if (statusCode === 100) {
      this.feed('provisional')
      this.tell(() => this.handlers.onTrying?.())
      return
    }
    const body = sessionBodyOf(response, this.host.accept)
    const newDialog = tag !== undefined && this.#early.get(tag) === undefined && this.alive
    const rseq = this.#early.rseqOf(response)
    const early = tag === undefined ? undefined : this.#early.note(tag, this.invite, response, body, rseq)
    if (early === 'passed-over') return
    // Without a To tag (RFC 2543 peers) it cannot make a dialog; it is progress all the same.
    this.feed(tag === undefined ? 'provisional' : 'early')
    if (this.machineState !== 'proceeding' && this.machineState !== 'early') return
    this.tell(() =>
      this.handlers.onProgress?.({ response, statusCode, reasonPhrase, body, dialogTag: tag, newDialog }),
    )
    if (early === undefined || (body === undefined && rseq === undefined)) return
    if (rseq !== undefined) this.useFlow(flow)
    this.#early.take(early, response, body, rseq)
  }

  /**
   * A 2xx: the first makes the session; a repeated one gets its ACK again; one of another fork is acknowledged and ended
   * (RFC 3261 §13.2.2.4). Comes here from the transaction, and from the core when that is gone.
   */
  receiveSuccess(response: SipResponse, flow: Flow): void {
    if (this.host.repeatAck(response)) return
    const tag = response.to.tag ?? ''
    if (this.#success !== undefined) {
      // The winner's own 2xx again, while its ACK waits for the owner.
      if (this.dialog?.id.remoteTag === tag) return
      this.host.dropFork(this.invite, response, this.digest, flow)
      return
    }
    if (this.machineState === 'terminated' || this.machineState === 'authenticating') {
      this.host.dropFork(this.invite, response, this.digest, flow)
      return
    }
    this.#success = response
    // A server that was left for its silence has answered after all: the call is there, and the other one is not to ring on.
    if (response.via.branch !== this.#transaction?.branch) this.#transaction?.cancel()
    const early = this.#early.get(tag)?.dialog
    if (early === undefined) {
      this.setDialog(Dialog.fromResponse(this.invite, response))
    } else {
      early.confirm(response)
      this.setDialog(early)
    }
    this.useFlow(flow)
    this.negotiation.invite = 'none'
    this.timer?.accepted(response)
    this.feed('success')
  }

  protected override dialogFor(remoteTag: string): Dialog | undefined {
    return (
      super.dialogFor(remoteTag) ??
      (this.#success === undefined ? this.#early.get(remoteTag)?.dialog : undefined)
    )
  }

  protected override get activeDialog(): Dialog | undefined {
    return this.dialog ?? this.#early.heard?.dialog
  }

  override agreed(dialog: Dialog, theirs: SessionBody): void {
    this.#early.agreed(dialog, theirs)
  }

  protected contact(): string {
    return this.#contact
  }

  // ---- actions --------------------------------------------------------------------------------------------------

  protected act(action: ClientAction): void {
    switch (action) {
      case 'send-cancel':
        this.#transaction?.cancel({ headers: this.wish.headers })
        break
      case 'answer-challenge':
        void this.#answerChallenge()
        break
      case 'send-invite':
        this.#early.clear()
        this.#resend()
        break
      case 'take-answer':
        this.#takeAnswer()
        break
      case 'send-ack':
        this.#sendAck()
        break
      case 'end-refused':
        this.#endRefused()
        break
      case 'end-cancelled':
        this.finishWith({
          by: 'local',
          cause: 'cancelled',
          statusCode: this.#refusal?.statusCode,
          response: this.#refusal,
          reasons: this.wish.reasons,
          error: this.#error,
        })
        break
      case 'end-no-response':
        this.finishWith({
          by: this.#error?.code === 'SIP_TIMEOUT' ? 'timeout' : 'transport',
          cause: 'no-response',
          error: this.#error,
        })
        break
    }
  }

  async #answerChallenge(): Promise<void> {
    try {
      if (this.#refusal !== undefined && isChallenge(this.#refusal)) {
        await this.#exchange?.challenged(this.#refusal)
      }
      this.feed('retry')
    } catch (error) {
      this.#error = asSipError(error)
      this.feed('refusal')
    }
  }

  #resend(): void {
    try {
      this.#send(this.#build())
    } catch (error) {
      this.#error = asSipError(error)
      this.feed('failure')
    }
  }

  #endRefused(): void {
    const response = this.#refusal
    this.finishWith({
      by: 'remote',
      cause: 'refused',
      statusCode: response?.statusCode,
      response,
      reasons: response === undefined ? [] : reasonsOf(response),
      error: this.#error ?? (response === undefined ? undefined : new SipResponseError('INVITE', response)),
    })
  }

  /** Offer and answer of the 2xx (RFC 3261 §13.2.1): the answer to our offer, or the peer's offer, which the ACK answers. */
  #takeAnswer(): void {
    const response = this.#success
    if (response === undefined) return
    const { negotiation, handlers } = this
    this.tell(() => handlers.onAccepted?.(response))
    // Some peers leave the answer out of the 2xx once it was in a 18x of the same dialog.
    const early = this.#early.get(response.to.tag ?? '')
    const settled = early?.settled === true
    const heard = settled && this.#early.heard === early
    const body = settled ? early.body : (sessionBodyOf(response, this.host.accept) ?? early?.body)
    this.#early.clear()
    if (heard) {
      // Complete by a reliable provisional response: what else the 2xx brings is passed over (RFC 3261 §13.2.1).
      this.feed('settled')
      return
    }
    const context = { message: response, phase: 'initial' } as const
    negotiation.offer = 'stable'
    if (this.#offer !== undefined && body === undefined) {
      this.unsettled(new SipDialogStateError('the 2xx brought no answer to our offer'))
      return
    }
    if (body === undefined) {
      this.feed('settled')
      return
    }
    consult<SessionBody | undefined | void>(
      () => {
        if (this.#offer !== undefined) return handlers.onAnswer?.(body, context)
        negotiation.offer = 'remote-offer'
        if (handlers.onOffer === undefined) {
          throw new SipDialogStateError('nobody answers the offer in the 2xx: set handlers.onOffer')
        }
        return handlers.onOffer(body, context)
      },
      answer => {
        negotiation.offer = 'stable'
        // An offer that came reliably was answered in its PRACK.
        if (this.#offer === undefined && answer !== undefined && !settled) this.#ackBody = answer
        this.feed('settled')
      },
      error => {
        negotiation.offer = 'stable'
        this.unsettled(error)
      },
    )
  }

  #sendAck(): void {
    const { dialog } = this
    if (dialog === undefined || this.#success === undefined) return
    const ack = dialog.createAck(this.invite, {
      headers: this.host.identity('request'),
      ...(this.#ackBody === undefined ? {} : { body: this.#ackBody }),
    })
    this.host.acknowledge(this.#success, ack, this.flow)
  }

  protected onTerminated(): void {
    this.#early.clear()
    this.#onGone(this)
  }
}

function sessionTimerOf(host: SessionHost, { sessionTimer }: InviteOptions): SessionTimerPolicy | undefined {
  return host.sessionTimer === undefined ? undefined : resolveSessionTimer(sessionTimer, host.sessionTimer)
}

function isSuccess(response: SipResponse): boolean {
  return response.statusCode >= 200 && response.statusCode < 300
}
