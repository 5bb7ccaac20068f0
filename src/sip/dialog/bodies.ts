import type { SipMessage } from '../message/message.ts'
import type { SessionBody } from './session-types.ts'

/** The media type without parameters, in lower case. */
export function mediaType(contentType: string): string {
  const semicolon = contentType.indexOf(';')
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}

/**
 * The body of a message as an offer or answer: of a type in `accept`; undefined when there is none, or another that may be passed over (one that may
 * not is refused before). SDP without a Content-Type occurs, and is taken for what it is.
 */
export function sessionBodyOf(message: SipMessage, accept: readonly string[]): SessionBody | undefined {
  const { body } = message
  if (body.length === 0) return undefined
  const contentType = message.headers.get('Content-Type')
  if (contentType !== undefined) {
    return admits(accept, mediaType(contentType)) ? { contentType, body } : undefined
  }
  // "v=" opens every session description (RFC 8866 §9).
  return body[0] === 0x76 && body[1] === 0x3d ? { contentType: 'application/sdp', body } : undefined
}

/** Whether a body that is not understood may be ignored (RFC 3261 §20.11: `handling` is `required` unless it says `optional`). */
export function bodyIsOptional(message: SipMessage): boolean {
  const disposition = message.headers.get('Content-Disposition')
  return disposition !== undefined && /;\s*handling\s*=\s*"?optional"?\s*(?:;|$)/i.test(disposition)
}

/** Whether the list of media types admits this one; `*` stands for any. */
export function admits(types: readonly string[], type: string): boolean {
  const wanted = type.split('/')[0]
  return types.some(entry => {
    const range = mediaType(entry)
    return range === type || range === '*/*' || range === `${wanted}/*`
  })
}
