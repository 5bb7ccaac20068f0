import { MaxForwards } from '../message/headers/core.ts'
import { MaxBreadth } from '../message/headers/session.ts'
import { Headers } from '../message/headers.ts'
import { SipResponse } from '../message/message.ts'
import type { SipRequest } from '../message/message.ts'
import { methods } from '../message/methods.ts'
import { idOf } from '../message/names.ts'
import { parseUri } from '../message/uri.ts'
import type { Uri } from '../message/uri.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import { destinationOf } from '../transport/locate.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import type { Fingerprint } from './fingerprint.ts'
import type { FlowTable } from './flow-table.ts'
import { addRecordRoute, applyPath } from './routes.ts'
import type { Preprocessed } from './routes.ts'
import type { ProxyTarget } from './types.ts'

/** What a request that has no Max-Forwards gets (RFC 3261 §16.6 3). */
const maxForwards = 70
/** What a request that has no Max-Breadth is taken to have (RFC 5393 §5.3.3.1). */
const defaultBreadth = 60

export interface ForwardFacts {
  readonly transport: TransportLayer
  readonly fingerprint: Fingerprint
  readonly flows: FlowTable | undefined
  readonly recordRoute: boolean
}

export interface Outgoing {
  readonly request: SipRequest
  readonly destination: Destination
}

/**
 * The copy of a request for one target (RFC 3261 §16.6 1 to 7); the Via comes with sending.
 * @throws SipTransportError, SipParseError, SipSerialiseError when the target cannot be sent to
 */
export function copyFor(
  target: ProxyTarget,
  preprocessed: Preprocessed,
  from: Flow,
  width: number,
  { recordRoute, ...facts }: ForwardFacts,
): Outgoing {
  const request = preprocessed.request.clone()
  request.requestUri = requestUriFor(target.uri)
  const hops = request.get(MaxForwards)
  request.headers.set('Max-Forwards', String(hops === undefined ? maxForwards : Math.max(0, hops - 1)))
  if (width > 1 || request.headers.has('Max-Breadth')) {
    request.headers.set('Max-Breadth', String(Math.max(1, Math.floor(breadthOf(request) / width))))
  }
  const next = applyPath(request, target.route ?? [])
  const destination = destinationFor(target, next, preprocessed)
  for (const [name, value] of target.headers ?? []) request.headers.append(name, value)
  if (recordRoute && makesDialog(request)) {
    addRecordRoute(request, facts.transport, from, destination, facts)
  }
  return { request, destination }
}

/** An open connection before all else: the URI of a client behind a NAT, or in a browser, leads nowhere. */
function destinationFor(target: ProxyTarget, next: Uri, preprocessed: Preprocessed): Destination {
  const flow = target.flow ?? target.destination?.flow
  if (flow !== undefined && !flow.closed) {
    const { transport, remote } = flow
    return { transport, host: remote.address, port: remote.port, flow }
  }
  const { bound } = preprocessed
  return { ...(bound !== undefined && { bound }), ...(target.destination ?? destinationOf(next)) }
}

/** How many branches may be under way at once (RFC 5393 §5.3.3). */
export function breadthOf(request: SipRequest): number {
  return request.get(MaxBreadth) ?? defaultBreadth
}

function makesDialog({ method, to }: SipRequest): boolean {
  return to.tag === undefined && methods.get(method)?.createsDialog === true
}

/** RFC 3261 §19.1.1: no headers and no `method` in a Request-URI. */
function requestUriFor(target: string | Uri): string {
  const uri = typeof target === 'string' ? parseUri(target) : target
  if (uri.kind !== 'sip') return uri.toString()
  const bare = uri.rawHeaders === '' ? uri : uri.with({ headers: undefined })
  return bare.withoutParam('method').toString()
}

const viaId = idOf('Via')
const challengeIds: ReadonlySet<number> = new Set(['WWW-Authenticate', 'Proxy-Authenticate'].map(idOf))

/**
 * A response on its way upstream (RFC 3261 §16.7 3, 7): with the Vias that its request came with, whatever the other side made of them, and
 * with the challenges of others.
 */
export function responseFor(
  request: SipRequest,
  response: SipResponse,
  others: readonly SipResponse[],
): SipResponse {
  const fields = [
    ...request.headers.fieldsOf('Via'),
    ...response.headers.fields.filter(({ id }) => id !== viaId),
    ...others.flatMap(({ headers }) => headers.fields.filter(({ id }) => challengeIds.has(id))),
  ]
  return new SipResponse(response.statusCode, response.reasonPhrase, new Headers(fields), response.body)
}

/** A response without its top Via, or `undefined` if no other is left: it was for us (§16.7 3). */
export function withoutTopVia(response: SipResponse): SipResponse | undefined {
  const [, ...others] = response.vias
  if (others.length === 0) return undefined
  const fields = response.headers.fields.filter(({ id }) => id !== viaId)
  const copy = new SipResponse(response.statusCode, response.reasonPhrase, new Headers(fields), response.body)
  for (const via of others.toReversed()) copy.headers.prepend('Via', via.toString())
  return copy
}
