import { OptionError } from '../../runtime/errors.ts'
import type {
  MediaDescription,
  PayloadFormat,
  SdpAddress,
  SdpAttribute,
  SessionDescription,
} from './description.ts'

/**
 * Writes a session description with CRLF line ends, in the order of RFC 8866 §9.
 *
 * @throws OptionError when a value has a line break or NUL in it, or a space where the grammar has none.
 */
export function writeSdp(description: SessionDescription): string {
  const { origin, name, connection, attributes, media } = description
  const lines = [
    'v=0',
    `o=${token(origin.username, 'username')} ${token(origin.sessionId, 'sessionId')} ${token(origin.version, 'version')} ${address(origin)}`,
    `s=${name === '' ? '-' : name}`,
  ]
  if (connection) lines.push(`c=${address(connection)}`)
  lines.push('t=0 0')
  for (const attribute of attributes) lines.push(attributeLine(attribute))
  for (const section of media) writeMedia(section, connection, lines)
  for (const line of lines)
    if (/[\r\n\0]/.test(line))
      throw new OptionError('sdp', `no line breaks or NUL in a value: ${JSON.stringify(line)}`)
  return `${lines.join('\r\n')}\r\n`
}

function writeMedia(media: MediaDescription, session: SdpAddress | undefined, lines: string[]): void {
  const formats = media.formats.map(format => token(format, 'formats'))
  lines.push(
    [`m=${token(media.kind, 'kind')}`, media.port, token(media.protocol, 'protocol'), ...formats].join(' '),
  )
  const { connection } = media
  if (connection && !(session && sameAddress(connection, session))) lines.push(`c=${address(connection)}`)
  for (const payload of media.payloads) {
    lines.push(`a=rtpmap:${payload.payloadType} ${encoding(payload)}`)
    if (payload.fmtp !== undefined) lines.push(`a=fmtp:${payload.payloadType} ${payload.fmtp}`)
  }
  if (media.ptime !== undefined) lines.push(`a=ptime:${media.ptime}`)
  if (media.maxptime !== undefined) lines.push(`a=maxptime:${media.maxptime}`)
  if (media.rtcp) {
    const at = media.rtcp.address ? ` ${address(media.rtcp.address)}` : ''
    lines.push(`a=rtcp:${media.rtcp.port}${at}`)
  }
  if (media.rtcpMux) lines.push('a=rtcp-mux')
  for (const crypto of media.crypto) lines.push(`a=crypto:${crypto}`)
  for (const attribute of media.attributes) lines.push(attributeLine(attribute))
  // A refused stream has no direction; everything else says its own even where it is the default.
  if (media.port !== 0) lines.push(`a=${media.direction}`)
}

function encoding({ name, clockRate, channels }: PayloadFormat): string {
  return `${token(name, 'name')}/${clockRate}${channels > 1 ? `/${channels}` : ''}`
}

function attributeLine({ name, value }: SdpAttribute): string {
  return value === undefined ? `a=${token(name, 'attribute')}` : `a=${token(name, 'attribute')}:${value}`
}

function address(value: SdpAddress): string {
  return `IN IP${value.family} ${token(value.address, 'address')}`
}

function sameAddress(a: SdpAddress, b: SdpAddress): boolean {
  return a.address === b.address && a.family === b.family
}

function token(value: string, field: string): string {
  if (value === '' || /\s/.test(value))
    throw new OptionError(field, `must not be empty or have white space in it: ${JSON.stringify(value)}`)
  return value
}
