/**
 * What a crypto suite does to a packet, once it is known which octets are encrypted and where the tag goes. Indices come in two
 * parts: rollover counter and sequence number for RTP, the upper and the lower 16 bits of the 31 for RTCP.
 */
export interface Transform {
  /** Encrypts `from` … `to` in place and writes the tag at `tagAt`. */
  sealRtp(
    packet: Uint8Array,
    from: number,
    to: number,
    tagAt: number,
    ssrc: number,
    rollover: number,
    sequence: number,
  ): void
  /** Checks the tag, then decrypts in place; false, with nothing changed, when it does not match. */
  openRtp(
    packet: Uint8Array,
    from: number,
    to: number,
    tagAt: number,
    ssrc: number,
    rollover: number,
    sequence: number,
  ): boolean
  /** `wordAt` is where the encryption flag and the index stand already (RFC 3711 §3.4). */
  sealRtcp(packet: Uint8Array, to: number, wordAt: number, tagAt: number, ssrc: number, index: number): void
  /** Leaves a packet as it is, but authenticated, whose encryption flag is clear. */
  openRtcp(
    packet: Uint8Array,
    to: number,
    wordAt: number,
    tagAt: number,
    ssrc: number,
    index: number,
  ): boolean
  /** Forgets the keys. */
  close(): void
}

/** Octets of an RTCP packet that are never encrypted: header and SSRC of the first packet. */
export const RTCP_CLEAR_OCTETS = 8

/** Combines key stream into `from` … `to` of a packet. */
export function applyKeyStream(
  packet: Uint8Array,
  from: number,
  to: number,
  keyStream: Uint8Array,
  offset: number,
): void {
  for (let i = from, at = offset; i < to; i += 1, at += 1) packet[i]! ^= keyStream[at]!
}
