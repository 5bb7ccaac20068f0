import type { AudioCodec, Decoder } from '../codec/codec.ts'
import { findCodec } from '../codec/codec.ts'
import { Resampler } from '../codec/resampler.ts'
import type { NegotiatedAudio, NegotiatedCodec } from '../sdp/negotiated.ts'

/** A packet longer than this is nobody's voice: it is not played. */
const LONGEST_PACKET_MS = 240

/** Payloads of one payload type to mono PCM at the rate of the session. */
export class PayloadDecoder {
  readonly negotiated: NegotiatedCodec
  readonly codec: AudioCodec
  readonly #decoder: Decoder
  readonly #resampler: Resampler | undefined
  #decoded: Int16Array = new Int16Array(0)
  #converted: Int16Array = new Int16Array(0)
  /** The beginning of `#converted` that was filled last: mostly of the same length. */
  #view: Int16Array = this.#converted

  constructor(negotiated: NegotiatedCodec, codec: AudioCodec, sampleRate: number) {
    this.negotiated = negotiated
    this.codec = codec
    const { localFmtp } = negotiated
    this.#decoder = codec.decoder(localFmtp === undefined ? undefined : { fmtp: localFmtp })
    this.#resampler =
      codec.sampleRate === sampleRate ? undefined : new Resampler(codec.sampleRate, sampleRate)
  }

  /** Whether the codec may know of a lost packet from the one behind it. */
  get recovers(): boolean {
    return this.#decoder.recover !== undefined
  }

  /** Whether the codec makes up what is missing by itself. */
  get conceals(): boolean {
    return this.#decoder.conceal !== undefined
  }

  /** How long the payload's sound lasts, ms; 0 when it cannot be played. */
  durationMsOf(payload: Uint8Array): number {
    const { codec } = this
    const samples =
      codec.samplesIn === undefined ? codec.maxSamples(payload.length) : codec.samplesIn(payload)
    const durationMs = (samples / codec.channels / codec.sampleRate) * 1000
    return durationMs <= LONGEST_PACKET_MS ? durationMs : 0
  }

  /** Whether the payload is exactly `samples` samples of the session, so that `decodeInto` serves. */
  fits(payload: Uint8Array, samples: number): boolean {
    const { codec } = this
    if (this.#resampler !== undefined || codec.channels !== 1) return false
    return codec.samplesIn === undefined
      ? codec.maxSamples(payload.length) === samples
      : codec.samplesIn(payload) === samples
  }

  /** The short way for what `fits`; returns the samples written. */
  decodeInto(payload: Uint8Array, out: Int16Array): number {
    return this.#decoder.decode(payload, out)
  }

  /** Valid until the next call. */
  decode(payload: Uint8Array): Int16Array {
    const { codec } = this
    const room = this.#room(codec.samplesIn?.(payload) ?? codec.maxSamples(payload.length))
    return this.#finish(room, this.#decoder.decode(payload, room))
  }

  /** The codec's own idea of the next `durationMs`; `undefined` when it has none. Valid until the next call. */
  conceal(durationMs: number): Int16Array | undefined {
    const room = this.#room(this.#samples(durationMs))
    const count = this.#decoder.conceal?.(room) ?? 0
    return count === 0 ? undefined : this.#finish(room, count)
  }

  /** The `durationMs` before `payload`, as it remembers them; `undefined` when it does not. Valid until the next call. */
  recover(payload: Uint8Array, durationMs: number): Int16Array | undefined {
    const room = this.#room(this.#samples(durationMs))
    const count = this.#decoder.recover?.(payload, room) ?? 0
    return count === 0 ? undefined : this.#finish(room, count)
  }

  close(): void {
    this.#decoder.close?.()
  }

  #samples(durationMs: number): number {
    return Math.round((durationMs * this.codec.sampleRate) / 1000) * this.codec.channels
  }

  #room(samples: number): Int16Array {
    if (this.#decoded.length !== samples) this.#decoded = new Int16Array(samples)
    return this.#decoded
  }

  #finish(decoded: Int16Array, count: number): Int16Array {
    const { channels } = this.codec
    let pcm = decoded
    if (channels > 1) pcm = toMono(pcm, count, channels)
    else if (count !== pcm.length) pcm = pcm.subarray(0, count)
    return this.#resampler === undefined ? pcm : this.#convert(this.#resampler, pcm)
  }

  #convert(resampler: Resampler, pcm: Int16Array): Int16Array {
    const room = resampler.maxOutput(pcm.length)
    if (this.#converted.length < room) this.#converted = new Int16Array(room)
    const count = resampler.process(pcm, this.#converted)
    const view = this.#view
    if (view.length !== count || view.buffer !== this.#converted.buffer) {
      this.#view = this.#converted.subarray(0, count)
    }
    return this.#view
  }
}

/**
 * A decoder for every payload type that may arrive. Those in `before` that fit are kept with what they remember; so are
 * those agreed on earlier, because packets under way still have their numbers (RFC 3264 §8.3.2). What is replaced is closed.
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
    if (known?.codec === codec && known.negotiated.localFmtp === negotiated.localFmtp) continue
    known?.close()
    decoders.set(payloadType, new PayloadDecoder(negotiated, codec, sampleRate))
  }
  for (const payloadType of [...audio.receiveTelephoneEvents.keys(), ...(audio.comfortNoise?.keys() ?? [])]) {
    decoders.get(payloadType)?.close()
    decoders.delete(payloadType)
  }
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
