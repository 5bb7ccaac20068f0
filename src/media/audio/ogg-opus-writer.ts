import type { Encoder } from '../codec/codec.ts'
import { MAX_SEGMENTS, OggPages, segmentsOf } from './ogg-pages.ts'
import type { RecordingSink, RecordingWriter } from './recording-sink.ts'

/** The clock of Opus in Ogg, whatever rate the encoder takes (RFC 7845 §4). */
const GRANULE_RATE = 48_000
const FRAME_MS = 20
const FRAME_UNITS = (GRANULE_RATE * FRAME_MS) / 1000
/** A page is written when it has so much sound: what a process that dies may lose. */
const PAGE_FRAMES = 1000 / FRAME_MS
/** RFC 6716 §3.4: the longest frame, and its TOC octet. */
const MAX_PACKET = 1276

export interface OggOpusOptions {
  /** One for each channel: mono, 20 ms frames at `sampleRate`. They are closed with the file. */
  readonly encoders: readonly Encoder[]
  /** Samples per second and channel that are written and encoded: 8000, 12000, 16000, 24000 or 48000. */
  readonly sampleRate: number
  /** What the encoder delays the sound by, samples at 48 kHz: players leave that out (RFC 7845 §4.2). */
  readonly preSkip: number
  /** 32 random bits. */
  readonly serial: number
}

/**
 * Opus in Ogg (RFC 7845). Two channels are two streams that know nothing of each other, so that nothing of one voice is
 * heard on the other's side. Every second ends with a whole page: a process that dies leaves a file that plays.
 */
export class OggOpusWriter implements RecordingWriter {
  readonly #sink: RecordingSink
  readonly #options: OggOpusOptions
  readonly #pages: OggPages
  readonly #channels: number
  /** Samples of one channel in a frame. */
  readonly #frameSamples: number
  /** Interleaved samples that make no frame yet. */
  readonly #rest: Int16Array
  #restLength = 0
  readonly #mono: Int16Array
  readonly #packet = new Uint8Array(MAX_PACKET)
  /** Packets of the page at hand. */
  #waiting: Uint8Array[] = []
  #segments = 0
  #frames = 0
  /** Samples of one channel taken in. */
  #samples = 0
  #bytes = 0
  #closing: Promise<void> | undefined

  constructor(sink: RecordingSink, options: OggOpusOptions) {
    this.#sink = sink
    this.#options = options
    this.#pages = new OggPages(options.serial)
    this.#channels = options.encoders.length
    this.#frameSamples = (options.sampleRate * FRAME_MS) / 1000
    this.#rest = new Int16Array(this.#frameSamples * this.#channels)
    this.#mono = new Int16Array(this.#frameSamples)
  }

  get sampleRate(): number {
    return this.#options.sampleRate
  }

  get bytes(): number {
    return this.#bytes
  }

  get durationMs(): number {
    return (this.#samples * 1000) / this.#options.sampleRate
  }

  async write(samples: Int16Array): Promise<void> {
    await this.#begin()
    this.#samples += samples.length / this.#channels
    for (let at = 0; at < samples.length;) {
      const length = Math.min(samples.length - at, this.#rest.length - this.#restLength)
      this.#rest.set(samples.subarray(at, at + length), this.#restLength)
      this.#restLength += length
      at += length
      if (this.#restLength === this.#rest.length) await this.#frame()
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    try {
      await this.#begin()
      // Silence pushes the end of the sound out of the encoder, which takes a frame at least: the last page has one, as it must. Players
      // stop at its granule position.
      const end = this.#granuleOf(this.#samples)
      while (this.#frames * FRAME_UNITS < end) {
        this.#rest.fill(0, this.#restLength)
        await this.#frame(end)
      }
    } finally {
      for (const encoder of this.#options.encoders) encoder.close?.()
      await this.#sink.close()
    }
  }

  async #begin(): Promise<void> {
    if (this.#bytes > 0) return
    const { sampleRate, preSkip } = this.#options
    const head = opusHead(this.#channels, preSkip, sampleRate)
    await this.#put(this.#pages.page([head], { first: true, granule: 0n }))
    await this.#put(this.#pages.page([OPUS_TAGS], { granule: 0n }))
  }

  /** `end`: where the file ends, once that is known. */
  async #frame(end: number = Infinity): Promise<void> {
    this.#restLength = 0
    const packet = this.#encode()
    const segments = segmentsOf(packet.length)
    if (this.#segments + segments > MAX_SEGMENTS) await this.#writePage(this.#frames * FRAME_UNITS)
    this.#waiting.push(packet)
    this.#segments += segments
    this.#frames += 1
    const now = this.#frames * FRAME_UNITS
    if (now >= end) await this.#writePage(end, true)
    else if (this.#waiting.length === PAGE_FRAMES) await this.#writePage(now)
  }

  /** One packet with a frame of every stream (RFC 7845 §3): all but the last say their own length. */
  #encode(): Uint8Array {
    const parts = this.#options.encoders.map((encoder, channel) => {
      const mono = this.#mono
      for (let i = 0; i < mono.length; i += 1) mono[i] = this.#rest[i * this.#channels + channel] as number
      const length = encoder.encode(mono, this.#packet)
      const own = this.#packet.slice(0, length)
      return channel < this.#channels - 1 ? selfDelimited(own) : own
    })
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
  }

  #granuleOf(samples: number): number {
    return this.#options.preSkip + Math.round((samples * GRANULE_RATE) / this.#options.sampleRate)
  }

  async #writePage(granule: number, last = false): Promise<void> {
    const packets = this.#waiting
    this.#waiting = []
    this.#segments = 0
    await this.#put(this.#pages.page(packets, { last, granule: BigInt(granule) }))
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length
    await this.#sink.write(bytes)
  }
}

/** RFC 6716 Appendix B for a packet of one frame (code 0), which is what an encoder of 20 ms frames makes. */
function selfDelimited(packet: Uint8Array): Uint8Array {
  const length = packet.length - 1
  const size = length < 252 ? [length] : [252 + (length & 3), (length - (252 + (length & 3))) >> 2]
  return Buffer.concat([packet.subarray(0, 1), Uint8Array.from(size), packet.subarray(1)])
}

/** RFC 7845 §5.1. */
function opusHead(channels: number, preSkip: number, inputRate: number): Uint8Array {
  const mapping =
    channels === 1 ? [0] : [1, channels, 0, ...Array.from({ length: channels }, (_, index) => index)]
  const head = Buffer.alloc(18 + mapping.length)
  head.write('OpusHead', 'latin1')
  head[8] = 1
  head[9] = channels
  head.writeUInt16LE(preSkip, 10)
  head.writeUInt32LE(inputRate, 12)
  head.set(mapping, 18)
  return head
}

/** RFC 7845 §5.2: who made it, and no comments. */
const OPUS_TAGS: Uint8Array = (() => {
  const vendor = 'Offhook'
  const tags = Buffer.alloc(16 + vendor.length)
  tags.write('OpusTags', 'latin1')
  tags.writeUInt32LE(vendor.length, 8)
  tags.write(vendor, 12, 'latin1')
  return tags
})()
