import { NameAddr } from '../message/name-addr.ts'
import { RecordRoute } from '../message/headers/core.ts'
import type { SipMessage } from '../message/message.ts'
import type { SipUri, Uri } from '../message/uri.ts'

/** The proxies a request passes, nearest first. */
export type RouteSet = readonly NameAddr[]

/**
 * RFC 3261 §12.1.1: the callee keeps the order of Record-Route; §12.1.2: the caller turns it round.
 * @throws SipParseError for the callee, whose request is then answered 400. A response with a Record-Route that cannot be read has nobody to be
 * told, and is taken as one without: the Contact may still be reached.
 */
export function recordedRouteSet(message: SipMessage, role: 'client' | 'server'): RouteSet {
  try {
    const recorded = message.get(RecordRoute) ?? []
    // Read here, so that no URI can fail later.
    for (const address of recorded) void address.uri
    return role === 'client' ? recorded.toReversed() : recorded
  } catch (error) {
    if (role === 'server') throw error
    return []
  }
}

/** What a route set makes of a request (RFC 3261 §12.2.1.1). */
export interface RoutedRequest {
  readonly requestUri: string
  /** Values of the Route header, in order. */
  readonly route: readonly string[]
  /** Where the request goes first: the top route, or the Request-URI. */
  readonly nextHop: Uri
}

/**
 * Loose routing as RFC 3261 has it; when the first element is a strict router (no `lr`), it becomes the Request-URI and the target goes to the
 * end of the Route header.
 */
export function routeRequest(target: Uri, routeSet: RouteSet): RoutedRequest {
  const first = routeSet[0]
  if (first === undefined) return { requestUri: target.toString(), route: [], nextHop: target }
  const hop = first.uri
  if (hop.kind !== 'sip' || hop.looseRouting) {
    return {
      requestUri: target.toString(),
      route: routeSet.map(String),
      nextHop: hop,
    }
  }
  return {
    requestUri: asRequestUri(hop).toString(),
    route: [...routeSet.slice(1).map(String), new NameAddr({ uri: target }).toString()],
    nextHop: hop,
  }
}

/** Without the parts that must not stand in a Request-URI (RFC 3261 §19.1.1, table 1). */
export function asRequestUri(uri: SipUri): SipUri {
  if (uri.rawHeaders === '' && !uri.params.has('method')) return uri
  return uri.with({ headers: [], params: uri.params.without('method') })
}
