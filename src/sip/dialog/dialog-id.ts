import type { SipMessage } from '../message/message.ts'

/**
 * Identity of a dialog (RFC 3261 §12): Call-ID and both tags. The remote tag is empty for a peer that sends none
 * (RFC 2543); such a dialog is tolerated.
 */
export interface DialogId {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
}

/**
 * Key of everything that began with one tag of ours: all forks of an INVITE sent, or the one dialog of an INVITE received. Our tags are random,
 * so the pair is unique within a core even when it calls itself.
 */
export function localKey(callId: string, localTag: string): string {
  return `${localTag} ${callId}`
}

/** The dialog that a request we received belongs to, or undefined when its To has no tag. */
export function idOfRequest(request: SipMessage): DialogId | undefined {
  const localTag = request.to.tag
  if (localTag === undefined) return undefined
  return { callId: request.callId, localTag, remoteTag: request.from.tag ?? '' }
}

/** The dialog that a response we received belongs to. */
export function idOfResponse(response: SipMessage): DialogId {
  return {
    callId: response.callId,
    localTag: response.from.tag ?? '',
    remoteTag: response.to.tag ?? '',
  }
}
