import type { Clock } from '../../runtime/runtime.ts'
import { createResponse } from '../message/build.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { serialise } from '../message/serialiser.ts'
import { SipTransportError } from '../transport/errors.ts'
import type { Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import { Answered } from './answered.ts'
import { SipTimeoutError } from './errors.ts'
import { inviteServer } from './invite-server.ts'
import type { InviteServerEvent, InviteServerState } from './invite-server.ts'
import type { Machine } from './machine.ts'
import { matchesByTags } from './matching.ts'
import { nonInviteServer } from './non-invite-server.ts'
import type { NonInviteServerEvent, NonInviteServerState } from './non-invite-server.ts'
import { Runner } from './runner.ts'
import type { OutwardAction, RunnerHost } from './runner.ts'
import type { ServerTransaction } from './server-transaction.ts'
import type { TransactionStats } from './stats.ts'
import type { TimerSchedule } from './timers.ts'

export type ServerState = InviteServerState | NonInviteServerState

type ServerEvent = InviteServerEvent | NonInviteServerEvent

/** What diagnostics call a transaction. */
export interface Shown {
  readonly method: string
  readonly callId: string
  readonly branch: string
}

/** What the layer knows by its key: a server transaction, or what is left of one. */
export type KnownServer = ServerEntry | Answered

/** What the server side needs from the layer. */
export interface ServerHost {
  readonly clock: Clock
  readonly transport: TransportLayer
  readonly unreliable: TimerSchedule
  readonly reliable: TimerSchedule
  readonly stats: TransactionStats
  readonly newTag: () => string
  deliver(transaction: ServerTransaction): void
  deliverAck(ack: SipRequest, flow: Flow): void
  changed(entry: KnownServer, previous: string | undefined): void
  /** From now on that stands for the transaction. */
  answered(rest: Answered): void
  ended(entry: KnownServer): void
}

/** What the layer keeps of one server transaction, until an `Answered` takes its place. */
export class ServerEntry implements RunnerHost {
  readonly key: string
  /** `undefined` for requests with a To tag, and for those that are themselves a second copy. */
  readonly mergeKey: string | undefined
  readonly method: string
  readonly isInvite: boolean
  readonly flow: Flow
  /** To tag of the request, where matching needs it (RFC 2543). */
  readonly requestTag: string | undefined
  /** To tag of the last response to an INVITE, which its ACK and its CANCEL are compared with. */
  responseTag: string | undefined
  /** Status of the last response; 0 before the first. */
  statusCode = 0
  provisionals = 0
  ended = false
  /** What diagnostics call this transaction; only there while somebody listens to them. */
  shown: Shown | undefined
  /** The user's side. Let go once it has no use for callbacks any more. */
  transaction: ServerTransaction | undefined
  readonly #host: ServerHost
  readonly #runner: Runner<string, ServerEvent>
  #bytes: Uint8Array | undefined
  #response: SipResponse | undefined
  /** Where the last response went: a repetition goes there again. */
  #sentOver: Flow | undefined
  #failure: SipTransportError | undefined
  #ack: SipRequest | undefined
  #ackFlow: Flow | undefined
  #release: (() => void) | undefined
  #rest: Answered | undefined

  constructor(request: SipRequest, flow: Flow, key: string, mergeKey: string | undefined, host: ServerHost) {
    this.key = key
    this.mergeKey = mergeKey
    this.method = request.method
    this.isInvite = request.method === 'INVITE'
    this.flow = flow
    this.requestTag = matchesByTags(request) ? request.to.tag : undefined
    this.#host = host
    const machine = this.isInvite ? inviteServer : nonInviteServer
    const schedule = flow.reliable ? host.reliable : host.unreliable
    this.#runner = new Runner(machine as unknown as Machine<string, ServerEvent>, schedule, host.clock, this)
    if (flow.reliable) this.#release = flow.hold()
  }

  get state(): ServerState {
    if (this.#rest !== undefined) return this.#rest.state
    return this.ended ? 'terminated' : (this.#runner.state as ServerState)
  }

  begin(): void {
    this.#runner.start()
  }

  /** A response of the user; the transaction has checked that it may be sent. */
  respond(response: SipResponse): void {
    const { statusCode } = response
    if (response === this.#response && this.#bytes !== undefined) {
      this.#host.stats.retransmitted++
    } else {
      this.#take(response)
    }
    if (this.#rest !== undefined) {
      if (this.#bytes !== undefined) this.#rest.respond(response, this.#bytes)
      return
    }
    if (statusCode < 200) {
      this.provisionals++
      this.#runner.dispatch('send 1xx')
    } else if (!this.isInvite) {
      this.#runner.dispatch('send 200-699')
    } else {
      this.#runner.dispatch(statusCode < 300 ? 'send 2xx' : 'send 300-699')
    }
    if (statusCode >= 200) this.letGo()
  }

  /**
   * Forgets the user's side if a final response is out and nobody waits for a callback. An answered transaction lives
   * on for half a minute on UDP, only to repeat its answer: an `Answered` does that.
   */
  letGo(): void {
    if (this.statusCode < 200 || this.transaction?.isAttached === true) return
    this.transaction = undefined
    const bytes = this.#bytes
    const sentOver = this.#sentOver
    const waitsOnly = this.state === (this.isInvite ? 'accepted' : 'completed')
    if (this.ended || !waitsOnly || bytes === undefined || sentOver === undefined) {
      this.#response = undefined
      return
    }
    const { key, mergeKey, isInvite, requestTag, responseTag, shown } = this
    const expiresAt = this.#runner.nextAt ?? this.#host.clock.now()
    const release = this.#release
    this.#release = undefined
    this.ended = true
    this.#runner.stop()
    this.#rest = new Answered(
      { key, mergeKey, isInvite, requestTag, responseTag, bytes, sentOver, expiresAt, release, shown },
      this.#host,
    )
    this.#host.answered(this.#rest)
  }

  /** The request once more. */
  repeat(): void {
    this.#host.stats.absorbed++
    this.#runner.dispatch('request')
  }

  /** An ACK that matches this INVITE. */
  acknowledge(request: SipRequest, flow: Flow): void {
    this.#ack = request
    this.#ackFlow = flow
    this.#runner.dispatch('ack')
    this.#ack = undefined
    this.#ackFlow = undefined
  }

  /** The user wants to know nothing of the request. */
  discard(): void {
    this.transaction = undefined
    this.#end()
  }

  /** The layer closes. */
  stop(error: SipTransportError): void {
    if (this.ended) return
    this.transaction?.onTransportError?.(error)
    this.#end()
  }

  changed(previous: string | undefined): void {
    this.#host.changed(this, previous)
  }

  perform(action: OutwardAction): void {
    switch (action.do) {
      case 'deliver':
        if (this.#ack !== undefined) this.#host.deliverAck(this.#ack, this.#ackFlow ?? this.flow)
        else if (this.transaction !== undefined) this.#host.deliver(this.transaction)
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
        // The user may have answered in the same step.
        if (this.transaction === undefined || this.statusCode > 0) break
        this.#take(createResponse(this.transaction.request, 100))
        this.#transmit()
        break
      case 'timeout':
        this.#host.stats.timeouts++
        this.transaction?.onTimeout?.(
          new SipTimeoutError(
            action.timer,
            this.provisionals,
            action.timer === 'H'
              ? `no ACK for ${this.statusCode}: the caller may be gone`
              : `${this.method} was not answered in time: respond within 32 seconds`,
          ),
        )
        break
      case 'failure':
        this.#host.stats.transportErrors++
        this.transaction?.onTransportError?.(
          this.#failure ?? new SipTransportError('closed', 'the connection was lost'),
        )
        break
      case 'end':
        this.#end()
        break
      case 'ack':
      case 'send-cancel':
        break
    }
  }

  #take(response: SipResponse): void {
    this.#bytes = serialise(response)
    this.#response = response
    this.#sentOver = undefined
    this.statusCode = response.statusCode
    if (this.isInvite) this.responseTag = response.to.tag
    if (this.transaction !== undefined) this.transaction.response = response
  }

  #transmit(): void {
    const bytes = this.#bytes
    if (bytes === undefined) return
    try {
      const sentOver = this.#sentOver
      if (sentOver !== undefined && !sentOver.closed) {
        sentOver.send(bytes, this.#response)
        return
      }
      if (this.#response === undefined) return
      const sent = this.#host.transport.resendResponse(this.#response, bytes, this.flow)
      if ('then' in sent) this.#sendingLater(sent)
      else this.#sentOver = sent.flow
    } catch (error) {
      this.#fail(error)
    }
  }

  #sendingLater(sending: Promise<{ readonly flow: Flow }>): void {
    sending.then(({ flow }) => (this.#sentOver = flow)).catch((error: unknown) => this.#fail(error))
  }

  #fail(error: unknown): void {
    this.#failure =
      error instanceof SipTransportError
        ? error
        : new SipTransportError('closed', 'the response could not be sent: see cause', { cause: error })
    this.#runner.dispatch('transport error')
  }

  #end(): void {
    if (this.ended) return
    this.ended = true
    this.#runner.stop()
    this.#release?.()
    this.#host.ended(this)
    const { transaction } = this
    this.transaction = undefined
    transaction?.onTerminated?.()
  }
}
