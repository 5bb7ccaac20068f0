import type { AudioCodec } from '../codec/codec.ts'
import { LossConcealer } from '../codec/plc.ts'
import { timeStretcher } from '../codec/time-stretch.ts'
import type { TimeStretcher } from '../codec/time-stretch.ts'
import { JitterBuffer } from '../rtp/jitter-buffer.ts'
import type { PlayoutDelayOptions } from '../rtp/jitter-options.ts'
import type { Playout, PushVerdict } from '../rtp/playout.ts'
import type { RtpView } from '../rtp/packet.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import { payloadDecoders } from './payload-decoder.ts'
import type { PayloadDecoder } from './payload-decoder.ts'
import { ReceivedNoise } from './received-noise.ts'
import type { DecodedListener } from './tone-ear.ts'

export interface PlayOutOptions {
  readonly codecs: readonly AudioCodec[]
  /** Samples per second of the frames to make. */
  readonly sampleRate: number
  readonly frameMs: number
  /** Default: adaptive, 20 to 500 ms. */
  readonly delay?: PlayoutDelayOptions
}

/** As many as a jitter buffer holds on a usual network. */
const SPARE_PAYLOADS = 8
/** Shrinking wants so much sound to choose from; packets are joined until there is. */
const SHRINK_FROM_MS = 30
/** A packet of discontinuous transmission: nothing but a table of contents (RFC 6716 §3.1). */
const DTX_OCTETS = 2
/** Sound that ends without a packet to say so is faded out in this time, ms. */
const FADE_MS = 10
/** Room for the longest packet joined to a short one. */
const WORK_MS = 320
const EMPTY = new Int16Array(0)

/** Does what the jitter buffer decides: packets go in, frames of PCM of the session's rate come out. */
export class PlayOut {
  readonly jitter: JitterBuffer
  /** Hears everything before it is stretched. */
  ear: DecodedListener | undefined
  readonly #options: PlayOutOptions
  readonly #samplesPerMs: number
  readonly #frameMs: number
  readonly #concealer: LossConcealer
  readonly #bench: Workbench
  #decoders: Map<number, PayloadDecoder> = new Map()
  #noiseTypes: ReadonlyMap<number, number> | undefined
  #noise: ReceivedNoise | undefined
  /** Of the audio that was played last. */
  #payloadType = -1
  #decoder: PayloadDecoder | undefined
  /** Nothing is heard: not even the end of a word. */
  #silent = true
  /** Ready, but beyond the frame asked for: `#rest` from `#restFrom` on; packets need not be as long as frames. */
  #rest: Int16Array = EMPTY
  #restFrom = 0
  #restLength = 0
  /** Payload buffers that were played and may be filled again. */
  readonly #spare: Uint8Array[] = []
  #concealedSamples = 0

  constructor(options: PlayOutOptions, clockRate: number) {
    const { sampleRate, frameMs } = options
    this.#options = options
    this.#samplesPerMs = sampleRate / 1000
    this.#frameMs = frameMs
    this.#concealer = new LossConcealer(sampleRate)
    this.#bench = workbench(sampleRate)
    this.jitter = new JitterBuffer({
      ...options.delay,
      clockRate,
      frameMs,
      durationMsOf: (payload, payloadType) => this.decoderOf(payloadType)?.durationMsOf(payload) ?? 0,
      isNoise: (payload, payloadType) => this.#isNoise(payload, payloadType),
      recovers: payloadType => this.decoderOf(payloadType)?.recovers === true,
    })
  }

  get concealedMs(): number {
    return this.#concealedSamples / this.#samplesPerMs
  }

  /** Takes up what was agreed; sound under way goes on. */
  configure(audio: NegotiatedAudio): void {
    const { codecs, sampleRate } = this.#options
    this.#decoders = payloadDecoders(audio, codecs, sampleRate, this.#decoders)
    this.#decoder = this.#decoders.get(this.#payloadType)
    this.#noiseTypes = audio.comfortNoise
  }

  decoderOf(payloadType: number): PayloadDecoder | undefined {
    return payloadType === this.#payloadType ? this.#decoder : this.#decoders.get(payloadType)
  }

  isComfortNoise(payloadType: number): boolean {
    return this.#noiseTypes?.has(payloadType) === true
  }

