import { isIP } from 'node:net'
import { SipError } from '../runtime/errors.ts'
import type { Clock, NaptrRecord, ResolvedAddress, Resolver, SrvRecord } from '../runtime/runtime.ts'

export interface SimulatedResolverOptions {
  /** With a clock, an answer takes `delayMs` of its time. */
  readonly clock?: Clock
  readonly delayMs?: number
}

const DEFAULT_TTL_SECONDS = 3600

/** DNS from a table. Names are compared without case and without a dot at the end. */
export class SimulatedResolver implements Resolver {
  readonly #clock: Clock | undefined
  readonly #delayMs: number
  readonly #addresses = new Map<string, readonly ResolvedAddress[]>()
  readonly #srv = new Map<string, readonly SrvRecord[]>()
  readonly #naptr = new Map<string, readonly NaptrRecord[]>()
  readonly #failing = new Set<string>()
  #queries = 0

  constructor(options: SimulatedResolverOptions = {}) {
    this.#clock = options.clock
    this.#delayMs = options.delayMs ?? 0
  }

  /** Questions asked so far: to see that an answer was kept. */
  get queries(): number {
    return this.#queries
  }

  setAddresses(host: string, addresses: readonly string[], ttlSeconds: number = DEFAULT_TTL_SECONDS): void {
    this.#addresses.set(
      key(host),
      addresses.map(address => ({ address, family: isIP(address) === 6 ? 6 : 4, ttlSeconds })),
    )
  }

  /** What is left out of a record: priority 0, weight 0, one hour to live. */
  setSrv(name: string, records: readonly (Pick<SrvRecord, 'host' | 'port'> & Partial<SrvRecord>)[]): void {
    this.#srv.set(
      key(name),
      records.map(record => ({ priority: 0, weight: 0, ttlSeconds: DEFAULT_TTL_SECONDS, ...record })),
    )
  }

  /** What is left out of a record: order 0, preference 0, flags `s`, one hour to live. */
  setNaptr(
    name: string,
    records: readonly (Pick<NaptrRecord, 'service' | 'replacement'> & Partial<NaptrRecord>)[],
  ): void {
    this.#naptr.set(
      key(name),
      records.map(record => ({
        order: 0,
        preference: 0,
        flags: 's',
        ttlSeconds: DEFAULT_TTL_SECONDS,
        ...record,
      })),
    )
  }

  /** The name exists no more. */
  remove(name: string): void {
    for (const table of [this.#addresses, this.#srv, this.#naptr]) table.delete(key(name))
  }

  /** Questions for the name fail, as when no server answers, until `fail(name, false)`. */
  fail(name: string, failing: boolean = true): void {
    if (failing) this.#failing.add(key(name))
    else this.#failing.delete(key(name))
  }

  async address(host: string): Promise<readonly ResolvedAddress[]> {
    const family = isIP(host)
    if (family === 4 || family === 6) return [{ address: host, family, ttlSeconds: DEFAULT_TTL_SECONDS }]
    return this.#ask(this.#addresses, host)
  }

  srv(name: string): Promise<readonly SrvRecord[]> {
    return this.#ask(this.#srv, name)
  }

  naptr(name: string): Promise<readonly NaptrRecord[]> {
    return this.#ask(this.#naptr, name)
  }

  async #ask<T>(table: ReadonlyMap<string, readonly T[]>, name: string): Promise<readonly T[]> {
    this.#queries++
    const clock = this.#clock
    if (clock !== undefined) {
      await new Promise<void>(resolve => {
        clock.setTimer(clock.now() + this.#delayMs, resolve)
      })
    }
    if (this.#failing.has(key(name))) {
      throw new SipError('SIP_RESOLVE', `no answer for '${name}': the lab lets this name fail`)
    }
    return table.get(key(name)) ?? []
  }
}

function key(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
