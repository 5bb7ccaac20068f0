import type { DiagnosticsChannel } from '../runtime/diagnostics.ts'
import { diagnosticsChannel } from '../runtime/diagnostics.ts'
import type { CallEnded } from './call-ended.ts'
import type { CarrierId } from './carrier-ids.ts'
import type { TransferResult } from './transfer-options.ts'

/** What happens to calls that a carrier brings over a WebSocket. */
export type StreamEvent = {
  /** Whose trace it belongs to: an endpoint, or the server itself. */
  readonly endpoint: object
  /** Our id of the call. */
  readonly call: string
  /** Clock of the endpoint, ms. */
  readonly at: number
} & (
  | {
      readonly kind: 'began'
      /** Its protocol: `twilio`, `telnyx` … */
      readonly dialect: string
      /** What the carrier calls it, where it says so; else ours. */
      readonly callId: string
      readonly carrierIds: readonly CarrierId[]
      /** URIs. */
      readonly from: string
      readonly to: string
      /** `wss:192.0.2.1:40000`. */
      readonly peer: string
      /** When the WebSocket was asked for. */
      readonly openedAt: number
      readonly codec: string
    }
  | { readonly kind: 'transfer'; readonly target: string; readonly result?: TransferResult }
  | { readonly kind: 'ended'; readonly ended: CallEnded; readonly media: StreamCounts }
)

/** Of one call, for its record. */
export interface StreamCounts {
  readonly codec: string
  /** Audio messages each way. */
  readonly messagesSent: number
  readonly messagesReceived: number
  /** Messages that were not of the dialect, or came out of turn. */
  readonly discarded: number
  /** By name, above 0 only. */
  readonly counters: Readonly<Record<string, number>>
}

export const streamChannel: DiagnosticsChannel<StreamEvent> = diagnosticsChannel('offhook:stream')
