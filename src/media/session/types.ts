import type { Clock, Network, Random, Resolver } from '../../runtime/runtime.ts'
import type { AudioCodec } from '../codec/codec.ts'
import type { PlayoutDelayOptions } from '../rtp/jitter-options.ts'
import type { Pacer } from '../rtp/pacer.ts'
import type { PortPool } from '../rtp/port-pool.ts'
import type { RoundTripSnapshot } from '../rtp/round-trip.ts'
import type { Direction } from '../sdp/description.ts'
import type { MediaAddress, NegotiatedAudio } from '../sdp/negotiated.ts'
import type { CryptoFailures } from './crypto.ts'
import type { DtmfRoad, DtmfSettings } from './digit-roads.ts'
import type { SrtpMode, SrtpOptions } from './srtp-options.ts'

import type { StreamQuality } from './quality.ts'
import type { RtcpCounters, RtcpOptions } from './rtcp-session.ts'

/** What `MediaSession.open` needs. One session is one audio stream of one call. */
export interface MediaSessionOptions {
  readonly runtime: {
    readonly clock: Clock
    readonly network: Network
    readonly random: Random
    /** For peers whose SDP names a host instead of an address. */
    readonly resolver?: Resolver
  }
  /** Shared by all calls of an endpoint: the RTP ports, and the one timer that paces every call. */
  readonly ports: PortPool
  readonly pacer: Pacer
  /** Address to tell the peer, when it is not the one the pool binds (NAT, container, every interface). */
  readonly advertise?: string
  /** In order of preference; default PCMU, PCMA. */
  readonly codecs?: readonly AudioCodec[]
  /** Milliseconds per packet to ask for and to send when the peer does not mind; default 20. */
  readonly ptime?: number
  /** Take RTP from wherever the peer's first valid packet comes and answer there (NAT); default true. */
  readonly symmetric?: boolean
  /** Without a packet for so long (and not on hold) `onTimeout` is called; default 30 000 ms, 0 for never. */
  readonly timeoutMs?: number
  /** The same for the first packet, counted again when a hold ends; default `timeoutMs`. */
  readonly firstPacketTimeoutMs?: number
  /** What is sent while nothing is written: silence (default), so that the peer does not time out, or nothing. */
  readonly idle?: 'silence' | 'off'
  /** Offer comfort noise and take it (RFC 3389); where the peer does too, silence is described instead of sent. Default false. */
  readonly comfortNoise?: boolean
  /** How long sound waits for the stragglers of the network; default: as the network asks for, 20 to 500 ms. */
  readonly jitterBuffer?: PlayoutDelayOptions
  /** Frames kept for a slow reader of `input`; default 50. */
  readonly inputFrames?: number
  /** `output.write` waits above this; default 1000 ms. */
  readonly highWaterMs?: number
  /** RTCP (RFC 3550 §6); default true: on the port of RTP when the peer agrees, otherwise on the port above. False: none. */
  readonly rtcp?: boolean | RtcpOptions
  /** SRTP by keys in the description (RFC 4568); default `off`. */
  readonly srtp?: SrtpMode | SrtpOptions
  /** Roads of digits; default: taken from all, sent by the best the peer has. */
  readonly dtmf?: DtmfSettings
  /** Goes into every message on the diagnostics channels, to tell whose call it is. */
  readonly call?: string
}

/** A key the other party pressed, each once however its packets were lost or repeated and however many roads it came by. */
export interface DtmfDigit {
  /** `0`-`9`, `*`, `#`, `A`-`D`; `!` for a hook flash. */
  readonly digit: string
  /** The road that told of it first. */
  readonly via: DtmfRoad
  readonly durationMs: number
  /** When it began, on the clock of `AudioFrame.timestampMs`. */
  readonly timestampMs: number
}

/** A key the other party has just pressed and may still hold: the moment to interrupt what is being played. */
export interface DtmfStart {
  readonly digit: string
  readonly via: DtmfRoad
  /** When it began, on the clock of `AudioFrame.timestampMs`. */
  readonly timestampMs: number
}

export interface SendDtmfOptions {
  /** Length of each digit; default 160 ms. */
  readonly durationMs?: number
  /** Pause after each digit; default 80 ms. */
  readonly gapMs?: number
  /** Level in dBm0, -63 to 0; default -10. */
  readonly volumeDbm0?: number
  /** The road to take; default what the options of the call say. */
  readonly via?: 'auto' | DtmfRoad
  /** Aborting forgets the digits not begun yet; the promise rejects with the reason. */
  readonly signal?: AbortSignal
}

