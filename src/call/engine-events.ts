import type { DiagnosticsChannel } from '../runtime/diagnostics.ts'
import { diagnosticsChannel } from '../runtime/diagnostics.ts'

/** What becomes of a conversation engine that a call was given to; several in a row when one falls back to another. */
export type EngineEvent = {
  /** Our id of the call. */
  readonly call: string
  /** What kind of engine: `twilio`, `openai` … */
  readonly engine: string
} & (
  | { readonly kind: 'connecting' }
  /** `afterMs` counts from `connecting`. */
  | { readonly kind: 'connected' | 'speaks'; readonly afterMs: number }
  /** No personal data in `detail`; `counters` are those above 0. */
  | {
      readonly kind: 'ended'
      readonly by: 'engine' | 'call'
      readonly detail: string
      readonly counters: Readonly<Record<string, number>>
    }
  | {
      readonly kind: 'failed'
      readonly detail: string
      readonly counters: Readonly<Record<string, number>>
    }
)

export const engineChannel: DiagnosticsChannel<EngineEvent> = diagnosticsChannel('offhook:engine')
