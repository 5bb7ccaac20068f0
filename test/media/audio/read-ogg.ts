export interface OggPage {
  readonly first: boolean
  readonly last: boolean
  readonly granule: number
  readonly serial: number
  readonly sequence: number
  readonly packets: readonly Uint8Array[]
}

/** Reads Ogg (RFC 3533) strictly: throws on anything that is not as it should be, checksums included. */
export function readOgg(bytes: Buffer): readonly OggPage[] {
  const pages: OggPage[] = []
  for (let at = 0; at < bytes.length;) {
    if (bytes.toString('latin1', at, at + 4) !== 'OggS' || bytes[at + 4] !== 0)
      throw new Error(`No page at ${at}`)
    const segments = bytes[at + 26] ?? 0
    const lacing = bytes.subarray(at + 27, at + 27 + segments)
    const bodyAt = at + 27 + segments
    const end = bodyAt + lacing.reduce((sum, value) => sum + value, 0)
    if (end > bytes.length) throw new Error(`The page at ${at} is cut off`)
    const unsigned = Buffer.from(bytes.subarray(at, end))
    unsigned.writeUInt32LE(0, 22)
    if (remainder(unsigned) !== bytes.readUInt32LE(at + 22))
      throw new Error(`The page at ${at} has another checksum`)
    const packets: Uint8Array[] = []
    let packetAt = bodyAt
    let length = 0
    for (const value of lacing) {
      length += value
      if (value === 255) continue
      packets.push(bytes.subarray(packetAt, packetAt + length))
      packetAt += length
      length = 0
    }
    if (length > 0) throw new Error(`The last packet of the page at ${at} goes on`)
    const flags = bytes[at + 5] ?? 0
    pages.push({
      first: (flags & 2) !== 0,
      last: (flags & 4) !== 0,
      granule: Number(bytes.readBigInt64LE(at + 6)),
      serial: bytes.readUInt32LE(at + 14),
      sequence: bytes.readUInt32LE(at + 18),
      packets,
    })
    at = end
  }
  return pages
}

/** Long division by the polynomial of RFC 3533 §6, bit by bit. */
function remainder(bytes: Uint8Array): number {
  let crc = 0
  for (const octet of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      const carry = ((crc >>> 31) ^ (octet >> bit)) & 1
      crc = ((crc << 1) ^ (carry === 1 ? 0x04c1_1db7 : 0)) >>> 0
    }
  }
  return crc
}
