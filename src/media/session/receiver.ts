import { SampleQueue } from '../audio/sample-queue.ts'
import type { AudioCodec } from '../codec/codec.ts'
import { LossConcealer } from '../codec/plc.ts'
import { classifyPacket } from '../rtp/demux.ts'
import { JitterBuffer } from '../rtp/jitter-buffer.ts'
import type { JitterBufferSnapshot } from '../rtp/jitter-buffer.ts'
import type { BurstSnapshot } from '../rtp/loss-bursts.ts'
import type { SymmetricLatch } from '../rtp/latch.ts'
import { RtpView, parseRtpInto } from '../rtp/packet.ts'
import { ReceptionStatistics } from '../rtp/statistics.ts'
import type { ReceptionReport, ReceptionSnapshot } from '../rtp/statistics.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import { addCounters } from './counters.ts'
import { DigitReceiver } from './digit-receiver.ts'
import type { DigitReceiverOptions } from './digit-receiver.ts'
import { payloadDecoders } from './payload-decoder.ts'
import type { PayloadDecoder } from './payload-decoder.ts'

export interface ReceiverOptions extends DigitReceiverOptions {
  readonly codecs: readonly AudioCodec[]
  /** Samples per second of the frames to make. */
  readonly sampleRate: number
  readonly frameMs: number
  /** Audio comes with another codec than before, or for the first time. */
  readonly onCodec: (codec: string) => void
}

/** The packet at hand, of whatever call: nobody keeps it beyond `datagram`. */
const view = new RtpView()

