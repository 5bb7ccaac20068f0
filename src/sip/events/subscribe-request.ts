import { OptionError } from '../../runtime/errors.ts'
import type { HeaderList, SessionBody } from '../dialog/session-types.ts'
import { routeRequest } from '../dialog/route-set.ts'
import { createRequest } from '../message/build.ts'
import type { SipRequest } from '../message/message.ts'
import { NameAddr } from '../message/name-addr.ts'
import { parseUri } from '../message/uri.ts'
import type { Destination } from '../transport/destination.ts'
import { destinationOf } from '../transport/locate.ts'
import type { SubscribeOptions } from './event-types.ts'

/** The SUBSCRIBE that opens a subscription: one Call-ID and tag, a rising CSeq. */
export class SubscribeRequest {
  readonly callId: string
  readonly localTag: string
  readonly destination: Destination
  readonly #requestUri: string
  readonly #route: readonly string[]
  readonly #from: string
  readonly #to: string
  #sequence = 0

  /** @throws OptionError an address that cannot be read; SipTransportError one that names no host */
  constructor(options: SubscribeOptions, callId: string, localTag: string) {
    this.callId = callId
    this.localTag = localTag
    const target = read('target', () => parseUri(options.target))
    const from = read('from', () => NameAddr.parse(options.from))
    const to = read('to', () =>
      options.to === undefined ? new NameAddr({ uri: target }) : NameAddr.parse(options.to),
    )
    const route = read('route', () => (options.route ?? []).map(value => NameAddr.parse(value)))
    const routed = routeRequest(target, route)
    this.#requestUri = routed.requestUri
    this.#route = routed.route
    this.#from = from.withParam('tag', localTag).toString()
    this.#to = to.withoutParam('tag').toString()
    this.destination = options.destination ?? destinationOf(routed.nextHop)
  }

  /** CSeq of the last one made. */
  get sequence(): number {
    return this.#sequence
  }

  create(headers: HeaderList, body: SessionBody | undefined): SipRequest {
    this.#sequence++
    return createRequest({
      method: 'SUBSCRIBE',
      uri: this.#requestUri,
      headers: [
        ...this.#route.map(value => ['Route', value] as const),
        ['Max-Forwards', '70'],
        ['From', this.#from],
        ['To', this.#to],
        ['Call-ID', this.callId],
        ['CSeq', `${this.#sequence} SUBSCRIBE`],
        ...headers,
      ],
      ...(body === undefined ? {} : { body: body.body, contentType: body.contentType }),
    })
  }
}

function read<T>(field: keyof SubscribeOptions, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new OptionError(field, 'cannot be read as a SIP address; write sip:user@host', { cause: error })
  }
}
