import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock, Timer } from '../../runtime/runtime.ts'
import { TimerQueue } from '../../runtime/timers.ts'

/** One contact of an address of record. Plain data: it can be kept as JSON in a database that several machines share. */
export interface Binding {
  /** The Contact's URI as sent. */
  readonly uri: string
  /** The Contact's parameters as sent, without `expires`: `;q=0.5;+sip.instance="<urn:uuid:...>"`. */
  readonly params: string
  /** 0 to 1. */
  readonly q: number
  readonly callId: string
  readonly sequence: number
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number
  /** When it was last registered, milliseconds since the Unix epoch. */
  readonly updatedAt: number
  /** Routes to it, in order (RFC 3327). */
  readonly path: readonly string[]
  readonly displayName: string | undefined
  /** `+sip.instance` with its angle brackets (RFC 5626 §4.1). */
  readonly instance: string | undefined
  /** `reg-id`, when it is to be reached over the flow that registered (RFC 5626 §6). */
  readonly regId: number | undefined
  /** Where the REGISTER came from: the other end of its flow. */
  readonly source: {
    readonly transport: string
    readonly address: string
    readonly port: number
    readonly flow: string
  }
  readonly userAgent: string | undefined
}

/** What a change makes of the bindings of one address of record, and what its caller wants back. */
export interface BindingChange<T> {
  /** Empty: forget the address of record. The same array: nothing to store. */
  readonly bindings: readonly Binding[]
  readonly result: T
}

/**
 * Where bindings are kept. Everything may be asynchronous; what answers at once need not be a promise.
 * Expired bindings may still be given: who reads looks at `expiresAt`.
 */
export interface LocationStore {
  get(aor: string): readonly Binding[] | Promise<readonly Binding[]>
  /**
   * Replaces the bindings of `aor` by what `change` makes of them, atomically: no other change of the same address of record comes between. A
   * store that finds out afterwards (compare and swap) runs `change` again; it has no side effects. Rejects with `SipError` `SIP_LIMIT` when
   * there is no room.
   */
  update<T>(aor: string, change: (bindings: readonly Binding[]) => BindingChange<T>): T | Promise<T>
  /** Set by the registrar; called for each binding that ran out. A shared store may leave it alone. */
  onExpired?: ((aor: string, binding: Binding) => void) | undefined
}

export interface MemoryLocationStoreOptions {
  readonly clock: Clock
  /** Addresses of record with bindings at once; more are refused and counted. Default 100,000. */
  readonly maxAors?: number
}

interface Entry {
  bindings: readonly Binding[]
  expiry: Timer
}

const none: readonly Binding[] = []

/** Bindings in a Map; one timer of the clock for all expiries. */
export class MemoryLocationStore implements LocationStore {
  onExpired: ((aor: string, binding: Binding) => void) | undefined
  readonly #clock: Clock
  readonly #maxAors: number
  readonly #entries = new Map<string, Entry>()
  readonly #expiries: TimerQueue
  #alarm: Timer | undefined
  #refused = 0

  /** @throws OptionError */
  constructor({ clock, maxAors = 100_000 }: MemoryLocationStoreOptions) {
    if (!(maxAors >= 1)) throw new OptionError('maxAors', `${maxAors} leaves no room; give 1 or more`)
    this.#clock = clock
    this.#maxAors = maxAors
    this.#expiries = new TimerQueue({
      now: () => clock.now(),
      arm: atMs => {
        this.#alarm?.cancel()
        this.#alarm = clock.setTimer(atMs, () => this.#expiries.runDue(clock.now()))
      },
      disarm: () => {
        this.#alarm?.cancel()
        this.#alarm = undefined
      },
    })
  }

  /** Addresses of record with bindings. */
  get size(): number {
    return this.#entries.size
  }

  /** Addresses of record refused for `maxAors`. */
  get refused(): number {
    return this.#refused
  }

  get(aor: string): readonly Binding[] {
    return this.#entries.get(aor)?.bindings ?? none
  }

  update<T>(aor: string, change: (bindings: readonly Binding[]) => BindingChange<T>): T {
    const entry = this.#entries.get(aor)
    const before = entry?.bindings ?? none
    const { bindings, result } = change(before)
    if (bindings === before) return result
    if (entry === undefined && bindings.length > 0 && this.#entries.size >= this.#maxAors) {
      this.#refused++
      throw new SipError('SIP_LIMIT', `${this.#maxAors} addresses of record have bindings; raise maxAors`)
    }
    this.#keep(aor, entry, bindings)
    return result
  }

  /** Forgets everything. */
  clear(): void {
    for (const { expiry } of this.#entries.values()) expiry.cancel()
    this.#entries.clear()
  }

  #keep(aor: string, entry: Entry | undefined, bindings: readonly Binding[]): void {
    entry?.expiry.cancel()
    if (bindings.length === 0) {
      this.#entries.delete(aor)
      return
    }
    const first = Math.min(...bindings.map(({ expiresAt }) => expiresAt))
    const inMs = first - this.#clock.wallTime()
    const expiry = this.#expiries.set(this.#clock.now() + inMs, () => this.#expire(aor))
    if (entry === undefined) {
      this.#entries.set(aor, { bindings, expiry })
    } else {
      entry.bindings = bindings
      entry.expiry = expiry
    }
  }

  #expire(aor: string): void {
    const entry = this.#entries.get(aor)
    if (entry === undefined) return
    const now = this.#clock.wallTime()
    const gone = entry.bindings.filter(({ expiresAt }) => expiresAt <= now)
    this.#keep(
      aor,
      entry,
      entry.bindings.filter(({ expiresAt }) => expiresAt > now),
    )
    for (const binding of gone) this.onExpired?.(aor, binding)
  }
}
