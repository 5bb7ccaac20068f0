import { OptionError } from '../../runtime/errors.ts'

/** How long sound waits for the stragglers of the network. */
export interface PlayoutDelayOptions {
  /** Bounds of the play-out delay, ms. Defaults 20 and 500. */
  readonly minDelayMs?: number
  readonly maxDelayMs?: number
  /** Delay before anything is known about the network, ms. Default 20, within the bounds. */
  readonly startDelayMs?: number
  /** The delay stays at `startDelayMs`, whatever the network does; only drift between the clocks is compensated. Default false. */
  readonly fixedDelay?: boolean
}

export interface JitterBufferOptions extends PlayoutDelayOptions {
  /** Of the RTP timestamps, Hz (8000 for G.711 and G.722, 48000 for Opus); `useClock` changes it. */
  readonly clockRate: number
  /** How long the packet's sound lasts, ms; 0 for a payload that cannot be played, which is dropped. */
  readonly durationMsOf: (payload: Uint8Array, payloadType: number) => number
  /** Whether a short payload (below 40 octets) says that the peer fell silent: comfort noise (RFC 3389), DTX of a codec. */
  readonly isNoise?: (payload: Uint8Array, payloadType: number) => boolean
  /** Whether the decoder of that payload type may know how to recover the packet before (in-band FEC). */
  readonly recovers?: (payloadType: number) => boolean
  /** How much is concealed or silent at a time at most, ms. Default 20. */
  readonly frameMs?: number
  /** How long a gap is concealed before it counts as a pause of the other side, ms. Default 120. */
  readonly maxConcealMs?: number
  /** Packets held at most, a power of two; a packet more drops the oldest. Default 64. */
  readonly capacity?: number
}

export interface DelayBounds {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly startDelayMs: number
  readonly fixed: boolean
}

/** The bounds with their defaults. Throws `OptionError` for bounds that contradict each other. */
export function delayBounds(options: PlayoutDelayOptions): DelayBounds {
  const { minDelayMs = 20, maxDelayMs = 500 } = options
  const startDelayMs = options.startDelayMs ?? Math.min(Math.max(20, minDelayMs), maxDelayMs)
  if (!(minDelayMs >= 0 && minDelayMs <= startDelayMs && startDelayMs <= maxDelayMs)) {
    throw new OptionError(
      'startDelayMs',
      `delays must satisfy 0 <= min <= start <= max, not ${minDelayMs}, ${startDelayMs}, ${maxDelayMs}`,
    )
  }
  return { minDelayMs, maxDelayMs, startDelayMs, fixed: options.fixedDelay ?? false }
}
