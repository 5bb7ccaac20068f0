import { RecordRoute, Route } from '../message/headers/core.ts'
import type { SipRequest } from '../message/message.ts'
import { NameAddr } from '../message/name-addr.ts'
import type { Uri } from '../message/uri.ts'
import type { Destination } from '../transport/destination.ts'
import type { BoundAddress, Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'
import type { Fingerprint } from './fingerprint.ts'
import type { FlowTable } from './flow-table.ts'
import type { OwnAddresses } from './own-addresses.ts'

/** Marks the two halves of a double Record-Route (RFC 5658 §6.2), which go together when they come back in Route. */
const double = 'r2'

/** A request after RFC 3261 §16.4. */
export interface Preprocessed {
  /** A copy; Route no longer has us in it. */
  readonly request: SipRequest
  /** It came within a dialog, with a Route that this proxy gave out for this very call: it follows its route set. */
  readonly routed: boolean
  /** The listen address its Route asks it to leave by (RFC 5658 §6.2). */
  readonly bound: BoundAddress | undefined
  /** The connection of the client it goes to, while that is open (RFC 5626 §5.3). */
  readonly flow: Flow | undefined
}

export interface RouteFacts {
  readonly own: OwnAddresses
  readonly fingerprint: Fingerprint
  /** Absent in a proxy that remembers nothing. */
  readonly flows?: FlowTable | undefined
}

/** RFC 3261 §16.4: undoes what a strict router did, takes off `maddr` and Route values that mean us. */
export function preprocess(received: SipRequest, flow: Flow, facts: RouteFacts): Preprocessed {
  const { own, fingerprint, flows } = facts
  const request = received.clone()
  const passed: Uri[] = []
  let routes = request.get(Route) ?? []
  const { uri } = request
  const last = routes.at(-1)
  if (uri.kind === 'sip' && uri.looseRouting && last !== undefined && own.includes(uri, flow)) {
    passed.push(uri)
    request.requestUri = last.uriText
    routes = routes.slice(0, -1)
  } else if (uri.kind === 'sip' && uri.params.has('maddr') && own.includes(uri, flow)) {
    const plain = uri.withoutParam('maddr').withoutParam('transport')
    request.requestUri = plain.with({ port: undefined }).toString()
  }
  for (let [first] = routes; first !== undefined; [first] = routes) {
    if (passed.length > 0 && !(passed.length === 1 && isDouble(passed[0]) && isDouble(first.uri))) break
    if (!own.includes(first.uri, flow)) break
    passed.push(first.uri)
    routes = routes.slice(1)
  }
  setRoutes(request, routes)
  const leaving = passed.at(-1)
  const key = leaving === undefined ? undefined : flowKeyOf(leaving, request, fingerprint)
  const known = key !== undefined || passed.some(hop => flowKeyOf(hop, request, fingerprint) !== undefined)
  return {
    request,
    // Whoever was in a call once has its Record-Route: a request that begins another one is asked about all the same.
    routed: known && request.to.tag !== undefined,
    bound: leaving === undefined ? undefined : own.boundFor(leaving),
    flow: key === undefined ? undefined : flows?.get(key),
  }
}

function isDouble(uri: Uri | undefined): boolean {
  return uri?.kind === 'sip' && uri.params.has(double)
}

function setRoutes(request: SipRequest, routes: readonly NameAddr[]): void {
  request.set(Route, routes.length === 0 ? undefined : routes)
}

/** Between the token and the flow key in the user part of our Record-Route; base64url has none. */
const separator = '.'

/**
 * The user part of our Record-Route: signed, so that only whoever was in this call can know it, and nobody can relay through us by Route alone.
 */
function userFor(request: SipRequest, fingerprint: Fingerprint, flowKey: string): string {
  const token = fingerprint.of('route', [request.callId, flowKey])
  return flowKey === '' ? token : `${token}${separator}${flowKey}`
}

/** What `userFor` was given for that URI, empty for none; `undefined` when it is not one of ours for this call. */
function flowKeyOf(uri: Uri, request: SipRequest, fingerprint: Fingerprint): string | undefined {
  if (uri.kind !== 'sip' || uri.rawUser === undefined) return undefined
  const at = uri.rawUser.indexOf(separator)
  const key = at < 0 ? '' : uri.rawUser.slice(at + 1)
  return userFor(request, fingerprint, key) === uri.rawUser ? key : undefined
}

/** Puts the target's own way in front, and does what a strict router expects (§16.6 6). Returns the next hop (§16.6 7). */
export function applyPath(request: SipRequest, path: readonly (string | NameAddr)[]): Uri {
  const before = path.map(hop => (typeof hop === 'string' ? NameAddr.parse(hop) : hop))
  const routes = [...before, ...(request.get(Route) ?? [])]
  const [first, ...others] = routes
  if (first === undefined) return request.uri
  const { uri } = first
  if (uri.kind !== 'sip' || uri.looseRouting) {
    if (before.length > 0) setRoutes(request, routes)
  } else {
    setRoutes(request, [...others, new NameAddr({ uri: request.requestUri })])
    request.requestUri = uri.toString()
  }
  return uri
}

/**
 * Puts this proxy into the path of the dialog (§16.6 4). Where the two sides reach us by different addresses or transports, each gets its own
 * (RFC 5658 §4): the upper one is what the called side sees. A client at the end of a connection can be reached by nothing else: its side then
 * bears the connection's key.
 */
export function addRecordRoute(
  request: SipRequest,
  transport: TransportLayer,
  from: Flow,
  to: Destination,
  { fingerprint, flows }: Pick<RouteFacts, 'fingerprint' | 'flows'>,
): void {
  const user = (flow: Flow | undefined): string =>
    userFor(request, fingerprint, flow === undefined ? '' : (flows?.note(flow) ?? ''))
  const caller = request.vias.length === 1 ? from : undefined
  const inward = transport.contactFor(from, user(caller)).withParam('lr', true)
  const outward = transport.contactFor(to, user(to.flow)).withParam('lr', true)
  const same = inward.toString() === outward.toString()
  const ours = same ? [inward] : [outward, inward].map(uri => uri.withParam(double, 'on'))
  const others = request.get(RecordRoute) ?? []
  request.set(RecordRoute, [...ours.map(uri => new NameAddr({ uri })), ...others])
}
