import type { Resolver } from '../../runtime/runtime.ts'
import { stripBrackets } from '../message/host.ts'
import { Route } from '../message/headers/core.ts'
import type { SipRequest } from '../message/message.ts'
import type { Uri } from '../message/uri.ts'
import { familyOf } from './addresses.ts'
import type { Destination } from './destination.ts'
import { SipTransportError } from './errors.ts'
import { transportNamed, transports } from './transports.ts'
import type { TransportName } from './transports.ts'

/** One address to try. `locate` gives them in the order to try them. */
export interface Target {
  readonly transport: TransportName
  readonly address: string
  readonly family: 4 | 6
  readonly port: number
  /** The name it was found under: what a certificate must match, later. */
  readonly host: string
}

/**
 * Where a URI points to, as far as the URI itself says (RFC 3263 §4.1, §4.2): `maddr` before host, `transport`
 * before the default. Throws `SipTransportError` for a scheme or transport that cannot be sent to.
 */
export function destinationOf(uri: Uri): Destination {
  if (uri.kind !== 'sip') {
    throw new SipTransportError(
      'unresolved',
      `a ${uri.kind === 'tel' ? 'tel' : uri.scheme} URI names no host: turn it into a sip URI or give a route`,
    )
  }
  if (uri.scheme === 'sips') {
    throw new SipTransportError('no-route', 'sips needs TLS, which no transport here offers: use sip', {
      target: uri.host,
    })
  }
  const named = uri.transport
  const kind = named === undefined ? undefined : transportNamed(named)
  if (named !== undefined && kind === undefined) {
    throw new SipTransportError('no-route', `transport ${named} is not available: use udp or tcp`, {
      target: uri.host,
    })
  }
  const maddr = uri.params.value('maddr')
  return {
    host: maddr === undefined ? uri.host : stripBrackets(maddr),
    ...(uri.port !== undefined && { port: uri.port }),
    ...(kind !== undefined && { transport: kind.name }),
  }
}

/**
 * The next hop of a request with loose routes only: its first Route, or else its Request-URI (RFC 3261 §8.1.2).
 * A caller that has put a strict router into the Request-URI says where it goes itself, with `destinationOf`.
 */
export function nextHop(request: SipRequest): Destination {
  const route = request.headers.first(Route)?.[0]
  return destinationOf(route === undefined ? request.uri : route.uri)
}

/**
 * Addresses for a destination, best first. A numeric host is answered at once, without a promise: the hot path.
 * RFC 3263 §4 (NAPTR, SRV, failover) fits in here: the list grows, its users do not change.
 */
export function locate(
  destination: Destination,
  resolver: Resolver,
): readonly Target[] | Promise<readonly Target[]> {
  const { transport = 'udp' } = destination
  const host = stripBrackets(destination.host)
  const port = destination.port ?? transports[transport].defaultPort
  const family = familyOf(host)
  if (family !== 0) return [{ transport, address: host, family, port, host }]
  return lookUp(resolver, host, port, transport)
}

async function lookUp(
  resolver: Resolver,
  host: string,
  port: number,
  transport: TransportName,
): Promise<readonly Target[]> {
  let records
  try {
    records = await resolver.address(host)
  } catch (cause) {
    throw unresolved(host, transport, cause)
  }
  if (records.length === 0) throw unresolved(host, transport)
  return records.map(({ address, family }) => ({ transport, address, family, port, host }))
}

function unresolved(host: string, transport: TransportName | undefined, cause?: unknown): SipTransportError {
  return new SipTransportError('unresolved', `no address found for ${host}: check the name and the DNS`, {
    target: host,
    ...(transport !== undefined && { transport }),
    ...(cause !== undefined && { cause }),
  })
}

/** A name that led nowhere. */
export function noAddress(host: string): SipTransportError {
  return unresolved(host, undefined)
}
