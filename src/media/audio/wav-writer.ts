import { OptionError } from '../../runtime/errors.ts'
import { PCMA, PCMU } from '../codec/g711.ts'
import { FileSink } from './file-sink.ts'
import { checkRate } from './rates.ts'
import type { RecordingSink, RecordingWriter } from './recording-sink.ts'
import { sampleBytesOf, wavHeader } from './wav-header.ts'
import type { WavEncoding } from './wav-header.ts'

export interface WavWriteOptions {
  /** Samples per second and channel. */
  readonly sampleRate: number
  /** Default 1. */
  readonly channels?: number
  /** Default `pcm`: 16-bit. */
  readonly encoding?: WavEncoding
}

/** Turns signed 16-bit samples into the octets of the file. */
type Pack = (samples: Int16Array) => Uint8Array

const packs: Readonly<Record<WavEncoding, Pack>> = {
  pcm: littleEndian,
  pcmu: samples => compressed(samples, PCMU),
  pcma: samples => compressed(samples, PCMA),
}

/**
 * Writes WAV. The sizes in the header are brought up to date after the samples they count, about once a second:
 * whenever the process dies, what is there is a WAV file that plays, at most that second shorter.
 */
export class WavWriter implements RecordingWriter {
  readonly sampleRate: number
  readonly channels: number
  readonly encoding: WavEncoding
  readonly #sink: RecordingSink
  readonly #bytesPerSecond: number
  #dataBytes = 0
  /** Of `#dataBytes`, what the header has. */
  #told = 0
  #headerBytes = 0
  #closing: Promise<void> | undefined

  constructor(sink: RecordingSink, options: WavWriteOptions) {
    this.sampleRate = checkRate(options.sampleRate)
    this.channels = options.channels ?? 1
    this.encoding = options.encoding ?? 'pcm'
    if (!(Number.isInteger(this.channels) && this.channels >= 1 && this.channels <= 64)) {
      throw new OptionError('channels', `${this.channels} is not usable; give 1 to 64`)
    }
    this.#bytesPerSecond = this.sampleRate * this.channels * sampleBytesOf(this.encoding)
    this.#sink = sink
  }

  /** Makes or overwrites `file`, readable by its owner only. Rejects with what the file system says. */
  static async create(file: string, options: WavWriteOptions): Promise<WavWriter> {
    return new WavWriter(await FileSink.open(file), options)
  }

  get bytes(): number {
    return this.#dataBytes + this.#headerBytes
  }

  get durationMs(): number {
    return (this.#dataBytes * 1000) / this.#bytesPerSecond
  }

  async write(samples: Int16Array): Promise<void> {
    await this.#begin()
    const bytes = packs[this.encoding](samples)
    await this.#sink.write(bytes)
    this.#dataBytes += bytes.length
    if (this.#dataBytes - this.#told >= this.#bytesPerSecond) await this.#patch()
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    try {
      await this.#begin()
      // Chunks begin at even octets.
      if ((this.#dataBytes & 1) === 1) await this.#sink.write(new Uint8Array(1))
      await this.#patch()
    } finally {
      await this.#sink.close()
    }
  }

  async #begin(): Promise<void> {
    if (this.#headerBytes > 0) return
    const header = wavHeader(this)
    this.#headerBytes = header.length
    await this.#sink.write(header)
  }

  async #patch(): Promise<void> {
    const { sampleRate, channels, encoding } = this
    this.#told = this.#dataBytes
    await this.#sink.patch?.(0, wavHeader({ encoding, sampleRate, channels, dataBytes: this.#told }))
  }
}

/** A whole file from samples, interleaved when there are several channels. */
export function encodeWav(samples: Int16Array, options: WavWriteOptions): Uint8Array {
  const { channels = 1, encoding = 'pcm' } = options
  const data = packs[encoding](samples)
  const sampleRate = checkRate(options.sampleRate)
  const pad = new Uint8Array(data.length & 1)
  return Buffer.concat([wavHeader({ encoding, sampleRate, channels, dataBytes: data.length }), data, pad])
}

/** The octets of `samples`, sharing their memory where the machine's byte order allows. */
function littleEndian(samples: Int16Array): Uint8Array {
  const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)
  return LITTLE_ENDIAN ? bytes : Buffer.from(bytes).swap16()
}

function compressed(samples: Int16Array, codec: typeof PCMU): Uint8Array {
  const bytes = new Uint8Array(samples.length)
  codec.encoder().encode(samples, bytes)
  return bytes
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
