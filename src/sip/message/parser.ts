import { Buffer } from 'node:buffer'
import { hasLineBreak, isToken } from './chars.ts'
import { SipParseError } from './errors.ts'
import type { ParseErrorDetails } from './errors.ts'
import { faultyMark, FieldIndex, lineMark } from './field.ts'
import { Headers } from './headers.ts'
import { Via } from './headers/core.ts'
import { limitsFrom } from './limits.ts'
import type { MessageLimits } from './limits.ts'
import { SipRequest, SipResponse } from './message.ts'
import type { SipMessage } from './message.ts'
import { idAt, ids } from './names.ts'
import { Section } from './section.ts'
import { Via as ViaValue } from './via.ts'

export interface ParseOptions {
  limits?: Partial<MessageLimits> | undefined
  /**
   * How the message came. In a datagram the body reaches to the end if there is no Content-Length, and what lies
   * behind the body is ignored (RFC 3261 §18.3); on a stream (a frame of `StreamFramer`) Content-Length must be there.
   */
  framing?: 'datagram' | 'stream' | undefined
}

/** Which octets a header name may have. */
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
  const message = new Reading(buffer, limits, options.framing === 'stream').message()
  latest.message = message
  return message
}

/** Keeps the shapes of a message and of what was read from it alive between messages: see `Scanner.kept`. */
const latest: { message?: SipMessage } = {}

export interface Head {
  contentLength: number
  /** Why the end of the message cannot be told: Content-Length is missing or is no length. */
  fault: Fault | undefined
  message: SipMessage
}

/** What start line and header section say about the framing, for a stream. */
export function readHead(bytes: Buffer, limits: MessageLimits): Head {
  return new Reading(bytes, limits, true).head()
}

/** One message being read. Faults of single lines are kept until all lines are read, so that an answer is possible. */
class Reading {
  /** Keeps the shape of the class alive between messages: see `Scanner.kept`. */
  static readonly kept: Reading = new Reading(Buffer.alloc(0), limitsFrom(undefined), false)

