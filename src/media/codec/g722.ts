import type { AudioCodec, Decoder, Encoder } from './codec.ts'
import { HigherBand, LowerBand } from './g722-band.ts'

/*
 * The quadrature mirror filters of ITU-T G.722 (§3.1, §4.4; 24 taps, symmetrical) around its two sub-band coders. Two
 * samples at 16 kHz make one of each band at 8 kHz, and one octet.
 */

/** Samples that the filter looks back, beside the two at hand. */
const past = 22
/** Samples taken at a time: 20 ms. Longer frames go in pieces. */
const block = 320
/** The past, then the block at hand. Nothing is kept here between calls, so one serves every stream. */
const work = new Int32Array(past + block)

/** The share of the taps that the even samples meet, oldest first; `oddTaps` for those between. */
function evenTaps(at: number): number {
  return (
    3 * work[at]! -
    11 * work[at + 2]! +
    12 * work[at + 4]! +
    32 * work[at + 6]! -
    210 * work[at + 8]! +
    951 * work[at + 10]! +
    3876 * work[at + 12]! -
    805 * work[at + 14]! +
    362 * work[at + 16]! -
    156 * work[at + 18]! +
    53 * work[at + 20]! -
    11 * work[at + 22]!
  )
}

function oddTaps(at: number): number {
  return (
    -11 * work[at + 1]! +
    53 * work[at + 3]! -
    156 * work[at + 5]! +
    362 * work[at + 7]! -
    805 * work[at + 9]! +
    3876 * work[at + 11]! +
    951 * work[at + 13]! -
    210 * work[at + 15]! +
    32 * work[at + 17]! +
    12 * work[at + 19]! -
    11 * work[at + 21]! +
    3 * work[at + 23]!
  )
}

class G722Encoder implements Encoder {
  readonly #lower = new LowerBand()
  readonly #higher = new HigherBand()
  readonly #past = new Int32Array(past)

  encode(pcm: Int16Array, out: Uint8Array): number {
    const octets = Math.min(pcm.length >> 1, out.length)
    work.set(this.#past)
    for (let start = 0; start < octets; start += block / 2) {
      const count = Math.min(block / 2, octets - start)
      for (let i = 0; i < count * 2; i += 1) work[past + i] = pcm[start * 2 + i]!
      for (let i = 0; i < count; i += 1) {
        const even = evenTaps(i * 2)
        const odd = oddTaps(i * 2)
        const low = this.#lower.encode(to15Bits((odd + even) >> 14))
        out[start + i] = (this.#higher.encode(to15Bits((odd - even) >> 14)) << 6) | low
      }
      work.copyWithin(0, count * 2, count * 2 + past)
    }
    for (let i = 0; i < past; i += 1) this.#past[i] = work[i]!
    return octets
  }
}

class G722Decoder implements Decoder {
  readonly #lower = new LowerBand()
  readonly #higher = new HigherBand()
  readonly #past = new Int32Array(past)

  decode(payload: Uint8Array, out: Int16Array): number {
    const octets = Math.min(payload.length, out.length >> 1)
    work.set(this.#past)
    for (let start = 0; start < octets; start += block / 2) {
      const count = Math.min(block / 2, octets - start)
      for (let i = 0; i < count; i += 1) {
        const code = payload[start + i]!
        const low = this.#lower.decode(code & 0x3f)
        const high = this.#higher.decode(code >> 6)
        work[past + i * 2] = low + high
        work[past + i * 2 + 1] = low - high
      }
      for (let i = 0; i < count; i += 1) {
        out[(start + i) * 2] = to16Bits(oddTaps(i * 2) >> 11)
        out[(start + i) * 2 + 1] = to16Bits(evenTaps(i * 2) >> 11)
      }
      work.copyWithin(0, count * 2, count * 2 + past)
    }
    for (let i = 0; i < past; i += 1) this.#past[i] = work[i]!
    return octets * 2
  }
}

function to15Bits(value: number): number {
  return value > 16_383 ? 16_383 : value < -16_384 ? -16_384 : value
}

function to16Bits(value: number): number {
  return value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value
}

/**
 * ITU-T G.722 at 64 kbit/s: 50 to 7000 Hz, 16 kHz samples, mono. The RTP clock is 8000 by a slip in RFC 1890 that was
 * kept for compatibility (RFC 3551 §4.5.2): 20 ms are 320 samples, 160 octets, 160 units of the timestamp.
 * An odd sample at the end of a frame is left out.
 */
export const G722: AudioCodec = {
  name: 'G722',
  clockRate: 8000,
  sampleRate: 16_000,
  channels: 1,
  payloadType: 9,
  maxPayloadBytes: samples => samples >> 1,
  maxSamples: bytes => bytes * 2,
  encoder: () => new G722Encoder(),
  decoder: () => new G722Decoder(),
}
