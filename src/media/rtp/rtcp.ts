/** RTCP packets: sender and receiver reports, source descriptions, BYE (RFC 3550 §6.4-6.6), extended reports, in compounds. */

import { readExtendedBlocks, writeExtendedBlocks } from './rtcp-xr.ts'
import type { ExtendedBlock } from './rtcp-xr.ts'

/** Octets read at most from a compound; a datagram cannot be longer. */
const MAX_COMPOUND = 65_535
const SDES_CNAME = 1

const encoder = new TextEncoder()
// A leading byte order mark is the sender's text, not ours to drop.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export const RTCP_TYPE = {
  senderReport: 200,
  receiverReport: 201,
  sourceDescription: 202,
  bye: 203,
  extendedReport: 207,
} as const

/** A reception report block (RFC 3550 §6.4.1). */
export interface ReportBlock {
  readonly ssrc: number
  /** Lost since the last report, in 256ths. */
  readonly fractionLost: number
  /** Signed 24 bits. */
  readonly cumulativeLost: number
  /** With the count of wraps in the upper 16 bits. */
  readonly highestSequence: number
  /** Timestamp units. */
  readonly jitter: number
  /** Middle 32 bits of the NTP time of the last sender report received, 0 for none. */
  readonly lastSenderReport: number
  /** Since that report came, in 1/65536 s. */
  readonly delaySinceLastSenderReport: number
}

export type RtcpPacket =
  | {
      readonly type: 'sender-report'
      readonly ssrc: number
      /** NTP time as 32 bits of seconds since 1900 and 32 bits of fraction. */
      readonly ntpSeconds: number
      readonly ntpFraction: number
      readonly rtpTimestamp: number
      readonly packets: number
      readonly octets: number
      readonly reports: readonly ReportBlock[]
    }
  | { readonly type: 'receiver-report'; readonly ssrc: number; readonly reports: readonly ReportBlock[] }
  | {
      readonly type: 'source-description'
      readonly sources: readonly { readonly ssrc: number; readonly cname: string }[]
    }
  | { readonly type: 'bye'; readonly ssrcs: readonly number[]; readonly reason?: string }
  /** RFC 3611. */
  | { readonly type: 'extended-report'; readonly ssrc: number; readonly blocks: readonly ExtendedBlock[] }
  /** A type this reader does not know (APP, feedback): its body, as a view. */
  | { readonly type: 'other'; readonly packetType: number; readonly count: number; readonly body: Uint8Array }

/**
 * Reads a compound. Undefined when it is not RTCP as RFC 3550 A.2 checks it: version, lengths that add up, padding only on the
 * last packet, counts that fit. `reducedSize` also takes compounds that begin with something else than a report (RFC 5506).
 */
export function parseRtcp(
  bytes: Uint8Array,
  options: { reducedSize?: boolean } = {},
): RtcpPacket[] | undefined {
  if (bytes.length < 4 || bytes.length > MAX_COMPOUND || bytes.length % 4 !== 0) return undefined
  const first = bytes[1]!
  const isReport = first === RTCP_TYPE.senderReport || first === RTCP_TYPE.receiverReport
  if (!isReport && options.reducedSize !== true) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const packets: RtcpPacket[] = []
  for (let offset = 0; offset < bytes.length;) {
    const head = bytes[offset]!
    const packetType = bytes[offset + 1]!
    const end = offset + 4 + view.getUint16(offset + 2) * 4
    if (head >> 6 !== 2 || packetType < 192 || packetType > 223 || end > bytes.length) return undefined
    let bodyEnd = end
    if ((head & 0x20) !== 0) {
      const padding = bytes[end - 1]!
      if (end !== bytes.length || padding === 0 || padding % 4 !== 0 || padding > end - offset - 4)
        return undefined
      bodyEnd -= padding
    }
    const packet = readPacket(view, bytes, packetType, head & 0x1f, offset + 4, bodyEnd)
    if (packet === undefined) return undefined
    packets.push(packet)
    offset = end
  }
  return packets
}

/** A compound of the packets in order; a report should be the first (RFC 3550 §6.1). Throws a RangeError for what does not fit. */
export function writeRtcp(packets: readonly RtcpPacket[]): Uint8Array {
  const parts = packets.map(writePacket)
  const out = new Uint8Array(parts.reduce((sum, { body }) => sum + 4 + body.length, 0))
  let offset = 0
  for (const { packetType, count, body } of parts) {
    if (count > 31) throw new RangeError(`an RTCP packet has room for 31 blocks, not ${count}`)
    const words = body.length / 4
    out[offset] = 0x80 | count
    out[offset + 1] = packetType
    out[offset + 2] = words >> 8
    out[offset + 3] = words & 0xff
    out.set(body, offset + 4)
    offset += 4 + body.length
  }
  return out
}

interface Raw {
  packetType: number
  count: number
  body: Uint8Array
}

