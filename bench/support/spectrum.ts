/** Power spectra of short pieces of sound, for measures of quality; radix 2, in place, tables made once. */

export class Spectrum {
  readonly size: number
  readonly #window: Float64Array
  readonly #cos: Float64Array
  readonly #sin: Float64Array
  readonly #re: Float64Array
  readonly #im: Float64Array

  /** `size`: samples of a piece, a power of two. */
  constructor(size: number) {
    this.size = size
    this.#window = Float64Array.from(
      { length: size },
      (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size),
    )
    this.#cos = Float64Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size))
    this.#sin = Float64Array.from({ length: size / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / size))
    this.#re = new Float64Array(size)
    this.#im = new Float64Array(size)
  }

  /** Power at `size / 2` frequencies of the Hann-windowed piece that begins at `at`; what lies outside is silence. */
  power(samples: Int16Array, at: number, out: Float64Array): Float64Array {
    const { size } = this
    const bits = Math.log2(size)
    for (let i = 0; i < size; i += 1) {
      let reversed = 0
      for (let bit = 0; bit < bits; bit += 1) reversed |= ((i >> bit) & 1) << (bits - 1 - bit)
      this.#re[reversed] = (samples[at + i] ?? 0) * (this.#window[i] as number)
      this.#im[reversed] = 0
    }
    for (let half = 1; half < size; half *= 2) this.#butterflies(half)
    for (let k = 0; k < size / 2; k += 1) out[k] = (this.#re[k] as number) ** 2 + (this.#im[k] as number) ** 2
    return out
  }

  #butterflies(half: number): void {
    const re = this.#re
    const im = this.#im
    const stride = this.size / (2 * half)
    for (let start = 0; start < this.size; start += 2 * half) {
      for (let k = 0; k < half; k += 1) {
        const cos = this.#cos[k * stride] as number
        const sin = this.#sin[k * stride] as number
        const a = start + k
        const b = a + half
        const tr = (re[b] as number) * cos + (im[b] as number) * sin
        const ti = (im[b] as number) * cos - (re[b] as number) * sin
        re[b] = (re[a] as number) - tr
        im[b] = (im[a] as number) - ti
        re[a] = (re[a] as number) + tr
        im[a] = (im[a] as number) + ti
      }
    }
  }
}
