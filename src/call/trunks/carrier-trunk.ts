import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock, Random } from '../../runtime/runtime.ts'
import type { Call } from '../call.ts'
import { checkHeaders, parseTarget } from '../checks.ts'
import { SafeEmitter } from '../emitter.ts'
import type { Endpoint } from '../endpoint.ts'
import type { IncomingCall } from '../incoming-call.ts'
import type { CallOptions } from '../outgoing-call.ts'
import type { Registration } from '../registration.ts'
import type { Trunk } from '../trunk.ts'
import { CallSlots } from './call-slots.ts'
import type { CallSlotStats } from './call-slots.ts'
import { dialInOrder } from './dial.ts'
import type { TrunkCallOptions, Way } from './dial.ts'
import { isEdgesFault, isSick } from './failures.ts'
import { EdgeHealth, Prober } from './health.ts'
import type { EdgeStatus, TrunkState } from './health.ts'
import { escapeUser, formatNumber } from './numbers.ts'
import { callerOf, checkCarrierHeaders } from './options.ts'
import type { TrunkEdge, TrunkOptions } from './options.ts'
import { Pacer } from './pacer.ts'
import type { PacerStats } from './pacer.ts'

export interface TrunkEvents extends Record<string, unknown[]> {
  /** `reason` is why an edge failed last. */
  state: [state: TrunkState, before: TrunkState, reason: string | undefined]
}

export interface TrunkStats {
  readonly state: TrunkState
  readonly edges: readonly EdgeStatus[]
  /** Attempts by `cps`: each edge that was tried counts. */
  readonly cps: PacerStats
  /** By `maxCalls`. */
  readonly calls: CallSlotStats
  /** OPTIONS sent. */
  readonly probes: number
  /** Calls answered. */
  readonly answered: number
  /** Calls that no edge took. */
  readonly failed: number
}

const trunkOfCall = new WeakMap<Call, string>()

/** The name of the trunk a call goes by, either way: for calls to us the trunk that `admitTrunk` knew it by. */
export function trunkOf(call: Call): string | undefined {
  return trunkOfCall.get(call) ?? call.admission?.user
}

/**
 * Calls by a carrier: `trunk.call('+15550100')`. It registers where that is how the carrier knows us, watches its edges by OPTIONS, keeps to the calls a second,
 * and leaves an edge that fails for the next one. Close it before the endpoint.
 * @throws OptionError
 */
export function createTrunk(endpoint: Endpoint, options: TrunkOptions): CarrierTrunk {
  const given = options as Partial<TrunkOptions> | undefined
  if (!Array.isArray(given?.edges))
    throw new OptionError(
      'options',
      'give what a preset makes, for example trunks.twilio({ account, credentials })',
    )
  return new CarrierTrunk(endpoint, options)
}

export class CarrierTrunk extends SafeEmitter<TrunkEvents> {
  readonly options: TrunkOptions
  /** With `auth: 'register'`: one for each edge. */
  readonly registrations: readonly Registration[]
  readonly #endpoint: Endpoint
  readonly #health: EdgeHealth
  readonly #pacer: Pacer
  readonly #slots: CallSlots
  readonly #prober: Prober | undefined
  #state: TrunkState = 'unknown'
  #answered = 0
  #failed = 0
  #closed = false

