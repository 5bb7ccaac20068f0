import { Buffer } from 'node:buffer'
import { is, skip } from './chars.ts'
import type { CharClass } from './chars.ts'

function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

/** The octet that `%XX` at `at` stands for, or -1 where it is no escape. */
export function escapedOctet(text: string, at: number): number {
  if (at + 2 >= text.length) return -1
  const high = hexValue(text.charCodeAt(at + 1))
  const low = hexValue(text.charCodeAt(at + 2))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** Replaces `%XX` by what it stands for; octets from 0x80 up are read as UTF-8. A `%` that escapes nothing stays. */
export function unescape(text: string): string {
  if (!text.includes('%')) return text
  const octets = Buffer.allocUnsafe(Buffer.byteLength(text))
  let length = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const octet = code === 37 ? escapedOctet(text, at) : -1
    if (octet >= 0) {
      octets[length++] = octet
      at += 2
    } else if (code < 128) octets[length++] = code
    else {
      const character = String.fromCodePoint(text.codePointAt(at) as number)
      length += octets.write(character, length)
      at += character.length - 1
    }
  }
  return octets.toString('utf8', 0, length)
}

const hexDigits = '0123456789ABCDEF'

/** Escapes the octets of every character that is not in the class. */
export function escape(text: string, plain: CharClass): string {
  if (skip(text, 0, text.length, plain) === text.length) return text
  let out = ''
  for (const octet of Buffer.from(text, 'utf8')) {
    out += is(octet, plain) ? String.fromCharCode(octet) : `%${hexDigits[octet >> 4]}${hexDigits[octet & 15]}`
  }
  return out
}

/**
 * One form for all spellings that RFC 3261 §19.1.4 calls equal: escapes of characters that need none (those of
 * `plain`) are undone, the others get upper-case hex digits. Unlike `unescape`, it keeps apart what differs.
 */
export function normaliseEscapes(text: string, plain: CharClass): string {
  if (!text.includes('%')) return text
  let out = ''
  for (let at = 0; at < text.length; at++) {
    const octet = text.charCodeAt(at) === 37 ? escapedOctet(text, at) : -1
    if (octet < 0) out += text[at]
    else {
      out += is(octet, plain) ? String.fromCharCode(octet) : text.slice(at, at + 3).toUpperCase()
      at += 2
    }
  }
  return out
}
