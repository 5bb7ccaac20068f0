import type { AudioSource } from '../media/audio/audio-source.ts'
import { goertzelDbfs, strongestHz } from '../media/audio/goertzel.ts'
import { levelDbfs } from '../media/audio/level.ts'

/** What a caller can listen for. Levels in dBFS, a full-scale sine being -3. */
export type Sound =
  /** A steady tone, at least `levelDbfs` (default -40) and most of what is heard, for 100 ms. */
  | { readonly toneHz: number; readonly levelDbfs?: number }
  /** Anything louder than -45 dBFS for 200 ms in all. */
  | { readonly speech: true }
  /** Nothing above -50 dBFS for so long. */
  | { readonly silenceMs: number }

const windowMs = 100

/** Listens to a call all the time, and says when a sound was there. */
export class Ear {
  #window = new Int16Array(0)
  #rate = 8000
  #since = 0
  #check: ((frame: Int16Array) => boolean) | undefined
  #heard: (() => void) | undefined

  listen(source: AudioSource): void {
    this.#rate = source.sampleRate
    this.#window = new Int16Array((this.#rate * windowMs) / 1000)
    void this.#loop(source)
  }

  waitFor(sound: Sound): Promise<'heard'> {
    this.#since = 0
    this.#check = checkFor(sound, this.#rate, () =>
      (this.#since * 1000) / this.#rate >= windowMs ? this.#window : undefined,
    )
    return new Promise(resolve => {
      this.#heard = () => resolve('heard')
    })
  }

  giveUp(): void {
    this.#check = undefined
  }

  /** The last 100 ms in words. */
  describe(): string {
    const level = levelDbfs(this.#window)
    if (level < -50) return 'the last 100 ms were silent'
    const { hz } = strongestHz(this.#window, this.#rate, candidatesHz)
    return `the last 100 ms had ${level.toFixed(0)} dBFS, strongest near ${hz.toFixed(0)} Hz`
  }

  async #loop(source: AudioSource): Promise<void> {
    for await (const { samples } of source) {
      this.#window.copyWithin(0, samples.length)
      this.#window.set(samples, this.#window.length - samples.length)
      this.#since += samples.length
      if (this.#check?.(samples) !== true) continue
      this.#check = undefined
      this.#heard?.()
    }
  }
}

const candidatesHz = Array.from({ length: 166 }, (_, index) => 100 + index * 20)

/** `window` gives the last 100 ms once so much has come since the question. */
function checkFor(
  sound: Sound,
  rate: number,
  window: () => Int16Array | undefined,
): (frame: Int16Array) => boolean {
  if ('toneHz' in sound) {
    const least = sound.levelDbfs ?? -40
    return () => {
      const samples = window()
      if (samples === undefined) return false
      const tone = goertzelDbfs(samples, rate, sound.toneHz)
      return tone >= least && tone >= levelDbfs(samples) - 3
    }
  }
  const wanted = 'speech' in sound ? 200 : sound.silenceMs
  let ms = 0
  return frame => {
    const level = levelDbfs(frame)
    const frameMs = (frame.length * 1000) / rate
    if ('speech' in sound) ms += level > -45 ? frameMs : 0
    else ms = level < -50 ? ms + frameMs : 0
    return ms >= wanted
  }
}
