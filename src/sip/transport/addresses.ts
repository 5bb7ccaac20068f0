import type { SocketAddress } from '../../runtime/runtime.ts'
import { isIpv4, isIpv6, stripBrackets } from '../message/host.ts'

/** 4 or 6 for a numeric address without brackets, 0 for anything else. */
export function familyOf(host: string): 4 | 6 | 0 {
  if (host.includes(':')) return isIpv6(host) ? 6 : 0
  return isIpv4(host) ? 4 : 0
}

/** What a dual-stack socket reports for an IPv4 peer, as the IPv4 address it is. */
export function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::' || address === ''
}

export function isLoopback(address: string): boolean {
  return address === '::1' || unmapped(address).startsWith('127.')
}

/** Prefixes no route on the internet leads to: RFC 1918, RFC 6598 (carrier NAT), RFC 3927, RFC 4193, RFC 4291 §2.5.6. */
const privatePrefixes: readonly RegExp[] = [
  /^10\./,
  /^192\.168\./,
  /^172\.(?:1[6-9]|2\d|3[01])\./,
  /^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./,
  /^169\.254\./,
  /^f[cd][0-9a-f]{2}:/i,
  /^fe[89ab][0-9a-f]:/i,
]

/** A numeric address that means nothing outside its own network. */
export function isPrivate(address: string): boolean {
  const plain = unmapped(stripBrackets(address))
  return familyOf(plain) !== 0 && privatePrefixes.some(prefix => prefix.test(plain))
}

/** The same address, whatever the spelling (case, zero compression, IPv4 in IPv6). */
export function sameAddress(a: string, b: string): boolean {
  if (a === b) return true
  const bitsA = addressBits(unmapped(stripBrackets(a)))
  return bitsA !== undefined && bitsA === addressBits(unmapped(stripBrackets(b)))
}

/** The address as a string of binary digits; `undefined` when it is not numeric. */
export function addressBits(address: string): string | undefined {
  const family = familyOf(address)
  if (family === 0) return undefined
  if (family === 4) {
    return address
      .split('.')
      .map(part => Number(part).toString(2).padStart(8, '0'))
      .join('')
  }
  const groups = expandIpv6(address)
  return groups?.map(group => group.toString(2).padStart(16, '0')).join('')
}

function expandIpv6(address: string): number[] | undefined {
  const plain = address.split('%', 1)[0] ?? ''
  const halves = plain.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0] ?? '')
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '') : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 0) return undefined
  return [...head, ...Array.from<number>({ length: missing }).fill(0), ...tail]
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  for (const part of text.split(':')) {
    if (familyOf(part) === 4) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
      groups.push(a * 256 + b, c * 256 + d)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else {
      return undefined
    }
  }
  return groups
}

/**
 * The interface address a peer at `remote` most likely reaches us by: loopback for loopback, otherwise the one that
 * shares the longest prefix (the interface list has no netmasks). `undefined` when the family has no interface.
 */
export function interfaceTowards(
  interfaces: readonly SocketAddress[],
  remote: string | undefined,
  family: 4 | 6,
): string | undefined {
  const candidates = interfaces.filter(candidate => candidate.family === family)
  const inner = candidates.filter(candidate => isLoopback(candidate.address))
  const outer = candidates.filter(candidate => !isLoopback(candidate.address))
  if (remote !== undefined && isLoopback(remote)) return (inner.at(0) ?? outer.at(0))?.address
  const wanted = remote === undefined ? undefined : addressBits(unmapped(remote))
  if (wanted === undefined) return (outer.at(0) ?? inner.at(0))?.address
  let best: string | undefined
  let bestLength = -1
  for (const { address } of outer) {
    const length = commonPrefix(addressBits(address) ?? '', wanted)
    if (length > bestLength) {
      best = address
      bestLength = length
    }
  }
  return best ?? inner.at(0)?.address
}

function commonPrefix(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return length
}

/** A key for maps: the address and port of a socket. */
export function addressKey(address: string, port: number): string {
  return `${address}|${port}`
}
