import { Buffer } from 'node:buffer'
import { OptionError } from '../../runtime/errors.ts'
import { isToken } from './chars.ts'
import { SipParseError, SipSerialiseError } from './errors.ts'
import { HeaderField } from './field.ts'
import { Headers } from './headers.ts'
import { emptyBody, SipRequest, SipResponse } from './message.ts'
import { methods } from './methods.ts'
import { idOf, ids } from './names.ts'
import { reasonPhraseFor } from './status.ts'

export interface RequestInit {
  method: string
  /** Anything whose `toString` is a URI. */
  uri: string | { toString(): string }
  headers?: Iterable<readonly [string, string]> | undefined
  /** A string is sent as UTF-8. */
  body?: Uint8Array | string | undefined
  contentType?: string | undefined
}

export interface ResponseInit {
  reasonPhrase?: string | undefined
  /** Added to the To header if it has no tag. */
  toTag?: string | undefined
  headers?: Iterable<readonly [string, string]> | undefined
  body?: Uint8Array | string | undefined
  contentType?: string | undefined
}

/** @throws SipSerialiseError where a header would break the message apart */
export function createRequest(init: RequestInit): SipRequest {
  const headers = Headers.from(init.headers ?? [])
  if (init.contentType !== undefined) headers.set('Content-Type', init.contentType)
  return new SipRequest(init.method, String(init.uri), headers, toBody(init.body))
}

/**
 * An answer to the request (RFC 3261 §8.2.6, §12.1.1): Via, From, To, Call-ID and CSeq are the request's own lines;
 * Record-Route goes into 101-299 where the answer may create a dialog. What the request lacks, the answer lacks, so
 * this is safe on the `partial` of a parse error.
 */
export function createResponse(
  request: SipRequest,
  statusCode: number,
  init: ResponseInit = {},
): SipResponse {
  if (!Number.isInteger(statusCode) || statusCode < 100 || statusCode > 699) {
    throw new OptionError('statusCode', `${statusCode} is not from 100 to 699`)
  }
  const recordRoute =
    statusCode > 100 && statusCode < 300 && methods.get(request.method)?.createsDialog === true
  const toTag = statusCode > 100 ? init.toTag : undefined
  const fields: HeaderField[] = []
  for (const field of request.headers.fields) {
    if (field.id === ids.to && toTag !== undefined) fields.push(withTag(field, toTag, request))
    else if (copied.has(field.id) || (recordRoute && field.id === recordRouteId)) fields.push(field)
  }
  const headers = new Headers(fields)
  for (const [name, value] of init.headers ?? []) headers.append(name, value)
  if (init.contentType !== undefined) headers.set('Content-Type', init.contentType)
  return new SipResponse(
    statusCode,
    init.reasonPhrase ?? reasonPhraseFor(statusCode),
    headers,
    toBody(init.body),
  )
}

const copied: ReadonlySet<number> = new Set(['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Timestamp'].map(idOf))
const recordRouteId = idOf('Record-Route')

/** The tag goes behind what was received, so that a peer which compares To octet by octet finds its own text. */
function withTag(field: HeaderField, tag: string, request: SipRequest): HeaderField {
  // What the peer calls a tag need not be a token; it goes back as it came.
  if (hasTag(field, request)) return field
  if (!isToken(tag)) throw new SipSerialiseError('toTag', `"${tag}" is not a token`)
  return HeaderField.trusted(field.name, `${field.value};tag=${tag}`)
}

function hasTag(field: HeaderField, request: SipRequest): boolean {
  try {
    return request.to.tag !== undefined
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error
    // The answer to a request whose To cannot be read: better no tag than two.
    return /;[ \t]*tag[ \t]*=/i.test(field.value)
  }
}

function toBody(body: Uint8Array | string | undefined): Uint8Array {
  if (body === undefined) return emptyBody
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : body
}
