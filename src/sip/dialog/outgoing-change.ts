import type { SipRequest, SipResponse } from '../message/message.ts'
import type { Uri } from '../message/uri.ts'
import { requestWithFailover } from '../transaction/failover.ts'
import type { ClientRequest } from '../transaction/failover.ts'
import { sessionBodyOf } from './bodies.ts'
import type { ChangingSession } from './changes.ts'
import { checkedHeaders } from './checked.ts'
import type { Dialog } from './dialog.ts'
import { SipDialogStateError, SipResponseError } from './errors.ts'
import { endsDialog } from './defaults.ts'
import { glareWaitMs, mayInvite, mayUpdate } from './offer-answer.ts'
import { addCredentials, isChallenge } from './outgoing.ts'
import { sendPrack } from './early-dialogs.ts'
import { judgeRSeq, reliableSequence } from './reliable-provisional.ts'
import { routeOver } from './session-host.ts'
import type { HeaderList, ReinviteOptions, SessionBody } from './session-types.ts'

/** How often a re-INVITE is tried that meets 491 every time. */
const MAX_GLARE_RETRIES = 6

type Method = 'INVITE' | 'UPDATE'

/** Our own re-INVITE (RFC 3261 §14.1) or UPDATE (RFC 3311 §5.1): one at a time; a refused one leaves the session as it was. */
export class OutgoingChange {
  readonly #session: ChangingSession
  readonly dialog: Dialog
  #method: Method = 'INVITE'
  #running = false
  /** An offer of the owner's is out, and not answered. */
  #offered = false
  /** Of the latest reliable provisional response to this re-INVITE. */
  #rseq: number | undefined
  /** Ends the wait after a 491. */
  #wake: (() => void) | undefined
  /** Gives up waiting for the final response. */
  #abort: ((reason: unknown) => void) | undefined

  constructor(session: ChangingSession, dialog: Dialog) {
    this.#session = session
    this.dialog = dialog
  }

  async change(method: Method, options: ReinviteOptions): Promise<SipResponse> {
    if (this.#running || !this.#may(method, options.offer !== undefined)) {
      throw new SipDialogStateError(
        !this.dialog.confirmed
          ? 'offer and answer of the call are not complete: it can be changed before the answer once both went reliably'
          : 'another change of the session is under way: wait for it to end',
      )
    }
    const headers = checkedHeaders(options.headers)
    this.#running = true
    this.#method = method
    try {
      return await this.#attempts(options.offer, headers)
    } finally {
      this.#running = false
    }
  }

  /** The session is over. */
  close(): void {
    this.#wake?.()
    this.#abort?.(overMeanwhile())
  }

