import type { AudioCodec } from '../codec/codec.ts'

/**
 * How long our packets are, in ms, when the peer would like `wanted`: that, or the next shorter length that the codec can make
 * and that fits a datagram, or the shortest there is.
 */
export function packetMs(codec: AudioCodec, wanted: number): number {
  const able = (codec.ptimes ?? plain).filter(ms => octets(codec, ms) <= MAX_PAYLOAD)
  return able.findLast(ms => ms <= wanted) ?? able[0] ?? 10
}

function octets(codec: AudioCodec, ms: number): number {
  return codec.maxPayloadBytes(((codec.sampleRate * ms) / 1000) * codec.channels)
}

const plain: readonly number[] = [10, 20, 30, 40, 50, 60]

/** Within an IPv6 packet of 1500 octets with the headers of IP, UDP and RTP and the tag of SRTP. */
const MAX_PAYLOAD = 1400
