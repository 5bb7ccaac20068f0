import { OptionError, SipError } from '../runtime/errors.ts'
import { createNodeRuntime } from '../runtime/node.ts'
import type { Clock, Random, Runtime } from '../runtime/runtime.ts'
import { UserAgentCore } from '../sip/dialog/core.ts'
import type { Refusal } from '../sip/dialog/core-types.ts'
import type { Admitted } from '../sip/auth/admission.ts'
import type { AdmissionGate } from '../sip/dialog/admission-gate.ts'
import { defaultAllow } from '../sip/dialog/defaults.ts'
import type { InviteServerSession } from '../sip/dialog/session-types.ts'
import type { SipResponse } from '../sip/message/message.ts'
import { TransactionLayer } from '../sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../sip/transport/transport-layer.ts'
import type { Destination } from '../sip/transport/destination.ts'
import type { Flow } from '../sip/transport/flow.ts'
import type { Call } from './call.ts'
import type { CallContext, Cancellable } from './call-types.ts'
import { gateOf } from './admission.ts'
import { newCallId } from './call-ids.ts'
import { SafeEmitter } from './emitter.ts'
import type { CloseOptions, EndpointEvents, EndpointStats } from './endpoint-types.ts'
import { IncomingCall } from './incoming-call.ts'
import { MediaFactory } from './media-factory.ts'
import { durationLimit, reliabilityOption, ringLimit } from './control-options.ts'
import type { EndpointOptions } from './options.ts'
import { defaultLimits, formatListen, keepAliveTimer, parseAdvertise, parseListen } from './options.ts'
import type { CallOptions } from './outgoing-call.ts'
import { OutgoingCall } from './outgoing-call.ts'
import { TransferDesk } from './transfer-desk.ts'
import { Registration } from './registration.ts'
import type { RegistrationOptions } from '../sip/registration/client-options.ts'
import { planRequest } from './plan-request.ts'
import type { EndpointRequestOptions } from './plan-request.ts'
import { RequestDesk } from './requests.ts'

type Handler = (call: IncomingCall) => void | Promise<void>

/**
 * Binds the addresses and starts to answer.
 * @throws OptionError naming the option; SipError SIP_TRANSPORT when an address cannot be bound
 */
export async function createEndpoint(options: EndpointOptions = {}): Promise<Endpoint> {
  const endpoint = new Endpoint(options)
  await endpoint.open()
  return endpoint
}

/** A phone with many lines: it takes calls and makes them, and owns the sockets. `createEndpoint` makes one. */
export class Endpoint extends SafeEmitter<EndpointEvents> {
  readonly #runtime: Runtime
  readonly #transport: TransportLayer
  readonly #transactions: TransactionLayer
  readonly #core: UserAgentCore
  readonly #gate: AdmissionGate | undefined
  readonly #media: MediaFactory
  readonly #maxCalls: number
  readonly #calls = new Set<Call>()
  readonly #transfers: TransferDesk
  readonly #registrations = new Set<Registration>()
  readonly #userAgent: string
  readonly #context: CallContext
  #serving: { readonly handler: Handler; readonly stop: () => void } | undefined
  #draining = false
  #refused = 0
  #closed: Promise<void> | undefined
  #whenIdle: (() => void)[] = []
  /** Asked about each call to us before the handler is; false: it is refused already. @internal */
  readonly doors: Set<(call: IncomingCall) => boolean> = new Set()
  /** Media being closed: recordings still to be written. */
  readonly #closings = new Set<Promise<void>>()

