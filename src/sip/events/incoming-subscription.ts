import type { Timer } from '../../runtime/runtime.ts'
import { DigestClient } from '../auth/client.ts'
import type { OutOfDialogRequest } from '../dialog/core-types.ts'
import { Dialog } from '../dialog/dialog.ts'
import { SipDialogStateError } from '../dialog/errors.ts'
import { sendAuthenticated } from '../dialog/outgoing.ts'
import { routeOver } from '../dialog/session-host.ts'
import type { RespondOptions } from '../dialog/session-types.ts'
import type { SipRequest } from '../message/message.ts'
import { NameAddr } from '../message/name-addr.ts'
import type { Flow } from '../transport/flow.ts'
import type { AcceptOptions, EventHost, EventPackage, TerminateOptions } from './event-types.ts'
import { NotifierMachine } from './notifier-machine.ts'
import type { NotifierEffect, NotifierEndCause, NotifyOrder } from './notifier-machine.ts'
import type { NotifierState } from './notifier-table.ts'
import { endsSubscription } from './statuses.ts'
import { writeSubscriptionState } from './subscription-state.ts'

export interface IncomingSubscriptionInit {
  readonly host: EventHost
  readonly incoming: OutOfDialogRequest
  readonly package: EventPackage
  /** Of the Event header, as it came: NOTIFYs repeat it (RFC 6665 §8.2.1). */
  readonly event: string
  readonly expiresSeconds: number
  readonly onGone: () => void
  readonly onError: (error: unknown) => void
}

/** A SUBSCRIBE we received, and the subscription it becomes when it is accepted (RFC 6665 §4.2). */
export class IncomingSubscription {
  readonly request: SipRequest
  readonly package: EventPackage
  /** With its parameters. */
  readonly event: string
  readonly #init: IncomingSubscriptionInit
  readonly #incoming: OutOfDialogRequest
  readonly #machine = new NotifierMachine()
  readonly #dialog: Dialog
  readonly #digest: DigestClient | undefined
  #flow: Flow
  #accept: AcceptOptions = {}
  #version = 0
  #timer: Timer | undefined
  #decided = false
  #gone = false

  /** @throws SipParseError a SUBSCRIBE whose route or addresses cannot be read */
  constructor(init: IncomingSubscriptionInit) {
    const { host, incoming } = init
    this.#init = init
    this.#incoming = incoming
    this.request = incoming.request
    this.package = init.package
    this.event = init.event
    this.#flow = incoming.flow
    this.#dialog = Dialog.fromRequest(incoming.request, incoming.localTag)
    const { credentials } = host
    this.#digest =
      credentials === undefined ? undefined : new DigestClient({ credentials, random: host.runtime.random })
  }

  /** Of the machine: `over` at the end. */
  get state(): NotifierState {
    return this.#machine.state
  }

  get decided(): boolean {
    return this.#decided
  }

  /** Seconds left of what was granted. */
  get remainingSeconds(): number {
    return this.#machine.remainingSeconds(this.#now)
  }

  /** Sends 200 and the first NOTIFY. @throws SipError SIP_STATE when it was answered already */
  accept(options: AcceptOptions = {}): void {
    this.#decide()
    this.#accept = options
    const seconds = this.#granted(this.#init.expiresSeconds)
    this.#respondOk(this.#incoming, seconds)
    this.#carryOut(this.#machine.accept(options.state ?? 'active', seconds, this.#now))
  }

  /** A status of 300 and above. @throws SipError SIP_STATE when it was answered already */
  reject(statusCode: number, options: RespondOptions = {}): void {
    this.#decide()
    this.#incoming.respond(statusCode, options)
    this.#leave('rejected')
  }

  /** The state has changed: tells it with the next NOTIFY; several changes may be told by one. */
  notify(): void {
    this.#carryOut(this.#machine.change(this.#now))
  }

  /** Pending becomes active (RFC 6665 §4.2.1.3). */
  authorise(): void {
    this.#carryOut(this.#machine.authorise(this.#now))
  }

