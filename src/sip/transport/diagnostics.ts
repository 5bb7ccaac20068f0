import { diagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { DiagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { SocketAddress } from '../../runtime/runtime.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { TransportName } from './transports.ts'

/** One SIP message on the wire, retransmissions included. */
export interface MessageEvent {
  /** The token given as `endpoint` to the transport layer. */
  readonly endpoint: object
  readonly direction: 'in' | 'out'
  /** `clock.now()` in milliseconds. */
  readonly at: number
  readonly transport: TransportName
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly bytes: Uint8Array
  /** Absent when what came in did not parse. */
  readonly message: SipRequest | SipResponse | undefined
}

export const messageChannel: DiagnosticsChannel<MessageEvent> = diagnosticsChannel('offhook:sip:message')

/** Something threw while a message was received: a defect here, or a callback of the application's. The message was dropped or answered 500. */
export interface FaultEvent {
  /** The token given as `endpoint` to the transport layer. */
  readonly endpoint: object
  /** `clock.now()` in milliseconds. */
  readonly at: number
  readonly error: unknown
  /** Method of the request, or of the one that the response answers; `undefined`: it was not read so far. */
  readonly method: string | undefined
  readonly callId: string | undefined
}

export const faultChannel: DiagnosticsChannel<FaultEvent> = diagnosticsChannel('offhook:sip:fault')
