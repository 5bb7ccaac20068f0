import { OptionError } from '../../runtime/errors.ts'
import { factorOf } from './gain.ts'
import type { RawFormat } from './raw-format.ts'
import { WavReader } from './wav-reader.ts'

export interface SoundOptions {
  /** How often it is played; `Infinity` until `clear()` or the signal given to `play`. Default 1. */
  readonly times?: number
  /** Start this far into the file, milliseconds; the first time only. Default 0. */
  readonly startMs?: number
  /** dB, -100 to 20; default 0. What would not fit in 16 bits is cut off. */
  readonly volumeDb?: number
  /** Over the first milliseconds; default 0. */
  readonly fadeInMs?: number
  /** Over the last milliseconds of the last time; default 0. Not with endless `times`. */
  readonly fadeOutMs?: number
  /** Play this channel alone, 0 being the left one; default all mixed to one. */
  readonly channel?: number
  /** The file has no header and holds this; without it the file is WAV. */
  readonly raw?: RawFormat
}

/** A sound to give to `play`: 16-bit mono PCM, read from the file while it is played, about 100 ms at a time. */
export interface Sound extends AsyncIterable<Int16Array> {
  readonly sampleRate: number
  /** All times together; `Infinity` for an endless one. */
  readonly durationMs: number
}

/**
 * A sound file, or its octets, to be played: `output.play(await openSound('hold.wav', { times: Infinity, volumeDb: -6 }))`.
 * It may be played any number of times, also at once; nothing stays open in between.
 * Rejects with a `WavError` that names the field of a file that cannot be read, an `OptionError`, or what the file system says.
 */
export async function openSound(file: string | Uint8Array, options: SoundOptions = {}): Promise<Sound> {
  const { times = 1, startMs = 0, volumeDb = 0, fadeInMs = 0, fadeOutMs = 0, channel, raw } = options
  if (!(times === Infinity || (Number.isInteger(times) && times >= 1))) {
    throw new OptionError('times', `${times} is not usable; give a count of 1 or more, or Infinity`)
  }
  for (const [field, ms] of Object.entries({ startMs, fadeInMs, fadeOutMs })) {
    if (!(ms >= 0 && ms < Infinity))
      throw new OptionError(field, `${ms} is not usable; give milliseconds, 0 or more`)
  }
  if (times === Infinity && fadeOutMs > 0) {
    throw new OptionError('fadeOutMs', 'a sound played endlessly has no end to fade; give a count of times')
  }
  const factor = factorOf('volumeDb', volumeDb)
  const choice = { ...(channel === undefined ? {} : { channel }), ...(raw === undefined ? {} : { raw }) }
  const reader =
    typeof file === 'string' ? await WavReader.open(file, choice) : WavReader.fromBytes(file, choice)
  const { sampleRate } = reader
  const total = Math.round((reader.durationMs * sampleRate) / 1000)
  const start = Math.round((startMs * sampleRate) / 1000)
  if (start > total) {
    throw new OptionError('startMs', `${startMs} is beyond the end of the file at ${reader.durationMs} ms`)
  }
  const length = total === 0 ? 0 : total * times - start
  const shape = new Envelope(factor, (fadeInMs * sampleRate) / 1000, (fadeOutMs * sampleRate) / 1000, length)
  return {
    sampleRate,
    durationMs: (length * 1000) / sampleRate,
    [Symbol.asyncIterator]: () => chunks(reader, start, length, shape),
  }
}

async function* chunks(
  reader: WavReader,
  start: number,
  length: number,
  shape: Envelope,
): AsyncGenerator<Int16Array, void, undefined> {
  let from = start
  for (let at = 0; at < length; from = 0) {
    const before = at
    for await (const chunk of reader.from(from)) {
      shape.apply(chunk, at)
      at += chunk.length
      yield chunk
    }
    // The file was cut short while it was played; another time would be as empty.
    if (at === before) return
  }
}

/** Volume and fades by the position in the whole sound, in samples. */
class Envelope {
  readonly #factor: number
  readonly #fadeIn: number
  readonly #fadeOut: number
  readonly #length: number

  constructor(factor: number, fadeIn: number, fadeOut: number, length: number) {
    this.#factor = factor
    this.#fadeIn = fadeIn
    this.#fadeOut = fadeOut
    this.#length = length
  }

  apply(samples: Int16Array, at: number): void {
    const end = at + samples.length
    const fading = at < this.#fadeIn || end > this.#length - this.#fadeOut
    if (!fading && this.#factor === 1) return
    for (let i = 0; i < samples.length; i += 1) {
      let factor = this.#factor
      if (at + i < this.#fadeIn) factor *= (at + i) / this.#fadeIn
      const left = this.#length - 1 - at - i
      if (left < this.#fadeOut) factor *= left / this.#fadeOut
      const sample = Math.round((samples[i] as number) * factor)
      samples[i] = sample > 32_767 ? 32_767 : sample < -32_768 ? -32_768 : sample
    }
  }
}
