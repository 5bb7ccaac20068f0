import { SipError } from '../../runtime/errors.ts'
import type { Clock, Random, Timer } from '../../runtime/runtime.ts'
import { DigestClient, SipAuthError } from '../auth/client.ts'
import { SipResponseError } from '../dialog/errors.ts'
import { sendAuthenticated } from '../dialog/outgoing.ts'
import type { Attempt } from '../dialog/outgoing.ts'
import type { HeaderList } from '../dialog/session-types.ts'
import { randomTag } from '../dialog/tags.ts'
import { createRequest } from '../message/build.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { NameAddr } from '../message/name-addr.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import { destinationOf } from '../transport/locate.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import { recoverWithinMs, refreshDelay, retryDelay, stepRegistration } from './client-machine.ts'
import type { RegistrationAction, RegistrationEvent, RegistrationPhase } from './client-machine.ts'
import { planRegistration } from './client-options.ts'
import type { RegistrationOptions, RegistrationPlan } from './client-options.ts'
import { adviceFor, readGranted, readRefusal } from './client-response.ts'
import type { Granted } from './client-response.ts'
import { FlowKeeper } from './flow-keeper.ts'

export interface RegistrationClientHost {
  readonly transactions: TransactionLayer
  readonly transport: Pick<TransportLayer, 'contactFor'>
  readonly clock: Clock
  readonly random: Random
  /** User-Agent and the like, for every REGISTER. */
  readonly identity?: HeaderList
}

/** Callbacks of the owner. What they throw is the owner's to catch. */
export interface RegistrationHandlers {
  onRegistered?(granted: Granted): void
  /** `retryInMs`: when the next attempt comes; undefined when the registrar refused for good. */
  onFailed?(error: SipError, retryInMs: number | undefined): void
  /** The last callback. */
  onUnregistered?(): void
}

/** 423 and 439 answered within one attempt. */
const maxAdjustments = 3

/**
 * Keeps one address of record bound to this endpoint (RFC 3261 §10.2): registers, refreshes, tries again after failures, keeps the flow open
 * (RFC 5626) and takes the binding away in the end.
 */
export class RegistrationClient {
  handlers: RegistrationHandlers = {}
  readonly plan: RegistrationPlan
  readonly #host: RegistrationClientHost
  readonly #digest: DigestClient | undefined
  readonly #callId: string
  readonly #tag: string
  readonly #keeper: FlowKeeper
  #phase: RegistrationPhase = 'idle'
  #sequence = 0
  #failures = 0
  #adjustments = 0
  #expiresSeconds: number
  #regId: number | undefined
  #contacts: readonly string[] = []
  /** The contacts the registrar has from us, or may have. */
  #sent: readonly string[] = []
  /** Something was granted once: then there is something to take away, unless it has expired meanwhile. */
  #mayBeBound = false
  #granted: Granted | undefined
  #flow: Flow | undefined
  #error: SipError | undefined
  #retryAfterSeconds: number | undefined
  #planned: Timer | undefined
  #plannedAt: number | undefined

