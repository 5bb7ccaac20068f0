import type { Random, UdpSocket } from '../../runtime/runtime.ts'
import type { LiveAudioSink } from '../audio/audio-sink.ts'
import { SampleQueue } from '../audio/sample-queue.ts'
import type { AudioCodec, Encoder } from '../codec/codec.ts'
import { findCodec } from '../codec/codec.ts'
import { Resampler } from '../codec/resampler.ts'
import type { MediaAddress } from '../rtp/latch.ts'
import type { RtpView } from '../rtp/packet.ts'
import type { StreamPosition } from '../rtp/relay-numbering.ts'
import { RtpSender } from '../rtp/rtp-sender.ts'
import type { NegotiatedAudio, NegotiatedCodec } from '../sdp/negotiated.ts'
import type { DigitSender } from './digit-sender.ts'
import { packetMs } from './packet-length.ts'
import { SilenceSuppressor } from './silence-suppressor.ts'
import { scratchFrames, scratchPayload } from './scratch.ts'

export interface SenderOptions {
  readonly socket: UdpSocket
  readonly random: Random
  readonly codecs: readonly AudioCodec[]
  /** Samples per second of the sink. */
  readonly sampleRate: number
  readonly frameMs: number
  readonly idle: 'silence' | 'off'
  readonly digits: DigitSender
}

/** What a call says becomes on its way out: frames of the sink and digits go in, RTP comes out. */
export class MediaSender {
  /** Where packets leave: the socket, or what protects them before. */
  out: Pick<UdpSocket, 'send'>
  readonly #codecs: readonly AudioCodec[]
  readonly #sampleRate: number
  readonly #frameMs: number
  readonly #speaksAlways: boolean
  readonly #digits: DigitSender
  readonly #rtp: RtpSender
  readonly #frame: Int16Array
  /** PCM of the codec's rate that waits for a packet to be full; empty while packets are as long as frames. */
  readonly #waiting: SampleQueue
  #codec: NegotiatedCodec | undefined
  #encoder: Encoder | undefined
  #resampler: Resampler | undefined
  /** Set where comfort noise is agreed on for this codec. */
  #silence: SilenceSuppressor | undefined
  #converted: Int16Array = new Int16Array(0)
  #packet: Int16Array = new Int16Array(0)
  #payload: Uint8Array = new Uint8Array(0)
  /** RTP timestamp units of a frame and of a packet. */
  #frameUnits = 0
  #packetUnits = 0
  #channels = 1
  /** What the peer reports to lose, percent; `undefined` before it has. */
  #peerLoss: number | undefined
  /** Made in this turn, and not yet sent. */
  #held: Uint8Array | undefined
  #heldFor: MediaAddress | undefined

  constructor(options: SenderOptions) {
    this.out = options.socket
    this.#codecs = options.codecs
    this.#sampleRate = options.sampleRate
    this.#frameMs = options.frameMs
    this.#speaksAlways = options.idle === 'silence'
    this.#digits = options.digits
    this.#rtp = new RtpSender({ random: options.random, payloadType: 0 })
    this.#frame = scratchFrames((options.sampleRate * options.frameMs) / 1000).said
    this.#waiting = new SampleQueue(MAX_WAITING)
  }

  get ssrc(): number {
    return this.#rtp.ssrc
  }

  get packets(): number {
    return this.#rtp.snapshot().packets
  }

  get octets(): number {
    return this.#rtp.snapshot().octets
  }

  /** What a sender report says of our stream. */
  get source(): RtpSender['source'] {
    return this.#rtp.source
  }