  /** Ends it with a last NOTIFY. */
  terminate({ reason = 'noresource', retryAfterSeconds }: TerminateOptions = {}): void {
    this.#carryOut(this.#machine.terminate(reason, retryAfterSeconds, this.#now))
  }

  /** Forgets it without a word. */
  abandon(): void {
    this.#leave('lost')
  }

  /** A SUBSCRIBE in the dialog (RFC 6665 §4.2.1.2); false: 481. */
  receive(incoming: OutOfDialogRequest, expiresSeconds: number): boolean {
    const { state } = this.#machine
    if (state !== 'pending' && state !== 'active') return false
    const verdict = this.#dialog.receive(incoming.request)
    if (!verdict.accept) {
      incoming.respond(verdict.statusCode)
      return true
    }
    this.#dialog.refreshTarget(incoming.request)
    this.#flow = incoming.flow
    const seconds = this.#granted(expiresSeconds)
    this.#respondOk(incoming, seconds)
    this.#carryOut(this.#machine.refresh(seconds, this.#now))
    return true
  }

  get #now(): number {
    return this.#init.host.runtime.clock.now()
  }

  #granted(seconds: number): number {
    return Math.min(seconds, this.#accept.maxExpiresSeconds ?? Infinity)
  }

  #decide(): void {
    if (this.#decided) throw new SipDialogStateError('the SUBSCRIBE was answered already')
    this.#decided = true
  }

  #contact(): string {
    const { uri } = this.#dialog.local
    const user = uri.kind === 'sip' ? uri.user : undefined
    return new NameAddr({ uri: this.#init.host.transport.contactFor(this.#flow, user) }).toString()
  }

  #respondOk(incoming: OutOfDialogRequest, seconds: number): void {
    incoming.respond(200, {
      headers: [
        ['Contact', this.#contact()],
        ['Expires', String(seconds)],
      ],
    })
  }

  #carryOut(effects: readonly NotifierEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'notify') void this.#notify(effect)
      else this.#leave(effect.cause)
    }
    this.#timer?.cancel()
    const at = this.#gone ? undefined : this.#machine.nextAt
    this.#timer =
      at === undefined
        ? undefined
        : this.#init.host.runtime.clock.setTimer(at, () => this.#carryOut(this.#machine.due(this.#now)))
  }

  async #notify(order: NotifyOrder): Promise<void> {
    const { host, onError } = this.#init
    try {
      const body =
        order.status === 'pending' || order.reason === 'rejected' ? undefined : this.#render(order.full)
      const state = writeSubscriptionState(
        order.status === 'terminated'
          ? { status: order.status, reason: order.reason, retryAfterSeconds: order.retryAfterSeconds }
          : { status: order.status, expiresSeconds: order.remainingSeconds },
      )
      const { response } = await sendAuthenticated(host.transactions, this.#digest, () => {
        const next = this.#dialog.createRequest('NOTIFY', {
          headers: [
            ['Contact', this.#contact()],
            ['Event', this.event],
            ['Subscription-State', state],
            ...(host.identity ?? []),
          ],
          ...(body === undefined ? {} : { body }),
        })
        return { request: next.request, destination: routeOver(next, this.#flow) }
      })
      if (this.#gone) return
      if (response.statusCode < 300) this.#dialog.refreshTarget(response)
      this.#carryOut(
        endsSubscription(response.statusCode)
          ? this.#machine.lost(this.#now)
          : this.#machine.notified(response.statusCode < 300, this.#now),
      )
    } catch (error) {
      // Nobody answers, or the owner's body cannot be sent: there is no subscription without NOTIFYs.
      onError(error)
      if (!this.#gone) this.#carryOut(this.#machine.lost(this.#now))
    }
  }

  #render(full: boolean): ReturnType<NonNullable<AcceptOptions['render']>> {
    const body = this.#accept.render?.({ full, version: this.#version })
    if (body !== undefined) this.#version++
    return body
  }

  #leave(cause: NotifierEndCause): void {
    if (this.#gone) return
    this.#gone = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#init.onGone()
    try {
      this.#accept.onEnd?.(cause)
    } catch (error) {
      this.#init.onError(error)
    }
  }
}
