/** The normalised form of a session description (RFC 8866): what offer/answer needs, typed, and the rest kept raw. */

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** A network address as SDP writes it: numeric, or a host name (then `family` is what the line claimed). */
export interface SdpAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** The `o=` line. Numbers are strings of digits because peers use all 64 bits. */
export interface Origin extends SdpAddress {
  readonly username: string
  /** Digits; below 2^63 when ours. */
  readonly sessionId: string
  /** Digits; grows by one with each change of ours. */
  readonly version: string
}

/** An attribute nobody here interprets: `a=name` or `a=name:value`. */
export interface SdpAttribute {
  readonly name: string
  readonly value?: string
}

/** One RTP payload format: an `rtpmap`, or the static assignment of RFC 3551 where the line was left out. */
export interface PayloadFormat {
  readonly payloadType: number
  /** Encoding name as written; compare without regard to case. */
  readonly name: string
  readonly clockRate: number
  readonly channels: number
  readonly fmtp?: string
}

export interface RtcpAttribute {
  readonly port: number
  readonly address?: SdpAddress
}

/** One `m=` section. */
export interface MediaDescription {
  /** `audio`, `video`, `image`, `application`, ... */
  readonly kind: string
  /** 0 means the stream is refused or switched off. */
  readonly port: number
  /** As written: `RTP/AVP`, `RTP/SAVP`, `udptl`, ... */
  readonly protocol: string
  /** The formats of the `m=` line as written, in order of preference. */
  readonly formats: readonly string[]
  /** The media-level `c=`, or else the session's; `undefined` when the description has neither. */
  readonly connection?: SdpAddress
  /** Of the media section, or else the session's, or else `sendrecv`. */
  readonly direction: Direction
  /** The formats that are known RTP payload types, in the order of the `m=` line. */
  readonly payloads: readonly PayloadFormat[]
  /** Milliseconds of audio per packet the describing side would like to receive. */
  readonly ptime?: number
  readonly maxptime?: number
  readonly rtcp?: RtcpAttribute
  readonly rtcpMux: boolean
  /** Values of the `a=crypto` lines (RFC 4568), uninterpreted, in order. */
  readonly crypto: readonly string[]
  /** Every other attribute, in order. */
  readonly attributes: readonly SdpAttribute[]
}

export interface SessionDescription {
  readonly origin: Origin
  /** The `s=` line; `-` when it had none. */
  readonly name: string
  readonly connection?: SdpAddress
  /** Session-level attributes other than the direction. */
  readonly attributes: readonly SdpAttribute[]
  readonly media: readonly MediaDescription[]
}

const flags: Record<Direction, { readonly send: boolean; readonly receive: boolean }> = {
  sendrecv: { send: true, receive: true },
  sendonly: { send: true, receive: false },
  recvonly: { send: false, receive: true },
  inactive: { send: false, receive: false },
}

export function sends(direction: Direction): boolean {
  return flags[direction].send
}

export function receives(direction: Direction): boolean {
  return flags[direction].receive
}

export function directionOf(send: boolean, receive: boolean): Direction {
  if (send) return receive ? 'sendrecv' : 'sendonly'
  return receive ? 'recvonly' : 'inactive'
}

/** The same stream seen from the other end. */
export function mirrored(direction: Direction): Direction {
  return directionOf(receives(direction), sends(direction))
}

/** What two wishes, both seen from the same end, leave. */
export function intersected(a: Direction, b: Direction): Direction {
  return directionOf(sends(a) && sends(b), receives(a) && receives(b))
}

/** `0.0.0.0` or `::`, in any spelling: "send me nothing" (RFC 3264 §8.4, the hold of RFC 2543). */
export function isUnspecified(address: SdpAddress): boolean {
  return /^[0:.]+$/.test(address.address)
}

/** Whether the address is a number that packets can go to as it stands, not a host name. */
export function isNumeric(address: SdpAddress): boolean {
  return address.address.includes(':') || /^\d+(?:\.\d+){3}$/.test(address.address)
}

/** RTP to a group would let one offer make us flood many hosts; telephony never wants it. */
export function isMulticast({ address }: SdpAddress): boolean {
  const first = /^(\d+)(?:\.\d+){3}$/.exec(address)?.[1]
  return first === undefined ? /^ff[0-9a-f]{2}:/i.test(address) : Number(first) >= 224
}
