/** RTP packets on the wire (RFC 3550 §5.1) and their header extensions (RFC 8285). */

/** Octets of a header without CSRCs or extension. */
export const RTP_HEADER_LENGTH = 12

const EMPTY = new Uint8Array(0)
const EXTENSION_ONE_BYTE = 0xbede
const EXTENSION_TWO_BYTE = 0x1000

/**
 * A parsed packet as numbers and offsets into `bytes`, which is not copied.
 * Made to be reused: `parseRtpInto` overwrites it for every packet.
 */
export class RtpView {
  bytes: Uint8Array = EMPTY
  marker = false
  payloadType = 0
  /** 16 bits. */
  sequence = 0
  /** 32 bits, unsigned, in units of the payload type's clock rate. */
  timestamp = 0
  /** 32 bits, unsigned. */
  ssrc = 0
  csrcCount = 0
  /** The 16 bits "defined by profile", or -1 without an extension. */
  extensionProfile = -1
  extensionOffset = 0
  extensionLength = 0
  payloadOffset = 0
  /** Octets of payload without padding; may be 0. */
  payloadLength = 0

  /** The payload as a view of `bytes`. */
  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadOffset, this.payloadOffset + this.payloadLength)
  }

  /** The contributing source at `index` below `csrcCount`. */
  csrc(index: number): number {
    if (index < 0 || index >= this.csrcCount) throw new RangeError(`csrc ${index} of ${this.csrcCount}`)
    return readUint32(this.bytes, RTP_HEADER_LENGTH + index * 4)
  }
}

/**
 * Reads a packet into `view`; false, with `view` in an unspecified state, when the octets are not RTP version 2 or
 * when CSRCs, extension or padding do not fit. Never throws.
 */
export function parseRtpInto(view: RtpView, bytes: Uint8Array): boolean {
  const length = bytes.length
  if (length < RTP_HEADER_LENGTH) return false
  const first = bytes[0]!
  if (first >> 6 !== 2) return false
  const second = bytes[1]!
  const csrcCount = first & 0x0f
  let offset = RTP_HEADER_LENGTH + csrcCount * 4
  if (offset > length) return false

  view.extensionProfile = -1
  view.extensionOffset = 0
  view.extensionLength = 0
  if ((first & 0x10) !== 0) {
    if (offset + 4 > length) return false
    const extensionLength = ((bytes[offset + 2]! << 8) | bytes[offset + 3]!) * 4
    view.extensionProfile = (bytes[offset]! << 8) | bytes[offset + 1]!
    view.extensionOffset = offset + 4
    view.extensionLength = extensionLength
    offset += 4 + extensionLength
    if (offset > length) return false
  }

  let end = length
  if ((first & 0x20) !== 0) {
    const padding = bytes[length - 1]!
    if (padding === 0 || offset + padding > length) return false
    end -= padding
  }

  view.bytes = bytes
  view.csrcCount = csrcCount
  view.marker = second > 127
  view.payloadType = second & 0x7f
  view.sequence = (bytes[2]! << 8) | bytes[3]!
  view.timestamp = readUint32(bytes, 4)
  view.ssrc = readUint32(bytes, 8)
  view.payloadOffset = offset
  view.payloadLength = end - offset
  return true
}

/** `parseRtpInto` with a view of its own, for code that is not on the hot path. */
export function parseRtp(bytes: Uint8Array): RtpView | undefined {
  const view = new RtpView()
  return parseRtpInto(view, bytes) ? view : undefined
}

/** Writes the 12 octets of a header without CSRCs or extension at the start of `out`. */
export function writeRtpHeader(
  out: Uint8Array,
  payloadType: number,
  marker: boolean,
  sequence: number,
  timestamp: number,
  ssrc: number,
): void {
  out[0] = 0x80
  out[1] = marker ? payloadType | 0x80 : payloadType
  out[2] = sequence >> 8
  out[3] = sequence
  writeUint32(out, 4, timestamp)
  writeUint32(out, 8, ssrc)
}

export interface RtpFields {
  readonly payloadType: number
  readonly marker?: boolean
  readonly sequence: number
  readonly timestamp: number
  readonly ssrc: number
  readonly csrcs?: readonly number[]
  readonly extension?: { readonly profile: number; readonly data: Uint8Array }
  readonly payload: Uint8Array
  /** Octets of padding to add, 0 … 255, the count itself included. */
  readonly padding?: number
}

/**
 * Writes a whole packet into `out` and returns its length.
 * Throws a RangeError when `out` is too short, there are more than 15 CSRCs, or the extension is not whole 32-bit words.
 */
