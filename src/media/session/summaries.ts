import type { LiveAudioSink } from '../audio/audio-sink.ts'
import type { LiveAudioSource } from '../audio/audio-source.ts'
import type { BurstSnapshot } from '../rtp/loss-bursts.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import type { MediaFlow } from './flow.ts'
import { burstTimes } from './rtcp-compound.ts'
import type { RtcpSession } from './rtcp-session.ts'
import type { BurstStats, MediaChange, MediaStats, RemoteStats } from './types.ts'

/** Where the figures of `MediaStats` come from; parts that do not exist yet count nothing. */
export interface StatsParts {
  readonly flow: MediaFlow | undefined
  readonly rtcp: RtcpSession | undefined
  readonly packetMs: number
  readonly source: LiveAudioSource | undefined
  readonly sink: LiveAudioSink | undefined
  readonly keysInClear: boolean
  /** Came before there was an agreement. */
  readonly early: number
  readonly unheardMs: number
  readonly networkErrors: number
  readonly dtmfReceived: number
  readonly dtmfMerged: number
  readonly dtmfSent: number
  readonly dtmfDropped: number
}

export function mediaStats(parts: StatsParts): MediaStats {
  const { flow, source, sink } = parts
  const receiver = flow?.receiver
  const sender = flow?.sender
  const reception = receiver?.reception()
  const jitter = receiver?.jitter()
  const sources = flow?.sources
  return {
    packetsSent: sender?.packets ?? 0,
    octetsSent: sender?.octets ?? 0,
    packetsReceived: reception?.packets ?? 0,
    octetsReceived: reception?.octets ?? 0,
    lost: reception?.lost ?? 0,
    late: jitter?.late ?? 0,
    duplicates: reception?.duplicates ?? 0,
    reordered: reception?.reordered ?? 0,
    concealedMs: receiver?.concealedMs ?? 0,
    jitterMs: reception?.jitterMs ?? 0,
    bufferMs: jitter?.delayMs ?? 0,
    discarded: {
      malformed: receiver?.malformed ?? 0,
      payloadType: receiver?.wrongPayloadType ?? 0,
      stray: sources?.strays ?? 0,
      sequence: reception?.ignored ?? 0,
      crypto: flow?.crypto?.failed ?? 0,
      early: parts.early,
    },
    strangers: sources?.sources ?? 0,
    spoofed: sources?.spoofed ?? 0,
    rebinds: sources?.rebinds ?? 0,
    networkErrors: parts.networkErrors,
    ...srtpStats(flow, parts.keysInClear),
    dtmfReceived: parts.dtmfReceived,
    dtmfMerged: parts.dtmfMerged,
    dtmfSent: parts.dtmfSent,
    dtmfDropped: parts.dtmfDropped,
    inputDroppedFrames: source?.droppedFrames ?? 0,
    outputRefusedMs: sink?.refusedMs ?? 0,
    skippedTicks: flow?.skippedTicks ?? 0,
    bursts: burstStats(receiver?.bursts(), parts.packetMs),
    unheardMs: parts.unheardMs,
    quality: {},
    ...(parts.rtcp && rtcpStats(parts.rtcp)),
  }
}

function burstStats(bursts: BurstSnapshot | undefined, packetMs: number): BurstStats {
  const times = bursts && burstTimes(bursts, packetMs)
  return {
    bursts: bursts?.bursts ?? 0,
    burstLossRatio: ratio(bursts?.burstLost, bursts?.burstPackets),
    gapLossRatio: ratio(bursts?.gapLost, bursts?.gapPackets),
    burstMs: times?.burstMs ?? 0,
    gapMs: times?.gapMs ?? 0,
    longestLoss: bursts?.longestRun ?? 0,
  }
}

function ratio(part = 0, whole = 0): number {
  return whole === 0 ? 0 : part / whole
}

function rtcpStats(rtcp: RtcpSession): Pick<MediaStats, 'roundTrip' | 'remote' | 'quality' | 'rtcp'> {
  const { roundTrip, receivedQuality: received, sentQuality: sent, counters } = rtcp
  const remote = remoteStats(rtcp)
  return {
    ...(roundTrip && { roundTrip }),
    ...(remote && { remote }),
    quality: { ...(received && { received }), ...(sent && { sent }) },
    rtcp: counters,
  }
}

function remoteStats({ peer }: RtcpSession): RemoteStats | undefined {
  const { reception, metrics, reports } = peer
  if (reception === undefined) return undefined
  return {
    reports,
    ...reception,
    ...(metrics && {
      discardRatio: metrics.discardRate / 256,
      endSystemDelayMs: metrics.endSystemDelay,
    }),
  }
}

export function changeBetween(before: NegotiatedAudio | undefined, audio: NegotiatedAudio): MediaChange {
  const sameCodec =
    before?.codec.name === audio.codec.name && before.codec.clockRate === audio.codec.clockRate
  const sameAddress =
    before?.remote?.address === audio.remote?.address && before?.remote?.port === audio.remote?.port
  return {
    audio,
    first: before === undefined,
    localHold: audio.localHold,
    remoteHold: audio.remoteHold,
    codecChanged: !sameCodec,
    addressChanged: before === undefined || !sameAddress,
    directionChanged: before?.direction !== audio.direction,
  }
}

function srtpStats(flow: MediaFlow | undefined, keysInClear: boolean): Pick<MediaStats, 'srtp'> {
  const crypto = flow?.crypto
  if (crypto === undefined) return {}
  const suite = flow?.encryption
  return { srtp: { ...(suite !== undefined && { suite }), keysInClear, failures: crypto.failures } }
}
