import type { Call } from '../call/call.ts'
import { goertzelDbfs } from '../media/audio/goertzel.ts'
import { levelDbfs } from '../media/audio/level.ts'

/** What has been heard since the question was asked. */
export interface Heard {
  readonly afterMs: number
  /** In all. */
  readonly loudMs: number
  /** In a row, up to now. */
  readonly quietMs: number
  /** In a row, up to now, with that tone the strongest. */
  toneMs(hz: number): number
  /** Level of that tone in the last frame. */
  toneDbfs(hz: number): number
}

const loudDbfs = -45

/** Follows what a call hears, frame by frame, and answers questions about it. */
export class CallListener {
  readonly sampleRate: number
  readonly #call: Call
  #frame: Int16Array = new Int16Array(0)
  #onFrame: (() => void) | undefined
  #kept: Int16Array[] | undefined

  constructor(call: Call) {
    this.#call = call
    this.sampleRate = call.media.input.sampleRate
    void this.#listen()
  }

  /** Keeps what is heard from now on for `kept`. */
  keep(): void {
    this.#kept = []
  }

  get kept(): Int16Array {
    const frames = this.#kept ?? []
    const all = new Int16Array(frames.reduce((sum, frame) => sum + frame.length, 0))
    let at = 0
    for (const frame of frames) {
      all.set(frame, at)
      at += frame.length
    }
    return all
  }

  /** Resolves once `holds`, tried after each frame; undefined when it does not within `withinMs` of audio. */
  until(holds: (heard: Heard) => boolean, withinMs: number): Promise<Heard | undefined> {
    const tones = new Map<number, number>()
    let afterMs = 0
    let loudMs = 0
    let quietMs = 0
    return new Promise(resolve => {
      const finish = (heard: Heard | undefined): void => {
        this.#onFrame = undefined
        resolve(heard)
      }
      this.#onFrame = () => {
        const frame = this.#frame
        const frameMs = (frame.length * 1000) / this.sampleRate
        const level = levelDbfs(frame)
        afterMs += frameMs
        loudMs += level > loudDbfs ? frameMs : 0
        quietMs = level > loudDbfs ? 0 : quietMs + frameMs
        const toneDbfs = (hz: number): number => goertzelDbfs(frame, this.sampleRate, hz)
        const toneMs = (hz: number): number => {
          const tone = toneDbfs(hz)
          const run = tone > loudDbfs && tone > level - 3 ? (tones.get(hz) ?? 0) + frameMs : 0
          tones.set(hz, run)
          return run
        }
        const heard: Heard = { afterMs, loudMs, quietMs, toneMs, toneDbfs }
        if (holds(heard)) finish(heard)
        else if (afterMs >= withinMs) finish(undefined)
      }
      void this.#call.ended.then(() => finish(undefined))
    })
  }

  async #listen(): Promise<void> {
    for await (const { samples } of this.#call.media.input) {
      this.#frame = samples
      this.#kept?.push(samples.slice())
      this.#onFrame?.()
    }
  }
}
