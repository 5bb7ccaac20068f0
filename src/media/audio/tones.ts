import { OptionError } from '../../runtime/errors.ts'
import { checkRate } from './rates.ts'

/** A sum of sines. */
export interface ToneOptions {
  /** Samples per second. */
  readonly sampleRate: number
  /** Frequencies in Hz, each below half the sample rate. Two make a dual tone. */
  readonly hz: number | readonly number[]
  /** Level of each frequency, dBFS: a full-scale sine is -3.01 dBFS (RMS against a full-scale square). Default -16. */
  readonly levelDbfs?: number
}

/** A tone that goes on without a step in phase from one `render` to the next. */
export class ToneGenerator {
  readonly sampleRate: number
  readonly #steps: readonly number[]
  readonly #phases: number[]
  readonly #amplitude: number

  constructor(options: ToneOptions) {
    this.sampleRate = checkRate(options.sampleRate)
    const frequencies = typeof options.hz === 'number' ? [options.hz] : options.hz
    for (const hz of frequencies) {
      if (!(hz > 0 && hz < this.sampleRate / 2)) {
        throw new OptionError(
          'hz',
          `${hz} Hz cannot be made at ${this.sampleRate} samples per second; stay below half`,
        )
      }
    }
    this.#steps = frequencies.map(hz => (2 * Math.PI * hz) / this.sampleRate)
    this.#phases = frequencies.map(() => 0)
    this.#amplitude = 32_768 * Math.SQRT2 * 10 ** ((options.levelDbfs ?? -16) / 20)
  }

  render(out: Int16Array): Int16Array {
    for (let i = 0; i < out.length; i += 1) {
      let sum = 0
      for (let k = 0; k < this.#steps.length; k += 1) {
        const phase = this.#phases[k] as number
        sum += Math.sin(phase)
        const next = phase + (this.#steps[k] as number)
        this.#phases[k] = next >= TURN ? next - TURN : next
      }
      out[i] = Math.max(-32_768, Math.min(32_767, Math.round(sum * this.#amplitude)))
    }
    return out
  }
}

/** `durationMs` of a tone. */
export function tone(options: ToneOptions & { readonly durationMs: number }): Int16Array {
  return new ToneGenerator(options).render(silence(options.sampleRate, options.durationMs))
}

/** `durationMs` of nothing. */
export function silence(sampleRate: number, durationMs: number): Int16Array {
  return new Int16Array(Math.round((sampleRate * durationMs) / 1000))
}

/** Low and high frequency in Hz of each key (ITU-T Q.23). */
export const DTMF_HZ: Readonly<Record<string, readonly [low: number, high: number]>> = {
  '1': [697, 1209],
  '2': [697, 1336],
  '3': [697, 1477],
  A: [697, 1633],
  '4': [770, 1209],
  '5': [770, 1336],
  '6': [770, 1477],
  B: [770, 1633],
  '7': [852, 1209],
  '8': [852, 1336],
  '9': [852, 1477],
  C: [852, 1633],
  '*': [941, 1209],
  '0': [941, 1336],
  '#': [941, 1477],
  D: [941, 1633],
}

const TURN = 2 * Math.PI
