import { SipError } from '../../runtime/errors.ts'
import { stripBrackets } from '../message/host.ts'
import { Headers } from '../message/headers.ts'
import { RetryAfter } from '../message/headers/session.ts'
import { SipRequest } from '../message/message.ts'
import type { SipResponse } from '../message/message.ts'
import { familyOf } from '../transport/addresses.ts'
import type { Destination } from '../transport/destination.ts'
import { SipTransportError } from '../transport/errors.ts'
import type { Flow } from '../transport/flow.ts'
import type { Target } from '../transport/locate.ts'
import { AVOID_MS, MAX_RETRY_AFTER_MS } from '../transport/locating/health.ts'
import { writeLeft } from '../transport/locating/left-server.ts'
import type { LeftServer } from '../transport/locating/left-server.ts'
import type { CancelOptions, ClientTransaction } from './client-transaction.ts'
import { failoverChannel } from './diagnostics.ts'
import { SipTimeoutError } from './errors.ts'
import type { RequestOptions, TransactionLayer } from './transaction-layer.ts'

/** A request under way, by one server or by the next: what a `ClientTransaction` and a `FailoverRequest` have in common. */
export interface ClientRequest extends Pick<
  ClientTransaction,
  'flow' | 'onResponse' | 'onTimeout' | 'onTransportError' | 'onTerminated' | 'cancel'
> {
  /** As it was last sent. */
  readonly request: SipRequest
  /** Of the latest attempt; `undefined` before the first. */
  readonly branch: string | undefined
  /** The server it went to last, where the host is a name. */
  readonly target?: Target | undefined
  /** Servers that did not take it. */
  readonly left?: readonly LeftServer[]
}

export interface FailoverOptions {
  readonly destination: Destination
  /** Called before each attempt at a server of a domain: its Contact may have to name another transport. */
  readonly prepare?: ((request: SipRequest, destination: Destination) => void) | undefined
  /** Gives the branch of each attempt. Default: random ones. */
  readonly newBranch?: (() => string) | undefined
}

/**
 * Sends a request to the first server of a domain that takes it (RFC 3263 §4.3): when one gives no sign of life, cannot be connected to or
 * answers 503, the next gets the same request in a new transaction. An INVITE that any server has answered provisionally goes to no
 * other: it would ring twice. A numeric host has no next server and gets a plain transaction.
 *
 * Throws as `TransactionLayer.request`; callbacks never run before it has returned.
 */
export function requestWithFailover(
  transactions: TransactionLayer,
  request: SipRequest,
  options: FailoverOptions,
): ClientRequest {
  const { destination } = options
  const { target, host, flow } = destination
  // Over an open flow the host is never looked up.
  const isOne = target !== undefined || flow?.closed === false || familyOf(stripBrackets(host)) !== 0
  if (isOne) {
    return transactions.request(request, attempt(destination, options))
  }
  const sending = new FailoverRequest(transactions, request, options)
  sending.start()
  return sending
}

function attempt(destination: Destination, { newBranch }: FailoverOptions): RequestOptions {
  return newBranch === undefined ? { destination } : { destination, branch: newBranch() }
}

/** One request and the servers of a domain that it is tried at. */
class FailoverRequest implements ClientRequest {
  request: SipRequest
  readonly left: LeftServer[] = []
  onResponse: ((response: SipResponse, flow: Flow) => void) | undefined
  onTimeout: ((error: SipTimeoutError) => void) | undefined
  onTransportError: ((error: SipTransportError) => void) | undefined
  onTerminated: (() => void) | undefined

  readonly #transactions: TransactionLayer
  readonly #options: FailoverOptions
  readonly #isInvite: boolean
  /** Via fields that were there before ours: a proxy's request has some. */
  readonly #vias: number
  #untried: Target[] = []
  #target: Target | undefined
  #transaction: ClientTransaction | undefined
  #fresh = true
  #provisional = false
  #final = false
  #cancelled = false
  #ended = false

  constructor(transactions: TransactionLayer, request: SipRequest, options: FailoverOptions) {
    this.#transactions = transactions
    this.request = request
    this.#options = options
    this.#isInvite = request.method === 'INVITE'
    this.#vias = request.headers.fieldsOf('Via').length
  }

  get flow(): Flow | undefined {
    return this.#transaction?.flow
  }

  get branch(): string | undefined {
    return this.#transaction?.branch
  }

  get target(): Target | undefined {
    return this.#target
  }

