import { burstRatioOf, estimateQuality } from '../rtp/e-model.ts'
import type { Quality } from '../rtp/e-model.ts'
import type { BurstSnapshot } from '../rtp/loss-bursts.ts'
import type { VoipMetrics } from '../rtp/rtcp-xr.ts'
import { UNKNOWN_METRIC } from '../rtp/rtcp-xr.ts'

/** The E-model's verdict on one direction (ITU-T G.107, see docs/statistics.md). */
export type StreamQuality = Quality

/** What the jitter buffer of a peer is taken to add, ms, until its extended reports say. */
const PEER_BUFFER_MS = 60

/** Of what we hear. The network's way is half the round trip; without one only the delay of our own buffer is known. */
export function receivedQuality(options: {
  readonly codec: string
  readonly bursts: BurstSnapshot
  readonly roundTripMs: number | undefined
  readonly bufferMs: number
  readonly packetMs: number
}): StreamQuality | undefined {
  const { codec, bursts, roundTripMs = 0, bufferMs, packetMs } = options
  if (bursts.packets === 0) return undefined
  const missing = bursts.lost + bursts.discarded
  return estimateQuality({
    codec,
    lossRatio: missing / bursts.packets,
    burstRatio: burstRatioOf(missing, bursts.runs, bursts.packets),
    delayMs: roundTripMs / 2 + bufferMs + packetMs,
  })
}

/** Of what the peer hears, by its reports. Its own figures count where it sends them (RFC 3611 §4.7). */
export function sentQuality(options: {
  readonly codec: string
  readonly lossRatio: number
  readonly metrics: VoipMetrics | undefined
  readonly roundTripMs: number | undefined
  readonly packetMs: number
}): StreamQuality {
  const { codec, lossRatio, metrics, roundTripMs = 0, packetMs } = options
  const discarded = (metrics?.discardRate ?? 0) / 256
  const atPeer = metrics?.endSystemDelay || PEER_BUFFER_MS + packetMs
  const own = estimateQuality({
    codec,
    lossRatio: lossRatio + discarded,
    delayMs: roundTripMs / 2 + atPeer,
  })
  return {
    rFactor: told(metrics?.rFactor, 0, 100) ?? own.rFactor,
    mos: told(metrics?.mosConversational, 10, 50, 10) ?? own.mos,
    mosListening: told(metrics?.mosListening, 10, 50, 10) ?? own.mosListening,
  }
}

function told(value: number | undefined, least: number, most: number, scale = 1): number | undefined {
  if (value === undefined || value === UNKNOWN_METRIC || value < least || value > most) return undefined
  return value / scale
}
