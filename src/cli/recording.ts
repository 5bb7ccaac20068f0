import type { RecordingFormat } from '../media/audio/recording-format.ts'
import { OptionError } from '../runtime/errors.ts'

const suffixes: Readonly<Record<RecordingFormat, string>> = {
  pcm: 'wav',
  pcmu: 'wav',
  pcma: 'wav',
  opus: 'opus',
}

/** @throws OptionError */
export function recordFormatOption(text = 'pcm'): RecordingFormat {
  const formats = Object.keys(suffixes) as RecordingFormat[]
  const format = formats.find(known => known === text)
  if (format === undefined)
    throw new OptionError('--record-format', `"${text}" is none of ${formats.join(', ')}`)
  return format
}

/** The file of a call. */
export function recordingName(id: string, format: RecordingFormat): string {
  return `${id}.${suffixes[format]}`
}
