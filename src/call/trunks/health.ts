import { SipError } from '../../runtime/errors.ts'
import type { Clock, Random, Timer } from '../../runtime/runtime.ts'
import type { TrunkHealthSettings } from './options.ts'

/** `degraded`: some edges fail, or one has just failed once; calls go on by the others. */
export type TrunkState = 'unknown' | 'up' | 'degraded' | 'down'

export interface EdgeStatus {
  readonly name: string
  readonly state: 'unknown' | 'up' | 'failing' | 'down'
  /** In a row. */
  readonly failures: number
  /** Why it failed last. */
  readonly reason: string | undefined
}

/** What is thought of the edges of one trunk. Pure: told of successes and failures, by OPTIONS or by calls. */
export class EdgeHealth {
  readonly #downAfter: number
  readonly #edges: { name: string; heard: boolean; failures: number; reason: string | undefined }[]

  constructor(names: readonly string[], downAfter: number) {
    this.#downAfter = downAfter
    this.#edges = names.map(name => ({ name, heard: false, failures: 0, reason: undefined }))
  }

  succeeded(index: number): void {
    const edge = this.#edges[index]
    if (edge === undefined) return
    edge.heard = true
    edge.failures = 0
    edge.reason = undefined
  }

  failed(index: number, reason: string): void {
    const edge = this.#edges[index]
    if (edge === undefined) return
    edge.heard = true
    edge.failures++
    edge.reason = reason
  }

  isDown(index: number): boolean {
    return (this.#edges[index]?.failures ?? 0) >= this.#downAfter
  }

  failures(index: number): number {
    return this.#edges[index]?.failures ?? 0
  }

  get edges(): readonly EdgeStatus[] {
    return this.#edges.map(({ name, heard, failures, reason }, index) => ({
      name,
      state: !heard ? 'unknown' : failures === 0 ? 'up' : this.isDown(index) ? 'down' : 'failing',
      failures,
      reason,
    }))
  }

  get state(): TrunkState {
    if (this.#edges.every((_, index) => this.isDown(index))) return 'down'
    if (this.#edges.some(({ failures }) => failures > 0)) return 'degraded'
    return this.#edges.some(({ heard }) => heard) ? 'up' : 'unknown'
  }

  /** Indexes in the order to try them: those that are down last, otherwise as given. */
  order(): readonly number[] {
    const all = this.#edges.map((_, index) => index)
    return [...all.filter(index => !this.isDown(index)), ...all.filter(index => this.isDown(index))]
  }
}

export interface ProbeHost {
  readonly clock: Clock
  readonly random: Random
  /** One OPTIONS; the status of its answer. */
  ask(index: number): Promise<number>
  onAnswer(index: number, statusCode: number): void
  onSilence(index: number, reason: string): void
  /** Failures of that edge in a row. */
  failures(index: number): number
  isDown(index: number): boolean
}

/**
 * Asks each edge now and then, one question at a time, at moments of its own: the first within the first interval at random, so that neither many edges nor
 * many processes started together ask at once. An edge that is down is asked ever less often.
 */
export class Prober {
  readonly #host: ProbeHost
  readonly #settings: Required<TrunkHealthSettings>
  readonly #timers: (Timer | undefined)[]
  #sent = 0
  #closed = false

  constructor(host: ProbeHost, settings: Required<TrunkHealthSettings>, edges: number) {
    this.#host = host
    this.#settings = settings
    this.#timers = Array.from({ length: edges })
    for (let index = 0; index < edges; index++) this.#plan(index, settings.intervalMs * this.#fraction())
  }

  /** OPTIONS so far. */
  get sent(): number {
    return this.#sent
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#timers) timer?.cancel()
  }

  #fraction(): number {
    return this.#host.random.uint32() / 0x1_0000_0000
  }

  #plan(index: number, ms: number): void {
    if (this.#closed) return
    const { clock } = this.#host
    this.#timers[index] = clock.setTimer(clock.now() + ms, () => void this.#ask(index))
  }

  async #ask(index: number): Promise<void> {
    const { clock } = this.#host
    const { timeoutMs } = this.#settings
    const startedAt = clock.now()
    this.#sent++
    let late = false
    this.#timers[index] = clock.setTimer(startedAt + timeoutMs, () => {
      late = true
      this.#host.onSilence(index, `no answer to OPTIONS within ${timeoutMs} ms`)
    })
    try {
      const statusCode = await this.#host.ask(index)
      if (this.#closed) return
      this.#timers[index]?.cancel()
      this.#host.onAnswer(index, statusCode)
    } catch (error) {
      if (this.#closed) return
      this.#timers[index]?.cancel()
      // The endpoint is closed: there is nothing left to ask with.
      if (error instanceof SipError && error.code === 'SIP_STATE') return
      if (!late) this.#host.onSilence(index, error instanceof Error ? error.message : String(error))
    }
    this.#plan(index, Math.max(0, this.#interval(index) - (clock.now() - startedAt)))
  }

  #interval(index: number): number {
    const { intervalMs, maxIntervalMs, downAfter } = this.#settings
    const doublings = this.#host.isDown(index) ? this.#host.failures(index) - downAfter + 1 : 0
    const base = Math.min(intervalMs * 2 ** Math.min(doublings, 20), maxIntervalMs)
    return base * (0.9 + 0.2 * this.#fraction())
  }
}
