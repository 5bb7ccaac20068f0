/** What an Opus packet says about itself, without decoding it (RFC 6716 §3). */
export class OpusPacket {
  /** Frames in it; 0 when the packet breaks one of the rules of §3.4. */
  frames = 0
  /** Of each frame: 2.5, 5, 10, 20, 40 or 60. */
  frameMs = 0
  /** SILK or hybrid frames may carry the frame before them once more; CELT frames never do. */
  silk = false
  stereo = false
  /** Where the first frame begins, and its octets. */
  firstOffset = 0
  firstLength = 0

  /** Milliseconds of audio; 0 for a broken packet. */
  get durationMs(): number {
    return this.frames * this.frameMs
  }

  /** Reads a packet; false when it is broken, which no decoder has to accept (§3.4). */
  read(payload: Uint8Array): boolean {
    this.frames = 0
    const { length } = payload
    if (length === 0) return false
    const toc = payload[0]!
    const config = toc >> 3
    this.frameMs = frameLengths[config]!
    this.silk = config < 16
    this.stereo = (toc & 0x04) !== 0
    const frames = this.#frames(payload, toc & 0x03)
    if (frames === 0 || frames * this.frameMs > 120 || this.firstLength > MAX_FRAME) return false
    this.frames = frames
    return true
  }

  /** Whether the packet carries the frame before it once more (RFC 6716 §4.2.4: the LBRR flag behind the VAD flags). */
  remembers(payload: Uint8Array): boolean {
    if (!this.read(payload) || !this.silk || this.firstLength === 0) return false
    const flags = payload[this.firstOffset]!
    const pieces = Math.max(1, this.frameMs / 20)
    const middle = (flags >> (7 - pieces)) & 1
    const side = this.stereo ? (flags >> (6 - 2 * pieces)) & 1 : 0
    return (middle | side) === 1
  }

  /** How many frames there are, by the code of §3.2; 0 when the lengths do not add up. */
  #frames(payload: Uint8Array, code: number): number {
    const rest = payload.length - 1
    if (code === 0) return this.#first(1, rest, 1)
    if (code === 1) return rest % 2 === 0 ? this.#first(1, rest / 2, 2) : 0
    if (code === 2) {
      const first = frameLength(payload, 1)
      const offset = 1 + lengthOctets(payload, 1)
      if (first < 0 || offset + first > payload.length) return 0
      return payload.length - offset - first > MAX_FRAME ? 0 : this.#first(offset, first, 2)
    }
    return this.#many(payload)
  }

  /** Code 3 (§3.2.5): a count, padding, and lengths where the frames have different ones. */
  #many(payload: Uint8Array): number {
    const count = payload[1]
    if (count === undefined) return 0
    const frames = count & 0x3f
    let offset = 2
    let end = payload.length
    if ((count & 0x40) !== 0) {
      let octet = 255
      while (octet === 255) {
        if (offset >= end) return 0
        octet = payload[offset]!
        offset += 1
        end -= octet === 255 ? 254 : octet
      }
    }
    if (frames === 0 || end < offset) return 0
    if ((count & 0x80) === 0) {
      const each = (end - offset) / frames
      return Number.isInteger(each) ? this.#first(offset, each, frames) : 0
    }
    let sum = 0
    let first = -1
    for (let i = 1; i < frames; i += 1) {
      if (offset >= end) return 0
      const length = frameLength(payload, offset)
      if (length < 0) return 0
      offset += lengthOctets(payload, offset)
      if (first < 0) first = length
      sum += length
    }
    const last = end - offset - sum
    if (last < 0 || last > MAX_FRAME) return 0
    return this.#first(offset, first < 0 ? last : first, frames)
  }

  #first(offset: number, length: number, frames: number): number {
    this.firstOffset = offset
    this.firstLength = length
    return frames
  }
}

/** One octet up to 251, two above (§3.2.1). */
function frameLength(payload: Uint8Array, at: number): number {
  const octet = payload[at] ?? -1
  if (octet < 252) return octet
  const second = payload[at + 1]
  return second === undefined ? -1 : second * 4 + octet
}

function lengthOctets(payload: Uint8Array, at: number): number {
  return (payload[at] ?? 0) < 252 ? 1 : 2
}

const MAX_FRAME = 1275

const silkLengths = [10, 20, 40, 60]
const hybridLengths = [10, 20]
const celtLengths = [2.5, 5, 10, 20]

/** Milliseconds of a frame by the upper five bits of the first octet (§3.1, table 2). */
const frameLengths: readonly number[] = [
  ...silkLengths,
  ...silkLengths,
  ...silkLengths,
  ...hybridLengths,
  ...hybridLengths,
  ...celtLengths,
  ...celtLengths,
  ...celtLengths,
  ...celtLengths,
]
