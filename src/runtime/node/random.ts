import { Buffer } from 'node:buffer'
import { randomFillSync } from 'node:crypto'
import type { Random } from '../runtime.ts'

const POOL_BYTES = 4096

/** Random numbers of the system's generator, fetched a pool at a time: a call into it costs as much for 4 KiB as for 4. */
export class NodeRandom implements Random {
  readonly #pool = Buffer.alloc(POOL_BYTES)
  #used = POOL_BYTES

  bytes(length: number): Uint8Array {
    if (length > POOL_BYTES / 4) return randomFillSync(new Uint8Array(length))
    const start = this.#take(length)
    const bytes = Uint8Array.prototype.slice.call(this.#pool, start, start + length)
    // What has been handed out may become a key: it does not stay in the pool.
    this.#pool.fill(0, start, start + length)
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  uint32(): number {
    return this.#pool.readUInt32LE(this.#take(4))
  }

  #take(length: number): number {
    if (this.#used + length > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    return start
  }
}
