/**
 * HMAC-SHA1 (RFC 2104, FIPS 180-4) over many small packets with one key: the two padded key blocks are compressed once, nothing
 * is allocated after that. `node:crypto` has no way to start from a prepared state, and pays for an object per packet.
 */

/** Octets of a SHA-1 digest. */
export const SHA1_OCTETS = 20

const BLOCK = 64
const schedule = new Int32Array(80)
const lastBlock = new Uint8Array(BLOCK)
const state = new Int32Array(5)

export class HmacSha1 {
  /** The state after the inner pad, then the one after the outer pad: five words each. */
  readonly #pads: Int32Array = new Int32Array(10)

  /** `key` of at most 64 octets. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK) throw new RangeError(`an HMAC key of ${key.length} octets; 64 at most`)
    const pad = new Uint8Array(BLOCK)
    for (const [at, mask] of [
      [0, 0x36],
      [5, 0x5c],
    ] as const) {
      pad.fill(mask)
      for (let i = 0; i < key.length; i += 1) pad[i] = mask ^ key[i]!
      initialise()
      compress(pad, 0)
      this.#pads.set(state, at)
    }
    pad.fill(0)
  }

  /** Of the first `length` octets of `message` followed by the 32 bits `suffix`; the digest is read by `digestOctet`. */
  computeWithSuffix(message: Uint8Array, length: number, suffix: number): void {
    lastBlock[0] = suffix >>> 24
    lastBlock[1] = suffix >>> 16
    lastBlock[2] = suffix >>> 8
    lastBlock[3] = suffix
    this.#compute(message, length, 4)
  }

  /** Of the first `length` octets of `message`. */
  compute(message: Uint8Array, length: number): void {
    this.#compute(message, length, 0)
  }

  /** Forgets the key. */
  close(): void {
    this.#pads.fill(0)
  }

  #compute(message: Uint8Array, length: number, suffixOctets: number): void {
    const pads = this.#pads
    for (let i = 0; i < 5; i += 1) state[i] = pads[i]!
    let offset = 0
    for (; offset + BLOCK <= length; offset += BLOCK) compress(message, offset)
    finish(message, offset, length, suffixOctets)

    for (let i = 0; i < 5; i += 1) {
      const word = state[i]!
      lastBlock[4 * i] = word >>> 24
      lastBlock[4 * i + 1] = word >>> 16
      lastBlock[4 * i + 2] = word >>> 8
      lastBlock[4 * i + 3] = word
      state[i] = pads[5 + i]!
    }
    pad(SHA1_OCTETS, BLOCK + SHA1_OCTETS)
  }
}

/** The octet at `index` of the last digest computed, by any `HmacSha1`. */
export function digestOctet(index: number): number {
  return (state[index >> 2]! >>> (24 - 8 * (index & 3))) & 0xff
}

/** The octets after the last whole block of the message, then those of the suffix, which are at the start of `lastBlock`. */
function finish(message: Uint8Array, offset: number, length: number, suffixOctets: number): void {
  const s0 = lastBlock[0]!
  const s1 = lastBlock[1]!
  const s2 = lastBlock[2]!
  const s3 = lastBlock[3]!
  let filled = 0
  for (let i = offset; i < length; i += 1) lastBlock[filled++] = message[i]!
  for (let i = 0; i < suffixOctets; i += 1) {
    if (filled === BLOCK) {
      compress(lastBlock, 0)
      filled = 0
    }
    lastBlock[filled++] = i === 0 ? s0 : i === 1 ? s1 : i === 2 ? s2 : s3
  }
  if (filled === BLOCK) {
    compress(lastBlock, 0)
    filled = 0
  }
  pad(filled, BLOCK + length + suffixOctets)
}

/** Closes a message of `octets` octets, pad included, of which the last `filled` are in `lastBlock`. */
function pad(filled: number, octets: number): void {
  lastBlock[filled] = 0x80
  lastBlock.fill(0, filled + 1)
  if (filled + 1 > BLOCK - 8) {
    compress(lastBlock, 0)
    lastBlock.fill(0)
  }
  const bits = octets * 8
  lastBlock[60] = bits >>> 24
  lastBlock[61] = bits >>> 16
  lastBlock[62] = bits >>> 8
  lastBlock[63] = bits
  compress(lastBlock, 0)
}

function initialise(): void {
  state[0] = 0x67452301
  state[1] = 0xefcdab89
  state[2] = 0x98badcfe
  state[3] = 0x10325476
  state[4] = 0xc3d2e1f0
}

function compress(bytes: Uint8Array, offset: number): void {
  const w = schedule
  for (let i = 0, at = offset; i < 16; i += 1, at += 4) {
    w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  }
  for (let i = 16; i < 80; i += 1) {
    const word = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!
    w[i] = (word << 1) | (word >>> 31)
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  for (let i = 0; i < 20; i += 1) {
    const next = (((a << 5) | (a >>> 27)) + (d ^ (b & (c ^ d))) + e + 0x5a827999 + w[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 20; i < 40; i += 1) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + w[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 40; i < 60; i += 1) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (d & (b | c))) + e + 0x8f1bbcdc + w[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 60; i < 80; i += 1) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0xca62c1d6 + w[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  state[0] = (state[0]! + a) | 0
  state[1] = (state[1]! + b) | 0
  state[2] = (state[2]! + c) | 0
  state[3] = (state[3]! + d) | 0
  state[4] = (state[4]! + e) | 0
}
