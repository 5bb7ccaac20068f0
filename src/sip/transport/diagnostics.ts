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
