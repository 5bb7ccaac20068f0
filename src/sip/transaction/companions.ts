import { createRequest } from '../message/build.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'

/** The ACK for a final response of 300 or above (RFC 3261 §17.1.1.3); the transport adds the Via. */
export function ackFor(invite: SipRequest, response: SipResponse): SipRequest {
  const ack = companion(invite, 'ACK')
  for (const field of response.headers.fieldsOf('To')) ack.headers.appendField(field)
  return ack
}

/** The CANCEL for a request (RFC 3261 §9.1); the transport adds the Via. */
export function cancelFor(
  invite: SipRequest,
  headers: Iterable<readonly [name: string, value: string]> = [],
): SipRequest {
  const cancel = companion(invite, 'CANCEL')
  for (const field of invite.headers.fieldsOf('To')) cancel.headers.appendField(field)
  for (const [name, value] of headers) cancel.headers.append(name, value)
  return cancel
}

/** Route, From, Call-ID and the number of CSeq are the INVITE's. */
function companion(invite: SipRequest, method: string): SipRequest {
  const request = createRequest({ method, uri: invite.requestUri, headers: [['Max-Forwards', '70']] })
  for (const name of ['Route', 'From', 'Call-ID']) {
    for (const field of invite.headers.fieldsOf(name)) request.headers.appendField(field)
  }
  request.headers.append('CSeq', `${invite.cseq.sequence} ${method}`)
  return request
}
