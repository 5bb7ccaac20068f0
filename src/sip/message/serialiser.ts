import { hasLineBreak, isToken } from './chars.ts'
import { SipSerialiseError } from './errors.ts'
import type { HeaderField } from './field.ts'
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
    return `SIP/2.0 ${statusCode} ${toOctets(reasonPhrase)}\r\n`
  }
  const { method, requestUri } = message
  if (!isToken(method)) throw new SipSerialiseError('method', `"${method}" is not a token`)
  if (requestUri === '' || /[\s\0]/.test(requestUri)) {
    throw new SipSerialiseError('requestUri', 'it is empty or contains space, CR, LF or NUL')
  }
  return `${method} ${toOctets(requestUri)} SIP/2.0\r\n`
}

/**
 * The message as it goes on the wire. Received header lines that nobody changed go out as they came, in their order;
 * Content-Length is always that of the body.
 *
 * @throws SipSerialiseError if a part would break the message apart
 */
export function serialise(message: SipMessage): Buffer {
  const { body } = message
  let head = startLine(message)
  let lengthWritten = false
  // A run of neighbouring received lines is copied in one piece.
  let section: Section | undefined
  let runStart = 0
  let runEnd = 0
  for (const field of message.headers.fields) {
    if (field.id === ids.contentLength) {
      if (lengthWritten || !sameLength(field, body.length)) {
        head += flush(section, runStart, runEnd)
        section = undefined
        if (!lengthWritten) head += `Content-Length: ${body.length}\r\n`
        lengthWritten = true
        continue
      }
      lengthWritten = true
    }
    if (field.section !== undefined && field.section.breaks === 'crlf') {
      if (section === field.section && field.start === runEnd) {
        runEnd = field.end
        continue
      }
      head += flush(section, runStart, runEnd)
      section = field.section
      runStart = field.start
      runEnd = field.end
    } else {
      head += flush(section, runStart, runEnd)
      section = undefined
      head += `${field.line}\r\n`
    }
  }
  head += flush(section, runStart, runEnd)
  head += lengthWritten ? '\r\n' : `Content-Length: ${body.length}\r\n\r\n`
  const out = Buffer.allocUnsafe(head.length + body.length)
  out.write(head, 0, 'latin1')
  if (body.length > 0) out.set(body, head.length)
  return out
}

function flush(section: Section | undefined, from: number, to: number): string {
  return section === undefined ? '' : section.octets.slice(from, to)
}

function sameLength(field: HeaderField, length: number): boolean {
  return Number(field.value) === length
}
