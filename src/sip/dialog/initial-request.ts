import { OptionError } from '../../runtime/errors.ts'
import { createRequest } from '../message/build.ts'
import { SipParseError } from '../message/errors.ts'
import type { SipRequest } from '../message/message.ts'
import { NameAddr } from '../message/name-addr.ts'
import { parseUri } from '../message/uri.ts'
import type { Uri } from '../message/uri.ts'
import type { Destination } from '../transport/destination.ts'
import { destinationOf } from '../transport/locate.ts'
import { asRequestUri, routeRequest } from './route-set.ts'
import type { SessionHost } from './session-host.ts'
import type { HeaderList, SessionBody } from './session-types.ts'

export interface InitialRequestOptions {
  readonly method: string
  readonly target: string
  readonly from: string
  readonly to?: string
  readonly contact?: string
  readonly headers?: HeaderList
  readonly route?: readonly string[]
  readonly destination?: Destination
  readonly callId: string
  readonly localTag: string
}

/** A request outside any dialog, to be made once for every attempt (RFC 3261 §8.1.1). */
export interface InitialRequest {
  readonly destination: Destination
  /** Our Contact. */
  readonly contact: string
  create(sequence: number, body: SessionBody | undefined): SipRequest
  /** Makes our own Contact in it fit the way it goes, and gives it; one the owner has set stays. */
  readdress(request: SipRequest, destination: Destination): string
}

/** Methods whose requests say what we can do, and where to reach us. */
const describesUs: ReadonlySet<string> = new Set(['INVITE', 'OPTIONS'])

/** @throws OptionError an address that cannot be read; SipTransportError one that names no host we could send to */
export function buildInitialRequest(host: SessionHost, options: InitialRequestOptions): InitialRequest {
  const target = readUri('target', options.target)
  const from = readAddress('from', options.from)
  const to = options.to === undefined ? new NameAddr({ uri: target }) : readAddress('to', options.to)
  const route = (options.route ?? []).map((value, index) => readAddress(`route[${index}]`, value))
  const routed = routeRequest(target, route)
  const destination = options.destination ?? destinationOf(routed.nextHop)
  const user = from.uri.kind === 'sip' ? from.uri.user : undefined
  const contact =
    options.contact === undefined
      ? host.contact(destination, user)
      : readAddress('contact', options.contact).toString()
  const headers: (readonly [string, string])[] = []
  for (const value of routed.route) headers.push(['Route', value])
  headers.push(
    ['Max-Forwards', '70'],
    ['From', from.withParam('tag', options.localTag).toString()],
    ['To', to.withoutParam('tag').toString()],
    ['Call-ID', options.callId],
  )
  const more: (readonly [string, string])[] = []
  if (options.contact !== undefined || describesUs.has(options.method)) more.push(['Contact', contact])
  more.push(
    ...(describesUs.has(options.method) ? host.capabilities('request') : host.identity('request')),
    ...(options.headers ?? []),
  )
  return {
    destination,
    contact,
    create: (sequence, body) =>
      createRequest({
        method: options.method,
        uri: routed.requestUri,
        headers: [...headers, ['CSeq', `${sequence} ${options.method}`], ...more],
        ...(body === undefined ? {} : { body: body.body, contentType: body.contentType }),
      }),
    readdress: (request, way) => {
      if (options.contact !== undefined) return contact
      const fitting = host.contact(way, user, destination.secure)
      if (request.headers.has('Contact')) request.headers.set('Contact', fitting)
      return fitting
    },
  }
}

function readUri(field: string, text: string): Uri {
  try {
    const uri = parseUri(text)
    return uri.kind === 'sip' ? asRequestUri(uri) : uri
  } catch (error) {
    throw unreadable(field, text, error)
  }
}

function readAddress(field: string, text: string): NameAddr {
  try {
    const address = NameAddr.parse(text)
    void address.uri
    return address
  } catch (error) {
    throw unreadable(field, text, error)
  }
}

function unreadable(field: string, text: string, cause: unknown): unknown {
  if (!(cause instanceof SipParseError)) return cause
  return new OptionError(
    field,
    `${JSON.stringify(text)} cannot be read as a SIP address (${cause.detail}); write sip:user@host`,
    { cause },
  )
}
