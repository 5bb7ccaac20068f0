import { SipError } from '../../runtime/errors.ts'
import type { Timer } from '../../runtime/runtime.ts'
import { DigestClient } from '../auth/client.ts'
import type { OutOfDialogRequest } from '../dialog/core-types.ts'
import { Dialog } from '../dialog/dialog.ts'
import { sendAuthenticated } from '../dialog/outgoing.ts'
import type { FinalResponse } from '../dialog/outgoing.ts'
import { routeOver } from '../dialog/session-host.ts'
import type { HeaderList } from '../dialog/session-types.ts'
import { Expires } from '../message/headers/session.ts'
import { NameAddr } from '../message/name-addr.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import type { EventHost, SubscribeOptions, SubscriptionEnd, SubscriptionHandlers } from './event-types.ts'
import { allowEventsOf, endsSubscription, minExpiresOf, retryAfterOf } from './statuses.ts'
import { SubscriberMachine } from './subscriber-machine.ts'
import type { Answer, SubscriberEffect, SubscriptionEndCause } from './subscriber-machine.ts'
import type { SubscriberState } from './subscriber-table.ts'
import type { SubscribeRequest } from './subscribe-request.ts'
import type { StateNews } from './subscription-state.ts'

/** What a subscription needs of who has it. */
export interface SubscriptionSeat {
  readonly host: EventHost
  readonly timerNMs: number
  /** A first SUBSCRIBE, with a Call-ID and tag of its own; NOTIFYs of them then come to `subscription`. */
  open(subscription: Subscription): SubscribeRequest
  /** The machine is over. */
  gone(subscription: Subscription): void
  failed(error: unknown): void
}

/** One subscription of ours, in one dialog at a time (RFC 6665 §4.1). */
export class Subscription {
  handlers: SubscriptionHandlers
  readonly options: SubscribeOptions
  readonly #seat: SubscriptionSeat
  readonly #machine: SubscriberMachine
  readonly #digest: DigestClient | undefined
  #initial: SubscribeRequest | undefined
  #dialog: Dialog | undefined
  #flow: Flow | undefined
  #timer: Timer | undefined
  /** The SUBSCRIBE whose answer counts. */
  #attempt = 0
  #last: { statusCode?: number; reason?: string; allowEvents?: readonly string[]; error?: SipError } = {}
  #gone = false

