import { list, single } from '../definition.ts'
import type { HeaderDefinition } from '../definition.ts'
import { NameAddr } from '../name-addr.ts'
import { readBracketedUri, whole, withParams, writeBracketedUri } from './parts.ts'
import type { Parameterised } from './parts.ts'

type Address = HeaderDefinition<NameAddr>
type Addresses = HeaderDefinition<readonly NameAddr[]>
type Links = HeaderDefinition<readonly Parameterised[]>

function address(name: string): Address {
  return single(name, NameAddr.parse)
}

function addresses(name: string): Addresses {
  return list(name, NameAddr.parse, String, { nonEmpty: true })
}

function links(name: string): Links {
  return list(name, withParams(readBracketedUri), writeBracketedUri, { nonEmpty: true })
}

export const ReplyTo: Address = address('Reply-To')
export const ReferTo: Address = address('Refer-To')
export const ReferredBy: Address = address('Referred-By')
export const PAssertedIdentity: Addresses = addresses('P-Asserted-Identity')
export const PPreferredIdentity: Addresses = addresses('P-Preferred-Identity')
export const PAssociatedUri: Addresses = addresses('P-Associated-URI')
export const PCalledPartyId: Address = address('P-Called-Party-ID')
export const PChargeInfo: Address = address('P-Charge-Info')
export const RemotePartyId: Addresses = addresses('Remote-Party-ID')
export const Diversion: Addresses = addresses('Diversion')
export const HistoryInfo: Addresses = addresses('History-Info')
export const Path: Addresses = addresses('Path')
export const ServiceRoute: Addresses = addresses('Service-Route')
export const Geolocation: Links = links('Geolocation')
export const AlertInfo: Links = links('Alert-Info')
export const CallInfo: Links = links('Call-Info')
export const ErrorInfo: Links = links('Error-Info')
export const IdentityInfo: HeaderDefinition<string> = single(
  'Identity-Info',
  whole(readBracketedUri),
  value => `<${value}>`,
)
