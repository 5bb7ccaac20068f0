import type { SipRequest, SipResponse } from '../message/message.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import { sessionBodyOf } from './bodies.ts'
import type { ChangingSession } from './changes.ts'
import type { Dialog } from './dialog.ts'
import { SipDialogStateError } from './errors.ts'
import { admitInvite, admitUpdate, retryAfterSeconds } from './offer-answer.ts'
import type { Admission } from './offer-answer.ts'
import { consult } from './owner.ts'
import { refusalOf } from './refusal.ts'
import type { SessionBody } from './session-types.ts'
import { SuccessRepeater } from './success-repeater.ts'

/** 2xx to re-INVITEs whose ACK is still due. A peer that sends re-INVITEs without ACKs gets 500 beyond this. */
const MAX_UNACKNOWLEDGED = 8

interface Unacknowledged {
  readonly repeater: SuccessRepeater
  /** Our offer went in the 2xx: the ACK must bring the answer. */
  readonly owesAnswer: boolean
}

/** re-INVITE and UPDATE from the peer (RFC 3261 §14.2, RFC 3311 §5.2). A change that fails leaves the session as it was. */
export class IncomingChanges {
  readonly #session: ChangingSession
  readonly #dialog: Dialog
  /** The re-INVITE or UPDATE the owner is thinking about. */
  #pending: ServerTransaction | undefined
  /** By CSeq. */
  readonly #unacknowledged = new Map<number, Unacknowledged>()

  constructor(session: ChangingSession, dialog: Dialog) {
    this.#session = session
    this.#dialog = dialog
  }

  invite(transaction: ServerTransaction): void {
    const { negotiation, host } = this.#session
    const { request } = transaction
    const admission = admitInvite(negotiation)
    if (admission.verdict === 'refuse' || this.#unacknowledged.size >= MAX_UNACKNOWLEDGED) {
      this.#refuse(transaction, admission)
      return
    }
    negotiation.invite = 'server'
    this.#pending = transaction
    transaction.onCancel = () => this.#abandon()
    const offer = sessionBodyOf(request, this.#session.host.accept)
    if (offer !== undefined) negotiation.offer = 'remote-offer'
    this.#consult(transaction, offer, body => {
      const late = offer === undefined && body !== undefined
      negotiation.invite = 'none'
      negotiation.offer = late ? 'local-offer' : 'stable'
      this.#dialog.refreshTarget(request)
      const response = this.#success(transaction, body)
      this.#unacknowledged.set(request.cseq.sequence, {
        owesAnswer: late,
        repeater: new SuccessRepeater({
          clock: host.clock,
          t1: host.t1,
          t2: host.t2,
          resend: () => transaction.respond(response),
          giveUp: () => this.#session.notAcknowledged(),
        }),
      })
    })
  }

  update(transaction: ServerTransaction): void {
    const { negotiation } = this.#session
    const { request } = transaction
    const offer = sessionBodyOf(request, this.#session.host.accept)
    const admission = admitUpdate(negotiation, offer !== undefined)
    if (admission.verdict === 'refuse') {
      this.#refuse(transaction, admission)
      return
    }
    if (offer === undefined) {
      this.#dialog.refreshTarget(request)
      this.#success(transaction, undefined)
      return
    }
    negotiation.offer = 'remote-offer'
    this.#pending = transaction
    this.#consult(transaction, offer, body => {
      negotiation.offer = 'stable'
      this.#dialog.refreshTarget(request)
      this.#session.agreed(this.#dialog, offer)
      this.#success(transaction, body)
    })
  }

  /** The ACK for one of our 2xx; true when it was awaited. */
  acknowledge(ack: SipRequest): boolean {
    const { sequence } = ack.cseq
    const entry = this.#unacknowledged.get(sequence)
    if (entry === undefined) return false
    entry.repeater.stop()
    this.#unacknowledged.delete(sequence)
    if (!entry.owesAnswer) return true
    const { negotiation, handlers } = this.#session
    negotiation.offer = 'stable'
    const answer = sessionBodyOf(ack, this.#session.host.accept)
    if (answer === undefined) {
      // The offer lapses, and the session goes on as it was.
      this.#session.reportError(
        new SipDialogStateError(
          'the ACK to our 2xx brought no answer to the offer in it: the session stays as it was',
        ),
      )
      this.#lapse()
      return true
    }
    consult(
      () => handlers.onAnswer?.(answer, { message: ack, phase: 'reinvite' }),
      () => {},
      error => {
        this.#session.reportError(error)
        this.#lapse()
      },
    )
    return true
  }

  /** Our offer came to nothing: the owner takes it back. */
  #lapse(): void {
    try {
      this.#session.handlers.onOfferLapsed?.()
    } catch (error) {
      this.#session.reportError(error)
    }
  }

  /** The session is over: what is pending is refused (RFC 3261 §15.1.2), nothing is repeated any more. */
  close(): void {
    this.#abandon()
    for (const { repeater } of this.#unacknowledged.values()) repeater.stop()
    this.#unacknowledged.clear()
  }

  #consult(
    transaction: ServerTransaction,
    offer: SessionBody | undefined,
    accept: (body: SessionBody | undefined) => void,
  ): void {
    const { handlers } = this.#session
    const { request } = transaction
    const context = { message: request, phase: request.method === 'UPDATE' ? 'update' : 'reinvite' } as const
    consult<SessionBody>(
      () => {
        const answer =
          offer === undefined ? handlers.onOfferRequest?.(context) : handlers.onOffer?.(offer, context)
        if (answer === undefined) {
          throw Object.assign(
            new SipDialogStateError(
              `nobody ${offer === undefined ? 'makes offers' : 'answers offers'} for this session: set handlers.${offer === undefined ? 'onOfferRequest' : 'onOffer'}`,
            ),
            { statusCode: 488 },
          )
        }
        return answer
      },
      body => {
        // Cancelled, or over, while the owner was thinking: the request has its final response already.
        if (this.#pending !== transaction) {
          if (offer === undefined) this.#lapse()
          return
        }
        try {
          accept(body)
        } catch (error) {
          if (offer === undefined) this.#lapse()
          throw error
        }
        this.#pending = undefined
      },
      error => {
        if (this.#pending !== transaction) return
        this.#release(transaction)
        const refusal = refusalOf(error, transaction.flow.local.address)
        this.#session.respond(transaction, refusal.statusCode, refusal)
      },
    )
  }

  /** 487 to what the owner has not answered yet. */
  #abandon(): void {
    const transaction = this.#pending
    if (transaction === undefined) return
    this.#release(transaction)
    this.#session.respond(transaction, 487)
  }

  #release(transaction: ServerTransaction): void {
    const { negotiation } = this.#session
    if (this.#pending !== transaction) return
    this.#pending = undefined
    if (transaction.request.method === 'INVITE') negotiation.invite = 'none'
    negotiation.offer = 'stable'
  }

  #refuse(transaction: ServerTransaction, admission: Admission): void {
    if (admission.verdict === 'refuse' && admission.statusCode === 491) {
      this.#session.respond(transaction, 491)
      return
    }
    const seconds = retryAfterSeconds(this.#session.host.random.uint32())
    this.#session.respond(transaction, 500, { headers: [['Retry-After', String(seconds)]] })
  }

  #success(transaction: ServerTransaction, body: SessionBody | undefined): SipResponse {
    const response = this.#session.successResponse(transaction.request, body)
    transaction.respond(response)
    return response
  }
}
