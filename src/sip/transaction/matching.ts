import { canonicalHost } from '../message/host.ts'
import type { SipRequest } from '../message/message.ts'
import { transportNamed } from '../transport/transports.ts'

/** Client transactions: the branch is ours and unique; CANCEL shares it with its INVITE (RFC 3261 §17.1.3). */
export function clientKey(branch: string, method: string): string {
  return `${method}|${branch}`
}

/**
 * Server transactions (RFC 3261 §17.2.3). `method` is that of the transaction looked for: INVITE for an ACK or a
 * CANCEL. Branches without the magic cookie (or with nothing behind it) are matched the RFC 2543 way; the To tag is
 * then compared by the caller, since an ACK carries that of the response.
 */
export function serverKey(request: SipRequest, method: string): string {
  const { via } = request
  const port = via.port ?? transportNamed(via.transport)?.defaultPort ?? 5060
  const sentBy = `${canonicalHost(via.host)}:${port}`
  if (via.hasRfc3261Branch) return ownText(`${method}|${via.branch}|${sentBy}`)
  const { callId, cseq, from } = request
  return ownText(
    `2543|${method}|${cseq.sequence}|${callId}|${from.tag ?? ''}|${sentBy}|${via.branch ?? ''}|${request.requestUri}`,
  )
}

export function matchesByTags(request: SipRequest): boolean {
  return !request.via.hasRfc3261Branch
}

/** The same request by two ways through the network has this in common (RFC 3261 §8.2.2.2). */
export function mergeKey({ callId, cseq, from }: SipRequest): string {
  return ownText(`${cseq.sequence}|${cseq.method}|${from.tag ?? ''}|${callId}`)
}

/**
 * The same text in memory of its own. What is cut out of a message keeps the whole text of the message, and what is
 * joined keeps its parts until somebody reads it: a key outlives both by half a minute.
 */
function ownText(text: string): string {
  // Reading a character makes one piece of joined text.
  text.charCodeAt(0)
  return text
}
