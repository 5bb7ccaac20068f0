import { SipError } from '../../runtime/errors.ts'
import type { SipResponse } from '../message/message.ts'
import { redirectTargets } from './redirect.ts'

/** A request was refused; the response tells the rest. */
export class SipResponseError extends SipError {
  override readonly name: string = 'SipResponseError'
  readonly statusCode: number
  readonly response: SipResponse
  /** The addresses of a 3xx, best first: those to call instead, or see `followRedirects`. */
  readonly targets: readonly string[]

  constructor(method: string, response: SipResponse, options?: ErrorOptions) {
    super(
      'SIP_RESPONSE',
      `${method} was answered ${response.statusCode} ${response.reasonPhrase}`.trimEnd(),
      options,
    )
    this.statusCode = response.statusCode
    this.response = response
    this.targets = redirectTargets(response)
  }
}

/** The session or dialog is not in a state for that. */
export class SipDialogStateError extends SipError {
  override readonly name: string = 'SipDialogStateError'

  constructor(message: string, options?: ErrorOptions) {
    super('SIP_STATE', message, options)
  }
}