  async #attempts(source: ReinviteOptions['offer'], headers: HeaderList): Promise<SipResponse> {
    const session = this.#session
    const exchange = session.digest?.exchange()
    for (let glares = 0; ;) {
      const asked = typeof source === 'function' ? source() : source
      const offer = asked !== undefined && 'then' in asked ? await asked : asked
      this.#offered = offer !== undefined
      let response: SipResponse
      try {
        const { request, nextHop } = this.dialog.createRequest(this.#method, {
          headers: [...session.targetHeaders('request'), ...headers],
          ...(offer === undefined ? {} : { body: offer }),
        })
        session.timer?.outgoing(request)
        addCredentials(request, exchange)
        response = await this.#send(request, nextHop, offer)
      } catch (error) {
        this.#lapse()
        throw error
      }
      const { statusCode } = response
      if (statusCode < 300) {
        session.timer?.accepted(response)
        return response
      }
      if (isChallenge(response) && exchange !== undefined) {
        await exchange.challenged(response)
        // The peer may have begun a change of its own meanwhile.
        if (!this.#mayRepeat()) await this.#waitForTurn()
      } else if (session.timer?.raise(response) === true) {
        // RFC 4028 §7.4: the same again, with the interval the peer can live with.
        if (!this.#mayRepeat()) await this.#waitForTurn()
      } else if (statusCode === 491 && glares < MAX_GLARE_RETRIES) {
        glares++
        await this.#waitForTurn()
      } else {
        const error = new SipResponseError(this.#method, response)
        if (endsDialog(this.#method, statusCode)) session.lost(error)
        throw error
      }
      this.#mustBeAlive()
    }
  }

  /** The final response; when it is a 2xx, after offer and answer are complete and the ACK is sent. */
  #send(request: SipRequest, nextHop: Uri, offer: SessionBody | undefined): Promise<SipResponse> {
    const session = this.#session
    const { negotiation, host } = session
    const inviting = this.#method === 'INVITE'
    if (inviting) negotiation.invite = 'client'
    if (offer !== undefined) negotiation.offer = 'local-offer'
    const free = (): void => {
      if (inviting) negotiation.invite = 'none'
      // An UPDATE that only refreshed the target leaves the offer of anybody else as it is.
      if (inviting || offer !== undefined) negotiation.offer = 'stable'
    }
    let reliably: SessionBody | undefined
    this.#rseq = undefined
    return new Promise((resolve, reject) => {
      this.#abort = reject
      const failed = (error: unknown): void => {
        free()
        this.#lapse()
        reject(error)
        session.lost(error)
      }
      let transaction: ClientRequest
      try {
        transaction = requestWithFailover(host.transactions, request, {
          destination: routeOver({ request, nextHop }, session.flow),
        })
      } catch (error) {
        failed(error)
        return
      }
      let answered = false
      transaction.onResponse = (response, flow) => {
        if (response.statusCode < 200) {
          reliably = this.#acknowledge(response) ?? reliably
          return
        }
        if (answered) {
          host.repeatAck(response)
          return
        }
        answered = true
        session.useFlow(flow)
        if (response.statusCode < 300) {
          this.#complete(request, response, offer === undefined, free, reliably).then(
            () => resolve(response),
            reject,
          )
          return
        }
        free()
        // At once: whatever arrives next must find the session without an offer of ours.
        this.#lapse()
        resolve(response)
      }
      transaction.onTimeout = failed
      transaction.onTransportError = failed
    })
  }

  async #complete(
    request: SipRequest,
    response: SipResponse,
    late: boolean,
    free: () => void,
    reliably: SessionBody | undefined,
  ): Promise<void> {
    const session = this.#session
    const { handlers } = session
    this.dialog.refreshTarget(response)
    const inviting = this.#method === 'INVITE'
    const body = sessionBodyOf(response, session.host.accept) ?? (late ? undefined : reliably)
    const context = { message: response, phase: inviting ? 'reinvite' : 'update' } as const
    let answer: SessionBody | undefined
    let failure: unknown
    try {
      if (!session.alive) {
        failure = overMeanwhile()
      } else if (body === undefined) {
        if (!late) throw new SipDialogStateError('the 2xx brought no answer to our offer')
      } else if (late && !inviting) {
        // A description that answers nothing: nobody asked for one.
      } else if (late) {
        session.negotiation.offer = 'remote-offer'
        answer = await handlers.onOffer?.(body, context)
        if (answer === undefined) throw new SipDialogStateError('nobody answers offers: set handlers.onOffer')
      } else {
        await handlers.onAnswer?.(body, context)
        if (!inviting) session.agreed(this.dialog, body)
      }
    } catch (error) {
      failure = error
    }
    free()
    if (failure !== undefined) this.#lapse()
    this.#offered = false
    if (!inviting) {
      if (failure !== undefined) throw failure
      return
    }
    // The ACK is owed whatever became of the body (RFC 3261 §13.2.2.4).
    const ack = this.dialog.createAck(request, answer === undefined ? {} : { body: answer })
    session.host.acknowledge(response, ack, session.flow)
    if (failure !== undefined) throw failure
  }

  /** A provisional response to a re-INVITE: a reliable one wants its PRACK, and may bring the answer (RFC 3262 §4, §5). */
  #acknowledge(response: SipResponse): SessionBody | undefined {
    const session = this.#session
    const rseq = session.host.reliability === 'off' ? undefined : reliableSequence(response)
    if (rseq === undefined || judgeRSeq(this.#rseq, rseq) !== 'take') return undefined
    this.#rseq = rseq
    sendPrack(session, this.dialog, `${rseq} ${response.cseq.sequence} INVITE`, undefined).catch(
      (error: unknown) => session.reportError(error),
    )
    return sessionBodyOf(response, session.host.accept)
  }

  /** Our offer came to nothing; the owner takes it back, once. */
  #lapse(): void {
    if (!this.#offered) return
    this.#offered = false
    try {
      this.#session.handlers.onOfferLapsed?.()
    } catch (error) {
      this.#session.reportError(error)
    }
  }

  /** Waits as RFC 3261 §14.1 has it, and on while a change of the peer's is under way. */
  async #waitForTurn(): Promise<void> {
    const { host, role } = this.#session
    do {
      const ms = glareWaitMs(role === 'client', host.random.uint32())
      await new Promise<void>(resolve => {
        const timer = host.clock.setTimer(host.clock.now() + ms, resolve)
        this.#wake = () => {
          timer.cancel()
          resolve()
        }
      })
      this.#wake = undefined
      this.#mustBeAlive()
    } while (!this.#mayRepeat())
  }

  #may(method: Method, hasOffer: boolean): boolean {
    const { negotiation } = this.#session
    return method === 'INVITE' ? mayInvite(negotiation) : mayUpdate(negotiation, hasOffer)
  }

  #mayRepeat(): boolean {
    return this.#may(this.#method, this.#offered)
  }

  #mustBeAlive(): void {
    if (!this.#session.alive) throw overMeanwhile()
  }
}

function overMeanwhile(): SipDialogStateError {
  return new SipDialogStateError('the session ended while it was being changed')
}
