/** Turns PCM into payloads, one stream in one direction. May hold state; never share one between streams. */
export interface Encoder {
  /**
   * Encodes one frame: `pcm` is signed 16-bit at the codec's `sampleRate`, interleaved when it has more than one channel.
   * Returns the octets written to the start of `out`, which must hold `maxPayloadBytes(pcm.length)`; 0 when there is
   * nothing to send for this frame (discontinuous transmission).
   */
  encode(pcm: Int16Array, out: Uint8Array): number
  /** What the peer reports to lose, 0 to 100: a codec with forward error correction spends accordingly. */
  expectLoss?(percent: number): void
  /** Gives back what does not fall to the garbage collector, as memory of WebAssembly. Not to be used afterwards. */
  close?(): void
}

/** Turns payloads into PCM, one stream in one direction. */
export interface Decoder {
  /**
   * Decodes one RTP payload to signed 16-bit PCM. Returns the samples (all channels) written to the start of `out`,
   * which must hold `maxSamples(payload.length)`. A payload that is too long for `out` is cut, never an error.
   */
  decode(payload: Uint8Array, out: Int16Array): number
  /** The codec's own concealment of a loss: fills all of `out` and returns its length. Without it ours is used. */
  conceal?(out: Int16Array): number
  /**
   * In-band forward error correction: fills `out` with the lost frame just before `payload`, as `payload` remembers it, and
   * returns its length; 0 when it remembers none. Called before `decode` of the same payload.
   */
  recover?(payload: Uint8Array, out: Int16Array): number
  /** Gives back what does not fall to the garbage collector, as memory of WebAssembly. Not to be used afterwards. */
  close?(): void
}

/** What was agreed on for one direction of one stream. */
export interface CodecParameters {
  /** The `fmtp` value of the side that receives: the peer's for an encoder, ours for a decoder. */
  readonly fmtp?: string
  /** Milliseconds of audio per packet. */
  readonly ptime?: number
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
  /** Channels in the `rtpmap` where they are not those of the PCM: 2 for Opus, always (RFC 7587 §7). */
  readonly rtpmapChannels?: number
  /** Packet lengths it can make, in ms, ascending; every multiple of 10 unless given. */
  readonly ptimes?: readonly number[]
  /** The static payload type of RFC 3551, where there is one. */
  readonly payloadType?: number
  /** Our parameters for the SDP: how we want to receive this codec. */
  readonly fmtp?: string
  /** Nobody here can decode it: it is heard as silence, nothing is sent with it, and only a bridge passes it on. */
  readonly passthrough?: true
  /** Octets that `samples` samples (all channels) may need at most. */
  maxPayloadBytes(samples: number): number
  /** Samples (all channels) that a payload of `bytes` octets may give at most. */
  maxSamples(bytes: number): number
  /** Samples (all channels) in this very payload, where its length alone does not tell; otherwise `maxSamples` does. */
  samplesIn?(payload: Uint8Array): number
  encoder(parameters?: CodecParameters): Encoder
  decoder(parameters?: CodecParameters): Decoder
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

/** Whether `text` means that codec: its name, or its name and clock rate (`L16/16000`), in any case. */
export function isNamed(codec: AudioCodec, text: string): boolean {
  const wanted = text.toLowerCase()
  const name = codec.name.toLowerCase()
  return wanted === name || wanted === `${name}/${codec.clockRate}`
}
