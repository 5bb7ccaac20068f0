import { addressOf, addressProblem } from './address.ts'
import type { CodecCapability, LocalCapabilities } from './capabilities.ts'
import type { CryptoLine } from './crypto.ts'
import {
  type LocalCrypto,
  agreedCrypto,
  answeredCrypto,
  chooseCrypto,
  cryptoProblem,
  isSecure,
  protocolsOf,
} from './crypto-negotiation.ts'
import {
  type Direction,
  type MediaDescription,
  type PayloadFormat,
  type SessionDescription,
  directionOf,
  intersected,
  isUnspecified,
  mirrored,
  receives,
  sends,
} from './description.ts'
import { type SdpError, unacceptable } from './error.ts'
import { commonEvents, defaultEvents } from './events.ts'
import { type LocalOrigin, localDescription, localMedia, refused } from './local-description.ts'
import {
  type PayloadTypeHistory,
  agreePtime,
  assignPayloadTypes,
  codecKey,
  eventRates,
  isAuxiliary,
  isComfortNoise,
  isTelephoneEvent,
  matchCodecs,
  matchEvents,
} from './matching.ts'
import { type FormatPair, type NegotiatedAudio, type NegotiatedCodec, describeAudio } from './negotiated.ts'

/** RFC 3264 as functions: descriptions in, a description and what it means out. `SdpNegotiator` keeps the state between them. */

export interface OfferContext {
  readonly origin: LocalOrigin
  /** Our last description of this session: its `m=` lines keep their places. */
  readonly previous?: SessionDescription
  /** Which of them is the audio stream; default the first audio line. */
  readonly mediaIndex?: number
  /** Payload types used so far in this session. */
  readonly payloadTypes?: PayloadTypeHistory
  /** The codec in use, to be offered first so that a re-offer does not change it. */
  readonly codecInUse?: CodecCapability
  /** The peer wants no audio from us for now. */
  readonly remoteHold?: boolean
  /** Our `a=crypto` lines; without any the stream is offered as plain RTP. */
  readonly crypto?: readonly LocalCrypto[]
}

export interface AnswerContext {
  readonly origin: LocalOrigin
  /** The audio line in use, to be kept when the offer still has it. */
  readonly mediaIndex?: number
  /** Whose order of codecs counts; default the peer's (RFC 3264 §6.1: the answer should keep the offer's). */
  readonly prefer?: 'remote' | 'local'
  /** `all` common codecs (default), so that the peer may change between them, or the `first` alone. */
  readonly answerCodecs?: 'all' | 'first'
  /** Gives our line to answer that one with; without it SRTP cannot be answered. */
  readonly crypto?: (chosen: CryptoLine) => LocalCrypto
}

export interface Answered {
  readonly answer: SessionDescription
  readonly audio: NegotiatedAudio
  /** Our line among them, when the stream is protected. */
  readonly crypto?: LocalCrypto
}

/** An offer of one audio stream; what else the session had stays, refused, in its place (RFC 3264 §5, §8). */
export function createOffer(capabilities: LocalCapabilities, context: OfferContext): SessionDescription {
  const events = capabilities.telephoneEvents ?? '0-16'
  const codecs = inUseFirst(capabilities.codecs, context.codecInUse)
  const payloads = assignPayloadTypes(
    [
      ...codecs,
      ...eventRates(capabilities).map((clockRate, i) => ({
        name: 'telephone-event',
        clockRate,
        payloadType: 101 - i,
        fmtp: events,
      })),
    ],
    context.payloadTypes ?? new Map(),
  )
  const before = context.previous?.media ?? []
  const index =
    context.mediaIndex ??
    Math.max(
      0,
      before.findIndex(line => line.kind === 'audio'),
    )
  const { crypto = [] } = context
  const audio = localMedia(capabilities, {
    protocol: offeredProtocol(before[index]?.protocol, capabilities, crypto.length > 0),
    crypto,
    payloads,
    direction: offeredDirection(capabilities.direction ?? 'sendrecv', context.remoteHold ?? false),
    ptime: capabilities.ptime ?? 20,
    rtcpMux: capabilities.rtcpMux ?? false,
  })
  const media = before.map(refused)
  media[index] = audio
  return localDescription(capabilities, context.origin, media)
}

/**
 * A stream that the peer holds is held by us as `inactive` (RFC 3264 §8.4). An offer to receive stays what we wish: the peer's answer says
 * whether it still holds.
 */
function offeredDirection(wish: Direction, remoteHold: boolean): Direction {
  return remoteHold && !receives(wish) ? 'inactive' : wish
}

/**
 * Answers an offer: the first acceptable audio stream is taken, every other `m=` line refused in its place.
 *
 * @throws SdpError 488 when no stream of the offer can be used.
 */
