import type { HttpResponse } from '../../runtime/web.ts'
import { SipError } from '../../runtime/errors.ts'

/** Refused in Twilio's words. Status 400 unless it says otherwise. */
export class RestError extends SipError {
  override readonly name: string = 'RestError'
  /** Of https://www.twilio.com/docs/api/errors. */
  readonly twilioCode: number
  readonly status: number

  constructor(twilioCode: number, message: string, status = 400) {
    super('SIP_STATE', message)
    this.twilioCode = twilioCode
    this.status = status
  }
}

export function errorResponse({ twilioCode, message, status }: RestError): HttpResponse {
  return jsonResponse(status, {
    code: twilioCode,
    message,
    more_info: `https://www.twilio.com/docs/errors/${twilioCode}`,
    status,
  })
}

export function jsonResponse(status: number, body: object): HttpResponse {
  const challenge = status === 401 ? { 'WWW-Authenticate': 'Basic realm="Twilio API"' } : {}
  return { status, headers: { 'Content-Type': 'application/json', ...challenge }, body: JSON.stringify(body) }
}
