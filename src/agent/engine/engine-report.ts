import { engineChannel } from '../../call/engine-events.ts'
import type { Clock } from '../../runtime/runtime.ts'
import type { EngineEnd } from './engine-end.ts'

/** Tells the trace and the metrics what becomes of one engine in one call; made when it is dialled. */
export class EngineReport {
  readonly #event: { readonly call: string; readonly engine: string }
  readonly #clock: Clock
  readonly #startedAt: number

  constructor(call: string, engine: string, clock: Clock) {
    this.#event = { call, engine }
    this.#clock = clock
    this.#startedAt = clock.now()
    if (engineChannel.hasSubscribers) engineChannel.publish({ ...this.#event, kind: 'connecting' })
  }

  connected(): void {
    this.#reached('connected')
  }

  /** Its first audio has come. */
  speaks(): void {
    this.#reached('speaks')
  }

  /** Counters of 0 are left out. To be told at once, before the call's record is closed. */
  ended({ kind, detail }: EngineEnd, counters: Readonly<Record<string, number>> = {}): void {
    if (!engineChannel.hasSubscribers) return
    const told = {
      ...this.#event,
      detail,
      counters: Object.fromEntries(Object.entries(counters).filter(([, count]) => count > 0)),
    }
    if (kind === 'failed') engineChannel.publish({ ...told, kind })
    else engineChannel.publish({ ...told, kind: 'ended', by: kind === 'call' ? 'call' : 'engine' })
  }

  #reached(kind: 'connected' | 'speaks'): void {
    if (!engineChannel.hasSubscribers) return
    engineChannel.publish({ ...this.#event, kind, afterMs: this.#clock.now() - this.#startedAt })
  }
}