  /** @throws OptionError */
  constructor(host: RegistrationClientHost, options: RegistrationOptions) {
    this.#host = host
    this.plan = planRegistration(options)
    const { credentials } = this.plan
    this.#digest =
      credentials === undefined ? undefined : new DigestClient({ credentials, random: host.random })
    this.#callId = randomTag(host.random, 16)
    this.#tag = randomTag(host.random)
    this.#expiresSeconds = this.plan.expiresSeconds
    this.#regId = this.plan.regId
    this.#keeper = new FlowKeeper(
      host.clock,
      () => this.#share(),
      () => this.#feed('flow-lost'),
    )
  }

  get phase(): RegistrationPhase {
    return this.#phase
  }

  /** What the registrar granted last; undefined while nothing is bound. */
  get granted(): Granted | undefined {
    return this.#granted
  }

  /** The flow that registered, while it is open. */
  get flow(): Flow | undefined {
    return this.#flow?.closed === true ? undefined : this.#flow
  }

  /** Our Contact as registered, a URI. */
  get contact(): string | undefined {
    return this.#contacts[0]
  }

  /** Clock time of the next REGISTER, planned or retried; undefined when none is planned. */
  get nextAt(): number | undefined {
    return this.#plannedAt
  }

  /** Routes for calls made as this address of record: the outbound proxy, then Service-Route (RFC 3608 §6.1). */
  get route(): readonly string[] {
    const routes = this.#granted?.serviceRoute ?? []
    const { proxy } = this.plan
    if (proxy === undefined) return routes
    const [first] = routes
    return first !== undefined && sameHop(first, proxy) ? routes : [proxy.toString(), ...routes]
  }

  /** Where a request goes first, if it goes the way of this registration. */
  get destination(): Destination {
    const next = destinationOf((this.plan.proxy ?? new NameAddr({ uri: this.plan.registrar })).uri)
    const { flow } = this
    return flow === undefined ? next : { ...next, flow }
  }

  start(): void {
    this.#feed('start')
  }

  /** Takes the binding away; `onUnregistered` follows when the registrar has answered or the attempt was given up. */
  stop(): void {
    this.#feed('stop')
  }

  /** Ends everything at once, without a word to the registrar. */
  abandon(): void {
    this.#cancelPlan()
    this.#keeper.release()
    if (this.#phase === 'unregistered') return
    this.#phase = 'unregistered'
    this.handlers.onUnregistered?.()
  }

  #feed(event: RegistrationEvent): void {
    const { to, do: actions } = stepRegistration(this.#phase, event)
    this.#phase = to
    for (const action of actions) this.#perform(action)
  }

  #perform(action: RegistrationAction): void {
    switch (action) {
      case 'register':
        void this.#register()
        break
      case 'remove':
        void this.#remove()
        break
      case 'hold-flow':
        if (this.#flow !== undefined) {
          this.#keeper.hold(this.#flow, this.plan.keepAliveMs, this.#granted?.flowTimerSeconds)
        }
        break
      case 'release-flow':
        this.#keeper.release()
        this.#flow = undefined
        break
      case 'plan-refresh':
        this.#failures = 0
        this.#adjustments = 0
        this.#planIn(refreshDelay(this.#granted?.expiresSeconds ?? this.#expiresSeconds, this.#share()))
        break
      case 'plan-retry':
        this.#failures++
        this.#adjustments = 0
        this.#planIn(retryDelay(this.plan.backOff, this.#failures, this.#share(), this.#retryAfterSeconds))
        break
      case 'plan-recovery':
        this.#error = new SipError('SIP_TRANSPORT', 'the flow to the registrar was lost: it is opened anew')
        this.#planIn(recoverWithinMs * this.#share())
        break
      case 'cancel-plan':
        this.#cancelPlan()
        break
      case 'tell-registered':
        if (this.#granted !== undefined) this.handlers.onRegistered?.(this.#granted)
        break
      case 'tell-failed':
      case 'tell-refused':
        this.#granted = undefined
        this.#tellFailed()
        break
      case 'tell-unregistered':
        this.#granted = undefined
        this.handlers.onUnregistered?.()
        break
    }
  }

  #tellFailed(): void {
    const error = this.#error ?? new SipError('SIP_STATE', 'the registration failed')
    const at = this.#plannedAt
    this.handlers.onFailed?.(error, at === undefined ? undefined : at - this.#host.clock.now())
  }

  #planIn(ms: number): void {
    this.#cancelPlan()
    const { clock } = this.#host
    this.#plannedAt = clock.now() + ms
    this.#planned = clock.setTimer(this.#plannedAt, () => {
      this.#planned = undefined
      this.#plannedAt = undefined
      this.#feed('due')
    })
  }

  #cancelPlan(): void {
    this.#planned?.cancel()
    this.#planned = undefined
    this.#plannedAt = undefined
  }

  async #register(): Promise<void> {
    this.#error = undefined
    this.#retryAfterSeconds = undefined
    try {
      const { response, flow } = await sendAuthenticated(this.#host.transactions, this.#digest, () =>
        this.#attempt(),
      )
      this.#answered(response, flow)
    } catch (error) {
      this.#error = asSipError(error)
      // No answer, no way: later it may do. Credentials that are wrong stay wrong.
      const refused = error instanceof SipAuthError || this.#error.code === 'SIP_OPTION'
      if (!refused) this.#flow = undefined
      this.#feed(refused ? 'refused' : 'failed')
    }
  }

  /** One REGISTER. The servers of a domain may take different transports: our own Contact follows. */
  #attempt(): Attempt {
    const { destination } = this
    let before: readonly string[] | undefined = this.#sent
    return {
      request: this.#compose(this.#expiresSeconds),
      destination,
      prepare: (request, way) => {
        // Before the first server nothing has gone out; a server that was left may have what it was sent.
        this.#sent = before ?? this.#sent
        before = undefined
        request.headers.set('Contact', this.#currentContacts(way).join(', '))
      },
    }
  }

  #answered(response: SipResponse, flow: Flow | undefined): void {
    if (response.statusCode < 300) {
      this.#granted = readGranted(response, {
        contacts: this.#contacts,
        expiresSeconds: this.#expiresSeconds,
        instance: this.plan.instance,
      })
      this.#flow = flow
      this.#mayBeBound = true
      this.#feed('accepted')
      return
    }
    this.#error = new SipResponseError('REGISTER', response)
    this.#error.message += `: ${adviceFor(response)}`
    const refusal = readRefusal(response)
    switch (refusal.kind) {
      case 'adjust':
        this.#adjust(refusal.minExpires > this.#expiresSeconds, () => {
          this.#expiresSeconds = refusal.minExpires
        })
        break
      case 'no-outbound':
        this.#adjust(this.#regId !== undefined, () => {
          this.#regId = undefined
        })
        break
      case 'failed':
        this.#retryAfterSeconds = refusal.retryAfterSeconds
        this.#feed('failed')
        break
      case 'refused':
        this.#feed('refused')
    }
  }

  #adjust(helps: boolean, change: () => void): void {
    if (!helps || ++this.#adjustments > maxAdjustments) {
      this.#feed('refused')
      return
    }
    change()
    this.#feed('adjusted')
  }

  async #remove(): Promise<void> {
    try {
      if (this.#mayBeBound) {
        await sendAuthenticated(this.#host.transactions, this.#digest, () => ({
          request: this.#compose(0),
          destination: this.destination,
        }))
      }
    } catch {
      // Nobody to be told: the binding ends when it expires.
    }
    this.#feed('released')
  }

  #compose(expiresSeconds: number): SipRequest {
    const { aor, registrar, proxy, headers } = this.plan
    this.#sequence++
    const contacts =
      expiresSeconds === 0
        ? this.#sent.map(uri => `<${uri}>`)
        : this.#currentContacts(this.flow ?? this.destination)
    const plan: (readonly [string, string])[] = [
      ...(proxy === undefined ? [] : [['Route', proxy.toString()] as const]),
      ['Max-Forwards', '70'],
      ['From', aor.withParam('tag', this.#tag).toString()],
      ['To', aor.toString()],
      ['Call-ID', this.#callId],
      ['CSeq', `${this.#sequence} REGISTER`],
      ['Contact', contacts.join(', ')],
      ['Expires', String(expiresSeconds)],
      ['Supported', this.#supported()],
      ...(this.#host.identity ?? []),
      ...headers,
    ]
    return createRequest({ method: 'REGISTER', uri: registrar, headers: plan })
  }

  #supported(): string {
    const { instance } = this.plan
    return [
      'path',
      ...(instance === undefined ? [] : ['gruu']),
      ...(this.#regId === undefined ? [] : ['outbound']),
    ].join(', ')
  }

  /** Ours, the others, and with `expires=0` what we had registered before our address changed. */
  #currentContacts(way: Flow | Destination): readonly string[] {
    const { plan } = this
    const own = this.#host.transport.contactFor(way, plan.contactUser)
    let params = new NameAddr({ uri: own })
    if (plan.q !== undefined) params = params.withParam('q', String(plan.q))
    if (plan.instance !== undefined) params = params.withParam('+sip.instance', plan.instance)
    if (this.#regId !== undefined) params = params.withParam('reg-id', String(this.#regId))
    this.#contacts = [own.toString(), ...plan.others.map(({ uriText }) => uriText)]
    // A device with an instance takes the place of its own old contact (RFC 5626 §6).
    const gone = this.#regId === undefined ? this.#sent.filter(uri => !this.#contacts.includes(uri)) : []
    this.#sent = this.#contacts
    return [params, ...plan.others, ...gone.map(uri => `<${uri}>;expires=0`)].map(String)
  }

  /** 0 up to 1. */
  #share(): number {
    return this.#host.random.uint32() / 0x1_0000_0000
  }
}

function sameHop(route: string, proxy: NameAddr): boolean {
  try {
    const { uri } = NameAddr.parse(route)
    const other = proxy.uri
    return uri.kind === 'sip' && other.kind === 'sip' && uri.host === other.host && uri.port === other.port
  } catch {
    return false
  }
}

function asSipError(error: unknown): SipError {
  if (error instanceof SipError) return error
  return new SipError('SIP_STATE', `the registration could not be sent: ${String(error)}`, { cause: error })
}
