import { addressOf } from './address.ts'
import type { LocalCapabilities } from './capabilities.ts'
import { type NegotiatedComfortNoise, comfortNoiseFor } from './comfort-noise.ts'
import type { NegotiatedCrypto } from './crypto-negotiation.ts'
import {
  type Direction,
  type MediaDescription,
  type PayloadFormat,
  type SdpAddress,
  type SessionDescription,
  isUnspecified,
} from './description.ts'
import { defaultEvents, formatEvents, parseEvents } from './events.ts'

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
  /** Units of the duration field per second; that of `codec` whenever the peer has events at that rate. */
  readonly clockRate: number
  /** Events the peer said it understands, e.g. `0-15`. */
  readonly events: string
}

/** One audio stream as agreed; directions are ours: `sendonly` means we send and do not receive. */
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
  /** That of `codec`. */
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
  /** Clock rate of every comfort noise payload type (RFC 3389) that may be sent and arrive; absent when there is none. */
  readonly comfortNoise?: ReadonlyMap<number, number>
  /** Absent: silence is sent as the codec has it. */
  readonly sendComfortNoise?: NegotiatedComfortNoise
  /** Absent: plain RTP. */
  readonly crypto?: NegotiatedCrypto
  readonly rtcp: {
    /** RTCP shares the RTP port on both sides (RFC 5761). */
    readonly mux: boolean
    readonly localPort: number
    readonly remote: MediaAddress | undefined
  }
}

/** Two numbers of one format: `sent` as the peer numbers it for us, `received` as we numbered it for the peer. */
export interface FormatPair {
  readonly sent: PayloadFormat
  readonly received: PayloadFormat
}

/** What an offer and its answer come down to, whoever made which. */
export interface Agreement {
  readonly mediaIndex: number
  readonly capabilities: LocalCapabilities
  readonly local: MediaDescription
  readonly remote: MediaDescription
  readonly remoteSession: SessionDescription
  /** In order of preference; at least one. */
  readonly codecs: readonly NegotiatedCodec[]
  readonly events: readonly FormatPair[]
  readonly comfortNoise: readonly FormatPair[]
  readonly crypto: NegotiatedCrypto | undefined
  readonly direction: Direction
  readonly remoteHold: boolean
  readonly localHold: boolean
  readonly ptime: number
}

export function describeAudio(agreement: Agreement): NegotiatedAudio {
  const { capabilities, local, remote, codecs, events, comfortNoise, crypto } = agreement
  const { remoteHold, localHold } = agreement
  const codec = codecs[0]!
  const mux = local.rtcpMux && remote.rtcpMux
  const telephoneEvent = eventFor(codec, events)
  const sendComfortNoise = comfortNoiseFor(codec, comfortNoise, remote)
  return {
    mediaIndex: agreement.mediaIndex,
    protocol: local.protocol,
    local: { ...local.connection!, port: local.port },
    remote: remoteAddress(agreement),
    direction: agreement.direction,
    remoteHold,
    localHold,
    held: remoteHold || localHold,
    codec,
    sendPayloadType: codec.sendPayloadType,
    receivePayloadTypes: receivable(codecs, events),
    ptime: agreement.ptime,
    ...(remote.maxptime !== undefined && { maxptime: remote.maxptime }),
    ...(telephoneEvent && { telephoneEvent }),
    receiveTelephoneEvents: new Map(
      events.flatMap(({ sent, received }) => [
        [sent.payloadType, received.clockRate] as const,
        [received.payloadType, received.clockRate] as const,
      ]),
    ),
    ...(comfortNoise.length > 0 && {
      comfortNoise: new Map(
        comfortNoise.map(({ received }) => [received.payloadType, received.clockRate] as const),
      ),
    }),
    ...(sendComfortNoise && { sendComfortNoise }),
    ...(crypto && { crypto }),
    rtcp: {
      mux,
      localPort: mux ? local.port : (capabilities.rtcpPort ?? local.port + 1),
      remote: remoteRtcp(agreement, mux),
    },
  }
}

/**
 * Numbers we announced, and those the peer answered with where they are free: peers that renumber a format in the answer
 * are known to send with their own number.
 */
function receivable(
  codecs: readonly NegotiatedCodec[],
  events: readonly FormatPair[],
): Map<number, NegotiatedCodec> {
  const result = new Map(codecs.map(codec => [codec.receivePayloadType, codec]))
  const eventTypes = new Set(events.map(event => event.received.payloadType))
  for (const codec of codecs)
    if (!result.has(codec.sendPayloadType) && !eventTypes.has(codec.sendPayloadType))
      result.set(codec.sendPayloadType, codec)
  return result
}

function eventFor(
  codec: NegotiatedCodec,
  events: readonly FormatPair[],
): NegotiatedTelephoneEvent | undefined {
  const pair = events.find(({ received }) => received.clockRate === codec.clockRate) ?? events[0]
  if (!pair) return undefined
  const listed = formatEvents(parseEvents(pair.sent.fmtp ?? defaultEvents))
  return {
    sendPayloadType: pair.sent.payloadType,
    receivePayloadType: pair.received.payloadType,
    clockRate: pair.received.clockRate,
    events: listed === '' ? defaultEvents : listed,
  }
}

function remoteAddress({ remote, remoteSession }: Agreement): MediaAddress | undefined {
  const address = addressOf(remote, remoteSession)
  return isUnspecified(address) ? undefined : { ...address, port: remote.port }
}

function remoteRtcp(agreement: Agreement, mux: boolean): MediaAddress | undefined {
  const rtp = remoteAddress(agreement)
  const { rtcp } = agreement.remote
  if (!rtp || mux) return rtp
  if (rtcp?.address && isUnspecified(rtcp.address)) return undefined
  const port = rtcp?.port ?? rtp.port + 1
  return port > 65_535 ? undefined : { ...(rtcp?.address ?? rtp), port }
}
