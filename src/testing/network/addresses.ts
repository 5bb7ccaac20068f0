import { isIPv4, isIPv6, SocketAddress as ParsedAddress } from 'node:net'
import { OptionError } from '../../runtime/errors.ts'
import type { SocketAddress } from '../../runtime/runtime.ts'

/**
 * The one spelling of a numeric address that the network uses as a key: `2001:DB8:0::1` is `2001:db8::1`.
 * @returns undefined when `text` is not a numeric address
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (!isIPv6(bare)) return undefined
  return new ParsedAddress({ address: bare, family: 'ipv6' }).address
}

/** @throws {OptionError} `text` is not a numeric address */
export function requireAddress(field: string, text: string): string {
  const address = canonicalAddress(text)
  if (address === undefined) {
    throw new OptionError(
      field,
      `'${text}' is not a numeric IPv4 or IPv6 address: hosts of the lab are numbered`,
    )
  }
  return address
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

export function socketAddress(address: string, port: number): SocketAddress {
  return { address, port, family: familyOf(address) }
}

export const WILDCARD = { 4: '0.0.0.0', 6: '::' } as const
export const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const

/** An error as the system would give it, for the `cause` of a `SipError` and for `onError`. */
export function systemError(code: string, syscall: string, address: string, port: number): Error {
  return Object.assign(new Error(`${syscall} ${code} ${address}:${port}`), { code, syscall, address, port })
}
