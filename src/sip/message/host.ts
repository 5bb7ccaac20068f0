import { DIGIT, HOST, skip, skipBlank } from './chars.ts'
import { SipParseError } from './errors.ts'

export interface HostPort {
  /** A name or an IPv4 address as written; an IPv6 address without its brackets. */
  host: string
  port: number | undefined
  /** Where the text goes on. */
  end: number
}

function fail(detail: string, offset: number): SipParseError {
  return new SipParseError(detail, { offset })
}

/** Whether the text between brackets is an IPv6 address (RFC 3986 §3.2.2, which RFC 5954 puts in RFC 3261's place). */
export function isIpv6(text: string): boolean {
  const zone = text.indexOf('%')
  const address = zone < 0 ? text : text.slice(0, zone)
  const halves = address.split('::')
  if (halves.length > 2) return false
  let groups = 0
  for (const half of halves) {
    if (half === '') continue
    const parts = half.split(':')
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as string
      const last = i === parts.length - 1 && half === halves.at(-1)
      if (last && part.includes('.')) {
        if (!isIpv4(part)) return false
        groups += 2
      } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups++
      else return false
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8
}

export function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every(part => /^\d{1,3}$/.test(part) && Number(part) < 256)
}

/** Reads `host [ ":" port ]`; spaces round the colon only where `spaced` (a Via allows them, a URI does not). */
export function scanHostPort(text: string, from: number, to: number, spaced: boolean): HostPort {
  let at: number
  let host: string
  if (text.charCodeAt(from) === 91) {
    const close = text.indexOf(']', from)
    if (close < 0 || close >= to) throw fail('the IPv6 address has no closing bracket', from)
    // RFC 3261 took `:::` before an IPv4 address from RFC 2373; RFC 5118 §4.10 has it tolerated.
    host = text.slice(from + 1, close).replace(':::', '::')
    if (!isIpv6(host)) throw fail('not an IPv6 address', from)
    at = close + 1
  } else {
    at = skip(text, from, to, HOST)
    if (at === from) throw fail('expected a host', from)
    host = text.slice(from, at)
  }
  let end = at
  if (spaced) at = skipBlank(text, at, to)
  if (at >= to || text.charCodeAt(at) !== 58) return { host, port: undefined, end }
  at++
  if (spaced) at = skipBlank(text, at, to)
  end = skip(text, at, to, DIGIT)
  const port = end === at || end - at > 5 ? 65_536 : Number(text.slice(at, end))
  if (port > 65_535) throw fail('expected a port of 0 to 65535', at)
  return { host, port, end }
}

export function writeHostPort(host: string, port: number | undefined): string {
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return port === undefined ? name : `${name}:${port}`
}

/** One form for comparison: lower case, no brackets. */
export function canonicalHost(host: string): string {
  return stripBrackets(host).toLowerCase()
}

export function stripBrackets(host: string): string {
  return host.charCodeAt(0) === 91 && host.endsWith(']') ? host.slice(1, -1) : host
}
