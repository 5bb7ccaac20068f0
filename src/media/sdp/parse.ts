import sdpTransform from 'sdp-transform'
import type {
  Direction,
  MediaDescription,
  Origin,
  PayloadFormat,
  RtcpAttribute,
  SdpAddress,
  SdpAttribute,
  SessionDescription,
} from './description.ts'
import { SdpError } from './error.ts'
import { staticFormat } from './payload-types.ts'

/** Bounds on a received description; beyond them it is refused with 400 before anything else is done with it. */
export interface SdpLimits {
  /** Octets (or UTF-16 units of a string); default 16384. */
  readonly maxLength: number
  /** Default 512. */
  readonly maxLines: number
  /** Default 2048. */
  readonly maxLineLength: number
  /** `m=` lines; default 32. */
  readonly maxMedia: number
}

export const defaultSdpLimits: SdpLimits = {
  maxLength: 16_384,
  maxLines: 512,
  maxLineLength: 2048,
  maxMedia: 32,
}

type ParsedSession = ReturnType<typeof sdpTransform.parse>
type ParsedMedia = ParsedSession['media'][number]

interface MediaHead {
  readonly kind: string
  readonly port: number
  readonly protocol: string
  readonly formats: readonly string[]
}

/** A received section: what its raw lines say that the text-to-object step would lose. */
interface Section {
  readonly head: MediaHead | undefined
  readonly attributes: SdpAttribute[]
  readonly crypto: string[]
}

/** Attributes that have a typed place in a media section. At session level only the direction has. */
const typedAttributes = new Set(['rtpmap', 'fmtp', 'ptime', 'maxptime', 'rtcp', 'rtcp-mux', 'crypto'])
const directions: ReadonlySet<string> = new Set(['sendrecv', 'sendonly', 'recvonly', 'inactive'])

/**
 * Reads a session description (RFC 8866), being liberal in what real peers get wrong: missing `v=`, `o=`, `s=`, `t=` or
 * `c=`, lines out of order, LF or CR line ends, stray spaces, unknown lines, attributes, media and transports.
 *
 * @throws SdpError 400 when a limit is exceeded, or when nothing in it looks like SDP, or an `m=` line makes no sense.
 */
export function parseSdp(input: string | Uint8Array, limits: Partial<SdpLimits> = {}): SessionDescription {
  const bounds = { ...defaultSdpLimits, ...limits }
  if (input.length > bounds.maxLength)
    throw malformed(`is ${input.length} octets long; the limit is ${bounds.maxLength}`, 'length')
  const text = typeof input === 'string' ? input : Buffer.from(input).toString('utf8')
  const { canonical, sections } = readLines(text, bounds)
  return normalise(sdpTransform.parse(canonical), sections)
}

/** All but tab, LF and CR. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const controls = /[\u0000-\u0008\u000B\u000C\u000E-\u001F]/

function singleSpaced(value: string): string {
  return value.includes('  ') || value.includes('\t') ? value.replace(/\s+/g, ' ') : value
}

/**
 * Sorts the lines: those with typed meaning go, with white space made canonical, into the text for sdp-transform; the rest
 * stays raw here. So a hostile attribute never meets the seventy patterns of its grammar.
 */
function readLines(text: string, bounds: SdpLimits): { canonical: string; sections: Section[] } {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  if (lines.length > bounds.maxLines)
    throw malformed(`has ${lines.length} lines; the limit is ${bounds.maxLines}`, 'lines')
  let current: Section = { head: undefined, attributes: [], crypto: [] }
  const sections = [current]
  const kept: string[] = []
  let understood = 0
  const hostile = controls.test(text)
  for (const [index, raw] of lines.entries()) {
    if (raw.length > bounds.maxLineLength)
      throw malformed(
        `has a line of ${raw.length} octets; the limit is ${bounds.maxLineLength}`,
        'line',
        index,
      )
    if (hostile && controls.test(raw)) throw malformed('has a control character', raw.slice(0, 1), index)
    const line = raw.trim()
    if (line[1] !== '=' || !/^[a-z]/.test(line)) continue
    understood += 1
    const type = line[0]!
    const value = line.slice(2).trim()
    if (type === 'm') {
      if (sections.length > bounds.maxMedia)
        throw malformed(`has more than ${bounds.maxMedia} media lines`, 'm', index)
      const head = readMediaHead(value, index)
      current = { head, attributes: [], crypto: [] }
      sections.push(current)
      kept.push(`m=${head.kind.replace(/\W/g, '_')} ${head.port} x`)
    } else if (type === 'a') readAttribute(value, current, kept)
    else if (type === 'o' || type === 'c') kept.push(`${type}=${singleSpaced(value)}`)
    else if (type === 's') kept.push(`s=${value}`)
  }
  if (understood === 0) throw malformed('has no line of the form "x=..."', 'v')
  return { canonical: kept.join('\n'), sections }
}

function readAttribute(text: string, section: Section, kept: string[]): void {
  const colon = text.indexOf(':')
  const name = colon < 0 ? text : text.slice(0, colon).trim()
  const value = colon < 0 ? undefined : text.slice(colon + 1).trim()
  const lower = name.toLowerCase()
  if (directions.has(lower) && value === undefined) kept.push(`a=${lower}`)
  else if (section.head && lower === 'crypto') section.crypto.push(value ?? '')
  else if (section.head && typedAttributes.has(lower))
    kept.push(value === undefined ? `a=${lower}` : `a=${lower}:${singleSpaced(value)}`)
  else if (name !== '') section.attributes.push(value === undefined ? { name } : { name, value })
}