export function createAnswer(
  offer: SessionDescription,
  capabilities: LocalCapabilities,
  context: AnswerContext,
): Answered {
  const index = selectStream(offer, capabilities, context.mediaIndex)
  const remote = offer.media[index]!
  const all = matchCodecs(remote.payloads, capabilities.codecs, context.prefer ?? 'remote')
  const voice = all.filter(match => !isAuxiliary(match.offered))
  const kept = context.answerCodecs === 'first' ? voice.slice(0, 1) : voice
  const codecs: NegotiatedCodec[] = kept.map(({ offered, capability }) =>
    agreedCodec(offered, offered, answeredFmtp(offered, capability)),
  )
  const extras = all.filter(match => isAuxiliary(match.offered) && !isTelephoneEvent(match.offered))
  const events = matchEvents(
    remote.payloads,
    kept.map(match => match.offered),
    capabilities,
  )
  const understood = capabilities.telephoneEvents ?? '0-16'
  const payloads: PayloadFormat[] = [
    ...[...kept, ...extras].map(({ offered, capability }) =>
      answeredFormat(offered, answeredFmtp(offered, capability)),
    ),
    ...events.map(event => answeredFormat(event, commonEvents(event.fmtp ?? defaultEvents, understood))),
  ]
  const wish = capabilities.direction ?? 'sendrecv'
  const theirs = effectiveDirection(remote, offer)
  const direction = intersected(mirrored(theirs), wish)
  const ptime = agreePtime(remote, capabilities)
  const chosen = chooseCrypto(remote, capabilities.crypto)
  const crypto = chosen && context.crypto?.(chosen)
  const audio = localMedia(capabilities, {
    protocol: remote.protocol,
    crypto: crypto ? [crypto] : [],
    payloads,
    direction,
    ptime,
    rtcpMux: remote.rtcpMux && (capabilities.rtcpMux ?? false),
  })
  const media = offer.media.map((line, i) => (i === index ? audio : refused(line)))
  return {
    answer: localDescription(capabilities, context.origin, media),
    ...(crypto && { crypto }),
    audio: describeAudio({
      mediaIndex: index,
      capabilities,
      local: audio,
      remote,
      remoteSession: offer,
      codecs,
      events: events.map(event => ({ sent: event, received: event })),
      comfortNoise: extras
        .filter(match => isComfortNoise(match.offered))
        .map(({ offered }) => ({ sent: offered, received: offered })),
      crypto: chosen && crypto && agreedCrypto(crypto, chosen),
      direction,
      remoteHold: !receives(theirs),
      localHold: !receives(wish),
      ptime,
    }),
  }
}

/**
 * What our offer and the peer's answer to it agree on. `remoteHold` says whether the peer held before; `crypto` are the lines of the offer.
 *
 * @throws SdpError 488 when the answer refuses the stream or does not fit the offer.
 */
export function applyAnswer(
  offer: SessionDescription,
  answer: SessionDescription,
  capabilities: LocalCapabilities,
  remoteHold = false,
  crypto: readonly LocalCrypto[] = [],
): NegotiatedAudio {
  const index = offer.media.findIndex(line => line.kind === 'audio' && line.port !== 0)
  const local = offer.media[index]
  const remote = answer.media[index]
  if (!local) throw unacceptable('the offer has no audio stream', 'm', 304)
  if (answer.media.length !== offer.media.length || !remote)
    throw unacceptable(
      `the answer has ${answer.media.length} media lines where the offer has ${offer.media.length}`,
      'm',
      399,
    )
  if (remote.kind.toLowerCase() !== 'audio')
    throw unacceptable(`the answer has ${remote.kind} where the offer has audio`, 'm', 304)
  if (remote.port === 0) throw unacceptable('the peer refused the audio stream (port 0)', 'm', 304)
  if (!sameProtocol(remote.protocol, local.protocol, crypto.length > 0))
    throw unacceptable(`the answer has ${remote.protocol}, the offer ${local.protocol}`, 'm', 302)
  const pairs = pairFormats(local, remote)
  const codecs: NegotiatedCodec[] = pairs
    .filter(pair => !isAuxiliary(pair.received))
    .map(({ sent, received }) => agreedCodec(sent, received, received.fmtp))
  if (codecs.length === 0)
    throw unacceptable('the answer has none of the codecs that were offered', 'rtpmap', 305)
  const problem = addressProblem(remote, answer, capabilities)
  if (problem) throw problem
  const protection = answeredCrypto(crypto, remote, capabilities.crypto)
  const theirs = effectiveDirection(remote, answer)
  return describeAudio({
    mediaIndex: index,
    capabilities,
    local,
    remote,
    remoteSession: answer,
    codecs,
    events: pairs.filter(pair => isTelephoneEvent(pair.received)),
    comfortNoise: pairs.filter(pair => isComfortNoise(pair.received)),
    crypto: protection,
    direction: intersected(local.direction, mirrored(theirs)),
    // An offer that does not send cannot be told "do not send": the answer says nothing of the peer's wish.
    remoteHold: sends(local.direction) ? !receives(theirs) : remoteHold,
    localHold: !receives(local.direction),
    ptime: agreePtime(remote, capabilities),
  })
}

