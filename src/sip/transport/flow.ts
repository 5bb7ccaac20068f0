import type { PeerCertificate, SocketAddress } from '../../runtime/runtime.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { TransportName } from './transports.ts'

/** One address the layer listens on, after binding. */
export interface BoundAddress {
  readonly transport: TransportName
  /** What was bound; the host may be `0.0.0.0` or `::`, the port is the real one. */
  readonly local: SocketAddress
  /** What others are told instead of the bound address; a missing port means the bound one. */
  readonly advertise: Advertised | undefined
}

export interface Advertised {
  /** Name or address, IPv6 without brackets. */
  readonly host: string
  readonly port?: number
}

/**
 * Where one message came from or went to: a datagram socket with a remote address, or a connection
 * (RFC 5626 §2 speaks of flows in the same sense).
 */
export interface Flow {
  /** Equal for two flows that are the same socket or connection with the same remote address. */
  readonly id: string
  readonly transport: TransportName
  readonly reliable: boolean
  readonly secure: boolean
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** TLS: the certificate the other side has shown. `trusted` in it says whether it may be believed. */
  readonly peer?: PeerCertificate | undefined
  /** The listen address it belongs to; for a connection we opened, the one whose address was put into Via. */
  readonly bound: BoundAddress | undefined
  /** True once the connection is gone; a datagram flow closes with its layer. */
  readonly closed: boolean
  /**
   * Hands one whole serialised message to the network; `message` is shown to diagnostics beside the octets.
   * Throws `SipTransportError` when that cannot be.
   */
  send(bytes: Uint8Array, message?: SipRequest | SipResponse): void
  /** Keeps an idle connection open until the returned function is called (idempotent). No effect on datagram flows. */
  hold(): () => void
  /** Runs `listener` once when the connection goes; returns the function that forgets it. Never runs for datagram flows. */
  onClose(listener: () => void): () => void
}
