/** How Opus is to be encoded and received. */
export interface OpusOptions {
  /**
   * Samples per second inside of us, whatever the peer has: 8000, 12000, 16000, 24000 (default) or 48000. It is the rate of
   * `input` and `output` of a call that begins with Opus, and the peer is told not to send more (`maxplaybackrate`).
   * The RTP clock is 48000 always (RFC 7587 §4.1).
   */
  readonly sampleRate?: OpusSampleRate
  /** 1 (default) or 2; the frames of a call are mono, so 2 serves only who uses the codec by itself. */
  readonly channels?: 1 | 2
  /**
   * Bits per second to encode with on average, 6000 to 510,000; less when the peer asks for less (`maxaveragebitrate`).
   * Default by the sample rate: 16,000 at 8 kHz, 24,000 at 16 kHz, 32,000 at 24 kHz, 40,000 at 48 kHz.
   */
  readonly bitrate?: number
  /** Tell the peer to send no more than so many bits per second. */
  readonly maxReceiveBitrate?: number
  /** Ask the peer for in-band forward error correction (default true). Ours goes by what the peer asks for and loses. */
  readonly fec?: boolean
  /** Loss to reckon with in percent, 0 (default) to 100, until the peer reports its own by RTCP. */
  readonly expectedLoss?: number
  /**
   * Send nothing in silence, which is what is no speech below -45 dBFS, but a packet every 400 ms, and ask the peer for the same. Default
   * false; also done when the peer asks.
   */
  readonly dtx?: boolean
  /** Constant bitrate, and ask the peer for it. Default false; also done when the peer asks. */
  readonly cbr?: boolean
  /** What an encoder may spend, 0 to 10; default 5. See docs/codecs.md for the processor time of each. */
  readonly complexity?: number
}

export type OpusSampleRate = 8000 | 12_000 | 16_000 | 24_000 | 48_000