  /** @internal */
  constructor(endpoint: Endpoint, options: TrunkOptions) {
    super()
    const { edges, health, cps, maxCalls, name } = options
    this.options = options
    this.#endpoint = endpoint
    this.#health = new EdgeHealth(
      edges.map(edge => edge.name),
      health?.downAfter ?? 3,
    )
    this.#pacer = new Pacer(endpoint.clock, cps, name)
    this.#slots = new CallSlots(maxCalls, name)
    endpoint.doors.add(this.#door)
    this.registrations = edges.flatMap((edge, index) => this.#register(edge, index))
    if (health === undefined) return
    this.#prober = new Prober(this.#probeHost(endpoint.clock, endpoint.random), health, edges.length)
  }

  /** With `auth: 'register'` that at the first edge: await its `ready`. */
  get registration(): Registration | undefined {
    return this.registrations[0]
  }

  get name(): string {
    return this.options.name
  }

  /** @internal */
  get clock(): Clock {
    return this.#endpoint.clock
  }

  get state(): TrunkState {
    return this.#state
  }

  stats(): TrunkStats {
    return {
      state: this.#state,
      edges: this.#health.edges,
      cps: this.#pacer.stats(),
      calls: this.#slots.stats(),
      probes: this.#prober?.sent ?? 0,
      answered: this.#answered,
      failed: this.#failed,
    }
  }

  /**
   * Calls a number, or a SIP URI whose user is the number; resolves when the call is answered.
   * @throws TrunkCallError no edge took it, with what the carrier said; OptionError; SipError SIP_STATE closed
   */
  async call(to: string, options: TrunkCallOptions = {}): Promise<Call> {
    if (this.#closed) throw new SipError('SIP_STATE', `trunk ${this.name} is closed; create another`)
    const ways = this.ways(to, options)
    const { call } = await dialInOrder(ways, callOptions(options), this.#endpoint.clock).catch(
      (error: unknown) => {
        this.#failed++
        throw error
      },
    )
    return call
  }

  /** The URI that number is called at: for `call.transfer()`, or with `trunk` for `endpoint.call()`. @throws OptionError */
  target(to: string): string {
    return this.#target(to, this.options.edges[0]!)
  }

  /** As `endpoint.call()` and `TransferRequest.accept()` take it, by the first edge. */
  get trunk(): Trunk {
    return this.#trunk(this.options.edges[0]!, undefined)
  }

  /** Takes the registration away, and asks no edge any more. Calls go on. */
  async close(): Promise<void> {
    this.#closed = true
    this.#endpoint.doors.delete(this.#door)
    this.#prober?.close()
    this.#pacer.close()
    await Promise.all(this.registrations.map(registration => registration.unregister()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * Its edges in the order to try them.
   * @internal
   */
  ways(to: string, { caller, headers = [] }: TrunkCallOptions): readonly Way[] {
    const { carrier, edges, name, failover } = this.options
    const given = [...headers]
    checkHeaders(given)
    checkCarrierHeaders(carrier, given)
    if (this.#closed) return []
    return this.#health.order().map(index => {
      const edge = edges[index]!
      const target = this.#target(to, edge)
      const trunk = this.#trunk(edge, caller)
      return {
        trunk: name,
        edge: edge.name,
        carrier,
        failover,
        dial: options => this.#dial(index, target, trunk, { ...options, headers: given }),
      }
    })
  }

  async #dial(index: number, target: string, trunk: Trunk, options: CallOptions): Promise<Call> {
    const { codecs, srtp, dtmf, headers, maxDurationMs } = this.options
    const giveBack = this.#slots.take('outbound')
    if (giveBack === undefined) throw this.#slots.refusal()
    try {
      await this.#pacer.turn(options.signal)
      const registration = this.registrations[index]
      const registered = registration?.state === 'registered'
      const call = await this.#endpoint.call(target, {
        ...(codecs === undefined ? {} : { codecs }),
        ...(srtp === undefined ? {} : { srtp }),
        ...(maxDurationMs === undefined ? {} : { maxDurationMs }),
        ...options,
        ...(registered ? { registration, from: trunk.aor } : { trunk }),
        dtmf: { ...dtmf, ...options.dtmf },
        headers: [...headers, ...(options.headers ?? [])],
      })
      this.#answered++
      trunkOfCall.set(call, this.name)
      void call.ended.then(giveBack)
      this.#heard(index)
      return call
    } catch (error) {
      giveBack()
      if (isEdgesFault(error)) this.#lost(index, (error as Error).message)
      else if (error instanceof SipError && (error.code === 'SIP_RESPONSE' || error.code === 'SIP_AUTH'))
        this.#heard(index)
      throw error
    }
  }

  #target(to: string, edge: TrunkEdge): string {
    const { carrier, numbers, account = '' } = this.options
    const transport = edge.uri.slice(`sip:${edge.host}`.length)
    if (carrier.fixedUser !== undefined && !/^sips?:/i.test(to))
      return `sip:${carrier.fixedUser.replace('{account}', account)}@${edge.host}${transport}`
    if (!/^sips?:/i.test(to))
      return `sip:${escapeUser(formatNumber(to, numbers, 'to'))}@${edge.host}${transport}`
    const { uri } = parseTarget(to, 'to')
    const user = uri.kind === 'sip' ? (uri.user ?? '') : ''
    return user === '' ? edge.uri : `sip:${escapeUser(user)}@${edge.host}${transport}`
  }

