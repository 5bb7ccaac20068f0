import type { Random } from '../runtime/runtime.ts'

/** A `Random` that gives the same numbers for the same seed, on every machine and Node version. Not for secrets. */
export interface SeededRandom extends Random {
  /** A uniform number in [0, 1), with 32 bits of precision. */
  float(): number
  /** A uniform integer in `from` … `to`, both included. */
  integer(from: number, to: number): number
  /** An independent stream: what is drawn from it does not move this one. The same label gives the same stream. */
  fork(label: string): SeededRandom
}

/** @param seed any number; its 53-bit integer part counts */
export function seededRandom(seed: number): SeededRandom {
  const whole = Math.trunc(seed)
  return new Sfc32(whole >>> 0, Math.floor(whole / 2 ** 32) >>> 0)
}

/** sfc32 of Chris Doty-Humphrey's PractRand: 128 bits of state, period of 2^32 at the least. */
class Sfc32 implements SeededRandom {
  readonly #low: number
  readonly #high: number
  #a: number
  #b: number
  #c = 0
  #counter = 1

  constructor(low: number, high: number) {
    this.#low = low
    this.#high = high
    this.#a = low
    this.#b = high
    // Similar seeds give similar first numbers until the state has mixed.
    for (let round = 0; round < 15; round++) this.uint32()
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + sum) | 0
    return sum >>> 0
  }

  float(): number {
    return this.uint32() / 2 ** 32
  }

  integer(from: number, to: number): number {
    return from + Math.floor(this.float() * (to - from + 1))
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let offset = 0; offset < length; offset += 4) {
      const word = this.uint32()
      const end = Math.min(4, length - offset)
      for (let index = 0; index < end; index++) bytes[offset + index] = word >>> (8 * index)
    }
    return bytes
  }

  fork(label: string): SeededRandom {
    // FNV-1a over the label; the seed, not the present state, so that forks do not depend on when they are made.
    let hash = 0x811c9dc5
    for (let index = 0; index < label.length; index++) {
      hash = Math.imul(hash ^ label.charCodeAt(index), 0x01000193)
    }
    return new Sfc32((this.#low ^ hash) >>> 0, (this.#high + 0x9e3779b9 + Math.imul(hash, 31)) >>> 0)
  }
}
