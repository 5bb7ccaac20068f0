import { SipError } from '../../runtime/errors.ts'
import type { SipRequest } from './message.ts'

export interface ParseErrorDetails {
  /** Octets from the start of the message (of the value, when a value is parsed on its own). */
  offset?: number | undefined
  header?: string | undefined
  statusCode?: number | undefined
  reasonPhrase?: string | undefined
  partial?: SipRequest | undefined
  fatal?: boolean | undefined
  cause?: unknown
}

/**
 * What arrived is not SIP as RFC 3261 has it. `statusCode` is the status to answer a request with; a response that
 * fails to parse is to be discarded (`partial` is then absent).
 */
export class SipParseError extends SipError {
  override readonly name: string = 'SipParseError'
  /** What is wrong, without the context that the message adds. */
  readonly detail: string
  readonly offset: number
  readonly header: string | undefined
  readonly statusCode: number
  /** A reason phrase that names the fault, fit for the answer's status line. */
  readonly reasonPhrase: string
  /**
   * The request as far as it could be read, if an answer can be built from it with `createResponse`: its top Via
   * is readable through `partial.via`. Absent for responses, for ACK, and where no Via could be read.
   */
  readonly partial: SipRequest | undefined
  /** On a stream: the frame boundary is lost, the connection must be closed (after the answer). */
  readonly fatal: boolean

  constructor(detail: string, details: ParseErrorDetails = {}) {
    const offset = details.offset ?? 0
    super(
      'SIP_PARSE',
      `${details.header === undefined ? '' : `${details.header}: `}${detail} (at octet ${offset})`,
      details.cause === undefined ? undefined : { cause: details.cause },
    )
    this.detail = detail
    this.offset = offset
    this.header = details.header
    this.statusCode = details.statusCode ?? 400
    this.reasonPhrase =
      details.reasonPhrase ?? (details.header === undefined ? 'Bad Request' : `Bad ${details.header} Header`)
    this.partial = details.partial
    this.fatal = details.fatal ?? false
  }

  /** The same fault with more said about it. */
  with(details: ParseErrorDetails): SipParseError {
    const { offset, header, statusCode, partial, fatal } = this
    // The default phrase names the header: a header that is named later makes a new one.
    const reasonPhrase = details.header === undefined ? this.reasonPhrase : undefined
    return new SipParseError(this.detail, {
      offset,
      header,
      statusCode,
      reasonPhrase,
      partial,
      fatal,
      cause: this.cause,
      ...details,
    })
  }
}

/** A value to be sent would break the message apart (CR, LF, NUL) or is not in the grammar; `field` names it. */
export class SipSerialiseError extends SipError {
  override readonly name: string = 'SipSerialiseError'
  readonly field: string

  constructor(field: string, message: string) {
    super('SIP_SERIALISE', `${field}: ${message}`)
    this.field = field
  }
}