/** Numbers may differ between the directions (RFC 3264 §5.1). A number answered without its `rtpmap` means the one offered. */
function pairFormats(local: MediaDescription, remote: MediaDescription): FormatPair[] {
  const pairs: FormatPair[] = []
  for (const format of remote.formats) {
    const sent =
      remote.payloads.find(payload => String(payload.payloadType) === format) ??
      local.payloads.find(payload => String(payload.payloadType) === format)
    if (!sent) continue
    const same = local.payloads.filter(payload => codecKey(payload) === codecKey(sent))
    const received = same.find(payload => payload.payloadType === sent.payloadType) ?? same[0]
    if (received && !pairs.some(pair => pair.received === received)) pairs.push({ sent, received })
  }
  return pairs
}

function inUseFirst(
  codecs: readonly CodecCapability[],
  inUse: CodecCapability | undefined,
): readonly CodecCapability[] {
  const first = inUse && codecs.find(codec => codecKey(codec) === codecKey(inUse))
  return first ? [first, ...codecs.filter(codec => codec !== first)] : codecs
}

/** The one in use; where the peer has left the protection out, the one without. */
function offeredProtocol(
  before: string | undefined,
  capabilities: LocalCapabilities,
  secure: boolean,
): string {
  if (before !== undefined && (secure || !isSecure(before))) return before
  const able = protocolsOf(capabilities)
  return able.find(protocol => isSecure(protocol) === secure) ?? able[0] ?? 'RTP/AVP'
}

/** Where keys were offered, peers are known to answer with either transport: the keys in the answer decide. */
function sameProtocol(answered: string, offered: string, keysOffered: boolean): boolean {
  const [a, b] = [answered, offered].map(protocol => {
    const upper = protocol.toUpperCase()
    return keysOffered ? upper.replace(/^RTP\/SAVP/, 'RTP/AVP') : upper
  })
  return a === b
}

function selectStream(
  offer: SessionDescription,
  capabilities: LocalCapabilities,
  preferred: number | undefined,
): number {
  const order = offer.media.map((_, i) => i)
  // Some offer the same stream twice, with and without protection.
  const weight = (i: number): number => Number(isSecure(offer.media[i]!.protocol))
  if (capabilities.crypto) order.sort((a, b) => weight(b) - weight(a))
  if (preferred !== undefined) order.sort((a, b) => Number(b === preferred) - Number(a === preferred))
  let reason: SdpError | undefined
  for (const index of order) {
    const line = offer.media[index]!
    if (line.kind.toLowerCase() !== 'audio' || line.port === 0) continue
    const problem = streamProblem(line, offer, capabilities)
    if (!problem) return index
    reason = problem
  }
  throw reason ?? unacceptable('the offer has no audio stream', 'm', 304)
}

function streamProblem(
  line: MediaDescription,
  session: SessionDescription,
  capabilities: LocalCapabilities,
): SdpError | undefined {
  if (!protocolsOf(capabilities).some(protocol => protocol.toUpperCase() === line.protocol.toUpperCase()))
    return unacceptable(`the transport ${line.protocol} is not available`, 'm', 302)
  const unprotected = cryptoProblem(line, capabilities.crypto)
  if (unprotected) return unprotected
  const common = matchCodecs(line.payloads, capabilities.codecs, 'remote')
  if (common.every(match => isAuxiliary(match.offered)))
    return unacceptable('no codec of the offer is available', 'rtpmap', 305)
  return addressProblem(line, session, capabilities)
}

function agreedCodec(
  sent: PayloadFormat,
  received: PayloadFormat,
  localFmtp: string | undefined,
): NegotiatedCodec {
  return {
    name: received.name,
    clockRate: received.clockRate,
    channels: received.channels,
    sendPayloadType: sent.payloadType,
    receivePayloadType: received.payloadType,
    ...(sent.fmtp !== undefined && { fmtp: sent.fmtp }),
    ...(localFmtp !== undefined && { localFmtp }),
  }
}

function answeredFmtp(
  offered: PayloadFormat,
  { fmtp, mirrored: alike }: CodecCapability,
): string | undefined {
  return alike === true ? offered.fmtp : fmtp
}

function answeredFormat(offered: PayloadFormat, fmtp: string | undefined): PayloadFormat {
  const { payloadType, name, clockRate, channels } = offered
  return { payloadType, name, clockRate, channels, ...(fmtp !== undefined && { fmtp }) }
}

/** Nothing can be sent to `0.0.0.0`, whatever the direction says: the peer of RFC 2543 holds. */
function effectiveDirection(line: MediaDescription, session: SessionDescription): Direction {
  const address = addressOf(line, session)
  return isUnspecified(address) ? directionOf(sends(line.direction), false) : line.direction
}
