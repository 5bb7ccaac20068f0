import { OptionError } from '../../runtime/errors.ts'

/** How much one message may claim. Every bound is checked before anything of that size is allocated. */
export interface MessageLimits {
  /** Octets of start line, headers and body together. */
  messageBytes: number
  /** Header lines, folded ones counted once. */
  headers: number
  /** Octets of one header line, its continuation lines included; also of the start line. */
  lineBytes: number
}

export const defaultLimits: MessageLimits = { messageBytes: 65_536, headers: 256, lineBytes: 8_192 }

/** The header index keeps offsets in 24 bits. */
const mostBytes = 16_777_215

/** @throws OptionError for a message size that cannot be kept */
export function limitsFrom(options: Partial<MessageLimits> | undefined): MessageLimits {
  if (options === undefined) return defaultLimits
  const limits = { ...defaultLimits, ...options }
  if (!(limits.messageBytes <= mostBytes)) throw new OptionError('messageBytes', `it is above ${mostBytes}`)
  return limits
}
