import { Buffer } from 'node:buffer'
import type { Random } from '../../runtime/runtime.ts'
import { RTP_HEADER_LENGTH, writeRtpHeader } from './packet.ts'
import type { RtpView } from './packet.ts'

export interface RtpSenderOptions {
  readonly random: Random
  /** Of the audio, 0 … 127; may be changed later. */
  readonly payloadType: number
}

export interface RtpSenderSnapshot {
  readonly ssrc: number
  readonly packets: number
  /** Payload octets. */
  readonly octets: number
}

/** Sequence number, timestamp and SSRC of one outgoing stream (RFC 3550 §5.1). */
export class RtpSender {
  payloadType: number
  readonly #random: Random
  #ssrc: number
  #sequence: number
  /** Sequence number and counters with which the SSRC began. */
  #firstSequence: number
  #packetsBefore = 0
  #octetsBefore = 0
  #timestamp: number
  #talkspurt = true
  #packets = 0
  #octets = 0

  constructor(options: RtpSenderOptions) {
    this.payloadType = options.payloadType
    this.#random = options.random
    this.#ssrc = options.random.uint32()
    this.#sequence = firstSequence(options.random)
    this.#timestamp = options.random.uint32()
    this.#firstSequence = this.#sequence
  }

  get ssrc(): number {
    return this.#ssrc
  }

  /** What a sender report says, and the sequence number its stream began with: counted anew with every SSRC (RFC 3550 §6.4.1). */
  get source(): {
    readonly ssrc: number
    readonly packets: number
    readonly octets: number
    readonly firstSequence: number
  } {
    return {
      ssrc: this.#ssrc,
      packets: this.#packets - this.#packetsBefore,
      octets: this.#octets - this.#octetsBefore,
      firstSequence: this.#firstSequence,
    }
  }

  /** Goes on under another SSRC, as when somebody else has ours (RFC 3550 §8.2): with sequence numbers that begin anew. */
  changeSource(): void {
    this.#ssrc = this.#random.uint32()
    this.#sequence = firstSequence(this.#random)
    this.#firstSequence = this.#sequence
    this.#packetsBefore = this.#packets
    this.#octetsBefore = this.#octets
  }

  /** The timestamp the next audio packet will carry. */
  get timestamp(): number {
    return this.#timestamp
  }

  /** The sequence number the next packet will carry. */
  get sequence(): number {
    return this.#sequence
  }

  /**
   * The next audio packet, in a buffer of its own that is the caller's to give away; `units` is how much time it covers,
   * in timestamp units; `length` how much of `payload` there is. The marker is set on the first packet and on the first one after `skip`.
   */
  packet(payload: Uint8Array, units: number, length: number = payload.length): Uint8Array {
    const bytes = this.#write(payload, length, this.payloadType, this.#talkspurt, this.#timestamp)
    this.#talkspurt = false
    this.#timestamp = (this.#timestamp + units) >>> 0
    return bytes
  }

  /**
   * A packet whose timestamp is not the running one: telephone events, which keep the timestamp of their start.
   * The audio clock does not move; `skip` says what time the event took.
   */
  packetAt(payload: Uint8Array, payloadType: number, timestamp: number, marker: boolean): Uint8Array {
    return this.#write(payload, payload.length, payloadType, marker, timestamp)
  }

  /** Time passes without audio (a silence, frames lost to a stall, an event): the next audio packet opens a talkspurt. */
  skip(units: number): void {
    this.#timestamp = (this.#timestamp + units) >>> 0
    this.#talkspurt = true
  }

  /**
   * A packet of somebody else's stream as one of ours: its payload and marker as they are, our SSRC, and the numbers given, which may leave
   * some out that come later. What we send next has the number above the highest.
   */
  relayed(
    view: RtpView,
    payloadType: number,
    marker: boolean,
    sequence: number,
    timestamp: number,
  ): Uint8Array {
    const { bytes: from, payloadOffset, payloadLength } = view
    const bytes = Buffer.allocUnsafe(RTP_HEADER_LENGTH + payloadLength)
    writeRtpHeader(bytes, payloadType, marker, sequence, timestamp, this.#ssrc)
    for (let i = 0; i < payloadLength; i += 1) bytes[RTP_HEADER_LENGTH + i] = from[payloadOffset + i]!
    if (((sequence - this.#sequence) << 16) >> 16 >= 0) this.#sequence = (sequence + 1) & 0xffff
    this.#packets += 1
    this.#octets += payloadLength
    return bytes
  }

  /** The next audio packet carries this timestamp, and opens a talkspurt. */
  moveTo(timestamp: number): void {
    this.#timestamp = timestamp
    this.#talkspurt = true
  }

  snapshot(): RtpSenderSnapshot {
    return { ssrc: this.#ssrc, packets: this.#packets, octets: this.#octets }
  }

  #write(
    payload: Uint8Array,
    length: number,
    payloadType: number,
    marker: boolean,
    timestamp: number,
  ): Uint8Array {
    const bytes = Buffer.allocUnsafe(RTP_HEADER_LENGTH + length)
    writeRtpHeader(bytes, payloadType, marker, this.#sequence, timestamp, this.#ssrc)
    if (length === payload.length) bytes.set(payload, RTP_HEADER_LENGTH)
    else for (let i = 0; i < length; i += 1) bytes[RTP_HEADER_LENGTH + i] = payload[i]!
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#packets += 1
    this.#octets += length
    return bytes
  }
}

/** Below 2^15: a receiver of SRTP that misses the first packets must not meet the first wrap with them (RFC 3711 §3.3.1). */
function firstSequence(random: Random): number {
  return random.uint32() & 0x7fff
}
