import { OptionError } from '../../runtime/errors.ts'
import { DTMF_HZ } from './tones.ts'
import { checkRate } from './rates.ts'

/** How the tones of a key sound. */
export interface DtmfSound {
  /** Of both tones together, dBm0 (a sine of full scale is 3.14 dBm0). Default -10. */
  readonly volumeDbm0?: number
  /** The high tone above the low one, dB; lines lose more of it. Default 2. */
  readonly twistDb?: number
}

/**
 * The two tones of one key after the other, sample by sample and without clicks: 1 ms to rise and to fall, within the duration. Mono
 * signed 16-bit.
 */
export class DtmfGenerator {
  readonly #sampleRate: number
  readonly #ramp: number
  #lowStep = 0
  #highStep = 0
  #lowAmplitude = 0
  #highAmplitude = 0
  #length = 0
  #at = 0

  /** `sampleRate` in samples per second. */
  constructor(options: { readonly sampleRate: number }) {
    this.#sampleRate = checkRate(options.sampleRate)
    this.#ramp = Math.round(this.#sampleRate * RAMP_S)
  }

  /** A key sounds. */
  get active(): boolean {
    return this.#at < this.#length
  }

  /**
   * Begins a key with the next sample: `0`-`9`, `*`, `#`, `A`-`D`. What sounded before stops.
   * @throws OptionError
   */
  start(digit: string, durationMs: number, sound: DtmfSound = {}): void {
    const { volumeDbm0 = -10, twistDb = 2 } = sound
    const pair = DTMF_HZ[digit]
    if (pair === undefined)
      throw new OptionError('digits', 'there is no tone for that key; use 0-9, *, #, A-D')
    if (!(durationMs > 0)) throw new OptionError('durationMs', `${durationMs} ms is no duration`)
    if (!(volumeDbm0 >= -63 && volumeDbm0 <= 0))
      throw new OptionError('volumeDbm0', `${volumeDbm0} is not within -63 … 0`)
    if (!(Math.abs(twistDb) <= 20)) throw new OptionError('twistDb', `${twistDb} is not within -20 … 20`)
    const [low, high] = pair
    const ratio = 10 ** (twistDb / 10)
    const power = ZERO_DBM0 * 10 ** (volumeDbm0 / 10)
    this.#lowAmplitude = Math.sqrt(power / (1 + ratio))
    this.#highAmplitude = this.#lowAmplitude * Math.sqrt(ratio)
    this.#lowStep = (2 * Math.PI * low) / this.#sampleRate
    this.#highStep = (2 * Math.PI * high) / this.#sampleRate
    this.#length = Math.max(1, Math.round((durationMs * this.#sampleRate) / 1000))
    this.#at = 0
  }

  /** Lets go of the key at once: nothing more of it is sent. */
  stop(): void {
    this.#at = this.#length
  }

  /** Fills `out` from `from` on; silence from where the key ends. Returns how many samples the key still had. */
  render(out: Int16Array, from = 0): number {
    const count = Math.min(out.length - from, this.#length - this.#at)
    for (let i = 0; i < count; i += 1) {
      const at = this.#at + i
      const edge = Math.min(at + 0.5, this.#length - at - 0.5)
      const gain = edge >= this.#ramp ? 1 : (1 - Math.cos((Math.PI * edge) / this.#ramp)) / 2
      const sample =
        this.#lowAmplitude * Math.sin(this.#lowStep * at) +
        this.#highAmplitude * Math.sin(this.#highStep * at)
      out[from + i] = Math.max(-32_768, Math.min(32_767, Math.round(gain * sample)))
    }
    out.fill(0, from + count)
    this.#at += count
    return count
  }
}

/** `durationMs` of one key. @throws OptionError */
export function dtmfTone(
  digit: string,
  options: DtmfSound & { readonly sampleRate: number; readonly durationMs: number },
): Int16Array {
  const generator = new DtmfGenerator(options)
  generator.start(digit, options.durationMs, options)
  const out = new Int16Array(Math.round((options.sampleRate * options.durationMs) / 1000))
  generator.render(out)
  return out
}

const RAMP_S = 0.001
/** Squared amplitude of a sine of 0 dBm0 (ITU-T G.711, A-law). */
const ZERO_DBM0 = 32_768 ** 2 * 10 ** (-3.14 / 10)
