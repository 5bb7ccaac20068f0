import { diagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { DiagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { Target } from '../transport/locate.ts'
import type { LeftServer } from '../transport/locating/left-server.ts'

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

/** A server of a domain did not take a request (RFC 3263 §4.3). */
export interface FailoverEvent {
  /** The token given as `endpoint` to the transport layer. */
  readonly endpoint: object
  /** `clock.now()` in milliseconds. */
  readonly at: number
  readonly method: string
  readonly callId: string
  /** The server and why it was left. */
  readonly left: LeftServer
  /** The server tried next; `undefined` when there is none, or when none may be tried any more. */
  readonly next: Target | undefined
}

export const failoverChannel: DiagnosticsChannel<FailoverEvent> = diagnosticsChannel('offhook:sip:failover')
