/** Who owes an answer, and which change of the session may begin (RFC 3261 §14, RFC 3311 §5, RFC 3264 §4, RFC 6337). */

/** The one offer that may be open in a dialog. */
export type OfferState =
  | 'stable'
  /** We offered, the peer owes the answer. */
  | 'local-offer'
  /** The peer offered, we owe the answer. */
  | 'remote-offer'

/** INVITE transactions inside the dialog. */
export type PendingInvite =
  | 'none'
  /** Ours, without a final response. */
  | 'client'
  /** The peer's, without a final response. */
  | 'server'

export interface NegotiationState {
  readonly offer: OfferState
  readonly invite: PendingInvite
}

export type Admission =
  | { readonly verdict: 'process' }
  /** 491: both sides at once. */
  | { readonly verdict: 'refuse'; readonly statusCode: 491 }
  /** 500: the peer was too quick; with Retry-After. */
  | { readonly verdict: 'refuse'; readonly statusCode: 500 }

const process: Admission = { verdict: 'process' }
const glare: Admission = { verdict: 'refuse', statusCode: 491 }
const tooQuick: Admission = { verdict: 'refuse', statusCode: 500 }

const byOffer: Readonly<Record<OfferState, Admission>> = {
  stable: process,
  'local-offer': glare, // RFC 3311 §5.2, RFC 6337 §4.1
  'remote-offer': tooQuick, // RFC 3311 §5.2
}

/** Whether a peer's re-INVITE may be worked on (RFC 3261 §14.2). */
export function admitInvite(state: NegotiationState): Admission {
  if (state.invite === 'server') return tooQuick
  if (state.invite === 'client') return glare
  return byOffer[state.offer]
}

/** Whether a peer's UPDATE may be worked on (RFC 3311 §5.2). One without an offer always may: it refreshes the target only. */
export function admitUpdate(state: NegotiationState, hasOffer: boolean): Admission {
  return hasOffer ? byOffer[state.offer] : process
}

/** Whether we may send an INVITE in the dialog (RFC 3261 §14.1). */
export function mayInvite(state: NegotiationState): boolean {
  return state.invite === 'none' && state.offer === 'stable'
}

/** Whether we may send an UPDATE (RFC 3311 §5.1): without an offer always. */
export function mayUpdate(state: NegotiationState, hasOffer: boolean): boolean {
  return !hasOffer || state.offer === 'stable'
}

/** Seconds for the Retry-After of 500: 0 to 10, chosen at random (RFC 3261 §14.2). */
export function retryAfterSeconds(uint32: number): number {
  return uint32 % 11
}

/**
 * Milliseconds to wait after a 491, in steps of 10: 2.1 to 4 s for the owner of the Call-ID (who made the dialog), 0 to 2 s for the other
 * (RFC 3261 §14.1).
 */
export function glareWaitMs(ownsCallId: boolean, uint32: number): number {
  return ownsCallId ? 2_100 + (uint32 % 191) * 10 : (uint32 % 201) * 10
}
