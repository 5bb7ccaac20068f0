import type { AudioSource } from '../../../src/media/audio/audio-source.ts'

/** Reads a source from now on and keeps all of it. */
export class AudioCapture {
  readonly frames: {
    readonly samples: Int16Array
    readonly timestampMs: number
    readonly concealed: boolean
  }[] = []
  readonly done: Promise<void>

  constructor(source: AudioSource) {
    this.done = this.#read(source)
  }

  /** What was heard from `fromMs` to `toMs` on the clock of the frames. */
  between(fromMs: number, toMs: number): Int16Array {
    const parts = this.frames.filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs < toMs)
    const out = new Int16Array(parts.reduce((length, { samples }) => length + samples.length, 0))
    let at = 0
    for (const { samples } of parts) {
      out.set(samples, at)
      at += samples.length
    }
    return out
  }

  async #read(source: AudioSource): Promise<void> {
    for await (const { samples, timestampMs, concealed } of source) {
      this.frames.push({ samples: samples.slice(), timestampMs, concealed })
    }
  }
}
