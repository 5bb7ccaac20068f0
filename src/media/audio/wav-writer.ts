import { OptionError } from '../../runtime/errors.ts'
import { FileSink } from './file-sink.ts'
import type { RecordingSink } from './recording.ts'
import { checkRate } from './rates.ts'
import { wavHeader } from './wav-format.ts'

export interface WavWriteOptions {
  /** Samples per second and channel. */
  readonly sampleRate: number
  /** Default 1. */
  readonly channels?: number
}

/**
 * Writes 16-bit PCM. The sizes in the header are brought up to date after the samples they count, about once a
 * second: whenever the process dies, what is there is a WAV file that plays, at most that second shorter.
 */
export class WavWriter {
  readonly sampleRate: number
  readonly channels: number
  readonly #sink: RecordingSink
  #dataBytes = 0
  #headerBytes = 0
  #begun = false
  #closing: Promise<void> | undefined

  constructor(sink: RecordingSink, options: WavWriteOptions) {
    this.sampleRate = checkRate(options.sampleRate)
    this.channels = options.channels ?? 1
    if (!(Number.isInteger(this.channels) && this.channels >= 1 && this.channels <= 64)) {
      throw new OptionError('channels', `${this.channels} is not usable; give 1 to 64`)
    }
    this.#sink = sink
  }

  /** Makes or overwrites `file`, readable by its owner only. Rejects with what the file system says. */
  static async create(file: string, options: WavWriteOptions): Promise<WavWriter> {
    return new WavWriter(await FileSink.open(file), options)
  }

  /** Octets written, header included. */
  get bytes(): number {
    return this.#dataBytes + (this.#begun ? 44 : 0)
  }

  get durationMs(): number {
    return (this.#dataBytes * 1000) / (this.sampleRate * this.channels * 2)
  }

  /** Appends samples, interleaved when there are several channels. One write at a time: await it before the next. */
  async write(samples: Int16Array): Promise<void> {
    await this.#begin()
    await this.#sink.write(littleEndian(samples))
    this.#dataBytes += samples.length * 2
    if (this.#dataBytes - this.#headerBytes >= this.sampleRate * this.channels * 2) await this.#patch()
  }

  /** Brings the header up to date and closes the sink. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    try {
      await this.#begin()
      await this.#patch()
    } finally {
      await this.#sink.close()
    }
  }

  async #begin(): Promise<void> {
    if (this.#begun) return
    this.#begun = true
    await this.#sink.write(wavHeader(this))
  }

  async #patch(): Promise<void> {
    const { sampleRate, channels } = this
    this.#headerBytes = this.#dataBytes
    await this.#sink.patch?.(0, wavHeader({ sampleRate, channels, dataBytes: this.#dataBytes }))
  }
}

/** A whole 16-bit PCM file from samples, interleaved when there are several channels. */
export function encodeWav(samples: Int16Array, options: WavWriteOptions): Uint8Array {
  const header = wavHeader({
    sampleRate: checkRate(options.sampleRate),
    channels: options.channels ?? 1,
    dataBytes: samples.length * 2,
  })
  const file = new Uint8Array(44 + samples.length * 2)
  file.set(header)
  file.set(littleEndian(samples), 44)
  return file
}

/** The octets of `samples`, sharing their memory where the machine's byte order allows. */
function littleEndian(samples: Int16Array): Uint8Array {
  const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)
  return LITTLE_ENDIAN ? bytes : Buffer.from(bytes).swap16()
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
