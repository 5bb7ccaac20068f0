import type { RequestOptions as CoreRequestOptions } from '../sip/dialog/core-types.ts'
import type { Destination } from '../sip/transport/destination.ts'
import { destinationOf } from '../sip/transport/locate.ts'
import { parseTarget } from './checks.ts'
import { checkedRequest } from './requests.ts'
import type { RequestOptions } from './requests.ts'
import { anonymousFrom, fromOf, trunkRoute } from './trunk.ts'
import type { Trunk } from './trunk.ts'

export interface EndpointRequestOptions extends RequestOptions {
  /** As whom and through whom; without one the request goes straight to the target. */
  readonly trunk?: Trunk
  /** From, when it is not the trunk's: a URI or name-addr. */
  readonly from?: string
}

/** A request outside of calls, as the core takes it. @throws OptionError naming the field */
export function planRequest(
  method: string,
  target: string,
  options: EndpointRequestOptions,
  hostTowards: (towards: Destination) => string,
): CoreRequestOptions {
  const { trunk, from } = options
  const content = checkedRequest(method, options)
  const called = parseTarget(target, 'target')
  const route = trunkRoute(trunk)
  const credentials = trunk?.credentials
  return {
    method,
    target: called.uriText,
    from: fromOf(from, trunk) ?? anonymousFrom(hostTowards(destinationOf((route[0] ?? called).uri))),
    ...content,
    ...(credentials === undefined ? {} : { credentials }),
    ...(route.length === 0 ? {} : { route: route.map(String) }),
  }
}
