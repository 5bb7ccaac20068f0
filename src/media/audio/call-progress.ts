import { OptionError } from '../../runtime/errors.ts'
import { CadenceGenerator, parseCadence } from './cadence.ts'
import type { CadencePart } from './cadence.ts'
import { COUNTRY_TONES } from './country-tones.ts'
import type { CallProgressTone } from './country-tones.ts'
import { checkRate } from './rates.ts'

export interface CallProgressOptions {
  /** Samples per second; default 8000. `play` converts. */
  readonly sampleRate?: number
  /** Rounds of the cadence; default endless, until `clear()` or the signal given to `play`. */
  readonly rounds?: number
  /** Louder or softer than the standard, dB; default 0. */
  readonly volumeDb?: number
}

/** A tone of the network to play, in chunks of 20 ms. */
export interface ToneSource extends AsyncIterable<Int16Array> {
  readonly sampleRate: number
  /** What one round is made of. */
  readonly cadence: readonly CadencePart[]
  /** Of each frequency, dBFS: a full-scale sine is -3.01. */
  readonly levelDbfs: number
}

/**
 * What a caller in `country` (ISO 3166-1, `UK` too) is used to hear: `output.play(callProgress('DE', 'ringback'))`.
 * At the levels of the country's standard, else -10 dBm0 (ITU-T E.180).
 * @throws OptionError for a country without a row, a tone that is none, or options out of range
 */
export function callProgress(
  country: string,
  tone: CallProgressTone,
  options: CallProgressOptions = {},
): ToneSource {
  const code = country.toUpperCase()
  const key = code === 'UK' ? 'GB' : code
  const row = Object.hasOwn(COUNTRY_TONES, key) ? COUNTRY_TONES[key] : undefined
  if (row === undefined) {
    throw new OptionError(
      'country',
      `there are no tones of ${JSON.stringify(country)}; there are: ${Object.keys(COUNTRY_TONES).join(', ')}`,
    )
  }
  if (!TONES.includes(tone)) {
    throw new OptionError('tone', `${JSON.stringify(tone)} is none; there are: ${TONES.join(', ')}`)
  }
  const cadence = parseCadence(row[tone])
  const { rounds = Infinity, volumeDb = 0 } = options
  if (!(rounds > 0)) throw new OptionError('rounds', `${rounds} is not usable; give 1 or more, or Infinity`)
  if (!(volumeDb >= -100 && volumeDb <= 20)) {
    throw new OptionError('volumeDb', `${volumeDb} is not usable; give dB, -100 to 20`)
  }
  const together = Math.max(...cadence.map(part => part.hz.length))
  const dbm0 = row.levelsDbm0?.[tone] ?? -10 - 10 * Math.log10(together)
  const sampleRate = checkRate(options.sampleRate ?? 8000)
  const levelDbfs = dbm0 - DBM0_OF_0_DBFS + volumeDb
  return {
    sampleRate,
    cadence,
    levelDbfs,
    [Symbol.asyncIterator]: () =>
      chunks(new CadenceGenerator(cadence, sampleRate, levelDbfs), cadence, rounds),
  }
}

async function* chunks(
  generator: CadenceGenerator,
  cadence: readonly CadencePart[],
  rounds: number,
): AsyncGenerator<Int16Array, void, undefined> {
  let left = 0
  for (const { durationMs } of cadence) left += Math.round((durationMs * generator.sampleRate) / 1000)
  left *= rounds
  const chunk = new Int16Array(generator.sampleRate / 50)
  for (; left > 0; left -= chunk.length) {
    generator.render(chunk)
    yield left < chunk.length ? chunk.subarray(0, left) : chunk
  }
}

const TONES: readonly CallProgressTone[] = [
  'dial',
  'ringback',
  'busy',
  'congestion',
  'callWaiting',
  'information',
]
/** A full-scale sine is +3.14 dBm0 (ITU-T G.711) and -3.01 dBFS. */
const DBM0_OF_0_DBFS = 6.15
