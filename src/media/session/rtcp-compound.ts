import type { BurstSnapshot } from '../rtp/loss-bursts.ts'
import { GMIN } from '../rtp/loss-bursts.ts'
import type { NtpTime } from '../rtp/ntp-clock.ts'
import { delayUnits } from '../rtp/ntp-clock.ts'
import type { RtcpPacket } from '../rtp/rtcp.ts'
import type { ExtendedBlock, VoipMetrics } from '../rtp/rtcp-xr.ts'
import { UNKNOWN_METRIC } from '../rtp/rtcp-xr.ts'
import type { ReceptionReport } from '../rtp/statistics.ts'
import type { StreamQuality } from './quality.ts'
import type { MediaReceiver } from './receiver.ts'
import type { RtcpPeer } from './rtcp-peer.ts'

/** All that a compound says. */
export interface CompoundParts {
  readonly ssrc: number
  readonly cname: string
  readonly time: NtpTime
  /** Present: a sender report. */
  readonly sender:
    | { readonly rtpTimestamp: number; readonly packets: number; readonly octets: number }
    | undefined
  /** Present: RTP came since the report before. */
  readonly reception: ReceptionReport | undefined
  readonly peer: RtcpPeer
  /** On the clock of `peer`, ms. */
  readonly now: number
  readonly metrics: VoipMetrics | undefined
  /** Whether to send extended reports. */
  readonly extended: boolean
  /** Sources that end with it. */
  readonly bye: readonly number[]
}

/** A compound as RFC 3550 §6.1 orders it: a report, who we are, extended reports, and who leaves. */
export function compound(parts: CompoundParts): RtcpPacket[] {
  const { ssrc, cname, bye } = parts
  const blocks = parts.extended ? extendedBlocks(parts) : []
  return [
    report(parts),
    { type: 'source-description', sources: [{ ssrc, cname }] },
    ...(blocks.length === 0 ? [] : [{ type: 'extended-report' as const, ssrc, blocks }]),
    ...(bye.length === 0 ? [] : [{ type: 'bye' as const, ssrcs: bye }]),
  ]
}

function report({ ssrc, time, sender, reception, peer, now }: CompoundParts): RtcpPacket {
  const last = peer.senderReport?.ssrc === reception?.ssrc ? peer.senderReport : undefined
  const reports =
    reception === undefined
      ? []
      : [
          {
            ...reception,
            lastSenderReport: last?.time ?? 0,
            delaySinceLastSenderReport: last === undefined ? 0 : delayUnits(now - last.at),
          },
        ]
  if (sender === undefined) return { type: 'receiver-report', ssrc, reports }
  return {
    type: 'sender-report',
    ssrc,
    ntpSeconds: time.seconds,
    ntpFraction: time.fraction,
    rtpTimestamp: sender.rtpTimestamp,
    packets: sender.packets >>> 0,
    octets: sender.octets >>> 0,
    reports,
  }
}

/** The reference time alone gives a side that sends no audio its round trip (RFC 3611 §4.4, §4.5). */
function extendedBlocks({ sender, time, peer, now, metrics }: CompoundParts): ExtendedBlock[] {
  const blocks: ExtendedBlock[] = []
  if (sender === undefined) {
    blocks.push({ type: 'receiver-reference-time', ntpSeconds: time.seconds, ntpFraction: time.fraction })
  }
  const reference = peer.referenceTime
  if (reference !== undefined) {
    blocks.push({
      type: 'delay-since-last-receiver-report',
      references: [
        {
          ssrc: reference.ssrc,
          lastReceiverReport: reference.time,
          delaySinceLastReceiverReport: delayUnits(now - reference.at),
        },
      ],
    })
  }
  if (metrics !== undefined) blocks.push({ type: 'voip-metrics', ...metrics })
  return blocks
}

export interface MetricsParts {
  readonly ssrc: number
  readonly bursts: BurstSnapshot
  readonly jitter: NonNullable<ReturnType<MediaReceiver['jitter']>>
  readonly packetMs: number
  readonly roundTripMs: number | undefined
  readonly quality: StreamQuality | undefined
}

/** What we measured of the peer's stream, as RFC 3611 §4.7 packs it. */
export function voipMetrics(parts: MetricsParts): VoipMetrics {
  const { ssrc, bursts, jitter, packetMs, quality } = parts
  const times = burstTimes(bursts, packetMs)
  return {
    ssrc,
    lossRate: share(bursts.lost, bursts.packets),
    discardRate: share(bursts.discarded, bursts.packets),
    burstDensity: share(bursts.burstLost, bursts.burstPackets),
    gapDensity: share(bursts.gapLost, bursts.gapPackets),
    burstDuration: word(times.burstMs),
    gapDuration: word(times.gapMs),
    roundTripDelay: word(parts.roundTripMs ?? 0),
    endSystemDelay: word(jitter.delayMs + packetMs),
    signalLevel: UNKNOWN_METRIC,
    noiseLevel: UNKNOWN_METRIC,
    residualEchoReturnLoss: UNKNOWN_METRIC,
    gmin: GMIN,
    rFactor: quality === undefined ? UNKNOWN_METRIC : Math.round(quality.rFactor),
    externalRFactor: UNKNOWN_METRIC,
    mosListening: quality === undefined ? UNKNOWN_METRIC : Math.round(quality.mosListening * 10),
    mosConversational: quality === undefined ? UNKNOWN_METRIC : Math.round(quality.mos * 10),
    receiverConfiguration: ENHANCED_CONCEALMENT | ADAPTIVE_BUFFER,
    jitterBufferNominal: word(jitter.targetDelayMs),
    jitterBufferMaximum: word(Math.max(jitter.targetDelayMs, jitter.delayMs)),
    jitterBufferAbsoluteMaximum: word(jitter.maxDelayMs),
  }
}

/** Mean lengths of bursts and gaps, ms. */
export function burstTimes(
  bursts: BurstSnapshot,
  packetMs: number,
): { readonly burstMs: number; readonly gapMs: number } {
  return {
    burstMs: bursts.bursts === 0 ? 0 : (bursts.burstPackets * packetMs) / bursts.bursts,
    gapMs: bursts.gaps === 0 ? 0 : (bursts.gapPackets * packetMs) / bursts.gaps,
  }
}

/** Of the jitter buffer, unless its owner says otherwise. */
const ENHANCED_CONCEALMENT = 0b1000_0000
const ADAPTIVE_BUFFER = 0b0011_0000

/** In 256ths, as one octet. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(255, Math.floor((part * 256) / whole))
}

function word(ms: number): number {
  return Math.min(0xffff, Math.max(0, Math.round(ms)))
}
