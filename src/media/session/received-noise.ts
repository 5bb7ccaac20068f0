import { ComfortNoiseGenerator } from '../codec/comfort-noise.ts'
import { Resampler } from '../codec/resampler.ts'

const BLOCK_MS = 10

/** The peer's comfort noise (RFC 3389) at the rate of the session, whatever rate it was described for. */
export class ReceivedNoise {
  readonly clockRate: number
  readonly #generator: ComfortNoiseGenerator
  readonly #resampler: Resampler | undefined
  readonly #block: Int16Array
  readonly #converted: Int16Array
  /** Converted, but not asked for yet: `#converted` from the first to the second. */
  #from = 0
  #to = 0

  constructor(clockRate: number, sampleRate: number) {
    this.clockRate = clockRate
    this.#generator = new ComfortNoiseGenerator({ sampleRate: clockRate })
    this.#resampler = clockRate === sampleRate ? undefined : new Resampler(clockRate, sampleRate)
    this.#block = new Int16Array((clockRate * BLOCK_MS) / 1000)
    this.#converted =
      this.#resampler === undefined
        ? this.#block
        : new Int16Array(this.#resampler.maxOutput(this.#block.length))
  }

  /** Takes the payload of a CN packet; an empty one changes nothing. */
  update(payload: Uint8Array): void {
    this.#generator.update(payload)
  }

  /** Writes `count` samples to `out` from `from` on. */
  generate(out: Int16Array, from: number, count: number): void {
    for (let at = from; at < from + count;) {
      if (this.#from === this.#to) this.#more()
      const step = Math.min(this.#to - this.#from, from + count - at)
      for (let i = 0; i < step; i += 1) out[at + i] = this.#converted[this.#from + i]!
      this.#from += step
      at += step
    }
  }

  #more(): void {
    this.#generator.generate(this.#block)
    this.#from = 0
    do {
      this.#to =
        this.#resampler === undefined
          ? this.#block.length
          : this.#resampler.process(this.#block, this.#converted)
    } while (this.#to === 0)
  }
}
