import { OptionError } from '../../runtime/errors.ts'
import { resamplerRates } from '../codec/resampler.ts'

/** Throws an `OptionError` unless `sampleRate` is one that audio is handed over at. */
export function checkRate(sampleRate: number): number {
  if (!Number.isInteger(sampleRate) || sampleRate < 8000 || sampleRate > 192_000) {
    throw new OptionError(
      'sampleRate',
      `${sampleRate} is not usable; give samples per second, 8000 to 192000`,
    )
  }
  return sampleRate
}

/** Throws an `OptionError` unless audio can be converted to and from `sampleRate`. */
export function checkConvertible(sampleRate: number): number {
  if (!resamplerRates.includes(sampleRate)) {
    throw new OptionError(
      'sampleRate',
      `${sampleRate} is not converted; use one of ${resamplerRates.join(', ')}`,
    )
  }
  return sampleRate
}
