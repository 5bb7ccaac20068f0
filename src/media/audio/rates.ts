import { OptionError } from '../../runtime/errors.ts'

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
