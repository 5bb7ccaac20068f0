import type { Clock, Random, Resolver, SrvRecord } from '../../../runtime/runtime.ts'
import { stripBrackets } from '../../message/host.ts'
import { familyOf } from '../addresses.ts'
import type { Destination } from '../destination.ts'
import { SipTransportError } from '../errors.ts'
import type { Target } from '../locate.ts'
import { transports } from '../transports.ts'
import type { TransportName } from '../transports.ts'
import { ServerHealth } from './health.ts'
import { byPriority, isNotAvailable, isSettled, targetsOf, usableNaptr } from './plan.ts'
import type { Choice, Plan } from './plan.ts'
import { defaultTransport, questionFor } from './services.ts'

/** Domains kept in mind; the oldest goes for a new one. */
const MAX_PLANS = 1024
/** No record is believed for longer, seconds. */
const MAX_TTL_SECONDS = 86_400
/** What a plan is worth that was made while a question went unanswered, seconds. */
const DOUBTFUL_TTL_SECONDS = 30
/** Longest wait for NAPTR or SRV, ms: where a firewall swallows those questions, addresses must still be found in time. */
const SERVICE_QUERY_MS = 2_500

export interface LocatorParts {
  readonly resolver: Resolver
  readonly clock: Clock
  readonly random: Random
  /** Whether the endpoint listens by that transport: which NAPTR and SRV records are of use. */
  offers(transport: TransportName): boolean
  /** Whether something can be sent to addresses of that family by that transport. */
  reaches(transport: TransportName, family: 4 | 6): boolean
}

interface Kept {
  readonly plan: Plan
  /** Clock ms. */
  readonly until: number
  /** For plans without a draw. */
  readonly targets: readonly Target[] | undefined
}

/** Finds the servers of a domain (RFC 3263 §4), and keeps what it found for as long as the records live. */
export class Locator {
  readonly health: ServerHealth = new ServerHealth()
  readonly #parts: LocatorParts
  readonly #kept = new Map<string, Kept>()
  readonly #asked = new Map<string, Promise<Kept>>()
  #dropped = 0

  constructor(parts: LocatorParts) {
    this.#parts = parts
  }

  /** Domains kept. */
  get size(): number {
    return this.#kept.size
  }

  /** Domains forgotten before their time for want of room. */
  get dropped(): number {
    return this.#dropped
  }

