import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { realWork } from '../../runtime/real-work.ts'
import { WavError, readWavHeader } from './wav-format.ts'
import type { ByteRange, WavHeader } from './wav-format.ts'
import { rawHeader } from './raw-format.ts'
import type { RawFormat } from './raw-format.ts'
import { decodeBlocks } from './wav-samples.ts'

export interface WavReadOptions {
  /** Read this channel alone, 0 being the left one; without it all channels are mixed to one. */
  readonly channel?: number
  /** The file has no header and holds this. */
  readonly raw?: RawFormat
}

/**
 * A WAV file as 16-bit mono PCM in chunks of about 100 ms, whatever it is on disk: 8 to 32-bit integers, float,
 * G.711, any number of channels. It may be read any number of times; nothing stays open in between.
 */
export class WavReader implements AsyncIterable<Int16Array> {
  readonly sampleRate: number
  /** Channels of the file. */
  readonly channels: number
  readonly encoding: WavHeader['encoding']
  readonly durationMs: number
  readonly #header: WavHeader
  readonly #dataBytes: number
  readonly #origin: Uint8Array | string
  readonly #channel: number | undefined

  private constructor(header: WavHeader, size: number, origin: Uint8Array | string, options: WavReadOptions) {
    this.sampleRate = header.sampleRate
    this.channels = header.channels
    this.encoding = header.encoding
    this.#header = header
    const blockBytes = header.channels * header.sampleBytes
    const blocks = Math.floor(Math.max(0, Math.min(header.dataBytes, size - header.dataStart)) / blockBytes)
    this.#dataBytes = blocks * blockBytes
    this.durationMs = (blocks * 1000) / header.sampleRate
    this.#origin = origin
    this.#channel = options.channel
    const { channel = 0 } = options
    if (!(Number.isInteger(channel) && channel >= 0 && channel < header.channels)) {
      throw new WavError(
        'channels',
        `there is no channel ${channel}; the file has ${header.channels}, from 0`,
      )
    }
  }

  /** @throws {WavError} */
  static fromBytes(bytes: Uint8Array, options: WavReadOptions = {}): WavReader {
    const steps = readWavHeader()
    if (options.raw !== undefined) return new WavReader(rawHeader(options.raw), bytes.length, bytes, options)
    let step = steps.next()
    while (step.done !== true) {
      const { position, length } = step.value
      step = steps.next(bytes.subarray(position, position + length))
    }
    return new WavReader(step.value, bytes.length, bytes, options)
  }

  /** Rejects with a `WavError`, or what the file system says. */
  static open(file: string, options: WavReadOptions = {}): Promise<WavReader> {
    return realWork(WavReader.#open(file, options))
  }

  static async #open(file: string, options: WavReadOptions): Promise<WavReader> {
    const handle = await open(file, 'r')
    try {
      const { size } = await handle.stat()
      if (options.raw !== undefined) return new WavReader(rawHeader(options.raw), size, file, options)
      const steps = readWavHeader()
      let step = steps.next()
      while (step.done !== true) step = steps.next(await readRange(handle, step.value))
      return new WavReader(step.value, size, file, options)
    } finally {
      await handle.close()
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Int16Array, void, undefined> {
    return this.from(0)
  }

  /** From that many samples into the file. */
  async *from(sample: number): AsyncGenerator<Int16Array, void, undefined> {
    const blockBytes = this.#header.channels * this.#header.sampleBytes
    const chunk = Math.ceil(this.sampleRate / 10) * blockBytes
    const handle = typeof this.#origin === 'string' ? await realWork(open(this.#origin, 'r')) : undefined
    try {
      for (let done = Math.max(0, sample) * blockBytes; done < this.#dataBytes; done += chunk) {
        const position = this.#header.dataStart + done
        const length = Math.min(chunk, this.#dataBytes - done)
        const bytes =
          handle === undefined
            ? (this.#origin as Uint8Array).subarray(position, position + length)
            : await realWork(readRange(handle, { position, length }))
        yield decodeBlocks(bytes, this.#header, this.#channel)
      }
    } finally {
      if (handle !== undefined) await realWork(handle.close())
    }
  }

  /** All of it in one piece. */
  async readAll(): Promise<Int16Array> {
    const all = new Int16Array(this.#dataBytes / (this.#header.channels * this.#header.sampleBytes))
    let length = 0
    for await (const chunk of this) {
      all.set(chunk, length)
      length += chunk.length
    }
    return length === all.length ? all : all.slice(0, length)
  }
}

async function readRange(handle: FileHandle, range: ByteRange): Promise<Uint8Array> {
  const bytes = new Uint8Array(range.length)
  let length = 0
  while (length < range.length) {
    const { bytesRead } = await handle.read(bytes, length, range.length - length, range.position + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return length === range.length ? bytes : bytes.subarray(0, length)
}
