import { OptionError } from '../../runtime/errors.ts'
import { loadCodec } from '../codec/catalogue.ts'
import { OggOpusWriter } from './ogg-opus-writer.ts'
import { checkConvertible } from './rates.ts'
import type { RecordingSink, RecordingWriter } from './recording-sink.ts'
import type { WavEncoding } from './wav-header.ts'
import { WavWriter } from './wav-writer.ts'

/** WAV with 16-bit PCM or G.711, or Opus in Ogg. */
export type RecordingFormat = WavEncoding | 'opus'

interface FileOptions {
  /** Samples per second of the file. */
  readonly sampleRate: number
  readonly channels: number
  /** 32 random bits. */
  readonly serial: number
}

type OpenWriter = (sink: RecordingSink) => RecordingWriter

interface Plan {
  /** Ends of file names that go with it. */
  readonly suffixes: readonly string[]
  /** The rate of the file when none is asked for, given that of the call. */
  readonly rate: (callRate: number) => number
  /** What takes time or can fail is done here, before there is a file. */
  readonly prepare: (options: FileOptions) => OpenWriter | Promise<OpenWriter>
}

const plans: Readonly<Record<RecordingFormat, Plan>> = {
  pcm: { suffixes: ['.wav'], rate: callRate => callRate, prepare: wav('pcm') },
  pcmu: { suffixes: ['.wav'], rate: () => 8000, prepare: wav('pcmu') },
  pcma: { suffixes: ['.wav'], rate: () => 8000, prepare: wav('pcma') },
  opus: { suffixes: ['.opus', '.ogg', '.oga'], rate: opusRate, prepare: oggOpus },
}
/** Ends of file names that promise something else than is made here. */
const foreign: ReadonlySet<string> = new Set([
  '.mp3',
  '.m4a',
  '.mp4',
  '.aac',
  '.flac',
  '.webm',
  '.wma',
  '.amr',
  '.gsm',
  '.aif',
  '.aiff',
  '.au',
  '.raw',
])
const formats = Object.keys(plans) as RecordingFormat[]

/**
 * The format asked for, or the one that the file's name says; PCM where it says nothing.
 * @throws {OptionError} an unknown format, or one that does not go with the name; a name of something else
 */
export function recordingFormat(
  format: RecordingFormat | undefined,
  file: string | undefined,
): RecordingFormat {
  if (format !== undefined && !formats.includes(format)) {
    throw new OptionError('format', `"${format as string}" is not known; give ${formats.join(', ')}`)
  }
  const suffix = /\.[^./\\]*$/.exec(file ?? '')?.[0].toLowerCase() ?? ''
  if (foreign.has(suffix)) {
    throw new OptionError(
      'file',
      `no ${suffix} is made here; name it .wav, or .opus, and convert it afterwards`,
    )
  }
  const named = formats.filter(known => plans[known].suffixes.includes(suffix))
  if (format === undefined) return named[0] ?? 'pcm'
  if (named.length > 0 && !named.includes(format)) {
    const [better] = plans[format].suffixes
    throw new OptionError('format', `${format} does not go into a file *${suffix}; name it *${better}`)
  }
  return format
}

/** @throws {OptionError} a rate the format cannot have */
export async function prepareWriter(
  format: RecordingFormat,
  options: Omit<FileOptions, 'sampleRate'> & {
    readonly callRate: number
    readonly sampleRate: number | undefined
  },
): Promise<OpenWriter> {
  const { prepare, rate } = plans[format]
  const { callRate, sampleRate = rate(callRate), channels, serial } = options
  if (sampleRate !== callRate) checkConvertible(sampleRate)
  return prepare({ sampleRate, channels, serial })
}

function wav(encoding: WavEncoding): Plan['prepare'] {
  return ({ sampleRate, channels }) =>
    sink =>
      new WavWriter(sink, { sampleRate, channels, encoding })
}

async function oggOpus({ sampleRate, channels, serial }: FileOptions): Promise<OpenWriter> {
  const rate = opusRates.find(known => known === sampleRate)
  if (rate === undefined) {
    throw new OptionError('sampleRate', `${sampleRate} is no rate of Opus; give ${opusRates.join(', ')}`)
  }
  const codec = await loadCodec('opus', { opus: { sampleRate: rate } })
  return sink =>
    new OggOpusWriter(sink, {
      encoders: Array.from({ length: channels }, () => codec.encoder({ ptime: 20 })),
      sampleRate: rate,
      preSkip: OPUS_DELAY,
      serial,
    })
}

/** The lowest that loses nothing. */
function opusRate(callRate: number): number {
  return opusRates.find(rate => rate >= callRate) ?? 48_000
}

const opusRates = [8000, 12_000, 16_000, 24_000, 48_000] as const
/** What libopus delays sound by at 48 kHz when it is tuned for speech. */
const OPUS_DELAY = 312
