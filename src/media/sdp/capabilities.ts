import type { CryptoSuite } from './crypto.ts'
import type { Direction } from './description.ts'

/** One codec we are able to send and receive. */
export interface CodecCapability {
  readonly name: string
  readonly clockRate: number
  /** Default 1. */
  readonly channels?: number
  /** The static payload type, or the dynamic one (96-127) to use in an offer when it is free. */
  readonly payloadType?: number
  /** Our parameters: how we want to receive this codec. */
  readonly fmtp?: string
  /** An answer has the parameters of the offer: the payloads are passed on, so whatever they are will do. */
  readonly mirrored?: true
}

/** SRTP by keys in the description (RFC 4568). */
export interface CryptoCapability {
  /** Whether a stream without protection is taken too. */
  readonly mode: 'optional' | 'required'
  /** Those we take, in order of preference; at least one. */
  readonly suites: readonly CryptoSuite[]
  /** Those we offer, where it is not all of them. */
  readonly offered?: readonly CryptoSuite[]
  /** False: the first offer is of plain RTP, as the one of protection was refused. Default true. */
  readonly offer?: boolean
}

/** What we can do and wish for one audio stream; everything an offer or answer of ours is made from. */
export interface LocalCapabilities {
  /** In order of preference. */
  readonly codecs: readonly CodecCapability[]
  /** Address to receive media at, as the peer must see it. */
  readonly address: string
  readonly family?: 4 | 6
  /** UDP port to receive RTP at. */
  readonly port: number
  /**
   * Transports of the `m=` line we accept, the first being the one to offer; default `RTP/AVP`, `RTP/AVPF`, and with `crypto` before them
   * `RTP/SAVP`, `RTP/SAVPF`.
   */
  readonly protocols?: readonly string[]
  /** Absent: SRTP is neither offered nor taken. */
  readonly crypto?: CryptoCapability
  /** Default `port + 1`; other values are announced with `a=rtcp` (RFC 3605). */
  readonly rtcpPort?: number
  /** Whether RTCP may share the RTP port (RFC 5761): offered when true, accepted only when true. Default false. */
  readonly rtcpMux?: boolean
  /** What we wish; default `sendrecv`. `sendonly` or `inactive` puts the peer on hold. */
  readonly direction?: Direction
  /** Milliseconds per packet we like best; default 20. */
  readonly ptime?: number
  /** The packet lengths we are able to send, in ms; default 10, 20, 30, 40, 50, 60. */
  readonly ptimes?: readonly number[]
  /** Announced when given: the longest packet, in ms, we take. */
  readonly maxptime?: number
  /** Clock rates to offer `telephone-event` at; default one for each clock rate among `codecs`. Empty switches it off. */
  readonly telephoneEventRates?: readonly number[]
  /** Events we understand (RFC 4733 §2.4.1); default `0-16`: digits, A-D and flash. */
  readonly telephoneEvents?: string
}
