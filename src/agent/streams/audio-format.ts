import { endianness } from 'node:os'
import { PCMA, PCMU } from '../../media/codec/g711.ts'
import type { AudioCodec } from '../../media/codec/codec.ts'
import type { StreamFormat } from './dialect.ts'

const LITTLE = endianness() === 'LE'

/** Octets of one sample. */
export function bytesPerSample({ encoding }: StreamFormat): 1 | 2 {
  return encoding === 'L16' ? 2 : 1
}

/** The samples in that format; a copy, to keep. */
export function encodeAudio({ encoding }: StreamFormat, samples: Int16Array): Uint8Array {
  if (encoding === 'L16') {
    const octets = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)
    return LITTLE ? Uint8Array.from(octets) : Buffer.from(octets).swap16()
  }
  const out = new Uint8Array(samples.length)
  lawOf(encoding).encoder().encode(samples, out)
  return out
}

/** A stream of chunks to samples. Half a sample at the end of a chunk waits for the next one. */
export class AudioDecoder {
  readonly format: StreamFormat
  #half: number | undefined

  constructor(format: StreamFormat) {
    this.format = format
  }

  decode(audio: Uint8Array): Int16Array {
    const { encoding } = this.format
    if (encoding !== 'L16') {
      const samples = new Int16Array(audio.length)
      lawOf(encoding).decoder().decode(audio, samples)
      return samples
    }
    if (audio.length === 0) return new Int16Array(0)
    const half = this.#half
    const lead = half === undefined ? 0 : 1
    const whole = (lead + audio.length) >> 1
    const octets = Buffer.alloc(2 * whole)
    if (half !== undefined) octets[0] = half
    octets.set(audio.subarray(0, 2 * whole - lead), lead)
    this.#half = (lead + audio.length) % 2 === 0 ? undefined : audio[audio.length - 1]
    if (!LITTLE) octets.swap16()
    return new Int16Array(octets.buffer, octets.byteOffset, whole)
  }

  /** Forgets half a sample. */
  reset(): void {
    this.#half = undefined
  }
}

function lawOf(encoding: 'PCMU' | 'PCMA'): AudioCodec {
  return encoding === 'PCMU' ? PCMU : PCMA
}
