/** Extended reports of RTCP (RFC 3611): VoIP metrics, and the two blocks that give a receiver its round trip. */

/** What a receiver of voice measured (RFC 3611 §4.7). */
export interface VoipMetrics {
  /** Of the stream that is reported on. */
  readonly ssrc: number
  /** Lost on the network since the beginning, in 256ths of the packets expected. */
  readonly lossRate: number
  /** Came, but too late or too early to be played; in 256ths of the packets expected. */
  readonly discardRate: number
  /** Lost or discarded within bursts, in 256ths of the packets of the bursts. */
  readonly burstDensity: number
  /** The same within gaps. */
  readonly gapDensity: number
  /** Mean length, ms. */
  readonly burstDuration: number
  readonly gapDuration: number
  /** Of RTCP, ms; 0 while unknown. */
  readonly roundTripDelay: number
  /** From the packet's arrival to the ear and from the mouth to the packet, ms. */
  readonly endSystemDelay: number
  /** dBm0; 127 for unknown, and so the next two. */
  readonly signalLevel: number
  readonly noiseLevel: number
  readonly residualEchoReturnLoss: number
  /** Received packets in a row that end a burst. */
  readonly gmin: number
  /** 0 to 100; 127 for unknown, and so the next three. */
  readonly rFactor: number
  readonly externalRFactor: number
  /** Ten times the MOS, of listening and of conversation. */
  readonly mosListening: number
  readonly mosConversational: number
  /** Kinds of concealment and of jitter buffer, as the bits of RFC 3611 §4.7.6 have them. */
  readonly receiverConfiguration: number
  /** Delay of the jitter buffer now, when the network is at its worst, and the most it may ever be; ms. */
  readonly jitterBufferNominal: number
  readonly jitterBufferMaximum: number
  readonly jitterBufferAbsoluteMaximum: number
}

/** About the last receiver reference time that came from `ssrc` (RFC 3611 §4.5). */
export interface LastReceiverReference {
  readonly ssrc: number
  /** Middle 32 bits of its NTP time. */
  readonly lastReceiverReport: number
  /** Since it came, in 1/65536 s. */
  readonly delaySinceLastReceiverReport: number
}

export type ExtendedBlock =
  | ({ readonly type: 'voip-metrics' } & VoipMetrics)
  | { readonly type: 'receiver-reference-time'; readonly ntpSeconds: number; readonly ntpFraction: number }
  | {
      readonly type: 'delay-since-last-receiver-report'
      readonly references: readonly LastReceiverReference[]
    }
  /** A block this reader does not know: its octets after the four of the head, as a view. */
  | {
      readonly type: 'other'
      readonly blockType: number
      readonly specific: number
      readonly body: Uint8Array
    }

export const UNKNOWN_METRIC = 127

const REFERENCE_TIME = 4
const DELAY_SINCE_LAST = 5
const VOIP_METRICS = 7
/** Octets after the head. */
const METRICS_LENGTH = 32

/** The blocks from `start` to `end`; undefined when their lengths do not add up. A block of a wrong length is handed through as `other`. */
export function readExtendedBlocks(
  view: DataView,
  bytes: Uint8Array,
  start: number,
  end: number,
): ExtendedBlock[] | undefined {
  const blocks: ExtendedBlock[] = []
  for (let at = start; at < end;) {
    if (at + 4 > end) return undefined
    const next = at + 4 + view.getUint16(at + 2) * 4
    if (next > end) return undefined
    blocks.push(readBlock(view, bytes, at, next))
    at = next
  }
  return blocks
}

