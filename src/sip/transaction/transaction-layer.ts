import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock, Random } from '../../runtime/runtime.ts'
import { TurnoverMap } from '../../runtime/turnover-map.ts'
import { createResponse } from '../message/build.ts'
import { SipParseError } from '../message/errors.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { Destination } from '../transport/destination.ts'
import { SipTransportError } from '../transport/errors.ts'
import type { Flow } from '../transport/flow.ts'
import { nextHop } from '../transport/locate.ts'
import type { Sent, TransportLayer } from '../transport/transport-layer.ts'
import { AnsweredQueue } from './answered.ts'
import { newBranch, randomToken } from './branch.ts'
import { ClientTransaction } from './client-transaction.ts'
import type { CancelOptions, ClientHost } from './client-transaction.ts'
import { transactionChannel } from './diagnostics.ts'
import type { TransactionEvent } from './diagnostics.ts'
import { clientKey, matchesByTags, mergeKey, serverKey } from './matching.ts'
import { ServerEntry } from './server-entry.ts'
import type { KnownServer, ServerHost } from './server-entry.ts'
import { ServerTransaction } from './server-transaction.ts'
import { emptyStats } from './stats.ts'
import type { TransactionStats } from './stats.ts'
import { timerSchedule, timerValues } from './timers.ts'
import type { TimerValues } from './timers.ts'

/** Bounds; what goes beyond is refused and counted in `TransactionStats`. */
export interface TransactionLimits {
  /** Client transactions alive. Default 65536. */
  readonly client: number
  /**
   * Server transactions alive: at this many an INVITE gets 503 without state; other requests, which mostly end
   * something, only at twice as many. Default 65536: on UDP each lives 32 seconds, so about 1000 calls a second.
   */
  readonly server: number
}

export const defaultTransactionLimits: TransactionLimits = { client: 65_536, server: 65_536 }

/** Seconds a refused INVITE is told to wait. */
const retryAfterSeconds = 10

export interface TransactionLayerOptions {
  readonly transport: TransportLayer
  readonly clock: Clock
  readonly random: Random
  readonly timers?: Partial<TimerValues>
  readonly limits?: Partial<TransactionLimits>
}

export interface RequestOptions {
  /** Default: the first Route, or the Request-URI (RFC 3261 §8.1.2). */
  readonly destination?: Destination
  /** Of the Via; begins with `z9hG4bK` and is never used twice. Default: a random one (RFC 3261 §8.1.1.7, §16.6 8). */
  readonly branch?: string
}

/**
 * Transactions over a transport layer (RFC 3261 §17, RFC 6026, RFC 4320): retransmission, matching, ACK for failures,
 * CANCEL. It takes over `transport.onRequest` and `transport.onResponse`.
 */
export class TransactionLayer {
  /** A new request, CANCEL and ACK excepted. */
  onRequest: ((transaction: ServerTransaction) => void) | undefined
  /** An ACK that no transaction takes: the one for a 2xx, or a stray one. Never to be answered. */
  onAck: ((ack: SipRequest, flow: Flow) => void) | undefined
  /** A response that no transaction takes: a 2xx repeated after Timer M, or a foreign one. */
  onStrayResponse: ((response: SipResponse, flow: Flow) => void) | undefined
  /** A CANCEL whose request is not known. Default: 481. For proxies, which pass it on. */
  onUnmatchedCancel: ((transaction: ServerTransaction) => void) | undefined

  readonly transport: TransportLayer
  readonly clock: Clock

  readonly #random: Random
  readonly #limits: TransactionLimits
  readonly #stats: TransactionStats = emptyStats()
  readonly #clients = new TurnoverMap<string, ClientTransaction>()
  readonly #servers = new Map<string, KnownServer>()
  readonly #answered: AnsweredQueue
  /** Requests without a To tag, to notice those that come twice by different ways. */
  readonly #initial = new Set<string>()
  readonly #sentAcks = new WeakSet<SipRequest>()
  readonly #clientHost: ClientHost
  readonly #serverHost: ServerHost
  #closed = false

