import type { CodecCapability, LocalCapabilities } from './capabilities.ts'
import type { MediaDescription, PayloadFormat } from './description.ts'
import { dynamicPayloadTypes, staticPayloadType } from './payload-types.ts'

/** What a codec is known by, whatever its number: `opus/48000/2`. */
export type CodecKey = string

interface Encoding {
  readonly name: string
  readonly clockRate: number
  readonly channels?: number
}

/** RFC 7587 §7 fixes the two channels of Opus, and peers that leave them out mean the same. */
export function codecKey({ name, clockRate, channels = 1 }: Encoding): CodecKey {
  const lower = name.toLowerCase()
  return `${lower}/${clockRate}/${lower === 'opus' ? 2 : channels}`
}

const eventName = 'telephone-event'

export function isTelephoneEvent({ name }: { readonly name: string }): boolean {
  return name.toLowerCase() === eventName
}

/** RFC 3389. */
export function isComfortNoise({ name }: { readonly name: string }): boolean {
  return name.toLowerCase() === 'cn'
}

/** Formats that ride beside the voice and can never be the codec of a call. */
export function isAuxiliary({ name }: { readonly name: string }): boolean {
  return [eventName, 'cn', 'red'].includes(name.toLowerCase())
}

export interface Match {
  readonly offered: PayloadFormat
  readonly capability: CodecCapability
}

/** The codecs of an offer that we have too, each once, in the order of the offer or in ours. */
export function matchCodecs(
  offered: readonly PayloadFormat[],
  codecs: readonly CodecCapability[],
  order: 'remote' | 'local',
): Match[] {
  const matches: Match[] = []
  for (const format of offered) {
    const capability = codecs.find(codec => codecKey(codec) === codecKey(format))
    if (capability && !matches.some(match => match.capability === capability))
      matches.push({ offered: format, capability })
  }
  if (order === 'local') matches.sort((a, b) => codecs.indexOf(a.capability) - codecs.indexOf(b.capability))
  return matches
}

/** The clock rates to have `telephone-event` at. */
export function eventRates(capabilities: LocalCapabilities): readonly number[] {
  if (capabilities.telephoneEventRates) return capabilities.telephoneEventRates
  return [...new Set(capabilities.codecs.filter(codec => !isAuxiliary(codec)).map(codec => codec.clockRate))]
}

/**
 * The `telephone-event` formats of an offer to accept: one for each clock rate of the accepted codecs. When the offer has
 * none at such a rate the first at any rate is taken, as many offers of Opus carry events at 8000 only.
 */
export function matchEvents(
  offered: readonly PayloadFormat[],
  codecs: readonly PayloadFormat[],
  capabilities: LocalCapabilities,
): PayloadFormat[] {
  if (eventRates(capabilities).length === 0) return []
  const all = offered.filter(isTelephoneEvent)
  const rates = new Set(codecs.map(codec => codec.clockRate))
  const fitting = all.filter(
    (format, i) =>
      rates.has(format.clockRate) && all.findIndex(other => other.clockRate === format.clockRate) === i,
  )
  return fitting.length > 0 ? fitting : all.slice(0, 1)
}

const defaultPtimes = [10, 20, 30, 40, 50, 60]

/** The packet length to send: what the peer asks for, or else what we like, as far as both are able. */
export function agreePtime(
  remote: Pick<MediaDescription, 'ptime' | 'maxptime'>,
  capabilities: LocalCapabilities,
): number {
  const wanted = Math.min(remote.ptime ?? capabilities.ptime ?? 20, remote.maxptime ?? Infinity)
  const able = (capabilities.ptimes ?? defaultPtimes).toSorted((a, b) => a - b)
  return able.findLast(ptime => ptime <= wanted) ?? able[0] ?? 20
}

/** Payload types in use since the session began: a number is never given to another codec (RFC 3264 §8.3.2). */
export type PayloadTypeHistory = ReadonlyMap<number, CodecKey>

/** Gives numbers to the codecs of an offer: the one it had before, its static one, the suggested one, or a free one. */
export function assignPayloadTypes(
  codecs: readonly CodecCapability[],
  history: PayloadTypeHistory,
): PayloadFormat[] {
  const used = new Map(history)
  const reserved = new Set(codecs.map(codec => codec.payloadType))
  const result: PayloadFormat[] = []
  const taken = new Set<number>()
  const isFree = (payloadType: number, key: CodecKey): boolean =>
    !taken.has(payloadType) && (used.get(payloadType) ?? key) === key
  for (const codec of codecs) {
    const { name, clockRate, channels = 1, fmtp } = codec
    const key = codecKey(codec)
    const before = [...history].find(([payloadType, known]) => known === key && !taken.has(payloadType))?.[0]
    const payloadType = [
      before,
      staticPayloadType(name, clockRate, channels),
      codec.payloadType,
      ...dynamicPayloadTypes.filter(candidate => !used.has(candidate) && !reserved.has(candidate)),
    ].find(candidate => candidate !== undefined && isFree(candidate, key))
    // Sixty dynamic numbers are gone: the least preferred codecs stay out of the offer.
    if (payloadType === undefined) continue
    taken.add(payloadType)
    used.set(payloadType, key)
    result.push({ payloadType, name, clockRate, channels, ...(fmtp !== undefined && { fmtp }) })
  }
  return result
}
