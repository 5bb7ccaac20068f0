import { OptionError } from '../../runtime/errors.ts'

/** How long sound waits for the stragglers of the network (docs/jitter-buffer.md). */
export interface PlayoutDelayOptions {
  /** Bounds of the play-out delay, ms. Defaults 20 (or `startDelayMs`, if that is less) and 500; 1000 at most. */
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

/** A buffer of 64 packets holds no more of 20 ms, ms. */
const LONGEST_MS = 1000

/**
 * The bounds with their defaults. Throws `OptionError` for bounds that contradict each other; `field` is what their names begin
 * with in it.
 */
export function delayBounds(options: PlayoutDelayOptions, field = ''): DelayBounds {
  const { minDelayMs, maxDelayMs = 500, startDelayMs, fixedDelay = false } = options
  for (const name of ['minDelayMs', 'maxDelayMs', 'startDelayMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(Number.isFinite(value) && value >= 0 && value <= LONGEST_MS)) {
      throw new OptionError(
        `${field}${name}`,
        `${value} is not a number of milliseconds from 0 to ${LONGEST_MS}`,
      )
    }
  }
  if (typeof fixedDelay !== 'boolean') {
    throw new OptionError(`${field}fixedDelay`, `${String(fixedDelay)} is neither true nor false`)
  }
  const least = minDelayMs ?? Math.min(20, startDelayMs ?? 20, maxDelayMs)
  const start = startDelayMs ?? Math.max(20, least)
  if (least > maxDelayMs) {
    throw new OptionError(
      `${field}minDelayMs`,
      `${least} is above maxDelayMs, ${maxDelayMs}; lower it or raise maxDelayMs`,
    )
  }
  if (startDelayMs !== undefined && !(start >= least && start <= maxDelayMs)) {
    throw new OptionError(
      `${field}startDelayMs`,
      `${start} is not between minDelayMs, ${least}, and maxDelayMs, ${maxDelayMs}`,
    )
  }
  return { minDelayMs: least, maxDelayMs, startDelayMs: Math.min(start, maxDelayMs), fixed: fixedDelay }
}