  start(): void {
    const { transport } = this.#transactions
    let located: readonly Target[] | Promise<readonly Target[]>
    try {
      located = transport.locate(this.#options.destination)
    } catch (error) {
      if (!(error instanceof SipTransportError)) throw error
      this.#later(() => this.#fail(error))
      return
    }
    if (!('then' in located)) {
      this.#untried = [...located]
      this.#next()
      return
    }
    located
      .then(targets => {
        if (this.#ended) return
        this.#untried = [...targets]
        this.#next()
      })
      .catch((error: unknown) => this.#fail(asTransportError(error)))
  }

  /** As `ClientTransaction.cancel`; no further server is tried. */
  cancel(options: CancelOptions = {}): 'sent' | 'held' | 'abandoned' | 'late' {
    if (this.#ended || this.#final) return 'late'
    if (this.#transaction !== undefined) {
      if (this.#isInvite || this.#transaction.state === 'sending') this.#cancelled = true
      return this.#transaction.cancel(options)
    }
    if (!this.#cancelled) {
      this.#cancelled = true
      this.#later(() => this.#fail(givenUp()))
    }
    return 'abandoned'
  }

  /** Tries the next server. Throws what is the caller's fault. */
  #next(): void {
    const target = this.#untried.shift()
    if (target === undefined || this.#cancelled) return
    if (this.#fresh) this.#fresh = false
    else this.request = anew(this.request, this.#vias)
    this.#target = target
    const { bound, secure } = this.#options.destination
    const destination: Destination = {
      transport: target.transport,
      host: target.address,
      port: target.port,
      target,
      ...(secure !== undefined && { secure }),
      ...(bound !== undefined && { bound }),
    }
    this.#options.prepare?.(this.request, destination)
    const transaction = this.#transactions.request(this.request, attempt(destination, this.#options))
    this.#transaction = transaction
    transaction.onResponse = (response, flow) => this.#receive(transaction, target, response, flow)
    transaction.onTimeout = error => this.#failed(transaction, target, error)
    transaction.onTransportError = error => this.#failed(transaction, target, error)
    transaction.onTerminated = () => {
      if (transaction === this.#transaction) this.#end()
    }
  }

  #receive(transaction: ClientTransaction, target: Target, response: SipResponse, flow: Flow): void {
    // A server that was left had its final response, or none in time: what else it says is no part of this request.
    if (transaction !== this.#transaction) return
    const { statusCode } = response
    if (statusCode < 200) this.#provisional = true
    else if (statusCode === 503 && !this.#final) {
      const avoidedMs = retryAfterMs(response)
      this.#avoid(target, avoidedMs)
      const reason = `503 ${response.reasonPhrase}`.trimEnd()
      if (this.#goOn({ target, reason, statusCode, avoidedMs })) return
      this.#final = true
    } else {
      this.#final = true
      this.#transactions.transport.locator.health.recovered(target)
    }
    this.onResponse?.(response, flow)
  }

  #failed(transaction: ClientTransaction, target: Target, error: SipTimeoutError | SipTransportError): void {
    if (transaction !== this.#transaction) return
    if (this.#final || !isServersFault(error)) {
      this.#report(error)
      return
    }
    this.#avoid(target, AVOID_MS)
    const reason = error instanceof SipTimeoutError ? `no response (Timer ${error.timer})` : error.message
    if (this.#goOn({ target, reason, avoidedMs: AVOID_MS })) return
    this.#report(this.left.length < 2 ? error : allFailed(this.request.method, this.left, error))
  }

  /** Notes why a server is left, and tries the next one if that may be; false when this was the last word. */
  #goOn(left: LeftServer): boolean {
    this.left.push(left)
    const [next] = this.#untried
    const goesOn = next !== undefined && !this.#cancelled && !(this.#isInvite && this.#provisional)
    if (failoverChannel.hasSubscribers) {
      const { transport, clock } = this.#transactions
      const { method, callId } = this.request
      failoverChannel.publish({
        endpoint: transport.endpoint,
        at: clock.now(),
        method,
        callId,
        left,
        next: goesOn ? next : undefined,
      })
    }
    if (!goesOn) return false
    try {
      this.#next()
    } catch (error) {
      // It could be written once and can be again: what is left is a limit, or the end of the layer.
      this.#transaction = undefined
      this.#later(() => this.#fail(asTransportError(error)))
    }
    return true
  }

  #avoid(target: Target, ms: number): void {
    if (ms <= 0) return
    const { transport, clock } = this.#transactions
    transport.locator.health.avoid(target, clock.now() + ms)
  }

  #report(error: SipTimeoutError | SipTransportError): void {
    if (error instanceof SipTimeoutError) this.onTimeout?.(error)
    else this.onTransportError?.(error)
  }

  /** The end without a transaction. */
  #fail(error: SipTransportError): void {
    if (this.#ended) return
    this.onTransportError?.(error)
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.onTerminated?.()
  }

  #later(run: () => void): void {
    const { clock } = this.#transactions
    clock.setTimer(clock.now(), run)
  }
}

/** The same request without the Via of the attempt before: CSeq and Call-ID stay, the branch will be new (RFC 3263 §4.3). */
function anew({ method, requestUri, headers, body }: SipRequest, vias: number): SipRequest {
  let ours = headers.fieldsOf('Via').length - vias
  const fields = headers.fields.filter(field => !(field.name.toLowerCase() === 'via' && ours-- > 0))
  return new SipRequest(method, requestUri, new Headers(fields), body)
}

/** Whether another server may do better: not after a sign of life, and not when we gave up ourselves. */
function isServersFault(error: SipTimeoutError | SipTransportError): boolean {
  if (error instanceof SipTimeoutError) return error.provisionals === 0
  return error.failure !== 'cancelled' && error.failure !== 'shutdown'
}

/** Without Retry-After the server may take the very next request (RFC 3261 §21.5.4). */
function retryAfterMs(response: SipResponse): number {
  try {
    const seconds = response.get(RetryAfter)?.seconds ?? 0
    return Math.min(seconds * 1000, MAX_RETRY_AFTER_MS)
  } catch {
    return 0
  }
}

function allFailed(
  method: string,
  left: readonly LeftServer[],
  last: SipTimeoutError | SipTransportError,
): SipTimeoutError | SipTransportError {
  const message = `no server took the ${method}: ${writeLeft(left)}`
  if (last instanceof SipTimeoutError) {
    return new SipTimeoutError(last.timer, last.provisionals, message, { left, cause: last })
  }
  const { failure, transport, target } = last
  return new SipTransportError(failure, message, {
    left,
    cause: last,
    ...(transport !== undefined && { transport }),
    ...(target !== undefined && { target }),
  })
}

function givenUp(): SipTransportError {
  return new SipTransportError('cancelled', 'given up before the request had left')
}

function asTransportError(error: unknown): SipTransportError {
  if (error instanceof SipTransportError) return error
  const said = error instanceof SipError ? error.message : 'see cause'
  return new SipTransportError('closed', `the request could not be sent: ${said}`, { cause: error })
}
