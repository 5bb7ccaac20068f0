import { OptionError } from '../../runtime/errors.ts'
import { isIpv4, isIpv6, stripBrackets } from '../message/host.ts'

interface Block {
  readonly octets: Uint8Array
  readonly bits: number
}

/** Addresses and blocks of them, IPv4 and IPv6, in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). */
export class AddressList {
  readonly #blocks: readonly Block[]

  /** @throws OptionError naming the entry that is no address or block */
  constructor(entries: readonly string[], field = 'addresses') {
    this.#blocks = entries.map((entry, index) => {
      const block = parseBlock(entry)
      if (block === undefined)
        throw new OptionError(
          `${field}[${index}]`,
          `"${entry}" is no address or block; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32`,
        )
      return block
    })
  }

  /** An IPv4 address mapped into IPv6 (`::ffff:192.0.2.1`) is the IPv4 address. */
  has(address: string): boolean {
    const octets = parseAddress(address)
    return octets !== undefined && this.#blocks.some(block => contains(block, octets))
  }
}

function contains({ octets, bits }: Block, address: Uint8Array): boolean {
  if (octets.length !== address.length) return false
  const whole = bits >> 3
  for (let at = 0; at < whole; at++) if (octets[at] !== address[at]) return false
  const rest = bits & 7
  return rest === 0 || ((octets[whole] ?? 0) ^ (address[whole] ?? 0)) >> (8 - rest) === 0
}

function parseBlock(text: string): Block | undefined {
  const match = /^(?<address>[^/]+)(?:\/(?<bits>\d{1,3}))?$/.exec(text.trim())
  const address = match?.groups?.['address'] ?? ''
  const octets = parseAddress(address)
  if (octets === undefined) return undefined
  const most = octets.length * 8
  const given = match?.groups?.['bits']
  if (given === undefined) return { octets, bits: most }
  // A block of mapped addresses is counted in the 128 bits it was written in.
  const bits = Number(given) - (octets.length === 4 && address.includes(':') ? 96 : 0)
  return bits >= 0 && bits <= most ? { octets, bits } : undefined
}

function parseAddress(text: string): Uint8Array | undefined {
  const address = stripBrackets(text.trim()).replace(/%.*$/, '')
  if (isIpv4(address)) return Uint8Array.from(address.split('.'), Number)
  return address.includes(':') && isIpv6(address) ? unmapped(ipv6Octets(address)) : undefined
}

function ipv6Octets(address: string): Uint8Array {
  const [head = '', tail] = address.split('::')
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const octets = new Uint8Array(16)
  octets.set(left)
  octets.set(right, 16 - right.length)
  return octets
}

function groups(text: string): number[] {
  return text
    .split(':')
    .filter(group => group !== '')
    .flatMap(group => {
      if (group.includes('.')) return group.split('.').map(Number)
      const value = Number.parseInt(group, 16)
      return [value >> 8, value & 255]
    })
}

/** RFC 4291 §2.5.5.2. */
function unmapped(octets: Uint8Array): Uint8Array {
  const mapped =
    octets[10] === 255 && octets[11] === 255 && octets.subarray(0, 10).every(octet => octet === 0)
  return mapped ? octets.subarray(12) : octets
}
