import type { StreamCounts, StreamEvent } from '../call/stream-events.ts'
import type { CallMedia } from './call-record.ts'
import type { KnownCall } from './known-call.ts'

type StreamBegan = Extract<StreamEvent, { readonly kind: 'began' }>

/** A call that a carrier brought over a WebSocket, as records have calls. */
export function streamedCall({ call, from, to, carrierIds }: StreamBegan): KnownCall {
  return { id: call, direction: 'inbound', admission: undefined, from, to, carrierIds }
}

/** What its record begins with: the upgrade is its invitation, the start of the stream its answer. */
export function beginningOf({ at, openedAt, peer, to }: StreamBegan): {
  readonly at: { invite: number; final: number }
  readonly peer: string
  readonly peerName: string
  readonly dialled: string
  readonly answered: true
} {
  const dialled = /^(?:sips?|tel):(?<user>[^@;?>:]+)/i.exec(to)?.groups?.['user'] ?? ''
  return {
    at: { invite: openedAt, final: at },
    peer,
    peerName: peer.slice(peer.indexOf(':') + 1),
    dialled,
    answered: true,
  }
}

/** Messages stand for packets; what a network does to packets does not happen to them. */
export function streamedMedia({
  codec,
  messagesSent,
  messagesReceived,
  discarded,
  counters,
}: StreamCounts): CallMedia {
  return {
    codec,
    packetsSent: messagesSent,
    packetsReceived: messagesReceived,
    lost: counters['messagesMissing'] ?? 0,
    lossRatio: 0,
    late: counters['messagesLate'] ?? 0,
    duplicates: 0,
    reordered: 0,
    jitterMs: 0,
    concealedMs: 0,
    discarded,
    ...(Object.keys(counters).length > 0 && { counters }),
    bufferMs: 0,
    quality: { bursts: 0, longestLoss: 0 },
  }
}
