import { Resampler } from '../codec/resampler.ts'

/** Several channels, interleaved, from one rate to another: each keeps its own history. */
export class InterleavedResampler {
  readonly #channels: readonly Resampler[]
  #mono: Int16Array = new Int16Array(0)
  #converted: Int16Array = new Int16Array(0)

  constructor(from: number, to: number, channels: number) {
    this.#channels = Array.from({ length: channels }, () => new Resampler(from, to))
  }

  /** Takes whole frames (one sample of each channel); the result is the caller's own. */
  process(samples: Int16Array): Int16Array {
    const count = this.#channels.length
    const frames = samples.length / count
    const room = this.#channels[0]?.maxOutput(frames) ?? 0
    if (this.#mono.length !== frames) this.#mono = new Int16Array(frames)
    if (this.#converted.length < room) this.#converted = new Int16Array(room)
    let out = new Int16Array(0)
    for (const [channel, resampler] of this.#channels.entries()) {
      for (let i = 0; i < frames; i += 1) this.#mono[i] = samples[i * count + channel] as number
      // As many for each channel: all have had as much.
      const length = resampler.process(this.#mono, this.#converted)
      if (channel === 0) out = new Int16Array(length * count)
      for (let i = 0; i < length; i += 1) out[i * count + channel] = this.#converted[i] as number
    }
    return out
  }
}
