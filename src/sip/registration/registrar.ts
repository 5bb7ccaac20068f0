import { SipError } from '../../runtime/errors.ts'
import { isLoopback, isPrivate } from '../transport/addresses.ts'
import type { OutOfDialogRequest, Refusal } from '../dialog/core-types.ts'
import { SipParseError } from '../message/errors.ts'
import type { SipRequest } from '../message/message.ts'
import { NameAddr } from '../message/name-addr.ts'
import { parseUri } from '../message/uri.ts'
import type { SipUri, Uri } from '../message/uri.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import { destinationOf } from '../transport/locate.ts'
import { changeBindings } from './bindings.ts'
import type { BindingOutcome } from './bindings.ts'
import type { Binding } from './location-store.ts'
import { LiveFlows } from './live-flows.ts'
import { planRegistrar } from './registrar-options.ts'
import type { RegistrarEvent, RegistrarOptions, RegistrarPlan } from './registrar-options.ts'
import { readRegister } from './register-request.ts'

export interface RegistrarStats {
  /** REGISTERs answered 200. */
  readonly accepted: number
  /** REGISTERs answered otherwise, challenges included. */
  readonly refused: number
  /** REGISTERs waiting for `authorize` or the store now. */
  readonly pending: number
}

/** A contact to be called, and how it is reached. */
export interface Reachable {
  readonly binding: Binding
  /** The Request-URI. */
  readonly target: string
  /** Route values, in order: the Path it registered by. */
  readonly route: readonly string[]
  /** Where the request goes, when that is not what route and target say: the open connection or the NAT it registered over. */
  readonly destination: Destination | undefined
}

/**
 * A registrar (RFC 3261 §10.3): takes REGISTERs, keeps bindings in a store and finds them again. Put it behind a `UserAgentCore` with
 * `core.onRequest = request => registrar.take(request)` and `supported: registrarExtensions`.
 */
export class Registrar {
  /** Told of every binding that comes and goes. */
  onEvent: ((event: RegistrarEvent) => void) | undefined
  /** What `authorize`, `knows` or the store threw: the REGISTER was answered 500. */
  onError: ((error: unknown) => void) | undefined
  readonly #plan: RegistrarPlan
  readonly #flows = new LiveFlows()
  readonly #serviceRoute: readonly (readonly [string, string])[]
  #accepted = 0
  #refused = 0
  #pending = 0

  /** @throws OptionError */
  constructor(options: RegistrarOptions) {
    this.#plan = planRegistrar(options)
    this.#serviceRoute = this.#plan.serviceRoute.map(value => ['Service-Route', value])
    this.#plan.store.onExpired = (aor, binding) => this.onEvent?.({ kind: 'expired', aor, binding })
  }