  readonly #bytes: Buffer
  readonly #limits: MessageLimits
  readonly #stream: boolean
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
    if (this.#fault === undefined) this.#giveBody(message, this.#bodyStart)
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
      message,
    }
  }

  #startAndHeaders(): SipMessage {
    const bytes = this.#bytes
    const section = new Section(bytes)
    const { octets } = section
    let at = 0
    // RFC 3261 §7.5: empty lines before the start line are ignored.
    while (bytes[at] === 13 || bytes[at] === 10) at++
    const newline = octets.indexOf('\n', at)
    const lineEnd = newline < 0 ? octets.length : newline
    const end = lineEnd > at && bytes[lineEnd - 1] === 13 ? lineEnd - 1 : lineEnd
    if (newline < 0) this.#fail('the start line has no end', { offset: at })
    if (end - at > this.#limits.lineBytes) {
      this.#fail('the start line is too long', {
        offset: at,
        statusCode: 414,
        reasonPhrase: 'Request-URI Too Long',
      })
    }
    const index = this.#headers(lineEnd + 1, section)
    section.close(lineEnd + 1, this.#bodyStart)
    const text = section.textAt(at, end)
    const headers = new Headers([], index)
    const isResponse = bytes[at + 3] === 47 && /^sip\//i.test(text)
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
    return new SipRequest(method, uri, headers)
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
    if (match === null || hasLineBreak(text)) this.#fail('not a status line', { offset })
    else if (match[1] !== '2.0') this.#fail(`version ${match[1] as string}`, { offset, statusCode: 505 })
    else if (statusCode < 100 || statusCode > 699)
      this.#fail(`status code ${statusCode}`, { offset: offset + 8 })
    return new SipResponse(statusCode, match?.[3] ?? '', headers)
  }

  /** Indexes the header lines from `from` on; the index then ends where the empty line behind them starts. */
  #headers(from: number, section: Section): FieldIndex {
    const bytes = this.#bytes
    const { octets } = section
    const { headers: maxHeaders, lineBytes } = this.#limits
    const size = octets.length
    const lines: number[] = []
    let at = from
    let colon = -1
    while (at < size) {
      const start = at
      const first = bytes[at]
      if (first === 10 || (first === 13 && bytes[at + 1] === 10)) {
        this.#bodyStart = first === 10 ? at + 1 : at + 2
        return new FieldIndex(section, lines, at)
      }
      let end = octets.indexOf('\n', at) + 1
      if (end === 0) end = size
      // Kept from line to line: lines without a colon must not make this a search through the rest each time.
      if (colon < at) colon = octets.indexOf(':', at)
      if (colon < 0) colon = size
      const inLine = colon < end
      let folded = false
      // A line that starts with a space goes on where the one before ended (RFC 3261 §7.3.1).
      while (end < size && isSpace(bytes[end])) {
        folded = true
        end = octets.indexOf('\n', end) + 1
        if (end === 0) end = size
      }
      at = end
      if (end - start > lineBytes) {
        this.#fail(`a header line has more than ${lineBytes} octets`, { offset: start, statusCode: 513 })
      }
      let nameEnd = inLine ? colon : start
      while (nameEnd > start && isSpace(bytes[nameEnd - 1])) nameEnd--
      const id = nameEnd > start ? idAt(bytes, start, nameEnd) : 0
      if (id === 0 && !isName(bytes, start, nameEnd)) {
        this.#fail('not a header line: a name and a colon', { offset: start })
        lines.push(faultyMark(start))
        continue
      }
      if (lines.length === maxHeaders) {
        this.#fail(`more than ${maxHeaders} header lines`, { offset: start, statusCode: 513 })
        this.#bodyStart = at
        return new FieldIndex(section, lines, start)
      }
      lines.push(lineMark(id, folded, start))
      if (id === ids.contentLength) this.#readContentLength(colon + 1, end)
    }
    this.#fail('the header section has no empty line at its end', { offset: size })
    this.#bodyStart = size
    return new FieldIndex(section, lines, size)
  }

  #readContentLength(from: number, to: number): void {
    const details = { offset: from, header: 'Content-Length', fatal: this.#stream }
    const value = decimalAt(this.#bytes, from, to)
    if (Number.isNaN(value)) this.#failLength('not a length', details)
    else if (this.#contentLength >= 0 && this.#contentLength !== value) {
      this.#failLength('two different lengths', details)
    } else this.#contentLength = value
  }

  #failLength(detail: string, details: ParseErrorDetails): void {
    this.#lengthFault ??= { detail, details }
    this.#fail(detail, details)
  }

  #giveBody(message: SipMessage, from: number): void {
    const size = this.#bytes.length
    const length = this.#contentLength
    if (length < 0 && this.#stream) {
      const { detail, details } = missingLength(from)
      this.#fail(detail, details)
    } else if (length > size - from) {
      const detail = `${length} octets announced, ${size - from} came`
      this.#fail(detail, { offset: from, header: 'Content-Length' })
    } else message.takeBody(this.#bytes, from, length < 0 ? size : from + length)
  }
}

function missingLength(offset: number): Fault {
  return { detail: 'required on a stream', details: { offset, header: 'Content-Length', fatal: true } }
}

/** 1*DIGIT with any space around it, at most nine digits; otherwise NaN. */
function decimalAt(bytes: Buffer, from: number, to: number): number {
  let start = from
  let end = to
  while (start < end && isBlank(bytes[start])) start++
  while (end > start && isBlank(bytes[end - 1])) end--
  if (start === end || end - start > 9) return Number.NaN
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 48
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

function isBlank(code: number | undefined): boolean {
  return code === 32 || code === 9 || code === 13 || code === 10
}

function isName(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (nameClass[bytes[at] as number] !== 1) return false
  return to > from
}

function isSpace(code: number | undefined): boolean {
  return code === 32 || code === 9
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