  /** RTP timestamp of the sound that is said now. */
  get mediaTimestamp(): number {
    const waiting = (this.#waiting.length * this.#packetUnits) / (this.#packet.length || 1)
    return (this.#rtp.timestamp + Math.round(waiting)) >>> 0
  }

  /** Goes on under another SSRC. */
  changeSource(): void {
    this.#rtp.changeSource()
  }

  /**
   * Takes up what was agreed, from the next packet on; sequence numbers and timestamps go on. So does the SSRC while the
   * clock rate stays: a stream has one, or nobody could tell its jitter and its time of day (RFC 7160 §4.1).
   */
  configure(audio: NegotiatedAudio): void {
    const { codec: agreed } = audio
    const codec = findCodec(this.#codecs, agreed.name, agreed.clockRate)
    if (codec === undefined) return
    const before = this.#codec
    this.#codec = agreed
    this.#rtp.payloadType = audio.sendPayloadType
    this.#frameUnits = (codec.clockRate * this.#frameMs) / 1000
    const ptime = packetMs(codec, audio.ptime)
    const packetUnits = (codec.clockRate * ptime) / 1000
    const same = isSame(before, agreed)
    this.#spareSilence(codec, audio, same)
    if (same && packetUnits === this.#packetUnits) return
    if (before !== undefined && before.clockRate !== agreed.clockRate) this.#rtp.changeSource()
    this.#waiting.discard(this.#waiting.length)
    this.#packetUnits = packetUnits
    this.#channels = codec.channels
    if (!same) this.#encodeWith(codec, agreed.fmtp, ptime)
    this.#packet = new Int16Array(((codec.sampleRate * ptime) / 1000) * codec.channels)
    this.#payload = scratchPayload(codec.maxPayloadBytes(this.#packet.length))
  }

  /** What the peer reports to lose of our packets, 0 to 100: a codec that can guard against loss does. */
  expectLoss(percent: number): void {
    this.#peerLoss = percent
    this.#encoder?.expectLoss?.(percent)
  }

  /** Gives back what the encoder holds. */
  close(): void {
    this.#encoder?.close?.()
    this.#encoder = undefined
  }

  /** Numbers of the stream, where another is to go on with them. */
  get rtp(): RtpSender {
    return this.#rtp
  }

  /** Sends a packet of a relayed stream under our SSRC. */
  relay(
    view: RtpView,
    payloadType: number,
    marker: boolean,
    { sequence, timestamp }: StreamPosition,
    remote: MediaAddress,
  ): void {
    this.#send(this.#rtp.relayed(view, payloadType, marker, sequence, timestamp), remote)
    this.flush()
  }

  /** What waits for a packet to be full is left out, its time goes by: another stream goes on from here. */
  pause(): void {
    this.#rtp.moveTo(this.mediaTimestamp)
    this.#waiting.discard(this.#waiting.length)
  }

  /** Time passes in which nothing may be sent: hold, or before there is an address. */
  rest(frames: number): void {
    this.#waiting.discard(this.#waiting.length)
    this.#silence?.interrupt()
    this.#rtp.skip(frames * this.#frameUnits)
  }

  /**
   * One turn. Returns what of the sink was sent, for a recording; `undefined` when that was nothing.
   * `skipped` frames before it are past: their time goes by without packets.
   */
  turn(
    sink: Pick<LiveAudioSink, 'readFrame'>,
    remote: MediaAddress,
    skipped: number,
  ): Int16Array | undefined {
    if (this.#encoder === undefined) return undefined
    if (skipped > 0) this.rest(skipped)
    const rtp = this.#rtp
    // Mid-packet the digit waits: what is in the packet was read from the sink and counts as said. Tones are audio themselves.
    const event =
      this.#waiting.length > 0 && !this.#digits.sounding ? undefined : this.#digits.next(rtp.timestamp)
    if (event?.payload !== undefined) {
      const { payloadType } = event
      this.#send(rtp.packetAt(event.payload, payloadType, event.timestamp, event.marker), remote)
      rtp.skip(this.#frameUnits)
      this.#silence?.interrupt()
      return undefined
    }
    const count = event === undefined ? sink.readFrame(this.#frame) : 0
    if (count === 0) {
      if (event !== undefined) this.#digits.render(this.#frame)
      const mayRest = this.#mayRest(event !== undefined) && !this.#digits.sounding
      if (mayRest && this.#waiting.length === 0 && isSilent(this.#frame)) {
        rtp.skip(this.#frameUnits)
        return undefined
      }
    }
    this.#audio(this.#frame, remote)
    return this.#frame
  }

  #encodeWith(codec: AudioCodec, fmtp: string | undefined, ptime: number): void {
    const sampleRate = this.#sampleRate
    this.#encoder?.close?.()
    this.#encoder = codec.encoder({ ptime, ...(fmtp !== undefined && { fmtp }) })
    if (this.#peerLoss !== undefined) this.#encoder.expectLoss?.(this.#peerLoss)
    this.#resampler =
      codec.sampleRate === sampleRate ? undefined : new Resampler(sampleRate, codec.sampleRate)
    this.#converted = new Int16Array(this.#resampler?.maxOutput(this.#frame.length) ?? 0)
  }

  #audio(frame: Int16Array, remote: MediaAddress): void {
    const pcm = this.#resampler === undefined ? frame : this.#convert(this.#resampler, frame)
    if (this.#silence !== undefined && this.#isSpared(this.#silence, pcm, remote)) return
    if (pcm.length === this.#packet.length && this.#channels === 1 && this.#waiting.length === 0) {
      this.#encode(pcm, remote)
      return
    }
    this.#waiting.push(this.#channels === 1 ? pcm : spread(pcm, this.#channels))
    while (this.#waiting.length >= this.#packet.length) {
      this.#waiting.shift(this.#packet)
      this.#encode(this.#packet, remote)
    }
  }

  /** Whether an empty frame needs no packet: the owner wants none, or it is the pause of a digit within a silence. */
  #mayRest(isDigit: boolean): boolean {
    if (this.#silence === undefined) return !this.#speaksAlways
    return isDigit && !this.#silence.speaking
  }

  /** Comfort noise comes and goes with what is agreed; while it stays, so does what is known of the background. */
  #spareSilence(codec: AudioCodec, { sendComfortNoise }: NegotiatedAudio, same: boolean): void {
    if (sendComfortNoise === undefined) this.#silence = undefined
    else if (!same || this.#silence?.payloadType !== sendComfortNoise.payloadType)
      this.#silence = new SilenceSuppressor(codec, sendComfortNoise)
  }

  /** True when the frame was silence and need not be sent; a description of it is, when it is time. */
  #isSpared(silence: SilenceSuppressor, pcm: Int16Array, remote: MediaAddress): boolean {
    // A packet that has begun is sent whole.
    if (silence.push(pcm) || this.#waiting.length > 0 || this.#digits.sounding) return false
    const payload = silence.description()
    const rtp = this.#rtp
    if (payload !== undefined)
      this.#send(rtp.packetAt(payload, silence.payloadType, rtp.timestamp, false), remote)
    rtp.skip(this.#frameUnits)
    return true
  }

  #encode(pcm: Int16Array, remote: MediaAddress): void {
    const payload = this.#payload
    const length = this.#encoder?.encode(pcm, payload) ?? 0
    if (length === 0) {
      this.#rtp.skip(this.#packetUnits)
      return
    }
    const packet = this.#rtp.packet(payload, this.#packetUnits, length)
    this.#send(packet, remote)
  }

  #convert(resampler: Resampler, frame: Int16Array): Int16Array {
    const length = resampler.process(frame, this.#converted)
    return length === this.#converted.length ? this.#converted : this.#converted.subarray(0, length)
  }

  /** What the turn made leaves. */
  flush(): void {
    const packet = this.#held
    const remote = this.#heldFor
    if (packet === undefined || remote === undefined) return
    this.#held = undefined
    this.out.send(packet, remote.port, remote.address)
  }

  // A turn seldom makes more than one.
  #send(packet: Uint8Array, remote: MediaAddress): void {
    this.flush()
    this.#held = packet
    this.#heldFor = remote
  }
}

function isSame(before: NegotiatedCodec | undefined, now: NegotiatedCodec): boolean {
  return before?.name === now.name && before.clockRate === now.clockRate && before.fmtp === now.fmtp
}

function isSilent(frame: Int16Array): boolean {
  // What a sink leaves at the end of speech fades within a few milliseconds; its beginning tells.
  return frame[0] === 0
}

function spread(pcm: Int16Array, channels: number): Int16Array {
  const out = new Int16Array(pcm.length * channels)
  for (let i = 0; i < out.length; i += 1) out[i] = pcm[Math.floor(i / channels)] as number
  return out
}

/** More than the longest packet of any codec: 120 ms of stereo at 48 kHz. */
const MAX_WAITING = 24_000
