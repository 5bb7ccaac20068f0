import { stripBrackets } from '../message/host.ts'
import { Route } from '../message/headers/core.ts'
import type { SipRequest } from '../message/message.ts'
import type { Uri } from '../message/uri.ts'
import type { Destination } from './destination.ts'
import { SipTransportError } from './errors.ts'
import { transportNamed, transports } from './transports.ts'
import type { TransportName } from './transports.ts'

/** One address to try. `Locator` gives them in the order to try them. */
export interface Target {
  readonly transport: TransportName
  readonly address: string
  readonly family: 4 | 6
  readonly port: number
  /** The domain it was found for: what a certificate must name (RFC 5922 §7.1). */
  readonly host: string
}

/**
 * Where a URI points to, as far as the URI itself says (RFC 3263 §4.1, §4.2): `maddr` before host, `transport`
 * before what the DNS will say; `sips` means TLS. Throws `SipTransportError` for a scheme or transport that cannot be sent to.
 */
export function destinationOf(uri: Uri): Destination {
  if (uri.kind !== 'sip') {
    throw new SipTransportError(
      'unresolved',
      `a ${uri.kind === 'tel' ? 'tel' : uri.scheme} URI names no host: turn it into a sip URI or give a route`,
    )
  }
  const secure = uri.scheme === 'sips'
  const named = secure ? securely(uri.transport) : uri.transport
  const kind = named === undefined ? undefined : transportNamed(named)
  if (named !== undefined && (kind === undefined || (secure && !kind.secure))) {
    throw new SipTransportError(
      'no-route',
      secure
        ? `sips cannot go by transport ${named}: leave the transport out, or use tcp`
        : `transport ${named} is not available: use ${Object.keys(transports).join(', ')}`,
      { target: uri.host },
    )
  }
  const maddr = uri.params.value('maddr')
  return {
    host: maddr === undefined ? uri.host : stripBrackets(maddr),
    ...(uri.port !== undefined && { port: uri.port }),
    ...(kind !== undefined && { transport: kind.name }),
    ...(secure && { secure }),
    // A certificate is to name the domain of the URI, wherever it is reached.
    ...(maddr !== undefined && { domain: uri.host }),
  }
}

/** In a sips URI `transport` names what carries the TLS (RFC 3261 §26.2.2, RFC 7118 §5.1). */
function securely(transport: string | undefined): string | undefined {
  const name = transport?.toLowerCase()
  return name === 'tcp' ? 'tls' : name === 'ws' ? 'wss' : name
}

/**
 * The next hop of a request with loose routes only: its first Route, or else its Request-URI (RFC 3261 §8.1.2).
 * A caller that has put a strict router into the Request-URI says where it goes itself, with `destinationOf`.
 */
export function nextHop(request: SipRequest): Destination {
  const route = request.headers.first(Route)?.[0]
  return destinationOf(route === undefined ? request.uri : route.uri)
}

/** A name that led nowhere. */
export function noAddress(host: string): SipTransportError {
  return new SipTransportError('unresolved', `no address found for ${host}: check the name and the DNS`, {
    target: host,
  })
}
