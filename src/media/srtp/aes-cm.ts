import type { SessionKeys } from './key-derivation.ts'
import { KeyStream } from './key-stream.ts'
import { digestOctet, HmacSha1 } from './sha1.ts'
import { applyKeyStream, RTCP_CLEAR_OCTETS } from './transform.ts'
import type { Transform } from './transform.ts'

/** AES in counter mode, authenticated by HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1; RFC 6188 for 256 bits). */
export class AesCmTransform implements Transform {
  readonly #keyStream: KeyStream
  readonly #hmac: HmacSha1
  readonly #tagOctets: number

  constructor(keys: SessionKeys, tagOctets: number, ahead: boolean) {
    this.#keyStream = new KeyStream(keys.key, keys.salt, 'cm', ahead)
    this.#hmac = new HmacSha1(keys.authenticationKey)
    this.#tagOctets = tagOctets
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
    this.#apply(packet, from, to, ssrc, rollover, sequence)
    this.#hmac.computeWithSuffix(packet, to, rollover)
    this.#writeTag(packet, tagAt)
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
    this.#hmac.computeWithSuffix(packet, to, rollover)
    if (!this.#isTag(packet, tagAt)) return false
    this.#apply(packet, from, to, ssrc, rollover, sequence)
    return true
  }

  sealRtcp(packet: Uint8Array, to: number, wordAt: number, tagAt: number, ssrc: number, index: number): void {
    this.#apply(packet, RTCP_CLEAR_OCTETS, to, ssrc, index >>> 16, index & 0xffff)
    this.#hmac.compute(packet, wordAt + 4)
    this.#writeTag(packet, tagAt)
  }

  openRtcp(
    packet: Uint8Array,
    to: number,
    wordAt: number,
    tagAt: number,
    ssrc: number,
    index: number,
  ): boolean {
    this.#hmac.compute(packet, wordAt + 4)
    if (!this.#isTag(packet, tagAt)) return false
    if (packet[wordAt]! >= 0x80) {
      this.#apply(packet, RTCP_CLEAR_OCTETS, to, ssrc, index >>> 16, index & 0xffff)
    }
    return true
  }

  close(): void {
    this.#keyStream.close()
    this.#hmac.close()
  }

  #apply(packet: Uint8Array, from: number, to: number, ssrc: number, high: number, low: number): void {
    if (to <= from) return
    const offset = this.#keyStream.seek(ssrc, high, low, (to - from + 15) >>> 4)
    applyKeyStream(packet, from, to, this.#keyStream.bytes, offset)
  }

  #writeTag(packet: Uint8Array, at: number): void {
    for (let i = 0; i < this.#tagOctets; i += 1) packet[at + i] = digestOctet(i)
  }

  /** Takes the same time wherever the first difference is. */
  #isTag(packet: Uint8Array, at: number): boolean {
    let difference = 0
    for (let i = 0; i < this.#tagOctets; i += 1) difference |= packet[at + i]! ^ digestOctet(i)
    return difference === 0
  }
}
