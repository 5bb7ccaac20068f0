import type { CodecCapability } from './capabilities.ts'
import type { MediaDescription } from './description.ts'
import type { FormatPair, NegotiatedCodec } from './negotiated.ts'

/** What is sent in place of silence (RFC 3389). */
export interface NegotiatedComfortNoise {
  /** The number the peer expects in packets we send. */
  readonly payloadType: number
  /** Samples per second that the spectrum is described for; the RTP clock of the codec beside it. */
  readonly clockRate: number
}

/** Rates of the codecs that comfort noise is for: others, of a 48,000 clock, are Opus, which has its own, or music. */
const rates: ReadonlySet<number> = new Set([8000, 16_000])

/** The formats to offer and to take beside those codecs: 13 at 8000, a dynamic number at 16,000 (RFC 3389 §4). */
export function comfortNoiseBeside(codecs: readonly { readonly clockRate: number }[]): CodecCapability[] {
  const wanted = new Set(codecs.map(codec => codec.clockRate).filter(clockRate => rates.has(clockRate)))
  return [...wanted].map(clockRate => ({ name: 'CN', clockRate }))
}

/** What to send beside `codec`: RFC 3389 §4 wants the clock rate of the codec. Nothing to a peer that says `silenceSupp:off`. */
export function comfortNoiseFor(
  codec: Pick<NegotiatedCodec, 'clockRate'>,
  agreed: readonly FormatPair[],
  remote: Pick<MediaDescription, 'attributes'>,
): NegotiatedComfortNoise | undefined {
  const { clockRate } = codec
  const pair = agreed.find(({ sent }) => sent.clockRate === clockRate)
  if (pair === undefined || refusesSuppression(remote)) return undefined
  return { payloadType: pair.sent.payloadType, clockRate }
}

/** `a=silenceSupp:off - - - -` (RFC 3108). */
function refusesSuppression({ attributes }: Pick<MediaDescription, 'attributes'>): boolean {
  return attributes.some(
    ({ name, value = '' }) => name.toLowerCase() === 'silencesupp' && /^\s*off\b/i.test(value),
  )
}
