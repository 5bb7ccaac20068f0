import type { AudioCodec, Decoder } from '../codec/codec.ts'
import { findCodec } from '../codec/codec.ts'
import { Resampler } from '../codec/resampler.ts'
import type { NegotiatedAudio, NegotiatedCodec } from '../sdp/negotiated.ts'

/** Payloads of one payload type to mono PCM at the rate of the session. */
export class PayloadDecoder {
  readonly negotiated: NegotiatedCodec
  readonly codec: AudioCodec
  readonly #decoder: Decoder
  readonly #resampler: Resampler | undefined
  #decoded: Int16Array = new Int16Array(0)
  #converted: Int16Array = new Int16Array(0)

  constructor(negotiated: NegotiatedCodec, codec: AudioCodec, sampleRate: number) {
    this.negotiated = negotiated
    this.codec = codec
    this.#decoder = codec.decoder()
    this.#resampler =
      codec.sampleRate === sampleRate ? undefined : new Resampler(codec.sampleRate, sampleRate)
  }

  /** What the payload lasts, in RTP timestamp units. */
  durationOf(payload: Uint8Array): number {
    const { codec } = this
    return ((codec.maxSamples(payload.length) / codec.channels) * codec.clockRate) / codec.sampleRate
  }

  /** Whether a payload of that length is exactly `samples` samples of the session, so that `decodeInto` serves. */
  fits(payloadLength: number, samples: number): boolean {
    const { codec } = this
    return (
      this.#resampler === undefined && codec.channels === 1 && codec.maxSamples(payloadLength) === samples
    )
  }

  /** The short way for what `fits`; returns the samples written. */
  decodeInto(payload: Uint8Array, out: Int16Array): number {
    return this.#decoder.decode(payload, out)
  }

  /** Valid until the next call. */
  decode(payload: Uint8Array): Int16Array {
    const { codec } = this
    const most = codec.maxSamples(payload.length)
    if (this.#decoded.length !== most) this.#decoded = new Int16Array(most)
    let pcm = this.#decoded
    const count = this.#decoder.decode(payload, pcm)
    if (codec.channels > 1) pcm = toMono(pcm, count, codec.channels)
    else if (count !== most) pcm = pcm.subarray(0, count)
    return this.#resampler === undefined ? pcm : this.#convert(this.#resampler, pcm)
  }

  #convert(resampler: Resampler, pcm: Int16Array): Int16Array {
    const room = resampler.maxOutput(pcm.length)
    if (this.#converted.length < room) this.#converted = new Int16Array(room)
    return this.#converted.subarray(0, resampler.process(pcm, this.#converted))
  }
}

/**
 * A decoder for every payload type that may arrive. Those in `before` that fit are kept with what they remember; so are
 * those agreed on earlier, because packets under way still have their numbers (RFC 3264 §8.3.2).
 */
export function payloadDecoders(
  audio: NegotiatedAudio,
  codecs: readonly AudioCodec[],
  sampleRate: number,
  before: ReadonlyMap<number, PayloadDecoder>,
): Map<number, PayloadDecoder> {
  const decoders = new Map(before)
  for (const [payloadType, negotiated] of audio.receivePayloadTypes) {
    const codec = findCodec(codecs, negotiated.name, negotiated.clockRate)
    if (codec === undefined) continue
    const known = before.get(payloadType)
    const keep = known?.codec === codec && known.negotiated.fmtp === negotiated.fmtp
    if (!keep) decoders.set(payloadType, new PayloadDecoder(negotiated, codec, sampleRate))
  }
  for (const payloadType of audio.receiveTelephoneEvents.keys()) decoders.delete(payloadType)
  return decoders
}

function toMono(pcm: Int16Array, count: number, channels: number): Int16Array {
  const frames = Math.floor(count / channels)
  for (let i = 0; i < frames; i += 1) {
    let sum = 0
    for (let c = 0; c < channels; c += 1) sum += pcm[i * channels + c] ?? 0
    pcm[i] = sum / channels
  }
  return pcm.subarray(0, frames)
}
