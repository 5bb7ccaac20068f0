import { OptionError } from './errors.ts'

/** Where a WebSocket is to be opened. */
export interface WebSocketTarget {
  readonly secure: boolean
  /** IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** Path and query. */
  readonly path: string
  /** For messages: without path and query, which may hold secrets. */
  readonly place: string
}

/** @throws OptionError not a URL, or not of a WebSocket */
export function webSocketTarget(text: string): WebSocketTarget {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'ws:' && url.protocol !== 'wss:')) {
    throw new OptionError('url', 'no WebSocket URL: give ws://host/path or wss://host/path')
  }
  const secure = url.protocol === 'wss:'
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  return {
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    path: url.pathname + url.search,
    place: `${url.protocol}//${url.hostname}:${port}`,
  }
}

/** CR, LF and NUL would end the header and begin another. @throws OptionError */
export function checkedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[\r\n\0]/.test(value)) {
      throw new OptionError(
        'headers',
        `${JSON.stringify(name)} cannot be sent: no line ends, and a token as name`,
      )
    }
  }
  return headers
}