  /** Throws `OptionError`. */
  constructor({ transport, clock, random, timers, limits }: TransactionLayerOptions) {
    this.transport = transport
    this.clock = clock
    this.#random = random
    this.#answered = new AnsweredQueue(clock)
    this.#limits = { ...defaultTransactionLimits, ...limits }
    for (const [name, value] of Object.entries(this.#limits)) {
      if (!(value >= 1)) throw new OptionError(`limits.${name}`, `${value} is not a number of at least 1`)
    }
    const values = timerValues(timers)
    const shared = {
      clock,
      transport,
      stats: this.#stats,
      unreliable: timerSchedule(values, false),
      reliable: timerSchedule(values, true),
    }
    this.#clientHost = {
      ...shared,
      startCancel: (cancel, branch, destination) => this.#start(cancel, branch, destination),
      changed: ({ request, branch, state }, previous) => {
        if (transactionChannel.hasSubscribers) {
          this.#noteState('client', shownAs(request, branch), previous, state)
        }
      },
      ended: transaction => this.#clients.delete(clientKey(transaction.branch, transaction.request.method)),
    }
    this.#serverHost = {
      ...shared,
      newTag: () => randomToken(random),
      deliver: transaction => this.#deliver(transaction),
      deliverAck: (ack, flow) => this.onAck?.(ack, flow),
      changed: (entry, previous) => {
        if (!transactionChannel.hasSubscribers) return
        if (entry.transaction !== undefined) {
          const { request } = entry.transaction
          entry.shown ??= shownAs(request, request.via.branch ?? '')
        }
        if (entry.shown !== undefined) this.#noteState('server', entry.shown, previous, entry.state)
      },
      answered: rest => {
        this.#servers.set(rest.key, rest)
        this.#answered.add(rest)
      },
      ended: entry => this.#serverEnded(entry),
    }
    transport.onRequest = (request, flow) => this.#receiveRequest(request, flow)
    transport.onResponse = (response, flow) => this.#receiveResponse(response, flow)
  }

  /** A snapshot of the counters. */
  stats(): TransactionStats {
    return { ...this.#stats, client: this.#clients.size, server: this.#servers.size }
  }

  /** Transactions alive, client and server. */
  get size(): number {
    return this.#clients.size + this.#servers.size
  }

  /**
   * Sends a request in a new transaction, which takes the request over and puts a Via on top of it: for a second
   * attempt make a new request. Set the callbacks on what is returned before the next turn of the event loop.
   *
   * Throws `SipSerialiseError` for a request that cannot be written and `SipError` `SIP_LIMIT` when `limits.client`
   * is reached; what the network does to the request comes by callback.
   */
  request(request: SipRequest, options: RequestOptions = {}): ClientTransaction {
    if (request.method === 'ACK') {
      throw new SipError('SIP_STATE', 'ACK has no transaction: use sendAck')
    }
    if (this.#closed) throw new SipTransportError('shutdown', 'the transaction layer is closed')
    if (this.#clients.size >= this.#limits.client) {
      this.#stats.refusedClient++
      throw new SipError(
        'SIP_LIMIT',
        `${this.#limits.client} requests are under way: slow down or raise limits.client`,
      )
    }
    return this.#start(
      request,
      options.branch ?? newBranch(this.#random),
      options.destination ?? nextHop(request),
    )
  }

  /** As `transaction.cancel(options)`. */
  cancel(transaction: ClientTransaction, options?: CancelOptions): 'sent' | 'held' | 'abandoned' | 'late' {
    return transaction.cancel(options)
  }

  /**
   * Sends the ACK for a 2xx: no transaction, a branch of its own (RFC 3261 §13.2.2.4). The same
   * object may be given again for every repeated 2xx: the Via of the time before is replaced.
   */
  sendAck(ack: SipRequest, destination: Destination = nextHop(ack)): Sent | Promise<Sent> {
    if (this.#sentAcks.has(ack)) ack.headers.removeFirst('Via')
    this.#sentAcks.add(ack)
    return this.transport.sendRequest(ack, { branch: newBranch(this.#random), destination })
  }

  /** Ends every transaction; users learn of it by `onTransportError` and `onTerminated`. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    const error = new SipTransportError('shutdown', 'the transaction layer was closed')
    // Each takes itself out of its map as it stops, which a Map's iteration allows.
    for (const transaction of this.#clients.values()) transaction.stop(error)
    for (const transaction of this.#servers.values()) transaction.stop(error)
    this.#answered.clear()
  }

  #start(request: SipRequest, branch: string, destination: Destination): ClientTransaction {
    const transaction = new ClientTransaction(request, branch, destination, this.#clientHost)
    const key = clientKey(branch, request.method)
    this.#clients.set(key, transaction)
    try {
      transaction.begin()
    } catch (error) {
      this.#clients.delete(key)
      throw error
    }
    this.#stats.clientStarted++
    return transaction
  }

  #receiveResponse(response: SipResponse, flow: Flow): void {
    const transaction = this.#clients.get(clientKey(response.via.branch ?? '', response.cseq.method))
    if (transaction !== undefined) {
      transaction.receive(response, flow)
      return
    }
    this.#stats.strayResponses++
    this.onStrayResponse?.(response, flow)
  }

  #receiveRequest(request: SipRequest, flow: Flow): void {
    if (this.#closed) return
    if (request.method === 'ACK') {
      this.#receiveAck(request, flow)
      return
    }
    const key = serverKey(request, request.method)
    const known = this.#servers.get(key)
    if (known !== undefined && (!matchesByTags(request) || known.requestTag === request.to.tag)) {
      known.repeat()
      return
    }
    const bound = request.method === 'INVITE' ? this.#limits.server : 2 * this.#limits.server
    if (this.#servers.size >= bound) {
      this.#refuse(request, flow)
      return
    }
    const mergeable =
      request.method !== 'CANCEL' && request.to.tag === undefined ? mergeKey(request) : undefined
    const merged = mergeable !== undefined && this.#initial.has(mergeable)
    const entry = new ServerEntry(request, flow, key, merged ? undefined : mergeable, this.#serverHost)
    entry.transaction = new ServerTransaction(request, merged, entry, this.#serverHost.newTag)
    if (entry.mergeKey !== undefined) this.#initial.add(entry.mergeKey)
    this.#servers.set(key, entry)
    this.#stats.serverStarted++
    entry.begin()
  }

  #receiveAck(ack: SipRequest, flow: Flow): void {
    const invite = this.#servers.get(serverKey(ack, 'INVITE'))
    const tagged = invite?.responseTag
    if (invite !== undefined && (!matchesByTags(ack) || tagged === undefined || ack.to.tag === tagged)) {
      invite.acknowledge(ack, flow)
      return
    }
    this.#stats.strayAcks++
    this.onAck?.(ack, flow)
  }

  #deliver(transaction: ServerTransaction): void {
    try {
      if (transaction.request.method === 'CANCEL') this.#receiveCancel(transaction)
      else this.onRequest?.(transaction)
    } catch (error) {
      this.#failed(transaction, error)
    }
  }

  /**
   * Works on a request, and answers it when that fails: 400 for a header that cannot be read, else 500 and a fault counted by the transport layer.
   * For what is done later than `onRequest`; that is guarded already.
   */
  guard(transaction: ServerTransaction, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#failed(transaction, error)
    }
  }

  #failed(transaction: ServerTransaction, error: unknown): void {
    const unreadable = error instanceof SipParseError ? error : undefined
    if (unreadable === undefined) this.transport.noteFault(error, transaction.request)
    if ((transaction.response?.statusCode ?? 0) >= 200) return
    if (unreadable === undefined) transaction.reply(500)
    else transaction.reply(unreadable.statusCode, { reasonPhrase: unreadable.reasonPhrase })
  }

  /** RFC 3261 §9.2: the CANCEL is answered here, in every state of the INVITE; the INVITE by its user. */
  #receiveCancel(cancel: ServerTransaction): void {
    const { request } = cancel
    const invite = this.#servers.get(serverKey(request, 'INVITE'))
    if (invite === undefined || (matchesByTags(request) && invite.requestTag !== request.to.tag)) {
      if (this.onUnmatchedCancel === undefined) cancel.reply(481)
      else this.onUnmatchedCancel(cancel)
      return
    }
    const user = invite.transaction
    cancel.reply(200, { toTag: invite.responseTag ?? user?.toTag })
    if (invite.state === 'proceeding') user?.onCancel?.(request)
  }

  #refuse(request: SipRequest, flow: Flow): void {
    this.#stats.refusedServer++
    const response = createResponse(request, 503, {
      toTag: randomToken(this.#random),
      headers: [['Retry-After', String(retryAfterSeconds)]],
    })
    try {
      const sent = this.transport.sendResponse(response, flow)
      if ('then' in sent) sent.catch(() => {})
    } catch (error) {
      if (!(error instanceof SipTransportError)) throw error
    }
  }

  #serverEnded({ key, mergeKey }: KnownServer): void {
    this.#servers.delete(key)
    if (mergeKey !== undefined) this.#initial.delete(mergeKey)
  }

  #noteState(
    side: 'client' | 'server',
    shown: Pick<TransactionEvent, 'method' | 'callId' | 'branch'>,
    previous: string | undefined,
    state: string,
  ): void {
    const { endpoint } = this.transport
    transactionChannel.publish({ endpoint, at: this.clock.now(), side, ...shown, previous, state })
  }
}

function shownAs(
  { method, callId }: SipRequest,
  branch: string,
): Pick<TransactionEvent, 'method' | 'callId' | 'branch'> {
  return { method, callId, branch }
}
