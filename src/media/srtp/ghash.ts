/**
 * GHASH (NIST SP 800-38D §6.4), an octet at a time from two tables of sixteen products of the subkey: half a kilobyte a key, few
 * enough cache lines to stay in the nearest cache and to tell little about what was looked up.
 */

const BLOCK = 16

/** What the octet that falls off the end comes back as, in the upper 16 bits of the first word. */
const reductions = /* @__PURE__ */ makeReductions()

export class Ghash {
  /** Words of high-nibble products, then of low-nibble products: 16 × 4 each. */
  readonly #products: Int32Array = new Int32Array(128)
  #z0 = 0
  #z1 = 0
  #z2 = 0
  #z3 = 0

  /** `subkey` is the cipher's encryption of a block of zeros. */
  constructor(subkey: Uint8Array) {
    const power = wordsOf(subkey)
    // Bit by bit from the coefficient of x⁰, the highest bit of the high nibble.
    for (let bit = 0; bit < 8; bit += 1) {
      const table = bit < 4 ? 0 : 64
      const weight = 8 >> (bit & 3)
      for (let nibble = 0; nibble < 16; nibble += 1) {
        if ((nibble & weight) === 0) continue
        for (let word = 0; word < 4; word += 1) this.#products[table + nibble * 4 + word]! ^= power[word]!
      }
      multiplyByX(power)
    }
  }

  reset(): void {
    this.#z0 = 0
    this.#z1 = 0
    this.#z2 = 0
    this.#z3 = 0
  }

  /** Takes octets `from` … `to`, zeros to the next whole block after them. */
  update(bytes: Uint8Array, from: number, to: number): void {
    const whole = from + ((to - from) & ~(BLOCK - 1))
    for (let offset = from; offset < whole; offset += BLOCK) {
      this.#block(
        readWord(bytes, offset),
        readWord(bytes, offset + 4),
        readWord(bytes, offset + 8),
        readWord(bytes, offset + 12),
      )
    }
    if (whole < to) {
      this.#block(
        readPartialWord(bytes, whole, to),
        readPartialWord(bytes, whole + 4, to),
        readPartialWord(bytes, whole + 8, to),
        readPartialWord(bytes, whole + 12, to),
      )
    }
  }

  /** The closing block: how many octets were authenticated, and how many of them also encrypted. Below 2²⁸ each. */
  updateLengths(associated: number, encrypted: number): void {
    this.#block(0, associated * 8, 0, encrypted * 8)
  }

  /** The octet at `index` of the hash so far. */
  octet(index: number): number {
    const word = index < 8 ? (index < 4 ? this.#z0 : this.#z1) : index < 12 ? this.#z2 : this.#z3
    return (word >>> (24 - 8 * (index & 3))) & 0xff
  }

  close(): void {
    this.#products.fill(0)
    this.reset()
  }

  #block(w0: number, w1: number, w2: number, w3: number): void {
    const products = this.#products
    const x0 = this.#z0 ^ w0
    const x1 = this.#z1 ^ w1
    const x2 = this.#z2 ^ w2
    const x3 = this.#z3 ^ w3
    let a = 0
    let b = 0
    let c = 0
    let d = 0
    for (let word = 3; word >= 0; word -= 1) {
      const x = word === 3 ? x3 : word === 2 ? x2 : word === 1 ? x1 : x0
      for (let shift = 0; shift < 32; shift += 8) {
        const octet = x >>> shift
        const high = (octet >>> 2) & 0x3c
        const low = 64 + ((octet << 2) & 0x3c)
        const fallen = reductions[d & 0xff]!
        d = ((d >>> 8) | (c << 24)) ^ products[high + 3]! ^ products[low + 3]!
        c = ((c >>> 8) | (b << 24)) ^ products[high + 2]! ^ products[low + 2]!
        b = ((b >>> 8) | (a << 24)) ^ products[high + 1]! ^ products[low + 1]!
        a = (a >>> 8) ^ fallen ^ products[high]! ^ products[low]!
      }
    }
    this.#z0 = a
    this.#z1 = b
    this.#z2 = c
    this.#z3 = d
  }
}

function readWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

function readPartialWord(bytes: Uint8Array, at: number, to: number): number {
  let word = 0
  for (let i = 0; i < 4 && at + i < to; i += 1) word |= bytes[at + i]! << (24 - 8 * i)
  return word
}

function wordsOf(block: Uint8Array): Int32Array {
  return Int32Array.of(readWord(block, 0), readWord(block, 4), readWord(block, 8), readWord(block, 12))
}

/** In the field's reflected order of bits a shift to the right, reduced by x¹²⁸ = x⁷ + x² + x + 1. */
function multiplyByX(value: Int32Array): void {
  const fallen = value[3]! & 1
  for (let word = 3; word > 0; word -= 1) value[word] = (value[word]! >>> 1) | (value[word - 1]! << 31)
  value[0] = (value[0]! >>> 1) ^ (fallen === 1 ? 0xe1000000 : 0)
}

function makeReductions(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, octet) => {
    const value = Int32Array.of(0, 0, 0, octet)
    for (let bit = 0; bit < 8; bit += 1) multiplyByX(value)
    return value[0]!
  })
}
