import type { Clock } from '../../runtime/runtime.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { Destination } from '../transport/destination.ts'
import { SipTransportError } from '../transport/errors.ts'
import type { Flow } from '../transport/flow.ts'
import type { Sent, TransportLayer } from '../transport/transport-layer.ts'
import { ackFor, cancelFor } from './companions.ts'
import { SipTimeoutError } from './errors.ts'
import { inviteClient } from './invite-client.ts'
import type { InviteClientEvent, InviteClientState } from './invite-client.ts'
import type { Machine } from './machine.ts'
import { nonInviteClient } from './non-invite-client.ts'
import type { NonInviteClientEvent, NonInviteClientState } from './non-invite-client.ts'
import { Runner } from './runner.ts'
import type { OutwardAction, RunnerHost } from './runner.ts'
import type { TimerSchedule } from './timers.ts'
import type { TransactionStats } from './stats.ts'

/** `sending`: a name is being looked up or a connection opened; the timers have not started. */
export type ClientState = 'sending' | InviteClientState | NonInviteClientState

type ClientEvent = InviteClientEvent | NonInviteClientEvent

export interface CancelOptions {
  /** Header fields for the CANCEL, Reason for example. */
  readonly headers?: Iterable<readonly [name: string, value: string]>
}

/** What a client transaction needs from the layer. */
export interface ClientHost {
  readonly clock: Clock
  readonly transport: TransportLayer
  readonly unreliable: TimerSchedule
  readonly reliable: TimerSchedule
  readonly stats: TransactionStats
  /** Starts the transaction of a CANCEL under the branch of its INVITE. */
  startCancel(cancel: SipRequest, branch: string, destination: Destination): void
  changed(transaction: ClientTransaction, previous: string | undefined): void
  ended(transaction: ClientTransaction): void
}

/** One request of ours and its responses (RFC 3261 §17.1). Callbacks never run before `request()` has returned. */
export class ClientTransaction implements RunnerHost {
  readonly request: SipRequest
  readonly branch: string
  readonly destination: Destination
  /** Every response that is not a retransmission; after a 2xx to an INVITE every further 2xx too (RFC 6026 §7.2). */
  onResponse: ((response: SipResponse, flow: Flow) => void) | undefined
  /** No final response in time. Never called after a final response. */
  onTimeout: ((error: SipTimeoutError) => void) | undefined
  /** The request, or the ACK for a final response, could not be sent. */
  onTransportError: ((error: SipTransportError) => void) | undefined
  /** The last callback, exactly once. */
  onTerminated: (() => void) | undefined

  readonly #host: ClientHost
  readonly #isInvite: boolean
  #runner: Runner<string, ClientEvent> | undefined
  #ended = false
  #flow: Flow | undefined
  #bytes: Uint8Array | undefined
  #release: (() => void) | undefined
  #forget: (() => void) | undefined
  #current: { readonly response: SipResponse; readonly flow: Flow } | undefined
  #final: SipResponse | undefined
  #provisionals = 0
  #ack: { readonly request: SipRequest; bytes: Uint8Array | undefined } | undefined
  #failure: SipTransportError | undefined
  #cancel: { readonly options: CancelOptions; sent: boolean } | undefined

  constructor(request: SipRequest, branch: string, destination: Destination, host: ClientHost) {
    this.request = request
    this.branch = branch
    this.destination = destination
    this.#host = host
    this.#isInvite = request.method === 'INVITE'
  }

  get state(): ClientState {
    if (this.#ended) return 'terminated'
    return this.#runner === undefined ? 'sending' : (this.#runner.state as ClientState)
  }

  /** What the request left over; `undefined` while `sending`. */
  get flow(): Flow | undefined {
    return this.#flow
  }

  /** Provisional responses received. */
  get provisionals(): number {
    return this.#provisionals
  }

  /** The first final response. */
  get finalResponse(): SipResponse | undefined {
    return this.#final
  }

  /** True once `cancel` was called in time to have an effect. */
  get cancelled(): boolean {
    return this.#cancel !== undefined
  }

  /**
   * Gives the request up (RFC 3261 §9.1; INVITE only): sends CANCEL, or keeps the wish until the first provisional
   * response (`held`), or if the request has not left yet, never sends it (`abandoned`: `onTransportError` follows).
   * `late`: there is a final response already. A 2xx may still come after `sent` and `held`.
   */
  cancel(options: CancelOptions = {}): 'sent' | 'held' | 'abandoned' | 'late' {
    const { state } = this
    if (state === 'sending') {
      if (this.#cancel === undefined) {
        this.#cancel = { options, sent: true }
        this.#failLater(new SipTransportError('cancelled', 'given up before the request had left'))
      }
      return 'abandoned'
    }
    if (!this.#isInvite || (state !== 'calling' && state !== 'proceeding')) return 'late'
    this.#cancel ??= { options, sent: false }
    if (state === 'calling') return 'held'
    this.#sendCancel()
    return 'sent'
  }

  /** For the layer. First transmission. Throws what is the caller's fault; transport failures come by callback. */
  begin(): void {
    let sent: Sent | Promise<Sent>
    try {
      sent = this.#host.transport.sendRequest(this.request, {
        branch: this.branch,
        destination: this.destination,
        stillWanted: () => !this.#ended && this.#failure === undefined,
      })
    } catch (error) {
      if (!(error instanceof SipTransportError)) throw error
      this.#failLater(error)
      return
    }
    if ('then' in sent) this.#leaveLater(sent)
    else this.#left(sent)
  }

  #leaveLater(sending: Promise<Sent>): void {
    sending.then(sent => this.#left(sent)).catch((error: unknown) => this.#fail(asTransportError(error)))
  }

