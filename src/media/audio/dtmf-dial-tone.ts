/** Takes dial tones out of audio at 8000 samples a second: notches at 350 and 440 Hz, wide enough for the 425 Hz of other countries. */
export class DialToneFilter {
  #x1 = 0
  #x2 = 0
  #y1 = 0
  #y2 = 0
  #z1 = 0
  #z2 = 0

  /** In place. */
  process(samples: Float64Array): void {
    let x1 = this.#x1
    let x2 = this.#x2
    let y1 = this.#y1
    let y2 = this.#y2
    let z1 = this.#z1
    let z2 = this.#z2
    for (let i = 0; i < samples.length; i += 1) {
      const x = samples[i] as number
      const y = x + LOW * (x1 - RADIUS * y1) + x2 - RADIUS * RADIUS * y2
      const z = y + HIGH * (y1 - RADIUS * z1) + y2 - RADIUS * RADIUS * z2
      x2 = x1
      x1 = x
      y2 = y1
      y1 = y
      z2 = z1
      z1 = z
      samples[i] = z
    }
    this.#x1 = x1
    this.#x2 = x2
    this.#y1 = y1
    this.#y2 = y2
    this.#z1 = z1
    this.#z2 = z2
  }
}

/** Of the poles: how narrow the notches are. */
const RADIUS = 0.96
const LOW = -2 * Math.cos((2 * Math.PI * 350) / 8000)
const HIGH = -2 * Math.cos((2 * Math.PI * 440) / 8000)
