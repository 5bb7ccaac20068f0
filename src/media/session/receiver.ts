import type { AudioCodec } from '../codec/codec.ts'
import { classifyPacket } from '../rtp/demux.ts'
import type { JitterBufferSnapshot } from '../rtp/playout.ts'
import type { PlayoutDelayOptions } from '../rtp/jitter-options.ts'
import type { BurstSnapshot } from '../rtp/loss-bursts.ts'
import type { SymmetricLatch } from '../rtp/latch.ts'
import { RtpView, parseRtpInto } from '../rtp/packet.ts'
import { ReceptionStatistics } from '../rtp/statistics.ts'
import type { ReceptionReport, ReceptionSnapshot } from '../rtp/statistics.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import { addCounters } from './counters.ts'
import { DigitReceiver } from './digit-receiver.ts'
import type { DigitReceiverOptions } from './digit-receiver.ts'
import type { PayloadDecoder } from './payload-decoder.ts'
import { PlayOut } from './play-out.ts'
import type { DecodedListener } from './tone-ear.ts'

export interface ReceiverOptions extends DigitReceiverOptions {
  readonly codecs: readonly AudioCodec[]
  /** Samples per second of the frames to make. */
  readonly sampleRate: number
  readonly frameMs: number
  /** How long sound waits for stragglers; default: adaptive, 20 to 500 ms. */
  readonly delay?: PlayoutDelayOptions
  /** Audio comes with another codec than before, or for the first time. */
  readonly onCodec: (codec: string) => void
}

/** Where a bridged call's packets go besides. The view is good for the length of the call. */
export interface PacketRelay {
  /** True when the packet is to be decoded as well. */
  audio(packet: RtpView, now: number): boolean
  event(packet: RtpView, now: number): void
}

/** The packet at hand, of whatever call: nobody keeps it beyond `datagram`. */
const view = new RtpView()

