import { createResponse } from '../message/build.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import type { DigestClient } from '../auth/client.ts'
import type { Flow } from '../transport/flow.ts'
import { Negotiation } from './changes.ts'
import type { ChangingSession } from './changes.ts'
import { checkedHeaders, checkedReasons } from './checked.ts'
import { answerInDialog, checkRequest } from './defaults.ts'
import type { Dialog } from './dialog.ts'
import { SipDialogStateError } from './errors.ts'
import { requestInDialog } from './in-dialog-request.ts'
import { IncomingChanges } from './incoming-changes.ts'
import { ServerRequest } from './server-request.ts'
import { Later } from './later.ts'
import { OutgoingChange } from './outgoing-change.ts'
import { SessionRefresh } from './session-refresh.ts'
import type { SessionTimerPolicy } from './session-timer.ts'
import { reasonParts, reasonsOf, reasonValue } from './reason.ts'
import { asSipError, completeEnd, failedReasons, lostParts, noAckReasons } from './session-end.ts'
import type { EndParts } from './session-end.ts'
import { SessionMachine } from './session-machine.ts'
import type { MachineInit, MachineState } from './session-machine.ts'
import type { CommonAction, CommonEvent } from './session-table.ts'
import type {
  HangupOptions,
  HeaderList,
  InviteSession,
  ReinviteOptions,
  RequestInDialogOptions,
  RespondOptions,
  SessionBody,
  SessionEnd,
  SessionReason,
} from './session-types.ts'

/** What `hangup` leaves behind for the moment when it can be carried out. */
interface Wish {
  readonly headers: HeaderList
  readonly reasons: readonly SessionReason[]
}

const noWish: Wish = { headers: [], reasons: [] }

/**
 * What client and server sessions share: everything that happens inside the dialog, and the end.
 */
export abstract class InviteSessionBase<
  State extends MachineState,
  Event extends string,
  Action extends string,
