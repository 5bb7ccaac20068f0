/** Turns PCM into payloads, one stream in one direction. May hold state; never share one between streams. */
export interface Encoder {
  /**
   * Encodes one frame: `pcm` is signed 16-bit at the codec's `sampleRate`, interleaved when it has more than one channel.
   * Returns the octets written to the start of `out`, which must hold `maxPayloadBytes(pcm.length)`.
   */
  encode(pcm: Int16Array, out: Uint8Array): number
}

/** Turns payloads into PCM, one stream in one direction. */
export interface Decoder {
  /**
   * Decodes one RTP payload to signed 16-bit PCM. Returns the samples (all channels) written to the start of `out`,
   * which must hold `maxSamples(payload.length)`. A payload that is too long for `out` is cut, never an error.
   */
  decode(payload: Uint8Array, out: Int16Array): number
}

/** One way to put audio into RTP. Codecs are passed as arguments where they are wanted; importing one registers nothing. */
export interface AudioCodec {
  /** The encoding name of the SDP (`rtpmap`), as registered; compared without regard to case. */
  readonly name: string
  /** RTP timestamp units per second, as in the `rtpmap`. For G.722 this is 8000 although the audio has 16000 samples. */
  readonly clockRate: number
  /** Samples per second and channel of the PCM. */
  readonly sampleRate: number
  readonly channels: number
  /** The static payload type of RFC 3551, where there is one. */
  readonly payloadType?: number
  /** Octets that `samples` samples (all channels) may need at most. */
  maxPayloadBytes(samples: number): number
  /** Samples (all channels) that a payload of `bytes` octets may give at most. */
  maxSamples(bytes: number): number
  encoder(): Encoder
  decoder(): Decoder
}

/** The codec of that SDP name and clock rate among `codecs`, or `undefined`. */
export function findCodec(
  codecs: readonly AudioCodec[],
  name: string,
  clockRate: number,
): AudioCodec | undefined {
  const wanted = name.toLowerCase()
  return codecs.find(codec => codec.clockRate === clockRate && codec.name.toLowerCase() === wanted)
}
