import type { Endpoint } from '../call/endpoint.ts'
import { createTrunk } from '../call/trunks/carrier-trunk.ts'
import type { CarrierTrunk, TrunkStats } from '../call/trunks/carrier-trunk.ts'
import type { HealthConfig } from './config.ts'
import { trunkChanged } from './changes.ts'
import type { ServeEvent } from './events.ts'
import type { ServePlan } from './plan.ts'

/** How long a registration that is taken back may hold up the next. */
const unregisterMs = 2_000

/** The trunks of the configuration in force. */
export class TrunkTable {
  readonly #endpoint: Endpoint
  readonly #tell: (event: ServeEvent) => void
  #trunks: ReadonlyMap<string, CarrierTrunk> = new Map()
  #plan: ServePlan | undefined

  constructor(endpoint: Endpoint, tell: (event: ServeEvent) => void) {
    this.#endpoint = endpoint
    this.#tell = tell
  }

  get byName(): ReadonlyMap<string, CarrierTrunk> {
    return this.#trunks
  }

  /** Makes those that are new or otherwise than before, and closes those that are gone; calls by them go on. Gives the names of all these. */
  async apply(plan: ServePlan): Promise<readonly string[]> {
    const before = this.#plan
    const gone = [...this.#trunks.keys()].filter(
      name => !plan.trunks.has(name) || before === undefined || trunkChanged(name, before, plan),
    )
    const closing = gone.map(name => this.#trunks.get(name)!.close())
    // The registrar must not hear of the new binding before it has forgotten the old one, which looks the same.
    if (closing.length > 0) await this.#within(unregisterMs, Promise.all(closing))
    const kept = new Map([...this.#trunks].filter(([name]) => !gone.includes(name)))
    const made = [...plan.trunks.keys()].filter(name => !kept.has(name))
    this.#plan = plan
    this.#trunks = new Map(
      [...plan.trunks].map(([name, options]) => [
        name,
        kept.get(name) ?? this.#watched(createTrunk(this.#endpoint, options)),
      ]),
    )
    return [...new Set([...gone, ...made])]
  }

  /** Takes registrations back and asks no edge any more. */
  close(): void {
    for (const trunk of this.#trunks.values()) void trunk.close()
  }

  stats(): ReadonlyMap<string, TrunkStats> {
    return new Map([...this.#trunks].map(([name, trunk]) => [name, trunk.stats()]))
  }

  /** Why the trunks do not allow to be ready, as far as that is asked for. */
  reasons(wanted: NonNullable<HealthConfig['trunks']>): readonly string[] {
    if (wanted === 'none' || this.#trunks.size === 0) return []
    const reasons = [...this.#trunks.values()].flatMap(trunk => whyDown(trunk) ?? [])
    return wanted === 'all' || reasons.length === this.#trunks.size ? reasons : []
  }

  #watched(trunk: CarrierTrunk): CarrierTrunk {
    const { name } = trunk
    trunk.on('state', (state, _before, reason) =>
      this.#tell({ event: 'trunk', trunk: name, state, ...(reason === undefined ? {} : { reason }) }),
    )
    for (const registration of trunk.registrations) {
      registration.on('registered', () =>
        this.#tell({ event: 'registration', trunk: name, state: 'registered' }),
      )
      registration.on('failed', ({ message }) =>
        this.#tell({ event: 'registration', trunk: name, state: 'failed', reason: message }),
      )
      registration.on('unregistered', () =>
        this.#tell({ event: 'registration', trunk: name, state: 'unregistered' }),
      )
    }
    return trunk
  }

  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const { clock } = this.#endpoint
    let stop: (() => void) | undefined
    const late = new Promise<void>(resolve => {
      const timer = clock.setTimer(clock.now() + ms, resolve)
      stop = () => timer.cancel()
    })
    await Promise.race([work, late])
    stop?.()
  }
}

/** Undefined for a trunk that is up, as far as anybody looks after it. */
function whyDown({ name, options, registrations, state }: CarrierTrunk): string | undefined {
  if (options.auth === 'register' && !registrations.some(each => each.state === 'registered'))
    return `trunk ${name} is not registered`
  if (state === 'down') return `trunk ${name} is down`
  if (state === 'unknown' && options.health !== undefined) return `trunk ${name} has not answered yet`
  return undefined
}
