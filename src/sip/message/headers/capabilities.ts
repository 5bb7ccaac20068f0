import { list, single } from '../definition.ts'
import type { HeaderDefinition } from '../definition.ts'
import { scanParams } from '../params.ts'
import type { Params } from '../params.ts'
import type { Scanner } from '../scanner.ts'
import { parseToken, readToken, text, whole, withParams, writeParameterised } from './parts.ts'
import type { Parameterised } from './parts.ts'

/** A media type or media range: `application/sdp`, `text/*`. */
export interface MediaType {
  /** Lower case. */
  type: string
  /** Lower case. */
  subtype: string
  params: Params
}

export function readMediaType(scanner: Scanner): MediaType {
  const type = scanner.token('a media type').toLowerCase()
  scanner.expect(47)
  const subtype = scanner.token('a media subtype').toLowerCase()
  return { type, subtype, params: scanParams(scanner) }
}

export const parseMediaType: (text: string) => MediaType = whole(readMediaType)

export function writeMediaType(value: MediaType): string {
  return `${value.type}/${value.subtype}${value.params.toString()}`
}

/** `application/sdp`: the type without parameters, for comparison. */
export function mediaTypeName(value: MediaType): string {
  return `${value.type}/${value.subtype}`
}

type Tokens = HeaderDefinition<readonly string[]>
type Ranges = HeaderDefinition<readonly Parameterised[]>

export const Allow: Tokens = list('Allow', parseToken)
export const Supported: Tokens = list('Supported', parseToken)
export const Require: Tokens = list('Require', parseToken, String, { nonEmpty: true })
export const ProxyRequire: Tokens = list('Proxy-Require', parseToken, String, { nonEmpty: true })
export const Unsupported: Tokens = list('Unsupported', parseToken, String, { nonEmpty: true })
export const AllowEvents: Tokens = list('Allow-Events', parseToken, String, { nonEmpty: true })
export const RecvInfo: Tokens = list('Recv-Info', parseToken)

export const Accept: HeaderDefinition<readonly MediaType[]> = list('Accept', parseMediaType, writeMediaType)
export const AcceptEncoding: Ranges = list('Accept-Encoding', withParams(readToken), writeParameterised)
export const AcceptLanguage: Ranges = list('Accept-Language', withParams(readToken), writeParameterised)
export const AcceptContact: Ranges = list('Accept-Contact', withParams(readToken), writeParameterised)
export const RejectContact: Ranges = list('Reject-Contact', withParams(readToken), writeParameterised)
export const RequestDisposition: Tokens = list('Request-Disposition', parseToken)
export const AcceptResourcePriority: Tokens = list('Accept-Resource-Priority', parseToken)
export const ResourcePriority: Tokens = list('Resource-Priority', parseToken, String, { nonEmpty: true })
export const FeatureCaps: Ranges = list('Feature-Caps', withParams(readToken), writeParameterised)

export const ContentType: HeaderDefinition<MediaType> = single('Content-Type', parseMediaType, writeMediaType)
export const ContentDisposition: HeaderDefinition<Parameterised> = single(
  'Content-Disposition',
  withParams(readToken),
  writeParameterised,
)
export const ContentEncoding: Tokens = list('Content-Encoding', parseToken, String, { nonEmpty: true })
export const ContentLanguage: Tokens = list('Content-Language', parseToken, String, { nonEmpty: true })
export const ContentTransferEncoding: HeaderDefinition<string> = single(
  'Content-Transfer-Encoding',
  parseToken,
)
export const ContentId: HeaderDefinition<string> = single(
  'Content-ID',
  value => (value.startsWith('<') && value.endsWith('>') ? value.slice(1, -1) : value),
  value => `<${value}>`,
)
export const MimeVersion: HeaderDefinition<string> = single('MIME-Version', text)
export const InfoPackage: HeaderDefinition<Parameterised> = single(
  'Info-Package',
  withParams(readToken),
  writeParameterised,
)
