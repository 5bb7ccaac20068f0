import type { AudioCodec, Decoder, Encoder } from './codec.ts'

/*
 * L16: plain 16-bit samples in network byte order, channels interleaved (RFC 3551 §4.5.11). The coders hold nothing, so
 * one of each serves every stream.
 */

const encoder: Encoder = {
  encode(pcm, out) {
    const count = Math.min(pcm.length, out.length >> 1)
    for (let i = 0, at = 0; i < count; i += 1, at += 2) {
      const sample = pcm[i]!
      out[at] = sample >> 8
      out[at + 1] = sample
    }
    return count * 2
  },
}

const decoder: Decoder = {
  decode(payload, out) {
    const count = Math.min(payload.length >> 1, out.length)
    for (let i = 0, at = 0; i < count; i += 1, at += 2) out[i] = (payload[at]! << 8) | payload[at + 1]!
    return count
  },
}

function linear(sampleRate: number, channels: 1 | 2, payloadType?: number): AudioCodec {
  return {
    name: 'L16',
    clockRate: sampleRate,
    sampleRate,
    channels,
    ...(payloadType === undefined ? {} : { payloadType }),
    maxPayloadBytes: samples => samples * 2,
    maxSamples: bytes => bytes >> 1,
    encoder: () => encoder,
    decoder: () => decoder,
  }
}

/** The forms of L16 there are, by their sample rate and channels. */
export interface L16Codecs {
  readonly mono8k: AudioCodec
  readonly mono16k: AudioCodec
  /** Payload type 11 of RFC 3551. */
  readonly mono44k1: AudioCodec
  readonly mono48k: AudioCodec
  /** Payload type 10 of RFC 3551. */
  readonly stereo44k1: AudioCodec
}

/**
 * Uncompressed audio, 16 bits a sample: 8 kHz is 128 kbit/s, 48 kHz 768. For links between machines; 20 ms at 44.1 or
 * 48 kHz are more than an Ethernet frame holds, so ask for 10 ms there, and for 5 in stereo.
 */
export const L16: L16Codecs = {
  mono8k: linear(8000, 1),
  mono16k: linear(16_000, 1),
  mono44k1: linear(44_100, 1, 11),
  mono48k: linear(48_000, 1),
  stereo44k1: linear(44_100, 2, 10),
}
