import { SipError } from '../../runtime/errors.ts'

/** What to put into a `Warning` header (RFC 3261 §20.43): a code of 300-399 and a text for people. */
export interface SdpWarning {
  readonly code: number
  readonly text: string
}

export interface SdpErrorDetails {
  /** The part of the description at fault: a line type (`m`, `c`) or an attribute name (`rtpmap`). */
  readonly field: string
  /** Number of the line in the received text, from 1. */
  readonly line?: number
  /** 400: the text is not SDP. 488: it is, but no session can be made of it. */
  readonly statusCode: 400 | 488
  readonly warning: SdpWarning
}

/** A session description that cannot be read (400) or cannot be agreed on (488). */
export class SdpError extends SipError {
  override readonly name: string = 'SdpError'
  readonly field: string
  readonly line: number | undefined
  /** The status that refuses the request that carried it. */
  readonly statusCode: 400 | 488
  readonly warning: SdpWarning

  constructor(message: string, details: SdpErrorDetails, options?: ErrorOptions) {
    super('SIP_SDP', message, options)
    this.field = details.field
    this.line = details.line
    this.statusCode = details.statusCode
    this.warning = details.warning
  }
}

/** The 488 for a description that is sound but of no use to us. */
export function unacceptable(reason: string, field: string, warningCode: number): SdpError {
  const text = `${reason.slice(0, 1).toUpperCase()}${reason.slice(1)}`
  return new SdpError(`${text}; refuse it with 488 (an answer: end the call)`, {
    field,
    statusCode: 488,
    warning: { code: warningCode, text },
  })
}
