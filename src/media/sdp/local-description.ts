import { OptionError } from '../../runtime/errors.ts'
import { localAddress } from './address.ts'
import type { LocalCapabilities } from './capabilities.ts'
import { type LocalCrypto, cryptoValue } from './crypto-negotiation.ts'
import type { Direction, MediaDescription, PayloadFormat, SessionDescription } from './description.ts'
import { isAuxiliary } from './matching.ts'

/** Our own side of an exchange, as offers and answers have it alike. */

/** The part of `o=` that stays ours through the session. */
export interface LocalOrigin {
  readonly username: string
  readonly sessionId: string
  readonly version: string
}

/** The audio stream as we describe it. */
export interface LocalStream {
  readonly protocol: string
  readonly crypto: readonly LocalCrypto[]
  readonly payloads: readonly PayloadFormat[]
  readonly direction: Direction
  readonly ptime: number
  readonly rtcpMux: boolean
}

/** @throws OptionError for a port that is none, or without a codec for voice */
export function localMedia(capabilities: LocalCapabilities, stream: LocalStream): MediaDescription {
  const { port, rtcpPort, maxptime } = capabilities
  // Port 0 would say "refused" (RFC 3264 §6) where the caller means a stream.
  if (!(Number.isInteger(port) && port > 0 && port < 65_536))
    throw new OptionError('port', `${port} is not a UDP port; give the one RTP is received at`)
  if (stream.payloads.every(isAuxiliary))
    throw new OptionError('codecs', 'name at least one codec that carries voice')
  return {
    kind: 'audio',
    port,
    protocol: stream.protocol,
    formats: stream.payloads.map(payload => String(payload.payloadType)),
    connection: localAddress(capabilities),
    direction: stream.direction,
    payloads: stream.payloads,
    ptime: stream.ptime,
    ...(maxptime !== undefined && { maxptime }),
    ...(rtcpPort !== undefined && rtcpPort !== port + 1 && { rtcp: { port: rtcpPort } }),
    rtcpMux: stream.rtcpMux,
    crypto: stream.crypto.map(cryptoValue),
    attributes: [],
  }
}

export function localDescription(
  capabilities: LocalCapabilities,
  origin: LocalOrigin,
  media: readonly MediaDescription[],
): SessionDescription {
  const connection = localAddress(capabilities)
  return { origin: { ...origin, ...connection }, name: '-', connection, attributes: [], media }
}

/** The line in an answer, or in a later offer, that says no to this one (RFC 3264 §6, §8.2). */
export function refused({ kind, protocol, formats }: MediaDescription): MediaDescription {
  return {
    kind,
    port: 0,
    protocol,
    formats,
    direction: 'inactive',
    payloads: [],
    rtcpMux: false,
    crypto: [],
    attributes: [],
  }
}
