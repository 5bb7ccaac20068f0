import { SipError } from '../../runtime/errors.ts'

/** What a WAV file holds. */
export interface WavFormat {
  readonly encoding: 'int' | 'float' | 'alaw' | 'mulaw'
  /** Octets of one sample of one channel. */
  readonly sampleBytes: number
  readonly channels: number
  /** Samples per second and channel. */
  readonly sampleRate: number
}

export interface WavHeader extends WavFormat {
  /** Offset of the first sample. */
  readonly dataStart: number
  /** Octets of samples; `Infinity` when the file does not know and they go on to its end. */
  readonly dataBytes: number
}

/** A file that is no WAV file, or of a kind not read here; `field` names the part of it that says so. */
export class WavError extends SipError {
  override readonly name: string = 'WavError'
  readonly field: string

  constructor(field: string, message: string) {
    super('SIP_MEDIA', `WAV ${field}: ${message}`)
    this.field = field
  }
}

/** Octets wanted from the file; fewer are given only at its end. */
export interface ByteRange {
  readonly position: number
  readonly length: number
}

/**
 * Finds format and samples, asking for octets as it goes, so that a buffer and a file are read by the same code.
 * Takes what writers get wrong: sizes of 0 or 2^32-1 where the length was not known, a missing pad octet, data that
 * is cut short.
 * @throws {WavError}
 */
export function* readWavHeader(): Generator<ByteRange, WavHeader, Uint8Array> {
  const start = yield { position: 0, length: 12 }
  const kind = ascii(start, 0)
  if (start.length < 12 || (kind !== 'RIFF' && kind !== 'RF64') || ascii(start, 8) !== 'WAVE') {
    throw new WavError(
      'header',
      'the file does not begin with RIFF....WAVE; convert it, for example with sox or ffmpeg',
    )
  }
  const riffEnd = 8 + view(start).getUint32(4, true)
  let format: WavFormat | undefined
  let position = 12
  for (let chunks = 0; chunks < MAX_CHUNKS; chunks += 1) {
    const head = yield { position, length: 8 }
    if (head.length < 8) break
    const id = ascii(head, 0)
    const size = view(head).getUint32(4, true)
    const body = position + 8
    if (id === 'data') {
      if (format === undefined)
        throw new WavError('fmt', 'the samples come before their format; the file is damaged')
      const neverFilledIn = size === 0 && (riffEnd <= body || riffEnd === 8)
      const unknown = size === UNKNOWN || kind === 'RF64' || neverFilledIn
      return { ...format, dataStart: body, dataBytes: unknown ? Infinity : size }
    }
    if (id === 'fmt ') format = parseFormat(yield { position: body, length: Math.min(size, 40) })
    position = body + size + (size & 1)
    if ((size & 1) === 1) {
      const unpadded = yield { position: position - 1, length: 4 }
      if (isChunkId(unpadded)) position -= 1
    }
  }
  throw new WavError('data', 'there is no chunk of samples; the file is empty or damaged')
}

function parseFormat(bytes: Uint8Array): WavFormat {
  if (bytes.length < 16)
    throw new WavError('fmt', `${bytes.length} octets are too few for a format; the file is damaged`)
  const fields = view(bytes)
  const extensible = fields.getUint16(0, true) === EXTENSIBLE && bytes.length >= 26
  const tag = fields.getUint16(extensible ? 24 : 0, true)
  const channels = fields.getUint16(2, true)
  const sampleRate = fields.getUint32(4, true)
  const bits = fields.getUint16(14, true)
  const encoding = ENCODINGS.get(tag)
  if (encoding === undefined) {
    throw new WavError('format tag', `${tag} is not read here; convert to PCM, float or G.711`)
  }
  if (channels < 1 || channels > 64) throw new WavError('channels', `${channels} is not usable; 1 to 64 are`)
  if (sampleRate < 1000 || sampleRate > 384_000) {
    throw new WavError('sample rate', `${sampleRate} is not usable; 1000 to 384000 are`)
  }
  const sampleBytes = Math.ceil(bits / 8)
  if (!WIDTHS[encoding].includes(sampleBytes)) {
    throw new WavError('bits per sample', `${bits} is not read here for this format; convert to 16-bit PCM`)
  }
  return { encoding, sampleBytes, channels, sampleRate }
}

function ascii(bytes: Uint8Array, offset: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + 4))
}

function isChunkId(bytes: Uint8Array): boolean {
  return bytes.length === 4 && bytes.every(byte => byte >= 0x20 && byte < 0x7f)
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const UNKNOWN = 0xffff_ffff
const EXTENSIBLE = 0xfffe
/** Chunks looked at before the samples are given up. */
const MAX_CHUNKS = 1000
const ENCODINGS: ReadonlyMap<number, WavFormat['encoding']> = new Map([
  [1, 'int'],
  [3, 'float'],
  [6, 'alaw'],
  [7, 'mulaw'],
])
const WIDTHS: Readonly<Record<WavFormat['encoding'], readonly number[]>> = {
  int: [1, 2, 3, 4],
  float: [4, 8],
  alaw: [1],
  mulaw: [1],
}
