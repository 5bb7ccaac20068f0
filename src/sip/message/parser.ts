import { isToken } from './chars.ts'
import { SipParseError } from './errors.ts'
import type { ParseErrorDetails } from './errors.ts'
import { fromOctets, HeaderField, Section } from './field.ts'
import { Headers } from './headers.ts'
import { Via } from './headers/core.ts'
import { limitsFrom } from './limits.ts'
import type { MessageLimits } from './limits.ts'
import { SipRequest, SipResponse } from './message.ts'
import type { SipMessage } from './message.ts'
import { hashStep, idAt, ids } from './names.ts'
import { Via as ViaValue } from './via.ts'

export interface ParseOptions {
  limits?: Partial<MessageLimits> | undefined
  /**
   * How the message came. In a datagram the body reaches to the end if there is no Content-Length, and what lies
   * behind the body is ignored (RFC 3261 §18.3); on a stream (a frame of `StreamFramer`) Content-Length must be there.
   */
  framing?: 'datagram' | 'stream' | undefined
}

/** Token characters of a header name; 2 for those that may follow it before the colon. */
const nameClass = new Uint8Array(256)
for (let code = 0; code < 128; code++) if (isToken(String.fromCharCode(code))) nameClass[code] = 1

export interface Fault {
  detail: string
  details: ParseErrorDetails
}

/**
 * Parses one message: start line, header lines, body. Header values are looked at when they are asked for, or all
 * at once by `checkMessage`.
 *
 * @throws SipParseError
 */
export function parseMessage(bytes: Uint8Array, options: ParseOptions = {}): SipMessage {
  const limits = limitsFrom(options.limits)
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length > limits.messageBytes) {
    throw new SipParseError(`the message has more than ${limits.messageBytes} octets`, {
      offset: limits.messageBytes,
      statusCode: 513,
      reasonPhrase: 'Message Too Large',
    })
  }
  return new Reading(buffer, limits, options.framing === 'stream').message()
}

export interface Head {
  contentLength: number
  /** Why the end of the message cannot be told: Content-Length is missing or is no length. */
  fault: Fault | undefined
  partial: SipRequest | undefined
}

/** What start line and header section say about the framing, for a stream. */
export function readHead(bytes: Buffer, limits: MessageLimits): Head {
  return new Reading(bytes, limits, true).head()
}

/** One message being read. Faults of single lines are kept until all lines are read, so that an answer is possible. */
class Reading {
  readonly #bytes: Buffer
  readonly #limits: MessageLimits
  readonly #stream: boolean
  readonly #fields: HeaderField[] = []
  #fault: Fault | undefined
  #contentLength = -1
  #lengthFault: Fault | undefined
  #bodyStart = 0

  constructor(bytes: Buffer, limits: MessageLimits, stream: boolean) {
    this.#bytes = bytes
    this.#limits = limits
    this.#stream = stream
  }

  message(): SipMessage {
    const message = this.#startAndHeaders()
    if (this.#fault === undefined) message.body = this.#body(this.#bodyStart)
    if (this.#fault === undefined) return message
    const { detail, details } = this.#fault
    throw new SipParseError(detail, { ...details, partial: answerable(message) })
  }

  head(): Head {
    const message = this.#startAndHeaders()
    const missing = this.#contentLength < 0 ? (this.#fault ?? missingLength(this.#bodyStart)) : undefined
    const fault = this.#lengthFault ?? missing
    return {
      contentLength: this.#contentLength,
      fault,
      partial: fault === undefined ? undefined : answerable(message),
    }
  }

  #startAndHeaders(): SipMessage {
    const bytes = this.#bytes
    let at = 0
    // RFC 3261 §7.5: empty lines before the start line are ignored.
    while (bytes[at] === 13 || bytes[at] === 10) at++
    const newline = bytes.indexOf(10, at)
    const lineEnd = newline < 0 ? bytes.length : newline
    const end = lineEnd > at && bytes[lineEnd - 1] === 13 ? lineEnd - 1 : lineEnd
    if (newline < 0) this.#fail('the start line has no end', { offset: at })
    if (end - at > this.#limits.lineBytes) {
      this.#fail('the start line is too long', {
        offset: at,
        statusCode: 414,
        reasonPhrase: 'Request-URI Too Long',
      })
    }
    this.#bodyStart = this.#headers(lineEnd + 1, bytes[lineEnd - 1] === 13)
    const text = bytes.toString('latin1', at, end)
    const headers = new Headers(this.#fields)
    const isResponse = text.startsWith('SIP/') || /^sip\//i.test(text)
    return isResponse ? this.#response(text, at, headers) : this.#request(text, at, headers)
  }

