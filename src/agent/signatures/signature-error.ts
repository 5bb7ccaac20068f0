import { SipError } from '../../runtime/errors.ts'

/** - `missing`: no signature, or a header it needs is not there
 * - `malformed`: a header cannot be read
 * - `expired`, `future`: signed longer ago, or later, than the tolerance; the clocks may differ
 * - `wrong`: it was signed with another key, or for another URL or body
 * - `claims`: a token in order, but not for us
 */
export type SignatureProblem = 'missing' | 'malformed' | 'expired' | 'future' | 'wrong' | 'claims'

export type SignatureScheme =
  | 'standard-webhooks'
  | 'twilio'
  | 'telnyx'
  | 'vonage'
  | 'plivo'
  | 'token'
  | 'basic'

/** A request does not carry the signature it has to: answer it with 401 or 403, and do nothing it asks for. */
export class SignatureError extends SipError {
  override readonly name: string = 'SignatureError'
  readonly scheme: SignatureScheme
  readonly problem: SignatureProblem

  constructor(scheme: SignatureScheme, problem: SignatureProblem, message: string, options?: ErrorOptions) {
    const what = scheme === 'token' || scheme === 'basic' ? 'credentials' : 'signature'
    super('SIP_AUTH', `${scheme} ${what}: ${message}`, options)
    this.scheme = scheme
    this.problem = problem
  }
}
