import type { MediaStats } from '../media/session/types.ts'
import type { CarrierId } from '../call/carrier-ids.ts'
import type { CallEnded } from '../call/call-ended.ts'
import type { TransferRecord } from './transfers.ts'
import type { EngineRecord } from './engines.ts'
import { engineLines } from './engines.ts'
import { routeLines } from './routes.ts'
import type { RouteRecord } from './routes.ts'
import { transferLines } from './transfers.ts'
import type { Admitted } from '../sip/auth/admission.ts'

/** Moments of a call, ISO 8601 with milliseconds. A moment that never came is absent. */
export interface CallTimes {
  /** The first INVITE. */
  invite?: string
  /** 100 Trying. */
  trying?: string
  /** The first provisional response above 100. */
  ringing?: string
  /** The first final response to the INVITE. */
  final?: string
  /** The ACK. */
  ack?: string
  /** The first BYE or CANCEL. */
  end?: string
}

/** How the call sounded, as far as it is known; docs/statistics.md tells what the figures mean. */
export interface CallQuality {
  /** MOS of what we heard, 1 to 4.5. */
  readonly mosReceived?: number
  /** MOS of what the peer heard, by its reports. */
  readonly mosSent?: number
  readonly roundTripMs?: { readonly min: number; readonly mean: number; readonly max: number }
  /** Clusters of loss (RFC 3611 §4.7.2), and most packets missing in a row. */
  readonly bursts: number
  readonly longestLoss: number
  /** Of our packets, what the peer reports to have lost, 0 to 1. */
  readonly lossRatioSent?: number
  /** The jitter the peer reports. */
  readonly jitterMsSent?: number
}

export interface CallMedia {
  readonly codec: string
  /** The suite of SRTP at the end; absent for plain RTP. */
  readonly encryption?: string
  /** True when its keys went over signalling that is not encrypted; otherwise absent. */
  readonly keysInClear?: true
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly lost: number
  /** Lost packets of those expected, 0 to 1. */
  readonly lossRatio: number
  readonly late: number
  readonly duplicates: number
  readonly reordered: number
  readonly jitterMs: number
  readonly concealedMs: number
  /** Packets thrown away: not RTP, of a type nobody agreed on, from a stranger, or refused by SRTP. */
  readonly discarded: number
  /** Other sources that sent RTP to our port, and their packets with the peer's SSRC; absent when there were none. */
  readonly strangers?: { readonly sources: number; readonly packets: number; readonly spoofed: number }
  /** Of a call over a carrier's WebSocket: what it did too much or not well, by name, where above 0. */
  readonly counters?: Readonly<Record<string, number>>
  /** Milliseconds the jitter buffer held audio back at the end. */
  readonly bufferMs: number
  readonly quality: CallQuality
}

/**
 * All that is worth keeping of one call, as one JSON object. What identifies people stands under `personal` alone, so
 * that it can be dropped or encrypted without looking further.
 */
export interface CallRecord {
  /** Ours. */
  readonly id: string
  /** The SIP Call-ID. */
  readonly callId: string
  /** What carriers call it, from the headers of the INVITE and of the responses to it. */
  readonly carrierIds: readonly CarrierId[]
  readonly direction: 'inbound' | 'outbound'
  readonly state: 'in progress' | 'ended'
  readonly personal: {
    /** URIs as the From and To headers have them. */
    readonly from: string
    readonly to: string
    /** The user part of the Request-URI: the number that was dialled. */
    readonly dialled: string
    /** Whom the admission policy took the caller for. */
    readonly admittedUser?: string
    /** Digits received and sent, in order, the first 256 each; one `*` each when masked. */
    readonly digitsReceived: string
    readonly digitsSent: string
    /** Whom it was, or was to be, transferred to. */
    readonly transferTargets?: readonly string[]
    /** Where a 3xx that was not followed pointed. */
    readonly redirectTargets?: readonly string[]
  }
  /** Which policy let the call in, and the realm where there is one; absent where the endpoint asks nobody. */
  readonly admission?: { readonly by: string; readonly realm?: string }
  /** Address and transport of the peer in signalling. */
  readonly peer?: string
  readonly times: CallTimes
  /** From INVITE to the 2xx. */
  readonly setupMs?: number
  /** From the 2xx to the end. */
  readonly durationMs?: number
  readonly ended?: Omit<CallEnded, 'error' | 'durationMs' | 'targets'> & { readonly error?: string }
  readonly media?: CallMedia
  /** The first 16; absent when there were none. */
  readonly transfers?: readonly TransferRecord[]
  /** What routing did with the call, step by step, the first 16; absent when there was no routing. */
  readonly routes?: readonly RouteRecord[]
  /** The engines that had the call, in order, the first 16; absent when there were none outside the process. */
  readonly engines?: readonly EngineRecord[]
  /** The first 64 files. */
  readonly recordings: readonly string[]
  /** Digits beyond the first 256 each way; absent when there were none. */
  readonly digitsDropped?: number
  /** Recordings beyond the first 64; absent when there were none. */
  readonly recordingsDropped?: number
}

