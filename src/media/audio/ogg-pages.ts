/** Ogg pages (RFC 3533): packets in, octets of a file out. */

/** Lacing values one page may have (RFC 3533 §6). */
export const MAX_SEGMENTS = 255
const HEADER_BYTES = 27

export interface OggPageOptions {
  /** The first page of the stream. */
  readonly first?: boolean
  readonly last?: boolean
  /** Where the sound stands when the last packet of this page has been played; samples at 48 kHz for Opus. */
  readonly granule: bigint
}

/** Numbers the pages of one logical stream. Packets never cross a page, so that a file that breaks off loses one page at most. */
export class OggPages {
  readonly #serial: number
  #sequence = 0

  /** `serial`: 32 random bits that tell the stream from others in the same file. */
  constructor(serial: number) {
    this.#serial = serial
  }

  page(packets: readonly Uint8Array[], { first = false, last = false, granule }: OggPageOptions): Uint8Array {
    const lacing = packets.flatMap(packet => lacingOf(packet.length))
    const body = packets.reduce((sum, packet) => sum + packet.length, 0)
    const page = new Uint8Array(HEADER_BYTES + lacing.length + body)
    const fields = new DataView(page.buffer)
    page.set(CAPTURE, 0)
    page[5] = (first ? 2 : 0) | (last ? 4 : 0)
    fields.setBigInt64(6, granule, true)
    fields.setUint32(14, this.#serial, true)
    fields.setUint32(18, this.#sequence, true)
    this.#sequence += 1
    page[26] = lacing.length
    page.set(lacing, HEADER_BYTES)
    let at = HEADER_BYTES + lacing.length
    for (const packet of packets) {
      page.set(packet, at)
      at += packet.length
    }
    fields.setUint32(22, checksum(page), true)
    return page
  }
}

/** Lacing values a packet takes. */
export function segmentsOf(packetBytes: number): number {
  return Math.floor(packetBytes / 255) + 1
}

function lacingOf(packetBytes: number): number[] {
  const lacing = Array.from<number>({ length: segmentsOf(packetBytes) }).fill(255)
  lacing[lacing.length - 1] = packetBytes % 255
  return lacing
}

/** RFC 3533 §6: polynomial 0x04c11db7, not reflected, over the page with a checksum of 0. */
function checksum(page: Uint8Array): number {
  let crc = 0
  for (const octet of page) crc = ((crc << 8) ^ (CRC[(crc >>> 24) ^ octet] as number)) >>> 0
  return crc
}

const CRC = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000_0000) === 0 ? crc << 1 : (crc << 1) ^ 0x04c1_1db7
  return crc >>> 0
})
const CAPTURE = new TextEncoder().encode('OggS')