  /**
   * Targets in the order to try them, those that failed lately last. Numeric hosts and domains in memory are answered at once, without a
   * promise. Rejects with `SipTransportError` when there is none.
   */
  locate(destination: Destination): readonly Target[] | Promise<readonly Target[]> {
    const host = stripBrackets(destination.host)
    const family = familyOf(host)
    if (family !== 0) {
      const transport =
        destination.transport ??
        defaultTransport(destination.secure === true, name => this.#parts.offers(name))
      const port = destination.port ?? transports[transport].defaultPort
      return [{ transport, address: host, family, port, host: destination.domain ?? host }]
    }
    const key = `${host.toLowerCase()} ${destination.port ?? ''} ${destination.transport ?? ''} ${destination.secure === true ? 's' : ''}`
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.until > this.#parts.clock.now()) return this.#ordered(kept, destination)
    return this.#ask(key, host, destination).then(found => this.#ordered(found, destination))
  }

  #ordered({ plan, targets }: Kept, { first }: Destination): readonly Target[] {
    const drawn = targets ?? targetsOf(plan, this.#parts.random)
    const wanted = first === undefined ? drawn : withFirst(drawn, first)
    return this.health.order(wanted, this.#parts.clock.now())
  }

  #ask(key: string, host: string, destination: Destination): Promise<Kept> {
    const asked = this.#asked.get(key)
    if (asked !== undefined) return asked
    const asking = new Inquiry(this.#parts, host, destination)
      .plan()
      .then(plan => this.#keep(key, plan))
      .finally(() => this.#asked.delete(key))
    this.#asked.set(key, asking)
    return asking
  }

  #keep(key: string, plan: Plan): Kept {
    const { clock, random } = this.#parts
    const until = clock.now() + Math.min(plan.ttlSeconds, MAX_TTL_SECONDS) * 1000
    const kept: Kept = { plan, until, targets: isSettled(plan) ? targetsOf(plan, random) : undefined }
    this.#kept.delete(key)
    if (this.#kept.size >= MAX_PLANS) {
      const [oldest] = this.#kept.keys()
      if (oldest !== undefined) this.#kept.delete(oldest)
      this.#dropped++
    }
    this.#kept.set(key, kept)
    return kept
  }
}

type Groups = readonly (readonly Choice[])[]

/** The questions for one domain. */
class Inquiry {
  readonly #parts: LocatorParts
  readonly #host: string
  readonly #destination: Destination
  #ttlSeconds = MAX_TTL_SECONDS
  /** The domain says by a target of `.` that it has no such service. */
  #denied = false
  #unreachable = false

  constructor(parts: LocatorParts, host: string, destination: Destination) {
    this.#parts = parts
    this.#host = host
    this.#destination = destination
  }

  async plan(): Promise<Plan> {
    const groups = await this.#groups()
    if (groups.length === 0) throw this.#nothing()
    return { groups, ttlSeconds: this.#ttlSeconds }
  }

  async #groups(): Promise<Groups> {
    const question = questionFor({ ...this.#destination, host: this.#host }, name => this.#parts.offers(name))
    if (question.ask === 'addresses') return this.#byAddress(question.transport, question.port)
    if (question.ask === 'srv') {
      const groups = await this.#bySrv(question.name, question.transport)
      return groups ?? this.#byAddress(question.transport, transports[question.transport].defaultPort)
    }
    const { usable, srv, otherwise } = question
    const records = await this.#service(() => this.#parts.resolver.naptr(this.#host))
    const naptr = usableNaptr(records, usable)
    if (naptr.length > 0) {
      for (const { record } of naptr) this.#note(record)
      const found = await Promise.all(
        naptr.map(async ({ record, service }) => {
          const { transport } = service
          const name = withoutDot(record.replacement)
          if (record.flags.toLowerCase() === 's') return (await this.#bySrv(name, transport)) ?? []
          return this.#addressGroup(name, transports[transport].defaultPort, transport)
        }),
      )
      if (found.some(groups => groups.length > 0)) return found.flat()
    }
    const found = await Promise.all(srv.map(({ name, transport }) => this.#bySrv(name, transport)))
    if (found.some(groups => groups !== undefined)) return found.flatMap(groups => groups ?? [])
    return this.#byAddress(otherwise, transports[otherwise].defaultPort)
  }

  /** The groups of an SRV name; empty when the domain denies the service, `undefined` when there are no records. */
  async #bySrv(name: string, transport: TransportName): Promise<Groups | undefined> {
    const records = await this.#service(() => this.#parts.resolver.srv(name))
    if (records.length === 0) return undefined
    for (const record of records) this.#note(record)
    if (records.every(isNotAvailable)) this.#denied = true
    const groups = await Promise.all(
      byPriority(records).map(group => Promise.all(group.map(record => this.#choice(record, transport)))),
    )
    return groups
      .map(group => group.filter(({ targets }) => targets.length > 0))
      .filter(group => group.length > 0)
  }

  async #choice({ host, port, weight }: SrvRecord, transport: TransportName): Promise<Choice> {
    const groups = await this.#addressGroup(withoutDot(host), port, transport)
    return { weight, targets: groups[0]?.[0]?.targets ?? [] }
  }

  /** Addresses of one host; none when the look-up fails, because others may be left. */
  async #addressGroup(host: string, port: number, transport: TransportName): Promise<Groups> {
    try {
      const targets = await this.#targets(host, port, transport)
      return targets.length === 0 ? [] : [[{ weight: 0, targets }]]
    } catch {
      this.#ttlSeconds = Math.min(this.#ttlSeconds, DOUBTFUL_TTL_SECONDS)
      return []
    }
  }

  async #byAddress(transport: TransportName, port: number): Promise<Groups> {
    try {
      const targets = await this.#targets(this.#host, port, transport)
      return targets.length === 0 ? [] : [[{ weight: 0, targets }]]
    } catch (cause) {
      throw unresolved(this.#host, cause)
    }
  }

  async #targets(host: string, port: number, transport: TransportName): Promise<Target[]> {
    const records = await this.#parts.resolver.address(host)
    const targets: Target[] = []
    for (const record of records) {
      const { address, family } = record
      if (this.#parts.reaches(transport, family)) {
        this.#note(record)
        // A certificate has to name the domain that was asked for, not what the DNS led to (RFC 5922 §7.1).
        targets.push({ transport, address, family, port, host: this.#destination.domain ?? this.#host })
      } else {
        this.#unreachable = true
      }
    }
    return targets
  }

  #note({ ttlSeconds }: { readonly ttlSeconds: number }): void {
    this.#ttlSeconds = Math.min(this.#ttlSeconds, ttlSeconds)
  }

  /** NAPTR and SRV: no answer counts as no records, for a while. */
  #service<T>(query: () => Promise<readonly T[]>): Promise<readonly T[]> {
    const { clock } = this.#parts
    return new Promise(resolve => {
      const none = (): void => {
        this.#ttlSeconds = Math.min(this.#ttlSeconds, DOUBTFUL_TTL_SECONDS)
        resolve([])
      }
      const timer = clock.setTimer(clock.now() + SERVICE_QUERY_MS, none)
      query()
        .then(resolve, none)
        .finally(() => timer.cancel())
    })
  }

  #nothing(): SipTransportError {
    if (this.#unreachable) {
      return new SipTransportError(
        'no-route',
        `every address of ${this.#host} is of a family nothing here listens on: listen on an address of that family too`,
        { target: this.#host },
      )
    }
    if (this.#denied) {
      return new SipTransportError(
        'unresolved',
        `${this.#host} says in its SRV records that it offers no such service: use another transport or host`,
        { target: this.#host },
      )
    }
    return unresolved(this.#host)
  }
}

function withFirst(
  targets: readonly Target[],
  { transport, address, port }: Pick<Target, 'transport' | 'address' | 'port'>,
): readonly Target[] {
  const same = targets.find(
    target => target.address === address && target.port === port && target.transport === transport,
  )
  if (same === undefined || same === targets[0]) return targets
  return [same, ...targets.filter(other => other !== same)]
}

function unresolved(host: string, cause?: unknown): SipTransportError {
  return new SipTransportError('unresolved', `no address found for ${host}: check the name and the DNS`, {
    target: host,
    ...(cause !== undefined && { cause }),
  })
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
