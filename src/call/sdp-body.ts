import { SipError } from '../runtime/errors.ts'
import type { SessionBody } from '../sip/dialog/session-types.ts'

const contentType = 'application/sdp'

/** SDP is UTF-8 (RFC 8866 §5). */
export function sdpBody(text: string): SessionBody {
  return { contentType, body: Buffer.from(text, 'utf8') }
}

/** The SDP in a body; a peer that left Content-Type out is taken to mean SDP. */
export function sdpText(body: SessionBody): string {
  return Buffer.from(body.body.buffer, body.body.byteOffset, body.body.byteLength).toString('utf8')
}

/** An error that answers the INVITE with 415 when the body is something else. */
export function requireSdp(body: SessionBody): string {
  if (body.contentType !== '' && !body.contentType.toLowerCase().startsWith(contentType)) {
    throw Object.assign(new SipError('SIP_SDP', `the body is ${body.contentType}, not ${contentType}`), {
      statusCode: 415,
    })
  }
  return sdpText(body)
}
