import type { LocalCapabilities } from './capabilities.ts'
import type { Direction, SdpAddress, SessionDescription } from './description.ts'

/** Where RTP or RTCP goes to or comes in. `address` may be a host name in a remote one. */
export interface MediaAddress extends SdpAddress {
  readonly port: number
}

/** One codec that both ends agreed on. */
export interface NegotiatedCodec {
  readonly name: string
  readonly clockRate: number
  readonly channels: number
  /** The number the peer expects in packets we send. */
  readonly sendPayloadType: number
  /** The number we told the peer to use. */
  readonly receivePayloadType: number
  /** The peer's parameters: how it wants to receive. */
  readonly fmtp?: string
  /** Our parameters: how we said we want to receive. */
  readonly localFmtp?: string
}

/** RFC 4733 events both ends agreed on. */
export interface NegotiatedTelephoneEvent {
  readonly sendPayloadType: number
  readonly receivePayloadType: number
  /** Units of the duration field per second; that of `codec` whenever the peer offers it. */
  readonly clockRate: number
  /** Events the peer said it understands, e.g. `0-15`. */
  readonly events: string
}

/** One audio stream as agreed; `direction` and names are ours: `sendonly` means we send and do not receive. */
export interface NegotiatedAudio {
  /** Index of the `m=` line. */
  readonly mediaIndex: number
  readonly protocol: string
  readonly local: MediaAddress
  /** Where to send RTP; `undefined` while the peer gave no usable address (`c=0.0.0.0`). */
  readonly remote: MediaAddress | undefined
  readonly direction: Direction
  /** The peer wants no audio from us for now: `sendonly`, `inactive` or `c=0.0.0.0`. */
  readonly remoteHold: boolean
  /** We told the peer that we want no audio from it for now. */
  readonly localHold: boolean
  /** Either of the two: media time-outs do not apply. */
  readonly held: boolean
  /** The codec to send with. */
  readonly codec: NegotiatedCodec
  readonly sendPayloadType: number
  /** Every agreed codec by the payload type it may arrive with: the peer may change between them at any packet. */
  readonly receivePayloadTypes: ReadonlyMap<number, NegotiatedCodec>
  /** Milliseconds of audio per packet to send. */
  readonly ptime: number
  /** The longest packet the peer takes, in ms. */
  readonly maxptime?: number
  readonly telephoneEvent?: NegotiatedTelephoneEvent
  /** Clock rate of every `telephone-event` payload type that may arrive. */
  readonly receiveTelephoneEvents: ReadonlyMap<number, number>
  readonly rtcp: {
    readonly mux: boolean
    readonly localPort: number
    readonly remote: MediaAddress | undefined
  }
}

export interface Answered {
  readonly answer: SessionDescription
  readonly audio: NegotiatedAudio
}

export type { LocalCapabilities }