/** Throws a RangeError for what does not fit. */
export function writeExtendedBlocks(blocks: readonly ExtendedBlock[]): Uint8Array {
  const parts = blocks.map(writeBlock)
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

function readBlock(view: DataView, bytes: Uint8Array, start: number, end: number): ExtendedBlock {
  const blockType = view.getUint8(start)
  const body = start + 4
  const length = end - body
  if (blockType === VOIP_METRICS && length === METRICS_LENGTH) return readMetrics(view, body)
  if (blockType === REFERENCE_TIME && length === 8) {
    return {
      type: 'receiver-reference-time',
      ntpSeconds: view.getUint32(body),
      ntpFraction: view.getUint32(body + 4),
    }
  }
  if (blockType === DELAY_SINCE_LAST && length % 12 === 0) {
    const references = Array.from({ length: length / 12 }, (_, index) => ({
      ssrc: view.getUint32(body + index * 12),
      lastReceiverReport: view.getUint32(body + index * 12 + 4),
      delaySinceLastReceiverReport: view.getUint32(body + index * 12 + 8),
    }))
    return { type: 'delay-since-last-receiver-report', references }
  }
  return { type: 'other', blockType, specific: view.getUint8(start + 1), body: bytes.subarray(body, end) }
}

function readMetrics(view: DataView, at: number): ExtendedBlock {
  return {
    type: 'voip-metrics',
    ssrc: view.getUint32(at),
    lossRate: view.getUint8(at + 4),
    discardRate: view.getUint8(at + 5),
    burstDensity: view.getUint8(at + 6),
    gapDensity: view.getUint8(at + 7),
    burstDuration: view.getUint16(at + 8),
    gapDuration: view.getUint16(at + 10),
    roundTripDelay: view.getUint16(at + 12),
    endSystemDelay: view.getUint16(at + 14),
    signalLevel: view.getInt8(at + 16),
    noiseLevel: view.getInt8(at + 17),
    residualEchoReturnLoss: view.getUint8(at + 18),
    gmin: view.getUint8(at + 19),
    rFactor: view.getUint8(at + 20),
    externalRFactor: view.getUint8(at + 21),
    mosListening: view.getUint8(at + 22),
    mosConversational: view.getUint8(at + 23),
    receiverConfiguration: view.getUint8(at + 24),
    jitterBufferNominal: view.getUint16(at + 26),
    jitterBufferMaximum: view.getUint16(at + 28),
    jitterBufferAbsoluteMaximum: view.getUint16(at + 30),
  }
}

function writeBlock(block: ExtendedBlock): Uint8Array {
  switch (block.type) {
    case 'voip-metrics': {
      const view = head(VOIP_METRICS, 0, METRICS_LENGTH)
      writeMetrics(view, 4, block)
      return new Uint8Array(view.buffer)
    }
    case 'receiver-reference-time': {
      const view = head(REFERENCE_TIME, 0, 8)
      view.setUint32(4, block.ntpSeconds)
      view.setUint32(8, block.ntpFraction)
      return new Uint8Array(view.buffer)
    }
    case 'delay-since-last-receiver-report': {
      const view = head(DELAY_SINCE_LAST, 0, block.references.length * 12)
      for (const [index, reference] of block.references.entries()) {
        view.setUint32(4 + index * 12, reference.ssrc)
        view.setUint32(8 + index * 12, reference.lastReceiverReport)
        view.setUint32(12 + index * 12, reference.delaySinceLastReceiverReport)
      }
      return new Uint8Array(view.buffer)
    }
    default: {
      const { blockType, specific, body } = block
      if (body.length % 4 !== 0)
        throw new RangeError(`an RTCP XR block of ${body.length} octets is not whole 32-bit words`)
      const out = new Uint8Array(head(blockType, specific, body.length).buffer)
      out.set(body, 4)
      return out
    }
  }
}

function writeMetrics(view: DataView, at: number, metrics: VoipMetrics): void {
  view.setUint32(at, metrics.ssrc)
  view.setUint8(at + 4, metrics.lossRate)
  view.setUint8(at + 5, metrics.discardRate)
  view.setUint8(at + 6, metrics.burstDensity)
  view.setUint8(at + 7, metrics.gapDensity)
  view.setUint16(at + 8, metrics.burstDuration)
  view.setUint16(at + 10, metrics.gapDuration)
  view.setUint16(at + 12, metrics.roundTripDelay)
  view.setUint16(at + 14, metrics.endSystemDelay)
  view.setInt8(at + 16, metrics.signalLevel)
  view.setInt8(at + 17, metrics.noiseLevel)
  view.setUint8(at + 18, metrics.residualEchoReturnLoss)
  view.setUint8(at + 19, metrics.gmin)
  view.setUint8(at + 20, metrics.rFactor)
  view.setUint8(at + 21, metrics.externalRFactor)
  view.setUint8(at + 22, metrics.mosListening)
  view.setUint8(at + 23, metrics.mosConversational)
  view.setUint8(at + 24, metrics.receiverConfiguration)
  view.setUint16(at + 26, metrics.jitterBufferNominal)
  view.setUint16(at + 28, metrics.jitterBufferMaximum)
  view.setUint16(at + 30, metrics.jitterBufferAbsoluteMaximum)
}

/** A block with its head filled in; the body is zeros. */
function head(blockType: number, specific: number, length: number): DataView {
  const words = length / 4
  if (words > 0xffff) throw new RangeError(`an RTCP XR block of ${length} octets is too long`)
  const view = new DataView(new ArrayBuffer(4 + length))
  view.setUint8(0, blockType)
  view.setUint8(1, specific)
  view.setUint16(2, words)
  return view
}