  constructor(options: EndpointOptions = {}) {
    super()
    this.#runtime = { ...createNodeRuntime(), ...options.runtime }
    const listen = (options.listen ?? ['udp://0.0.0.0:0']).map((value, index) =>
      parseListen(value, `listen[${index}]`),
    )
    const advertise = parseAdvertise(options.advertise)
    this.#maxCalls = options.limits?.calls ?? defaultLimits.calls
    this.#userAgent = options.userAgent ?? 'Offhook'
    if (!(this.#maxCalls >= 1))
      throw new OptionError('limits.calls', `${this.#maxCalls} allows no call; give 1 or more`)
    this.#transport = new TransportLayer({
      runtime: this.#runtime,
      listen,
      endpoint: this,
      timers: keepAliveTimer(options.keepAliveMs),
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(advertise === undefined ? {} : { advertise }),
    })
    const { clock, random } = this.#runtime
    this.#transactions = new TransactionLayer({ transport: this.#transport, clock, random })
    const desk = new RequestDesk(options.requests)
    this.#core = new UserAgentCore({
      allow: [...new Set([...defaultAllow, 'REFER', 'NOTIFY', ...desk.methods])],
      supported: ['replaces', 'norefersub'],
      transactions: this.#transactions,
      transport: this.#transport,
      runtime: this.#runtime,
      userAgent: this.#userAgent,
      sessionTimer: options.sessionTimer ?? {},
      reliableProvisionals: reliabilityOption(options.reliableProvisionals),
      limits: { dialogs: this.#maxCalls * 2 },
    })
    this.#transfers = new TransferDesk({
      clock,
      calls: this.#calls,
      call: (target, callOptions) => this.call(target, callOptions),
    })
    this.#core.onLateNotify = incoming => this.#transfers.receiveLate(incoming)
    this.#core.onInvite = (session, admitted) => this.#take(session, admitted)
    this.#gate = gateOf(options, { clock, random }, error => this.#report(error))
    this.#core.gate = this.#gate
    this.#core.onRequest = incoming => desk.receive(incoming)
    this.#core.screen = request =>
      (desk.handlerOf(request.method) === undefined ? this.#refusal() : undefined) ??
      this.#transfers.refusalOf(request)
    this.#media = new MediaFactory({
      runtime: this.#runtime,
      boundTo: () => this.#transport.bound.map(({ local }) => local.address),
      ...(options.codecs === undefined ? {} : { codecs: options.codecs }),
      ...(options.srtp === undefined ? {} : { srtp: options.srtp }),
      ...(options.dtmf === undefined ? {} : { dtmf: options.dtmf }),
      ...(options.comfortNoise === undefined ? {} : { comfortNoise: options.comfortNoise }),
      ...(options.opus === undefined ? {} : { opus: options.opus }),
      ...(options.rtp === undefined ? {} : { rtp: options.rtp }),
    })
    this.#context = {
      endpoint: this,
      clock,
      newId: () => newCallId(this.#runtime),
      files: new Set(),
      openMedia: ({ token, codecs, srtp, comfortNoise, dtmf, rtp, towards }) =>
        this.#media.open({
          token,
          codecs,
          srtp,
          dtmf,
          comfortNoise,
          rtp,
          advertise: this.#hostTowards(towards),
          bind: 'send' in towards ? towards.bound?.local.address : undefined,
        }),
      hostTowards: towards => this.#hostTowards(towards),
      transfers: this.#transfers,
      duration: durationLimit(options),
      followRedirects: options.followRedirects,
      codecs: options.codecs ?? ['PCMU', 'PCMA'],
      ringMs: ringLimit(options.ringTimeoutMs),
      desk,
      report: error => this.#report(error),
      onEnded: (call, closing) => this.#over(call, closing),
    }
  }

  /**
   * Imports the codecs and binds the addresses; `createEndpoint` has done it.
   * @internal
   */
  async open(): Promise<void> {
    await this.#media.load()
    await this.#transport.open()
  }

  /** The clock everything here runs on: the machine's, or a virtual one. */
  get clock(): Clock {
    return this.#runtime.clock
  }

  /** @internal */
  get random(): Random {
    return this.#runtime.random
  }

  /** The addresses bound, with their real ports: `udp://127.0.0.1:5060`. */
  get listening(): readonly string[] {
    return this.#transport.bound.map(({ transport, local }) =>
      formatListen({
        transport: transport,
        host: local.address,
        port: local.port,
      }),
    )
  }

  /** The calls under way. */
  get calls(): readonly Call[] {
    return [...this.#calls]
  }

  stats(): EndpointStats {
    return {
      calls: this.#calls.size,
      refused: this.#refused,
      requestsRefused: this.#context.desk.refused,
      transfersRefused: this.#transfers.turnedAway,
      transport: this.#transport.stats(),
      ...(this.#gate === undefined ? {} : { admission: this.#gate.stats() }),
    }
  }

  /**
   * Runs `handler` once per incoming INVITE, concurrently; the handler is the call. When it settles the call is over: hung up if it is
   * up, refused with 480 if nobody answered it, ended with an error (500 before the answer) if it threw. Resolves when `signal`
   * aborts or the endpoint is closed. Calls that come while nobody serves are answered 480.
   * @throws SipError SIP_STATE when somebody serves already, or the endpoint is closed
   */
  serve(handler: Handler, options: Cancellable = {}): Promise<void> {
    if (this.#closed !== undefined)
      return Promise.reject(new SipError('SIP_STATE', 'the endpoint is closed; create another'))
    if (this.#serving !== undefined) {
      return Promise.reject(
        new SipError('SIP_STATE', 'calls are being served already; abort the signal given to serve() first'),
      )
    }
    const { signal } = options
    if (signal?.aborted === true) return Promise.resolve()
    return new Promise(resolve => {
      const stop = (): void => {
        signal?.removeEventListener('abort', stop)
        this.#serving = undefined
        resolve()
      }
      signal?.addEventListener('abort', stop, { once: true })
      this.#serving = { handler, stop }
    })
  }

  /**
   * Calls a URI; resolves when the call is answered. Aborting `signal` sends CANCEL and rejects with its reason.
   * @throws SipResponseError the call was refused; SipTimeoutError nobody reacted; SipAuthError credentials missing or wrong;
   * SdpError no common codec; SipTransportError, OptionError
   */
  async call(target: string, options: CallOptions = {}): Promise<Call> {
    if (this.#closed !== undefined || this.#draining) {
      throw new SipError('SIP_STATE', 'the endpoint takes no new calls: it is draining or closed')
    }
    if (this.#calls.size >= this.#maxCalls) {
      throw new SipError(
        'SIP_LIMIT',
        `${this.#maxCalls} calls are under way; raise limits.calls or wait for one to end`,
      )
    }
    const call = new OutgoingCall(this.#context)
    this.#calls.add(call)
    try {
      await call.dial(invite => this.#core.invite(invite), target, options)
    } catch (error) {
      void call.hangup()
      throw error
    }
    return call
  }

  /**
   * Sends a request outside of calls (OPTIONS, MESSAGE …) and gives its final response, whatever the status; 401 and 407 are answered when the
   * trunk has credentials.
   * @throws OptionError; SipTimeoutError nobody answered; SipTransportError, SipAuthError
   */
  async request(method: string, target: string, options: EndpointRequestOptions = {}): Promise<SipResponse> {
    if (this.#closed !== undefined) throw new SipError('SIP_STATE', 'the endpoint is closed; create another')
    return this.#core.request(planRequest(method, target, options, to => this.#hostTowards(to)))
  }

  /**
   * Binds an address of record to this endpoint and keeps it bound until `unregister()` or `close()` (RFC 3261 §10.2). Gives it at once;
   * await its `ready`, or listen to its events.
   * @throws OptionError; SipError SIP_STATE when the endpoint is closed
   */
  register(options: RegistrationOptions): Registration {
    if (this.#closed !== undefined) throw new SipError('SIP_STATE', 'the endpoint is closed; create another')
    const registration = new Registration(
      {
        transactions: this.#transactions,
        transport: this.#transport,
        clock: this.#runtime.clock,
        random: this.#runtime.random,
        identity: [['User-Agent', this.#userAgent]],
      },
      options,
      gone => this.#registrations.delete(gone),
    )
    this.#registrations.add(registration)
    return registration
  }

  /** Takes no new calls (they get 503 with Retry-After), and resolves when the ones under way have ended. */
  async drain(): Promise<void> {
    this.#draining = true
    if (this.#calls.size > 0) await new Promise<void>(resolve => this.#whenIdle.push(resolve))
  }

  /**
   * Takes no new calls, hangs up what is still there after `graceMs` (default 0), waits up to `giveUpMs` (default 5,000) for the other sides to
   * agree and for recordings to be written, then closes every socket. Idempotent.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(options)
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close({ graceMs = 0, giveUpMs = 5_000 }: CloseOptions): Promise<void> {
    const drained = this.drain()
    if (graceMs > 0) await this.#within(graceMs, drained)
    for (const call of this.#calls) void call.hangup()
    const unregistered = [...this.#registrations].map(registration => registration.unregister())
    const settled = Promise.all([drained, this.#core.close(), ...unregistered])
    await this.#within(giveUpMs, settled)
    this.#core.abandon()
    for (const registration of this.#registrations) registration.abandon()
    for (const call of this.#calls) call.endNow({ by: 'local', cause: 'closed' })
    this.#transactions.close()
    await this.#transport.close()
    await this.#within(giveUpMs, Promise.allSettled(this.#closings))
    this.#serving?.stop()
  }

  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const { clock } = this.#runtime
    let stop: (() => void) | undefined
    const late = new Promise<void>(resolve => {
      const timer = clock.setTimer(clock.now() + ms, resolve)
      stop = () => timer.cancel()
    })
    await Promise.race([work, late])
    stop?.()
  }

  /** The advertised address is in there: the transport layer knows it. */
  #hostTowards(towards: Flow | Destination): string {
    return this.#transport.hostFor(towards)
  }

  #refusal(): Refusal | undefined {
    if (this.#draining || this.#calls.size >= this.#maxCalls) {
      this.#refused += 1
      return { statusCode: 503, headers: [['Retry-After', '10']] }
    }
    return this.#serving === undefined ? { statusCode: 480 } : undefined
  }

  #take(session: InviteServerSession, admitted: Admitted | undefined): void {
    const handler = this.#serving?.handler
    if (handler === undefined) {
      session.reject(480)
      return
    }
    const call = new IncomingCall(this.#context, session, {
      admission: admitted,
      replaces: this.#transfers.replacedBy(session.invite),
    })
    this.#calls.add(call)
    for (const door of this.doors) if (!door(call)) return
    void this.#run(handler, call)
  }

  async #run(handler: Handler, call: IncomingCall): Promise<void> {
    try {
      await handler(call)
      call.finish()
    } catch (error) {
      this.#handlerFailed(call, error)
    }
  }

  #handlerFailed(call: IncomingCall, error: unknown): void {
    const over = call.endedValue !== undefined
    if (over && (error === call.signal.reason || isAbort(error))) return
    const failure = new SipError('SIP_STATE', `the handler of call ${call.id} threw: ${messageOf(error)}`, {
      cause: error,
    })
    if (!over) call.fail(failure)
    this.#report(failure)
  }

  #report(error: SipError): void {
    if (!this.safeEmit('error', error)) process.emitWarning(error)
  }

  #over(call: Call, closing: Promise<void>): void {
    this.#calls.delete(call)
    this.#transfers.remember(call)
    this.#closings.add(closing)
    void closing.finally(() => this.#closings.delete(closing))
    if (this.#calls.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
