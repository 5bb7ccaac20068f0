import type { SessionBody } from '../sip/dialog/session-types.ts'

const contentType = 'application/sdp'

/** SDP is UTF-8 (RFC 8866 §5). */
export function sdpBody(text: string): SessionBody {
  return { contentType, body: Buffer.from(text, 'utf8') }
}

/** The SDP in a body: the session hands on no other kind (it answers 415 itself). */
export function sdpText(body: SessionBody): string {
  return Buffer.from(body.body.buffer, body.body.byteOffset, body.body.byteLength).toString('utf8')
}
