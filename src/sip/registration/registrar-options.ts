import { OptionError } from '../../runtime/errors.ts'
import type { Clock, Random } from '../../runtime/runtime.ts'
import type { AdmissionHost, AdmissionPolicy, Admitted } from '../auth/admission.ts'
import type { SipRequest } from '../message/message.ts'
import type { Flow } from '../transport/flow.ts'
import type { Binding, LocationStore } from './location-store.ts'

/**
 * Asked before anything is changed (RFC 3261 §10.3 step 3); every `AdmissionPolicy` is one. What it refuses gets its answer, what it drops none,
 * and what it does not decide is answered 403. `host.aor` is the address of record that is to be registered.
 */
export type AuthorizeRegister = (
  request: SipRequest,
  flow: Flow,
  host: AdmissionHost & { readonly aor: string },
) => ReturnType<AdmissionPolicy>

export interface RegistrarEvent {
  readonly kind: 'added' | 'refreshed' | 'removed' | 'expired'
  readonly aor: string
  readonly binding: Binding
}

export interface RegistrarOptions {
  readonly clock: Clock
  /** Whose addresses of record these are: names and addresses in the Request-URI and in To. */
  readonly domains: readonly string[]
  readonly store: LocationStore
  /** Default: everybody may register. */
  readonly authorize?: AuthorizeRegister
  /** For what `authorize` makes up (nonces); it needs it. */
  readonly random?: Random
  /** Whether who was admitted may register that address of record (RFC 3261 §10.3 step 4); no: 403. Default: a user whose name is its user part, or one without a name. */
  readonly mayRegister?: (admitted: Admitted, aor: string) => boolean
  /** Whether there is such an address of record; no: 404. Default: every one in `domains`. */
  readonly knows?: (aor: string) => boolean | Promise<boolean>
  /** Contacts for one address of record; one more is answered 403. Default 10. */
  readonly maxContacts?: number
  /** Seconds. Less (but more than 0) is answered 423. Default 60. */
  readonly minExpires?: number
  /** Seconds. More is cut down to it. Default 3600. */
  readonly maxExpires?: number
  /** Seconds, for a REGISTER that names none. Default: `maxExpires`. */
  readonly defaultExpires?: number
  /** Route values that calls of these users must begin with (RFC 3608), each a name-addr with `lr`. */
  readonly serviceRoute?: readonly string[]
  /** Answers with `pub-gruu` for devices that name their instance and ask (RFC 5627). Default true. */
  readonly gruu?: boolean
  /** Told to devices with outbound that come without a proxy between: a keep-alive at least so often (RFC 5626 §5.4). Default 120 seconds; 0 none. */
  readonly flowTimerSeconds?: number
  /** A Path put in for a device that does not say it supports that (RFC 3327 §5.3): stored all the same, or refused with 421. Default `store`. */
  readonly pathWithoutSupport?: 'store' | 'refuse'
  /** REGISTERs at once that wait for `authorize` or the store; more are answered 503. Default 10,000. */
  readonly maxPending?: number
}

export type RegistrarPlan = Required<Omit<RegistrarOptions, 'authorize' | 'random' | 'knows' | 'domains'>> &
  Pick<RegistrarOptions, 'authorize' | 'random' | 'knows'> & { readonly domains: ReadonlySet<string> }

/** Option tags a registrar understands: `supported` for the user agent core in front of it. */
export const registrarExtensions: readonly string[] = ['path', 'outbound', 'gruu']

/** @throws OptionError */
export function planRegistrar(options: RegistrarOptions): RegistrarPlan {
  const maxExpires = options.maxExpires ?? 3600
  const plan: RegistrarPlan = {
    maxContacts: 10,
    minExpires: Math.min(60, maxExpires),
    defaultExpires: maxExpires,
    serviceRoute: [],
    gruu: true,
    flowTimerSeconds: 120,
    pathWithoutSupport: 'store',
    maxPending: 10_000,
    mayRegister: ({ user }, aor) => user === undefined || aor.startsWith(`sip:${user}@`),
    ...options,
    maxExpires,
    domains: new Set(options.domains.map(domain => domain.toLowerCase())),
  }
  if (plan.domains.size === 0)
    throw new OptionError('domains', 'give the names, or addresses, that devices register at')
  if (plan.authorize !== undefined && plan.random === undefined)
    throw new OptionError('random', 'authorize needs it; give that of the runtime')
  for (const name of ['maxContacts', 'minExpires', 'maxExpires', 'defaultExpires', 'maxPending'] as const) {
    if (!(plan[name] >= 1)) throw new OptionError(name, `${plan[name]} is not a number of 1 or more`)
  }
  if (plan.minExpires > maxExpires)
    throw new OptionError(
      'minExpires',
      `${plan.minExpires} is above maxExpires, ${maxExpires}: nothing could be granted`,
    )
  return plan
}
