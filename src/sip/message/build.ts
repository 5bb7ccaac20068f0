import { OptionError } from '../../runtime/errors.ts'
import { HeaderField } from './field.ts'
import { Headers } from './headers.ts'
import { emptyBody, SipRequest, SipResponse } from './message.ts'
import { methods } from './methods.ts'
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
  const headers = new Headers()
  const recordRoute =
    statusCode > 100 && statusCode < 300 && methods.get(request.method)?.createsDialog === true
  for (const field of request.headers.fields) {
    const copied =
      copiedNames.has(field.canonicalName) || (recordRoute && field.canonicalName === 'Record-Route')
    if (!copied) continue
    const tagged = field.canonicalName === 'To' && init.toTag !== undefined && statusCode > 100
    headers.appendField(tagged ? withTag(field, init.toTag as string) : field)
  }
  for (const [name, value] of init.headers ?? []) headers.append(name, value)
  if (init.contentType !== undefined) headers.set('Content-Type', init.contentType)
  return new SipResponse(
    statusCode,
    init.reasonPhrase ?? reasonPhraseFor(statusCode),
    headers,
    toBody(init.body),
  )
}

const copiedNames: ReadonlySet<string> = new Set(['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Timestamp'])

/** The tag goes behind what was received, so that a peer which compares To octet by octet finds its own text. */
function withTag(field: HeaderField, tag: string): HeaderField {
  const created = HeaderField.create('To', `<sip:x>;tag=${tag}`)
  const value = /;\s*tag\s*=/i.test(withoutQuoted(field.value))
    ? undefined
    : `${field.value};${created.value.slice(8)}`
  return value === undefined ? field : HeaderField.trusted(field.name, value)
}

function withoutQuoted(value: string): string {
  const open = value.indexOf('"')
  if (open < 0) return value
  const close = value.indexOf('>', open)
  return close < 0 ? value : value.slice(close)
}

function toBody(body: Uint8Array | string | undefined): Uint8Array {
  if (body === undefined) return emptyBody
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : body
}
