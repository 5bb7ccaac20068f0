/** One stretch of a cadence. */
export interface CadencePart {
  /** Sounding together; none is silence. */
  readonly hz: readonly number[]
  /** The loudness swings between nothing and full at this rate. */
  readonly modulationHz?: number
  /** `Infinity` for a tone without an end. */
  readonly durationMs: number
}

/** Reads `440+480/2000 0/4000`; see `CadenceText`. The rows are our own: what is wrong in one fails the tests. */
export function parseCadence(text: string): readonly CadencePart[] {
  return text.split(' ').map(part => {
    const [sound = '', duration] = part.split('/')
    const [carrier = '', modulation] = sound.split('*')
    const hz = carrier === '0' ? [] : carrier.split('+').map(Number)
    const durationMs = duration === undefined ? Infinity : Number(duration)
    return modulation === undefined
      ? { hz, durationMs }
      : { hz, durationMs, modulationHz: Number(modulation) }
  })
}

/**
 * Renders rounds of a cadence one after the other, each part beginning and ending softly (5 ms), the samples of each part
 * counted, so that no rounding adds up within a round.
 */
export class CadenceGenerator {
  readonly sampleRate: number
  readonly #parts: readonly CadencePart[]
  readonly #amplitudes: readonly number[]
  readonly #ramp: number
  #part = 0
  #at = 0

  /** `levelDbfs` is of each frequency; a modulated carrier has it as the mean of its swing. */
  constructor(parts: readonly CadencePart[], sampleRate: number, levelDbfs: number) {
    this.sampleRate = sampleRate
    this.#parts = parts
    const amplitude = 32_768 * Math.SQRT2 * 10 ** (levelDbfs / 20)
    // (1 + sin) / 2 as a factor leaves 3/8 of the power.
    this.#amplitudes = parts.map(part =>
      part.modulationHz === undefined ? amplitude : amplitude / Math.sqrt(3 / 8),
    )
    this.#ramp = sampleRate / 200
  }

  render(out: Int16Array): Int16Array {
    for (let i = 0; i < out.length; i += 1) {
      const part = this.#parts[this.#part] as CadencePart
      const length = Math.round((part.durationMs * this.sampleRate) / 1000)
      out[i] = Math.round(this.#sample(part, length))
      this.#at += 1
      if (this.#at < length) continue
      this.#at = 0
      this.#part = (this.#part + 1) % this.#parts.length
    }
    return out
  }

  #sample(part: CadencePart, length: number): number {
    if (part.hz.length === 0) return 0
    const turn = (2 * Math.PI * this.#at) / this.sampleRate
    let sum = 0
    for (const hz of part.hz) sum += Math.sin(turn * hz)
    if (part.modulationHz !== undefined) sum *= (1 - Math.cos(turn * part.modulationHz)) / 2
    const soft = Math.min(1, (this.#at + 1) / this.#ramp, (length - this.#at) / this.#ramp)
    const sample = sum * soft * (this.#amplitudes[this.#part] as number)
    return sample > 32_767 ? 32_767 : sample < -32_768 ? -32_768 : sample
  }
}