  /** For the layer. */
  receive(response: SipResponse, flow: Flow): void {
    const { statusCode } = response
    const runner = this.#runner
    if (runner === undefined) return
    this.#current = { response, flow }
    if (statusCode < 200) this.#provisionals++
    else this.#final ??= response
    if (this.#isInvite) {
      if (statusCode === 100) runner.dispatch('100')
      else if (statusCode < 200) runner.dispatch('101-199')
      else runner.dispatch(statusCode < 300 ? '2xx' : '300-699')
    } else {
      runner.dispatch(statusCode < 200 ? '1xx' : '200-699')
    }
    this.#current = undefined
    if (this.#cancel?.sent === false && this.state === 'proceeding') this.#sendCancel()
  }

  /** The layer closes: tells the user unless there was a final response. */
  stop(error: SipTransportError): void {
    if (this.#ended) return
    if (this.#final === undefined) this.onTransportError?.(error)
    this.#end()
  }

  #left({ flow, bytes }: Sent): void {
    if (this.#ended) return
    const { reliable, unreliable, clock } = this.#host
    this.#flow = flow
    if (flow.reliable) {
      this.#release = flow.hold()
      this.#forget = flow.onClose(() => this.#connectionLost())
    } else {
      this.#bytes = bytes
    }
    const machine = this.#isInvite ? inviteClient : nonInviteClient
    this.#runner = new Runner<string, ClientEvent>(
      machine as unknown as Machine<string, ClientEvent>,
      flow.reliable ? reliable : unreliable,
      clock,
      this,
    )
    this.#runner.start()
  }

  /** For the layer. */
  changed(previous: string | undefined): void {
    this.#host.changed(this, previous)
  }

  /** For the layer. */
  perform(action: OutwardAction): void {
    switch (action.do) {
      case 'send':
        // It has left already: only then is it known whether the transport is reliable, and the machine starts.
        break
      case 'resend':
        this.#resend()
        break
      case 'ack':
        this.#acknowledge()
        break
      case 'send-cancel':
        this.#cancel ??= { options: {}, sent: false }
        this.#sendCancel()
        break
      case 'deliver':
        if (this.#current !== undefined) this.onResponse?.(this.#current.response, this.#current.flow)
        break
      case 'timeout':
        this.#host.stats.timeouts++
        this.onTimeout?.(
          new SipTimeoutError(
            action.timer,
            this.#provisionals,
            timeoutMessage(this.request.method, this.#provisionals),
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
      case 'send-100':
        break
    }
  }

  #resend(): void {
    if (this.#flow === undefined || this.#bytes === undefined) return
    this.#host.stats.retransmitted++
    try {
      this.#flow.send(this.#bytes, this.request)
    } catch (error) {
      this.#fail(asTransportError(error))
    }
  }

  /** RFC 3261 §17.1.1.3: built once, the same octets for every further copy of the final response. */
  #acknowledge(): void {
    const flow = this.#flow
    if (flow === undefined || this.#current === undefined) return
    this.#ack ??= { request: ackFor(this.request, this.#current.response), bytes: undefined }
    const { request, bytes } = this.#ack
    try {
      if (bytes !== undefined && !flow.closed) {
        flow.send(bytes, request)
        return
      }
      if (bytes !== undefined) request.headers.removeFirst('Via')
      const sent = this.#host.transport.sendRequest(request, {
        branch: this.branch,
        destination: this.#sameWay(flow),
      })
      if ('then' in sent) sent.catch((error: unknown) => this.#fail(asTransportError(error)))
      else this.#ack.bytes = sent.bytes
    } catch (error) {
      // Not at once: the response that is being acknowledged comes first.
      this.#failLater(asTransportError(error))
    }
  }

  #sendCancel(): void {
    if (this.#cancel === undefined || this.#cancel.sent || this.#flow === undefined) return
    this.#cancel.sent = true
    const cancel = cancelFor(this.request, this.#cancel.options.headers)
    this.#host.startCancel(cancel, this.branch, this.#sameWay(this.#flow))
    this.#runner?.dispatch('cancel sent')
  }

  /** ACK and CANCEL go exactly where the request went. */
  #sameWay(flow: Flow): Destination {
    const { transport, remote, bound } = flow
    return { transport, host: remote.address, port: remote.port, flow, ...(bound !== undefined && { bound }) }
  }

  #connectionLost(): void {
    // With a listener of ours in Via, the other party can still open a connection for its response (§18.2.2).
    if (this.#final !== undefined || this.#flow?.bound !== undefined) return
    this.#fail(new SipTransportError('closed', 'the connection was closed before the response came'))
  }

  #failLater(error: SipTransportError): void {
    this.#failure = error
    const { clock } = this.#host
    clock.setTimer(clock.now(), () => this.#fail(error))
  }

  #fail(error: SipTransportError): void {
    if (this.#ended) return
    this.#failure = error
    if (this.#runner !== undefined) {
      this.#runner.dispatch('transport error')
      return
    }
    this.#host.stats.transportErrors++
    this.onTransportError?.(error)
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#runner?.stop()
    this.#release?.()
    this.#forget?.()
    this.#host.ended(this)
    this.onTerminated?.()
  }
}

function asTransportError(error: unknown): SipTransportError {
  if (error instanceof SipTransportError) return error
  return new SipTransportError('closed', 'the message could not be sent: see cause', { cause: error })
}

function timeoutMessage(method: string, provisionals: number): string {
  return provisionals === 0
    ? `no response to ${method}: check the address, the transport and the firewall`
    : `no final response to ${method}, though it was being worked on: try again later`
}
