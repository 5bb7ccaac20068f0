/** What went wrong, stable across releases: `switch (error.code)` works even across two copies of the package. */
export type SipErrorCode =
  | 'SIP_PARSE'
  | 'SIP_SERIALISE'
  | 'SIP_TIMEOUT'
  | 'SIP_TRANSPORT'
  | 'SIP_RESPONSE'
  | 'SIP_AUTH'
  | 'SIP_SDP'
  | 'SIP_STATE'
  | 'SIP_CALL_ENDED'
  | 'SIP_RESOLVE'
  | 'SIP_LIMIT'
  | 'SIP_OPTION'
  | 'SIP_MEDIA_TIMEOUT'
  | 'SIP_MEDIA'
  | 'SIP_ENGINE'

/** The root of every error Offhook throws. The message says what happened on the wire and what to do next. */
export class SipError extends Error {
  override readonly name: string = 'SipError'
  readonly code: SipErrorCode

  constructor(code: SipErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A value the caller of the API passed in is not usable; `field` names it. */
export class OptionError extends SipError {
  override readonly name: string = 'OptionError'
  readonly field: string

  constructor(field: string, message: string, options?: ErrorOptions) {
    super('SIP_OPTION', `${field}: ${message}`, options)
    this.field = field
  }
}