  #trunk(edge: TrunkEdge, caller: string | undefined): Trunk {
    const { numbers, credentials, displayName, srtp, dtmf, auth } = this.options
    return {
      aor: callerOf(caller ?? this.options.caller ?? `sip:${this.#user()}@${edge.host}`, numbers, edge.host),
      ...(displayName === undefined ? {} : { displayName }),
      ...(credentials === undefined || (auth !== 'digest' && auth !== 'register') ? {} : { credentials }),
      ...(srtp === undefined ? {} : { srtp }),
      ...(dtmf === undefined ? {} : { dtmf }),
    }
  }

  /** Who we are at the carrier, where nobody says who calls. */
  #user(): string {
    const { credentials, account } = this.options
    if (credentials !== undefined && typeof credentials !== 'function')
      return encodeURIComponent(credentials.username)
    return account ?? 'offhook'
  }

  /** A call to us that `admitTrunk` knew by our name takes a line, too. */
  readonly #door = (call: IncomingCall): boolean => {
    if (call.admission?.user !== this.name) return true
    const giveBack = this.#slots.take('inbound')
    if (giveBack !== undefined) {
      void call.ended.then(giveBack)
      return true
    }
    const { statusCode, retryAfterSeconds: seconds } = this.#slots.rule
    call.reject(statusCode, seconds === 0 ? {} : { headers: [['Retry-After', String(seconds)]] })
    return false
  }

  #register({ host, uri }: TrunkEdge, index: number): readonly Registration[] {
    const { auth, credentials, caller } = this.options
    if (auth !== 'register' || credentials === undefined) return []
    const transport = uri.slice(`sip:${host}`.length)
    const where =
      typeof credentials === 'function'
        ? // The address of record is the same everywhere; only the first edge has to be its own domain.
          { aor: caller!, ...(index === 0 ? {} : { registrar: uri }) }
        : { aor: `sip:${this.#user()}@${host}${transport}` }
    const registration = this.#endpoint.register({ ...where, credentials })
    registration.on('registered', () => this.#heard(index))
    registration.on('failed', error => this.#lost(index, error.message))
    return [registration]
  }

  #probeHost(clock: Clock, random: Random): ConstructorParameters<typeof Prober>[0] {
    return {
      clock,
      random,
      ask: async index => {
        const edge = this.options.edges[index]!
        const from = `sip:${this.#user()}@${edge.host}`
        const { statusCode } = await this.#endpoint.request('OPTIONS', edge.uri, { from })
        return statusCode
      },
      onAnswer: (index, statusCode) => {
        if (isSick(statusCode)) this.#lost(index, `OPTIONS was answered ${statusCode}`)
        else this.#heard(index)
      },
      onSilence: (index, reason) => this.#lost(index, reason),
      failures: index => this.#health.failures(index),
      isDown: index => this.#health.isDown(index),
    }
  }

  #heard(index: number): void {
    this.#health.succeeded(index)
    this.#changed(undefined)
  }

  #lost(index: number, reason: string): void {
    this.#health.failed(index, reason)
    this.#changed(reason)
  }

  #changed(reason: string | undefined): void {
    const before = this.#state
    this.#state = this.#health.state
    if (this.#state !== before) this.safeEmit('state', this.#state, before, reason)
  }
}

/** Without what the trunk has taken for itself. */
export function callOptions({
  caller: _caller,
  headers: _headers,
  ...options
}: TrunkCallOptions): CallOptions {
  return options
}
