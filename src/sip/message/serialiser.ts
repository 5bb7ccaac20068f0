import { Buffer } from 'node:buffer'
import { hasLineBreak, isToken } from './chars.ts'
import { SipSerialiseError } from './errors.ts'
import type { SipMessage } from './message.ts'
import { ids } from './names.ts'
import { toOctets } from './section.ts'
import type { Section } from './section.ts'

function startLine(message: SipMessage): string {
  if (message.kind === 'response') {
    const { statusCode, reasonPhrase } = message
    if (!Number.isInteger(statusCode) || statusCode < 100 || statusCode > 699) {
      throw new SipSerialiseError('statusCode', `${statusCode} is not from 100 to 699`)
    }
    if (hasLineBreak(reasonPhrase)) throw new SipSerialiseError('reasonPhrase', 'it contains CR, LF or NUL')
    return `SIP/2.0 ${statusCode} ${reasonPhrase}\r\n`
  }
  const { method, requestUri } = message
  if (!isToken(method)) throw new SipSerialiseError('method', `"${method}" is not a token`)
  if (requestUri === '' || /[\s\0]/.test(requestUri)) {
    throw new SipSerialiseError('requestUri', 'it is empty or contains space, CR, LF or NUL')
  }
  return `${method} ${requestUri} SIP/2.0\r\n`
}

/**
 * The message as it goes on the wire. Received header lines that nobody changed go out as they came, in their order;
 * Content-Length is always that of the body.
 *
 * @throws SipSerialiseError if a part would break the message apart
 */
export function serialise(message: SipMessage): Buffer {
  const { body } = message
  let head = headOf(message, body.length, asIs)
  // One native pass finds out whether text that was set here, UTF-8 on the wire, has to be told from received octets.
  if (Buffer.byteLength(head) !== head.length) head = headOf(message, body.length, toOctets)
  const out = Buffer.allocUnsafe(head.length + body.length)
  out.write(head, 0, 'latin1')
  if (body.length > 0) out.set(body, head.length)
  return out
}

function asIs(text: string): string {
  return text
}

/** Start line and headers as a string of octets, if `encode` makes octets of text. */
function headOf(message: SipMessage, bodyLength: number, encode: (text: string) => string): string {
  let head = encode(startLine(message))
  let lengthWritten = false
  // A run of neighbouring received lines is copied in one piece.
  let section: Section | undefined
  let runStart = 0
  let runEnd = 0
  for (const field of message.headers.fields) {
    const isLength = field.id === ids.contentLength
    if (isLength && (lengthWritten || Number(field.value) !== bodyLength)) {
      if (section !== undefined) head += section.octets.slice(runStart, runEnd)
      section = undefined
      if (!lengthWritten) head += `Content-Length: ${bodyLength}\r\n`
      lengthWritten = true
      continue
    }
    if (isLength) lengthWritten = true
    const { section: own } = field
    if (own !== undefined && own === section && field.start === runEnd) {
      runEnd = field.end
      continue
    }
    if (section !== undefined) head += section.octets.slice(runStart, runEnd)
    section = undefined
    if (own === undefined) head += `${field.name}: ${encode(field.value)}\r\n`
    else if (own.breaks === 'crlf') {
      section = own
      runStart = field.start
      runEnd = field.end
    } else head += `${field.name}: ${encode(field.cleanValue)}\r\n`
  }
  if (section !== undefined) head += section.octets.slice(runStart, runEnd)
  return lengthWritten ? `${head}\r\n` : `${head}Content-Length: ${bodyLength}\r\n\r\n`
}
