import { Ghash } from './ghash.ts'
import type { SessionKeys } from './key-derivation.ts'
import { KeyStream } from './key-stream.ts'
import { applyKeyStream, RTCP_CLEAR_OCTETS } from './transform.ts'
import type { Transform } from './transform.ts'

const BLOCK = 16
const TAG = 16
/** Associated data of an encrypted RTCP packet: its clear octets and the word with its index. */
const rtcpAssociated = new Uint8Array(RTCP_CLEAR_OCTETS + 4)

/** AES in Galois/counter mode with tags of 16 octets (RFC 7714 §8, §9). */
export class AesGcmTransform implements Transform {
  readonly #keyStream: KeyStream
  readonly #ghash: Ghash

  constructor(keys: SessionKeys, ahead: boolean) {
    this.#keyStream = new KeyStream(keys.key, keys.salt, 'gcm', ahead)
    this.#ghash = new Ghash(this.#keyStream.encryptBlock(new Uint8Array(BLOCK)))
  }

  sealRtp(
    packet: Uint8Array,
    from: number,
    to: number,
    tagAt: number,
    ssrc: number,
    rollover: number,
    sequence: number,
  ): void {
    const offset = this.#seek(ssrc, rollover, sequence, to - from)
    applyKeyStream(packet, from, to, this.#keyStream.bytes, offset + BLOCK)
    this.#hash(packet, 0, from, packet, from, to)
    this.#writeTag(packet, tagAt, offset)
  }

  openRtp(
    packet: Uint8Array,
    from: number,
    to: number,
    tagAt: number,
    ssrc: number,
    rollover: number,
    sequence: number,
  ): boolean {
    this.#hash(packet, 0, from, packet, from, to)
    const offset = this.#seek(ssrc, rollover, sequence, to - from)
    if (!this.#isTag(packet, tagAt, offset)) return false
    applyKeyStream(packet, from, to, this.#keyStream.bytes, offset + BLOCK)
    return true
  }

  sealRtcp(packet: Uint8Array, to: number, wordAt: number, tagAt: number, ssrc: number, index: number): void {
    const offset = this.#seek(ssrc, index >>> 16, index & 0xffff, to - RTCP_CLEAR_OCTETS)
    applyKeyStream(packet, RTCP_CLEAR_OCTETS, to, this.#keyStream.bytes, offset + BLOCK)
    this.#hashRtcp(packet, to, wordAt)
    this.#writeTag(packet, tagAt, offset)
  }

  openRtcp(
    packet: Uint8Array,
    to: number,
    wordAt: number,
    tagAt: number,
    ssrc: number,
    index: number,
  ): boolean {
    const isEncrypted = packet[wordAt]! >= 0x80
    if (isEncrypted) this.#hashRtcp(packet, to, wordAt)
    else this.#hashClearRtcp(packet, to, wordAt)
    const encrypted = isEncrypted ? to - RTCP_CLEAR_OCTETS : 0
    const offset = this.#seek(ssrc, index >>> 16, index & 0xffff, encrypted)
    if (!this.#isTag(packet, tagAt, offset)) return false
    if (isEncrypted) applyKeyStream(packet, RTCP_CLEAR_OCTETS, to, this.#keyStream.bytes, offset + BLOCK)
    return true
  }

  close(): void {
    this.#keyStream.close()
    this.#ghash.close()
  }

  /** The block that masks the tag comes first, those of the payload after it. */
  #seek(ssrc: number, high: number, low: number, octets: number): number {
    return this.#keyStream.seek(ssrc, high, low, 1 + ((octets + BLOCK - 1) >>> 4))
  }

  #hash(
    associated: Uint8Array,
    associatedFrom: number,
    associatedTo: number,
    encrypted: Uint8Array,
    from: number,
    to: number,
  ): void {
    this.#ghash.reset()
    this.#ghash.update(associated, associatedFrom, associatedTo)
    this.#ghash.update(encrypted, from, to)
    this.#ghash.updateLengths(associatedTo - associatedFrom, to - from)
  }

  #hashRtcp(packet: Uint8Array, to: number, wordAt: number): void {
    for (let i = 0; i < RTCP_CLEAR_OCTETS; i += 1) rtcpAssociated[i] = packet[i]!
    for (let i = 0; i < 4; i += 1) rtcpAssociated[RTCP_CLEAR_OCTETS + i] = packet[wordAt + i]!
    this.#hash(rtcpAssociated, 0, rtcpAssociated.length, packet, RTCP_CLEAR_OCTETS, to)
  }

  /** All of a packet that is not encrypted is associated data (RFC 7714 §9.3); rare enough to be copied. */
  #hashClearRtcp(packet: Uint8Array, to: number, wordAt: number): void {
    const associated = new Uint8Array(to + 4)
    associated.set(packet.subarray(0, to))
    associated.set(packet.subarray(wordAt, wordAt + 4), to)
    this.#hash(associated, 0, associated.length, packet, to, to)
  }

  #writeTag(packet: Uint8Array, at: number, mask: number): void {
    const { bytes } = this.#keyStream
    for (let i = 0; i < TAG; i += 1) packet[at + i] = this.#ghash.octet(i) ^ bytes[mask + i]!
  }

  /** Takes the same time wherever the first difference is. */
  #isTag(packet: Uint8Array, at: number, mask: number): boolean {
    const { bytes } = this.#keyStream
    let difference = 0
    for (let i = 0; i < TAG; i += 1) difference |= packet[at + i]! ^ this.#ghash.octet(i) ^ bytes[mask + i]!
    return difference === 0
  }
}
