/** The little that SRTP has to know about the packets it protects. */

const RTP_HEADER = 12

/**
 * Octets of an RTP header with its CSRCs and extension (RFC 3550 §5.1), which stay in the clear; -1 when the first `length` octets
 * are not version 2 or do not hold them.
 */
export function rtpHeaderLength(packet: Uint8Array, length: number): number {
  const first = packet[0]!
  if (length < RTP_HEADER || first >> 6 !== 2) return -1
  let octets = RTP_HEADER + (first & 0x0f) * 4
  if ((first & 0x10) !== 0) {
    if (octets + 4 > length) return -1
    octets += 4 + ((packet[octets + 2]! << 8) | packet[octets + 3]!) * 4
  }
  return octets <= length ? octets : -1
}

/** A 32-bit number, unsigned, in network order. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/**
 * The rollover counter that a sequence number belongs to, from the highest sequence number so far and its rollover counter (RFC 3711 §3.3.1,
 * Appendix A). May be -1, and 2³² after the last.
 */
export function guessRollover(sequence: number, highest: number, rollover: number): number {
  if (highest < 0x8000) return sequence - highest > 0x8000 ? rollover - 1 : rollover
  return highest - 0x8000 > sequence ? rollover + 1 : rollover
}
