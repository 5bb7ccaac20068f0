import { SipError } from '../../runtime/errors.ts'
import type { LeftServer } from './locating/left-server.ts'
import type { TransportName } from './transports.ts'

/** Why a message could not be handed to the network. */
export type TransportFailure =
  /** No address was found for the host. */
  | 'unresolved'
  /** No local address fits (for example an IPv6 target with IPv4 listeners only). */
  | 'no-route'
  /** Refused, unreachable, or no answer before the connect timeout. */
  | 'connect'
  /** The certificate of the server is not to be trusted, or names another domain (RFC 5922 §7.3). */
  | 'certificate'
  /** The connection went away, or a limit closed it. */
  | 'closed'
  /** The layer was closed. */
  | 'shutdown'
  /** The user gave up before the request had left. */
  | 'cancelled'

/** A message could not be sent, or the connection an answer was expected on is gone (RFC 3261 §17.1.4, §18.4). */
export class SipTransportError extends SipError {
  override readonly name: string = 'SipTransportError'
  readonly failure: TransportFailure
  readonly transport: TransportName | undefined
  /** `host:port` of the other party as far as it was known. */
  readonly target: string | undefined
  /** Every server that was tried, where there were several (RFC 3263 §4.3). */
  readonly left: readonly LeftServer[]

  constructor(
    failure: TransportFailure,
    message: string,
    options: ErrorOptions & {
      readonly transport?: TransportName
      readonly target?: string
      readonly left?: readonly LeftServer[]
    } = {},
  ) {
    super('SIP_TRANSPORT', message, options)
    this.failure = failure
    this.transport = options.transport
    this.target = options.target
    this.left = options.left ?? []
  }
}
