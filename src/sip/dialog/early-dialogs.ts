import type { SipRequest, SipResponse } from '../message/message.ts'
import type { ChangingSession } from './changes.ts'
import { Dialog } from './dialog.ts'
import { SipDialogStateError, SipResponseError } from './errors.ts'
import { sendAuthenticated } from './outgoing.ts'
import { consult } from './owner.ts'
import { judgeRSeq, reliableSequence } from './reliable-provisional.ts'
import { failedReasons } from './session-end.ts'
import { routeOver } from './session-host.ts'
import type { InviteSession, SessionBody } from './session-types.ts'

/** Early dialogs of one INVITE; provisional responses of further forks are shown, but make no dialog. */
const MAX_EARLY_DIALOGS = 64

export interface EarlyDialog {
  readonly dialog: Dialog
  /** The last session description it brought; once `settled`, the one that counts. */
  body: SessionBody | undefined
  /** RSeq of the latest reliable response (RFC 3262 §4). */
  rseq: number | undefined
  /** What the owner was given last. */
  handed: SessionBody | undefined
  /** Offer and answer came to an end by a reliable response. */
  settled: boolean
}

/** The forks of one INVITE before its 2xx, and the reliable provisional responses that come by them (RFC 3262 §4, §5). */
export class EarlyDialogs {
  /** The one whose description the owner took last: with several, only that one is heard. */
  heard: EarlyDialog | undefined
  readonly #session: ChangingSession & Pick<InviteSession, 'hangup'>
  readonly #offered: boolean
  readonly #dialogs = new Map<string, EarlyDialog>()

  constructor(
    session: ChangingSession & Pick<InviteSession, 'hangup'>,
    /** The INVITE brings an offer. */
    offered: boolean,
  ) {
    this.#session = session
    this.#offered = offered
  }

  get(tag: string | undefined): EarlyDialog | undefined {
    return tag === undefined ? undefined : this.#dialogs.get(tag)
  }

  clear(): void {
    this.#dialogs.clear()
    this.heard = undefined
  }

  /** The RSeq of a response that is to be acknowledged; undefined: it came unreliably, or we do not do that. */
  rseqOf(response: SipResponse): number | undefined {
    return this.#session.host.reliability === 'off' ? undefined : reliableSequence(response)
  }

  /** A response of that fork. Undefined: a reliable one that is repeated, or came before its turn, and is passed over; or there are too many forks. */
  note(
    tag: string,
    invite: SipRequest,
    response: SipResponse,
    body: SessionBody | undefined,
    rseq: number | undefined,
  ): EarlyDialog | 'passed-over' | undefined {
    const known = this.#dialogs.get(tag)
    if (known === undefined) {
      if (this.#dialogs.size >= MAX_EARLY_DIALOGS) return undefined
      const dialog = Dialog.fromResponse(invite, response)
      const early = { dialog, body, rseq, handed: undefined, settled: false }
      this.#dialogs.set(tag, early)
      return early
    }
    if (rseq !== undefined) {
      if (judgeRSeq(known.rseq, rseq) !== 'take') return 'passed-over'
      known.rseq = rseq
    }
    known.dialog.refreshTarget(response)
    if (!known.settled) known.body = body ?? known.body
    return known
  }

  /** An UPDATE in that dialog: the owner's media follows it from now on, and what came before it is not handed over again. */
  agreed(dialog: Dialog, theirs: SessionBody): void {
    const early = this.get(dialog.id.remoteTag)
    if (early?.dialog !== dialog) return
    early.body = theirs
    this.heard = early
  }

  /** What the response brought goes to the owner, and its PRACK to the peer. */
  take(
    early: EarlyDialog,
    response: SipResponse,
    body: SessionBody | undefined,
    rseq: number | undefined,
  ): void {
    if (!this.#offered && body !== undefined && rseq !== undefined && !early.settled) {
      this.#takeOffer(early, response, body, rseq)
      return
    }
    if (this.#offered && body !== undefined && !early.settled) {
      this.#takeAnswer(early, response, body, rseq !== undefined)
    }
    if (rseq !== undefined) this.#acknowledge(early, response, rseq, undefined)
  }

  #takeAnswer(early: EarlyDialog, response: SipResponse, body: SessionBody, reliable: boolean): void {
    const session = this.#session
    // A 183 that is only repeated says nothing new.
    if (!reliable && early.handed !== undefined && Buffer.from(early.handed.body).equals(body.body)) return
    early.handed = body
    const dialogTag = early.dialog.id.remoteTag
    try {
      const context = { message: response, dialogTag, reliable }
      if (session.handlers.onEarlyAnswer?.(body, context) !== true) return
    } catch (error) {
      session.reportError(error)
      return
    }
    this.heard = early
    if (!reliable) return
    early.settled = true
    session.negotiation.offer = 'stable'
  }

  /** RFC 3262 §5: the offer we did not make is in the response, and its answer goes into the PRACK. */
  #takeOffer(early: EarlyDialog, response: SipResponse, offer: SessionBody, rseq: number): void {
    const session = this.#session
    const { negotiation, handlers } = session
    early.settled = true
    negotiation.offer = 'remote-offer'
    consult<SessionBody>(
      () => {
        if (handlers.onOffer === undefined) {
          throw new SipDialogStateError(
            'nobody answers the offer in the provisional response: set handlers.onOffer',
          )
        }
        return handlers.onOffer(offer, { message: response, phase: 'initial' })
      },
      answer => {
        negotiation.offer = 'stable'
        this.heard = early
        this.#acknowledge(early, response, rseq, answer)
      },
      error => {
        negotiation.offer = 'stable'
        session.reportError(error)
        this.#acknowledge(early, response, rseq, undefined)
        session.hangup({ reasons: failedReasons })
      },
    )
  }

  #acknowledge(early: EarlyDialog, response: SipResponse, rseq: number, body: SessionBody | undefined): void {
    const session = this.#session
    const sequence = response.cseq.sequence
    // What becomes of the PRACK decides nothing: the INVITE gets its final response either way.
    sendPrack(session, early.dialog, `${rseq} ${sequence} INVITE`, body).then(
      answer => {
        if (answer.statusCode >= 300) session.reportError(new SipResponseError('PRACK', answer))
      },
      (error: unknown) => session.reportError(error),
    )
  }
}

/** PRACK for the response that `rack` names (RFC 3262 §4). @throws SipTimeoutError, SipTransportError, SipAuthError */
export async function sendPrack(
  session: ChangingSession,
  dialog: Dialog,
  rack: string,
  body: SessionBody | undefined,
): Promise<SipResponse> {
  const { host } = session
  const { response } = await sendAuthenticated(host.transactions, session.digest, () => {
    const { request, nextHop } = dialog.createRequest('PRACK', {
      headers: [['RAck', rack], ...host.identity('request')],
      ...(body === undefined ? {} : { body }),
    })
    return { request, destination: routeOver({ request, nextHop }, session.flow) }
  })
  return response
}
