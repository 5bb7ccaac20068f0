import { createCipheriv } from 'node:crypto'
import type { Cipheriv } from 'node:crypto'

/**
 * Counter-mode key stream (RFC 3711 §4.1.1, RFC 7714 §8.1) from one AES object that lives as long as its key: a new
 * `createCipheriv` per packet would cost several times the encryption. Packets mostly come in order, so the key stream of the next
 * few is made along with the one that is asked for: the call into OpenSSL costs more than the octets do.
 */

/** Key stream kept ahead, in blocks: six packets of 20 ms of G.711. */
const AHEAD_BLOCKS = 64
const AHEAD_PACKETS = 8
const BLOCK = 16

/** Counter blocks for one call of the cipher; used by all, held by none. */
const MAX_BLOCKS = 256
const counters = Buffer.alloc(MAX_BLOCKS * BLOCK)
const words = new DataView(counters.buffer, counters.byteOffset, counters.length)

const NONE = new Uint8Array(0)

/** Where the numbers of a packet go in the counter block. */
export type CounterLayout = 'cm' | 'gcm'

export class KeyStream {
  /** What `seek` found is in here. */
  bytes: Uint8Array = NONE
  readonly #cipher: Cipheriv
  readonly #layout: CounterLayout
  readonly #aheadPackets: number
  readonly #salt0: number
  readonly #salt1: number
  readonly #salt2: number
  readonly #salt3: number
  #ssrc = -1
  /** Index of the first packet in `bytes`. */
  #first = -1
  #packets = 0
  #blocks = 0

  /** `ahead` for streams whose packets come one after the other, dozens a second. */
  constructor(key: Uint8Array, salt: Uint8Array, layout: CounterLayout, ahead: boolean) {
    this.#cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null)
    this.#layout = layout
    this.#aheadPackets = ahead ? AHEAD_PACKETS : 1
    const padded = new DataView(new ArrayBuffer(BLOCK))
    for (let i = 0; i < salt.length; i += 1) padded.setUint8(i, salt[i]!)
    this.#salt0 = padded.getInt32(0)
    this.#salt1 = padded.getInt32(4)
    this.#salt2 = padded.getInt32(8)
    this.#salt3 = padded.getInt32(12)
  }

  /** One block as it is, for the subkeys of modes. */
  encryptBlock(block: Uint8Array): Uint8Array {
    return this.#cipher.update(block)
  }

  /**
   * Where in `bytes` the first `blocks` blocks of the packet's key stream begin. The 48 bits of its index come in two parts:
   * rollover counter and sequence number for RTP.
   */
  seek(ssrc: number, indexHigh: number, indexLow: number, blocks: number): number {
    const index = indexHigh * 0x10000 + indexLow
    const ahead = index - this.#first
    if (ssrc === this.#ssrc && blocks <= this.#blocks && ahead >= 0 && ahead < this.#packets) {
      return ahead * this.#blocks * BLOCK
    }
    const expected = ssrc === this.#ssrc && ahead === this.#packets
    this.#ssrc = ssrc
    this.#first = index
    this.#blocks = blocks
    this.#packets = expected
      ? Math.max(1, Math.min(this.#aheadPackets, Math.floor(AHEAD_BLOCKS / blocks)))
      : 1
    if (blocks > MAX_BLOCKS) this.#makeLong(ssrc, indexHigh, indexLow, blocks)
    else this.#make(ssrc, indexHigh, indexLow, blocks)
    return 0
  }

  /** Drops what was made ahead. */
  close(): void {
    this.bytes.fill(0)
    this.bytes = NONE
    this.#packets = 0
    this.#first = -1
    this.#ssrc = -1
  }

  #make(ssrc: number, indexHigh: number, indexLow: number, blocks: number): void {
    let at = 0
    let high = indexHigh
    let low = indexLow
    for (let packet = 0; packet < this.#packets; packet += 1) {
      this.#fill(at, ssrc, high, low, 0, blocks)
      at += blocks * BLOCK
      low += 1
      if (low > 0xffff) {
        low = 0
        high += 1
      }
    }
    this.bytes = this.#cipher.update(counters.subarray(0, at))
  }

  #makeLong(ssrc: number, indexHigh: number, indexLow: number, blocks: number): void {
    const bytes = new Uint8Array(blocks * BLOCK)
    for (let done = 0; done < blocks; done += MAX_BLOCKS) {
      const count = Math.min(MAX_BLOCKS, blocks - done)
      this.#fill(0, ssrc, indexHigh, indexLow, done, count)
      bytes.set(this.#cipher.update(counters.subarray(0, count * BLOCK)), done * BLOCK)
    }
    this.bytes = bytes
  }

  #fill(at: number, ssrc: number, high: number, low: number, firstBlock: number, blocks: number): void {
    const isGcm = this.#layout === 'gcm'
    const w0 = isGcm ? this.#salt0 ^ (ssrc >>> 16) : this.#salt0
    const w1 = this.#salt1 ^ (isGcm ? (ssrc << 16) | (high >>> 16) : ssrc)
    const w2 = this.#salt2 ^ (isGcm ? (high << 16) | low : high)
    // GCM counts in 32 bits from 1, the block that masks the tag; CM in 16 bits from 0.
    const w3 = isGcm ? 1 + firstBlock : (this.#salt3 ^ (low << 16)) + firstBlock
    for (let block = 0; block < blocks; block += 1, at += BLOCK) {
      words.setInt32(at, w0)
      words.setInt32(at + 4, w1)
      words.setInt32(at + 8, w2)
      words.setInt32(at + 12, w3 + block)
    }
  }
}
