import type { Credentials } from '../sip/auth/client.ts'
import { NameAddr } from '../sip/message/name-addr.ts'
import type { DtmfSettings } from '../media/session/digit-roads.ts'
import type { SrtpMode, SrtpOptions } from '../media/session/srtp-options.ts'
import { OptionError } from '../runtime/errors.ts'
import { parseTarget } from './checks.ts'

/** An identity at a provider or PBX: as whom to call, through whom, and how to answer a 401 or 407. */
export interface Trunk {
  /** Address of record, for example `sip:acme@trunk.example`: what From says. */
  readonly aor: string
  readonly displayName?: string
  /** Where every request goes first, for example `sip:sbc.example:5080;transport=tcp`; it routes loosely (`lr` is added). */
  readonly outboundProxy?: string
  /** Further proxies, in the order they are passed, written as `outboundProxy` is: the preloaded Route (RFC 3261 §8.1.1.1). */
  readonly route?: readonly string[]
  /** The user name and password of a challenge, or a function that is asked for them with each challenge. */
  readonly credentials?: Credentials
  /** Whether calls through it are protected by SRTP; default what the endpoint says. */
  readonly srtp?: SrtpMode | SrtpOptions
  /** Roads that digits take through it; what is left out the endpoint says. */
  readonly dtmf?: DtmfSettings
}

/**
 * The proxies that requests pass, first the outbound proxy. They route loosely (RFC 3261 §16.12): who means another kind has to find a better one.
 * @throws OptionError naming the field
 */
export function trunkRoute(trunk: Trunk | undefined): readonly NameAddr[] {
  const { outboundProxy, route = [] } = trunk ?? {}
  const proxies = route.map((text, index) => parseTarget(text, `trunk.route[${index}]`))
  if (outboundProxy !== undefined) proxies.unshift(parseTarget(outboundProxy, 'trunk.outboundProxy'))
  return proxies.map(({ uri }) => new NameAddr({ uri: uri.kind === 'sip' ? uri.withParam('lr', true) : uri }))
}

/** Who a request is from, when that is said at all. @throws OptionError naming the field */
export function fromOf(from: string | undefined, trunk: Trunk | undefined): string | undefined {
  if (from !== undefined) return parseTarget(from, 'from').toString()
  if (trunk === undefined) return undefined
  // What `createTrunk` makes stands beside this one in every example, and is easily given in its place.
  if (trunk.aor === undefined && 'trunk' in trunk)
    throw new OptionError(
      'trunk',
      'this is what createTrunk gives: call by its call(number), or give its `trunk`',
    )
  const aor = parseTarget(trunk.aor, 'trunk.aor')
  return aor.with({ displayName: trunk.displayName ?? aor.displayName }).toString()
}

/** The From of those who say nothing about it. */
export function anonymousFrom(host: string): string {
  return `sip:offhook@${host.includes(':') ? `[${host}]` : host}`
}
