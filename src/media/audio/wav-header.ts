/** How samples lie in a WAV file that we write: 16-bit PCM, or G.711 at half the size. */
export type WavEncoding = 'pcm' | 'pcmu' | 'pcma'

interface Layout {
  readonly formatTag: number
  readonly sampleBytes: number
}

const layouts: Readonly<Record<WavEncoding, Layout>> = {
  pcm: { formatTag: 1, sampleBytes: 2 },
  pcma: { formatTag: 6, sampleBytes: 1 },
  pcmu: { formatTag: 7, sampleBytes: 1 },
}

export interface WavHeaderOptions {
  readonly encoding: WavEncoding
  /** Samples per second and channel. */
  readonly sampleRate: number
  readonly channels: number
  /** Octets of samples. Without it the length is marked as unknown, which players take as "to the end". */
  readonly dataBytes?: number
}

/** Octets of one sample of one channel. */
export function sampleBytesOf(encoding: WavEncoding): number {
  return layouts[encoding].sampleBytes
}

/** What comes before the samples, always of the same length for one encoding. */
export function wavHeader({ encoding, sampleRate, channels, dataBytes }: WavHeaderOptions): Uint8Array {
  const { formatTag, sampleBytes } = layouts[encoding]
  const compressed = encoding !== 'pcm'
  // What is not PCM has a longer format and says how many samples there are.
  const length = compressed ? 58 : 44
  const known = dataBytes !== undefined && dataBytes <= UNKNOWN - length
  const header = new Uint8Array(length)
  const fields = new DataView(header.buffer)
  header.set(ascii('RIFF'), 0)
  fields.setUint32(4, known ? length - 8 + dataBytes + (dataBytes & 1) : UNKNOWN, true)
  header.set(ascii('WAVEfmt '), 8)
  fields.setUint32(16, compressed ? 18 : 16, true)
  fields.setUint16(20, formatTag, true)
  fields.setUint16(22, channels, true)
  fields.setUint32(24, sampleRate, true)
  fields.setUint32(28, sampleRate * channels * sampleBytes, true)
  fields.setUint16(32, channels * sampleBytes, true)
  fields.setUint16(34, sampleBytes * 8, true)
  if (compressed) {
    header.set(ascii('fact'), 38)
    fields.setUint32(42, 4, true)
    fields.setUint32(46, known ? dataBytes / (channels * sampleBytes) : UNKNOWN, true)
  }
  header.set(ascii('data'), length - 8)
  fields.setUint32(length - 4, known ? dataBytes : UNKNOWN, true)
  return header
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

const UNKNOWN = 0xffff_ffff