export function callMedia(codec: string, stats: MediaStats): CallMedia {
  const expected = stats.packetsReceived + stats.lost
  const encryption = stats.srtp?.suite
  return {
    codec,
    ...(encryption !== undefined && { encryption }),
    ...(stats.srtp?.keysInClear === true && { keysInClear: true }),
    packetsSent: stats.packetsSent,
    packetsReceived: stats.packetsReceived,
    lost: stats.lost,
    lossRatio: expected <= 0 ? 0 : round(stats.lost / expected, 4),
    late: stats.late,
    duplicates: stats.duplicates,
    reordered: stats.reordered,
    jitterMs: round(stats.jitterMs, 2),
    concealedMs: round(stats.concealedMs, 1),
    discarded: Object.values(stats.discarded).reduce((sum, count) => sum + count, 0),
    ...(stats.strangers > 0 && {
      strangers: { sources: stats.strangers, packets: stats.discarded.stray, spoofed: stats.spoofed },
    }),
    bufferMs: round(stats.bufferMs, 1),
    quality: callQuality(stats),
  }
}

function callQuality({ quality, roundTrip, bursts, remote }: MediaStats): CallQuality {
  return {
    ...(quality.received && { mosReceived: round(quality.received.mos, 2) }),
    ...(quality.sent && { mosSent: round(quality.sent.mos, 2) }),
    ...(roundTrip && {
      roundTripMs: {
        min: round(roundTrip.minMs, 1),
        mean: round(roundTrip.meanMs, 1),
        max: round(roundTrip.maxMs, 1),
      },
    }),
    bursts: bursts.bursts,
    longestLoss: bursts.longestLoss,
    ...(remote && { lossRatioSent: round(remote.lossRatio, 4), jitterMsSent: round(remote.jitterMs, 2) }),
  }
}

/** What of an admission may be kept without care; the user is personal. */
export function admissionOf(admitted: Admitted | undefined): Pick<CallRecord, 'admission'> {
  if (admitted === undefined) return {}
  const { by, realm } = admitted
  return { admission: realm === undefined ? { by } : { by, realm } }
}

/** The record in sentences, for people. */
export function describeCall(record: CallRecord): string {
  const lines = [
    `${record.direction === 'inbound' ? 'Incoming' : 'Outgoing'} call ${record.id} (Call-ID ${record.callId})`,
    `  from ${record.personal.from} to ${record.personal.to}${record.personal.dialled ? `, dialled ${record.personal.dialled}` : ''}`,
    ...record.carrierIds.map(id => `  ${id.carrier} calls it ${id.field} ${id.value}`),
    ...(record.admission === undefined ? [] : [`  let in by ${record.admission.by}`]),
    ...answerLines(record),
    ...mediaLines(record),
    ...(record.personal.digitsReceived ? [`  digits received: ${record.personal.digitsReceived}`] : []),
    ...(record.personal.digitsSent ? [`  digits sent: ${record.personal.digitsSent}`] : []),
    ...transferLines(record.transfers),
    ...routeLines(record.routes),
    ...engineLines(record.engines),
    ...record.recordings.map(file => `  recorded to ${file}`),
    endLine(record),
  ]
  return lines.join('\n')
}

function answerLines(record: CallRecord): string[] {
  if (record.setupMs === undefined) return []
  return [`  answered ${Math.round(record.setupMs)} ms after the INVITE`]
}

function mediaLines({ media }: CallRecord): string[] {
  if (media === undefined) return []
  const keys = media.keysInClear === true ? ' with keys sent in the clear' : ''
  const how = media.encryption === undefined ? '' : `, ${media.encryption}${keys}`
  const loss = `${media.lost} lost (${(media.lossRatio * 100).toFixed(1)} %)`
  return [
    `  audio ${media.codec}${how}: ${media.packetsReceived} packets in, ${media.packetsSent} out, ${loss}, jitter ${media.jitterMs} ms, ${media.concealedMs} ms concealed`,
    ...qualityLines(media.quality),
  ]
}

function qualityLines({ mosReceived, mosSent, roundTripMs, lossRatioSent }: CallQuality): string[] {
  const parts = [
    ...(mosReceived === undefined ? [] : [`MOS ${mosReceived} here`]),
    ...(mosSent === undefined ? [] : [`MOS ${mosSent} there`]),
    ...(roundTripMs === undefined ? [] : [`round trip ${roundTripMs.mean} ms`]),
    ...(lossRatioSent === undefined ? [] : [`${(lossRatioSent * 100).toFixed(1)} % of ours lost`]),
  ]
  return parts.length === 0 ? [] : [`  quality: ${parts.join(', ')}`]
}

function endLine(record: CallRecord): string {
  const { ended } = record
  if (ended === undefined) return '  still in progress'
  const status =
    ended.statusCode === undefined
      ? ''
      : ` (${ended.statusCode}${ended.reasonPhrase ? ` ${ended.reasonPhrase}` : ''})`
  const reason = ended.reason === undefined ? '' : `, reason ${ended.reason.protocol} ${ended.reason.cause}`
  const seconds = ((record.durationMs ?? 0) / 1000).toFixed(1)
  return `  ended by ${ended.by}: ${ended.cause}${status}${reason}, after ${seconds} s`
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
