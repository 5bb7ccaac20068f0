import { OptionError } from '../../runtime/errors.ts'
import type { OpusOptions, OpusSampleRate } from './opus-options.ts'

/** The `fmtp` of one side, as RFC 7587 §6.1 names and defaults it: what that side likes to receive, `sprop-` what it will send. */
export interface OpusParameters {
  readonly maxplaybackrate: number
  readonly 'sprop-maxcapturerate': number
  /** Bits per second; `undefined` where the side named none. */
  readonly maxaveragebitrate: number | undefined
  readonly stereo: boolean
  readonly 'sprop-stereo': boolean
  readonly cbr: boolean
  readonly useinbandfec: boolean
  readonly usedtx: boolean
}

/** Reads an `fmtp` value. What is unknown, or no number where one belongs, is passed over as if it were not there. */
export function parseOpusParameters(fmtp = ''): OpusParameters {
  const values = new Map<string, string>()
  for (const part of fmtp.split(';')) {
    const [name = '', value = ''] = part.split('=', 2)
    values.set(name.trim().toLowerCase(), value.trim())
  }
  const flag = (name: string): boolean => values.get(name) === '1'
  const number = (name: string, min: number, max: number): number | undefined => {
    const text = values.get(name)
    if (text === undefined || !/^\d{1,9}$/.test(text)) return undefined
    return Math.min(Math.max(Number(text), min), max)
  }
  return {
    maxplaybackrate: number('maxplaybackrate', 8000, 48_000) ?? 48_000,
    'sprop-maxcapturerate': number('sprop-maxcapturerate', 8000, 48_000) ?? 48_000,
    maxaveragebitrate: number('maxaveragebitrate', MIN_BITRATE, MAX_BITRATE),
    stereo: flag('stereo'),
    'sprop-stereo': flag('sprop-stereo'),
    cbr: flag('cbr'),
    useinbandfec: flag('useinbandfec'),
    usedtx: flag('usedtx'),
  }
}

/** Our `fmtp`; what has the value the RFC supposes anyway is left out. */
export function opusFmtp(options: Required<Omit<OpusOptions, 'maxReceiveBitrate'>> & OpusOptions): string {
  const { sampleRate, channels } = options
  const parts = ['minptime=10']
  if (sampleRate < 48_000) parts.push(`maxplaybackrate=${sampleRate}`, `sprop-maxcapturerate=${sampleRate}`)
  if (options.maxReceiveBitrate !== undefined) parts.push(`maxaveragebitrate=${options.maxReceiveBitrate}`)
  if (channels === 2) parts.push('stereo=1', 'sprop-stereo=1')
  if (options.cbr) parts.push('cbr=1')
  if (options.fec) parts.push('useinbandfec=1')
  if (options.dtx) parts.push('usedtx=1')
  return parts.join(';')
}

export type ResolvedOpusOptions = Required<Omit<OpusOptions, 'maxReceiveBitrate'>> & OpusOptions

/** Fills in the defaults. @throws {OptionError} naming the field */
export function resolveOpusOptions(given: OpusOptions = {}): ResolvedOpusOptions {
  const sampleRate = given.sampleRate ?? 24_000
  const rates = [...defaultBitrates.keys()]
  if (!rates.includes(sampleRate))
    throw new OptionError('opus.sampleRate', `${sampleRate} Hz is none of ${rates.join(', ')}`)
  const channels = given.channels ?? 1
  if (channels !== 1 && channels !== 2)
    throw new OptionError('opus.channels', `${String(channels)} is neither 1 nor 2`)
  check('opus.bitrate', given.bitrate, MIN_BITRATE, MAX_BITRATE)
  check('opus.maxReceiveBitrate', given.maxReceiveBitrate, MIN_BITRATE, MAX_BITRATE)
  check('opus.expectedLoss', given.expectedLoss, 0, 100)
  check('opus.complexity', given.complexity, 0, 10)
  return {
    fec: true,
    expectedLoss: 0,
    dtx: false,
    cbr: false,
    complexity: 5,
    ...given,
    sampleRate,
    channels,
    bitrate: given.bitrate ?? (defaultBitrates.get(sampleRate) ?? 0) * (channels === 2 ? 1.5 : 1),
  }
}

function check(field: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return
  throw new OptionError(field, `${value} is not a whole number from ${min} to ${max}`)
}

/** RFC 7587 §6.1, `maxaveragebitrate`. */
const MIN_BITRATE = 6000
const MAX_BITRATE = 510_000

/** Bits per second of mono speech, a step above the ranges of RFC 7587 §3.1.1: some of it may go into error correction. */
const defaultBitrates: ReadonlyMap<OpusSampleRate, number> = new Map<OpusSampleRate, number>([
  [8000, 16_000],
  [12_000, 20_000],
  [16_000, 24_000],
  [24_000, 32_000],
  [48_000, 40_000],
])