/** Plain counters since the session was opened; times in milliseconds. */
export interface MediaStats {
  readonly packetsSent: number
  readonly octetsSent: number
  readonly packetsReceived: number
  readonly octetsReceived: number
  /** By sequence number: expected less received. */
  readonly lost: number
  /** Came, but after their turn had been concealed. */
  readonly late: number
  readonly duplicates: number
  /** Came out of order and were put right. */
  readonly reordered: number
  readonly concealedMs: number
  /** Interarrival jitter of RFC 3550 §6.4.1. */
  readonly jitterMs: number
  /** What the jitter buffer adds to the delay now. */
  readonly bufferMs: number
  /** Thrown away: not RTP, of a payload type nobody agreed on, from a stranger, far off the sequence. */
  readonly discarded: {
    readonly malformed: number
    readonly payloadType: number
    readonly stray: number
    readonly sequence: number
    /** SRTP and SRTCP that `srtp.failures` tells about. */
    readonly crypto: number
    /** Came more than 200 ms before the answer that told whose they were. */
    readonly early: number
  }
  /** Absent where SRTP was never agreed on. */
  readonly srtp?: {
    /** By its SDES name; absent while the call goes on without. */
    readonly suite?: string
    /** The keys went over signalling that is not encrypted: whoever reads it can decrypt the audio. */
    readonly keysInClear: boolean
    readonly failures: CryptoFailures
  }
  /** Other sources than the peer that sent RTP of an agreed payload type to our port; their packets are `discarded.stray`. */
  readonly strangers: number
  /** Packets of theirs with the peer's SSRC: somebody tried to be heard in the call. */
  readonly spoofed: number
  /** Times the peer was followed to another address without new signalling. */
  readonly rebinds: number
  /** Datagrams that the system refused to send, and refusals that came back (ICMP), as far as the system tells. */
  readonly networkErrors: number
  readonly dtmfReceived: number
  /** Times a second road told of a digit that was known already. */
  readonly dtmfMerged: number
  readonly dtmfSent: number
  /** Digits nobody fetched in time. */
  readonly dtmfDropped: number
  /** Frames of `input` nobody fetched in time. */
  readonly inputDroppedFrames: number
  /** Audio written to `output` beyond its bound. */
  readonly outputRefusedMs: number
  /** Turns of the pacer that were skipped because the process stood still. */
  readonly skippedTicks: number
  /** How the losses of what we receive cluster. */
  readonly bursts: BurstStats
  /** Between our RTCP and the peer's answer to it, its own delay taken off; absent until there was one. */
  readonly roundTrip?: RoundTripSnapshot
  /** How long the peer's reports have shown that nothing of what we send reaches it, ms; 0 while it does, or the peer does not report. */
  readonly unheardMs: number
  /** What the peer says of our stream; absent until it has reported. */
  readonly remote?: RemoteStats
  /** MOS and R factor by the E-model (ITU-T G.107), how they are made is in docs/statistics.md. */
  readonly quality: {
    /** Of what we hear; absent until enough has come. */
    readonly received?: StreamQuality
    /** Of what the peer hears; absent until it has reported. */
    readonly sent?: StreamQuality
  }
  /** Absent for a call without RTCP. */
  readonly rtcp?: RtcpCounters
}

/** Bursts and gaps of RFC 3611 §4.7.2 with Gmin 16; what came too late counts like what was lost. */
export interface BurstStats {
  readonly bursts: number
  /** Lost within bursts, of the packets there, 0 to 1. */
  readonly burstLossRatio: number
  /** Lost outside of bursts, of the packets there, 0 to 1. */
  readonly gapLossRatio: number
  /** Mean length, ms. */
  readonly burstMs: number
  readonly gapMs: number
  /** Most packets missing in a row. */
  readonly longestLoss: number
}

/** What the peer reports of the stream we send (RFC 3550 §6.4.1, RFC 3611 §4.7). */
export interface RemoteStats {
  /** Reports so far. */
  readonly reports: number
  /** Packets; negative when duplicates outnumber losses. */
  readonly lost: number
  /** Of the packets sent until then, 0 to 1. */
  readonly lossRatio: number
  readonly jitterMs: number
  /** From extended reports, where the peer sends them: came too late to be played, 0 to 1. */
  readonly discardRatio?: number
  /** What its jitter buffer and its end of the line add to the delay, ms. */
  readonly endSystemDelayMs?: number
}

/** What an offer/answer that was applied did. */
export interface MediaChange {
  readonly audio: NegotiatedAudio
  /** The first of the call; the flags below are then true. */
  readonly first: boolean
  readonly localHold: boolean
  readonly remoteHold: boolean
  readonly codecChanged: boolean
  readonly addressChanged: boolean
  readonly directionChanged: boolean
}

/** Messages of `offhook:media:event`. `at` is milliseconds on the runtime's clock. */
export interface MediaEvent {
  readonly call: string | undefined
  readonly at: number
  readonly kind:
    | 'open'
    | 'negotiated'
    | 'first-packet'
    | 'latched'
    | 'stranger'
    | 'codec'
    | 'timeout'
    | 'unheard'
    | 'keys-in-clear'
    | 'recording-start'
    | 'recording-error'
    | 'recording-stop'
    | 'close'
  readonly codec?: string
  readonly direction?: Direction
  readonly remote?: MediaAddress
  /** The suite of SRTP; with `negotiated`, absent for plain RTP. */
  readonly encryption?: string
  readonly file?: string
  /** Why a recording has broken off. */
  readonly error?: string
  /** Of a stranger, so far; of them, those with the peer's SSRC. */
  readonly packets?: number
  readonly spoofed?: number
}

/** Messages of `offhook:media:report`: the figures of a call each time it reports by RTCP, about every 5 s. */
export interface MediaReportEvent {
  readonly call: string | undefined
  readonly at: number
  readonly stats: MediaStats
}

/** Messages of `offhook:media:dtmf`. The digit is personal data: mask it before it is shown. */
export interface MediaDtmfEvent {
  readonly call: string | undefined
  readonly at: number
  readonly direction: 'in' | 'out'
  readonly via: DtmfRoad
  readonly digit: string
  readonly durationMs: number
}