function readPacket(
  view: DataView,
  bytes: Uint8Array,
  packetType: number,
  count: number,
  start: number,
  end: number,
): RtcpPacket | undefined {
  switch (packetType) {
    case RTCP_TYPE.senderReport: {
      if (end - start < 24 + count * 24) return undefined
      return {
        type: 'sender-report',
        ssrc: view.getUint32(start),
        ntpSeconds: view.getUint32(start + 4),
        ntpFraction: view.getUint32(start + 8),
        rtpTimestamp: view.getUint32(start + 12),
        packets: view.getUint32(start + 16),
        octets: view.getUint32(start + 20),
        reports: readReports(view, start + 24, count),
      }
    }
    case RTCP_TYPE.receiverReport: {
      if (end - start < 4 + count * 24) return undefined
      return {
        type: 'receiver-report',
        ssrc: view.getUint32(start),
        reports: readReports(view, start + 4, count),
      }
    }
    case RTCP_TYPE.sourceDescription:
      return readDescription(view, bytes, count, start, end)
    case RTCP_TYPE.bye: {
      const after = start + count * 4
      if (after > end) return undefined
      const ssrcs = Array.from({ length: count }, (_, index) => view.getUint32(start + index * 4))
      if (after === end) return { type: 'bye', ssrcs }
      const length = bytes[after]!
      if (after + 1 + length > end) return undefined
      return { type: 'bye', ssrcs, reason: decodeText(bytes.subarray(after + 1, after + 1 + length)) }
    }
    case RTCP_TYPE.extendedReport: {
      if (end - start < 4) return undefined
      const blocks = readExtendedBlocks(view, bytes, start + 4, end)
      return blocks && { type: 'extended-report', ssrc: view.getUint32(start), blocks }
    }
    default:
      return { type: 'other', packetType, count, body: bytes.subarray(start, end) }
  }
}

function readReports(view: DataView, start: number, count: number): ReportBlock[] {
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * 24
    return {
      ssrc: view.getUint32(at),
      fractionLost: view.getUint8(at + 4),
      cumulativeLost: (view.getInt32(at + 4) << 8) >> 8,
      highestSequence: view.getUint32(at + 8),
      jitter: view.getUint32(at + 12),
      lastSenderReport: view.getUint32(at + 16),
      delaySinceLastSenderReport: view.getUint32(at + 20),
    }
  })
}

function readDescription(
  view: DataView,
  bytes: Uint8Array,
  count: number,
  start: number,
  end: number,
): RtcpPacket | undefined {
  const sources: { ssrc: number; cname: string }[] = []
  let at = start
  for (let chunk = 0; chunk < count; chunk += 1) {
    if (at + 8 > end) return undefined
    const ssrc = view.getUint32(at)
    let cname = ''
    at += 4
    while (at < end && bytes[at] !== 0) {
      const length = at + 1 < end ? bytes[at + 1]! : end
      if (at + 2 + length > end) return undefined
      if (bytes[at] === SDES_CNAME) cname = decodeText(bytes.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    // The list ends with a null octet, and the chunk on a 32-bit boundary (RFC 3550 §6.5).
    if (at >= end) return undefined
    at += 4 - ((at - start) % 4)
    sources.push({ ssrc, cname })
  }
  return { type: 'source-description', sources }
}

function writePacket(packet: RtcpPacket): Raw {
  switch (packet.type) {
    case 'sender-report': {
      const { ssrc, ntpSeconds, ntpFraction, rtpTimestamp, packets, octets, reports } = packet
      const head = [ssrc, ntpSeconds, ntpFraction, rtpTimestamp, packets, octets]
      return {
        packetType: RTCP_TYPE.senderReport,
        count: reports.length,
        body: words([...head, ...writeReports(reports)]),
      }
    }
    case 'receiver-report': {
      const { ssrc, reports } = packet
      return {
        packetType: RTCP_TYPE.receiverReport,
        count: reports.length,
        body: words([ssrc, ...writeReports(reports)]),
      }
    }
    case 'source-description': {
      return {
        packetType: RTCP_TYPE.sourceDescription,
        count: packet.sources.length,
        body: joined(packet.sources.map(writeChunk)),
      }
    }
    case 'bye': {
      const octets = [...words(packet.ssrcs)]
      if (packet.reason !== undefined) {
        const text = encodeText('reason', packet.reason)
        octets.push(text.length, ...text)
        octets.push(...padding(octets.length))
      }
      return { packetType: RTCP_TYPE.bye, count: packet.ssrcs.length, body: Uint8Array.from(octets) }
    }
    case 'extended-report': {
      const blocks = writeExtendedBlocks(packet.blocks)
      const body = new Uint8Array(4 + blocks.length)
      body.set(words([packet.ssrc]))
      body.set(blocks, 4)
      return { packetType: RTCP_TYPE.extendedReport, count: 0, body }
    }
    default: {
      const { packetType, count, body } = packet
      if (body.length % 4 !== 0)
        throw new RangeError(`an RTCP body of ${body.length} octets is not whole 32-bit words`)
      return { packetType, count, body }
    }
  }
}

/** The item list ends with a null octet at least, on a 32-bit boundary (RFC 3550 §6.5). */
function writeChunk({ ssrc, cname }: { readonly ssrc: number; readonly cname: string }): Uint8Array {
  const text = encodeText('CNAME', cname)
  const chunk = new Uint8Array(Math.ceil((7 + text.length) / 4) * 4)
  new DataView(chunk.buffer).setUint32(0, ssrc)
  chunk[4] = SDES_CNAME
  chunk[5] = text.length
  chunk.set(text, 6)
  return chunk
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

function writeReports(reports: readonly ReportBlock[]): number[] {
  return reports.flatMap(report => [
    report.ssrc,
    (report.fractionLost << 24) | (report.cumulativeLost & 0xffffff),
    report.highestSequence,
    report.jitter,
    report.lastSenderReport,
    report.delaySinceLastSenderReport,
  ])
}

function words(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  for (let index = 0; index < values.length; index += 1) view.setUint32(index * 4, values[index] as number)
  return new Uint8Array(view.buffer)
}

function padding(length: number): number[] {
  return Array.from({ length: (4 - (length % 4)) % 4 }, () => 0)
}

function encodeText(what: string, text: string): Uint8Array {
  const octets = encoder.encode(text)
  if (octets.length > 255) throw new RangeError(`the ${what} has ${octets.length} octets, at most 255 fit`)
  return octets
}

function decodeText(octets: Uint8Array): string {
  return decoder.decode(octets)
}
