import type { Random } from '../../runtime/runtime.ts'
import { magicCookie } from '../message/via.ts'

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz'

/** 64 random bits as text: unique where an identifier must be so across space and time (RFC 3261 §8.1.1.7, §19.3). */
export function randomToken(random: Random): string {
  return word(random.uint32()) + word(random.uint32())
}

export function newBranch(random: Random): string {
  return magicCookie + randomToken(random)
}

function word(value: number): string {
  let text = ''
  for (let i = 0, rest = value; i < 7; i++) {
    text += alphabet[rest % 36]
    rest = Math.floor(rest / 36)
  }
  return text
}
