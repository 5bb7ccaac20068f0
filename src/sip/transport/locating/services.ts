import type { Destination } from '../destination.ts'
import { transports } from '../transports.ts'
import type { TransportName } from '../transports.ts'

/** A transport as DNS names it. */
export interface Service {
  /** The service field of NAPTR records (RFC 3263 §4.1, RFC 7118 §8.3). */
  readonly naptr: string
  /** In front of a domain for SRV; `undefined` where no such name is defined. */
  readonly srv: string | undefined
  readonly transport: TransportName
  /** Usable for `sips:`. */
  readonly secure: boolean
}

/** In the order of preference where a domain states none. */
export const services: readonly Service[] = [
  { naptr: 'SIP+D2U', srv: '_sip._udp', transport: 'udp', secure: false },
  { naptr: 'SIP+D2T', srv: '_sip._tcp', transport: 'tcp', secure: false },
  { naptr: 'SIPS+D2T', srv: '_sips._tcp', transport: 'tls', secure: true },
  { naptr: 'SIP+D2W', srv: undefined, transport: 'ws', secure: false },
  { naptr: 'SIPS+D2W', srv: undefined, transport: 'wss', secure: true },
]

/** What to ask the DNS for a destination whose host is a name. */
export type Question =
  /** The port is known: addresses only (RFC 3263 §4.2). */
  | { readonly ask: 'addresses'; readonly transport: TransportName; readonly port: number }
  /** The transport is known: SRV, and without records the addresses with its default port. */
  | { readonly ask: 'srv'; readonly transport: TransportName; readonly name: string }
  /** Neither is known: NAPTR, then SRV for every transport on offer, then the addresses (RFC 3263 §4.1). */
  | {
      readonly ask: 'naptr'
      readonly usable: readonly Service[]
      readonly srv: readonly { readonly transport: TransportName; readonly name: string }[]
      readonly otherwise: TransportName
    }

/** @param offered whether the endpoint listens by that transport */
export function questionFor(
  { host, port, transport, secure }: Destination,
  offered: (transport: TransportName) => boolean,
): Question {
  const fixed = transport ?? (port === undefined ? undefined : defaultTransport(secure === true, offered))
  if (fixed !== undefined) {
    const srv = services.find(service => service.transport === fixed)?.srv
    if (port !== undefined || srv === undefined || hasNoServices(host)) {
      return { ask: 'addresses', transport: fixed, port: port ?? transports[fixed].defaultPort }
    }
    return { ask: 'srv', transport: fixed, name: `${srv}.${host}` }
  }
  const otherwise = defaultTransport(secure === true, offered)
  if (hasNoServices(host)) {
    return { ask: 'addresses', transport: otherwise, port: transports[otherwise].defaultPort }
  }
  // TLS needs no listener to call out by, and a sips URI asks for it.
  const usable =
    secure === true
      ? services.filter(
          service => service.secure && (service.transport === 'tls' || offered(service.transport)),
        )
      : services.filter(service => offered(service.transport))
  // Without NAPTR, `_sips` is asked for a sips URI and `_sip` for a sip URI (RFC 3263 §4.1).
  const direct = usable.filter(service => service.secure === (secure === true))
  return {
    ask: 'naptr',
    usable,
    srv: direct.flatMap(({ srv, transport }) =>
      srv === undefined ? [] : [{ transport, name: `${srv}.${host}` }],
    ),
    otherwise,
  }
}

/** RFC 3263 §4.1: UDP for sip and TLS for sips, unless the endpoint has only something else. */
export function defaultTransport(
  secure: boolean,
  offered: (transport: TransportName) => boolean,
): TransportName {
  const found = services.find(service => (service.secure || !secure) && offered(service.transport))
  return found?.transport ?? (secure ? 'tls' : 'udp')
}

/** Names of one label stand in a hosts file or a search list: nobody keeps NAPTR or SRV for them (RFC 6761 §6.3 for localhost). */
function hasNoServices(host: string): boolean {
  const name = host.endsWith('.') ? host.slice(0, -1) : host
  return !name.includes('.') || name.toLowerCase().endsWith('.localhost')
}