export function writeRtp(out: Uint8Array, fields: RtpFields): number {
  const { csrcs = [], extension, payload, padding = 0 } = fields
  if (csrcs.length > 15) throw new RangeError(`an RTP header has room for 15 CSRCs, not ${csrcs.length}`)
  if (extension !== undefined && (extension.data.length % 4 !== 0 || extension.data.length > 0xffff * 4)) {
    throw new RangeError(
      `an RTP header extension of ${extension.data.length} octets is not whole 32-bit words`,
    )
  }
  if (padding < 0 || padding > 255)
    throw new RangeError(`padding of ${padding} octets does not fit in one octet`)
  const headerLength =
    RTP_HEADER_LENGTH + csrcs.length * 4 + (extension === undefined ? 0 : 4 + extension.data.length)
  const length = headerLength + payload.length + padding
  if (out.length < length)
    throw new RangeError(`the packet needs ${length} octets, the buffer has ${out.length}`)

  writeRtpHeader(
    out,
    fields.payloadType,
    fields.marker ?? false,
    fields.sequence,
    fields.timestamp,
    fields.ssrc,
  )
  out[0] = 0x80 | (padding > 0 ? 0x20 : 0) | (extension === undefined ? 0 : 0x10) | csrcs.length
  let offset = RTP_HEADER_LENGTH
  for (const csrc of csrcs) {
    writeUint32(out, offset, csrc)
    offset += 4
  }
  if (extension !== undefined) {
    const words = extension.data.length / 4
    out[offset] = extension.profile >> 8
    out[offset + 1] = extension.profile
    out[offset + 2] = words >> 8
    out[offset + 3] = words
    out.set(extension.data, offset + 4)
    offset += 4 + extension.data.length
  }
  out.set(payload, offset)
  if (padding > 0) {
    out.fill(0, offset + payload.length, length)
    out[length - 1] = padding
  }
  return length
}

export interface HeaderExtension {
  /** 1 … 14 in the one-byte form, 1 … 255 in the two-byte form. */
  readonly id: number
  readonly data: Uint8Array
}

/**
 * The elements of the header extension (RFC 8285 §4.2, §4.3), as views of the packet. Empty for a packet without extension
 * and for a profile that is not of RFC 8285; stops at the first element that does not fit.
 */
export function headerExtensions(view: RtpView): HeaderExtension[] {
  const { bytes, extensionProfile: profile } = view
  const oneByte = profile === EXTENSION_ONE_BYTE
  if (!oneByte && (profile & 0xfff0) !== EXTENSION_TWO_BYTE) return []
  const found: HeaderExtension[] = []
  const end = view.extensionOffset + view.extensionLength
  let offset = view.extensionOffset
  while (offset < end) {
    const head = bytes[offset]!
    if (head === 0) {
      offset += 1
      continue
    }
    const id = oneByte ? head >> 4 : head
    if (oneByte && id === 15) break
    if (!oneByte && offset + 2 > end) break
    const start = offset + (oneByte ? 1 : 2)
    const length = oneByte ? (head & 0x0f) + 1 : bytes[offset + 1]!
    if (start + length > end) break
    // Id 0 with a length is reserved in the one-byte form: passed over, not delivered.
    if (id !== 0) found.push({ id, data: bytes.subarray(start, start + length) })
    offset = start + length
  }
  return found
}

/** Packs elements for `writeRtp`: the one-byte form where all of them fit it, else the two-byte form. */
export function packHeaderExtensions(elements: readonly HeaderExtension[]): {
  profile: number
  data: Uint8Array
} {
  const oneByte = elements.every(
    ({ id, data }) => id >= 1 && id <= 14 && data.length >= 1 && data.length <= 16,
  )
  const parts: number[] = []
  for (const { id, data } of elements) {
    if (id < 1 || id > 255 || data.length > 255)
      throw new RangeError(`header extension ${id} does not fit RFC 8285`)
    if (oneByte) parts.push((id << 4) | (data.length - 1), ...data)
    else parts.push(id, data.length, ...data)
  }
  while (parts.length % 4 !== 0) parts.push(0)
  return { profile: oneByte ? EXTENSION_ONE_BYTE : EXTENSION_TWO_BYTE, data: Uint8Array.from(parts) }
}

function readUint32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>>
    0
  )
}

function writeUint32(out: Uint8Array, offset: number, value: number): void {
  out[offset] = value >>> 24
  out[offset + 1] = value >>> 16
  out[offset + 2] = value >>> 8
  out[offset + 3] = value
}