/** What a call's RTP becomes on its way in: datagrams go in, frames of PCM and digits come out. */
export class MediaReceiver {
  readonly digits: DigitReceiver
  /** Set while the call is bridged. */
  relay: PacketRelay | undefined
  readonly #options: ReceiverOptions
  #playOut: PlayOut | undefined
  #ear: DecodedListener | undefined
  #eventRates: ReadonlyMap<number, number> = new Map()
  #clockRate = 0
  #statistics: ReceptionStatistics | undefined
  #before: ReceptionSnapshot | undefined
  /** Of the audio that comes now. */
  #payloadType = -1
  #decoder: PayloadDecoder | undefined
  #codec: string | undefined
  #digitsCame = false
  #malformed = 0
  #wrongPayloadType = 0

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.digits = new DigitReceiver(options)
  }

  /** What the peer sends with. */
  get codec(): string | undefined {
    return this.#codec
  }

  /** Of the audio that comes now; -1 before the first. */
  get payloadType(): number {
    return this.#payloadType
  }

  /** Units per second of the RTP timestamps that come, or are to come. */
  get clockRate(): number {
    return this.#clockRate
  }

  get malformed(): number {
    return this.#malformed
  }

  get wrongPayloadType(): number {
    return this.#wrongPayloadType
  }

  get concealedMs(): number {
    return this.#playOut?.concealedMs ?? 0
  }

  /** Hears the sound as it was sent, while there is somebody. */
  set ear(ear: DecodedListener | undefined) {
    this.#ear = ear
    if (this.#playOut !== undefined) this.#playOut.ear = ear
  }

  /** Takes up what was agreed; sound and digits under way go on. */
  configure(audio: NegotiatedAudio): void {
    const { clockRate } = audio.codec
    this.#playOut ??= new PlayOut(this.#options, clockRate)
    this.#playOut.ear = this.#ear
    this.#playOut.configure(audio)
    this.#decoder = this.#playOut.decoderOf(this.#payloadType)
    // Events under way still have the numbers agreed on before (RFC 3264 §8.3.2); those that are audio now are looked up as such first.
    const rates = new Map([...this.#eventRates, ...audio.receiveTelephoneEvents])
    for (const payloadType of audio.comfortNoise?.keys() ?? []) rates.delete(payloadType)
    this.#eventRates = rates
    // What comes need not be what we send with: its clock stays until something else comes.
    this.#useClock(this.#decoder?.codec.clockRate ?? clockRate)
  }

  /** A datagram. Allocates nothing for audio but what the jitter buffer keeps. */
  datagram(bytes: Uint8Array, address: string, port: number, latch: SymmetricLatch, now: number): boolean {
    if (!parseRtpInto(view, bytes)) {
      this.#malformed += 1
      return false
    }
    const { payloadType } = view
    const decoder = payloadType === this.#payloadType ? this.#decoder : this.#playOut?.decoderOf(payloadType)
    if (decoder === undefined) return this.#otherDatagram(bytes, address, port, latch, now)
    if (!latch.accept(address, port, view, now)) return false
    if (payloadType !== this.#payloadType) this.#switchTo(decoder, payloadType, latch)
    this.#takeAudio(now)
    return true
  }

  /** Digits whose end was lost are given up for ended. */
  expireDigits(now: number): void {
    if (this.#digitsCame) this.digits.expire(now)
  }

  /** Fills `out` with the next frame, heard from `now` on; true when part of it was made up. */
  frame(now: number, out: Int16Array): boolean {
    if (this.#playOut !== undefined) return this.#playOut.frame(now, out)
    out.fill(0)
    return false
  }

  /** Somebody listens again: what came meanwhile is not heard. */
  restart(): void {
    this.#playOut?.restart()
  }

  reception(): ReceptionSnapshot | undefined {
    const now = this.#statistics?.snapshot()
    return now === undefined ? undefined : addCounters(now, this.#before, RECEPTION_COUNTERS)
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
    return this.#playOut?.jitter.snapshot()
  }

  /** Gives back what decoders hold; nothing is played afterwards. */
  close(): void {
    this.#playOut?.close()
  }

  // Telephone events and comfort noise.
  #otherDatagram(
    bytes: Uint8Array,
    address: string,
    port: number,
    latch: SymmetricLatch,
    now: number,
  ): boolean {
    const eventRate = this.#eventRates.get(view.payloadType)
    if (eventRate === undefined && this.#playOut?.isComfortNoise(view.payloadType) !== true) {
      if (classifyPacket(bytes) === 'rtp') this.#wrongPayloadType += 1
      return false
    }
    if (!latch.accept(address, port, view, now)) return false
    if (eventRate === undefined) this.#takeAudio(now)
    else this.#takeEvent(eventRate, now)
    return true
  }

  #switchTo(decoder: PayloadDecoder, payloadType: number, latch: SymmetricLatch): void {
    this.#payloadType = payloadType
    this.#decoder = decoder
    this.#useClock(decoder.codec.clockRate)
    latch.useClock(this.#clockRate)
    if (decoder.codec.name === this.#codec) return
    this.#codec = decoder.codec.name
    this.#options.onCodec(this.#codec)
  }

  #takeAudio(now: number): void {
    const { sequence, timestamp, ssrc } = view
    const verdict = this.#statistics?.receive(sequence, timestamp, ssrc, view.payloadLength, now, true)
    if (this.relay !== undefined && (verdict === 'duplicate' || !this.relay.audio(view, now))) {
      this.#playOut?.jitter.pushOther(sequence, ssrc)
      return
    }
    // What is far off the sequence may begin a new run: the jitter buffer has a view of its own.
    if (verdict !== 'duplicate' && this.#playOut?.push(view, now) === 'late') this.#statistics?.discard()
  }

  #takeEvent(eventRate: number, now: number): void {
    const { sequence, timestamp, ssrc } = view
    const verdict = this.#statistics?.receive(sequence, timestamp, ssrc, view.payloadLength, now, false)
    if (verdict === 'duplicate') return
    this.relay?.event(view, now)
    this.#digitsCame = true
    this.#playOut?.jitter.pushOther(sequence, ssrc)
    this.digits.packet(view, eventRate, now)
  }

  /** Statistics count in timestamp units: another clock means new ones. */
  #useClock(clockRate: number): void {
    if (clockRate === this.#clockRate) return
    this.#before = this.reception()
    this.#clockRate = clockRate
    this.#statistics = new ReceptionStatistics({ clockRate, bursts: this.#statistics?.bursts })
    this.#playOut?.jitter.useClock(clockRate)
  }
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