>
  extends SessionMachine<State, Event | CommonEvent, Action | CommonAction>
  implements InviteSession, ChangingSession
{
  abstract readonly invite: SipRequest
  readonly digest: DigestClient | undefined
  readonly timer: SessionRefresh | undefined
  readonly negotiation: Negotiation = new Negotiation()
  #end: SessionEnd | undefined
  readonly #ended = new Later<SessionEnd>()
  readonly #settled = new Later<void>()
  #wish: Wish | undefined
  #dialog: Dialog | undefined
  #incoming: IncomingChanges | undefined
  #outgoing: OutgoingChange | undefined
  #flow: Flow | undefined
  #releaseFlow: (() => void) | undefined
  #bye: ServerTransaction | undefined
  /** Changes that wait for the ACK. */
  #waiting: (() => void)[] | undefined
  /** Why the session is about to be lost, or could not be set up. */
  #failure: unknown

  protected constructor(
    init: MachineInit<State, Event | CommonEvent, Action | CommonAction> & {
      readonly digest: DigestClient | undefined
      readonly sessionTimer: SessionTimerPolicy | undefined
    },
  ) {
    super(init)
    this.digest = init.digest
    const { sessionTimer, host } = init
    if (sessionTimer !== undefined || host.sessionTimer !== undefined) {
      this.timer = new SessionRefresh(this, sessionTimer)
    }
  }

  // ---- what the owner sees --------------------------------------------------------------------------------------

  get end(): SessionEnd | undefined {
    return this.#end
  }

  get ended(): Promise<SessionEnd> {
    return this.#ended.promise
  }

  /** Settles when nothing is left to send: the BYE has been answered or given up. */
  get settled(): Promise<void> {
    return this.#settled.promise
  }

  get remoteTag(): string | undefined {
    return this.#dialog?.id.remoteTag
  }

  get alive(): boolean {
    return this.#end === undefined
  }

  hangup(options: HangupOptions = {}): void {
    const reasons = options.reasons ?? []
    const headers = [...checkedReasons(reasons), ...checkedHeaders(options.headers)]
    this.#wish ??= { headers, reasons: reasonParts(reasons) }
    this.feed('hangup')
  }

  async reinvite(options: ReinviteOptions = {}): Promise<SipResponse> {
    if (this.state === 'confirmed' && this.#wish === undefined) await this.#untilConfirmed()
    if (this.machineState !== 'confirmed' || this.#dialog === undefined) {
      throw new SipDialogStateError(
        this.#wish === undefined
          ? `the session is ${this.state}: it can be changed once it is answered and until it ends`
          : 'the session was hung up: it cannot be changed any more',
      )
    }
    return this.#outgoingIn(this.#dialog).change('INVITE', options)
  }

  async update(options: ReinviteOptions = {}): Promise<SipResponse> {
    if (this.state === 'confirmed' && this.#wish === undefined) await this.#untilConfirmed()
    const dialog = this.activeDialog
    if (dialog === undefined || this.#end !== undefined || this.#wish !== undefined) {
      throw new SipDialogStateError(`the session is ${this.state}: there is no dialog to send UPDATE in`)
    }
    return this.#outgoingIn(dialog).change('UPDATE', options)
  }

  #outgoingIn(dialog: Dialog): OutgoingChange {
    if (this.#outgoing?.dialog !== dialog) this.#outgoing = new OutgoingChange(this, dialog)
    return this.#outgoing
  }

  /** The ACK may still be on its way; without one the session ends (RFC 3261 §13.3.1.4). */
  async #untilConfirmed(): Promise<void> {
    if (this.machineState === 'confirmed' || this.#end !== undefined) return
    await new Promise<void>(resolve => {
      this.#waiting ??= []
      this.#waiting.push(resolve)
    })
  }

  #stopWaiting(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    for (const go of waiting) go()
  }

  async request(method: string, options: RequestInDialogOptions = {}): Promise<SipResponse> {
    const dialog = this.activeDialog
    if (dialog === undefined || this.#end !== undefined) {
      throw new SipDialogStateError(`the session is ${this.state}: there is no dialog to send ${method} in`)
    }
    return requestInDialog(this, dialog, method, options)
  }

  // ---- the machine ----------------------------------------------------------------------------------------------

  /** As if the peer had been waited for in vain. */
  abandon(): void {
    this.feed('no-ack')
    this.feed('bye-done')
  }

  protected carryOut(action: Action | CommonAction): void {
    switch (action) {
      case 'send-bye':
        this.#sendBye({ by: 'local', cause: 'bye' })
        break
      case 'send-bye-unwanted':
        this.#sendBye({ by: 'local', cause: 'cancelled' })
        break
      case 'send-bye-failed':
        this.#sendBye({
          by: 'error',
          cause: 'failed',
          reasons: failedReasons,
          error: asSipError(this.#failure),
        })
        break
      case 'send-bye-no-ack':
        this.#sendBye({ by: 'timeout', cause: 'no-ack', reasons: noAckReasons })
        break
      case 'send-bye-lost':
        this.#sendBye(lostParts(this.#failure))
        break
      case 'answer-bye':
        this.#answerBye(200)
        break
      case 'refuse-bye':
        this.#answerBye(481)
        break
      case 'end-bye':
        this.#endByPeer()
        break
      case 'confirm':
        this.tell(() => this.handlers.onConfirmed?.())
        this.#stopWaiting()
        break
      default:
        this.act(action)
    }
  }

  /** Actions of the one table only. */
  protected abstract act(action: Action): void

  // ---- the dialog -----------------------------------------------------------------------------------------------

  get dialog(): Dialog | undefined {
    return this.#dialog
  }

  /** The one our requests go in: before the answer, of a fork that brought early media. */
  protected get activeDialog(): Dialog | undefined {
    return this.#dialog
  }

  /** The dialog of this session: the one that was answered, or the one an INVITE received makes. */
  protected setDialog(dialog: Dialog): void {
    this.#dialog = dialog
  }

  get flow(): Flow | undefined {
    return this.#flow
  }

  useFlow(flow: Flow | undefined): void {
    if (flow === undefined || flow === this.#flow || this.machineState === 'terminated') return
    this.#releaseFlow?.()
    this.#flow = flow
    this.#releaseFlow = flow.hold()
  }

  /** The dialog a request with that remote tag belongs to; early dialogs of a fork are the client's affair. */
  protected dialogFor(remoteTag: string): Dialog | undefined {
    const known = this.#dialog?.id.remoteTag
    // A peer that sent no tag while the dialog was made may send one later.
    return known === remoteTag || known === '' ? this.#dialog : undefined
  }

  /** A request that carries our tag (ACK and CANCEL apart). */
  receive(transaction: ServerTransaction): void {
    const { request } = transaction
    const dialog = this.dialogFor(request.from.tag ?? '')
    if (dialog === undefined || this.machineState === 'terminated') {
      this.respond(transaction, 481)
      return
    }
    const refusal = checkRequest(request, this.host) ?? this.timer?.judge(request)
    if (refusal !== undefined) {
      this.respond(transaction, refusal.statusCode, refusal)
      return
    }
    const verdict = dialog.receive(request)
    if (!verdict.accept) {
      this.respond(transaction, verdict.statusCode)
      return
    }
    if (request.method === 'BYE') {
      this.#bye = transaction
      this.feed('bye')
      return
    }
    if (this.#end !== undefined) {
      this.respond(transaction, 481)
      return
    }
    this.useFlow(transaction.flow)
    this.#receiveOther(transaction, dialog)
  }

  #receiveOther(transaction: ServerTransaction, dialog: Dialog): void {
    const { request } = transaction
    if (request.method === 'INVITE' || request.method === 'UPDATE') {
      const changes = this.#changesOf(dialog)
      if (request.method === 'INVITE') changes.invite(transaction)
      else changes.update(transaction)
      return
    }
    if (request.method === 'PRACK') {
      this.receivePrack(transaction)
      return
    }
    const incoming = new ServerRequest(this.host, transaction)
    let taken = false
    this.tell(() => {
      taken = this.handlers.onRequest?.(incoming) === true
    })
    if (taken || incoming.responded) return
    const answer = answerInDialog(request, this.host)
    incoming.respond(answer.statusCode, answer)
  }

  /** Of interest to those who send provisional responses (RFC 3262 §3). */
  protected receivePrack(transaction: ServerTransaction): void {
    this.respond(transaction, 481)
  }

  #changesOf(dialog: Dialog): IncomingChanges {
    if (dialog !== this.#dialog) return new IncomingChanges(this, dialog)
    this.#incoming ??= new IncomingChanges(this, dialog)
    return this.#incoming
  }

  /** An ACK that carries our tag. One for a 2xx nobody repeats any more is ignored (§13.3.1.4). */
  receiveAck(ack: SipRequest, flow: Flow | undefined): void {
    if (this.dialogFor(ack.from.tag ?? '') === undefined || this.#end !== undefined) return
    this.useFlow(flow)
    this.acknowledged(ack)
  }

  protected acknowledged(ack: SipRequest): void {
    this.#incoming?.acknowledge(ack)
  }

  // ---- for the changes ------------------------------------------------------------------------------------------

  targetHeaders(kind: 'request' | 'response'): HeaderList {
    return [['Contact', this.contact()], ...this.host.capabilities(kind)]
  }

  /** Our Contact, the same for the whole session. */
  protected abstract contact(): string

  successResponse(request: SipRequest, body: SessionBody | undefined): SipResponse {
    const response = createResponse(request, 200, {
      toTag: this.localTag,
      headers: this.targetHeaders('response'),
      ...(body === undefined ? {} : { body: body.body, contentType: body.contentType }),
    })
    this.timer?.answering(request, response)
    return response
  }

  respond(transaction: ServerTransaction, statusCode: number, options: RespondOptions = {}): void {
    new ServerRequest(this.host, transaction).respond(statusCode, options)
  }

  /** Of interest where one INVITE has several dialogs. */
  agreed(_dialog: Dialog, _theirs: SessionBody): void {}

  notAcknowledged(): void {
    this.feed('no-ack')
  }

  lost(by: unknown): void {
    this.#failure ??= by
    this.feed('lost')
  }

  /** Offer and answer did not come to an end: an owner refused, or the answer was missing. */
  protected unsettled(by: unknown): void {
    this.#failure ??= by
    this.feed('unsettled')
  }

  // ---- the end --------------------------------------------------------------------------------------------------

  protected get wish(): Wish {
    return this.#wish ?? noWish
  }

  #sendBye(parts: EndParts): void {
    const dialog = this.#dialog
    const reasons = parts.reasons ?? this.wish.reasons
    const headers = [
      ...this.host.identity('request'),
      ...(parts.reasons === undefined
        ? this.wish.headers
        : parts.reasons.map(reason => ['Reason', reasonValue(reason)] as const)),
    ]
    this.finishWith({ ...parts, reasons })
    if (dialog === undefined) {
      this.feed('bye-done')
      return
    }
    void this.host.bye(dialog, headers, this.digest, this.#flow).then(() => this.feed('bye-done'))
  }

  #answerBye(statusCode: number): void {
    const transaction = this.#bye
    if (transaction !== undefined) this.respond(transaction, statusCode)
  }

  #endByPeer(): void {
    const request = this.#bye?.request
    this.finishWith({
      by: 'remote',
      cause: 'bye',
      request,
      reasons: request === undefined ? [] : reasonsOf(request),
    })
  }

  /** The owner learns how it ended; only the first counts. */
  protected finishWith(parts: EndParts): void {
    if (this.#end !== undefined) return
    const end = completeEnd(parts)
    this.#end = end
    this.timer?.close()
    this.#incoming?.close()
    this.#outgoing?.close()
    this.#stopWaiting()
    this.tell(() => this.handlers.onEnd?.(end))
    this.#ended.come(end)
  }

  protected finish(): void {
    this.#releaseFlow?.()
    this.#releaseFlow = undefined
    this.onTerminated()
    this.#settled.come()
  }

  /** The machine is in `terminated`: nothing is left to do. */
  protected abstract onTerminated(): void
}