/** `audio 49170/2 RTP/AVP 0 8`: the number of ports is dropped, for each of ours is its own stream. */
function readMediaHead(value: string, index: number): MediaHead {
  const [kind, portText, protocol, ...formats] = value.split(/\s+/)
  const port = /^(\d{1,5})(?:\/\d+)?$/.exec(portText ?? '')?.[1]
  if (!kind || protocol === undefined || port === undefined || Number(port) > 65_535)
    throw malformed('has an m= line without kind, port and transport', 'm', index)
  return { kind, port: Number(port), protocol, formats }
}

function normalise(parsed: ParsedSession, sections: readonly Section[]): SessionDescription {
  const connection = addressOf(parsed.connection?.ip, parsed.connection?.version)
  const sessionDirection = parsed.direction as Direction | undefined
  const media = sections
    .slice(1)
    .map((section, i) =>
      normaliseMedia(section as Section & { head: MediaHead }, parsed.media[i], connection, sessionDirection),
    )
  return {
    origin: originOf(parsed.origin),
    name: parsed.name === undefined || parsed.name === '' ? '-' : String(parsed.name),
    ...(connection && { connection }),
    attributes: sections[0]!.attributes,
    media,
  }
}

function normaliseMedia(
  { head, attributes, crypto }: Section & { head: MediaHead },
  parsed: ParsedMedia | undefined,
  sessionConnection: SdpAddress | undefined,
  sessionDirection: Direction | undefined,
): MediaDescription {
  const connection = addressOf(parsed?.connection?.ip, parsed?.connection?.version) ?? sessionConnection
  const rtcp = rtcpOf(parsed?.rtcp)
  const ptime = milliseconds(parsed?.ptime)
  const maxptime = milliseconds(parsed?.maxptime)
  return {
    ...head,
    ...(connection && { connection }),
    direction: (parsed?.direction as Direction | undefined) ?? sessionDirection ?? 'sendrecv',
    payloads: isRtp(head.protocol) ? payloadsOf(head.formats, parsed) : [],
    ...(ptime !== undefined && { ptime }),
    ...(maxptime !== undefined && { maxptime }),
    ...(rtcp && { rtcp }),
    rtcpMux: parsed?.rtcpMux !== undefined,
    crypto,
    attributes,
  }
}

/** Whether the formats of such an `m=` line are RTP payload types. */
export function isRtp(protocol: string): boolean {
  return protocol.toUpperCase().includes('RTP/')
}

function payloadsOf(formats: readonly string[], parsed: ParsedMedia | undefined): PayloadFormat[] {
  const payloads: PayloadFormat[] = []
  const seen = new Set<number>()
  for (const format of formats) {
    const payloadType = /^\d{1,3}$/.test(format) ? Number(format) : 128
    if (payloadType > 127 || seen.has(payloadType)) continue
    seen.add(payloadType)
    const map = parsed?.rtp.find(entry => Number(entry.payload) === payloadType && entry.payload !== '')
    const clockRate = Number(map?.rate)
    const found =
      map && clockRate > 0 && map.codec !== ''
        ? { payloadType, name: String(map.codec), clockRate, channels: channelsOf(map.encoding) }
        : staticFormat(payloadType)
    if (!found) continue
    const fmtp = parsed?.fmtp.find(entry => Number(entry.payload) === payloadType && entry.payload !== '')
    const config = fmtp === undefined ? '' : String(fmtp.config).trim()
    payloads.push(config === '' ? found : { ...found, fmtp: config })
  }
  return payloads
}

function channelsOf(encoding: string | number | undefined): number {
  const channels = Number(encoding)
  return Number.isInteger(channels) && channels > 0 && channels < 256 ? channels : 1
}

function milliseconds(value: string | number | undefined): number | undefined {
  const number = value === undefined || value === '' ? Number.NaN : Number(value)
  return number > 0 && number <= 10_000 ? number : undefined
}

function rtcpOf(rtcp: ParsedMedia['rtcp']): RtcpAttribute | undefined {
  const port = Number(rtcp?.port)
  if (!rtcp || rtcp.port === '' || !(port > 0 && port <= 65_535)) return undefined
  const address = addressOf(rtcp.address, rtcp.ipVer)
  return address ? { port, address } : { port }
}

/** Multicast addresses carry `/ttl`; a zone (`%eth0`) of an IPv6 address means nothing to us. */
function addressOf(
  ip: string | number | undefined,
  version: string | number | undefined,
): SdpAddress | undefined {
  const address =
    ip === undefined
      ? ''
      : String(ip)
          .replace(/[/%].*$/, '')
          .replace(/^\[(.*)\]$/, '$1')
  if (address === '') return undefined
  // The address itself is better evidence than the IP4 or IP6 before it, which some peers never change.
  const family = address.includes(':')
    ? 6
    : /^\d+(?:\.\d+){3}$/.test(address)
      ? 4
      : Number(version) === 6
        ? 6
        : 4
  return { address, family }
}

function originOf(origin: ParsedSession['origin']): Origin {
  const address = addressOf(origin?.address, origin?.ipVer) ?? { address: '0.0.0.0', family: 4 }
  return {
    username: digitsOr(origin?.username, '-'),
    sessionId: digitsOr(origin?.sessionId, '0'),
    version: digitsOr(origin?.sessionVersion, '0'),
    ...address,
  }
}

function digitsOr(value: string | number | undefined, fallback: string): string {
  return value === undefined || value === '' ? fallback : String(value)
}

function malformed(what: string, field: string, index?: number): SdpError {
  const line = index === undefined ? '' : ` (line ${index + 1})`
  return new SdpError(`The session description ${what}${line}; answer 400 and ask the peer to correct it`, {
    field,
    ...(index !== undefined && { line: index + 1 }),
    statusCode: 400,
    warning: { code: 399, text: `Session description ${what}${line}` },
  })
}