/** What a call's RTP becomes on its way in: datagrams go in, frames of PCM and digits come out. */
export class MediaReceiver {
  readonly digits: DigitReceiver
  readonly #options: ReceiverOptions
  readonly #concealer: LossConcealer
  /** Decoded, but beyond the frame asked for: packets need not be as long as frames. */
  readonly #rest: SampleQueue
  #decoders: Map<number, PayloadDecoder> = new Map()
  #eventRates: ReadonlyMap<number, number> = new Map()
  #clockRate = 0
  #jitter: JitterBuffer | undefined
  #statistics: ReceptionStatistics | undefined
  #before: { reception: ReceptionSnapshot; jitter: JitterBufferSnapshot } | undefined
  /** Of the audio that comes now. */
  #payloadType = -1
  #decoder: PayloadDecoder | undefined
  #codec: string | undefined
  #quiet = false
  #digitsCame = false
  /** Payload buffers that were played and may be filled again. */
  readonly #spare: Uint8Array[] = []
  #malformed = 0
  #wrongPayloadType = 0
  #concealedSamples = 0

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.digits = new DigitReceiver(options)
    this.#concealer = new LossConcealer(options.sampleRate)
    this.#rest = new SampleQueue(options.sampleRate)
  }

  /** What the peer sends with. */
  get codec(): string | undefined {
    return this.#codec
  }

  get malformed(): number {
    return this.#malformed
  }

  get wrongPayloadType(): number {
    return this.#wrongPayloadType
  }

  get concealedMs(): number {
    return (this.#concealedSamples * 1000) / this.#options.sampleRate
  }

  /** Takes up what was agreed; sound and digits under way go on. */
  configure(audio: NegotiatedAudio): void {
    const { codecs, sampleRate } = this.#options
    this.#decoders = payloadDecoders(audio, codecs, sampleRate, this.#decoders)
    this.#decoder = this.#decoders.get(this.#payloadType)
    this.#eventRates = audio.receiveTelephoneEvents
    this.#useClock(audio.codec.clockRate)
  }

  /** A datagram. Allocates nothing for audio but what the jitter buffer keeps. */
  datagram(bytes: Uint8Array, address: string, port: number, latch: SymmetricLatch, now: number): boolean {
    if (!parseRtpInto(view, bytes)) {
      this.#malformed += 1
      return false
    }
    const { payloadType } = view
    const decoder = this.#decoderOf(payloadType)
    const eventRate = decoder === undefined ? this.#eventRates.get(payloadType) : undefined
    if (decoder === undefined && eventRate === undefined) {
      if (classifyPacket(bytes) === 'rtp') this.#wrongPayloadType += 1
      return false
    }
    if (!latch.accept(address, port, view, now)) return false
    if (decoder !== undefined && payloadType !== this.#payloadType) this.#switchTo(decoder, payloadType)
    this.#take(eventRate, now)
    return true
  }

  /** Digits whose end was lost are given up for ended. */
  expireDigits(now: number): void {
    if (this.#digitsCame) this.digits.expire(now)
  }

  /** Fills `out` with the next frame; true when part of it was made up. */
  frame(now: number, out: Int16Array): boolean {
    let filled = this.#rest.length > 0 ? this.#rest.shift(out) : 0
    let concealed = false
    while (filled < out.length) {
      const result = this.#jitter?.pull(now, this.#quiet)
      if (result === undefined || result.kind === 'silence' || result.kind === 'comfort-noise') {
        filled = this.#silence(out, filled)
      } else if (result.kind === 'conceal') {
        concealed = true
        filled = this.#conceal(out, filled, result.duration)
      } else {
        const { payload } = result
        filled = this.#decode(out, filled, payload, result.payloadType)
        if (this.#spare.length < SPARE_PAYLOADS) this.#spare.push(payload)
      }
    }
    this.#quiet = isQuiet(out)
    return concealed
  }

  reception(): ReceptionSnapshot | undefined {
    const now = this.#statistics?.snapshot()
    return now === undefined ? undefined : addCounters(now, this.#before?.reception, RECEPTION_COUNTERS)
  }

  /** The figures of a report block; the fraction lost counts from the report before. */
  takeReport(): ReceptionReport | undefined {
    return this.#statistics?.takeReport()
  }

  /** How the losses cluster. */
  bursts(): BurstSnapshot | undefined {
    return this.#statistics?.bursts.snapshot()
  }

  jitter(): JitterBufferSnapshot | undefined {
    const now = this.#jitter?.snapshot()
    return now === undefined ? undefined : addCounters(now, this.#before?.jitter, JITTER_COUNTERS)
  }

  #decoderOf(payloadType: number): PayloadDecoder | undefined {
    return payloadType === this.#payloadType ? this.#decoder : this.#decoders.get(payloadType)
  }

  #switchTo(decoder: PayloadDecoder, payloadType: number): void {
    this.#payloadType = payloadType
    this.#decoder = decoder
    this.#useClock(decoder.codec.clockRate)
    if (decoder.codec.name === this.#codec) return
    this.#codec = decoder.codec.name
    this.#options.onCodec(this.#codec)
  }

  #take(eventRate: number | undefined, now: number): void {
    const { sequence, timestamp, ssrc } = view
    const timed = eventRate === undefined
    const verdict = this.#statistics?.receive(sequence, timestamp, ssrc, view.payloadLength, now, timed)
    // What is far off the sequence may begin a new run: the jitter buffer has a view of its own.
    if (verdict === 'duplicate') return
    if (eventRate === undefined) {
      const { payloadType, marker } = view
      const payload = this.#copyPayload()
      const queued = this.#jitter?.push(sequence, timestamp, payload, payloadType, marker, ssrc, now)
      if (queued === 'late') this.#statistics?.discard()
      return
    }
    this.#digitsCame = true
    this.#jitter?.pushOther(sequence, ssrc)
    this.digits.packet(view, eventRate, now)
  }

  // A copy in a buffer that this call used before: the datagram is in the processor's cache now, and would not be when played.
  #copyPayload(): Uint8Array {
    const { bytes, payloadOffset, payloadLength } = view
    let payload = this.#spare.pop()
    if (payload?.length !== payloadLength) payload = new Uint8Array(payloadLength)
    for (let i = 0; i < payloadLength; i += 1) payload[i] = bytes[payloadOffset + i] as number
    return payload
  }

  #silence(out: Int16Array, from: number): number {
    out.fill(0, from)
    this.#concealer.reset()
    return out.length
  }

  #conceal(out: Int16Array, from: number, duration: number): number {
    const wanted = Math.max(1, Math.round((duration * this.#options.sampleRate) / this.#clockRate))
    const to = Math.min(out.length, from + wanted)
    this.#concealer.conceal(from === 0 && to === out.length ? out : out.subarray(from, to))
    this.#concealedSamples += to - from
    return to
  }

  #decode(out: Int16Array, from: number, payload: Uint8Array, payloadType: number): number {
    const decoder = this.#decoderOf(payloadType)
    if (from === 0 && decoder?.fits(payload.length, out.length) === true) {
      out.fill(0, decoder.decodeInto(payload, out))
      this.#concealer.receive(out)
      return out.length
    }
    const pcm = decoder?.decode(payload)
    // Agreed away since it was queued.
    if (pcm === undefined || pcm.length === 0) return this.#silence(out, from)
    this.#concealer.receive(pcm)
    const room = out.length - from
    if (pcm.length <= room) {
      out.set(pcm, from)
      return from + pcm.length
    }
    out.set(pcm.subarray(0, room), from)
    this.#rest.push(pcm.subarray(room))
    return out.length
  }

  /** Jitter buffer and statistics count in timestamp units: another clock means new ones. */
  #useClock(clockRate: number): void {
    if (clockRate === this.#clockRate) return
    const reception = this.reception()
    const jitter = this.jitter()
    if (reception !== undefined && jitter !== undefined) this.#before = { reception, jitter }
    this.#clockRate = clockRate
    this.#statistics = new ReceptionStatistics({ clockRate, bursts: this.#statistics?.bursts })
    this.#jitter = new JitterBuffer({
      clockRate,
      frameMs: this.#options.frameMs,
      durationOf: (payload, payloadType) => this.#decoderOf(payloadType)?.durationOf(payload) ?? 0,
    })
  }
}

/** As many as a jitter buffer holds on a usual network. */
const SPARE_PAYLOADS = 8

/** Leaving a frame out or putting one in is not heard below this (-50 dBFS at the most). */
const QUIET = 100

function isQuiet(frame: Int16Array): boolean {
  for (let i = 0; i < frame.length; i += 4) {
    const sample = frame[i] as number
    if (sample > QUIET || sample < -QUIET) return false
  }
  return true
}

const RECEPTION_COUNTERS = [
  'packets',
  'octets',
  'expected',
  'lost',
  'duplicates',
  'reordered',
  'ignored',
] as const
const JITTER_COUNTERS = ['received', 'played', 'lost', 'late', 'duplicates', 'ignored', 'overflowed'] as const
