import { hasLineBreak } from './chars.ts'
import { SipParseError, SipSerialiseError } from './errors.ts'
import { HeaderField } from './field.ts'
import { Headers } from './headers.ts'
import { ContentId, ContentType } from './headers/capabilities.ts'
import { limitsFrom } from './limits.ts'
import type { MessageLimits } from './limits.ts'
import { emptyBody } from './message.ts'
import { quote } from './scanner.ts'

/** One part of a multipart body (RFC 2046 §5.1, RFC 5621). */
export interface BodyPart {
  readonly headers: Headers
  /** A view of the whole body, not a copy. */
  readonly body: Uint8Array
}

/** What a message and a part have in common: enough to take the part apart in turn. */
export interface Entity {
  readonly headers: Headers
  readonly body: Uint8Array
}

export interface PartInit {
  contentType?: string | undefined
  /** Without the angle brackets. */
  contentId?: string | undefined
  contentDisposition?: string | undefined
  headers?: Iterable<readonly [string, string]> | undefined
  /** A string is sent as UTF-8. */
  body?: Uint8Array | string | undefined
}

/** How many parts one body may have. */
const maxParts = 64

/**
 * The parts of a `multipart/*` entity; `undefined` if it is of another type. Parts that are multipart themselves are
 * not taken apart: call this on them. A part may be empty; a body cut off before its closing boundary gives the
 * parts that are there (RFC 2046 §5.1.2 has them ended by the end of the message).
 *
 * @throws SipParseError where the boundary is missing from the Content-Type or from the body, or a part is malformed
 */
export function parseMultipart(entity: Entity, limits?: Partial<MessageLimits>): BodyPart[] | undefined {
  const type = entity.headers.read(ContentType)
  if (type?.type !== 'multipart') return undefined
  const boundary = type.params.value('boundary')
  if (boundary === undefined || boundary === '' || boundary.length > 70 || hasLineBreak(boundary)) {
    throw new SipParseError('a multipart type needs a boundary of 1 to 70 characters', {
      header: 'Content-Type',
    })
  }
  const { headers: maxHeaders } = limitsFrom(limits)
  const { body } = entity
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const parts: BodyPart[] = []
  let delimiter = nextDelimiter(bytes, boundary, 0)
  if (delimiter === undefined) throw new SipParseError(`the boundary is not in the body`, { statusCode: 400 })
  while (!delimiter.closing) {
    const next = nextDelimiter(bytes, boundary, delimiter.end)
    if (parts.length === maxParts) throw new SipParseError(`more than ${maxParts} parts`, { statusCode: 413 })
    parts.push(parsePart(bytes, delimiter.end, next?.start ?? bytes.length, maxHeaders))
    if (next === undefined) break
    delimiter = next
  }
  return parts
}

interface Delimiter {
  /** Of the line break before it, which belongs to the delimiter. */
  start: number
  /** Behind its own line break. */
  end: number
  closing: boolean
}

function nextDelimiter(bytes: Buffer, boundary: string, from: number): Delimiter | undefined {
  const dashes = `--${boundary}`
  for (let search = from; ;) {
    const at = bytes.indexOf(dashes, search, 'utf8')
    if (at < 0) return undefined
    let end = at + Buffer.byteLength(dashes)
    search = end
    if (at > 0 && bytes[at - 1] !== 10) continue
    const closing = bytes[end] === 45 && bytes[end + 1] === 45
    if (closing) end += 2
    // Blanks may pad the line; anything else means a longer boundary that begins like this one.
    while (bytes[end] === 32 || bytes[end] === 9) end++
    if (bytes[end] === 13) end++
    if (end < bytes.length && bytes[end] !== 10) {
      if (!closing) continue
    } else end = Math.min(end + 1, bytes.length)
    let start = at
    if (start > from && bytes[start - 1] === 10) start--
    if (start > from && bytes[start - 1] === 13) start--
    return { start, end, closing }
  }
}

function parsePart(bytes: Buffer, from: number, to: number, maxHeaders: number): BodyPart {
  const fields: HeaderField[] = []
  let at = from
  let name: string | undefined
  let value = ''
  function finish(): void {
    if (name !== undefined) fields.push(HeaderField.trusted(name, value))
    name = undefined
  }
  while (at < to) {
    const newline = bytes.indexOf(10, at)
    const next = newline < 0 || newline >= to ? to : newline + 1
    const line = bytes.toString('utf8', at, next).replace(/\r?\n$/, '')
    if (line === '') {
      finish()
      return { headers: new Headers(fields), body: bytes.subarray(next, to) }
    }
    const isContinuation = line.startsWith(' ') || line.startsWith('\t')
    if (isContinuation && name !== undefined) value += ` ${line.trim()}`
    else {
      finish()
      const colon = line.indexOf(':')
      const candidate = colon < 0 ? '' : line.slice(0, colon).trimEnd()
      if (!/^[!-9;-~]+$/.test(candidate) || hasLineBreak(line)) {
        throw new SipParseError('not a header line of a part', { offset: at })
      }
      if (fields.length === maxHeaders) throw new SipParseError(`a part with more than ${maxHeaders} headers`)
      name = candidate
      value = line.slice(colon + 1).trim()
    }
    at = next
  }
  finish()
  return { headers: new Headers(fields), body: emptyBody }
}

/** The part with that Content-ID (as a `cid:` URI has it, RFC 2392), of these or of those within them. */
export function findPart(parts: readonly BodyPart[], contentId: string): BodyPart | undefined {
  const pending = [...parts]
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part.headers.read(ContentId) === contentId) return part
    if (pending.length < maxParts) pending.push(...(parseMultipart(part) ?? []))
  }
  return undefined
}

/**
 * A multipart body and its Content-Type.
 *
 * @param boundary must not occur in the parts: take it from a random source
 * @throws SipSerialiseError for a header that would break the part apart, or a boundary that occurs in one
 */
export function buildMultipart(
  parts: readonly PartInit[],
  { subtype = 'mixed', boundary }: { subtype?: string; boundary: string },
): { contentType: string; body: Buffer } {
  if (!/^[0-9A-Za-z'()+_,./:=?-]{1,70}$/.test(boundary)) {
    throw new SipSerialiseError(
      'boundary',
      'it must be 1 to 70 letters, digits or characters of RFC 2046 §5.1.1',
    )
  }
  const pieces: Uint8Array[] = []
  for (const part of parts) {
    const headers = Headers.from(part.headers ?? [])
    if (part.contentType !== undefined) headers.set('Content-Type', part.contentType)
    if (part.contentId !== undefined) headers.set('Content-ID', `<${part.contentId}>`)
    if (part.contentDisposition !== undefined) headers.set('Content-Disposition', part.contentDisposition)
    const body = typeof part.body === 'string' ? Buffer.from(part.body, 'utf8') : (part.body ?? emptyBody)
    if (Buffer.from(body.buffer, body.byteOffset, body.byteLength).includes(`--${boundary}`)) {
      throw new SipSerialiseError('boundary', 'it occurs in a part')
    }
    const head = Array.from(headers, ([name, value]) => `${name}: ${value}\r\n`).join('')
    pieces.push(Buffer.from(`--${boundary}\r\n${head}\r\n`), body, Buffer.from('\r\n'))
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`))
  const value = /^[\w.+-]+$/.test(boundary) ? boundary : quote(boundary)
  return { contentType: `multipart/${subtype};boundary=${value}`, body: Buffer.concat(pieces) }
}