  #fail(detail: string, details: ParseErrorDetails): void {
    this.#fault ??= { detail, details }
  }

  #request(text: string, offset: number, headers: Headers): SipRequest {
    const first = text.indexOf(' ')
    const second = first < 0 ? -1 : text.indexOf(' ', first + 1)
    const method = first < 0 ? text : text.slice(0, first)
    const uri = first < 0 ? '' : text.slice(first + 1, second < 0 ? text.length : second)
    const version = second < 0 ? '' : text.slice(second + 1)
    if (version !== 'SIP/2.0' || uri === '' || !isToken(method))
      this.#requestLineFault(method, uri, version, offset)
    return new SipRequest(method, fromOctets(uri), headers)
  }

  #requestLineFault(method: string, uri: string, version: string, offset: number): void {
    const upper = version.toUpperCase()
    if (!isToken(method)) this.#fail('not a method', { offset, reasonPhrase: 'Bad Request Line' })
    else if (uri === '' || !/^SIP\/\d+\.\d+$/.test(upper)) {
      const place = offset + method.length + 1
      this.#fail('the request line is not "method SP URI SP version"', {
        offset: place,
        reasonPhrase: 'Bad Request Line',
      })
    } else if (upper !== 'SIP/2.0') {
      const place = offset + method.length + uri.length + 2
      this.#fail(`version ${version}`, {
        offset: place,
        statusCode: 505,
        reasonPhrase: 'Version Not Supported',
      })
    }
  }

  #response(text: string, offset: number, headers: Headers): SipResponse {
    const match = /^SIP\/(\d+\.\d+) (\d{3})(?: ([^]*))?$/i.exec(text)
    const statusCode = Number(match?.[2] ?? 0)
    if (match === null) this.#fail('not a status line', { offset })
    else if (match[1] !== '2.0') this.#fail(`version ${match[1] as string}`, { offset, statusCode: 505 })
    else if (statusCode < 100 || statusCode > 699)
      this.#fail(`status code ${statusCode}`, { offset: offset + 8 })
    return new SipResponse(statusCode, fromOctets(match?.[3] ?? ''), headers)
  }

  /** Indexes the header lines from `from` on and returns where the body starts. */
  #headers(from: number, startLineClean: boolean): number {
    const bytes = this.#bytes
    const { headers: maxHeaders, lineBytes } = this.#limits
    const size = bytes.length
    // Offsets of one line after the other: start, end of name, start and end of value, end; negative id if folded.
    const lines: number[] = []
    let clean = startLineClean
    let seen = 0
    let at = from
    for (;;) {
      if (at >= size) {
        this.#fail('the header section has no empty line at its end', { offset: at })
        break
      }
      const first = bytes[at] as number
      if (first === 10) {
        at++
        break
      }
      if (first === 13 && bytes[at + 1] === 10) {
        at += 2
        break
      }
      const start = at
      let hash = 0
      let code = first
      while (nameClass[code] === 1) {
        hash = hashStep(hash, code)
        code = bytes[++at] as number
      }
      const nameEnd = at
      while (code === 32 || code === 9) code = bytes[++at] as number
      const colon = code === 58 && nameEnd > start
      if (colon) at++
      else this.#fail('not a header line: a name and a colon', { offset: start })
      while (bytes[at] === 32 || bytes[at] === 9) at++
      let valueStart = at
      let valueEnd: number
      let folded = false
      for (;;) {
        while (at < size && ((code = bytes[at] as number) > 13 || (code !== 13 && code !== 10))) {
          seen |= code
          at++
        }
        valueEnd = at
        if (at >= size) break
        if (code === 13) {
          if (bytes[at + 1] !== 10) {
            this.#fail('CR without LF in a header', { offset: at })
            at++
            continue
          }
          at++
        } else clean = false
        at++
        code = bytes[at] as number
        if (code !== 32 && code !== 9) break
        folded = true
      }
      if (folded) while (isBlank(bytes[valueStart])) valueStart++
      if (valueStart > valueEnd) valueStart = valueEnd
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd--
      if (at - start > lineBytes) {
        this.#fail(`a header line has more than ${lineBytes} octets`, { offset: start, statusCode: 513 })
      }
      if (!colon) continue
      const id = idAt(bytes, start, nameEnd, hash)
      lines.push(folded ? -1 - id : id, start, nameEnd, valueStart, valueEnd, at)
      if (lines.length > maxHeaders * 6) {
        this.#fail(`more than ${maxHeaders} header lines`, { offset: start, statusCode: 513 })
        lines.length -= 6
        break
      }
    }
    this.#makeFields(lines, new Section(bytes, at, seen < 128, clean))
    return at
  }

  #makeFields(lines: readonly number[], section: Section): void {
    const fields = this.#fields
    for (let i = 0; i < lines.length; i += 6) {
      const mark = lines[i] as number
      const folded = mark < 0
      const id = folded ? -1 - mark : mark
      const field = new HeaderField(
        id,
        section,
        lines[i + 1] as number,
        lines[i + 2] as number,
        lines[i + 3] as number,
        lines[i + 4] as number,
        lines[i + 5] as number,
        folded,
      )
      fields.push(field)
      if (id === ids.contentLength) this.#readContentLength(field)
    }
  }

  #readContentLength(field: HeaderField): void {
    const details = { offset: field.valueStart, header: 'Content-Length', fatal: this.#stream }
    let value = 0
    for (let at = field.valueStart; at < field.valueEnd; at++) {
      const digit = (this.#bytes[at] as number) - 48
      value = digit >= 0 && digit <= 9 && value < 1e9 ? value * 10 + digit : Number.NaN
    }
    if (Number.isNaN(value) || field.valueEnd === field.valueStart) this.#failLength('not a length', details)
    else if (this.#contentLength >= 0 && this.#contentLength !== value) {
      this.#failLength('two different lengths', details)
    } else this.#contentLength = value
  }

  #failLength(detail: string, details: ParseErrorDetails): void {
    this.#lengthFault ??= { detail, details }
    this.#fail(detail, details)
  }

  #body(from: number): Uint8Array {
    const available = this.#bytes.length - from
    const length = this.#contentLength
    if (length < 0) {
      if (this.#stream) {
        const { detail, details } = missingLength(from)
        this.#fail(detail, details)
      }
      return this.#bytes.subarray(from)
    }
    if (length > available) {
      this.#fail(`${length} octets announced, ${available} came`, { offset: from, header: 'Content-Length' })
    }
    return this.#bytes.subarray(from, from + length)
  }
}

function missingLength(offset: number): Fault {
  return { detail: 'required on a stream', details: { offset, header: 'Content-Length', fatal: true } }
}

function isBlank(code: number | undefined): boolean {
  return code === 32 || code === 9 || code === 13 || code === 10
}

/**
 * The request, if an answer to it can be routed. A top Via that cannot be read to its end is kept as far as it goes,
 * so that `partial.via` does not throw.
 */
export function answerable(request: SipMessage): SipRequest | undefined {
  if (request.kind === 'response' || request.method === 'ACK') return undefined
  const [top] = request.headers.fieldsOf('Via')
  if (top === undefined) return undefined
  try {
    top.parse(Via)
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error
    const via = ViaValue.recover(top.value)
    if (via === undefined) return undefined
    top.remember(Via, [via])
  }
  return request
}
