import { RAck } from '../message/headers/session.ts'
import type { RAckValue } from '../message/headers/session.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import { sessionBodyOf } from './bodies.ts'
import type { ChangingSession } from './changes.ts'
import { SipDialogStateError } from './errors.ts'
import { admitUpdate, retryAfterSeconds } from './offer-answer.ts'
import { consult } from './owner.ts'
import { refusalOf } from './refusal.ts'
import { firstRSeq } from './reliable-provisional.ts'
import { ReliableSender } from './reliable-sender.ts'
import type { SessionBody } from './session-types.ts'

/** What becomes of the INVITE by it. */
export interface ProgressOutcome {
  transmit(response: SipResponse): void
  /** 64*T1 without a PRACK: 5xx to the INVITE. */
  giveUp(): void
  /** The answer to our offer will not do: 488 to the INVITE. */
  refused(): void
  /** A 2xx that was held back may go. */
  settled(): void
}

/** The reliable provisional responses of one INVITE received, and the offers and answers in them and in their PRACKs (RFC 3262 §3, §5). */
export class ReliableProgress {
  readonly #session: ChangingSession
  readonly #invite: SipRequest
  readonly #offered: boolean
  readonly #outcome: ProgressOutcome
  readonly #sender: ReliableSender
  #agreed = false
  /** The owner thinks about what a PRACK brought. */
  #consulting = false

  constructor(
    session: ChangingSession,
    invite: SipRequest,
    /** The INVITE brought an offer. */
    offered: boolean,
    outcome: ProgressOutcome,
  ) {
    this.#session = session
    this.#invite = invite
    this.#offered = offered
    this.#outcome = outcome
    const { clock, t1, random } = session.host
    this.#sender = new ReliableSender({
      clock,
      t1,
      firstRSeq: firstRSeq(random.uint32()),
      transmit: response => outcome.transmit(response),
      giveUp: () => outcome.giveUp(),
    })
  }

  /** Offer and answer of the INVITE are complete: the 2xx brings neither. */
  get agreed(): boolean {
    return this.#agreed
  }

  /** The 2xx has to wait: a session description is out without PRACK (RFC 3262 §3). */
  get holdsSuccess(): boolean {
    return this.#consulting || this.#sender.holdsSuccess
  }

  send(response: SipResponse): void {
    if (response.body.length > 0 && !this.#offered) this.#session.negotiation.offer = 'local-offer'
    this.#sender.send(response)
  }

  /** The INVITE has its final response. */
  final(): void {
    this.#sender.final()
  }

  receive(transaction: ServerTransaction): void {
    const session = this.#session
    const { request } = transaction
    const rack = readRAck(request)
    const response = rack && this.#sender.matching(rack, this.#invite.cseq.sequence)
    if (response === undefined) {
      session.respond(transaction, 481)
      return
    }
    const body = sessionBodyOf(request, session.host.accept)
    const described = response.body.length > 0 && !this.#agreed
    const answersOurs = described && !this.#offered
    if (answersOurs && body === undefined) {
      session.respond(transaction, 400, { reasonPhrase: 'Missing Answer' })
      return
    }
    if (described && this.#offered) this.#agree()
    this.#sender.acknowledge()
    if (body === undefined) session.respond(transaction, 200)
    else if (answersOurs) this.#takeAnswer(transaction, body)
    else this.#takeOffer(transaction, body)
    this.#outcome.settled()
  }

  #agree(): void {
    this.#agreed = true
    this.#session.negotiation.offer = 'stable'
  }

  #takeAnswer(transaction: ServerTransaction, answer: SessionBody): void {
    const session = this.#session
    const { request } = transaction
    this.#consult<void>(
      () => session.handlers.onAnswer?.(answer, { message: request, phase: 'initial' }),
      () => {
        this.#agree()
        session.respond(transaction, 200)
      },
      error => {
        this.#refuse(transaction, error)
        this.#outcome.refused()
      },
    )
  }

  /** A new offer, once the first exchange is complete (§5); its answer goes into the 200. */
  #takeOffer(transaction: ServerTransaction, offer: SessionBody): void {
    const session = this.#session
    const { negotiation, handlers } = session
    const { request } = transaction
    const admission = admitUpdate(negotiation, true)
    if (admission.verdict === 'refuse') {
      const seconds = retryAfterSeconds(session.host.random.uint32())
      const headers = admission.statusCode === 491 ? [] : [['Retry-After', String(seconds)] as const]
      session.respond(transaction, admission.statusCode, { headers })
      return
    }
    negotiation.offer = 'remote-offer'
    this.#consult<SessionBody>(
      () => {
        const answer = handlers.onOffer?.(offer, { message: request, phase: 'update' })
        if (answer !== undefined) return answer
        const error = new SipDialogStateError('nobody answers offers for this session: set handlers.onOffer')
        throw Object.assign(error, { statusCode: 488 })
      },
      body => {
        negotiation.offer = 'stable'
        session.respond(transaction, 200, { body })
      },
      error => {
        negotiation.offer = 'stable'
        this.#refuse(transaction, error)
      },
    )
  }

  #refuse(transaction: ServerTransaction, error: unknown): void {
    const refusal = refusalOf(error, transaction.flow.local.address)
    this.#session.respond(transaction, refusal.statusCode, refusal)
  }

  #consult<T>(ask: () => T | Promise<T>, accept: (value: T) => void, refuse: (error: unknown) => void): void {
    this.#consulting = true
    let later = false
    const done = (): void => {
      this.#consulting = false
      if (later) this.#outcome.settled()
    }
    consult(
      ask,
      value => {
        accept(value)
        done()
      },
      error => {
        refuse(error)
        done()
      },
    )
    later = true
  }
}

function readRAck(request: SipRequest): RAckValue | undefined {
  try {
    return request.get(RAck)
  } catch {
    return undefined
  }
}