  stats(): RegistrarStats {
    return { accepted: this.#accepted, refused: this.#refused, pending: this.#pending }
  }

  /** Takes a REGISTER and answers it, now or later; false for any other request. */
  take(incoming: OutOfDialogRequest): boolean {
    if (incoming.request.method !== 'REGISTER') return false
    void this.#serve(incoming)
    return true
  }

  /** The answer to a REGISTER; what it asks for is done. For those who answer themselves; what `authorize` wants dropped is 403 here. */
  async answer(request: SipRequest, flow: Flow): Promise<Refusal> {
    return (await this.#decide(request, flow)) ?? { statusCode: 403 }
  }

  /** Undefined: no answer at all. */
  async #decide(request: SipRequest, flow: Flow): Promise<Refusal | undefined> {
    if (this.#pending >= this.#plan.maxPending) return { statusCode: 503, headers: [['Retry-After', '10']] }
    this.#pending++
    try {
      return await this.#process(request, flow)
    } catch (error) {
      // A header or URI that nobody had looked at before.
      if (!(error instanceof SipParseError)) throw error
      return { statusCode: error.statusCode, reasonPhrase: error.reasonPhrase }
    } finally {
      this.#pending--
    }
  }

  /**
   * The contacts of an address of record, best first: by `q`, then the latest. For a GRUU of ours only those of its device
   * (RFC 5627 §5.1). Empty when nobody has registered.
   */
  async lookup(uri: Uri | string): Promise<readonly Reachable[]> {
    const parsed = typeof uri === 'string' ? parseUri(uri) : uri
    const aor = this.aorOf(parsed)
    if (aor === undefined) return []
    const device = parsed.kind === 'sip' ? parsed.params.value('gr') : undefined
    const now = this.#plan.clock.wallTime()
    const bindings = await this.#plan.store.get(aor)
    return bindings
      .filter(({ expiresAt }) => expiresAt > now)
      .filter(
        ({ instance }) => device === undefined || instance?.toLowerCase() === `<${device.toLowerCase()}>`,
      )
      .toSorted((a, b) => b.q - a.q || b.updatedAt - a.updatedAt)
      .map(binding => this.reach(binding))
  }

  /** How a contact is reached: by its Path, over the connection or through the NAT it registered by, or where it says. */
  reach(binding: Binding): Reachable {
    return {
      binding,
      target: binding.uri,
      route: binding.path,
      destination: binding.path.length > 0 ? undefined : this.#destination(binding),
    }
  }

  /** The canonical form of an address of record of ours (RFC 3261 §10.3 step 5); undefined when it is none. */
  aorOf(uri: Uri): string | undefined {
    if (uri.kind !== 'sip' || uri.rawUser === undefined) return undefined
    const host = uri.host.toLowerCase()
    return this.#plan.domains.has(host) ? `sip:${uri.user ?? ''}@${host}` : undefined
  }

  async #serve(incoming: OutOfDialogRequest): Promise<void> {
    try {
      const answer = await this.#decide(incoming.request, incoming.flow)
      if (answer === undefined) {
        this.#refused++
        return
      }
      if (answer.statusCode < 300) this.#accepted++
      else this.#refused++
      incoming.respond(answer.statusCode, answer)
    } catch (error) {
      this.#refused++
      const full = error instanceof SipError && error.code === 'SIP_LIMIT'
      incoming.respond(full ? 503 : 500, full ? { headers: [['Retry-After', '60']] } : {})
      if (!full) this.onError?.(error)
    }
  }

  async #process(request: SipRequest, flow: Flow): Promise<Refusal | undefined> {
    const plan = this.#plan
    if (!this.#isOurs(request.uri)) return { statusCode: 404, reasonPhrase: 'Domain Not Served Here' } // step 1
    const aor = this.aorOf(request.to.uri)
    if (aor === undefined) return { statusCode: 404 } // step 5
    const refused = await this.#authorize(request, flow, aor)
    if (refused === 'dropped') return undefined
    if (refused !== undefined) return refused
    if (plan.knows !== undefined && !(await plan.knows(aor))) return { statusCode: 404 }
    const now = plan.clock.wallTime()
    const register = readRegister(request, flow, plan, now)
    if ('statusCode' in register) return register
    const outcome = await plan.store.update(aor, bindings =>
      changeBindings(bindings, register, now, plan.maxContacts),
    )
    if (outcome.refused === 'out-of-order')
      return { statusCode: 500, reasonPhrase: 'Registration Out Of Order' } // step 7
    if (outcome.refused === 'too-many') return { statusCode: 403, reasonPhrase: 'Too Many Contacts' }
    this.#flows.note(flow)
    this.#tell(aor, outcome)
    return {
      statusCode: 200,
      headers: [
        ...outcome.bindings.map(
          binding => ['Contact', this.#contact(binding, aor, register.gruu, now)] as const,
        ),
        ...register.path.map(value => ['Path', value] as const), // RFC 3327 §5.3
        ...this.#serviceRoute, // RFC 3608 §6.3
        ['Supported', 'path, outbound, gruu'],
        ...(register.outbound ? ([['Require', 'outbound']] as const) : []), // RFC 5626 §6
        ...(register.outbound && register.path.length === 0 && plan.flowTimerSeconds > 0
          ? ([['Flow-Timer', String(plan.flowTimerSeconds)]] as const)
          : []),
        ['Date', new Date(now).toUTCString()],
      ],
    }
  }

  /** Steps 3 and 4: undefined lets it through. */
  async #authorize(request: SipRequest, flow: Flow, aor: string): Promise<Refusal | 'dropped' | undefined> {
    const { authorize, random, clock, mayRegister } = this.#plan
    if (authorize === undefined || random === undefined) return undefined
    const admission = await authorize(request, flow, { clock, random, aor })
    if (admission?.kind === 'admitted') return mayRegister(admission, aor) ? undefined : { statusCode: 403 }
    if (admission?.kind === 'dropped') return 'dropped'
    return admission ?? { statusCode: 403 }
  }

  #isOurs(uri: Uri): boolean {
    return uri.kind === 'sip' && this.#plan.domains.has(uri.host.toLowerCase())
  }

  #contact(binding: Binding, aor: string, gruu: boolean, now: number): string {
    const { uri, params, displayName, instance, expiresAt } = binding
    const seconds = Math.max(1, Math.round((expiresAt - now) / 1000))
    const address = new NameAddr({ displayName, uri }).toString()
    const own = gruu && instance !== undefined ? `;pub-gruu="${publicGruu(aor, instance)}"` : ''
    return `${address}${params}${own};expires=${seconds}`
  }

  #tell(aor: string, { added, refreshed, removed }: BindingOutcome): void {
    if (this.onEvent === undefined) return
    for (const binding of added) this.onEvent({ kind: 'added', aor, binding })
    for (const binding of refreshed) this.onEvent({ kind: 'refreshed', aor, binding })
    for (const binding of removed) this.onEvent({ kind: 'removed', aor, binding })
  }

  #destination({ uri, source, regId }: Binding): Destination | undefined {
    const contact = parseUri(uri)
    if (contact.kind !== 'sip') return undefined
    const flow = this.#flows.get(source.flow)
    if (flow !== undefined) return { ...said(contact, flow), flow }
    if (source.transport !== 'udp') return undefined
    const behindNat = isPrivate(contact.host) && !isPrivate(source.address) && !isLoopback(source.address)
    if (regId === undefined && !behindNat) return undefined
    return { transport: 'udp', host: source.address, port: source.port }
  }
}

/** Where its Contact points, for the time when the flow is gone; the flow's own end where we cannot send there. */
function said(contact: SipUri, { transport, remote }: Flow): Destination {
  try {
    return destinationOf(contact)
  } catch {
    return { transport, host: remote.address, port: remote.port }
  }
}

/** RFC 5627 §5.1: the address of record with the instance in `gr`. */
function publicGruu(aor: string, instance: string): string {
  const uri = parseUri(aor)
  return uri.kind === 'sip' ? uri.withParam('gr', instance.slice(1, -1)).toString() : aor
}
