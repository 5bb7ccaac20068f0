import type { AudioCodec, Decoder, Encoder } from './codec.ts'

/*
 * ITU-T G.711 with 16-bit samples, rounded as the ITU's own software (G.191) does: the μ-law works on the upper 14 bits
 * and the A-law on the upper 12, and a negative sample is taken by its ones' complement, so that -1 is the negative twin
 * of 0 and not of 1. Both directions are table look-ups: 64 KiB per law to encode, 512 octets to decode.
 */

/** The μ-law code of one 16-bit sample (G.711 table 2a/2b). */
function ulawCode(sample: number): number {
  const magnitude = Math.min(((sample < 0 ? ~sample : sample) >> 2) + 33, 0x1fff)
  const segment = 26 - Math.clz32(magnitude)
  const step = (magnitude >> (segment + 1)) & 0x0f
  return (~((segment << 4) | step) & 0x7f) | (sample < 0 ? 0 : 0x80)
}

function ulawSample(code: number): number {
  const inverted = ~code
  const magnitude = ((((inverted & 0x0f) << 3) + 0x84) << ((inverted >> 4) & 0x07)) - 0x84
  return code & 0x80 ? magnitude : -magnitude
}

/** The A-law code of one 16-bit sample (G.711 table 1a/1b), even bits inverted. */
function alawCode(sample: number): number {
  const magnitude = (sample < 0 ? ~sample : sample) >> 4
  const segment = Math.max(0, 28 - Math.clz32(magnitude))
  const step = (segment > 1 ? magnitude >> (segment - 1) : magnitude) & 0x0f
  return ((segment << 4) | step | (sample < 0 ? 0 : 0x80)) ^ 0x55
}

function alawSample(code: number): number {
  const plain = code ^ 0x55
  const segment = (plain >> 4) & 0x07
  const step = ((plain & 0x0f) << 4) + 8
  const magnitude = segment === 0 ? step : (step + 0x100) << (segment - 1)
  return plain & 0x80 ? magnitude : -magnitude
}

class TableEncoder implements Encoder {
  readonly #codes: Uint8Array

  constructor(codes: Uint8Array) {
    this.#codes = codes
  }

  encode(pcm: Int16Array, out: Uint8Array): number {
    const codes = this.#codes
    const count = Math.min(pcm.length, out.length)
    for (let i = 0; i < count; i += 1) out[i] = codes[pcm[i]! & 0xffff]!
    return count
  }
}

class TableDecoder implements Decoder {
  readonly #samples: Int16Array

  constructor(samples: Int16Array) {
    this.#samples = samples
  }

  decode(payload: Uint8Array, out: Int16Array): number {
    const samples = this.#samples
    const count = Math.min(payload.length, out.length)
    for (let i = 0; i < count; i += 1) out[i] = samples[payload[i]!]!
    return count
  }
}

function tableCodec(
  name: string,
  payloadType: number,
  codeOf: (sample: number) => number,
  sampleOf: (code: number) => number,
): AudioCodec {
  const codes = new Uint8Array(65_536)
  for (let sample = -32_768; sample < 32_768; sample += 1) codes[sample & 0xffff] = codeOf(sample)
  const samples = Int16Array.from({ length: 256 }, (_, code) => sampleOf(code))
  // The tables never change and the coders hold nothing else, so one of each serves every stream.
  const encoder = new TableEncoder(codes)
  const decoder = new TableDecoder(samples)
  return {
    name,
    clockRate: 8000,
    sampleRate: 8000,
    channels: 1,
    payloadType,
    maxPayloadBytes: samples => samples,
    maxSamples: bytes => bytes,
    encoder: () => encoder,
    decoder: () => decoder,
  }
}

/** G.711 μ-law, 64 kbit/s: the telephone of North America and Japan. */
export const PCMU: AudioCodec = tableCodec('PCMU', 0, ulawCode, ulawSample)

/** G.711 A-law, 64 kbit/s: the telephone of the rest of the world. */
export const PCMA: AudioCodec = tableCodec('PCMA', 8, alawCode, alawSample)
