/** Which packet indices were seen (RFC 3711 §3.3.2): the newest and a fixed number before it. */
export class ReplayWindow {
  /** A ring of 32 indices a word, one word more than the window so that a moving edge never overwrites what still counts. */
  readonly #words: Int32Array
  readonly #size: number
  /** The newest index seen; -1 before the first. */
  newest = -1

  /** `size` in packets, a multiple of 32. */
  constructor(size: number) {
    this.#size = size
    this.#words = new Int32Array(size / 32 + 1)
  }

  /** Whether `index` was neither seen nor is older than the window. */
  isNew(index: number): boolean {
    if (index > this.newest) return true
    if (index <= this.newest - this.#size) return false
    return (this.#words[Math.floor(index / 32) % this.#words.length]! & (1 << (index & 31))) === 0
  }

  /** Marks an index that `isNew`. */
  add(index: number): void {
    const words = this.#words
    const block = Math.floor(index / 32)
    if (index > this.newest) {
      const newestBlock = Math.floor(this.newest / 32)
      const stale = Math.min(block - newestBlock, words.length)
      for (let i = 0; i < stale; i += 1) words[(block - i) % words.length] = 0
      this.newest = index
    }
    words[block % words.length]! |= 1 << (index & 31)
  }
}