  /** `branchOf`: another branch of the SUBSCRIBE of that one; it ends when its dialog does. */
  constructor(seat: SubscriptionSeat, options: SubscribeOptions, branchOf?: Subscription) {
    const { clock: _, random } = seat.host.runtime
    this.#seat = seat
    this.options = options
    this.handlers = options.handlers ?? {}
    const credentials = options.credentials ?? seat.host.credentials
    this.#digest =
      options.digest ?? (credentials === undefined ? undefined : new DigestClient({ credentials, random }))
    this.#initial = branchOf?.initial
    this.#machine = new SubscriberMachine({
      expiresSeconds: options.expiresSeconds ?? options.package.defaultExpiresSeconds,
      timerNMs: seat.timerNMs,
      resubscribe: branchOf === undefined && (options.resubscribe ?? true),
      share: () => random.uint32() / 2 ** 32,
    })
  }

  /** Finer than `status`; `over` at the end. */
  get state(): SubscriberState {
    return this.#machine.state
  }

  /** What the notifier said last, while it is subscribed. */
  get status(): 'pending' | 'active' | undefined {
    return this.#machine.status
  }

  /** The SUBSCRIBE it began with. */
  get initial(): SubscribeRequest | undefined {
    return this.#initial
  }

  /** The peer's tag of the dialog, once there is one. */
  get remoteTag(): string | undefined {
    return this.#dialog?.id.remoteTag
  }

  start(): void {
    this.#carryOut(this.#machine.start(this.#now))
  }

  /** Asks for the whole state once more: a SUBSCRIBE in the dialog (RFC 6665 §4.1.2.2). */
  refresh(): void {
    this.#carryOut(this.#machine.refresh(this.#now))
  }

  /** Expires 0; `onEnd` follows when the notifier has said its last word, or after Timer N. */
  unsubscribe(): void {
    this.#carryOut(this.#machine.unsubscribe(this.#now))
  }

  /** Forgets it without a word. */
  abandon(): void {
    this.#leave('unsubscribed')
  }

  /** A NOTIFY for this dialog, or one that makes it. False: 481. */
  receive(incoming: OutOfDialogRequest, news: StateNews, branch = false): boolean {
    const { state } = this.#machine
    if (this.#gone || state === 'waiting' || state === 'over') return false
    const { request } = incoming
    if (this.#dialog === undefined) {
      this.#dialog = Dialog.fromRequest(request, incoming.localTag)
      this.#dialog.useSequence(this.#initial?.sequence ?? 0)
    } else {
      const verdict = this.#dialog.receive(request)
      if (!verdict.accept) {
        incoming.respond(verdict.statusCode)
        return true
      }
      this.#dialog.refreshTarget(request)
    }
    this.#flow = incoming.flow
    incoming.respond(200, { headers: [['Contact', this.#contact(incoming.flow)]] })
    if (news.reason !== undefined) this.#last = { reason: news.reason }
    const contentType = request.headers.get('Content-Type')
    this.#call(() =>
      this.handlers.onNotify?.({
        request,
        state: news,
        body:
          request.body.length === 0 || contentType === undefined
            ? undefined
            : { contentType, body: request.body },
      }),
    )
    const now = this.#now
    this.#carryOut(branch ? this.#machine.startForked(news, now) : this.#machine.notified(news, now))
    return true
  }

  get #now(): number {
    return this.#seat.host.runtime.clock.now()
  }

  #contact(where: Flow | Destination): string {
    const { uri } = NameAddr.parse(this.options.from)
    const user = uri.kind === 'sip' ? uri.user : undefined
    return new NameAddr({ uri: this.#seat.host.transport.contactFor(where, user) }).toString()
  }

  #carryOut(effects: readonly SubscriberEffect[]): void {
    if (this.#gone) return
    for (const effect of effects) {
      switch (effect.kind) {
        case 'subscribe':
          this.#dialog = undefined
          this.#flow = undefined
          this.#last = {}
          this.#initial = this.#seat.open(this)
          this.#send(this.#openingAttempt(this.#initial, effect.expiresSeconds))
          break
        case 'resend':
          if (this.#initial !== undefined) {
            this.#send(this.#openingAttempt(this.#initial, effect.expiresSeconds))
          }
          break
        case 'refresh':
        case 'unsubscribe':
          if (this.#dialog !== undefined)
            this.#send(this.#refreshAttempt(this.#dialog, effect.expiresSeconds))
          break
        case 'waiting':
          this.#attempt++
          this.#call(() => this.handlers.onInterrupted?.(this.#endOf(effect.cause), effect.retryInMs))
          break
        case 'end':
          this.#leave(effect.cause)
          return
      }
    }
    this.#arm()
  }

  #arm(): void {
    this.#timer?.cancel()
    const at = this.#gone ? undefined : this.#machine.nextAt
    this.#timer =
      at === undefined
        ? undefined
        : this.#seat.host.runtime.clock.setTimer(at, () => this.#carryOut(this.#machine.due(this.#now)))
  }

  #headers(expiresSeconds: number, where: Flow | Destination): HeaderList {
    const { options } = this
    const params = Object.entries(options.eventParams ?? {}).map(([name, value]) => `;${name}=${value}`)
    return [
      ['Contact', this.#contact(where)],
      ['Event', `${options.package.name}${params.join('')}`],
      ['Expires', String(expiresSeconds)],
      ['Accept', (options.accept ?? options.package.contentTypes).join(', ')],
      ['Allow-Events', options.package.name],
      ...(this.#seat.host.identity ?? []),
      ...(options.headers ?? []),
    ]
  }

  #openingAttempt(initial: SubscribeRequest, seconds: number): () => Promise<FinalResponse> {
    return () =>
      sendAuthenticated(this.#seat.host.transactions, this.#digest, () => ({
        request: initial.create(this.#headers(seconds, initial.destination), this.options.body),
        destination: initial.destination,
        prepare: (request, way) => request.headers.set('Contact', this.#contact(way)),
      }))
  }

  #refreshAttempt(dialog: Dialog, seconds: number): () => Promise<FinalResponse> {
    return () =>
      sendAuthenticated(this.#seat.host.transactions, this.#digest, () => {
        const flow = this.#flow
        const next = dialog.createRequest('SUBSCRIBE', {
          headers: flow === undefined ? [] : this.#headers(seconds, flow),
          ...(this.options.body === undefined ? {} : { body: this.options.body }),
        })
        return { request: next.request, destination: routeOver(next, flow) }
      })
  }

  #send(attempt: () => Promise<FinalResponse>): void {
    const number = ++this.#attempt
    const answered = (answer: Answer): void => {
      if (number === this.#attempt && !this.#gone) this.#carryOut(this.#machine.answered(answer, this.#now))
    }
    const inDialog = this.#dialog !== undefined
    attempt().then(
      final => answered(this.#read(final, inDialog)),
      (error: unknown) => {
        this.#last = {
          error:
            error instanceof SipError
              ? error
              : new SipError('SIP_STATE', 'the SUBSCRIBE could not be sent', { cause: error }),
        }
        answered({ kind: 'failed', statusCode: undefined })
      },
    )
  }

  #read({ response, request }: FinalResponse, inDialog: boolean): Answer {
    const { statusCode } = response
    if (statusCode < 300) {
      if (!inDialog) this.#dialog?.useSequence(request.cseq.sequence)
      try {
        return { kind: 'answered', expiresSeconds: response.get(Expires) }
      } catch {
        return { kind: 'answered', expiresSeconds: undefined }
      }
    }
    this.#last = { statusCode, allowEvents: allowEventsOf(response) }
    const retryAfterSeconds = retryAfterOf(response)
    const minExpiresSeconds = minExpiresOf(response)
    if (statusCode === 423 && minExpiresSeconds !== undefined) return { kind: 'too-brief', minExpiresSeconds }
    if (!inDialog) return { kind: 'refused', statusCode, retryAfterSeconds }
    if (statusCode === 481) return { kind: 'forgotten', statusCode }
    return { kind: endsSubscription(statusCode) ? 'refused' : 'failed', statusCode, retryAfterSeconds }
  }

  #endOf(cause: SubscriptionEndCause): SubscriptionEnd {
    const { reason, statusCode, allowEvents = [], error } = this.#last
    return { cause, reason, statusCode, allowEvents, error }
  }

  #leave(cause: SubscriptionEndCause): void {
    if (this.#gone) return
    this.#gone = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#seat.gone(this)
    this.#call(() => this.handlers.onEnd?.(this.#endOf(cause)))
  }

  #call(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#seat.failed(error)
    }
  }
}
