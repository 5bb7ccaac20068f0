import type { Decoder } from '../codec/codec.ts'
import { PCMA, PCMU } from '../codec/g711.ts'
import type { WavFormat } from './wav-format.ts'

/** One sample, on the scale of 16 bits, at `offset`. */
type ReadSample = (view: DataView, offset: number) => number

/**
 * Whole blocks of samples to 16-bit mono: all channels mixed in equal parts, or `channel` alone (0 is the left one).
 * A block that is cut short at the end is left out.
 */
export function decodeBlocks(bytes: Uint8Array, format: WavFormat, channel?: number): Int16Array {
  const { channels, sampleBytes } = format
  const read = readerOf(format)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out = new Int16Array(Math.floor(bytes.length / (channels * sampleBytes)))
  const from = channel ?? 0
  const to = channel === undefined ? channels : channel + 1
  for (let i = 0; i < out.length; i += 1) {
    let sum = 0
    for (let c = from; c < to; c += 1) sum += read(view, (i * channels + c) * sampleBytes)
    const sample = Math.round(sum / (to - from))
    out[i] = sample > 32_767 ? 32_767 : sample < -32_768 ? -32_768 : sample
  }
  return out
}

function readerOf(format: WavFormat): ReadSample {
  if (format.encoding === 'mulaw') return lawReader(PCMU.decoder())
  if (format.encoding === 'alaw') return lawReader(PCMA.decoder())
  if (format.encoding === 'float') return format.sampleBytes === 8 ? readFloat64 : readFloat32
  return INT_READERS[format.sampleBytes - 1] ?? readInt16
}

function lawReader(decoder: Decoder): ReadSample {
  const samples = new Int16Array(256)
  decoder.decode(
    Uint8Array.from({ length: 256 }, (_, code) => code),
    samples,
  )
  return (view, offset) => samples[view.getUint8(offset)] as number
}

const readInt16: ReadSample = (view, offset) => view.getInt16(offset, true)
const readFloat32: ReadSample = (view, offset) => audible(view.getFloat32(offset, true))
const readFloat64: ReadSample = (view, offset) => audible(view.getFloat64(offset, true))

/** 8-bit WAV is unsigned, all wider integers are signed. */
const INT_READERS: readonly ReadSample[] = [
  (view, offset) => (view.getUint8(offset) - 128) * 256,
  readInt16,
  (view, offset) => view.getInt16(offset + 1, true) + view.getUint8(offset) / 256,
  (view, offset) => view.getInt32(offset, true) / 65_536,
]

function audible(sample: number): number {
  return Number.isNaN(sample) ? 0 : Math.max(-1, Math.min(1, sample)) * 32_768
}