  /** A packet of audio. Allocates nothing but what the jitter buffer keeps. */
  push(view: RtpView, now: number): PushVerdict {
    const { sequence, timestamp, payloadType, marker, ssrc } = view
    return this.jitter.push(sequence, timestamp, this.#copyPayload(view), payloadType, marker, ssrc, now)
  }

  /** Fills `out` with the next frame, heard from `now` on; true when part of it was made up. */
  frame(now: number, out: Int16Array): boolean {
    let concealed = false
    if (this.#restLength === 0) {
      const result = this.jitter.pull(now)
      if (result.kind === 'normal' && this.#decodeFrame(result, out)) return false
      concealed = this.#perform(result, now)
    } else if (this.#restLength < out.length) {
      const result = this.jitter.pull(now, (out.length - this.#restLength) / this.#samplesPerMs)
      if (result.kind === 'normal' && this.#decodeAcross(result, out, now)) return false
      concealed = this.#perform(result, now)
    }
    while (this.#restLength < out.length) {
      const roomMs = (out.length - this.#restLength) / this.#samplesPerMs
      if (this.#perform(this.jitter.pull(now, roomMs), now)) concealed = true
    }
    this.#shift(out)
    return concealed
  }

  /** What came while nobody listened is not heard afterwards. */
  restart(): void {
    this.jitter.forget()
    this.#restFrom = 0
    this.#restLength = 0
    this.#noise = undefined
    this.#concealer.reset()
    this.#silent = true
  }

  close(): void {
    for (const decoder of this.#decoders.values()) decoder.close()
    this.#decoders.clear()
    this.#decoder = undefined
  }

  // The short way, which a quiet network needs all the time: one packet is one frame.
  #decodeFrame(result: Playout, out: Int16Array): boolean {
    const { payload } = result
    const decoder = this.#use(result.payloadType)
    if (decoder === undefined || !decoder.fits(payload, out.length)) return false
    const count = decoder.decodeInto(payload, out)
    if (count < out.length) out.fill(0, count)
    if (this.ear !== undefined)
      this.ear.decoded(out, 0, out.length, result.timestamp, decoder.codec.clockRate)
    this.#concealer.receive(out)
    this.#silent = false
    if (this.#spare.length < SPARE_PAYLOADS) this.#spare.push(payload)
    return true
  }

  // Packets as long as frames that lie across them, since sound was stretched: a part of each is kept for the next frame. In the
  // first pause that part is cut out, and they fall together again.
  #decodeAcross(result: Playout, out: Int16Array, now: number): boolean {
    const { payload } = result
    const decoder = this.#use(result.payloadType)
    if (decoder === undefined || !decoder.fits(payload, out.length)) return false
    const count = out.length
    const kept = this.#restLength
    const decoded = decoder.decodeInto(payload, out)
    if (decoded < count) out.fill(0, decoded)
    this.ear?.decoded(out, 0, count, result.timestamp, decoder.codec.clockRate)
    this.#concealer.receive(out)
    this.#silent = false
    if (this.#spare.length < SPARE_PAYLOADS) this.#spare.push(payload)
    const { work, stretcher } = this.#bench
    const rest = this.#rest
    const from = this.#restFrom
    if (stretcher.isQuiet(out, 0, count)) {
      stretcher.cut(out, 0, count, kept)
      this.#noteStretch(-kept, true, now)
      this.#restLength = 0
    } else {
      for (let i = 0; i < kept; i += 1) work[i] = out[count - kept + i]!
    }
    out.copyWithin(kept, 0, count - kept)
    for (let i = 0; i < kept; i += 1) {
      out[i] = rest[from + i]!
      rest[i] = work[i]!
    }
    this.#restFrom = 0
    return true
  }

  #use(payloadType: number): PayloadDecoder | undefined {
    if (payloadType !== this.#payloadType) {
      this.#decoder = this.#decoders.get(payloadType)
      this.#payloadType = payloadType
    }
    return this.#decoder
  }

  #perform(result: Playout, now: number): boolean {
    const { durationMs, payload, payloadType } = result
    switch (result.kind) {
      case 'conceal':
        this.#conceal(durationMs)
        return true
      case 'recover':
        return !this.#recover(result)
      case 'silence':
        this.#silence(durationMs)
        return false
      case 'noise':
        this.#makeNoise(durationMs, payload, payloadType)
        return false
      default:
        this.#play(result, now)
        return false
    }
  }

  #play(result: Playout, now: number): void {
    const { kind, durationMs } = result
    const most = Math.round(result.stretchMs * this.#samplesPerMs)
    const { urgent } = result
    const { work, past } = this.#bench
    const length = this.#decodeTo(result, work, past, 0)
    // Nothing when it was agreed away since it was queued.
    if (length === 0) this.#silence(durationMs)
    else if (kind === 'shrink') this.#emit(work, past, this.#shrink(length, most, urgent, now))
    else if (kind === 'grow') this.#emit(work, past, this.#grow(length, most, urgent, now))
    else this.#emit(work, past, length)
  }

  #shrink(decoded: number, most: number, urgent: boolean, now: number): number {
    const { work, stretcher, past } = this.#bench
    let length = decoded
    while (length < SHRINK_FROM_MS * this.#samplesPerMs) {
      const next = this.jitter.follow()
      if (next === undefined) break
      length = this.#decodeTo(next, work, past, length)
    }
    const quiet = stretcher.isQuiet(work, past, past + length)
    const cut = quiet ? this.#alignedCut(length, most) : most
    const left = stretcher.shrink(work, past, length, cut, urgent)
    this.#noteStretch(left - length, quiet, now)
    return left
  }

  #grow(length: number, most: number, urgent: boolean, now: number): number {
    const { work, stretcher, past } = this.#bench
    this.#concealer.past(work, past)
    const quiet = stretcher.isQuiet(work, past, past + length)
    const room = quiet ? this.#alignedGrowth(length) : most
    const longer = stretcher.grow(work, past, length, room, urgent)
    this.#noteStretch(longer - length, quiet, now)
    return longer
  }

  // Where it is not heard, sound is changed such that packets and frames fall together again: the short way is open then.
  #alignedCut(length: number, most: number): number {
    const frame = this.#frameMs * this.#samplesPerMs
    const over = (this.#restLength + length) % frame
    const cut = over === 0 ? frame : over
    return cut <= most ? cut : most
  }

  #alignedGrowth(length: number): number {
    const frame = this.#frameMs * this.#samplesPerMs
    return frame - ((this.#restLength + length) % frame)
  }

  #noteStretch(samples: number, quiet: boolean, now: number): void {
    if (samples !== 0) this.jitter.stretched(samples / this.#samplesPerMs, quiet, now)
  }

  // Decodes behind the `length` samples that stand in `work` from `past` on; returns how many there are then.
  #decodeTo(result: Playout, work: Int16Array, past: number, length: number): number {
    const { payload } = result
    const decoder = this.#use(result.payloadType)
    const pcm = decoder?.decode(payload)
    if (this.#spare.length < SPARE_PAYLOADS) this.#spare.push(payload)
    if (pcm === undefined || decoder === undefined) return length
    this.ear?.decoded(pcm, 0, pcm.length, result.timestamp, decoder.codec.clockRate)
    const count = Math.min(pcm.length, work.length - past - length - past)
    for (let i = 0; i < count; i += 1) work[past + length + i] = pcm[i]!
    return length + count
  }

  #conceal(durationMs: number): void {
    const samples = Math.max(1, Math.round(durationMs * this.#samplesPerMs))
    this.#concealedSamples += samples
    const own = this.#decoder?.conceals === true ? this.#decoder.conceal(durationMs) : undefined
    if (own !== undefined) {
      this.ear?.madeUp(own, 0, own.length)
      this.#concealer.remember(own)
      this.#append(own, 0, own.length)
      this.#silent = false
      return
    }
    const { work } = this.#bench
    this.#concealer.conceal(work, 0, samples)
    this.ear?.madeUp(work, 0, samples)
    this.#append(work, 0, samples)
  }

  #recover(result: Playout): boolean {
    const { durationMs, payload } = result
    const pcm = this.#use(result.payloadType)?.recover(payload, durationMs)
    if (pcm === undefined) {
      this.jitter.concealedInstead(durationMs)
      this.#conceal(durationMs)
      return false
    }
    this.ear?.madeUp(pcm, 0, pcm.length)
    this.#emit(pcm, 0, pcm.length)
    return true
  }

  #silence(durationMs: number): void {
    const samples = Math.max(1, Math.round(durationMs * this.#samplesPerMs))
    const { work } = this.#bench
    work.fill(0, 0, samples)
    if (!this.#silent) this.#fadeOut(work, samples)
    this.#concealer.reset()
    this.ear?.madeUp(work, 0, samples)
    this.#append(work, 0, samples)
  }

  #makeNoise(durationMs: number, payload: Uint8Array, payloadType: number): void {
    const samples = Math.max(1, Math.round(durationMs * this.#samplesPerMs))
    const clockRate = payload.length > 0 ? this.#noiseTypes?.get(payloadType) : undefined
    if (clockRate !== undefined) {
      if (this.#noise?.clockRate !== clockRate) {
        this.#noise = new ReceivedNoise(clockRate, this.#options.sampleRate)
      }
      this.#noise.update(payload)
    } else if (payload.length > 0) {
      this.#noise = undefined
    }
    if (this.#noise === undefined) {
      this.#makeOwnNoise(durationMs, payload, payloadType)
      return
    }
    const { work } = this.#bench
    this.#noise.generate(work, 0, samples)
    if (!this.#silent) this.#fadeOut(work, samples)
    this.#concealer.reset()
    this.ear?.madeUp(work, 0, samples)
    this.#append(work, 0, samples)
  }

  // A codec with discontinuous transmission makes its noise by itself: from what it sends, and from nothing in between.
  #makeOwnNoise(durationMs: number, payload: Uint8Array, payloadType: number): void {
    const decoder = payload.length > 0 ? this.#use(payloadType) : this.#decoder
    const pcm = payload.length > 0 ? decoder?.decode(payload) : decoder?.conceal(durationMs)
    if (pcm === undefined || pcm.length === 0) {
      this.#silence(durationMs)
      return
    }
    this.ear?.madeUp(pcm, 0, pcm.length)
    this.#emit(pcm, 0, pcm.length)
  }

  // What was heard last dies away over what follows, instead of stopping short.
  #fadeOut(work: Int16Array, samples: number): void {
    const fade = Math.min(samples, Math.round(FADE_MS * this.#samplesPerMs))
    this.#concealer.conceal(work, samples, samples + fade)
    for (let i = 0; i < fade; i += 1) {
      const weight = (i + 1) / (fade + 1)
      work[i] = Math.round(work[i]! * weight + work[samples + i]! * (1 - weight))
    }
    this.#silent = true
  }

  // Real sound, `length` samples of `pcm` from `from` on.
  #emit(pcm: Int16Array, from: number, length: number): void {
    this.#concealer.receive(pcm, from, from + length)
    this.#silent = false
    this.#append(pcm, from, length)
  }

  #append(pcm: Int16Array, from: number, length: number): void {
    const needed = this.#restLength + length
    if (this.#restFrom + needed > this.#rest.length) {
      if (needed > this.#rest.length) {
        const room = new Int16Array(needed + this.#frameMs * this.#samplesPerMs * 2)
        for (let i = 0; i < this.#restLength; i += 1) room[i] = this.#rest[this.#restFrom + i]!
        this.#rest = room
      } else {
        this.#rest.copyWithin(0, this.#restFrom, this.#restFrom + this.#restLength)
      }
      this.#restFrom = 0
    }
    const rest = this.#rest
    const at = this.#restFrom + this.#restLength
    for (let i = 0; i < length; i += 1) rest[at + i] = pcm[from + i]!
    this.#restLength = needed
  }

  #shift(out: Int16Array): void {
    const rest = this.#rest
    const from = this.#restFrom
    const count = out.length
    for (let i = 0; i < count; i += 1) out[i] = rest[from + i]!
    this.#restLength -= count
    this.#restFrom = this.#restLength === 0 ? 0 : from + count
  }

  #isNoise(payload: Uint8Array, payloadType: number): boolean {
    if (this.isComfortNoise(payloadType)) return true
    return payload.length <= DTX_OCTETS && this.decoderOf(payloadType)?.conceals === true
  }

  // A copy in a buffer that this call used before: the datagram is in the processor's cache now, and would not be when played.
  #copyPayload({ bytes, payloadOffset, payloadLength }: RtpView): Uint8Array {
    let payload = this.#spare.pop()
    if (payload?.length !== payloadLength) payload = new Uint8Array(payloadLength)
    for (let i = 0; i < payloadLength; i += 1) payload[i] = bytes[payloadOffset + i] as number
    return payload
  }
}

/** Room to work on sound, shared by all calls of a rate: nothing stays in it from one packet to the next. */
interface Workbench {
  readonly work: Int16Array
  readonly stretcher: TimeStretcher
  /** Samples at the start of `work` for what was played before. */
  readonly past: number
}

const workbenches: Map<number, Workbench> = new Map()

function workbench(sampleRate: number): Workbench {
  let bench = workbenches.get(sampleRate)
  if (bench === undefined) {
    const stretcher = timeStretcher(sampleRate)
    const work = new Int16Array((WORK_MS * sampleRate) / 1000 + 2 * stretcher.pastSamples)
    bench = { work, stretcher, past: stretcher.pastSamples }
    workbenches.set(sampleRate, bench)
  }
  return bench
}
