/** What shares a media port, told apart by the first octets (RFC 7983 §7, RFC 5761 §4). */
export type MediaPacketKind = 'rtp' | 'rtcp' | 'stun' | 'zrtp' | 'dtls' | 'turn-channel' | 'unknown'

/** Looks at no more than two octets: 'rtp' and 'rtcp' still have to parse. */
export function classifyPacket(bytes: Uint8Array): MediaPacketKind {
  if (bytes.length === 0) return 'unknown'
  const first = bytes[0]!
  if (first >= 128 && first <= 191) {
    if (bytes.length < 2) return 'unknown'
    // RTCP types 192 … 223 are the payload types 64 … 95 with the marker, which RTP beside RTCP must not use.
    const second = bytes[1]!
    return second >= 192 && second <= 223 ? 'rtcp' : 'rtp'
  }
  if (first <= 3) return 'stun'
  if (first >= 16 && first <= 19) return 'zrtp'
  if (first >= 20 && first <= 63) return 'dtls'
  if (first >= 64 && first <= 79) return 'turn-channel'
  return 'unknown'
}
