import { SipError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'
import { createResponse } from '../message/build.ts'
import type { ResponseInit } from '../message/build.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { serialise } from '../message/serialiser.ts'
import { SipTransportError } from '../transport/errors.ts'
import type { Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import { SipTimeoutError } from './errors.ts'
import { inviteServer } from './invite-server.ts'
import type { InviteServerEvent, InviteServerState } from './invite-server.ts'
import type { Machine } from './machine.ts'
import { nonInviteServer } from './non-invite-server.ts'
import type { NonInviteServerEvent, NonInviteServerState } from './non-invite-server.ts'
import { Runner } from './runner.ts'
import type { OutwardAction } from './runner.ts'
import type { TransactionStats } from './stats.ts'
import type { TimerSchedule } from './timers.ts'

export type ServerState = InviteServerState | NonInviteServerState

type ServerEvent = InviteServerEvent | NonInviteServerEvent

/** What a server transaction needs from the layer. */
export interface ServerHost {
  readonly clock: Clock
  readonly transport: TransportLayer
  readonly unreliable: TimerSchedule
  readonly reliable: TimerSchedule
  readonly stats: TransactionStats
  newTag(): string
  deliver(transaction: ServerTransaction): void
  deliverAck(ack: SipRequest, flow: Flow): void
  changed(transaction: ServerTransaction, previous: string | undefined): void
  ended(transaction: ServerTransaction): void
}

/** One request received and our responses (RFC 3261 §17.2). */
export class ServerTransaction {
  readonly request: SipRequest
  /** What the request came in by. */
  readonly flow: Flow
  /**
   * The same request is being worked on in another transaction: it came by two ways (RFC 3261 §8.2.2.2), and a user
   * agent answers 482.
   */
  readonly merged: boolean
  /** The INVITE was cancelled; the 200 to the CANCEL is out. Called while there is no final response: answer 487. */
  onCancel: ((cancel: SipRequest) => void) | undefined
  /** Timer H: a final response of 300 or above was never acknowledged; or `expire`: the request was never answered. */
  onTimeout: ((error: SipTimeoutError) => void) | undefined
  /** A response could not be sent. */
  onTransportError: ((error: SipTransportError) => void) | undefined
  /** The last callback, exactly once. */
  onTerminated: (() => void) | undefined

  readonly #host: ServerHost
  readonly #runner: Runner<string, ServerEvent>
  readonly #isInvite: boolean
  #toTag: string | undefined
  #ended = false
  #response: SipResponse | undefined
  #bytes: Uint8Array | undefined
  #provisionals = 0
  #failure: SipTransportError | undefined
  #ack: { readonly request: SipRequest; readonly flow: Flow } | undefined
  #release: (() => void) | undefined

  constructor(request: SipRequest, flow: Flow, merged: boolean, host: ServerHost) {
    this.request = request
    this.flow = flow
    this.merged = merged
    this.#host = host
    this.#isInvite = request.method === 'INVITE'
    const machine = this.#isInvite ? inviteServer : nonInviteServer
    this.#runner = new Runner<string, ServerEvent>(
      machine as unknown as Machine<string, ServerEvent>,
      flow.reliable ? host.reliable : host.unreliable,
      host.clock,
      action => this.#perform(action),
      previous => host.changed(this, previous),
    )
    if (flow.reliable) this.#release = flow.hold()
  }

  get state(): ServerState {
    return this.#ended ? 'terminated' : (this.#runner.state as ServerState)
  }

  /** The last response sent. */
  get response(): SipResponse | undefined {
    return this.#response
  }

  /**
   * A To tag of its own for this transaction, made on first use: `reply` puts it into responses, the 200 to a CANCEL
   * carries it as well (RFC 3261 §9.2), and a dialog can take it for its local tag.
   */
  get toTag(): string {
    this.#toTag ??= this.request.to.tag ?? this.#host.newTag()
    return this.#toTag
  }

  /** `respond` with a response made from the request, `toTag` included. */
  reply(statusCode: number, init: ResponseInit = {}): void {
    this.respond(createResponse(this.request, statusCode, { toTag: this.toTag, ...init }))
  }

  /**
   * Sends a response. The same 2xx object to an INVITE may be given again: it is resent octet for octet
   * (RFC 3261 §13.3.1.4). After the transaction has ended without an answer nothing is sent.
   *
   * Throws `SipError` `SIP_STATE` for a second final response, and to a request other than INVITE for 408 (RFC 4320
   * §4.2) and for provisional responses above 100 (§4.1). A 100 to such a request is left to the transaction, which
   * sends it when it is due. Throws `SipSerialiseError` for a response that cannot be written.
   */
  respond(response: SipResponse): void {
    const { statusCode } = response
    if (this.#refuses(statusCode)) return
    if (response !== this.#response || this.#bytes === undefined) {
      this.#bytes = serialise(response)
      this.#response = response
    } else {
      this.#host.stats.retransmitted++
    }
    if (statusCode < 200) {
      this.#provisionals++
      this.#runner.dispatch('send 1xx')
    } else if (!this.#isInvite) {
      this.#runner.dispatch('send 200-699')
    } else {
      this.#runner.dispatch(statusCode < 300 ? 'send 2xx' : 'send 300-699')
    }
  }

  /** True when the response is to be dropped without a word; throws when it is a mistake of the user. */
  #refuses(statusCode: number): boolean {
    const given = this.#response?.statusCode ?? 0
    if (given >= 200) {
      const another2xx = this.#isInvite && given < 300 && statusCode >= 200 && statusCode < 300
      if (!another2xx) {
        throw new SipError(
          'SIP_STATE',
          `${this.request.method} was answered ${given} already: ${statusCode} cannot be sent any more`,
        )
      }
    }
    if (!this.#isInvite && statusCode > 100 && statusCode < 200) {
      throw new SipError(
        'SIP_STATE',
        `only INVITE takes ${statusCode}: send the final response when it is known`,
      )
    }
    if (!this.#isInvite && statusCode === 408) {
      throw new SipError('SIP_STATE', 'only INVITE takes 408: leave a request unanswered instead')
    }
    return this.#ended || (!this.#isInvite && statusCode < 200)
  }

  /** @internal */
  begin(): void {
    this.#runner.start()
  }

  /** @internal The request once more. */
  repeat(): void {
    this.#host.stats.absorbed++
    this.#runner.dispatch('request')
  }

  /** @internal An ACK that matches this INVITE. */
  acknowledge(request: SipRequest, flow: Flow): void {
    this.#ack = { request, flow }
    this.#runner.dispatch('ack')
    this.#ack = undefined
  }

  /** @internal The layer closes. */
  stop(error: SipTransportError): void {
    if (this.#ended) return
    this.onTransportError?.(error)
    this.#end()
  }

  #perform(action: OutwardAction): void {
    switch (action.do) {
      case 'deliver':
        if (this.#ack === undefined) this.#host.deliver(this)
        else this.#host.deliverAck(this.#ack.request, this.#ack.flow)
        break
      case 'send':
        this.#transmit()
        break
      case 'resend':
        if (this.#bytes === undefined) break
        this.#host.stats.retransmitted++
        this.#transmit()
        break
      case 'send-100':
        this.#response = createResponse(this.request, 100)
        this.#bytes = serialise(this.#response)
        this.#transmit()
        break
      case 'timeout':
        this.#host.stats.timeouts++
        this.onTimeout?.(
          new SipTimeoutError(
            action.timer,
            this.#provisionals,
            action.timer === 'H'
              ? `no ACK for ${this.#response?.statusCode ?? 'the final response'}: the caller may be gone`
              : `${this.request.method} was not answered in time: respond within 32 seconds`,
          ),
        )
        break
      case 'failure':
        this.#host.stats.transportErrors++
        this.onTransportError?.(this.#failure ?? new SipTransportError('closed', 'the connection was lost'))
        break
      case 'end':
        this.#end()
        break
      case 'ack':
      case 'send-cancel':
        break
    }
  }

  #transmit(): void {
    const { transport } = this.#host
    if (this.#response === undefined || this.#bytes === undefined) return
    try {
      const sent = transport.resendResponse(this.#response, this.#bytes, this.flow)
      if ('then' in sent) sent.catch((error: unknown) => this.#fail(error))
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#failure =
      error instanceof SipTransportError
        ? error
        : new SipTransportError('closed', 'the response could not be sent: see cause', { cause: error })
    this.#runner.dispatch('transport error')
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#runner.stop()
    this.#release?.()
    this.#host.ended(this)
    this.onTerminated?.()
  }
}
