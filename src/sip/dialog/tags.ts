import { Buffer } from 'node:buffer'
import type { Random } from '../../runtime/runtime.ts'

/** A tag or Call-ID: random octets as hexadecimal digits; 10 octets are more than the 32 bits RFC 3261 §19.3 asks for. */
export function randomTag(random: Random, octets = 10): string {
  return Buffer.from(random.bytes(octets)).toString('hex')
}
