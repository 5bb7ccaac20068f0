import type { SocketAddress } from '../../runtime/runtime.ts'
import { writeHostPort } from '../message/host.ts'
import type { SipRequest } from '../message/message.ts'
import type { Via } from '../message/via.ts'
import { familyOf, sameAddress, unmapped } from './addresses.ts'
import type { Flow } from './flow.ts'
import type { HostPort } from './local-addresses.ts'
import { transports } from './transports.ts'
import type { TransportName } from './transports.ts'

/** The Via of our own requests: an empty rport asks for the answer to come back the same way (RFC 3581 §3). */
export function ownVia(
  transport: TransportName,
  { host, port }: HostPort,
  branch: string,
  alias = '',
): string {
  return `SIP/2.0/${transports[transport].viaName} ${writeHostPort(host, port)};rport${alias};branch=${branch}`
}

/**
 * Writes into the top Via where the request came from: `received` when the sent-by does not say so itself
 * (RFC 3261 §18.2.1), and the port with it when rport asks for it (RFC 3581 §4).
 */
export function noteSource(request: SipRequest, remote: SocketAddress): void {
  const { via } = request
  const source = unmapped(remote.address)
  const wantsPort = via.params.has('rport')
  if (!wantsPort && via.received === undefined && sameAddress(via.host, source)) return
  let noted = via.withParam('received', source)
  if (wantsPort) noted = noted.withParam('rport', String(remote.port))
  request.replaceVia(noted)
}

/** Where the top Via of a response says it goes (RFC 3261 §18.2.2, RFC 3581 §4). */
export interface ResponseTarget {
  /** May be a name: a `maddr`, or a sent-by without `received`. */
  readonly host: string
  readonly port: number
  /** 0 when `host` is a name. */
  readonly family: 4 | 6 | 0
}

export function datagramResponseTarget(via: Via, { transport, remote }: Flow): ResponseTarget {
  const sentByPort = via.port ?? transports[transport].defaultPort
  const { maddr, received, rport } = via
  if (maddr !== undefined) return target(maddr, sentByPort)
  const host = received ?? via.host
  const port = typeof rport === 'number' ? rport : sentByPort
  // Nearly always the source address, whose family is known.
  if (host === remote.address || host === unmapped(remote.address)) {
    return { host: remote.address, port, family: remote.family }
  }
  return target(host, port)
}

/** For a response whose connection is gone: the source address again, but the port the sender listens on. */
export function streamResponseTarget(via: Via, transport: TransportName): ResponseTarget {
  return target(via.received ?? via.host, via.port ?? transports[transport].defaultPort)
}

function target(host: string, port: number): ResponseTarget {
  return { host, port, family: familyOf(host) }
}
