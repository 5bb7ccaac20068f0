import type { AudioSink, PlaySource } from '../media/audio/audio-sink.ts'

/** Plays to one party for as long as it is told to, from the beginning again when it is over. */
export class HoldMusic {
  readonly #output: AudioSink
  readonly #make: () => PlaySource
  #playing: AbortController | undefined

  constructor(output: AudioSink, make: () => PlaySource) {
    this.#output = output
    this.#make = make
  }

  play(wanted: boolean): void {
    if (!wanted) this.stop()
    else if (this.#playing === undefined) void this.#loop((this.#playing = new AbortController()))
  }

  stop(): void {
    this.#playing?.abort()
    this.#playing = undefined
  }

  async #loop({ signal }: AbortController): Promise<void> {
    try {
      while (!signal.aborted && !this.#output.ended) {
        const { playedMs } = await this.#output.play(this.#make(), { signal })
        if (!(playedMs > 0)) return
      }
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
