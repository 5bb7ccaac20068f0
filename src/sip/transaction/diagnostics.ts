import { diagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { DiagnosticsChannel } from '../../runtime/diagnostics.ts'

/** A transaction was made, changed its state, or ended. */
export interface TransactionEvent {
  /** The token given as `endpoint` to the transport layer. */
  readonly endpoint: object
  /** `clock.now()` in milliseconds. */
  readonly at: number
  readonly side: 'client' | 'server'
  readonly method: string
  readonly callId: string
  readonly branch: string
  /** `undefined`: it was just made. */
  readonly previous: string | undefined
  readonly state: string
}

export const transactionChannel: DiagnosticsChannel<TransactionEvent> =
  diagnosticsChannel('offhook:sip:transaction')
