import { SipError } from '../../runtime/errors.ts'

/** The longest body of an event package that is read, octets. */
export const MAX_BODY_OCTETS: number = 64 * 1024

/** A body of an event package that cannot be read; the NOTIFY is answered 200 all the same, since the subscription lives. */
export class EventBodyError extends SipError {
  override readonly name: string = 'EventBodyError'

  constructor(message: string, options?: ErrorOptions) {
    super('SIP_PARSE', message, options)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws EventBodyError too long, or not UTF-8 */
export function textOfBody(body: Uint8Array): string {
  if (body.length > MAX_BODY_OCTETS) {
    throw new EventBodyError(`the body has ${body.length} octets: more than ${MAX_BODY_OCTETS} are not read`)
  }
  try {
    return utf8.decode(body)
  } catch (error) {
    throw new EventBodyError('the body is not UTF-8', { cause: error })
  }
}
