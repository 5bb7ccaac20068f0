import { Buffer } from 'node:buffer'
import { SipParseError } from './errors.ts'
import { limitsFrom } from './limits.ts'
import type { MessageLimits } from './limits.ts'
import { answerable, readHead } from './parser.ts'

export type Framed =
  | { readonly kind: 'message'; readonly bytes: Buffer }
  /** CRLF CRLF between messages: to be answered by one CRLF (RFC 5626 §3.5.1). */
  | { readonly kind: 'ping' }
  /** One CRLF between messages: the answer to our ping, or an empty line that RFC 3261 §7.5 lets be. */
  | { readonly kind: 'pong' }

export interface FramerOptions {
  limits?: Partial<MessageLimits> | undefined
}

/** Where in a header section a scan stands; kept between chunks, so that no octet is looked at twice. */
interface Scan {
  at: number
  /** Octets since the last line break, CR not counted: 0 at the start of a line. */
  lineOctets: number
}

/**
 * Cuts a byte stream into messages by their Content-Length (RFC 3261 §7.5, §18.3). Chunks may end anywhere. It
 * holds at most one message of `limits.messageBytes`, and works in linear time for a stream that comes octet by octet.
 *
 * A stream whose framing is lost cannot be used on: `push` throws a fatal `SipParseError`, now and ever after. Messages
 * that were whole before the broken one are returned first, with the error in `error`.
 */
export class StreamFramer {
  readonly #limits: MessageLimits
  #held: Buffer = Buffer.alloc(0)
  #length = 0
  #scan: Scan = { at: 0, lineOctets: 0 }
  /** Octets of the message being gathered, once its header section is known. */
  #total = 0
  #emptyLines = 0
  #afterCr = false
  #pongsDue = 0
  #error: SipParseError | undefined

  constructor(options: FramerOptions = {}) {
    this.#limits = limitsFrom(options.limits)
  }

  /** Why this stream cannot be read on. */
  get error(): SipParseError | undefined {
    return this.#error
  }

  /** Octets held of a message that is not complete yet. */
  get held(): number {
    return this.#length
  }

  /**
   * Says that we sent a ping: the next CRLF is its pong, and is not counted as half a ping. Without it a CRLF is
   * reported as a pong and two in a row are a pong and a ping.
   */
  expectPong(): void {
    this.#pongsDue++
  }

  /** @throws SipParseError (`fatal`) when the framing is lost; close the connection */
  push(chunk: Uint8Array): Framed[] {
    if (this.#error !== undefined) throw this.#error
    const frames: Framed[] = []
    const input = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let at = 0
    try {
      while (at < input.length) {
        at = this.#length === 0 ? this.#between(input, at, frames) : at
        if (at < input.length) at = this.#gather(input, at, frames)
      }
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error
      this.#error = error
      this.#held = Buffer.alloc(0)
      this.#length = 0
      if (frames.length === 0) throw error
    }
    return frames
  }

  /** Takes the line breaks between messages; returns where the next message starts. */
  #between(input: Buffer, from: number, frames: Framed[]): number {
    let at = from
    for (; at < input.length; at++) {
      const code = input[at]
      if (code === 13) this.#afterCr = true
      else if (code !== 10) break
      else if (this.#afterCr) {
        this.#afterCr = false
        frames.push({ kind: this.#emptyLine() })
      }
    }
    if (at < input.length) {
      this.#afterCr = false
      this.#emptyLines = 0
    }
    return at
  }

  #emptyLine(): 'ping' | 'pong' {
    if (this.#pongsDue > 0) {
      this.#pongsDue--
      return 'pong'
    }
    this.#emptyLines = (this.#emptyLines + 1) % 2
    return this.#emptyLines === 0 ? 'ping' : 'pong'
  }

  /** Takes octets of one message; returns where it ends in the input, or the input's end. */
  #gather(input: Buffer, from: number, frames: Framed[]): number {
    // A message that lies whole in one chunk is never copied.
    const whole = this.#length === 0
    const bytes = whole ? input : this.#hold(input, from)
    const start = whole ? from : 0
    const end = whole ? input.length : this.#length
    if (this.#total === 0) {
      const headEnd = this.#findHeadEnd(bytes, start, end)
      if (headEnd < 0) {
        if (end - start > this.#limits.messageBytes) throw this.#tooLarge(bytes.subarray(start, end))
        if (whole) this.#hold(input, from)
        return input.length
      }
      this.#total = headEnd + this.#bodyLength(bytes.subarray(start, start + headEnd))
    }
    const total = this.#total
    if (end - start < total) {
      if (whole) this.#hold(input, from)
      return input.length
    }
    frames.push({ kind: 'message', bytes: bytes.subarray(start, start + total) })
    const surplus = end - start - total
    this.#held = Buffer.alloc(0)
    this.#length = 0
    this.#total = 0
    this.#scan = { at: 0, lineOctets: 0 }
    return input.length - surplus
  }

  /** Appends the input to what is held, with room for the whole message once its length is known. */
  #hold(input: Buffer, from: number): Buffer {
    const needed = this.#length + input.length - from
    if (needed > this.#held.length) {
      const room = Math.max(
        needed,
        this.#total,
        Math.min(this.#held.length * 2, this.#limits.messageBytes),
        1024,
      )
      const grown = Buffer.allocUnsafeSlow(room)
      this.#held.copy(grown, 0, 0, this.#length)
      this.#held = grown
    }
    input.copy(this.#held, this.#length, from)
    this.#length = needed
    return this.#held
  }

  /** The length of start line and header section with its empty line, or -1 if that is not here yet. */
  #findHeadEnd(bytes: Buffer, start: number, end: number): number {
    const scan = this.#scan
    let { lineOctets } = scan
    let at = start + scan.at
    for (; at < end; at++) {
      const code = bytes[at] as number
      if (code === 10) {
        if (lineOctets === 0) return at + 1 - start
        lineOctets = 0
      } else if (code !== 13 || bytes[at - 1] === 13) lineOctets++
    }
    scan.at = at - start
    scan.lineOctets = lineOctets
    return -1
  }

  /** What the header section says about the body. Other faults than those of framing are left to the parser. */
  #bodyLength(head: Buffer): number {
    const { contentLength, fault, message } = readHead(head, this.#limits)
    const partial = fault === undefined ? undefined : answerable(message)
    if (fault !== undefined) throw new SipParseError(fault.detail, { ...fault.details, partial, fatal: true })
    if (head.length + contentLength > this.#limits.messageBytes) throw this.#tooLarge(head)
    return contentLength
  }

  #tooLarge(head: Buffer): SipParseError {
    const { message } = readHead(head.subarray(0, this.#limits.messageBytes), this.#limits)
    return new SipParseError(`the message has more than ${this.#limits.messageBytes} octets`, {
      statusCode: 513,
      reasonPhrase: 'Message Too Large',
      fatal: true,
      partial: answerable(message),
    })
  }
}
