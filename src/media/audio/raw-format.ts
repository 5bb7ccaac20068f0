import { OptionError } from '../../runtime/errors.ts'
import type { WavFormat, WavHeader } from './wav-format.ts'

/** Samples by the names sox and ffmpeg have for them, all little-endian. */
export type RawEncoding = 'u8' | 's16le' | 's24le' | 's32le' | 'f32le' | 'f64le' | 'alaw' | 'mulaw'

/** What a file without a header holds. */
export interface RawFormat {
  readonly encoding: RawEncoding
  /** Samples per second and channel. */
  readonly sampleRate: number
  /** Interleaved; default 1. */
  readonly channels?: number
}

/** @throws OptionError */
export function rawHeader(raw: RawFormat): WavHeader {
  const { encoding, sampleRate, channels = 1 } = raw
  const format = Object.hasOwn(ENCODINGS, encoding) ? ENCODINGS[encoding] : undefined
  if (format === undefined) {
    const names = Object.keys(ENCODINGS).join(', ')
    throw new OptionError('raw.encoding', `${JSON.stringify(encoding)} is not read here; there are: ${names}`)
  }
  if (!(Number.isInteger(sampleRate) && sampleRate >= 1000 && sampleRate <= 384_000)) {
    throw new OptionError('raw.sampleRate', `${sampleRate} is not usable; 1000 to 384000 are`)
  }
  if (!(Number.isInteger(channels) && channels >= 1 && channels <= 64)) {
    throw new OptionError('raw.channels', `${channels} is not usable; 1 to 64 are`)
  }
  return { ...format, sampleRate, channels, dataStart: 0, dataBytes: Infinity }
}

const ENCODINGS: Readonly<Record<RawEncoding, Pick<WavFormat, 'encoding' | 'sampleBytes'>>> = {
  u8: { encoding: 'int', sampleBytes: 1 },
  s16le: { encoding: 'int', sampleBytes: 2 },
  s24le: { encoding: 'int', sampleBytes: 3 },
  s32le: { encoding: 'int', sampleBytes: 4 },
  f32le: { encoding: 'float', sampleBytes: 4 },
  f64le: { encoding: 'float', sampleBytes: 8 },
  alaw: { encoding: 'alaw', sampleBytes: 1 },
  mulaw: { encoding: 'mulaw', sampleBytes: 1 },
}
