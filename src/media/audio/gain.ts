import { OptionError } from '../../runtime/errors.ts'

/** A factor on samples that moves to a new value in 20 ms: a step would be heard as a click. */
export class Gain {
  readonly #step: number
  #now = 1
  #target = 1

  constructor(sampleRate: number) {
    this.#step = 50 / sampleRate
  }

  /** Nothing to do until the target is changed. */
  get neutral(): boolean {
    return this.#now === 1 && this.#target === 1
  }

  /** To a factor, 0 being silence. */
  moveTo(factor: number): void {
    this.#target = factor
  }

  /** Is where it was to move to. */
  moveAtOnce(): void {
    this.#now = this.#target
  }

  /** Scales the first `count` samples in place; what would not fit in 16 bits is cut off. */
  apply(samples: Int16Array, count: number = samples.length): void {
    let now = this.#now
    const target = this.#target
    const step = Math.max(this.#step, this.#step * Math.abs(target - now))
    for (let i = 0; i < count; i += 1) {
      if (now < target) now = Math.min(target, now + step)
      else if (now > target) now = Math.max(target, now - step)
      const scaled = Math.round((samples[i] as number) * now)
      samples[i] = scaled > 32_767 ? 32_767 : scaled < -32_768 ? -32_768 : scaled
    }
    this.#now = now
  }
}

/** The factor of so many dB. @throws OptionError unless -100 to 20; -Infinity is silence. */
export function factorOf(field: string, volumeDb: number): number {
  if (volumeDb === -Infinity) return 0
  if (!(volumeDb >= -100 && volumeDb <= 20)) {
    throw new OptionError(field, `${volumeDb} is not usable; give dB, -100 to 20, or -Infinity for silence`)
  }
  return 10 ** (volumeDb / 20)
}
